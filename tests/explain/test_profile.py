"""Profiles whose costs are made up here, so that every figure of a table is known."""

import numpy as np
import pytest

from netdsl.diagnostics import Source, Span
from netdsl.explain.drawing import draw
from netdsl.explain.profile import Bound, Cost, Entry, Profile, by_kernel, by_line, entries_of, total
from netdsl.explain.profile_advice import advice
from netdsl.explain.profile_picture import profile_picture
from netdsl.explain.profile_tables import milliseconds, percent, profile_text
from netdsl.explain.traffic import traffic
from netdsl.graph import BATCH
from netdsl.graph.builder import Builder
from netdsl.operations import REGISTRY
from netdsl.program import (
    ROWS,
    Access,
    Buffer,
    Call,
    Each,
    Origin,
    Phase,
    Portion,
    Program,
    Range,
    Repeat,
    Scalars,
    Step,
    count_of,
)
from netdsl.runtime.limits import Limits
from netdsl.runtime.watch import Spent

TEXT = "model m(x: [4]) =\n    x -> dense(8) -> relu\n\nloss = mse <b>\n"
SOURCE = Source("some/m.net", TEXT)
LIMITS = Limits(2, 1e9, 1e11, {"L1": 1e12, "L2": 1e11, "memory": 1e10}, {"L1": 1000, "L2": 100_000})


def at(line: int, role: str = "", work: int = 1) -> Origin:
    start = sum(len(each) + 1 for each in TEXT.split("\n")[: line - 1])
    return Origin(f"formula {line}", "m/dense_1", Span(SOURCE, start, start + 3), role, work)


def entry(seconds: float, *origins: Origin, kernel: str = "product", alone: bool = False) -> Entry:
    cost = Cost(seconds, 1e6, 1e5, seconds / 2, {"arithmetic": seconds / 2, "memory": seconds / 4})
    return Entry(1, 1, (kernel,), 4.0, alone, origins, cost)


def profile(
    *entries: Entry, waits: float = 0.0, barriers: int = 2, between: float = 0.0, cores: float = 1.98
) -> Profile:
    seconds = sum(each.cost.seconds for each in entries) + waits
    behind = (waits / 4, 3 * waits / 4)
    return Profile(
        "m",
        "training",
        "`d`",
        16,
        3,
        30,
        seconds,
        2 * seconds,
        between,
        cores,
        entries,
        behind,
        barriers,
        LIMITS,
    )


def test_a_kernel_of_several_lines_is_divided_by_their_operations() -> None:
    made = profile(entry(0.004, at(2, work=3), at(4, "gradient")), entry(0.002, at(2, "gradient")))
    second, fourth = by_line(made)
    assert (second.line, second.text, second.source) == (2, "x -> dense(8) -> relu", "some/m.net")
    assert {role: cost.seconds for role, cost in second.roles.items()} == pytest.approx(
        {"forward": 0.003, "gradient": 0.002}
    )
    assert fourth.cost.seconds == pytest.approx(0.001)
    for name in ("seconds", "flops", "bytes", "limit"):
        assert getattr(total(each.cost for each in by_line(made)), name) == pytest.approx(
            getattr(made.cost, name)
        )


def test_kernels_are_gathered_by_line_and_role() -> None:
    made = profile(
        entry(0.001, at(2)),
        entry(0.002, at(2)),
        entry(0.004, at(2, "gradient")),
        entry(0.003, Origin("rows of x"), kernel="take_rows"),
    )
    told = [(each.kernels, each.role, each.places, len(each.entries)) for each in by_kernel(made)]
    assert told == [
        (("product",), "gradient", ("some/m.net:2",), 1),
        (("product",), "forward", ("some/m.net:2",), 2),
        (("take_rows",), "forward", ("rows of x",), 1),
    ]
    assert by_kernel(made)[1].calls == 8


def test_a_limit_is_of_what_takes_longest_there() -> None:
    assert Cost(1.0, by={"arithmetic": 0.2, "L2": 0.3}).bound == "L2"
    assert Cost(1.0, by={"arithmetic": 0.2, "L2": 0.1}).bound == "arithmetic"
    assert Cost(1.0, by={"arithmetic": 0.0}).bound is None
    assert Cost().share_of_limit == 0


