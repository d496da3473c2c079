"""The grid of operations beside PyTorch: layers of the library, each with the same thing in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Tensor: TypeAlias = torch.Tensor
Weights: TypeAlias = Mapping[str, Tensor]
Ints: TypeAlias = tuple[int, ...]
Pads: TypeAlias = tuple[tuple[int, int], ...]

ROWS = 3


@dataclass(frozen=True)
class Case:
    """A chain of layers on values of a shape, and its meaning in PyTorch, on values of that shape too."""

    chain: str
    shape: Ints
    peer: Callable[[Tensor, Weights], Tensor]
    low: float = -2.0
    high: float = 2.0

    def __str__(self) -> str:
        return f"{self.chain} of {'x'.join(map(str, self.shape))}"


def first(x: Tensor) -> Tensor:
    """Bring [n, places.., c] to PyTorch's [n, c, places..]."""
    return x.movedim(-1, 1)


def last(x: Tensor) -> Tensor:
    """Bring PyTorch's [n, c, places..] to [n, places.., c]."""
    return x.movedim(1, -1)


def turned(kernel: Tensor) -> Tensor:
    """Bring a kernel [sides.., in, out] to PyTorch's [out, in, sides..]."""
    return kernel.permute(-1, -2, *range(kernel.dim() - 2))


def padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad [n, c, places..]; PyTorch names the last axis first."""
    return functional.pad(x, [each for pair in reversed(pads) for each in pair], value=value)


def same(space: Ints, reach: Ints, strides: Ints) -> Pads:
    """Return TensorFlow's SAME padding, the odd one after."""
    totals = [max((ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(space, reach, strides, strict=True)]
    return tuple((each // 2, each - each // 2) for each in totals)


def written(numbers: Ints) -> str:
    """Write a setting as the language does: one number for all axes, or a list."""
    return str(numbers[0]) if len(set(numbers)) == 1 else str(list(numbers))


def pads_of(word: str, space: Ints, reach: Ints, strides: Ints) -> tuple[str, Pads]:
    """Return a padding as it is written and as numbers."""
    rank = len(space)
    match word:
        case "same":
            return "same", same(space, reach, strides)
        case "uneven":
            pairs = tuple(((1, 0), (0, 2), (2, 1))[axis] for axis in range(rank))
            return str([list(pair) for pair in pairs]), pairs
        case "sided":
            pairs = tuple((axis, axis) for axis in range(rank))
            return str(list(range(rank))), pairs
        case _:
            return word, ((int(word),) * 2,) * rank


SPACES: Mapping[int, Ints] = {1: (9,), 2: (7, 8), 3: (5, 6, 4)}
SIZES: Mapping[int, tuple[Ints, ...]] = {1: ((3,), (2,)), 2: ((3, 3), (2, 3)), 3: ((2, 2, 2), (3, 1, 2))}
CONV: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv1d,
    2: functional.conv2d,
    3: functional.conv3d,
}
CONV_TRANSPOSE: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
MAX_POOL: Mapping[int, Callable[..., Any]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
AVG_POOL: Mapping[int, Callable[..., Tensor]] = {
    1: functional.avg_pool1d,
    2: functional.avg_pool2d,
    3: functional.avg_pool3d,
}
MAX_UNPOOL: Mapping[int, Callable[..., Tensor]] = {
    1: functional.max_unpool1d,
    2: functional.max_unpool2d,
    3: functional.max_unpool3d,
}


def reach_of(size: Ints, dilation: int) -> Ints:
    return tuple((each - 1) * dilation + 1 for each in size)


def convolutions() -> Iterator[Case]:
    """One to three axes; strides, paddings, dilations, groups, up to a group for each channel."""
    strides_of = {1: ((1,), (2,), (3,)), 2: ((1, 1), (2, 2), (1, 3)), 3: ((1, 1, 1), (2, 1, 2))}
    for rank, pad, dilation, groups in product((1, 2, 3), ("0", "1", "same", "uneven"), (1, 2), (1, 2, 4)):
        for number, (size, strides) in enumerate(product(SIZES[rank], strides_of[rank])):
            if (number + dilation + groups) % 2:
                continue  # every other one
            space = tuple(each + 2 for each in SPACES[rank]) if dilation > 1 else SPACES[rank]
            text, pads = pads_of(pad, space, reach_of(size, dilation), strides)

            def peer(
                x: Tensor, w: Weights, rank: int = rank, pads: Pads = pads, strides: Ints = strides,
                dilation: int = dilation, groups: int = groups,
            ) -> Tensor:  # fmt: skip
                return last(
                    CONV[rank](padded(first(x), pads), turned(w["k"]), w["b"], strides, 0, dilation, groups)
                )

            settings = f"stride={written(strides)}, pad={text}, dilation={dilation}, groups={groups}"
            yield Case(f"conv(8, {list(size)}, {settings})", (*space, 4), peer)


def transposed_convolutions() -> Iterator[Case]:
    """The same turned around, with what is left open by a stride."""
    strides_of = {1: ((1,), (2,), (3,)), 2: ((1, 1), (2, 2), (1, 3)), 3: ((1, 1, 1), (2, 1, 2))}
    for rank, pad, dilation, groups in product((1, 2, 3), ("0", "1", "same"), (1, 2), (1, 2)):
        for number, (size, strides) in enumerate(product(SIZES[rank], strides_of[rank])):
            if (number + dilation) % 2:
                continue
            reach = reach_of(size, dilation)
            extra = tuple(stride - 1 if number % 4 < 2 else 0 for stride in strides)
            if pad == "same":
                extra = (0,) * rank
            counts = tuple(each - 2 for each in SPACES[rank])
            opened = tuple(
                count * stride if pad == "same" else (count - 1) * stride + width
                for count, stride, width in zip(counts, strides, reach, strict=True)
            )
            text, pads = pads_of(pad, opened, reach, strides)

            def peer(
                x: Tensor, w: Weights, rank: int = rank, pads: Pads = pads, strides: Ints = strides,
                dilation: int = dilation, groups: int = groups, extra: Ints = extra,
                wanted: Ints | None = opened if pad == "same" else None,
            ) -> Tensor:  # fmt: skip
                """Keep everything, then cut the padding off: PyTorch's padding is the same on both sides."""
                whole = CONV_TRANSPOSE[rank](first(x), turned(w["k"]), None, strides, 0, 0, groups, dilation)
                for axis, (before, after) in enumerate(pads):
                    extent = whole.shape[axis + 2]
                    stop = extent - after + extra[axis] if wanted is None else before + wanted[axis]
                    more = max(stop - extent, 0)
                    room = [0, 0] * (rank - 1 - axis) + [0, more]
                    whole = functional.pad(whole, room).narrow(axis + 2, before, stop - before)
                return last(whole) + w["b"]

            settings = f"stride={written(strides)}, pad={text}, dilation={dilation}, groups={groups}"
            if any(extra):
                settings += f", output_pad={written(extra)}"
            yield Case(f"conv_transpose(6, {list(size)}, {settings})", (*counts, 4), peer)


def pools() -> Iterator[Case]:
    """Windows that overlap, lie apart or leave a rest, with padding that is never counted."""
    strides_of = {1: ((1,), (2,), (3,)), 2: ((1, 1), (2, 2), (3, 2)), 3: ((1, 1, 1), (2, 1, 2))}
    for rank, pad in product((1, 2, 3), ("0", "1", "same")):
        for size, strides in product(SIZES[rank], strides_of[rank]):
            space = SPACES[rank]
            text, pads = pads_of(pad, space, size, strides)
            if any(each >= side for pair, side in zip(pads, size, strict=True) for each in pair):
                continue
            settings = f"{list(size)}, stride={written(strides)}, pad={text}"

            def greatest(
                x: Tensor, w: Weights, rank: int = rank, pads: Pads = pads, size: Ints = size,
                strides: Ints = strides,
            ) -> Tensor:  # fmt: skip
                return last(MAX_POOL[rank](padded(first(x), pads, -torch.inf), size, strides))

            def average(
                x: Tensor, w: Weights, rank: int = rank, pads: Pads = pads, size: Ints = size,
                strides: Ints = strides,
            ) -> Tensor:  # fmt: skip
                there = padded(torch.ones_like(first(x)), pads)
                sums, counts = (
                    AVG_POOL[rank](each, size, strides) for each in (padded(first(x), pads), there)
                )
                return last(sums / counts)

            yield Case(f"maxpool({settings})", (*space, 3), greatest)
            yield Case(f"avgpool({settings})", (*space, 3), average)


def symmetric_pools() -> Iterator[Case]:
    """PyTorch's own padding, not counted in the mean."""
    for rank in (1, 2, 3):
        for size, stride, pad in ((3, 2, 1), (2, 1, 1), (3, 1, 1)):

            def greatest(
                x: Tensor, w: Weights, rank: int = rank, size: int = size, stride: int = stride,
                pad: int = pad,
            ) -> Tensor:  # fmt: skip
                return last(MAX_POOL[rank](first(x), size, stride, pad))

            def average(
                x: Tensor, w: Weights, rank: int = rank, size: int = size, stride: int = stride,
                pad: int = pad,
            ) -> Tensor:  # fmt: skip
                return last(AVG_POOL[rank](first(x), size, stride, pad, count_include_pad=False))

            settings = f"({size}, stride={stride}, pad={pad})"
            yield Case(f"maxpool{settings}", (*SPACES[rank], 2), greatest)
            yield Case(f"avgpool{settings}", (*SPACES[rank], 2), average)


def unpooled() -> Iterator[Case]:
    """What is pooled goes back to where it stood; windows that do not overlap, as PyTorch wants them."""
    for rank, size in ((1, (2,)), (1, (3,)), (2, (2, 2)), (2, (3, 2)), (3, (2, 2, 2))):
        space = tuple(side * (3 + axis) for axis, side in enumerate(size))

        def peer(x: Tensor, w: Weights, rank: int = rank, size: Ints = size) -> Tensor:
            pooled, where = MAX_POOL[rank](first(x), size, return_indices=True)
            return last(MAX_UNPOOL[rank](pooled, where, size))

        yield Case(f"unpooled({list(size)})", (*space, 3), peer)


def global_pools() -> Iterator[Case]:
    for rank in (1, 2, 3):
        yield Case("global_avgpool", (*SPACES[rank], 3), lambda x, w: x.flatten(1, -2).mean(1))
        yield Case("global_maxpool", (*SPACES[rank], 3), lambda x, w: x.flatten(1, -2).amax(1))


MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resizes() -> Iterator[Case]:
    """Half-pixel centers; nearest where no new place lies half-way between two old ones."""
    for rank, factor in product((1, 2, 3), (2, 3)):
        for method in ("nearest", "bilinear"):

            def by_factor(
                x: Tensor, w: Weights, rank: int = rank, factor: int = factor, method: str = method
            ) -> Tensor:
                if method == "nearest":
                    return last(functional.interpolate(first(x), scale_factor=factor))
                return last(
                    functional.interpolate(
                        first(x), scale_factor=factor, mode=MODES[rank], align_corners=False
                    )
                )

            yield Case(f"upsample({factor}, method={method})", (*SPACES[rank], 2), by_factor)
    for space, size in (
        ((9,), (5,)),
        ((7, 8), (4, 11)),
        ((7, 8), (3, 3)),
        ((7, 8), (13, 8)),
        ((5, 6, 4), (3, 9, 7)),
    ):

        def to_size(x: Tensor, w: Weights, size: Ints = size) -> Tensor:
            mode = MODES[len(size)]
            return last(functional.interpolate(first(x), size, mode=mode, align_corners=False))

        yield Case(f"resize({list(size)}, method=bilinear)", (*space, 2), to_size)
    for space, size in (((9,), (5,)), ((9,), (3,)), ((7, 9), (9, 15)), ((5, 6, 9), (3, 6, 27))):

        def nearest(x: Tensor, w: Weights, size: Ints = size) -> Tensor:
            return last(functional.interpolate(first(x), size, mode="nearest-exact"))

        yield Case(f"resize({list(size)})", (*space, 2), nearest)


def norms() -> Iterator[Case]:
    """Over the batch, the places or the channels; in training."""

    def batch(x: Tensor, w: Weights) -> Tensor:
        moving = torch.zeros_like(w["gamma"]), torch.ones_like(w["gamma"])
        return last(functional.batch_norm(first(x), *moving, w["gamma"], w["beta"], training=True))

    def layer(x: Tensor, w: Weights) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], w["gamma"], w["beta"])

    def instance(x: Tensor, w: Weights) -> Tensor:
        return last(functional.instance_norm(first(x), weight=w["gamma"], bias=w["beta"]))

    def group(groups: int) -> Callable[[Tensor, Weights], Tensor]:
        return lambda x, w: last(functional.group_norm(first(x), groups, w["gamma"], w["beta"]))

    for space in ((), (5,), (3, 4), (2, 3, 2)):
        shape = (*space, 6)
        yield Case("batchnorm", shape, batch)
        yield Case("layernorm", shape, layer)
        if space:
            yield Case("instancenorm", shape, instance)
            for groups in (1, 2, 3, 6):
                yield Case(f"groupnorm({groups})", shape, group(groups))


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, -1),
    "relu": torch.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "leaky_relu(0.1)": lambda x: functional.leaky_relu(x, 0.1),
    "elu": functional.elu,
    "elu(0.5)": lambda x: functional.elu(x, 0.5),
    "selu": functional.selu,
    "softplus": functional.softplus,
    "swish": functional.silu,
    "gelu": functional.gelu,
    "mish": functional.mish,
    "hard_sigmoid": lambda x: functional.relu6(x + 3) / 6,
    "hard_tanh": functional.hardtanh,
    "softsign": functional.softsign,
}


