"""Published files: their sizes, their checksums, where they can be had."""

from pathlib import Path
from typing import Final

from netdsl.files import shown, size_text
from netdsl.lazy_dataclass import dataclass

_NAMES: Final = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True, slots=True)
class Published:
    """A file that is known by its size and SHA-256, and the https addresses that have it."""

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]

    def by_hand(self, folder: Path) -> str:
        """Return what to do where nothing can be downloaded."""
        return (
            f"get it from {self.urls[0]} ({size_text(self.size)}, SHA-256 {self.sha256}) and put it into "
            f"`{shown(folder)}`, or give its folder with --data-dir"
        )


@dataclass(frozen=True, slots=True)
class Collection:
    """Four published files. `contents` are the SHA-256 of what is in them, unpacked."""

    name: str
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    files: tuple[Published, ...]
    contents: tuple[str, ...]


def _files(bases: tuple[str, ...], sizes: tuple[int, ...], digests: tuple[str, ...]) -> tuple[Published, ...]:
    return tuple(
        Published(name, size, digest, tuple(base + name for base in bases))
        for name, size, digest in zip(_NAMES, sizes, digests, strict=True)
    )


MNIST: Final = Collection(
    "mnist",
    ("mnist", "MNIST/raw", "MNIST"),
    tuple("0123456789"),
    _files(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (9_912_422, 28_881, 1_648_877, 4_542),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
FASHION_MNIST: Final = Collection(
    "fashion_mnist",
    ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    _files(
        (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        (26_421_880, 29_515, 4_422_102, 5_148),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
