"""Folders of pictures."""

import builtins
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netdsl.cli.main import main
from netdsl.data import open_data
from netdsl.data.pictures import ENDINGS
from netdsl.diagnostics import DiagnosticError
from tests.data.mutations import mutations
from tests.data.plans import opened, plan, refused, source, split, text_of

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def save(
    path: Path, color: Any = RED, size: tuple[int, int] = (6, 4), mode: str = "RGB", **more: Any
) -> None:
    """Save a picture of one color; `size` is width and height, as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **more)


def folder(path: Path) -> Path:
    for name, color in (("red", RED), ("blue", BLUE)):
        for number in range(3):
            save(path / name / f"{number}.png", color)
    return path


def images(root: Path, size: object = (4, 6), **named: object) -> Mapping[str, np.ndarray]:
    return opened(plan(source("images", str(root), size=size, **named)), root.parent).part("train")


def test_classes_are_the_names_of_folders_in_order(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    (root / "red" / "notes.txt").write_text("no picture")
    (root / "red" / ".hidden.png").write_text("no picture")
    (root / ".cache").mkdir()
    data = opened(plan(source("images", "photos", size=(4, 6))), tmp_path)
    image, label = data.schema.fields
    assert (image.shape, image.range) == ((4, 6, 3), (0, 255))
    assert (label.classes, label.target) == (("blue", "red"), True)
    part = data.part("train")
    assert part["image"].shape == (6, 4, 6, 3)
    assert part["image"].dtype == np.uint8
    assert part["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert (part["image"][3:] == RED).all()
    assert (part["image"][:3] == BLUE).all()
    assert data.place("train", 4).endswith("1.png`")


def test_pictures_are_split_and_have_a_test_part_of_their_own(tmp_path: Path) -> None:
    folder(tmp_path / "photos")
    save(tmp_path / "others" / "green" / "1.png")
    asked = source("images", "photos", size=(4, 6), test="others")
    data = opened(plan(asked, split({"train": 4, "valid": 2}, stratified=True)), tmp_path)
    assert dict(data.schema.rows) == {"train": 4, "valid": 2, "test": 1}
    assert data.schema.fields[1].classes == ("blue", "green", "red")
    assert data.part("test")["label"].tolist() == [1]


@pytest.mark.parametrize("ending", [each for each in ENDINGS if each != ".pgm"])
def test_kinds_of_pictures(tmp_path: Path, ending: str) -> None:
    save(tmp_path / "photos" / "red" / f"1{ending.upper()}", format=_FORMATS[ending])
    found = images(tmp_path / "photos")["image"]
    assert np.abs(found[0].astype(int) - RED).max() <= 5


_FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM",
}  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("L", 100, (100, 100, 100)),
        ("1", 1, WHITE),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (*RED, 0), WHITE),
        ("LA", (7, 0), WHITE),
        ("CMYK", (0, 0, 0, 0), WHITE),
        ("I;16", 65535, WHITE),
    ],
)
def test_modes_become_color(tmp_path: Path, mode: str, color: Any, expected: tuple[int, ...]) -> None:
    save(tmp_path / "photos" / "one" / "1.tif", color, mode=mode)
    assert (images(tmp_path / "photos")["image"][0] == expected).all()


def test_gray_pictures(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "one" / "1.png", RED)
    found = images(tmp_path / "photos", channels=1)["image"]
    assert found.shape == (1, 4, 6, 1)
    assert (found == 76).all()  # 0.299 of red, as television weighs it


def test_the_middle_is_cut_out_and_brought_to_the_size(tmp_path: Path) -> None:
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 8:16], wide[:, 16:24] = RED, BLUE
    (tmp_path / "photos" / "one").mkdir(parents=True)
    Image.fromarray(wide).save(tmp_path / "photos" / "one" / "1.png")
    found = images(tmp_path / "photos", 4)["image"][0]
    assert found.shape == (4, 4, 3)
    assert (found[:, 0] == RED).all()
    assert (found[:, 3] == BLUE).all()


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    upright = np.zeros((4, 6, 3), np.uint8)
    upright[0] = RED
    (tmp_path / "photos" / "one").mkdir(parents=True)
    turned = Image.fromarray(upright).rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    turned.save(tmp_path / "photos" / "one" / "1.png", exif=exif)
    assert (images(tmp_path / "photos")["image"][0] == upright).all()


def test_folders_without_classes_or_pictures(tmp_path: Path) -> None:
    save(tmp_path / "flat" / "1.png")
    found = refused(lambda: images(tmp_path / "flat"))
    assert found.code == "E0550"
    assert "no folders in it" in found.message
    folder(tmp_path / "photos")
    (tmp_path / "photos" / "empty").mkdir()
    assert "without pictures, `empty`" in refused(lambda: images(tmp_path / "photos")).message
    assert "not a folder" in refused(lambda: images(tmp_path / "flat" / "1.png")).message


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    (root / "red" / "bad.png").write_text("no picture")
    found = refused(lambda: images(root))
    assert found.code == "E0551"
    assert "bad.png" in found.message
    whole = io.BytesIO()
    Image.effect_noise((40, 40), 50).save(whole, "JPEG")
    (root / "red" / "bad.png").write_bytes(whole.getvalue()[:400])
    assert "truncated" in refused(lambda: images(root)).message


def test_a_picture_of_more_pixels_than_can_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder(tmp_path / "photos")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert refused(lambda: images(root)).code == "E0551"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert refused(lambda: images(root)).code == "E0551"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_pictures_are_told_or_read(tmp_path: Path, kind: str) -> None:
    whole = io.BytesIO()
    Image.effect_noise((12, 12), 50).save(whole, kind)
    path = tmp_path / "photos" / "one" / "1.png"
    path.parent.mkdir(parents=True)
    told = set()
    for damaged in mutations(whole.getvalue(), 60):
        path.write_bytes(damaged)
        try:
            images(tmp_path / "photos")
        except DiagnosticError as error:
            told |= {each.code for each in error.diagnostics}
    assert told == {"E0551"}


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "here" / "photos")
    save(tmp_path / "outside.png")
    (root / "red" / "link.png").symlink_to(tmp_path / "outside.png")
    asked = plan(source("images", "photos", size=(4, 6)))
    assert refused(lambda: opened(asked, tmp_path / "here")).code == "E0524"
    allowed = open_data(asked, folder=tmp_path / "here", allowed=(tmp_path,))
    assert allowed.schema.rows["train"] == 7
    (root / "red" / "link.png").unlink()
    (root / "green").symlink_to(tmp_path)
    assert refused(lambda: opened(asked, tmp_path / "here")).code == "E0524"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({}, "`size` of `images` is missing: a height and a width such as 32x32"),
        ({"size": (3, 3, 3)}, "is a height and a width such as 32x32, not a list"),
        ({"size": "large"}, "is a height and a width such as 32x32, not `large`"),
        ({"size": (0, 4)}, "is 0; it can be 1 to 4,096"),
        ({"size": 4, "channels": 2}, "is 1 (gray) or 3 (color)"),
    ],
)
def test_arguments(tmp_path: Path, named: dict[str, object], told: str) -> None:
    folder(tmp_path / "photos")
    found = refused(lambda: opened(plan(source("images", "photos", **named)), tmp_path))
    assert found.code == "E0522"
    assert told in found.message


def test_more_pictures_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.data.pictures._MOST", 1000)
    found = refused(lambda: images(folder(tmp_path / "photos"), (16, 16)))
    assert found.code == "E0548"


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "PIL":
            raise ImportError(name)
        return genuine(name, *rest)

    folder(tmp_path / "photos")
    monkeypatch.setattr(builtins, "__import__", without)
    found = refused(lambda: images(tmp_path / "photos"))
    assert found.code == "E0542"
    assert "netdsl[images]" in text_of(found)


NET = """\
data photos {
    source = images("photos", size=4x6)
    scale  = divide(255)
}

model net(image: [4, 6, 3]) = image -> flatten -> dense(2) -> softmax

train {
    model     = net
    data      = photos
    loss      = cross_entropy
    optimizer = adam(0.1)
    batch     = 2
    epochs    = 20
    metrics   = [accuracy]
}
"""


def test_pictures_are_learned_and_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "photos")
    (tmp_path / "net.net").write_text(NET)
    assert main(["train", "net.net"]) == 0
    save(tmp_path / "new.jpg", (200, 20, 20), (30, 30))
    capsys.readouterr()
    assert main(["predict", "runs/net-1", "new.jpg"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("red,")
    (tmp_path / "new.png").write_text("no picture")
    assert main(["predict", "runs/net-1", "new.png"]) == 3
    assert "E0551" in capsys.readouterr().err
