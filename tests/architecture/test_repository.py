"""What lies at the top of the repository, and that the texts which repeat each other agree."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    "LICENSE",
    "README.md",
    "benchmarks",
    "docs",
    "grammars",
    "models",
    "netdsl",
    "pyproject.toml",
    "tests",
}


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout of git")
    return done.stdout.splitlines()


def test_the_top_level_holds_nothing_else() -> None:
    top = {path.split("/")[0] for path in tracked()}
    assert {each for each in top if not each.startswith(".")} == TOP


def test_no_file_is_large() -> None:
    large = [path for path in tracked() if (ROOT / path).is_file() and (ROOT / path).stat().st_size > 500_000]
    assert not large


def commands() -> list[str]:
    """Return the commands of the README, the newcomer's first two."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def test_the_script_of_all_checks_runs_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    install, test = commands()[1].split(" && ")
    assert install == ".venv/bin/pip install -e '.[dev]'"
    assert test == ".venv/bin/pytest -n auto"
    assert 'bash -c "$(readme 1)"' in script
    assert 'bash -c "$(readme 2)"' in script


def test_each_dependency_is_told_why() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "internals" / "dependencies.md").read_text(encoding="utf-8")
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    for requirement in (*project["dependencies"], *extras):
        name = re.split(r"[<>=\[;]", requirement)[0]
        assert f"`{name}`" in page, f"{name} is not on the page of dependencies"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
