"""What a thread runs: a launch list, and the barrier between its phases."""

from netdsl.kernels.cpu.context import GENERATION, READY, SPINS, STEP
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import (
    at_long,
    atomic_add,
    atomic_load,
    atomic_store,
    call_kernel,
    cycles,
    give_way,
    pause,
    rounding_mode,
    set_rounding_mode,
)

ROW = 12
"""Words of a launch: the kernel's address and its 11 arguments."""

FLUSH_DENORMALS = 0x8040


@kernel
def interpret(table: int, rows: int, context: int, first_step: int, last_step: int) -> None:
    """Walk a launch list once for each step from `first_step` to before `last_step`.

    Denormal numbers count as zero meanwhile: optimizer states decay into them, and they are slow.
    """
    mode = rounding_mode()
    set_rounding_mode(mode | FLUSH_DENORMALS)
    words = at_long(table)
    own = at_long(context)
    for step in range(first_step, last_step):
        own[STEP] = step
        for row in range(rows):
            w = row * ROW
            call_kernel(
                words[w], words[w + 1], words[w + 2], words[w + 3], words[w + 4], words[w + 5],
                words[w + 6], words[w + 7], words[w + 8], words[w + 9], words[w + 10], words[w + 11],
            )  # fmt: skip
    set_rounding_mode(mode)


@kernel
def interpret_timed(table: int, rows: int, context: int, first_step: int, last_step: int, spent: int) -> None:
    """Walk a launch list as `interpret` does, and add each row's cycles to its word of `spent`."""
    mode = rounding_mode()
    set_rounding_mode(mode | FLUSH_DENORMALS)
    words = at_long(table)
    own = at_long(context)
    total = at_long(spent)
    for step in range(first_step, last_step):
        own[STEP] = step
        for row in range(rows):
            w = row * ROW
            start = cycles()
            call_kernel(
                words[w], words[w + 1], words[w + 2], words[w + 3], words[w + 4], words[w + 5],
                words[w + 6], words[w + 7], words[w + 8], words[w + 9], words[w + 10], words[w + 11],
            )  # fmt: skip
            total[row] += cycles() - start
    set_rounding_mode(mode)


@kernel
def barrier(place: int, threads: int) -> None:
    """Wait until all threads are here: a few pauses, then the core is given to whoever needs it."""
    generation = place + 8 * GENERATION
    before = atomic_load(generation)
    if atomic_add(place, 1) == threads - 1:
        atomic_store(place, 0)
        atomic_add(generation, 1)
    else:
        waited = 0
        while atomic_load(generation) == before:
            waited += 1
            if waited < SPINS:
                pause()
            else:
                give_way()


@kernel
def stand_by(turn: int, gone: int, interpret_: int, table: int, rows: int, context: int, pauses: int) -> None:
    """Walk a launch list for one step each time that `share_step` asks for it, until so many pauses go by.

    Whoever adds to `turn` first has it, this thread to leave or the other to ask for a step. `gone` is
    counted up at the end.
    """
    asked = True
    while asked:
        atomic_store(turn, READY)
        waited = 0
        while waited < pauses and atomic_load(turn) == READY:
            pause()
            waited += 1
        asked = atomic_add(turn, 1) != READY
        if asked:
            call_kernel(interpret_, table, rows, context, 0, 1, 0, 0, 0, 0, 0, 0)
    atomic_add(gone, 1)


@kernel
def share_step(
    turn: int, shared: int, interpret_: int, table: int, rows: int, alone: int, alone_rows: int, context: int
) -> None:
    """Take one step with the thread that stands by, by the list for two, else by the list `alone`.

    `shared` is set to whether there was one.
    """
    at_long(shared)[0] = 0
    if atomic_load(turn) == READY and atomic_add(turn, 1) == READY:
        at_long(shared)[0] = 1
        call_kernel(interpret_, table, rows, context, 0, 1, 0, 0, 0, 0, 0, 0)
    else:
        call_kernel(interpret_, alone, alone_rows, context, 0, 1, 0, 0, 0, 0, 0, 0)
