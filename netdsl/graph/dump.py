"""Graphs as text, one node a line, and back.

    %2 = matmul %0 %1 align=[] contract=[[1, 0]] -> float [batch, 10] | path="net/dense_1"  # net.net:3:9
    output "loss" = %7

Settings are JSON, tuples written as lists. After the bar stands where the node comes from, as far as anything
is known. The comment is for people: spans are not read back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from netdsl.graph.builder import Builder, Origin, Value
from netdsl.graph.graph import Graph
from netdsl.graph.node import Node, Operation, Setting
from netdsl.graph.shape import shape_text

_NODE: Final = re.compile(r"%(\d+) = (\w+)((?: %\d+)*)")
_ROOT: Final = re.compile(r"(output|update) (?=\")")
_NAMED: Final = re.compile(r" (\w+)=")
_RESULT: Final = re.compile(r" -> (\w+ \[[^\]]*\])")
_DECODER: Final = json.JSONDecoder()


def dump(graph: Graph, *, spans: bool = False) -> str:
    """Write a graph as text; with `spans`, with the place of each node in the `.net` text as a comment."""
    lines = [_line(graph, index, spans) for index in graph]
    for kind, roots in (("output", graph.outputs), ("update", graph.updates)):
        lines += [f"{kind} {_json(name)} = %{index}" for name, index in roots.items()]
    return "\n".join(lines) + "\n"


def _line(graph: Graph, index: int, spans: bool) -> str:
    node = graph[index]
    parts = [f"%{index} = {node.operation.name}", *(f"%{each}" for each in graph.operands(index))]
    parts += _named(node.settings)
    parts.append(f"-> {node.dtype} {shape_text(node.shape)}")
    origin = [("path", node.path), ("repeat", node.repeat), ("of", node.of)]
    if any(value for _, value in origin):
        parts += ["|", *_named((name, value) for name, value in origin if value)]
    comment = f"  # {node.span}" if spans and node.span is not None else ""
    return " ".join(parts) + comment


def _named(settings: Iterable[tuple[str, Setting]]) -> list[str]:
    return [f"{name}={_json(value)}" for name, value in settings]


def _json(value: Setting) -> str:
    return json.dumps(value, ensure_ascii=False, default=_sub_graph)


def _sub_graph(value: object) -> object:
    assert isinstance(value, Graph), value
    return {"graph": dump(value)}


# ---- reading ----------------------------------------------------------------------------------


def read(text: str, registry: Mapping[str, Operation]) -> Graph:
    """Read a graph that `dump` wrote. Raises ValueError, with the line, where it is not one."""
    builder = Builder(registry)
    values: dict[int, Value] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                _read_line(line, builder, values)
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(f"line {number}: {line}: {error}") from error
    return builder.finish()


def _read_line(line: str, builder: Builder, values: dict[int, Value]) -> None:
    if root := _ROOT.match(line):
        name, end = _DECODER.raw_decode(line, root.end())
        roots = builder.outputs if root[1] == "output" else builder.updates
        roots[name] = values[int(line[end:].removeprefix(" = %"))]
        return
    head = _NODE.match(line)
    if head is None:
        raise ValueError("neither a node nor a root")
    settings, end = _read_named(line, head.end(), builder.registry)
    result = _RESULT.match(line, end)
    if result is None:
        raise ValueError("no result")
    end = result.end()
    about: dict[str, Any] = {}
    if line.startswith(" |", end):
        about, end = _read_named(line, end + 2, builder.registry)
    if line[end:].strip() and not line[end:].startswith("  #"):
        raise ValueError(f"what is {line[end:]!r}")
    operands = [values[int(each[1:])] for each in head[3].split()]
    with builder.within(Origin(None, about.get("path", ""), about.get("repeat", ()), about.get("of", ""))):
        value = builder.apply(head[2], *operands, **settings)
    if result[1] != (has := _result(value.node)):
        raise ValueError(f"the result is {has}")
    values[int(head[1])] = value


def _result(node: Node) -> str:
    return f"{node.dtype} {shape_text(node.shape)}"


def _read_named(line: str, start: int, registry: Mapping[str, Operation]) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while match := _NAMED.match(line, start):
        value, start = _DECODER.raw_decode(line, match.end())
        found[match[1]] = _setting(value, registry)
    return found, start


def _setting(value: object, registry: Mapping[str, Operation]) -> Setting:
    match value:
        case list():
            return tuple(_setting(each, registry) for each in value)
        case {"graph": str() as text}:
            return read(text, registry)
    return value
