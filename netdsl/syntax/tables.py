"""The parser's tables: built from the grammar once (0.3 s), kept as JSON, read at every start (20 ms)."""

import json
from functools import cache
from hashlib import sha256
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from netdsl.resources import resource_text
from netdsl.syntax.layout import Layout

_GRAMMAR = "grammars/net.lark"
TABLES = "syntax/tables.json"
_SHIFT = 0  # as Lark writes an action that goes to a state; any other takes a rule


@cache
def parser() -> lark.Lark:
    """Return the parser, from the kept tables if they are those of this grammar and this version of Lark."""
    kept = json.loads(resource_text(TABLES), object_pairs_hook=_integer_keys)
    if kept["lark"] != lark.__version__:
        return build()  # how Lark writes its tables may differ between versions
    loaded: lark.Lark = lark.Lark.__new__(lark.Lark)._load(
        {"data": kept["data"], "memo": kept["memo"]}, postlex=Layout()
    )
    return loaded


def build(*, strict: bool = False) -> lark.Lark:
    """Build the parser from the grammar; `strict` refuses every conflict and every overlap of two tokens."""
    return lark.Lark(
        resource_text(_GRAMMAR),
        parser="lalr",
        lexer="contextual",
        start="file",
        keep_all_tokens=True,  # the first and last token of a rule give its span, cheaper than Lark's own
        maybe_placeholders=False,
        postlex=Layout(),
        strict=strict,
    )


def tables_text() -> str:
    """Return the JSON text of the tables of the grammar as it stands."""
    data, memo = build().memo_serialize([TerminalDef, Rule])
    data["options"]["postlex"] = None
    data["parser"]["parser"] = _canonical(data["parser"]["parser"])
    grammar = sha256(resource_text(_GRAMMAR).encode()).hexdigest()
    kept = {"grammar": grammar, "lark": lark.__version__, "data": data, "memo": memo}
    return json.dumps(kept, separators=(",", ":")) + "\n"


def _canonical(tables: dict[str, Any]) -> dict[str, Any]:
    """Number states and tokens in an order that does not hang on Python's hashes, as Lark's does."""
    names, states = tables["tokens"], tables["states"]
    tokens = {name: number for number, name in enumerate(sorted(names.values()))}
    found = {state: number for number, state in enumerate(tables["start_states"].values())}
    rows: dict[int, dict[int, Any]] = {}
    for state in (queue := list(found)):
        row = sorted((tokens[names[token]], action) for token, action in states[state].items())
        for _, (kind, target) in row:
            if kind == _SHIFT and target not in found:
                found[target] = len(found)
                queue.append(target)
        rows[found[state]] = {t: (kind, found[to] if kind == _SHIFT else to) for t, (kind, to) in row}
    return {
        "tokens": {number: name for name, number in tokens.items()},
        "states": rows,
        "start_states": {name: found[state] for name, state in tables["start_states"].items()},
        "end_states": {name: found[state] for name, state in tables["end_states"].items()},
    }


def _integer_keys(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    """Turn keys that JSON made text back into the integers that they were."""
    return {int(key) if key.isdecimal() else key: value for key, value in pairs}