def without_weights(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Weights], Tensor]:
    return lambda x, w: function(x)


def maxout(x: Tensor, w: Weights) -> Tensor:
    return (x @ w["dense_1/w"] + w["dense_1/b"]).unflatten(-1, (3, 2)).amax(-1)


def activations() -> Iterator[Case]:
    for name, function in ACTIVATIONS.items():
        for shape in ((5,), (3, 2, 4)):
            yield Case(name, shape, without_weights(function), -4, 8)
    yield Case("prelu", (5,), lambda x, w: functional.prelu(x, w["slope"]))
    yield Case(
        "maxout(3)", (5,), lambda x, w: (x @ w["dense_1/w"] + w["dense_1/b"]).unflatten(-1, (3, 2)).amax(-1)
    )
    yield Case("dense(3)", (5,), lambda x, w: x @ w["w"] + w["b"])
    yield Case("flatten", (3, 2, 4), lambda x, w: x.flatten(1))


def mixed() -> Iterator[Case]:
    """Layers made of others."""

    def separable(x: Tensor, w: Weights) -> Tensor:
        deep = turned(w["depthwise_conv_1/conv_1/k"])
        h = functional.conv2d(first(x), deep, groups=4, padding=1)
        return last(functional.conv2d(h, turned(w["conv_1/k"]), w["conv_1/b"]))

    def lenet(x: Tensor, w: Weights) -> Tensor:
        h = torch.tanh(functional.conv2d(first(x), turned(w["conv_1/k"]), w["conv_1/b"], padding=2))
        h = functional.avg_pool2d(h, 2)
        h = torch.tanh(functional.conv2d(h, turned(w["conv_2/k"]), w["conv_2/b"]))
        h = last(functional.avg_pool2d(h, 2)).flatten(1)
        for layer in ("dense_1", "dense_2"):
            h = torch.tanh(h @ w[f"{layer}/w"] + w[f"{layer}/b"])
        return torch.softmax(h @ w["dense_3/w"] + w["dense_3/b"], -1)

    def residual(x: Tensor, w: Weights) -> Tensor:
        def unit(h: Tensor, number: int, stride: int) -> Tensor:
            kernel = turned(w[f"conv_{number}/k"])
            places, size = h.shape[2:], kernel.shape[2:]
            strides = (stride,) * 2
            h = functional.conv2d(padded(h, same(tuple(places), tuple(size), strides)), kernel, stride=stride)
            gamma, beta = w[f"batchnorm_{number}/gamma"], w[f"batchnorm_{number}/beta"]
            return functional.batch_norm(
                h, torch.zeros_like(gamma), torch.ones_like(gamma), gamma, beta, True
            )

        x = first(x)
        return last(torch.relu(unit(torch.relu(unit(x, 1, 2)), 2, 1) + unit(x, 3, 2)))

    yield Case("separable_conv(5, 3, pad=same)", (6, 7, 4), separable)
    yield Case("residual(6, stride=2)", (6, 7, 4), residual)
    yield Case(
        "conv(6, 5, pad=2) -> tanh -> avgpool -> conv(16, 5) -> tanh -> avgpool -> flatten -> dense(120) "
        "-> tanh -> dense(84) -> tanh -> dense(10) -> softmax",
        (28, 28, 1),
        lenet,
    )


