import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netdsl.data import open_data
from netdsl.data.sources import source_arguments, source_names
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from tests.data.plans import SPAN, opened, plan, refused, source, split, text_of


def test_an_unknown_source_is_told_with_the_nearest() -> None:
    found = refused(lambda: opened(plan(source("mnits"))))
    assert (found.code, found.help) == ("E0520", "did you mean `mnist`?")
    assert "`spirals`" in text_of(refused(lambda: opened(plan(source("zzz")))))


def test_mistakes_of_the_file_and_of_the_data_have_their_exit_codes(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        opened(plan(source("moons", 1, 2, 3)))
    assert caught.value.exit_code is Exit.USAGE
    (tmp_path / "f.csv").write_text("x,y\n1,a\n2,3\n")
    with pytest.raises(DiagnosticError) as caught:
        opened(plan(source("csv", "f.csv", target="y")), tmp_path)
    assert caught.value.exit_code is Exit.DATA


def test_the_digits(tmp_path: Path) -> None:
    data = opened(plan(source("digits"), split({"train": 0.7, "valid": 0.15, "test": 0.15})), tmp_path)
    assert data.schema.fields[0].range == (0, 16)
    train = data.part("train")
    assert train["image"].shape == (1258, 8, 8, 1)
    assert train["image"].dtype == np.uint8
    assert train["image"].max() == 16
    whole = opened(plan(source("digits")), tmp_path).part("train")
    counts = np.bincount(whole["label"]).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert whole["image"][0, 0, :, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


@pytest.mark.parametrize("name", ["moons", "circles", "spirals", "blobs"])
def test_toys(name: str) -> None:
    data = opened(plan(source(name, n=301, noise=0.0)))
    x, label = data.part("train")["x"], data.part("train")["label"]
    assert x.shape == (301, 2)
    assert x.dtype == np.float32
    counts = np.bincount(label)
    assert counts.max() - counts.min() <= 1
    assert len(counts) == len(data.schema.fields[1].classes)
    again = opened(plan(source(name, n=301, noise=0.0))).part("train")
    assert (again["x"] == x).all()
    other = opened(plan(source(name, n=301, noise=0.0, seed=1))).part("train")
    assert (other["label"] != label).any()
    noisy = opened(plan(source(name, n=301, noise=0.1))).part("train")
    assert (noisy["x"] - x).std() == pytest.approx(0.1, rel=0.2)


def test_toys_lie_where_they_should() -> None:
    moons = opened(plan(source("moons", 400, 0))).part("train")
    upper = moons["x"][moons["label"] == 0]
    assert np.hypot(upper[:, 0], upper[:, 1]) == pytest.approx(1, abs=1e-6)
    assert (upper[:, 1] >= -1e-6).all()
    circles = opened(plan(source("circles", 400, 0, factor=0.25))).part("train")
    radius = np.hypot(circles["x"][:, 0], circles["x"][:, 1])
    assert radius == pytest.approx(np.where(circles["label"] == 0, 1, 0.25), abs=1e-6)
    spirals = opened(plan(source("spirals", 400, 0, classes=3, turns=2))).part("train")
    radius = np.hypot(spirals["x"][:, 0], spirals["x"][:, 1])
    assert radius.max() <= 1
    angle = np.arctan2(spirals["x"][:, 1], spirals["x"][:, 0])
    expected = 2 * np.pi * (2 * radius + spirals["label"] / 3)
    assert np.cos(angle - expected) == pytest.approx(1, abs=1e-4)
    blobs = opened(plan(source("blobs", 400, 0, classes=4, radius=2))).part("train")
    assert len(np.unique(blobs["x"].round(4), axis=0)) == 4


def test_a_toy_never_changes() -> None:
    """The figures of models in the documentation were measured on these points."""
    x = opened(plan(source("moons", n=4))).part("train")["x"]
    golden = [[-1.0033, 0.207], [0.0117, 0.0109], [-0.2723, 0.8528], [0.0197, 0.2819]]
    assert np.abs(x - golden).max() < 1e-4


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"n": 0}, "it can be 1 to 10,000,000"),
        ({"n": 10.5}, "a whole number, not 10.5"),
        ({"n": "many"}, "not `many`"),
        ({"n": True}, "not yes"),
        ({"noise": -1}, "it can be 0 to"),
        ({"noise": float("nan")}, "a number"),
        ({"classes": 3}, "takes no `classes`"),
    ],
)
def test_arguments_of_toys(named: dict[str, object], told: str) -> None:
    found = refused(lambda: opened(plan(source("moons", **named))))
    assert found.code in {"E0521", "E0522"}
    assert told in found.message


