"""The page of the whole compiler: from an experiment to its programs, in the order in which it happens.

experiment's graph
  -> specialize      training is 1 or 0
  -> prepared        scaled fields become inputs, as a part is scaled once
  -> objective       the mean of the loss over the batch, plus the penalties      (training alone)
  -> simplify        stable forms, algebra
  -> hoist           products that wait for no step of a scan are taken out of it
  -> differentiate   gradients of the objective by the weights                    (training alone)
  -> merge_scans     the way back of a scan reads what the way there collects
  -> attach_optimizer, simplify again                                             (training alone)
  -> deduplicate, prune
  -> stage_scans, legalize, recompute, fuse, choose_kernels, lower, schedule  -> program
  -> stage_scans, legalize, lower_to_device                       (CUDA)      -> program
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from netdsl.garbage import seldom_collected
from netdsl.graph import Builder, Graph, Precision, Value, is_batched, verify
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.lowering.cpu.lower import lower
from netdsl.lowering.cpu.within_pieces import within_pieces
from netdsl.operations import REGISTRY
from netdsl.passes.attach_optimizer import attach_optimizer
from netdsl.passes.choose_kernels import choose_kernels
from netdsl.passes.deduplicate import deduplicate
from netdsl.passes.differentiate import differentiate
from netdsl.passes.fuse import fuse
from netdsl.passes.hoist import hoist
from netdsl.passes.legalize import legalize
from netdsl.passes.prune import prune
from netdsl.passes.recompute import recompute
from netdsl.passes.rewriting import Rewrite
from netdsl.passes.scan import merge_scans
from netdsl.passes.scan_stage import stage_scans
from netdsl.passes.schedule import schedule
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from netdsl.program import Program, Target
from netdsl.semantics.experiment import Experiment

CPU = Target()
PROGRAMS = "training", "evaluation", "inference", "preparation", "whole"
ROUNDED = "training", "evaluation", "inference"
"""Programs whose products have the precision of the train block: those that go through the model."""

PREPARED = "prepared/"


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass that was made: the program it was for, its time in seconds, the nodes before and after."""

    program: str
    name: str
    seconds: float
    before: int
    after: int


class Compiled:
    """The programs of an experiment, None where it has no use for one, and what the compiler did.

    A program is made when it is first asked for: a first step needs that of training alone. `graphs` has the
    graph of each program as the passes of mathematics left it, and "differentiated", that of training before
    the optimizer; `rewrites` are those of all programs, by program. These and `passes` make what is not made.
    """

    def __init__(self, experiment: Experiment, target: Target) -> None:
        self._experiment = experiment
        self._work = _Work(target, experiment.training.precision)

    @cached_property
    def training(self) -> Program:
        """The program of a step: prepared fields in; "loss", "penalty" and "objective" of a batch out."""
        rows = self._experiment.training.batch
        return self._work.program("training", _training(self._work, self._experiment), rows)

    @cached_property
    def evaluation(self) -> Program | None:
        """The program that gives figures and outputs of each example, from prepared fields."""
        graph = self._experiment.graph
        names = [each for each in graph.outputs if each.startswith("figure/") or each in ("loss", "penalty")]
        if not graph.leaves("input"):
            return None
        return self._work.figures("evaluation", with_prepared_inputs(graph), [*names, *_outputs(graph)])

    @cached_property
    def inference(self) -> Program | None:
        """The program that gives outputs from raw inputs."""
        graph = self._experiment.graph
        names = _outputs(graph)
        return self._work.figures("inference", graph, names) if names else None

    @cached_property
    def preparation(self) -> Program | None:
        """The program that gives "prepared/<field>" from raw fields."""
        graph = self._experiment.graph
        names = [each for each in graph.outputs if each.startswith(PREPARED)]
        return self._work.figures("preparation", graph, names) if names else None

    @cached_property
    def whole(self) -> Program | None:
        """The program that gives the figures of a whole part."""
        graph = self._experiment.whole
        return self._work.figures("whole", graph, list(graph.outputs)) if graph else None

    @seldom_collected()
    def program(self, name: str) -> Program | None:
        """Return one of `PROGRAMS`."""
        found: Program | None = getattr(self, name)
        return found

    @property
    def graphs(self) -> Mapping[str, Graph]:
        """The graphs of all programs."""
        return self._whole_work().graphs

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The passes that were made, in order."""
        return tuple(self._whole_work().passes)

    @property
    def rewrites(self) -> Mapping[str, tuple[Rewrite, ...]]:
        """What was rewritten, by program."""
        return {name: tuple(log) for name, log in self._whole_work().rewrites.items()}

    def _whole_work(self) -> _Work:
        for name in PROGRAMS:
            self.program(name)
        return self._work


def _outputs(graph: Graph) -> list[str]:
    return [name for name in graph.outputs if name.startswith("output/")]


def compile_experiment(experiment: Experiment, target: Target = CPU) -> Compiled:
    """Return the programs of an experiment, each compiled when it is first asked for."""
    return Compiled(experiment, target)


def _training(work: _Work, experiment: Experiment) -> Graph:
    """Make the graph of a step: the objective, its gradients, the optimizer's updates."""
    at = work.at("training")
    graph = _differentiated(work, experiment.rules, _objective(work, experiment))
    graph = at("merge_scans", merge_scans, graph)
    work.graphs["differentiated"] = graph
    clip = experiment.clip, experiment.clip_at
    graph = at("attach_optimizer", lambda g: attach_optimizer(g, experiment.rules, *clip), graph)
    told = [name for name in graph.outputs if name in ("loss", "penalty", "objective")]
    graph = at("prune", lambda g: prune(g, outputs=told), graph)
    graph = at("simplify", lambda g: simplify(g, work.rewrites["training"], differentiated=True), graph)
    return at("deduplicate", deduplicate, graph)


