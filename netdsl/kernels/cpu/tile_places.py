"""Where the numbers of a tile lie, and what is asked for while it is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from llvmlite import ir

from netdsl.kernels.cpu.emission import F32, I8, LANES, Value, advance, hidden, whole
from netdsl.kernels.cpu.looping import Carried
from netdsl.kernels.cpu.memory import ask_for_line

LINE: Final = whole(LANES)
LINE_BYTES: Final = whole(4 * LANES)


@dataclass(frozen=True, slots=True)
class Left:
    """The left factor: element (i, k) lies at `start + i*row + k*step`, in floats.

    With a `panel`, k counts in groups of 16 of which each begins `panel` floats after the one before.
    """

    start: Value
    row: Value
    step: Value
    panel: Value | None = None

    def below(self, builder: Any, rows: Value) -> "Left":
        """Return the same factor without its first rows."""
        return Left(
            advance(builder, self.start, builder.mul(rows, self.row)), self.row, self.step, self.panel
        )


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of 16 neighbors, `step` floats from one to the next: the right factor, or the result."""

    start: Value
    step: Value = LINE

    def below(self, builder: Any, lines: Value) -> "Lines":
        """Return the same without its first lines."""
        return Lines(advance(builder, self.start, builder.mul(lines, self.step)), self.step)

    def at(self, builder: Any, number: int) -> Value:
        """Return where a line begins."""
        return advance(builder, self.start, builder.mul(self.step, whole(number)))


@dataclass(frozen=True, slots=True)
class Column:
    """A panel of the result: the lines of its right factor, its own lines, and those its sums start from."""

    b: Lines
    c: Lines
    start: Lines


@dataclass(frozen=True, slots=True)
class Soon:
    """Memory that is read soon: asked for while sums go on, from each start `step` bytes further with every
    two steps, until there were so many `turns`. Each tile begins `apart` bytes behind the one before."""

    starts: tuple[Value, ...] = ()
    turns: Value | None = None
    apart: Value | None = None
    step: Value = LINE_BYTES


class Asking:
    """Asks for lines during one tile; for the first again and again when all were asked for before."""

    def __init__(self, builder: Any, soon: Soon, number: Value, turns: Value) -> None:
        self._builder, self.first, self._step = builder, [], None
        if soon.starts:
            left = builder.icmp_signed("<", builder.mul(number, turns), soon.turns)
            ahead = builder.select(left, builder.mul(number, soon.apart), whole(0))
            self.first = [builder.add(each, ahead) for each in soon.starts]
            self._step = builder.select(left, soon.step, whole(0))

    def next(self, places: Sequence[Value]) -> list[Value]:
        """Ask for the line at each place; return the next places."""
        for each in places:
            ask_for_line(self._builder, each)
        return [self._builder.add(each, self._step) for each in places]


class Places:
    """Where the rows of a tile lie, as few registers as can be: a pointer for every nine rows, and the rows'
    stride once, three, five and seven times, by which an instruction can go on by itself (twice, four times
    and eight times as far too).

    A pointer or an offset for each row is more than there are registers. LLVM would make pointers of the
    sums all the same, so what they are sums of is hidden from it: 16 rows take a third less time.
    """

    SCALES: Final = ((0, 0), (1, 1), (1, 2), (3, 1), (1, 4), (5, 1), (3, 2), (7, 1), (1, 8))
    """For each row the stride that it is reached by, and how often that is taken."""

    def __init__(self, builder: Any, row: Value, height: int) -> None:
        self._builder, self._row, self._height = builder, row, height
        self._is_known = isinstance(row, ir.Constant)
        self._strides: dict[int, Value] = {}
        bytes_of_row = builder.mul(row, whole(4))
        for times in {self.SCALES[i][0] for i in range(min(height, len(self.SCALES)))} - {0}:
            stride = builder.mul(bytes_of_row, whole(times))
            self._strides[times] = stride if times == 1 else hidden(builder, stride)

    def heads(self, start: Value) -> list[Value]:
        """Return the pointers that are carried along."""
        if self._is_known:
            return [start]
        firsts = range(0, self._height, len(self.SCALES))
        return [advance(self._builder, start, self._builder.mul(self._row, whole(i))) for i in firsts]

    def below(self, heads: Carried) -> list[Value]:
        """Return a pointer for each row."""
        if self._is_known:
            return [
                advance(self._builder, heads[0], whole(self._row.constant * i)) for i in range(self._height)
            ]
        return [self._below(heads[i // len(self.SCALES)], i % len(self.SCALES)) for i in range(self._height)]

    def _below(self, head: Value, row: int) -> Value:
        times, scale = self.SCALES[row]
        if not times:
            return head
        builder, bytes_ = self._builder, I8.as_pointer()
        offset = builder.mul(self._strides[times], whole(scale))
        return builder.bitcast(builder.gep(builder.bitcast(head, bytes_), [offset]), F32.as_pointer())