def test_cifar_files_that_are_damaged(tmp_path: Path) -> None:
    record = bytes([3]) + bytes(3072)
    (tmp_path / "data_batch_1.bin").write_bytes(record * 2)
    data = opened(plan(source("cifar10", ".")), tmp_path)
    assert dict(data.schema.rows) == {"train": 2}
    assert data.part("train")["label"].tolist() == [3, 3]
    (tmp_path / "data_batch_1.bin").write_bytes(record + bytes([10]) + bytes(3072))
    assert (
        "row 2 has label 10"
        in refused(lambda: opened(plan(source("cifar10", ".")), tmp_path).part("train")).message
    )
    (tmp_path / "data_batch_1.bin").write_bytes(record * 2 + b"x")
    assert refused(lambda: opened(plan(source("cifar10", ".")), tmp_path)).code == "E0541"
    (tmp_path / "data_batch_1.bin").unlink()
    assert refused(lambda: opened(plan(source("cifar10", ".")), tmp_path)).code == "E0523"
    assert "cifar-10-binary.tar.gz" in text_of(refused(lambda: opened(plan(source("cifar10")), tmp_path)))


# ---- where files are looked for ------------------------------------------------------------------

TABLE = "x,y\n1,2\n3,4\n"


def test_files_are_looked_for_beside_the_file_then_in_the_data_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (there / "sub").mkdir(parents=True)
    here.mkdir()
    (there / "sub" / "f.csv").write_text(TABLE)
    asked = plan(source("csv", "sub/f.csv", target="y"))
    data = open_data(asked, folder=here, data_dir=there)
    assert data.part("train")["y"].tolist() == [2, 4]
    (here / "sub").mkdir()
    (here / "sub" / "f.csv").write_text("x,y\n5,6\n")
    assert open_data(asked, folder=here, data_dir=there).part("train")["y"].tolist() == [6]


def test_the_data_folder_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.csv").write_text(TABLE)
    monkeypatch.setenv("NETDSL_DATA_DIR", str(tmp_path))
    data = open_data(plan(source("csv", "f.csv", target="y")), folder=tmp_path / "none")
    assert data.schema.rows["train"] == 2


def test_files_outside_are_refused_unless_allowed(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "f.csv").write_text(TABLE)
    (project / "link.csv").symlink_to(outside / "f.csv")
    (project / "linked").symlink_to(outside)
    (project / "inner.csv").symlink_to(project / "real.csv")
    (project / "real.csv").write_text(TABLE)
    for name in (
        "../outside/f.csv",
        str(outside / "f.csv"),
        "link.csv",
        "linked/f.csv",
        "x/../../outside/f.csv",
    ):
        asked = plan(source("csv", name, target="y"))
        assert refused(lambda asked=asked: opened(asked, project)).code == "E0524"  # type: ignore[misc]
        data = open_data(asked, folder=project, data_dir=project, allowed=(outside,))
        assert data.schema.rows["train"] == 2
    for name in ("inner.csv", str(project / "real.csv"), "../project/real.csv", "./real.csv"):
        assert opened(plan(source("csv", name, target="y")), project).schema.rows["train"] == 2


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "E0523"),
        ("none.csv", "E0523"),
        ("a\0b", "E0523"),
        ("ring", "E0523"),
        ("x" * 300, "E0523"),
        ("~/f.csv", "E0523"),
        ("$HOME/f.csv", "E0523"),
        ("%2e%2e/f.csv", "E0523"),
        (".", "E0805"),
        ("pipe", "E0805"),
        ("/dev/zero", "E0524"),
        ("/proc/self/environ", "E0524"),
        ("C:\\f.csv", "E0523"),
        ("\\\\server\\f.csv", "E0523"),
    ],
)
def test_names_that_are_no_files(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    os.mkfifo(tmp_path / "pipe")
    assert refused(lambda: opened(plan(source("csv", name, target="y")), tmp_path)).code == code


def test_opening_a_table_loads_no_network(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(TABLE)
    program = (
        "import sys\nfrom pathlib import Path\nfrom netdsl.data import open_data\n"
        "from netdsl.diagnostics import Source, Span\n"
        "from netdsl.semantics.experiment import DataPlan, SourcePlan\n"
        "span = Span(Source('m.net', ''), 0, 0)\n"
        "source = SourcePlan('csv', ('f.csv',), {'target': 'y'}, span, {})\n"
        "plan = DataPlan('d', source, None, 'error', None, span)\n"
        "open_data(plan, folder=Path(sys.argv[1])).schema\n"
        "print([name for name in ('numba', 'urllib.request', 'http.client', 'ssl') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_every_source_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name in source_names():
        assert re.search(rf"`{name}\(", page), name


def test_a_folder_in_place_of_a_file_is_shown_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    found = refused(lambda: opened(plan(source("csv", "rows.csv")), tmp_path))
    assert found.code == "E0805"
    assert found.primary is not None
    assert found.primary.span == SPAN
    assert found.help


@pytest.mark.parametrize("name", source_names())
def test_the_arguments_that_an_editor_offers_are_those_of_the_source(name: str) -> None:
    """A source that is given an argument it does not know tells those it knows."""
    found = [each for each in _refused(name) if each.code == "E0521"]
    assert re.findall("`(.+?)`", found[0].notes[0]) == list(source_arguments(name))


def _refused(name: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        opened(plan(source(name, unheard_of=1)))
    return caught.value.diagnostics