def _objective(work: _Work, experiment: Experiment) -> Graph:
    """Make the graph of the objective, as it is written."""
    at = work.at("training")
    graph = at(
        "specialize", lambda g: specialize(g, {"training": 1.0}), with_prepared_inputs(experiment.graph)
    )
    return at("objective", with_objective, graph)


def _differentiated(work: _Work, weights: Iterable[str], graph: Graph) -> Graph:
    """Simplify the graph of an objective, and add its gradients."""
    at = work.at("training")
    graph = at("simplify", lambda g: simplify(g, work.rewrites["training"]), graph)
    graph = at("hoist", _hoisted, graph) if has_scans(graph) else graph
    return at("differentiate", lambda g: differentiate(g, "objective", weights), graph)


def objective_of(experiment: Experiment, target: Target = CPU) -> Graph:
    """Return the graph of a training's objective as it is written, which reads prepared fields."""
    return _objective(_Work(target), experiment)


def with_gradients(graph: Graph, weights: Iterable[str], target: Target = CPU) -> Graph:
    """Return an objective's graph as training derives it: simplified, with its outputs "gradient/<path>".

    A weight that the objective does not depend on has none.
    """
    return _differentiated(_Work(target), weights, graph)


def gradient_program(graph: Graph, target: Target = CPU, rows: int | None = None) -> Program:
    """Return a program that tells the gradients of a differentiated graph, and changes nothing.

    Its kernels are those of a training in batches of so many rows, where that is known.
    """
    work = _Work(target)
    at = work.at("training")
    told = [name for name in graph.outputs if name.startswith("gradient/")]
    graph = at("prune", lambda g: prune(g, outputs=told, updates=[]), graph)
    graph = at("simplify", lambda g: simplify(g, differentiated=True), graph)
    return work.program("training", at("deduplicate", deduplicate, graph), rows)


def has_scans(graph: Graph) -> bool:
    """Tell whether a graph goes through time anywhere."""
    return any(graph[index].operation.name == "scan" for index in graph)


def _hoisted(graph: Graph) -> Graph:
    return simplify(hoist(graph))


# ---- what stands between the passes -----------------------------------------------------------


