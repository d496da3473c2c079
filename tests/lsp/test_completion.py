"""What is offered at a place: the text is written up to `|`, and the rest of the file stands behind it."""

from pathlib import Path

import pytest
from lsprotocol import types

from netdsl.data.sources import source_names
from netdsl.lsp.fields import FIELDS as TEXTS
from netdsl.semantics.blocks import FIELDS
from netdsl.syntax.words import DECLARATIONS
from tests.lsp.client import Editor, session

FILE = """import "layers.net" as m

param rate = 0.01 in 1e-4 .. 1 log

data moons {
    source = moons(n=200)
    split = (train=80%, valid=20%)
}

metric close(p, t; within = 0.1 in 0 .. 1) = abs(p - t) < within

layer block(x: [n]; width in 1 .. 1k, act = tanh, pad = same in [same, valid]) {
    inside = x -> dense(width)
    <body>
    return inside -> act
}

optimizer plain(w, g; lr = 0.1) {
    state v = 0
    <update>
    w := w - lr * v
}

model net(x: [2]) {
    h = x -> dense(8) as stem -> tanh
    <model>
    return h -> dense(2) -> softmax
}

train {
    loss      = cross_entropy
    optimizer = adam(rate)
    metrics   = [accuracy]
    <train>
}
"""

CASES = [
    # at the top
    ("", "\n|", [*DECLARATIONS], ["relu", "if"]),
    ("", "\nmo|", ["model", "metric"], ["h"]),
    ("", "\nparam depth = 3 |", ["in", "epochs", "steps"], ["relu", "log"]),
    ("", "\nlayer |", [], ["relu", "dense", "layer"]),
    ("", '\nimport "|', ["layers.net"], ["net.net"]),
    # in blocks
    ("<train>", "|", ["batch", "epochs", "steps", "stop", "seed"], ["loss", "metrics", "source"]),
    ("<train>", "ep|", ["epochs"], ["loss"]),
    ("<train>", "model = |", ["net"], ["block", "relu", "adam"]),
    ("<train>", "data = |", ["moons"], ["net", "relu"]),
    ("<train>", "epochs = 10 |", ["epochs", "steps"], ["relu"]),
    ("<train>", "stop = [|", ["early", "target", "time"], ["relu", "dense"]),
    ("<train>", "stop = [early(|", ["figure=", "patience=", "valid"], ["relu"]),
    ("<train>", "stop = [early(valid.|", ["loss", "accuracy"], ["relu"]),
    ("<train>", "clip = |", ["norm", "value"], ["relu"]),
    ("<train>", "precision = |", ["float32", "tf32", "bf16"], ["relu", "adam"]),
    ("<train>", "freeze = [|", ["stem", "dense_2"], ["relu"]),
    ("<train>", "start = |", [], ["relu"]),
    ("loss      = cross_entropy", "loss = |", ["cross_entropy", "mse", "l2", "weights"], ["adam", "relu"]),
    ("loss      = cross_entropy", "loss = cross_entropy(|", ["net", "label", "p="], ["adam"]),
    ("loss      = cross_entropy", "loss = mse + 0.1 * |", ["l1", "l2"], ["adam"]),
    ("[accuracy]", "[accuracy, |", ["close", "f1"], ["relu", "adam"]),
    ("[accuracy]", "[close(|", ["within="], ["adam"]),
    ("adam(rate)", "|", ["adam", "plain", "sgd"], ["relu", "cosine", "mse"]),
    ("adam(rate)", "adam(|", ["lr=", "beta1=", "cosine", "rate"], ["relu"]),
    ("adam(rate)", "adam(lr=|", ["cosine", "rate", "0.001"], ["relu", "lr="]),
    ("adam(rate)", "adam(lr=0.1, |", ["beta1=", "eps="], ["lr="]),
    ("adam(rate)", "adam(lr=cosine(|", ["cosine"], ["beta1="]),
    ("moons(n=200)", "|", [*source_names()], ["relu", "adam"]),
    ("    split =", "    missing = drop\n    |\n    split =", ["scale", "balance"], ["source", "missing"]),
    ("    split =", "    scale = |\n    split =", ["zscore", "minmax"], ["relu", "adam"]),
    ("moons(n=200)", "moons(n=200, |", ["noise=", "seed=", "rate"], ["n=", "relu", "target="]),
    ("moons(n=200)", 'csv("f.csv", target=|', [], ["inputs="]),
    # in bodies
    ("<model>", "y = h -> |", ["dense", "relu", "block", "tanh", "repeat", "flatten"], ["adam", "mse", "h"]),
    ("<model>", "y = h -> de|", ["dense"], ["adam"]),
    ("<model>", "y = h |", ["->", "as", "and"], ["relu"]),
    ("<model>", "y = |", ["h", "x", "rate", "concat", "if", "m"], ["adam", "mse", "stem"]),
    ("<model>", "y = m.|", ["twice"], ["relu", "h"]),
    ("<model>", "y = h -> block(|", ["width=", "act=", "pad="], []),
    ("<model>", "y = h -> block(3, act=|", ["tanh"], ["width=", "act="]),
    ("<model>", "y = h -> block(3, pad=|", ["same", "valid"], ["width="]),
    ("<model>", "y = h -> dense(3, bias=|", ["yes", "no"], []),
    ("<model>", "y = h -> dense(3, init=|", ["he", "xavier"], ["adam"]),
    ("<model>", "y = h -> dense(3, init=he, |", ["bias="], ["init="]),
    ("<model>", "y = mean(h, over=|", ["batch", "last", "places"], ["adam"]),
    ("<model>", "y = if h > 0 |", ["then"], ["relu"]),
    ("<model>", "y = if h > 0 then h |", ["else"], []),
    ("<model>", "y = h -> dense(3) as |", [], ["relu", "h"]),
    ("<model>", "|", ["return"], ["relu", "state"]),
    ("<body>", "y = x -> dense(|", ["width", "inside", "units="], ["v"]),
    ("<body>", "y = we|", ["weight", "width"], ["fan_in"]),
    ("<update>", "|", ["state", "v", "w"], ["relu"]),
    ("<update>", "v := |", ["g", "w", "v", "t", "lr"], ["weight"]),
    # behind something that is wrong
    ("<model>", "a b c\n    y = h -> |", ["dense", "relu"], []),
    ("model net(x: [2]) {", "model net(x: [2] {\n    z = x -> |", ["dense"], []),
]


