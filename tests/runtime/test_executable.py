"""An executable's memory, its checks, and a run's shape."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.diagnostics import DiagnosticError
from netdsl.graph import BATCH, Builder
from netdsl.operations import REGISTRY
from netdsl.program import ROWS, Buffer, Only
from netdsl.runtime import Executable, sharing
from netdsl.runtime.executable import _Expansion
from netdsl.runtime.load import load
from netdsl.runtime.packing import packed, unpacked
from netdsl.runtime.sharing import steps_of
from netdsl.runtime.threads import _Worker
from tests.compiling import classifier, experiment_of, rule_of
from tests.lowering.running import program_of

GRAPH = classifier(20, (70,))
TRAINING = compile_experiment(
    experiment_of(
        GRAPH, {path: rule_of(GRAPH[index].shape) for path, index in GRAPH.leaves("weight").items()}
    )
).training
FIELDS: dict[str, NDArray[Any]] = {
    "prepared/x": np.zeros((9, 20), np.float32),
    "label": np.zeros(9, np.int64),
}


@pytest.mark.parametrize("shape", [(5, 33), (16, 16), (3, 7), (1, 40)])
def test_panels_are_packed_and_unpacked(shape: tuple[int, int]) -> None:
    value = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    buffer = Buffer("w", shape, layout="panels")
    np.testing.assert_array_equal(unpacked(packed(value, buffer), buffer), value)


def test_weights_are_read_and_written_row_by_row() -> None:
    executable = Executable(TRAINING, 1)
    assert set(executable.names()) == set(GRAPH.leaves("weight"))
    for name in executable.names():
        assert not np.any(executable.read(name))
        value = np.random.default_rng(1).normal(size=executable.read(name).shape).astype(np.float32)
        executable.write(name, value)
        np.testing.assert_array_equal(executable.read(name), value)
        executable.read(name)[...] = 0.0
        np.testing.assert_array_equal(executable.read(name), value)
    with pytest.raises(ValueError, match=r"has shape \(20, 70\)"):
        executable.write("mlp/dense_1/w", np.zeros((70, 20), np.float32))
    with pytest.raises(KeyError):
        executable.read("mlp/dense_9/w")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"label": None}, "E0720"),
        ({"prepared/x": np.zeros((9, 21), np.float32)}, "E0721"),
        ({"prepared/x": np.zeros(9, np.float32)}, "E0721"),
        ({"prepared/x": np.zeros((8, 20), np.float32)}, "E0721"),
        ({"prepared/x": np.zeros((9, 20), np.complex64)}, "E0721"),
        ({"label": np.zeros(9, np.float32)}, "E0721"),
        ({"label": np.full(9, 10)}, "E0722"),
        ({"label": np.full(9, -1)}, "E0722"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(
    wrong: Mapping[str, NDArray[Any] | None], code: str
) -> None:
    fields = {name: value for name, value in {**FIELDS, **wrong}.items() if value is not None}
    with pytest.raises(DiagnosticError) as told:
        Executable(TRAINING, 1).bind(fields)
    assert [each.code for each in told.value.diagnostics] == [code]


def test_rows_that_are_not_there_are_refused() -> None:
    executable = Executable(TRAINING, 1)
    with pytest.raises(ValueError, match="no rows are bound"):
        executable.run(np.arange(3), 3)
    executable.bind(FIELDS)
    with pytest.raises(IndexError):
        executable.run(np.array([0, 9]), 2)
    with pytest.raises(ValueError, match="batch"):
        executable.run(np.arange(3), 0)


def test_other_types_and_strides_are_taken() -> None:
    executable = Executable(TRAINING, 1)
    executable.bind(
        {"prepared/x": np.zeros((20, 9)).T, "label": np.zeros(9, np.uint8), "not read": np.zeros(2)}
    )
    assert executable.run(np.arange(9), 4)["loss"].shape == (3,)


def test_results_have_a_row_for_each_entry_of_the_order_and_a_number_for_each_batch() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3), dtype="float")
    rows = builder.apply("scalar", name="rows")
    builder.outputs["twice"] = x * 2.0
    builder.outputs["rows"] = rows + x.sum((0, 1)).reshape(()) * 0.0
    builder.outputs["first"] = x.apply("argmax", axis=1)
    executable = Executable(program_of(builder.finish()), 2)
    value = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    executable.bind({"x": value})
    order = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    given = executable.run(order, 4)
    np.testing.assert_array_equal(given["twice"], value[order] * 2)
    np.testing.assert_array_equal(given["rows"], [4, 4, 3])
    np.testing.assert_array_equal(given["first"], np.argmax(value[order], axis=1, keepdims=True))
    assert given["first"].dtype == np.int32
    assert executable.run(order[:0], 4)["twice"].shape == (0, 3)


def test_a_program_without_inputs_takes_a_step_an_entry() -> None:
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=(2,))
    builder.outputs["loss"] = (w * w).sum((0,)).reshape(())
    builder.updates["w"] = w - 0.25 * w
    executable = Executable(program_of(builder.finish()))
    executable.write("w", np.array([1.0, 0.0], np.float32))
    given = executable.run(np.arange(3), 1)
    np.testing.assert_array_equal(given["loss"], np.array([1.0, 0.75**2, 0.75**4], np.float32))


def test_numbers_change_from_step_to_step() -> None:
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=())
    builder.updates["w"] = w + builder.apply("scalar", name="t") * builder.apply("scalar", name="rate")
    builder.outputs["w"] = w
    executable = Executable(program_of(builder.finish()))
    given = executable.run(np.arange(4), 1, step=10, scalars={"rate": 2.0})
    np.testing.assert_array_equal(given["w"], [0, 22, 46, 72])


def test_batches_of_any_size_one_after_the_other() -> None:
    executable = Executable(TRAINING, 2)
    fields = {"prepared/x": np.ones((300, 20), np.float32), "label": np.zeros(300, np.int32)}
    executable.bind(fields)
    losses = [executable.run(np.arange(300), batch)["loss"] for batch in (7, 300, 1, 64)]
    assert [len(each) for each in losses] == [43, 1, 300, 5]
    assert all(np.all(np.isfinite(each)) for each in losses)


def test_a_small_step_is_left_to_one_thread() -> None:
    """Or to as many as are asked for; a large one to all that may."""
    assert steps_of(TRAINING, 1, 3, fixed=False).threads(1000) == 1
    assert steps_of(TRAINING, 1, 3, fixed=True).threads(1) == 3
    large = steps_of(TRAINING, 1_000_000, 3, fixed=False)
    assert large.threads(1) == 3


def test_all_rows_of_some_fields_are_passed_over_at_once() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3), dtype="float")
    builder.outputs["twice"] = x * 2.0
    executable = Executable(program_of(builder.finish()), at_most=2)
    value = np.arange(33, dtype=np.float32).reshape(11, 3)
    for rows in (1, 11, 4):
        given = executable.apply({"x": value[:rows]}, rows, 4)
        np.testing.assert_array_equal(given["twice"], value[:rows] * 2)


def scorer(at_most: int = 2) -> Executable:
    """Return a program that multiplies each row by a weight, and looks a row of a table up by an index."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 20), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    w = builder.apply("weight", name="w", shape=(20, 33))
    table = builder.apply("weight", name="table", shape=(10, 4))
    builder.outputs["scores"] = x.apply("matmul", w, contract=((1, 0),), align=())
    builder.outputs["rows"] = table.apply("gather", label)
    builder.outputs["sum"] = x.sum((0, 1))
    executable = Executable(program_of(builder.finish()), at_most=at_most)
    draw = np.random.default_rng(3)
    for name in executable.names():
        executable.write(name, draw.normal(size=executable.read(name).shape).astype(np.float32))
    return executable


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_calls_of_a_few_rows_give_the_bits_that_runs_give(rows: int) -> None:
    called, run = scorer(), scorer()
    draw = np.random.default_rng(rows)
    for turn in range(4):
        x, label = draw.normal(size=(rows, 20)).astype(np.float32), draw.integers(0, 10, rows)
        fields: dict[str, NDArray[Any]] = {"x": x, "label": label}
        found = called.apply(fields, rows, 32)
        run.bind(fields)
        wanted = run.run(np.arange(rows), rows)
        assert list(found) == list(wanted)
        for name, each in wanted.items():
            np.testing.assert_array_equal(found[name], each)
            assert found[name].dtype == each.dtype
        if turn == 1:
            for executable in (called, run):
                executable.write("w", executable.read("w") * 2)
        if turn == 2:
            called.apply({"x": np.ones((500, 20)), "label": np.zeros(500, int)}, 500, 500)
    assert set(called._calls) <= {rows, 500}
    assert rows in called._calls


