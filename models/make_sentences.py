"""Write `sentences.txt`, the text that the transformer and the LSTM learn; tell what its grammar decides.

    python models/make_sentences.py

The sentences are of one grammar. A verb agrees with its subject in number, and so does a reflexive:
`the cats that the dog sees help themselves`. Between them there may stand another noun, of either number. Who
writes the next character right has to remember the subject over that distance.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

SENTENCES = 2600
SEED = 1

NOUNS = (
    ("cat", "cats"), ("dog", "dogs"), ("fox", "foxes"), ("child", "children"), ("bird", "birds"),
    ("mouse", "mice"), ("teacher", "teachers"), ("king", "kings"), ("wolf", "wolves"), ("girl", "girls"),
)  # fmt: skip
VERBS = ("chase", "see", "know", "help", "fear", "love", "paint", "follow")
ALONE = ("sleep", "sing", "laugh", "dance", "wait")
ADJECTIVES = ("old", "young", "small", "clever", "gray")
MANNERS = ("quietly", "often", "in the garden", "at night")
REFLEXIVES = ("itself", "themselves")
NUMBERS = (0, 1)  # one, several

State: TypeAlias = tuple[str | int, ...]
"""Where a sentence is: the stage, the number of its subject, the number of the noun that comes between."""


@dataclass(frozen=True)
class Step:
    """A way on: what is written, where that leads, and how often it is taken."""

    text: str
    then: State
    weight: float = 1.0


@cache
def steps(state: State) -> tuple[Step, ...]:
    """Return the ways on from a state: the grammar."""
    match state:
        case ("start",):
            return (*_noun_phrase("the", ("subject",)),)
        case ("subject", int(n)):
            return (
                Step("", ("verb", n), 2),
                Step(" that", ("relative", n), 2),
                Step(" near", ("beside", n), 1),
            )
        case ("relative", int(n)):
            return _noun_phrase(" the", ("relative subject", n))
        case ("relative subject", int(n), int(m)):
            return tuple(Step(f" {_verb(verb, m)}", ("verb", n)) for verb in VERBS)
        case ("beside", int(n)):
            return _noun_phrase(" the", ("after beside", n))
        case ("after beside", int(n), int(_)):
            return (Step("", ("verb", n)),)
        case ("verb", int(n)):
            with_object = [Step(f" {_verb(verb, n)}", ("object", n)) for verb in VERBS]
            return (*with_object, *(Step(f" {_verb(verb, n)}", ("manner",)) for verb in ALONE))
        case ("object", int(n)):
            return (*_noun_phrase(" the", ("end",)), Step(f" {REFLEXIVES[n]}", ("end",), 20))
        case ("manner",):
            return (Step("", ("end",)), *(Step(f" {each}", ("end",)) for each in MANNERS))
    return (Step(".\n", ("start",)),)  # the end, whatever was before


def _noun_phrase(article: str, then: State) -> tuple[Step, ...]:
    """Return the ways to write a noun of either number, with an adjective or without; `then` gets it."""
    after = {n: then if then == ("end",) else (*then, n) for n in NUMBERS}
    return tuple(
        Step(f"{article} {adjective}{noun[n]}", after[n], weight)
        for n in NUMBERS
        for noun in NOUNS
        for adjective, weight in (("", 2.0), *((f"{each} ", 0.2) for each in ADJECTIVES))
    )


def _verb(verb: str, number: int) -> str:
    return verb if number else f"{verb}s"


# ---- writing ------------------------------------------------------------------------------------


def make_text(sentences: int = SENTENCES, seed: int = SEED) -> str:
    """Return so many sentences, drawn from a seed."""
    draw = random.Random(seed).random  # of all draws, the one that Python promises never to change
    text: list[str] = []
    state: State = ("start",)
    while sentences:
        step = _drawn(steps(state), draw())
        text.append(step.text)
        state = step.then
        sentences -= state == ("start",)
    return "".join(text)


def _drawn(ways: Sequence[Step], share: float) -> Step:
    left = share * sum(each.weight for each in ways)
    for step in ways:
        left -= step.weight
        if left < 0:
            return step
    return ways[-1]


# ---- what the grammar decides -------------------------------------------------------------------


@dataclass(frozen=True)
class Letters:
    """All places in all steps: the letter to be written at each, and the places that may come after it."""

    letter: tuple[str, ...]
    after: tuple[frozenset[int], ...]


@cache
def letters(agreement: bool = True) -> Letters:
    """Return the places of the grammar; without agreement, of one in which any number goes with any."""
    whole = [step for state in _states() for step in steps(state)]
    places = [(step, index) for step in whole for index in range(len(step.text))]
    number = {(id(step), index): place for place, (step, index) in enumerate(places)}

    @cache
    def first(state: State) -> frozenset[int]:
        alike = [state] if agreement else [each for each in _states() if each[0] == state[0]]
        found: set[int] = set()
        for step in (step for each in alike for step in steps(each)):
            found |= {number[id(step), 0]} if step.text else first(step.then)
        return frozenset(found)

    after = (
        frozenset([number[id(step), index + 1]]) if index + 1 < len(step.text) else first(step.then)
        for step, index in places
    )
    return Letters(tuple(step.text[index] for step, index in places), tuple(after))


@cache
def _states() -> tuple[State, ...]:
    """Return all states of the grammar."""
    found: dict[State, None] = {("start",): None}
    waiting: list[State] = [("start",)]
    while waiting:
        for step in steps(waiting.pop()):
            if step.then not in found:
                found[step.then] = None
                waiting.append(step.then)
    return tuple(found)


def choices(window: str, *, agreement: bool = True) -> list[frozenset[str]]:
    """Return for each character of a window what may come after it.

    The window may begin anywhere in a sentence, and nothing is known of what stands before it. Where there is
    one choice the grammar decides. If there are more without agreement, it is the number of a noun further
    back that does.
    """
    grammar = letters(agreement)
    places = frozenset(range(len(grammar.letter)))
    found = []
    for character in window:
        places = frozenset().union(
            *(grammar.after[each] for each in places if grammar.letter[each] == character)
        )
        found.append(frozenset(grammar.letter[each] for each in places))
    return found


def main() -> None:
    """Write the text beside this file."""
    text = make_text()
    Path(__file__).with_name("sentences.txt").write_text(text, encoding="utf-8", newline="\n")
    print(f"sentences.txt: {len(text):,} characters, {len(set(text))} of them different")


if __name__ == "__main__":
    main()
