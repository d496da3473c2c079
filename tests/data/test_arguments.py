from typing import Any

import pytest

from netdsl.data.arguments import Parameter, read_arguments, span_of, word_in
from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, Span
from netdsl.semantics.experiment import SourcePlan

PARAMETERS = (
    Parameter("file", "text"),
    Parameter("n", "count", 3, 1, 9),
    Parameter("share", "number", 0.5, 0, 1, by_name=True),
    Parameter("names", "names", (), by_name=True),
    Parameter("inputs", "inputs", None, by_name=True),
)


def planned(*positional: Any, **named: Any) -> SourcePlan:
    text = f"source = s({', '.join(map(repr, positional))}; {', '.join(named)})"
    text_source = Source("m.net", text)
    whole = Span(text_source, 9, len(text))
    spans = {name: Span(text_source, text.index(name), text.index(name) + len(name)) for name in named}
    spans |= {str(place): Span(text_source, 11, 12) for place in range(len(positional))}
    return SourcePlan("s", positional, named, whole, spans)


def told(plan: SourcePlan) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        read_arguments(plan, PARAMETERS)
    return caught.value.diagnostics


def test_values_of_each_kind() -> None:
    assert read_arguments(planned("f"), PARAMETERS) == {
        "file": "f",
        "n": 3,
        "share": 0.5,
        "names": (),
        "inputs": None,
    }
    found = read_arguments(planned("f", 4.0, share=1, names="a", inputs=("b", "c")), PARAMETERS)
    assert found == {"file": "f", "n": 4, "share": 1.0, "names": ("a",), "inputs": {"x": ("b", "c")}}
    assert isinstance(found["n"], int)
    several = read_arguments(planned("f", inputs={"x": ("a",), "y": "b"}), PARAMETERS)
    assert several["inputs"] == {"x": ("a",), "y": "b"}


@pytest.mark.parametrize(
    ("positional", "named", "messages"),
    [
        ((), {}, ["`file` of `s` is missing: a text must be given"]),
        ((1,), {}, ["`file` of `s` is a text, not 1"]),
        (("f", 1, 2), {}, ["`s` takes 2 arguments without a name, and 3 are given"]),
        (("f",), {"file": "g"}, ["`file` of `s` is given twice"]),
        (("f",), {"shares": 1}, ["`s` takes no `shares`"]),
        (("f", 10), {}, ["`n` of `s` is 10; it can be 1 to 9"]),
        (("f", 1.5), {}, ["`n` of `s` is a whole number, not 1.5"]),
        (("f",), {"share": True}, ["`share` of `s` is a number, not yes"]),
        (("f",), {"share": (1, 2)}, ["`share` of `s` is a number, not a list"]),
        (("f",), {"share": {"a": 1}}, ["`share` of `s` is a number, not a record"]),
        (("f",), {"share": object()}, ["`share` of `s` is a number, not that"]),
        (("f",), {"share": float("inf")}, ["`share` of `s` is a number, not inf"]),
        (("f",), {"names": (1,)}, ["`names` of `s` is a name or a list of names, not a list"]),
        (("f",), {"inputs": {"x": 3}}, ["`inputs` of `s` is a list of names, or such lists by field, not 3"]),
        (
            ("f",),
            {"n": 0, "share": 2, "other": 1},
            [
                "`s` takes no `other`",
                "`n` of `s` is 0; it can be 1 to 9",
                "`share` of `s` is 2; it can be 0 to 1",
            ],
        ),
    ],
)
def test_every_mistake_is_told(
    positional: tuple[Any, ...], named: dict[str, Any], messages: list[str]
) -> None:
    found = told(planned(*positional, **named))
    assert [each.message for each in found] == messages
    assert all(each.primary for each in found)


def test_a_misspelled_name_is_put_right() -> None:
    (found,) = told(planned("f", shares=1))
    assert found.help == "did you mean `share`?"
    assert found.fix is not None
    assert (found.fix.span.text, found.fix.replacement) == ("shares", "share")
    assert "it takes `file`, `n`" in found.notes[0]


def test_places_of_arguments() -> None:
    plan = planned("f", share=1)
    assert span_of(plan, "share").text == "share"
    assert span_of(plan, "file", 0) == plan.spans["0"]
    assert span_of(plan, "names") == plan.span


def test_a_word_is_found_in_its_place() -> None:
    source = Source("m.net", 'target=age, skip=[ages, "mean radius"], x=x')
    whole = Span(source, 0, len(source.text))
    assert word_in(whole, "age").start == 7
    assert word_in(whole, "mean radius").text == "mean radius"
    assert word_in(whole, "x") == whole, "it stands there twice"
    assert word_in(whole, "none") == whole