CASES = [
    *convolutions(),
    *transposed_convolutions(),
    *pools(),
    *symmetric_pools(),
    *unpooled(),
    *global_pools(),
    *resizes(),
    *norms(),
    *activations(),
    *mixed(),
]


@dataclass(frozen=True)
class LossCase:
    """A loss of each example, of outputs y and targets t of one shape, and the same in PyTorch."""

    call: str
    shape: Ints
    peer: Callable[[Tensor, Tensor], Tensor]
    outputs: str = ""
    """The activation that makes the outputs what the loss takes."""
    targets: str = "number"

    def __str__(self) -> str:
        return f"{self.call} of {'x'.join(map(str, self.shape))}"


def by_example(loss: Callable[..., Tensor], **settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Take the mean over one example of what PyTorch gives for each number."""
    return lambda y, t: loss(y, t, reduction="none", **settings).flatten(1).mean(1)


LOSSES = [
    *(
        LossCase(call, shape, peer)
        for shape in ((4,), (3, 2))
        for call, peer in {
            "mse": by_example(functional.mse_loss),
            "mae": by_example(functional.l1_loss),
            "huber": by_example(functional.huber_loss),
            "huber(delta=0.3)": by_example(functional.huber_loss, delta=0.3),
            "smooth_l1": by_example(functional.smooth_l1_loss),
            "poisson": by_example(functional.poisson_nll_loss),
        }.items()
    ),
    LossCase(
        "cross_entropy",
        (4,),
        lambda y, t: functional.cross_entropy(y, t, reduction="none"),
        "softmax",
        "shares",
    ),
    LossCase(
        "kl_divergence",
        (4,),
        lambda y, t: functional.kl_div(torch.log_softmax(y, -1), t, reduction="none").sum(1),
        "softmax",
        "shares",
    ),
    LossCase(
        "binary_cross_entropy",
        (4,),
        by_example(functional.binary_cross_entropy_with_logits),
        "sigmoid",
        "flags",
    ),
    LossCase("hinge", (4,), lambda y, t: torch.clamp(1 - (2 * t - 1) * y, min=0).mean(1), "", "flags"),
]


def targets_of(case: LossCase) -> NDArray[np.float64]:
    """Draw targets: any numbers, shares that add up to 1, or 0 and 1."""
    random = np.random.default_rng(11)
    drawn: NDArray[np.float64] = random.uniform(0.1, 2, (ROWS, *case.shape))
    if case.targets == "shares":
        shares: NDArray[np.float64] = drawn / drawn.sum(-1, keepdims=True)
        return shares
    return (drawn > 1).astype(float) if case.targets == "flags" else drawn
