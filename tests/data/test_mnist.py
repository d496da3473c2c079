import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from netdsl.data import open_data
from netdsl.data.published import FASHION_MNIST, MNIST, Collection
from tests.data.plans import DATA, needs_data, opened, plan, refused, source, split, text_of
from tests.data.test_idx import idx

COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_data
def test_mnist_is_mnist() -> None:
    data = opened(plan(source("mnist")))
    train, test = data.part("train"), data.part("test")
    assert train["image"].shape == (60_000, 28, 28, 1)
    assert train["image"].dtype == np.uint8
    assert train["label"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(train["label"]).tolist() == COUNTS
    assert np.bincount(test["label"]).tolist() == TEST_COUNTS
    pixels = train["image"] / np.float32(255)
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.3081, abs=1e-4)


@needs_data
def test_fashion_mnist_has_its_classes() -> None:
    data = opened(plan(source("fashion_mnist"), split({"train": 1000, "valid": 100, "test": 100})))
    assert dict(data.schema.rows) == {"train": 1000, "valid": 100, "test": 100}
    assert data.schema.fields[1].classes[0] == "T-shirt/top"
    assert data.part("test")["image"].shape == (100, 28, 28, 1)


@needs_data
@pytest.mark.parametrize("collection", [MNIST, FASHION_MNIST])
def test_what_is_pinned_is_what_the_files_are(collection: Collection) -> None:
    for file, content in zip(collection.files, collection.contents, strict=True):
        data = (DATA / collection.folders[0] / file.name).read_bytes()
        assert len(data) == file.size
        assert hashlib.sha256(data).hexdigest() == file.sha256
        assert hashlib.sha256(gzip.decompress(data)).hexdigest() == content
        assert all(url.startswith("https://") and url.endswith(file.name) for url in file.urls)


@needs_data
def test_the_split_draws_from_the_training_images_and_keeps_the_test() -> None:
    data = opened(plan(source("mnist"), split({"train": 50_000, "valid": 10_000, "test": 10_000})))
    rows = np.concatenate([data.rows("train"), data.rows("valid")])
    assert (np.sort(rows) == np.arange(60_000)).all()
    assert np.bincount(data.part("test")["label"]).tolist() == TEST_COUNTS
    assert (data.rows("test") == np.arange(10_000)).all()


def test_the_schema_needs_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    data = opened(plan(source("mnist"), split({"train": 0.9, "valid": 0.1})), tmp_path)
    assert dict(data.schema.rows) == {"train": 54_000, "valid": 6_000, "test": 10_000}
    assert not (tmp_path / "cache").exists()


def test_offline_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NETDSL_OFFLINE", "1")
    data = opened(plan(source("mnist")), tmp_path)
    found = refused(lambda: data.part("train"))
    assert found.code == "E0525"
    text = text_of(found)
    for expected in (
        MNIST.files[0].urls[0],
        MNIST.files[0].sha256,
        str(tmp_path / "cache"),
        "--data-dir",
        "9.5 MiB",
    ):
        assert expected in text


@needs_data
def test_files_in_the_cache_and_unpacked_ones_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NETDSL_OFFLINE", "1")
    packed, plain = tmp_path / "cache" / "data" / "mnist", tmp_path / "data" / "mnist"
    for folder in (packed, plain):
        folder.mkdir(parents=True)
    (tmp_path / "cache").chmod(0o700)
    for file in MNIST.files[2:]:
        shutil.copyfile(DATA / "mnist" / file.name, packed / file.name)
    content = gzip.decompress((DATA / "mnist" / MNIST.files[3].name).read_bytes())
    (plain / "t10k-labels-idx1-ubyte").write_bytes(content)
    data = opened(plan(source("mnist")), tmp_path, tmp_path / "data")
    assert np.bincount(data.part("test")["label"]).tolist() == TEST_COUNTS


def test_another_file_under_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for file in MNIST.files:
        axes = (10, 28, 28) if "images" in file.name else (10,)
        (tmp_path / "mnist" / file.name).write_bytes(gzip.compress(idx(np.zeros(axes, np.uint8)), mtime=0))
    found = refused(lambda: opened(plan(source("mnist")), tmp_path).part("train"))
    assert found.code == "E0526"
    assert 'idx("folder")' in text_of(found)


def test_mnist_takes_no_arguments(tmp_path: Path) -> None:
    assert refused(lambda: opened(plan(source("mnist", "folder")), tmp_path)).code == "E0521"
    assert refused(lambda: opened(plan(source("mnist", n=3)), tmp_path)).code == "E0521"


def test_a_download_goes_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.data.test_download import Memory  # its content is not MNIST's, and is refused

    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NETDSL_OFFLINE", raising=False)
    urls: list[str] = []

    def opener(url: str, start: int) -> Memory:
        urls.append(url)
        return Memory(start)

    data = open_data(plan(source("mnist")), folder=tmp_path, data_dir=tmp_path, opener=opener)
    found = refused(lambda: data.part("train"))
    assert found.code in {"E0525", "E0526"}
    assert urls == list(MNIST.files[0].urls)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
