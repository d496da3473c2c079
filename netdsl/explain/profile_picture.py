"""The picture of a profile: the lines of the `.net` text, each with a bar as long as its time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netdsl.explain import dot
from netdsl.explain.profile import ROLES, LineCost, Profile, by_line
from netdsl.explain.profile_tables import milliseconds, percent

_INK, _QUIET, _RULE = "#1f2933", "#66727f", "#d5dbe1"
_COLORS: Final[Mapping[str, str]] = {
    "forward": "#3f74b8",
    "gradient": "#c9771b",
    "update": "#3c8f58",
    "waiting": "#aab4bf",
}
_BAR, _HEIGHT = 240, 11
"""Points of the longest bar, and of the height of all."""

_LETTERS = 64
"""Letters of a line that are shown."""

_LEAST = 0.001
"""The share of a step that a line must have to be a row of its own."""


def profile_picture(profile: Profile) -> str:
    """Return the DOT text of a profile: a row for each line, in their order, and one for what is in none."""
    lines = [each for each in by_line(profile) if each.line]
    shown = [each for each in lines if each.cost.seconds >= _LEAST * profile.seconds]
    shown.sort(key=lambda each: (each.source, each.line))
    known = sum(each.cost.seconds for each in shown)
    others = max(0.0, profile.cost.seconds - known)
    longest = max([each.cost.seconds for each in shown] + [others, profile.waiting, profile.rest, 1e-12])
    several = len({each.source for each in shown}) > 1
    rows = [_row(each, profile, longest, several=several) for each in shown]
    rows.append(_rule())
    rows.append(_other("copies of rows and results, and other lines", {"forward": others}, profile, longest))
    if profile.limits.threads > 1:
        waits = {"waiting": profile.waiting}
        rows.append(_other("waiting at barriers", waits, profile, longest))
    rows.append(_other("between launches", {"waiting": profile.rest}, profile, longest))
    table = (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3">'
        f"{''.join([*_head(profile), _titles(), *rows, _legend(profile)])}</TABLE>"
    )
    style = {"shape": "plain", "fontname": dot.FONT, "fontcolor": _INK, "label": dot.Markup(table)}
    graph = {"pad": "0.2", "bgcolor": "white", "fontname": dot.FONT}
    statements = ["graph " + dot.attributes(graph), "profile " + dot.attributes(style)]
    return dot.digraph(f"{profile.model} profile", statements)


def _head(profile: Profile) -> Iterator[str]:
    limits, cost = profile.limits, profile.cost
    threads = f"{limits.threads} thread{'s' * (limits.threads > 1)}"
    speed, peak = cost.flops / profile.seconds, "told" if profile.device else "measured"
    yield _wide(f'<FONT POINT-SIZE="15"><B>{dot.label(profile.model)}</B></FONT>')
    yield _wide(
        dot.label(
            f"{profile.program}, batch {profile.batch}, {profile.device or threads}: "
            f"{milliseconds(profile.seconds)} ms a step, "
            f"{speed / 1e9:.0f} GFLOP/s ({percent(speed / limits.flops)} of the {peak} peak)"
        ),
        _QUIET,
    )


def _titles() -> str:
    heads = ("", "", "", "ms", "share", "of limit")
    return "<TR>" + "".join(_cell(each, "RIGHT", _QUIET) for each in heads) + "</TR>" + _rule()


def _row(line: LineCost, profile: Profile, longest: float, *, several: bool) -> str:
    cost = line.cost
    number = f"{line.source.rsplit('/', 1)[-1]}:{line.line}" if several else str(line.line)
    text = line.text if len(line.text) <= _LETTERS else line.text[: _LETTERS - 1] + "…"
    parts = [(role, line.roles[role].seconds) for role in ROLES if role in line.roles]
    near = f"{percent(cost.share_of_limit)} {cost.bound}" if cost.bound else ""
    cells = [
        _cell(number, "RIGHT", _QUIET),
        _cell(text, "LEFT", _INK, face="monospace"),
        _bar(parts, longest),
        *_times(cost.seconds, profile),
        _cell(near, "RIGHT", _QUIET),
    ]
    return f"<TR>{''.join(cells)}</TR>"


def _other(text: str, parts: Mapping[str, float], profile: Profile, longest: float) -> str:
    seconds = sum(parts.values())
    cells = [
        _cell("", "RIGHT", _QUIET),
        _cell(text, "LEFT", _QUIET),
        _bar(list(parts.items()), longest),
        *_times(seconds, profile),
        _cell("", "RIGHT", _QUIET),
    ]
    return f"<TR>{''.join(cells)}</TR>"


def _times(seconds: float, profile: Profile) -> tuple[str, str]:
    return (
        _cell(milliseconds(seconds), "RIGHT", _INK),
        _cell(percent(seconds / profile.seconds), "RIGHT", _INK),
    )


def _bar(parts: Sequence[tuple[str, float]], longest: float) -> str:
    """Return a cell with a stretch for each part, none shorter than a point."""
    stretches = [(_COLORS[name], max(1, round(_BAR * each / longest))) for name, each in parts if each > 0]
    rest = max(0, _BAR - sum(width for _, width in stretches))
    cells = "".join(_stretch(width, f' BGCOLOR="{color}"') for color, width in stretches)
    cells += _stretch(rest, "") if rest else ""
    bar = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>{cells}</TR></TABLE>'
    return f'<TD ALIGN="LEFT">{bar}</TD>'


def _stretch(width: int, color: str) -> str:
    return f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{_HEIGHT}"{color}></TD>'


def _legend(profile: Profile) -> str:
    names = {"forward": "forward", "gradient": "way back", "update": "update of the weights"}
    if profile.limits.threads > 1:
        names["waiting"] = "waiting"
    parts = "   ".join(f'<FONT COLOR="{_COLORS[name]}">■</FONT> {text}' for name, text in names.items())
    return _rule() + _wide(parts, _QUIET)


def _wide(markup: str, color: str = _INK) -> str:
    return f'<TR><TD COLSPAN="6" ALIGN="LEFT"><FONT POINT-SIZE="12" COLOR="{color}">{markup}</FONT></TD></TR>'


def _cell(text: str, align: str, color: str, face: str = "") -> str:
    font = f'POINT-SIZE="12" COLOR="{color}"' + (f' FACE="{face}"' if face else "")
    return f'<TD ALIGN="{align}"><FONT {font}>{dot.label(text) or " "}</FONT></TD>'


def _rule() -> str:
    return f'<TR><TD COLSPAN="6" HEIGHT="1" CELLPADDING="0" BGCOLOR="{_RULE}"></TD></TR>'
