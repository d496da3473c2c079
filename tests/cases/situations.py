"""What a user may do that a `.net` file alone does not show: files, folders, commands."""

import errno
import io
import json
import os
import shlex
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import netdsl
from netdsl.cli.main import main
from netdsl.files import Lock, system, write_tensors
from netdsl.lowering.cuda.blas import WORTH
from netdsl.runtime.cuda.blas import Blas
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.cublas_double import Double

Prepare = Callable[[Path, pytest.MonkeyPatch], AbstractContextManager[object] | None]
"""Does something before a command, or during it."""

TABLE = """data d {{
    source = {source}
{fields}}}

model m(x: [n]) = x -> dense(1)

train {{
    loss      = mse
    optimizer = sgd(0.01)
    epochs    = 1
}}
"""
MOONS = """data moons {
    source = moons(n=60)
    split  = (train=80%, valid=20%)
}

model net(x: [2]) = x -> dense(4) -> tanh -> dense(2) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.01)
    epochs    = 1
    metrics   = [accuracy]
}
"""
SADDLE = """model saddle() {
    w = weight([2], constant(1))
    return sum(w * w)
}

train {
    optimizer = sgd(0.1)
    steps     = 2
}
"""
NUMBERS = "a,b,y\n1,2,3\n2,3,5\n3,4,7\n"


@dataclass(frozen=True)
class Situation:
    """A command, the files that are there, and what else is done before. `run` asks for a trained run."""

    command: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    prepare: Prepare | None = None
    run: bool = False


def table(source: str, text: str | bytes = NUMBERS, fields: str = "", command: str = "check") -> Situation:
    """Return a situation of a table."""
    net = TABLE.format(source=source, fields="".join(f"    {each}\n" for each in fields.split("; ") if each))
    return Situation(f"{command} t.net" + " --quiet" * (command == "train"), {"t.net": net, "t.csv": text})


def arrays(**named: np.ndarray) -> bytes:
    """Return the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **named)
    return buffer.getvalue()


def idx(kind: int, array: np.ndarray) -> bytes:
    """Return the bytes of an IDX file."""
    return (
        struct.pack(">HBB", 0, kind, array.ndim)
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def packed(source: str, files: Mapping[str, str | bytes], command: str = "check") -> Situation:
    """Return a situation of a source with files of its own."""
    made = table(source, command=command)
    return Situation(made.command, {"t.net": made.files["t.net"], **files})


def run(
    command: str, files: Mapping[str, str | bytes] | None = None, prepare: Prepare | None = None
) -> Situation:
    """Return a situation in which there is a run of MOONS already."""
    return Situation(command, files or {}, prepare, run=True)


def environment(**named: str) -> Prepare:
    """Return what sets variables of the environment."""

    def prepare(folder: Path, patch: pytest.MonkeyPatch) -> None:
        for name, value in named.items():
            patch.setenv(name, value.replace("FOLDER", str(folder)))

    return prepare


def change(path: str, work: Callable[[Path], None]) -> Prepare:
    """Return what changes a file or folder."""

    def prepare(folder: Path, _: pytest.MonkeyPatch) -> None:
        work(folder / path)

    return prepare


def flipped(path: Path) -> None:
    """Change one bit near the end of a file."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def elsewhere(path: Path) -> None:
    """Let a manifest tell that its run began on a device."""
    device = {"kind": "cuda", "name": "a device", "driver": "CUDA 13.0", "blas": "cuBLASLt 13.0"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"device": device}))


def written(path: str, text: str) -> Prepare:
    """Return what writes a file of a run."""

    def work(each: Path) -> None:
        each.write_text(text, encoding="utf-8")

    return change(path, work)


