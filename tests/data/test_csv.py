import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netdsl.data import Dataset
from netdsl.diagnostics import Diagnostic, DiagnosticError
from tests.data.mutations import mutations
from tests.data.plans import opened, plan, refused, source, split, text_of

PEOPLE = """\
age,job,city,pay
30,cook,Bonn,10.5
40,smith,Ulm,20
25,cook,Ulm,-3e1
"""


def table(
    folder: Path, text: str | bytes, *, missing: Any = "error", name: str = "f.csv", **named: Any
) -> Dataset:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return opened(plan(source("csv", name, **named), missing=missing), folder)


def told(folder: Path, text: str | bytes, **named: Any) -> Diagnostic:
    return refused(lambda: table(folder, text, **named))


def test_columns_become_one_vector_and_a_target(tmp_path: Path) -> None:
    data = table(tmp_path, PEOPLE, target="pay")
    x, pay = data.schema.fields
    assert (x.name, x.shape, x.kind, x.target) == ("x", (5,), "number", False)
    assert [(each.name, each.start, each.width, each.categories) for each in x.columns] == [
        ("age", 0, 1, ()),
        ("job", 1, 2, ("cook", "smith")),
        ("city", 3, 2, ("Bonn", "Ulm")),
    ]
    assert (pay.name, pay.shape, pay.kind, pay.target) == ("pay", (), "number", True)
    part = data.part("train")
    assert part["x"].dtype == part["pay"].dtype == np.float32
    assert part["x"].tolist() == [[30, 1, 0, 1, 0], [40, 0, 1, 0, 1], [25, 1, 0, 0, 1]]
    assert part["pay"].tolist() == [10.5, 20, -30]
    assert data.place("train", 1).endswith("f.csv:3")


def test_a_target_of_texts_is_a_label(tmp_path: Path) -> None:
    data = table(tmp_path, PEOPLE, target="job")
    label = data.schema.field("job")
    assert label is not None
    assert (label.kind, label.classes, label.shape) == ("label", ("cook", "smith"), ())
    assert data.part("train")["job"].tolist() == [0, 1, 0]
    assert data.part("train")["job"].dtype == np.int32


def test_numbers_as_classes(tmp_path: Path) -> None:
    data = table(tmp_path, "x,q\n1,10\n2,9\n3,10.0\n4,-1\n", label="q")
    assert data.schema.fields[1].classes == ("-1", "9", "10"), "in the order of numbers"
    assert data.part("train")["q"].tolist() == [2, 1, 2, 0]


def test_several_fields_and_targets(tmp_path: Path) -> None:
    inputs = {"x": ("age", "city"), "job": "job", "years": "age"}
    data = table(tmp_path, PEOPLE, target=("pay",), inputs=inputs)
    kinds = {each.name: (each.shape, each.kind, each.target) for each in data.schema.fields}
    assert kinds == {
        "x": ((3,), "number", False),
        "job": ((), "category", False),
        "years": ((), "number", False),
        "pay": ((), "number", True),
    }
    part = data.part("train")
    assert part["job"].tolist() == [0, 1, 0]
    assert part["job"].dtype == np.int32
    assert part["years"].tolist() == [30, 40, 25]
    both = table(tmp_path, PEOPLE, target=("pay", "age"), label="job")
    assert [each.name for each in both.schema.fields] == ["x", "pay", "age", "job"]


def test_columns_are_chosen_and_left_out(tmp_path: Path) -> None:
    names = [
        each.name
        for each in table(tmp_path, PEOPLE, target="pay", inputs=("city", "age")).schema.fields[0].columns
    ]
    assert names == ["city", "age"]
    skipped = table(tmp_path, PEOPLE, target="pay", skip=("job", "city"))
    assert skipped.schema.fields[0].shape == (1,)
    ages = table(tmp_path, PEOPLE, target="pay", inputs="age", categories="age")
    assert ages.schema.fields[0].columns[0].categories == ("25", "30", "40")