def test_the_text_of_a_profile() -> None:
    made = profile(
        entry(0.004, at(2)), entry(0.002, at(4, "gradient")), entry(0.001, Origin("rows of x")), waits=0.001
    )
    told = profile_text(made, top=2, width=200)
    assert told.splitlines()[0] == (
        "m: training on `d`, batch 16, 2 threads; 8.000 ms a step in the fastest of 3 segments, "
        "16.00 in the median one"
    )
    assert "of a step: 88% in kernels, 12% waiting at barriers, 0.0% between launches; 2 barriers" in told
    assert "limits of 2 threads, measured: 100 GFLOP/s; GB/s: L1 1000, L2 100, memory 10" in told
    lines = [" ".join(each.split()) for each in told.splitlines()]
    head = lines.index("ms share GFLOP/s GB/s of limit of forward gradient update line text")
    assert lines[head + 2] == "4.000 50% 0.2 0.0 50% arithmetic 4.000 m.net:2 x -> dense(8) -> relu"
    assert lines[head + 3] == "2.000 25% 0.5 0.1 50% arithmetic 2.000 m.net:4 loss = mse <b>"
    assert lines[head + 4] == "1.000 12% 1 more lines"


def test_the_text_of_each_step() -> None:
    told = profile_text(
        profile(entry(0.004, at(2)), entry(0.002, at(4, "gradient"))), top=9, each=True, width=200
    )
    assert "m.net:4 (gradient)  m/dense_1 formula 4" in told


def test_tables_fit_their_width() -> None:
    made = profile(entry(0.004, at(2)), entry(0.002, at(4, "gradient")))
    table = [each for each in profile_text(made, top=9, width=100).splitlines() if "  " in each]
    assert max(map(len, table)) <= 100


def test_figures() -> None:
    assert [milliseconds(each) for each in (0.25, 0.025, 0.0025, 0.00025)] == [
        "250.0",
        "25.00",
        "2.500",
        "0.2500",
    ]
    assert [percent(each) for each in (1.0, 0.1, 0.0123)] == ["100%", "10%", "1.2%"]


# ---- the picture ------------------------------------------------------------------------------


def test_the_picture_has_each_line_in_the_order_of_the_text() -> None:
    made = profile(entry(0.001, at(2)), entry(0.002, at(4, "gradient"), at(4, "update")), waits=0.001)
    told = profile_picture(made)
    assert told.index("x -&gt; dense(8) -&gt; relu") < told.index("loss = mse &lt;b&gt;")
    assert "waiting at barriers" in told
    # The longest bar, of 240 points, is half the way back; line 2 and the waits have half of its length.
    assert told.count('WIDTH="120"') == 3 * 2


@pytest.mark.parametrize("kind", ["svg", "dot"])
def test_graphviz_draws_the_picture(kind: str) -> None:
    drawing = draw(profile_picture(profile(entry(0.001, at(2)), waits=0.0)), kind)  # type: ignore[arg-type]
    assert drawing.kind in (kind, "dot")
    assert b"dense(8)" in drawing.content


# ---- advice -----------------------------------------------------------------------------------


def test_nothing_is_advised_where_nothing_stands_out() -> None:
    assert advice(profile(entry(0.004, at(2)), waits=0.0001)) == []


def test_waits_are_told_with_the_phase_behind_which_they_are() -> None:
    (told,) = advice(profile(entry(0.006, at(2)), waits=0.004))
    assert told.startswith("40% of the threads' time is spent at barriers, most of it (75%) behind phase 2")
    assert "--threads 1" in told


def test_a_busy_machine_is_told() -> None:
    (told,) = advice(profile(entry(0.004, at(2)), waits=0.004, cores=1.2))
    assert "1.20 of 2 worked for the fastest segment" in told


def test_short_phases_are_told() -> None:
    (told,) = advice(profile(entry(6e-6, at(2)), waits=4e-6, barriers=4))
    assert "there is one every 2.5 µs; try --threads 1, or a larger batch" in told


def test_what_one_thread_does_alone_is_told() -> None:
    (told,) = advice(profile(entry(0.005, at(2)), entry(0.001, at(4), kernel="sum", alone=True)))
    assert told == "one thread alone does what takes 33% of a step, most of all `sum` (step 1)"