def failing(call: str, code: int) -> Prepare:
    """Return what makes each call to the file system of a name fail."""

    def intercept(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if name == call:
            raise OSError(code, os.strerror(code))
        return function(*arguments)

    return lambda folder, patch: system.intercepted(intercept)


def raising(target: str, error: Exception) -> Prepare:
    """Return what puts a function that fails in the place of another."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return lambda folder, patch: patch.setattr(target, fail)


def pictures(source: str, files: Mapping[str, str | bytes], prepare: Prepare | None = None) -> Situation:
    """Return a situation of a source of pictures, with two classes."""
    channels = 3 if source.startswith("images") else 1
    taken = f"image: [4, 4, {channels}]) = image -> flatten"
    net = MOONS.replace("moons(n=60)", source).replace("x: [2]) = x", taken)
    return Situation("train t.net --quiet", {"t.net": net, **files}, prepare)


class Page:
    """What a server sends in place of a file: nothing but zeros."""

    start = 0

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, count: int) -> bytes:
        """Return the next bytes."""
        return bytes(count)


def another_page(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let every server send something else, and nothing lie in a cache."""
    environment(NETDSL_OFFLINE="0", NETDSL_DATA_DIR="FOLDER", NETDSL_CACHE_DIR="FOLDER/cache")(folder, patch)
    patch.setattr("netdsl.data.download.open_https", lambda url, start: Page())


def broken_dot(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put a Graphviz on the path that draws nothing."""
    program = folder / "bin" / "dot"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'syntax error in line 1' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    patch.setenv("PATH", str(program.parent))


def open_cache(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let everybody write to the cache."""
    (folder / "cache").mkdir()
    (folder / "cache").chmod(0o777)
    patch.setenv("NETDSL_CACHE_DIR", str(folder / "cache"))


def weights(path: str, **metadata: str) -> Prepare:
    """Return what writes a weights file with checksums that says nothing else of itself."""
    return lambda folder, patch: write_tensors(folder / path, {"w": np.zeros((2, 4), np.float32)}, metadata)


def command(line: str) -> Prepare:
    """Return what runs a command before."""

    def prepare(_: Path, __: pytest.MonkeyPatch) -> None:
        main(shlex.split(line))

    return prepare


def no_weights(folder: Path, _: pytest.MonkeyPatch) -> None:
    """Take the weights of a run away."""
    for each in (folder / "runs" / "moons-1").glob("*.safetensors"):
        each.unlink()


def no_pillow(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let Pillow not be installed."""
    patch.setitem(sys.modules, "PIL", None)


def pillow(_: Path, __: pytest.MonkeyPatch) -> None:
    """Go on only where Pillow is installed."""
    pytest.importorskip("PIL")


def no_pygls(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let pygls not be installed."""
    patch.setattr("netdsl.cli.lsp.find_spec", lambda name: None)


def no_device(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let there be no CUDA device."""
    patch.setattr("netdsl.runtime.cuda.choice.devices", lambda: 0)


def small_device(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the device be a simulated one with a thousand bytes."""
    patch.setattr("netdsl.runtime.cuda.choice.expect_device", lambda: None)
    patch.setattr("netdsl.runtime.cuda.choice.chosen", lambda name: SimulatedDevice(1000))


def refusing_library(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the device be a simulated one whose library makes all products, and refuses them."""
    device = SimulatedDevice()
    double = Double(device)
    double.refuses, device.library = True, Blas(double)
    patch.setitem(WORTH, "float32", 0.0)
    patch.setattr("netdsl.runtime.cuda.choice.expect_device", lambda: None)
    patch.setattr("netdsl.runtime.cuda.choice.chosen", lambda name: device)


def no_cuda(_: Path, patch: pytest.MonkeyPatch) -> None:
    """Let no package of the extra `[cuda]` be installed."""
    patch.setattr("netdsl.runtime.cuda.toolchain._version", lambda name: None)


def started(part: str, text: str = "") -> str:
    """Return a training that begins with the weights of another, for wider layers unless it is given."""
    return (text or WIDER).replace("epochs ", f'start     = "{part}"\n    epochs ')


WIDER = MOONS.replace("dense(4)", "dense(8)")
OPENING = "netdsl.run.opening.open_file"
IMAGES = np.zeros((6, 4, 4), np.uint8)
LABELS = np.arange(6, dtype=np.uint8) % 2
X = np.ones((4, 2), np.float32)
IDX = {"d/train-images-idx3-ubyte": idx(8, IMAGES), "d/train-labels-idx1-ubyte": idx(8, LABELS)}
MNIST = MOONS.replace("moons(n=60)", "mnist()").replace("x: [2]) = x", "x: [28, 28, 1]) = x -> flatten")
MNIST = MNIST.replace("dense(2)", "dense(10)")
CIRCLE = {"a.net": 'import "b.net"\n' + MOONS, "b.net": 'import "c.net"\n', "c.net": 'import "b.net"\n'}
MANY = {f"f{i}.net": "" for i in range(101)}
FOLDERS = {"d/a/1.png": b"none", "d/b/1.png": b"none"}
WILD = TABLE.format(source='csv("t.csv", target=y)', fields="").replace("sgd(0.01)", "sgd(100)")
WILD = WILD.replace("epochs    = 1", "epochs    = 50\n    batch     = 1")
FAR = "a,b,y\n" + "1,2,3\n2,3,5\n" * 10
TARGET = MOONS.replace("accuracy]", "accuracy]\n    stop      = [target(valid.accuracy, 100%)]")

SITUATIONS: dict[str, Situation] = {
    # what a file says, and what it imports
    "E0106": Situation("check a.net", CIRCLE),
    "E0405": Situation("check a.net", {"a.net": "".join(f'import "{each}"\n' for each in MANY), **MANY}),
    "E0412": Situation("check a.net", {"a.net": "# a comment\n" * 100_000 + MOONS}),
    "E0413": Situation("check a.net", {"a.net": f"param {'x' * 101} = 1\n" + MOONS}),
    "E0414": Situation("check a.net", {"a.net": f"param a = 1e999\nparam b = {'1' * 61}\n" + MOONS}),
    # sources
    "E0520": table('cvs("t.csv", target=y)'),
    "E0521": table('csv("t.csv", targets=y)'),
    "E0522": table('csv("t.csv", target=3)'),
    "E0523": table('csv("nothing.csv", target=y)'),
    "E0524": table('csv("../t.csv", target=y)'),
    "E0525": Situation(
        "train m.net --quiet",
        {"m.net": MNIST},
        environment(NETDSL_OFFLINE="1", NETDSL_DATA_DIR="FOLDER", XDG_CACHE_HOME="FOLDER"),
    ),
    "E0526": Situation("train m.net --quiet", {"m.net": MNIST}, another_page),
    "E0527": pictures('idx("d")', {**IDX, "d/train-images-idx3-ubyte": idx(8, IMAGES)[:40]}),
    "E0528": table('csv("t.csv", target=y)', b"a,b,y\n1,\xff\xfe,3\n"),
    "E0529": table('csv("t.csv", target=y)', "1,2,3\n4,5,6\n"),
    "E0530": table('csv("t.csv", target=y)', "a,b,y\n1,2,3\n1,2\n"),
    "E0531": table('csv("t.csv", target=y)', "a,b,y\n1,2,3\n1,zwei,4\n3,4,5\n"),
    "E0532": table('csv("t.csv", target=y)', "a,b,y\n1,2,3\n1,,4\n3,4,5\n"),
    "E0533": table('csv("t.csv", target=price)'),
    "E0536": table('csv("t.csv", target=y)', fields="split = (train=50%, valid=50%, stratified=yes)"),
    "E0537": packed('npz("a.npz", label=y)', {"a.npz": arrays(x=X, y=X[:, 0] / 2)}),
    "E0538": packed('npz("a.npz", target=y)', {"a.npz": b"PK no archive"}),
    "E0539": packed('npz("a.npz", target=y)', {"a.npz": arrays(x=X, y=X[:3, 0])}),
    "E0540": table('csv("t.csv", target=y)', ",".join(f"c{i}" for i in range(100_001)) + "\n1\n"),
    "E0541": packed('cifar10("d")', {"d/data_batch_1.bin": b"\0" * 100}, command="train"),
    "E0542": pictures('images("d", size=4x4)', FOLDERS, no_pillow),
    "E0543": table('csv("t.csv", target=y)', "a,b,y\n"),
    "E0544": table('csv("t.csv", target=y)', "a,b,y\n-1,2,3\n2,3,5\n3,4,7\n", "scale = log_range", "train"),
    "E0550": pictures('images("d", size=4x4)', {"d/readme.txt": ""}),
    "E0551": pictures('images("d", size=4x4)', FOLDERS, pillow),
    "W0520": table('csv("t.csv", target=y)', "a,b,y\n1,2,3\n1,3,5\n1,4,7\n", "scale = zscore", "train"),
    "W0521": table('csv("t.csv", target=y)', "a,name,y\n" + "".join(f"{i},n{i},{i}\n" for i in range(60))),
    # trainings
    "E0701": Situation("train t.net --quiet", {"t.net": WILD, "t.csv": FAR}),
    "E0703": Situation("train m.net --quiet", {"m.net": TARGET}),
    "W0605": Situation("train moons.net train.precision=bf16 --device cpu --quiet", {"moons.net": MOONS}),
    "W0606": run(
        "train w.net --quiet",
        {"w.net": started("runs/moons-1/last.safetensors", MOONS.replace("dense(2)", "dense(2) as top"))},
    ),
    "W0607": run("train moons.net --resume --quiet", prepare=change("runs/moons-1/manifest.json", elsewhere)),
    # files and folders
    "E0801": Situation("fmt a.net", {"a.net": "param  a=1\n"}, failing("write", errno.ENOSPC)),
    "E0802": Situation("check a.net", {"a.net": MOONS}, failing("open", errno.EACCES)),
    "E0803": Situation("check nothing.net"),
    "E0804": Situation("check a.net", {"a.net": "# " + "x" * 5_000_000}),
    "E0805": Situation("check .", {}),
    "E0806": run(
        "train moons.net --resume runs/moons-1 --quiet",
        prepare=lambda folder, patch: Lock(folder / "runs/moons-1/lock"),
    ),
    "E0807": Situation("train moons.net --quiet", {"moons.net": MOONS}, open_cache),
    "E0810": Situation("evaluate moons.net", {"moons.net": MOONS}),
    "E0811": run("show runs/moons-1", prepare=change("runs/moons-1/last.safetensors", flipped)),
    "E0812": Situation("show w.safetensors", {"w.safetensors": save({"w": np.zeros((2, 4), np.float32)})}),
    "E0830": Situation("evaluate w.safetensors", prepare=weights("w.safetensors")),
    "E0831": Situation("evaluate w.safetensors", prepare=weights("w.safetensors", format="netdsl-99")),
    "E0832": Situation("evaluate folder", {"folder/readme.txt": ""}),
    "E0833": run(
        "train moons.net --resume runs/moons-1 --quiet",
        prepare=written("runs/moons-1/manifest.json", "{"),
    ),
    "E0834": run("train w.net --quiet", {"w.net": started("runs/moons-1/last.safetensors")}),
    "E0835": Situation("train moons.net --resume --quiet", {"moons.net": MOONS}),
    "E0836": run("train moons.net --resume runs/moons-1 --quiet", {"moons.net": WIDER}),
    "E0837": run("evaluate runs/moons-1", prepare=no_weights),
    "E0838": run("evaluate runs/moons-1 --part test"),
    "E0840": Situation("check a.net", {"a.net": b"# Gr\xf6\xdfe\nparam a = 1\n"}),
    "E0841": Situation("check sub/a.net", {"sub/a.net": 'import "../b.net"\n' + MOONS, "b.net": ""}),
    # the command line
    "E0901": Situation("trian moons.net"),
    "E0902": Situation("check a.net", {"a.net": MOONS}, raising(OPENING, MemoryError())),
    "E0903": Situation("train moons.net --threads many"),
    "E0904": Situation("train moons.net lr = 0.1"),
    "E0905": Situation("train moons.net lr=0.1 lr=0.2"),
    "E0906": Situation("train moons.net --device cuda", {"moons.net": MOONS}, no_device),
    "E0908": Situation("new digts"),
    "E0909": Situation("new digits here", {"here/digits_mlp.net": ""}),
    "E0912": run("predict runs/moons-1 rows.xlsx", {"rows.xlsx": b""}),
    "E0913": run("predict runs/moons-1 rows.csv", {"rows.csv": "a\n1\n"}),
    "E0914": run("predict runs/moons-1 rows.csv", {"rows.csv": "x1,x2\n1,zwei\n"}),
    "E0915": Situation(
        "predict runs/s-1 rows.csv", {"s.net": SADDLE, "rows.csv": ""}, command("train s.net --quiet")
    ),
    "E0961": Situation("train moons.net --quiet", {"moons.net": MOONS}, environment(NETDSL_CPU="fast")),
    "E0962": Situation("lsp", prepare=no_pygls),
    "E0963": Situation("compile moons.net --device cuda", {"moons.net": MOONS}, no_cuda),
    "E0964": Situation("train moons.net --device cuda --quiet", {"moons.net": MOONS}, small_device),
    "E0965": Situation("train moons.net --device cuda --quiet", {"moons.net": MOONS}, refusing_library),
    "E0966": Situation(
        "compile moons.net --device cuda", {"moons.net": MOONS}, environment(NETDSL_CUDA_BLAS="no")
    ),
    "E0967": Situation(
        "compile moons.net --device cuda --arch sm_75 train.precision=bf16", {"moons.net": MOONS}
    ),
    "E0981": Situation("render moons.net", {"moons.net": MOONS}, broken_dot),
    "E0982": run("render runs/moons-1 --figure f1"),
    "E0990": Situation("explain E0102x"),
    "E9999": Situation("check a.net", {"a.net": MOONS}, raising(OPENING, KeyError("lost"))),
    "W0980": Situation("render moons.net", {"moons.net": MOONS}, environment(PATH="/nowhere")),
}

Call = Callable[[], object]
CALLS: dict[str, tuple[str, Call]] = {
    "E0907": (
        'netdsl.compile("moons.net", {"train.epochs": object()})',
        lambda: netdsl.compile("moons.net", overrides={"train.epochs": object()}),
    ),
    "E0910": (
        'netdsl.load("runs/moons-1")(image=np.ones((3, 2)))',
        lambda: netdsl.load("runs/moons-1")(image=np.ones((3, 2))),
    ),
    "E0911": (
        'netdsl.load("runs/moons-1")(x=np.ones((3, 5)))',
        lambda: netdsl.load("runs/moons-1")(x=np.ones((3, 5))),
    ),
}
"""What is called from Python, as text, and the call."""