def test_results_of_calls_are_the_callers_own() -> None:
    executable = scorer()
    fields = {"x": np.ones((1, 20)), "label": np.array([1])}
    found = [executable.apply(fields, 1, 1)["scores"] for _ in range(3)]
    kept = found[1].copy()
    found[2][...] = 7.0
    executable.apply({"x": np.zeros((1, 20)), "label": np.array([1])}, 1, 1)
    np.testing.assert_array_equal(found[1], kept)
    np.testing.assert_array_equal(executable.apply(fields, 1, 1)["scores"], kept)


def test_fields_of_other_kinds_are_taken_by_calls_too() -> None:
    executable = scorer()
    x = np.arange(20).reshape(1, 20)
    wanted = executable.apply({"x": x.astype(np.float32), "label": np.array([3], np.int32)}, 1, 1)
    for kind in (np.float64, np.float16, np.int64, np.uint8, ">f4"):
        fields = {"x": x.astype(kind)[:, ::1], "label": np.array([3], np.uint8), "unread": np.ones(4)}
        np.testing.assert_array_equal(executable.apply(fields, 1, 1)["scores"], wanted["scores"])
    turned = {"x": np.repeat(x, 2, axis=1).astype(float)[:, ::2], "label": np.array([3])}
    np.testing.assert_array_equal(executable.apply(turned, 1, 1)["scores"], wanted["scores"])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"label": None}, "E0720"),
        ({"x": np.zeros((1, 21), np.float32)}, "E0721"),
        ({"x": np.zeros((2, 20), np.float32)}, "E0721"),
        ({"x": np.full((1, 20), "a")}, "E0721"),
        ({"x": np.full((1, 20), 1j)}, "E0721"),
        ({"label": np.zeros(1, np.float32)}, "E0721"),
        ({"label": np.zeros(1, np.bool_)}, "E0721"),
        ({"label": np.array([10])}, "E0722"),
        ({"label": np.array([-1])}, "E0722"),
        ({"label": np.array([2**32 + 1])}, "E0722"),
    ],
)
def test_what_does_not_fit_a_prepared_call_is_told(
    wrong: Mapping[str, NDArray[Any] | None], code: str
) -> None:
    executable = scorer()
    good: dict[str, NDArray[Any]] = {"x": np.ones((1, 20), np.float32), "label": np.array([1])}
    kept = executable.apply(good, 1, 1)["scores"]
    assert 1 in executable._calls
    fields = {name: value for name, value in {**good, **wrong}.items() if value is not None}
    with pytest.raises(DiagnosticError) as told:
        executable.apply(fields, 1, 1)
    assert [each.code for each in told.value.diagnostics] == [code]
    np.testing.assert_array_equal(executable.apply(good, 1, 1)["scores"], kept)