def test_updates_rows_and_segments_are_told() -> None:
    update = Entry(
        1, 1, ("adam",), 1.0, False, (at(4, "update"),), Cost(0.004, 1.0, 1.0, 0.003, {"memory": 0.003})
    )
    made = profile(update, entry(0.002, Origin("rows of x"), kernel="take_rows"), between=0.006)
    told = advice(made)
    assert [each.split(" of a step")[0] for each in told[:2]] == [
        "updating weights takes 67%",
        "copying the rows of a batch takes 33%",
    ]
    assert told[2].startswith("50% of the time lies between stretches of steps")


def update(line: int, bound: Bound) -> Entry:
    cost = Cost(0.003, 1.0, 1.0, 0.002, {bound: 0.002})
    return Entry(1, 1, ("adam",), 1.0, False, (at(line, "update"),), cost)


@pytest.mark.parametrize("bound", ["arithmetic", "L1", "L2", "memory"])
def test_updates_are_told_where_memory_bounds_them_together(bound: Bound) -> None:
    told = advice(profile(update(2, bound), update(4, bound), entry(0.002, at(2))))
    assert [each.startswith("updating weights takes 75% of a step") for each in told] == [True] * (
        bound == "memory"
    )


# ---- what is measured, and what it is of ------------------------------------------------------


def step(*touched: tuple[str, int], calls: int = 1, items: int = 0) -> Step:
    portion = Portion(calls, (at(2),), 10 * ROWS, tuple((name, count_of(number)) for name, number in touched))
    work = Each((count_of(items),)) if items else Range(ROWS)
    made = tuple(Call(f"k{number}", ()) for number in range(calls))
    return Step(made, work, (), (), (at(2),), portions=(portion,))


def program(*phases: Phase) -> Program:
    buffers = {
        "v": Buffer("v", (BATCH, 4)),
        "w": Buffer("w", (100, 100), role="weight"),
        "big": Buffer("big", (300, 300), role="weight"),
        "stack": Buffer("stack", (-1000, 4)),
    }
    return Program("training", buffers, {}, phases, {}, (), (), Scalars(Builder(REGISTRY).finish(), ()))


def test_a_value_is_as_near_as_what_was_touched_since() -> None:
    steps = (
        step(("v", 64)), step(("v", 64)), step(("w", 40_000)), step(("v", 64)), step(("big", 360_000)),
    )  # fmt: skip
    found = traffic(program(Phase(steps)), 4, 1, LIMITS.caches)
    assert found == [{"memory": 64}, {"L1": 64}, {"memory": 40_000}, {"L2": 64}, {"memory": 360_000}]


def test_the_next_part_of_a_step_finds_a_piece_where_the_last_left_it() -> None:
    first, second = (step(("w", 40_000)).portions[0] for _ in range(2))
    joined = Step((Call("a", ()), Call("b", ())), Each((count_of(100),)), (), (), portions=(first, second))
    found = traffic(program(Phase((joined,)), Phase((step(("big", 360_000)),))), 4, 1, LIMITS.caches)
    assert found[:2] == [{"memory": 40_000}, {"L1": 40_000}]


def test_a_loop_touches_another_part_of_a_stack_in_each_turn() -> None:
    phase = Phase((step(("stack", 64)), step(("stack", 64), ("w", 40_000))), Repeat(1000))
    found = traffic(program(phase), 8, 1, LIMITS.caches)
    assert found == [{"memory": 64_000}, {"L1": 64_000, "L2": 40_000_000}]


def test_rows_of_the_data_come_from_memory() -> None:
    take = Step((Call("take_rows", ()),), Range(ROWS), (), (Access("v"),), bytes=32 * ROWS)
    found = traffic(program(Phase((take, step(("v", 64))))), 4, 1, LIMITS.caches)
    assert found[0]["memory"] == 64
    assert found[1] == {"L1": 64}


def test_entries_have_the_time_of_their_calls() -> None:
    made = program(Phase((step(("v", 64), calls=2),)), Phase((step(("v", 64), calls=1, items=0),)))
    calls = np.array([[1_000, 3_000, 6_000], [1_000, 1_000, 8_000]])
    spent = Spent(calls, np.full((2, 3), 20), np.zeros((2, 2), np.int64), 10, 1e-6)
    first, second = entries_of(made, spent, 4, LIMITS)
    # 6,000 counts of a nanosecond, by 10 steps and 2 threads.
    assert first.cost.seconds == pytest.approx(0.3e-6)
    assert second.cost.seconds == pytest.approx(0.7e-6)
    assert (first.kernels, first.calls, second.phase, second.step) == (("k0", "k1"), 8.0, 2, 2)
    assert first.cost.flops == 40