def with_prepared_inputs(graph: Graph) -> Graph:
    """Return a graph that reads its fields scaled: each "prepared/<field>" is an input of that name."""
    builder = Builder(REGISTRY)
    known: dict[int, Value] = {}
    for name, index in graph.outputs.items():
        if name.startswith(PREPARED):
            node = graph[index]
            known[index] = builder.apply("input", name=name, shape=node.shape, dtype=node.dtype)
    return _copied(graph, builder, known, [name for name in graph.outputs if not name.startswith(PREPARED)])


def with_objective(graph: Graph) -> Graph:
    """Return a graph whose "loss" is the mean over the batch, with "objective": the loss plus the penalty."""
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    builder.outputs = {name: values[index] for name, index in graph.outputs.items()}
    builder.updates = {name: values[index] for name, index in graph.updates.items()}
    loss = builder.outputs["loss"]
    if is_batched(loss.shape):
        rows = builder.apply("scalar", name="rows")
        loss = loss.sum(range(len(loss.shape))).reshape(()) / rows
    builder.outputs["loss"] = loss
    penalty = builder.outputs.get("penalty")
    builder.outputs["objective"] = loss if penalty is None else loss + penalty
    return builder.finish()


def _copied(graph: Graph, builder: Builder, known: dict[int, Value], outputs: Iterable[str]) -> Graph:
    values = builder.copy(graph, known)
    builder.outputs = {name: values[graph.outputs[name]] for name in outputs}
    builder.updates = {name: values[index] for name, index in graph.updates.items()}
    return builder.finish()


# ---- programs ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Work:
    """Runs passes, and keeps what is told of them."""

    target: Target
    precision: Precision = "float32"
    graphs: dict[str, Graph] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    rewrites: dict[str, list[Rewrite]] = field(default_factory=lambda: {name: [] for name in PROGRAMS})

    def at(self, program: str) -> Callable[[str, Callable[[Graph], Graph], Graph], Graph]:
        """Return what runs the passes of one program."""

        def run(name: str, make: Callable[[Graph], Graph], graph: Graph) -> Graph:
            start = time.perf_counter()
            result = make(graph)
            self.passes.append(Pass(program, name, time.perf_counter() - start, len(graph), len(result)))
            if self.target.check:
                verify(result)
            return result

        return run

    def figures(self, name: str, graph: Graph, outputs: list[str]) -> Program:
        """Make a program that only tells outputs and changes nothing."""
        at = self.at(name)
        graph = at("prune", lambda g: prune(g, outputs=outputs, updates=[]), graph)
        graph = at("specialize", lambda g: specialize(g, {"training": 0.0}), graph)
        graph = at("simplify", lambda g: simplify(g, self.rewrites[name]), graph)
        graph = at("hoist", _hoisted, graph) if has_scans(graph) else graph
        graph = at("differentiate", differentiate, graph)  # the language's gradient(y, x)
        graph = at("merge_scans", merge_scans, graph)
        return self.program(name, at("deduplicate", deduplicate, graph))

    def program(self, name: str, graph: Graph, rows: int | None = None) -> Program:
        """Make the program of a graph, for batches of so many rows where that is known."""
        self.graphs[name] = graph
        at = self.at(name)
        if has_scans(graph):
            graph = at("stage_scans", stage_scans, graph)
        graph = at("legalize", legalize, graph)
        start = time.perf_counter()
        precision = self.precision if name in ROUNDED else "float32"
        program = program_of(graph, name, self.target, rows, precision)
        self.passes.append(Pass(name, "lower", time.perf_counter() - start, len(graph), len(program.steps())))
        return program


def program_of(
    graph: Graph,
    name: str,
    target: Target = CPU,
    rows: int | None = None,
    precision: Precision = "float32",
) -> Program:
    """Make the program of a legalized graph, for batches of so many rows where that is known.

    The factors of products have a `precision` on a CUDA device, and float32 on the CPU.
    """
    if target.device == "cuda":
        from netdsl.lowering.cuda.lower import lower_to_device

        return lower_to_device(graph, name, target.rows, precision, blas=target.blas)
    program, steps = lower(choose_kernels(fuse(recompute(graph)), rows), name, tiles=target.tiles)
    return within_pieces(replace(program, phases=schedule(steps)))
