"""A program as a list."""

from netdsl.explain.listing import amount, listing
from netdsl.graph import Builder
from netdsl.operations import REGISTRY
from netdsl.program import ROWS, Call, Each, Origin, Phase, Program, Scalars, Step, count_of
from tests.explain.small_model import place


def small_program() -> Program:
    dense = Origin("image @ w + b", "mlp/dense_1", place("dense(n)"))
    back = Origin("where(dense_1 > 0, dy, 0)", "mlp/relu_1", place("relu"), "gradient")
    product = Step(
        (Call("product", ()), Call("offsets", ())),
        Each((ROWS,)),
        (),
        (),
        (dense, back),
        flops=2000 * ROWS,
        bytes=count_of(12) * ROWS + 4,
    )
    update = Step((Call("adam_1", ()),), Each((count_of(1),)), (), (), (), flops=count_of(7))
    return Program(
        "training",
        {},
        {},
        (Phase((product,)), Phase((update, update))),
        {},
        (),
        (),
        Scalars(Builder(REGISTRY).finish(), ()),
    )


EXPECTED = """\
phase  line                  formula                    kernel            FLOPs  bytes
─────  ────────────────────  ─────────────────────────  ────────────────  ─────  ─────
    1  mlp.net:2             image @ w + b              product, offsets    64k    388
       mlp.net:2 (gradient)  where(dense_1 > 0, dy, 0)
    2                                                   adam_1                7      0
                                                        adam_1                7      0
─────  ────────────────────  ─────────────────────────  ────────────────  ─────  ─────
                             total                                          64k    388
"""


def test_a_program_as_a_list() -> None:
    assert listing(small_program(), 32) == EXPECTED


def test_a_list_fits_its_width() -> None:
    assert max(map(len, listing(small_program(), 32, width=60).splitlines())) <= 60


def test_amounts_have_three_digits() -> None:
    assert [amount(n) for n in (0, 7, 999, 1536, 2_500_000, 7e9)] == ["0", "7", "999", "1.54k", "2.5M", "7G"]
