"""The words of a context block are laid out once for kernels and once for programs: the layouts agree."""

from types import ModuleType

from netdsl.kernels.cpu import context
from netdsl.lowering.cpu import words

KERNELS_ALONE = {"BARRIER_WORDS", "GENERATION", "ALIGNMENT", "SPINS", "READY"}


def numbers(module: ModuleType) -> dict[str, int]:
    return {name: number for name, number in vars(module).items() if name.isupper()}


def test_kernels_and_programs_name_the_same_words() -> None:
    read = {name: number for name, number in numbers(context).items() if name not in KERNELS_ALONE}
    assert read == {name: number for name, number in numbers(words).items() if name in read}
    assert "STEP" in read


def test_no_two_names_have_one_word_and_the_addresses_come_after_them() -> None:
    *named, first = numbers(words).values()
    assert len(set(named)) == len(named)
    assert first == words.FIRST > max(named)
    places = [words.field_word(2, i) for i in range(2)] + [words.result_word(2, i) for i in range(3)]
    assert places == list(range(first, first + 5))