def texts(place: str, written: str) -> tuple[str, str, int]:
    """Return the whole file without what is being written, with it, and the offset of the cursor."""
    before = FILE
    for mark in ("<body>", "<update>", "<model>", "<train>"):
        before = before.replace(mark, "" if mark != place else mark)
    assert before.count(place) == 1 or not place, place
    now = before.replace(place, written) if place else before + written
    offset = now.index("|")
    known = before.replace(place, "") if place.startswith("<") else before
    return known, now[:offset] + now[offset + 1 :], offset


def test_what_fits_is_offered_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "layers.net").write_text("layer twice(x) = x * 2\n", encoding="utf-8")
    wrong = []

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", texts("<model>", "|")[0])
        for place, written, wanted, unwanted in CASES:
            known, now, offset = texts(place, written)
            editor.change(uri, known)
            await editor.diagnostics(uri)
            editor.change(uri, now)
            place_now = types.CompletionParams(types.TextDocumentIdentifier(uri), end_of(now[:offset]))
            found = await editor.within(editor.text_document_completion_async(place_now))
            assert isinstance(found, types.CompletionList)
            labels = {each.label for each in found.items}
            missing, extra = set(wanted) - labels, set(unwanted) & labels
            if missing or extra:
                wrong.append((written, f"missing {sorted(missing)}", f"extra {sorted(extra)}"))

    session(tmp_path, play)
    assert not wrong


def end_of(text: str) -> types.Position:
    return types.Position(text.count("\n"), len(text.rpartition("\n")[2]))


def test_offers_say_what_they_are(tmp_path: Path) -> None:
    _, now, offset = texts("<model>", "y = h -> dense(|")

    async def play(editor: Editor) -> None:
        (tmp_path / "layers.net").write_text("layer twice(x) = x * 2\n", encoding="utf-8")
        uri = editor.open(tmp_path / "net.net", now)
        place = types.CompletionParams(types.TextDocumentIdentifier(uri), end_of(now[:offset]))
        found = await editor.within(editor.text_document_completion_async(place))
        assert isinstance(found, types.CompletionList)
        offers = {each.label: each for each in found.items}
        assert offers["init="].detail == "a definition, default `xavier`"
        assert offers["units="].detail == "a whole number, must be given, range `1 .. 1M`"
        assert offers["block"].detail == "block(x: [n]; width, act=…, pad=…)"
        relu = offers["relu"].documentation
        assert isinstance(relu, types.MarkupContent)
        assert "Nair and Hinton" in relu.value
        ordered = sorted(found.items, key=lambda each: each.sort_text or "")
        assert [each.label for each in ordered[:4]] == ["bias=", "init=", "units=", "x="]

    session(tmp_path, play)


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_of_a_block_is_explained(kind: str) -> None:
    assert set(TEXTS[kind]) == set(FIELDS[kind])
