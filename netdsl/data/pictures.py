"""The source `images`: folders of pictures, a folder for each class. Pictures are read by Pillow."""

import os
import struct
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content
from netdsl.data.images import image_content
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit, Span
from netdsl.files import reading, shown
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import SourcePlan

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_PARAMETERS: Final = (
    Parameter("folder", "text"),
    Parameter("size", "extent", by_name=True, least=1, most=4096),
    Parameter("channels", "count", 3, 1, 3, by_name=True),
    Parameter("test", "text", None, by_name=True),
)
_MOST: Final = 4 << 30  # bytes of all pictures of a part
_DAMAGED: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    LookupError,
    TypeError,
    ZeroDivisionError,
)  # what decoders say of damaged files
_MODES: Final = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class _Part:
    """The pictures of a folder in order, and the name of the class of each."""

    paths: Sequence[Path]
    classes: Sequence[str]


def open_images(plan: SourcePlan, access: Access) -> Content:
    """Open `images("folder", size=32x32, channels=3, test="other")`: a folder in it for each class.

    The classes are the names of these folders, in order. Of each picture the largest part of the shape asked
    for, around its middle, is brought to that size; `channels=1` makes it gray.

    Errors: E0542 without Pillow, E0548 where the pictures would take too much memory, E0550 for folders
    without pictures, E0551 for a picture that cannot be read.
    """
    given = read_arguments(plan, _PARAMETERS)
    if given["channels"] not in _MODES:
        message = "`channels` of `images` is 1 (gray) or 3 (color)"
        fail("E0522", message, span_of(plan, "channels"), exit_code=Exit.USAGE)
    require_pillow("`images` reads pictures", plan.span)
    roots = {False: access.places.find(given["folder"], span_of(plan, "folder", 0))}
    if given["test"] is not None:
        roots[True] = access.places.find(given["test"], span_of(plan, "test"))
    find = _finder(access, plan.span)
    parts = {test: _part(root, find, plan.span) for test, root in roots.items()}
    classes = tuple(sorted({name for part in parts.values() for name in part.classes}))
    shape = (*given["size"], given["channels"])
    for part in parts.values():
        _refuse_too_many(len(part.paths), shape, plan.span)

    @cache
    def read(key: tuple[str, bool]) -> np.ndarray:
        field, test = key
        part = parts[test]
        if field == "label":
            return np.array([classes.index(name) for name in part.classes], np.int32)
        return np.stack([read_picture(path, shape, plan.span) for path in part.paths])

    def place(test: bool, row: int) -> str:
        return f"`{shown(parts[test].paths[row])}`"

    counts = tuple(len(part.paths) for part in parts.values())
    return image_content(shape, (0.0, 255.0), classes, counts, read, place)


def read_picture(path: Path, shape: tuple[int, ...], span: Span | None = None) -> np.ndarray:
    """Return a picture as uint8 of shape [height, width, channels], upright, transparency on white.

    Errors: E0551.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width, channels = shape
    try:
        with (
            warnings.catch_warnings(),
            reading(path) as descriptor,
            open(descriptor, "rb", closefd=False) as file,
        ):
            warnings.simplefilter("ignore")  # what is odd and can be read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as picture:
                plain = _opaque(ImageOps.exif_transpose(picture)).convert(_MODES[channels])
        fitted = ImageOps.fit(plain, (width, height), Image.Resampling.BILINEAR)
    except (*_DAMAGED, Image.DecompressionBombWarning, Image.DecompressionBombError) as failure:
        reason = str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
        if isinstance(failure, UnidentifiedImageError):  # whose text tells of the open file
            reason = "it is of no kind that Pillow knows"
        help = "take it out, or save it again with an image editor"
        fail("E0551", f"`{shown(path)}` cannot be read as a picture: {reason}", span, help=help)
    return np.asarray(fitted, np.uint8).reshape(shape)


def _opaque(picture: "Image") -> "Image":
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)


def require_pillow(what: str, span: Span | None) -> None:
    """Refuse to go on without Pillow; `what` begins the message.

    Errors: E0542.
    """
    try:
        import PIL  # noqa: F401
    except ImportError:
        help = "install it: `pip install 'netdsl[images]'`"
        fail("E0542", f"{what} with Pillow, which is not installed", span, help=help)


def _finder(access: Access, span: Span) -> Callable[[Path], Path]:
    """Return what gives the file behind a name; only links are looked into, which may lead elsewhere."""

    def find(path: Path) -> Path:
        return access.places.find(str(path), span) if path.is_symlink() else path

    return find


def _part(root: Path, find: Callable[[Path], Path], span: Span) -> _Part:
    if not root.is_dir():
        help = "`images` takes a folder, with a folder of pictures in it for each class"
        fail("E0550", f"`{shown(root)}` is not a folder", span, help=help)
    folders = [find(each) for each in _entries(root) if each.is_dir()]
    found = {
        folder.name: [find(each) for each in _entries(folder) if _is_picture(each)] for folder in folders
    }
    empty = [name for name, paths in found.items() if not paths]
    if not found or empty:
        what = "has no folders in it" if not found else f"has a folder without pictures, `{empty[0]}`"
        notes = (f"pictures end in {', '.join(ENDINGS)}",)
        help = "put the pictures of each class in a folder of its name"
        fail("E0550", f"`{shown(root)}` {what}", span, notes=notes, help=help)
    pairs = [(path, name) for name, paths in found.items() for path in paths]
    return _Part([path for path, _ in pairs], [name for _, name in pairs])


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder but for hidden files, in order."""
    return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS


def _refuse_too_many(count: int, shape: tuple[int, ...], span: Span) -> None:
    needed = count * int(np.prod(shape))
    if needed > _MOST:
        message = (
            f"{count:,} pictures of {shape[0]}x{shape[1]} take {needed / 2**30:.1f} GiB, more than is kept"
        )
        fail("E0548", message, span, help="ask for a smaller `size`")