def test_a_test_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("pay,city,age,job\n1,Köln,50,cook\n")
    (tmp_path / "f.csv").write_text(PEOPLE)
    data = opened(
        plan(source("csv", "f.csv", target="pay", test="g.csv"), split({"train": 2, "valid": 1})), tmp_path
    )
    assert dict(data.schema.rows) == {"train": 2, "valid": 1, "test": 1}
    assert data.part("test")["x"].tolist() == [[50, 1, 0, 0, 1, 0]], "by name, with the categories of both"
    assert data.place("test", 0).endswith("g.csv:2")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("\ufeff" + PEOPLE, {}),
        (PEOPLE.replace("\n", "\r\n"), {}),
        (PEOPLE.replace(",", ", "), {}),
        (PEOPLE.replace(",", " ,"), {}),
        (PEOPLE.replace(",", ";"), {"separator": ";"}),
        (PEOPLE.replace(",", "\t"), {"separator": "\t"}),
        (PEOPLE.rstrip("\n"), {}),
        (PEOPLE + "\n\n", {}),
        (PEOPLE.replace("Ulm", '"Ulm"'), {}),
        (PEOPLE.partition("\n")[2], {"columns": ("age", "job", "city", "pay")}),
        (gzip.compress(PEOPLE.encode(), mtime=0), {}),
        (PEOPLE.encode("latin-1"), {"encoding": "latin-1"}),
    ],
)
def test_the_same_table_written_otherwise(tmp_path: Path, text: str | bytes, named: dict[str, Any]) -> None:
    found = table(tmp_path, text, target="pay", **named).part("train")
    expected = table(tmp_path, PEOPLE, target="pay").part("train")
    assert (found["x"] == expected["x"]).all()
    assert (found["pay"] == expected["pay"]).all()


def test_quoted_cells(tmp_path: Path) -> None:
    data = table(tmp_path, 'x,name\n1,"a, ""b"""\n2,"two\nlines"\n3,c\n', target="name")
    assert data.schema.fields[1].classes == ('a, "b"', "c", "two\nlines")
    assert data.place("train", 2).endswith(":5"), "the line of the file, not of the row"


def test_cells_are_rounded_once(tmp_path: Path) -> None:
    texts = ["0.1", "1e-45", "16777217", "3.4028235e38", "-0", "1e-400", "12345678.9"]
    data = table(tmp_path, "x,y\n" + "".join(f"{text},1\n" for text in texts), target="y")
    assert data.part("train")["x"][:, 0].tolist() == [float(np.float32(float(text))) for text in texts]


