"""Words of other languages."""

from typing import Final

from netdsl.diagnostics import Diagnostic
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.mistakes.situation import Situation
from netdsl.syntax.scan import Piece

_DEFINE: Final = "a recipe is a `layer`: `layer double(x) = 2 * x`; a network is a `model`"
_BIND: Final = "a name is bound by `name = …` alone"
_LOOP: Final = "what repeats is a stage of a chain: `x -> repeat 3 { dense(8) -> relu }`"
_CHOICE: Final = "a choice is a value: `y = if … then … else …`"
_IMPORT: Final = 'only `.net` files are imported: `import "layers.net" as l`; the library needs no import'

_ACTION: Final = "a `.net` file says what a network is, not what is done one after the other"

_FOREIGN: Final = {
    **dict.fromkeys(["def", "class", "function", "func", "fn", "fun", "struct", "lambda", "define"], _DEFINE),
    **dict.fromkeys(["let", "var", "const", "val", "auto", "int", "float", "double", "local", "set"], _BIND),
    **dict.fromkeys(["for", "while", "loop", "foreach"], _LOOP),
    **dict.fromkeys(["elif", "elsif", "switch", "case", "match", "unless"], _CHOICE),
    **dict.fromkeys(["from", "include", "using", "use", "require", "package", "module"], _IMPORT),
    **dict.fromkeys(["print", "printf", "assert", "raise", "try", "with", "pass", "del", "global"], _ACTION),
}


def foreign_word(s: Situation) -> Diagnostic | None:
    """Tell of a statement or declaration that begins as in another language."""
    first = s.first
    if first.kind != "word" or first.text not in _FOREIGN or s.index > s.line.first + 1:
        return None
    follows = s.after if s.index == s.line.first else s.found
    if follows is not None and follows.text in ("=", ":="):
        return None
    return _told(s, first, _FOREIGN[first.text])


def foreign_call(s: Situation) -> Diagnostic | None:
    """Tell of `model.fit(x, y)`."""
    called = s.at_top and s.index == s.line.first + 1 and s.found and s.found.text == "."
    if not called or s.first.kind != "word":
        return None
    message = f"{quote(s.first.text)} does nothing by itself"
    cure = f"{_ACTION}; `netdsl train FILE.net` trains"
    return mistake("E0010", message, s.span(), "not of this language", help=cure)


def foreign_import(s: Situation) -> Diagnostic | None:
    """Tell of `import torch`."""
    if s.first.text == "import" and s.index == s.line.first + 1 and s.found and s.found.kind == "word":
        message = f"{quote(s.found.text)} is not a `.net` file"
        return mistake("E0010", message, s.span(), "a file's name stands in quotes", help=_IMPORT)
    return None


def foreign_colon(s: Situation) -> Diagnostic | None:
    """Tell of a head that ends in a colon: `model mlp(x: [4]):`."""
    if s.found and s.found.text == ":" and s.at_top and s.opener is None:
        cure = "a body stands in braces: `{ … }`"
        return mistake("E0010", "a body does not begin with `:`", s.span(), "not of this language", help=cure)
    return None


def foreign_slice(s: Situation) -> Diagnostic | None:
    """Tell of `x[0:3]`."""
    if s.found and s.found.text == ":" and s.opener and s.opener.text == "[" and not s.at_top:
        cure = "write `0 .. 3`"
        return mistake(
            "E0010", "a range is not written with `:`", s.span(), "not of this language", help=cure
        )
    return None


def _told(s: Situation, piece: Piece, cure: str) -> Diagnostic:
    message = f"{quote(piece.text)} is not a word of this language"
    return mistake("E0010", message, s.span(piece), "unknown here", help=cure)
