"""The hand-written kernels as code for devices: no spills, no float64, four floats at a time."""

from collections.abc import Callable

import pytest

from netdsl.cli.compile import ARCHITECTURES
from netdsl.graph import Precision
from netdsl.kernels.cuda.convolution import Geometry, convolve, convolve_input, convolve_kernel
from netdsl.kernels.cuda.kernel import CudaKernel, Work, make
from netdsl.kernels.cuda.products import matrix_product
from netdsl.kernels.cuda.tiling import LARGE, TILES, WARP_TILES, Tile, WarpTile
from netdsl.program import ROWS
from netdsl.runtime.cuda.toolchain import REGISTERS, DeviceCode, compiled

pytestmark = [pytest.mark.cuda, pytest.mark.slow, pytest.mark.usefixtures("toolchain")]

IMAGES = {
    "aligned": Geometry(ROWS, (16, 16), (16, 16), 128, 128, (3, 3), (1, 1), (1, 1), (1, 1)),
    "strided": Geometry(ROWS, (15, 15), (8, 8), 258, 266, (3, 3), (2, 2), (1, 1), (1, 1), 2),
}
"""With as many channels as the largest tile is wide: what lies outside of all results is left out of code."""

DEPTHWISE = Geometry(ROWS, (32, 32), (16, 16), 64, 64, (3, 3), (2, 2), (1, 1), (1, 1), 64)


def codes(work: Work, architecture: str = "sm_90") -> list[DeviceCode]:
    return [compiled(kernel, architecture) for kernel in work.kernels]


def check(found: list[DeviceCode], tile: Tile) -> None:
    for code in found:
        assert code.spills == 0, (code.name, code.registers)
        assert ".f64" not in code.ptx
        assert ".local" not in code.ptx
    assert found[0].registers * tile.threads <= REGISTERS
    assert found[0].ptx.count("fma.rn.f32") >= 128


@pytest.mark.parametrize("tile", TILES, ids=str)
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
def test_a_product_of_matrices(tile: Tile, turned: tuple[bool, bool]) -> None:
    found = codes(matrix_product(ROWS, 512, 784, 64, turned=turned, tile=tile, splits=1))
    check(found, tile)
    for word in ("ld.global.v4.f32", "st.global.v4.f32", "ld.shared.v4.f32"):
        assert word in found[0].ptx


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_a_product_whose_sums_are_cut(tile: Tile) -> None:
    check(codes(matrix_product(133, 130, ROWS, 64, tile=tile, splits=3)), tile)


@pytest.mark.parametrize("write", [convolve, convolve_input, convolve_kernel])
@pytest.mark.parametrize("name", IMAGES)
def test_a_convolution(write: Callable[..., Work], name: str) -> None:
    for tile in (LARGE, TILES[1]):
        found = codes(write(IMAGES[name], 64, tile))
        check(found, tile)
        if name == "aligned":
            assert 2 * found[0].registers * tile.threads <= REGISTERS


def check_matrix_units(code: DeviceCode, tile: WarpTile, precision: Precision) -> None:
    assert code.spills == 0, (code.name, code.registers)
    assert ".f64" not in code.ptx
    assert ".local" not in code.ptx
    assert code.registers * tile.threads <= REGISTERS
    halves = precision == "bf16"
    matrices = (tile.high // 16) * (tile.wide // 8) * tile.depth // (16 if halves else 8)
    assert code.ptx.count(f"mma.sync.aligned.m16n8k{16 if halves else 8}.row.col.f32") == matrices
    assert ("ldmatrix.sync" in code.ptx) == halves
    assert "fma.rn.f32" not in code.ptx


@pytest.mark.parametrize("precision", list(WARP_TILES))
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
def test_a_product_by_matrix_units(precision: Precision, place: int, turned: tuple[bool, bool]) -> None:
    tile = WARP_TILES[precision][place]
    work = matrix_product(ROWS, 512, 784, 64, turned=turned, tile=tile, splits=1, precision=precision)
    (code,) = codes(work)
    check_matrix_units(code, tile, precision)
    if place == 0:
        assert 2 * code.registers * tile.threads <= REGISTERS


@pytest.mark.parametrize("precision", list(WARP_TILES))
@pytest.mark.parametrize("write", [convolve, convolve_input, convolve_kernel])
@pytest.mark.parametrize("name", IMAGES)
def test_a_convolution_by_matrix_units(precision: Precision, write: Callable[..., Work], name: str) -> None:
    for tile in WARP_TILES[precision][:2]:
        check_matrix_units(codes(write(IMAGES[name], 64, tile, 1, precision))[0], tile, precision)


@pytest.mark.parametrize("write", [convolve, convolve_input, convolve_kernel])
def test_a_depthwise_convolution(write: Callable[..., Work]) -> None:
    for code in codes(write(DEPTHWISE, 64)):
        assert code.spills == 0
        assert code.registers <= 128
        assert ".f64" not in code.ptx


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_devices_of_several_kinds(architecture: str) -> None:
    (code,) = codes(matrix_product(64, 64, 64, 1, splits=1), architecture)
    assert f".target {architecture}" in code.ptx
    assert code.cubin.startswith(b"\x7fELF")
    assert f".target {architecture}" in compiled(words(), architecture).ptx


WORDS = """\
i = cuda.blockIdx.x * 256 + cuda.threadIdx.x
v = x[i]
v = exp32(v) + log32(v) + log1p32(v) + tanh32(v) + sigmoid32(v) + softplus32(v) + erf32(v)
v = v + sinpi32(v) * cospi32(v) + arctan32(v) + pow32(v, f32(1.5)) + sqrt32(v)
v = v + floor32(v) + ceil32(v) + round32(v)
shares = shared_floats(0, 256)
counts = shared_ints(0, 256)
shares[cuda.threadIdx.x] = v
counts[cuda.threadIdx.x] = i32(i)
cuda.syncthreads()
a, b, c, d = ld4(shares, cuda.threadIdx.x % 4 * 4)
total = warp_sum(v)
most = warp_max(a)
st4(y, i * 4, total, most, c, d + f32(counts[255 - cuda.threadIdx.x]))
"""


def words() -> CudaKernel:
    return make("words", {"x": "float", "y": "float"}, WORDS, 256, ((1024, 256),))


def test_every_word_compiles_to_inline_code() -> None:
    code = compiled(words(), "sm_90")
    assert ".f64" not in code.ptx
    assert "call" not in code.ptx
    assert code.ptx.count("shfl.sync.bfly") == 10
    assert code.shared == 2048


def test_turns_of_large_angles_alone_take_float64() -> None:
    for name in ("sin32", "cos32"):
        code = compiled(make("turn", {"x": "float"}, f"x[0] = {name}(x[0])", 32, ((1, 1),)), "sm_90")
        assert "call" not in code.ptx
        assert ".local" in code.ptx


def test_a_mistake_in_a_text_is_told_with_the_text() -> None:
    wrong = make("wrong", {"x": "float"}, "x[0] = x + 1", 32, ((1, 1),))
    with pytest.raises(Exception, match="No implementation") as caught:
        compiled(wrong, "sm_90")
    assert "x[0] = x + 1" in "".join(caught.value.__notes__)


def test_code_is_kept_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled(words(), "sm_90")
    monkeypatch.setattr("netdsl.runtime.cuda.toolchain._compile", None)
    assert compiled(words(), "sm_90") == first
