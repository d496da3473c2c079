from dataclasses import replace

from netdsl.explain.gradient_table import Checked, Corner, Fault, GradientReport, gradient_table

FINE = Checked("mlp/dense_1/w", (64, 10), 8, 0, 0, "direction 2", -0.0289, -0.0289000001, 3.5e-9, "fine")
LEFT_OUT = Checked("mlp/dense_2/b", (10,), 1, 2, 9, "[7]", 0.25, 0.25, 2e-12, "fine")
CORNER = Checked("mlp/dense_3/w", (10, 10), skipped=8, verdict="corner")
WRONG = Checked("mlp/dense_4/w", (10, 2), 8, 0, 0, "[3, 1]", 0.5, -0.5, 2.0, "WRONG")
RELU = Corner("mlp.net:7", "max(… + mlp/dense_2/b, 0)", "… + mlp/dense_2/b = 0", 12, 1e-7, 17)
REPORT = GradientReport(
    "mlp", "the initial weights", "the first 8 rows of epoch 1 of `digits`", 2.3025851, 1e-5, (FINE,)
)

RIGHT = """\
model mlp: gradients at the initial weights, on the first 8 rows of epoch 1 of `digits`
objective 2.3025851, in float64

weight         shape     slopes  worst at     derived  measured    error  verdict
─────────────  ────────  ──────  ───────────  ───────  ────────  ───────  ───────
mlp/dense_1/w  [64, 10]       8  direction 2  -0.0289   -0.0289  3.5e-09  fine

1 of 1 gradients are right to 1e-05"""

ALL = """\
model mlp: gradients at the initial weights, on the first 8 rows of epoch 1 of `digits`
objective 2.3025851, in float64

weight         shape      slopes  one side  worst at     derived  measured    error  verdict  on the CPU
─────────────  ────────  ───────  ────────  ───────────  ───────  ────────  ───────  ───────  ──────────
mlp/dense_1/w  [64, 10]        8            direction 2  -0.0289   -0.0289  3.5e-09  fine        2.4e-07
mlp/dense_2/b  [10]      3 of 12         2  [7]             0.25      0.25  2.0e-12  fine
mlp/dense_3/w  [10, 10]   0 of 8                                                     corner
mlp/dense_4/w  [10, 2]         8            [3, 1]           0.5      -0.5  2.0e+00  WRONG

The file's own gradients:

formula                 shape  slopes  worst at  derived  measured    error  verdict
──────────────────────  ─────  ──────  ────────  ───────  ────────  ───────  ───────
mlp.net:9 gradient(…)   [2]         4  [0]            -3        -3  1.0e-12  fine

Not smooth near this point:

line       formula                    corner                 elements  within  left out
─────────  ─────────────────────────  ─────────────────────  ────────  ──────  ────────
mlp.net:7  max(… + mlp/dense_2/b, 0)  … + mlp/dense_2/b = 0        12   1e-07        17

Operations whose own gradient is wrong:

operation  line       formula      error
─────────  ─────────  ─────────  ───────
tanh       mlp.net:8  tanh(… @)  1.9e+00

1 of 5 gradients are WRONG: off by more than 1e-05"""


def test_right_gradients() -> None:
    assert gradient_table(REPORT) == RIGHT


def test_all_that_may_be_told() -> None:
    inner = Checked("mlp.net:9 gradient(…) ", (2,), 4, 0, 0, "[0]", -3.0, -3.0, 1e-12, "fine")
    report = replace(
        REPORT,
        weights=(replace(FINE, compiled=2.4e-7), LEFT_OUT, CORNER, WRONG),
        inner=(inner,),
        corners=(RELU,),
        faults=(Fault("tanh", "mlp.net:8", "tanh(… @)", 1.9),),
    )
    assert gradient_table(report, width=110) == ALL
    assert report.wrong == (WRONG,)


def test_what_could_not_be_told_is_said() -> None:
    told = gradient_table(replace(REPORT, weights=(FINE, CORNER)))
    assert told.endswith("1 of 2 gradients are right to 1e-05; the other could not be told here")
    told = gradient_table(replace(REPORT, weights=(FINE, CORNER, replace(FINE, verdict="unsure"))))
    assert told.endswith("1 of 3 gradients are right to 1e-05; the others could not be told here")