def test_nothing_runs_once_it_is_closed() -> None:
    executable = scorer()
    fields = {"x": np.ones((1, 20), np.float32), "label": np.array([1])}
    executable.apply(fields, 1, 1)
    executable.bind(fields)
    executable.close()
    for attempt in (
        lambda: executable.apply(fields, 1, 1),
        lambda: executable.bind(fields),
        lambda: executable.run(np.arange(1), 1),
    ):
        with pytest.raises(ValueError, match="this executable is closed"):
            attempt()


def test_no_more_rows_are_passed_over_than_are_bound() -> None:
    """However many a field has that the program does not read."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 3), dtype="float")
    builder.outputs["twice"] = x * 2.0
    executable = Executable(program_of(builder.finish()), 1)
    fields = {"unread": np.ones((3000, 3)), "x": np.ones((2, 3))}
    with pytest.raises(IndexError, match="there are 2 rows, and 3000 are asked for"):
        executable.apply(fields, 3000, 64)
    assert executable.apply(fields, 1, 64)["twice"].shape == (1, 3)


def test_a_run_of_many_pieces_is_the_same_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"prepared/x": np.ones((50, 20), np.float32), "label": np.zeros(50, np.int32)}
    found, taken = [], []
    original = Executable._take_steps

    def noted(executable: Executable, expansion: _Expansion, rows: int, first: int, last: int) -> float:
        taken.append(last - first)
        return original(executable, expansion, rows, first, last)

    monkeypatch.setattr(Executable, "_take_steps", noted)
    monkeypatch.setattr(sharing, "PIECE", 0.0)
    for piece, expected in ((1000, [12, 1]), (1, [1] * 13)):
        taken.clear()
        executable = Executable(TRAINING, 2)
        executable._steps[4] = steps_of(TRAINING, 4, 2, fixed=True)
        executable._steps[4].sharing.steps = piece
        executable.bind(fields)
        for name in executable.names():
            executable.write(name, np.full_like(executable.read(name), 0.1))
        losses = executable.run(np.arange(50), 4)["loss"]
        assert taken == expected
        found.append((losses, executable.read("mlp/dense_1/w")))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_time_of_a_piece_is_without_what_is_made_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither launch tables nor threads: they are made once for a number of threads."""
    clock, told, made = [0.0], [], []

    def costly(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def slow(*given: Any) -> Any:
            clock[0] += 1.0
            made.append(name)
            return original(*given)

        monkeypatch.setattr(owner, name, slow)

    def noted(_: sharing.Sharing, steps: int, threads: int, seconds: float, cores: float) -> None:
        told.append((threads, seconds))

    costly(Executable, "_expansion")
    costly(_Worker, "__init__")
    monkeypatch.setattr("netdsl.runtime.executable.perf_counter", lambda: clock[0])
    monkeypatch.setattr(sharing.Sharing, "tell", noted)
    executable = Executable(TRAINING, 3)
    executable.bind(FIELDS)
    for threads in (2, 3):
        executable._steps[9] = steps_of(TRAINING, 9, threads, fixed=True)
        executable.run(np.arange(9), 9)
    executable.close()
    assert told == [(2, 0.0), (3, 0.0)]
    assert made.count("__init__") == 3


def test_a_kernel_is_loaded_when_rows_that_it_is_launched_for_are_first_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A short last batch may take another way; nobody waits for its kernels before the first step."""
    loaded: list[set[str]] = []

    def noted(source: str, names: Sequence[str], hand_written: Sequence[str] = ()) -> dict[str, int]:
        loaded.append({*names, *hand_written})
        return load(source, names, hand_written)

    monkeypatch.setattr("netdsl.runtime.executable.load", noted)
    step = TRAINING.phases[0].steps[0]
    few = {call.kernel for call in step.calls}
    short = tuple(replace(call, only=Only(ROWS, 1, 4)) for call in step.calls)
    phases = (
        replace(TRAINING.phases[0], steps=(replace(step, calls=short), *TRAINING.phases[0].steps[1:])),
        *TRAINING.phases[1:],
    )
    rest = {call.kernel for phase in phases for step in phase.steps for call in step.calls if not call.only}
    assert few - rest, "what is launched for few rows is launched for many elsewhere"
    executable = Executable(replace(TRAINING, phases=phases), 1)
    executable.bind(FIELDS)
    assert loaded == []
    executable.run(np.arange(4), 4)
    assert loaded == [rest | {"interpret", "barrier"}]
    executable.run(np.arange(5), 5)
    assert len(loaded) == 1
    executable.run(np.arange(7), 4)
    assert loaded[1:] == [few - rest | {"interpret", "barrier"}]


def test_all_numbers_of_threads_share_the_same_ones() -> None:
    before = threading.active_count()
    executable = Executable(TRAINING, 4)
    executable.bind(FIELDS)
    for threads in (2, 4, 3, 1, 4):
        executable._steps[9] = steps_of(TRAINING, 9, threads, fixed=True)
        executable.run(np.arange(9), 9)
        assert threading.active_count() <= before + 4
    executable.close()
    assert threading.active_count() == before


def test_nan_is_passed_on() -> None:
    executable = Executable(TRAINING, 1)
    executable.bind({**FIELDS, "prepared/x": np.full((9, 20), np.nan, np.float32)})
    for name in executable.names():
        executable.write(name, np.ones_like(executable.read(name)))
    assert np.isnan(executable.run(np.arange(9), 9)["loss"]).all()
    assert np.isnan(executable.read("mlp/dense_1/w")).all()
