"""Put `grammars/` and `models/`, which stand beside the package, into it; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["netdsl*"]), "netdsl.grammars", "netdsl.models"],
    package_dir={"netdsl.grammars": "grammars", "netdsl.models": "models"},
)
