"""Rules of scans: what a body reads comes in as it is, and nothing comes in that it does not read."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Builder, Node, Value
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import FIXED, ITEM, STATE, apart, apply_scan
from netdsl.passes.rewriting import Rewriter, Rule, is_a, operand, unrepeated

Operands = Sequence[Value]


def _constants(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Write constants into the body; at least one sequence stays."""
    _, sequences, fixed = apart(dict(node.settings), operands)
    known = {f"{FIXED}{n}": each for n, each in enumerate(fixed) if is_a(unrepeated(each), "constant")}
    alike = {f"{ITEM}{n}": operand(each) for n, each in enumerate(sequences) if _is_a_number(each)}
    if 0 < len(alike) < len(sequences):
        known |= alike
    return _with_operands(builder, node, operands, known) if known else None


def _is_a_number(value: Value) -> bool:
    """Tell whether a value is one constant number everywhere."""
    return is_a(value, "broadcast") and operand(value).shape == () and is_a(operand(value), "constant")


def _unread(builder: Rewriter, node: Node, operands: Operands) -> Value | None:
    """Drop sequences and fixed values that the body does not read."""
    states, sequences, fixed = apart(dict(node.settings), operands)
    names = [f"{kind}{n}" for kind, each in ((ITEM, sequences), (FIXED, fixed)) for n in range(len(each))]
    read = node.setting("body").leaves("input")
    unread = [name for name in names if name not in read]
    if not unread or (len(unread) == len(names) and not states):
        return None
    return _with_operands(builder, node, operands, dict.fromkeys(unread))


def _with_operands(
    builder: Rewriter, node: Node, operands: Operands, gone: dict[str, Value] | dict[str, None]
) -> Value:
    """Return a scan without some operands: those with a value are computed in the body."""
    states, sequences, fixed = apart(dict(node.settings), operands)
    body = node.setting("body")
    inside = Builder(REGISTRY)
    names: dict[str, str] = {f"{STATE}{number}": f"{STATE}{number}" for number in range(len(states))}
    left: dict[str, list[Value]] = {ITEM: [], FIXED: []}
    for kind, values in ((ITEM, sequences), (FIXED, fixed)):
        for number, value in enumerate(values):
            if (name := f"{kind}{number}") not in gone:
                names[name] = f"{kind}{len(left[kind])}"
                left[kind].append(value)
    known: dict[int, Value] = {}
    for name, index in body.leaves("input").items():
        shape, dtype = body[index].shape, body[index].dtype
        if (constant := gone.get(name)) is not None:
            known[index] = _copied(inside, constant).broadcast(shape)
        else:
            known[index] = inside.apply("input", name=names[name], shape=shape, dtype=dtype)
    copied = inside.copy(body, known)
    inside.take_roots(body, copied)
    settings = {"steps": node.setting("steps"), "reverse": node.setting("reverse")}
    return apply_scan(inside.finish(unused=False), states, left[ITEM], left[FIXED], **settings)


def _copied(inside: Builder, value: Value) -> Value:
    """Copy a constant, and what repeats it, into a body."""
    if is_a(value, "broadcast"):
        return _copied(inside, operand(value)).broadcast(value.shape)
    return inside.add(value.node, [])


RULES = (
    Rule("constants inside", ("scan",), "scan(x, c) -> scan(x), c a number", _constants, quiet=True),
    Rule("what is read", ("scan",), "scan(x, y) -> scan(x), where no step reads y", _unread, quiet=True),
)