# ---- what is wrong with a table ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "told_of"),
    [
        ("abc", "f.csv:4 has `abc`"),
        ("nan", "not a finite number"),
        ("inf", "not a finite number"),
        ("-Infinity", "not a finite number"),
        ("1e400", "not a finite number"),
        ("1e39", "too large for 32 bits"),
        ("1_000", "f.csv:4 has `1_000`"),
        ("1,5", "has 3"),
        ("0x10", "`0x10`"),
        ("1 2", "`1 2`"),
        ("\x1b[31m", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_bad_cells_are_told_by_line_and_text(tmp_path: Path, cell: str, told_of: str) -> None:
    found = told(tmp_path, f"x,y\n1,2\n3,4\n{cell},6\n", target="y")
    assert found.code in {"E0531", "E0530"}
    assert told_of in text_of(found)


def test_many_bad_cells_are_counted(tmp_path: Path) -> None:
    found = told(tmp_path, "x,y\n1,2\n" + "a,1\n" * 5000 + "2,3\n", target="y")
    assert len(found.notes) == 11
    assert found.notes[-1] == "and 4,990 more"


def test_a_first_cell_that_is_wrong(tmp_path: Path) -> None:
    found = told(tmp_path, "x,y\nunknown,2\n3,4\n", target="y")
    assert found.code == "E0531"
    assert "texts and numbers" in found.message
    assert found.notes[0].endswith("f.csv:2 has `unknown`")
    assert found.notes[1].endswith("f.csv:3 has `3`")
    data = table(tmp_path, "x,y\nunknown,2\n3,4\n", target="y", absent="unknown", missing="mean")
    assert data.part("train")["x"].tolist() == [[3], [3]]


def test_a_mark_that_is_a_number(tmp_path: Path) -> None:
    data = table(tmp_path, "x,y\n-999,2\n3,4\n5,4\n", target="y", absent="-999", missing="mean")
    assert data.part("train")["x"].tolist() == [[4], [3], [5]]


@pytest.mark.parametrize(
    ("text", "code", "told_of"),
    [
        ("", "E0543", "is empty"),
        ("\n\n", "E0543", "is empty"),
        ("x,y\n", "E0543", "no rows"),
        ("1,2\n3,4\n", "E0529", "columns=[a, b"),
        ("x,x\n1,2\n", "E0529", "two columns are called `x`"),
        ("x,\n1,2\n", "E0529", "column 2 has no name"),
        ("x;y\n1;2\n", "E0529", 'separator=";"'),
        ("x\ty\n1\t2\n", "E0529", r'separator="\t"'),
        ("x,y\n1,2\n1\n1,2,3\n4,5\n", "E0530", "line 3 has 1"),
        (b"x,y\n1,2\n\xfc,3\n", "E0528", "line 3 has the byte 0xFC"),
        (PEOPLE.encode("utf-16"), "E0528", "save it as UTF-8"),
        (b"x,y\n1,2\n\0,3\n", "E0528", "NUL"),
        ('x,y\n1,2\n"3,4\n5,6\n', "E0528", "line 3"),
        ('x,y\n1,2\n"3"4,4\n', "E0528", "line 3"),
        ("x,y\r1,2\r", "E0528", "line ends"),
        ("x,y\n1," + "2" * 200_000 + "\n", "E0528", "quotation"),
        ("x,y\n,2\n,4\n", "E0532", "nothing in it"),
        (gzip.compress(b"x,y\n1,2\n", mtime=0)[:-3], "E0528", "middle"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str | bytes, code: str, told_of: str) -> None:
    found = told(tmp_path, text, target="y")
    assert found.code == code
    assert told_of in text_of(found)


@pytest.mark.parametrize(
    ("named", "code", "told_of"),
    [
        ({"target": "pai"}, "E0533", "did you mean `pay`?"),
        ({"target": "salary"}, "E0533", "`age`, `job`, `city`, `pay`"),
        ({"target": "pay", "inputs": ("age", "jobs")}, "E0533", "`job`"),
        ({"target": "pay", "inputs": ("age", "pay")}, "E0522", "is an input"),
        ({"target": "pay", "label": "pay"}, "E0522", "two fields are called `pay`"),
        ({"target": "pay", "inputs": {"pay": ("age",)}}, "E0522", "two fields"),
        ({"target": "pay", "inputs": ("age", "age")}, "E0522", "twice"),
        ({"target": ("age", "job", "city", "pay")}, "E0522", "no column is left"),
        ({"target": 3}, "E0522", "a name or a list of names, not 3"),
        ({"target": "pay", "separator": "::"}, "E0522", "one character"),
        ({"target": "pay", "encoding": "utf-7"}, "E0522", "latin-1"),
        ({"target": "pay", "tset": "g.csv"}, "E0521", "did you mean `test`?"),
        ({"target": "pay", "test": "g.csv"}, "E0523", "there is no `g.csv`"),
        ({"target": "pay", "columns": ("a", "b")}, "E0533", "no column `pay`"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, named: dict[str, Any], code: str, told_of: str) -> None:
    found = told(tmp_path, PEOPLE, **named)
    assert found.code == code
    assert told_of in text_of(found)


def test_several_wrong_arguments_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        table(tmp_path, PEOPLE, target=3, sep=";", inputs=4)
    assert [each.code for each in caught.value.diagnostics] == ["E0521", "E0522", "E0522"]


# ---- missing cells -----------------------------------------------------------------------------------

GAPS = "a,c,y\n1,u,1\n,u,2\n3,,3\n8,v,4\n"


def test_missing_cells_are_listed(tmp_path: Path) -> None:
    found = told(tmp_path, GAPS, target="y")
    assert found.code == "E0532"
    assert "2 missing cells" in found.message
    assert "f.csv:3" in found.notes[0]
    assert "f.csv:4" in found.notes[1]
    assert "missing = drop" in (found.help or "")


def test_dropped(tmp_path: Path) -> None:
    data = table(tmp_path, GAPS, target="y", missing="drop")
    assert dict(data.schema.rows) == {"train": 2}
    assert data.part("train")["x"].tolist() == [[1, 1, 0], [8, 0, 1]]
    assert data.place("train", 1).endswith(":5")
    assert data.fills == {}
    nothing = "a,y\n,1\n2,\n"
    assert told(tmp_path, nothing, target="y", missing="drop").code == "E0543"


def test_filled_with_the_mean_or_the_most_frequent(tmp_path: Path) -> None:
    data = table(tmp_path, GAPS, target="y", missing="mean")
    assert data.fills == {"a": 4.0, "c": "u"}
    assert data.part("train")["x"].tolist() == [[1, 1, 0], [4, 1, 0], [3, 1, 0], [8, 0, 1]]


def test_as_a_category_of_their_own(tmp_path: Path) -> None:
    data = table(tmp_path, GAPS, target="y", missing="category")
    assert [(each.name, each.width, each.categories) for each in data.schema.fields[0].columns] == [
        ("a", 2, ()),
        ("c", 3, ("u", "v", "(missing)")),
    ]
    assert data.fills == {"a": 4.0, "c": "(missing)"}
    assert data.part("train")["x"].tolist() == [
        [1, 0, 1, 0, 0],
        [4, 1, 1, 0, 0],
        [3, 0, 0, 0, 1],
        [8, 0, 0, 1, 0],
    ]


def test_single_columns_are_filled_too(tmp_path: Path) -> None:
    inputs = {"a": "a", "c": "c"}
    mean = table(tmp_path, GAPS, target="y", inputs=inputs, missing="mean").part("train")
    assert mean["a"].tolist() == [1, 4, 3, 8]
    assert mean["c"].tolist() == [0, 0, 0, 1]
    own = table(tmp_path, GAPS, target="y", inputs=inputs, missing="category")
    assert own.schema.fields[1].classes == ("u", "v", "(missing)")
    assert own.part("train")["c"].tolist() == [0, 0, 2, 1]
    assert own.part("train")["a"].tolist() == [1, 4, 3, 8]


def test_the_mean_is_that_of_the_training_rows_alone(tmp_path: Path) -> None:
    rows = "".join(f"{value},0\n" for value in range(100)) + ",0\n"
    (tmp_path / "f.csv").write_text("a,y\n" + rows)
    asked = plan(source("csv", "f.csv", target="y"), split({"train": 50, "valid": 51}), missing="mean")
    data = opened(asked, tmp_path)
    known = [row for row in data.rows("train") if row < 100]
    assert data.fills["a"] == pytest.approx(np.mean(known))
    for part in ("train", "valid"):
        x = data.part(part)["x"][:, 0]
        expected = [row if row < 100 else np.float32(data.fills["a"]) for row in data.rows(part)]
        assert x.tolist() == pytest.approx(expected)


def test_a_missing_target_cannot_be_made_up(tmp_path: Path) -> None:
    found = told(tmp_path, "a,y\n1,2\n2,\n", target="y", missing="mean")
    assert found.code == "E0532"
    assert "missing targets" in found.message


def test_missing_is_for_tables() -> None:
    assert refused(lambda: opened(plan(source("digits"), missing="drop"))).code == "E0522"


# ---- sizes -------------------------------------------------------------------------------------------


def test_columns_of_names_are_told(tmp_path: Path) -> None:
    some = "x,n,y\n" + "".join(f"1,n{row},2\n" for row in range(100))
    (warning,) = table(tmp_path, some, target="y").warnings
    assert (warning.code, warning.help) == ("W0521", "if it names the rows, leave it out: `skip=[n]`")
    many = "x,n,y\n" + "".join(f"1,n{row},2\n" for row in range(1001))
    assert told(tmp_path, many, target="y").code == "E0540"
    alone = table(tmp_path, many, target="y", inputs={"x": ("x",), "n": "n"})
    assert len(alone.schema.fields[1].classes) == 1001


def test_a_line_without_an_end_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(gzip.compress(b"x" * 100_000_000, mtime=0))
    tracemalloc.start()
    found = refused(lambda: opened(plan(source("csv", "f.csv", target="y")), tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.code == "E0528"
    assert peak < 80_000_000


def test_a_million_columns(tmp_path: Path) -> None:
    found = told(tmp_path, ",".join(f"c{each}" for each in range(1_000_000)) + "\n", target="c1")
    assert found.code == "E0540"


def test_changed_tables_end_in_a_message_or_in_numbers(tmp_path: Path) -> None:
    text = PEOPLE + "".join(f"{row},cook,Ulm,{row * 0.5}\n" for row in range(20))
    good, codes = 0, set[str]()
    for changed in mutations(text.encode(), 500):
        try:
            part = table(tmp_path, changed, target="pay", missing="mean").part("train")
        except DiagnosticError as error:
            codes |= {each.code for each in error.diagnostics}
        else:
            good += 1
            assert all(np.isfinite(array).all() for array in part.values())
    assert good > 20
    assert {"E0528", "E0530", "E0531", "E0533"} <= codes
    assert all(code.startswith("E05") for code in codes)


def test_a_column_without_a_value_to_train_on(tmp_path: Path) -> None:
    rows = "".join(f"{'' if row % 2 else row},{'' if row % 2 else 'u'},0\n" for row in range(4))
    (tmp_path / "f.csv").write_text("a,c,y\n" + rows)
    whole = opened(plan(source("csv", "f.csv", target="y"), missing="mean"), tmp_path)
    odd = whole.with_parts({"train": np.array([1, 3])})
    assert refused(lambda: odd.part("train")).code == "E0532"
    alone = plan(source("csv", "f.csv", target="y", inputs={"c": "c"}), missing="mean")
    none = opened(alone, tmp_path).with_parts({"train": np.array([1, 3])})
    assert refused(lambda: none.part("train")).code == "E0532"


def test_a_test_file_that_lacks_a_column_or_rows(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("age,job,city\n1,cook,Ulm\n")
    assert told(tmp_path, PEOPLE, target="pay", test="g.csv").code == "E0533"
    (tmp_path / "g.csv").write_text("age,job,city,pay\n,,,\n")
    assert told(tmp_path, PEOPLE, target="pay", test="g.csv", missing="drop").code == "E0543"


def test_a_vector_that_memory_would_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.data.encoding._MOST_BYTES", 59)
    found = told(tmp_path, PEOPLE, target="pay")
    assert found.code == "E0540"
    assert "3 rows of 5 numbers take 60 bytes" in found.message
