"""The direction of the packages, and who may import what."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "netdsl"


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of the package as (path below netdsl, tree)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def importers(package: str) -> set[str]:
    """Return the folders, or files right below netdsl, that import a package."""
    return {
        path.split("/")[0]
        for path, module in modules()
        if any(name.split(".")[0] == package for name in imports(module))
    }


def test_the_contract_of_layers_is_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("networkx", {"graph"}),
        ("numba", {"kernels", "runtime"}),
        ("llvmlite", {"kernels", "runtime"}),
        ("cuda", {"runtime"}),
        ("lark", {"syntax"}),
        ("graphviz", {"explain"}),
        ("pygls", {"lsp"}),
        ("pygments", {"highlighting.py"}),
        ("lsprotocol", {"lsp"}),
        ("safetensors", {"files", "training", "interchange"}),
        ("torch", set()),
        ("sklearn", set()),
    ],
)
def test_a_dependency_is_imported_in_its_place_alone(package: str, allowed: set[str]) -> None:
    assert importers(package) <= allowed


FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "importlib.machinery"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
LOADERS_OF_GENERATED_CODE = {"runtime", "kernels"}
WRITER_OF_DATA_CLASSES = "lazy_dataclass.py"
"""Makes methods of the fields that a class names, as the standard library does."""


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield calls by the name that is called."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, node
            elif isinstance(node.func, ast.Attribute):
                yield ast.unparse(node.func), node


def functions(module: ast.Module) -> set[str]:
    """Return the functions that a module defines itself, whatever else has their name."""
    return {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


def test_nothing_that_could_run_what_a_file_says_is_imported() -> None:
    found = {
        (path, name) for path, module in modules() for name in imports(module) if name in FORBIDDEN_MODULES
    }
    assert not found


def test_text_becomes_code_only_where_generated_kernels_are_loaded() -> None:
    found = {
        (path, name)
        for path, module in modules()
        for name, _ in calls(module)
        if name in FORBIDDEN_CALLS - functions(module)
        and path.split("/")[0] not in {*LOADERS_OF_GENERATED_CODE, WRITER_OF_DATA_CLASSES}
    }
    assert not found


def test_no_array_file_may_hold_objects() -> None:
    for path, module in modules():
        for name, call in calls(module):
            for keyword in call.keywords:
                if keyword.arg == "allow_pickle":
                    assert isinstance(keyword.value, ast.Constant), f"{path}: {name}"
                    assert keyword.value.value is False, f"{path}: {name}"


def test_no_command_goes_through_a_shell() -> None:
    for path, module in modules():
        for name, call in calls(module):
            assert name not in ("os.system", "os.popen"), path
            assert not any(keyword.arg == "shell" for keyword in call.keywords), f"{path}: {name}"


def test_no_exception_is_swallowed() -> None:
    for path, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                silent = all(isinstance(each, ast.Pass) for each in node.body)
                assert not (broad and silent), f"{path}:{node.lineno}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "basic"}
    named = {path for path, _ in modules() if {*path.removesuffix(".py").split("/")} & empty}
    assert not named
