"""The design of a study: which crops of which photo are shown to whom, on which side, and when.

A session is what one person is asked: first which of two or three crops they like best, then which
of two a person made. Photos and sets of croppers are asked about equally often, within a session
and over all of them. The order and the sides are drawn at random from the study's seed and the
session's number, so a session is the same wherever it is made.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from cropperhead.evaluation.croppers import HUMAN
from cropperhead.geometry import crops
from cropperhead.study.votes import CATCH, LIKE, PLAIN, REPEAT, SPOILED, TELL

ALIKE = 0.9  # crops that overlap by more are not compared: nobody could prefer one
_SPOILED_SIDE = 0.45  # of the human crop's sides: what the catch trials' other crop keeps
_SPOILED_OVERLAP = 0.25  # a catch trial's crops may not overlap by more, or it is not obvious
_RANK = "rank"  # ballots on likes with three crops
_LEAST_DISTANCE = 8  # ballots between one and its repetition


@dataclass(frozen=True)
class StudyPhoto:
    """A photo: its name, its group, width / height, and each cropper's limits of its crop."""

    name: str
    group: str
    aspect: float
    limits: Mapping[str, Sequence[float]]

    def overlap(self, first: str, second: str) -> float:
        """Return the overlap of two croppers' crops."""
        return float(crops.overlap(self.limits[first], self.limits[second], self.aspect))

    def with_spoiled(self) -> "StudyPhoto":
        """Add the crop of the catch trials, which cuts the subject."""
        return replace(self, limits={**self.limits, SPOILED: spoiled_crop(self.limits[HUMAN])})


@dataclass(frozen=True)
class Plan:
    """How many ballots a session has: on likes, repeated ones and catch trials, and to tell.

    `rank` are ballots on likes with three crops.
    """

    like: int = 30
    rank: int = 6
    repeats: int = 6
    catches: int = 6
    tell: int = 12


@dataclass(frozen=True)
class Ballot:
    """Two or three crops of one photo, by their croppers.

    `middle` is empty where there are two. `repeats` is an earlier ballot's place, or -1.
    """

    mode: str
    kind: str
    photo: str
    left: str
    right: str
    repeats: int = -1
    middle: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """The croppers whose crops are shown, from left to right."""
        return (self.left, self.middle, self.right) if self.middle else (self.left, self.right)


def spoiled_crop(human: Sequence[float]) -> tuple[float, ...]:
    """Crop the corner of the frame that is farthest from the middle of the human crop (5,)."""
    top, left, bottom, right, _ = human
    height, width = (bottom - top) * _SPOILED_SIDE, (right - left) * _SPOILED_SIDE
    y = 0.0 if top + bottom > 1 else 1 - height
    x = 0.0 if left + right > 1 else 1 - width
    return (y, x, y + height, x + width, 0.0)


def design_sessions(
    photos: Sequence[StudyPhoto], croppers: Sequence[str], sessions: int, plan: Plan, seed: int
) -> list[list[Ballot]]:
    """Design this many sessions.

    A session has fewer ballots where there are too few photos: none is asked twice, but for the
    planned repetitions.
    """
    designer = _Designer(photos, croppers)
    return [designer.session(plan, np.random.default_rng([seed, i])) for i in range(sessions)]


@dataclass(frozen=True)
class _Question:
    photo: str
    croppers: tuple[str, ...]

    def includes(self, other: "_Question") -> bool:
        return self.photo == other.photo and set(self.croppers) >= set(other.croppers)


class _Designer:
    """Remembers what earlier sessions asked, so that later ones ask about the rest."""

    def __init__(self, photos: Sequence[StudyPhoto], croppers: Sequence[str]) -> None:
        ordered = sorted(photos, key=lambda photo: photo.name)
        self._pairs, self._threes = (_questions(ordered, croppers, count) for count in (2, 3))
        self._catches = [
            _Question(photo.name, (HUMAN, SPOILED))
            for photo in map(StudyPhoto.with_spoiled, ordered)
            if photo.overlap(HUMAN, SPOILED) <= _SPOILED_OVERLAP
        ]
        self._asked: dict[str, Counter[object]] = {}

    def session(self, plan: Plan, generator: np.random.Generator) -> list[Ballot]:
        shown: Counter[str] = Counter()
        ranked = self._choose(_RANK, self._threes, plan.rank, shown, generator)
        new = [q for q in self._pairs if not any(three.includes(q) for three in ranked)]
        # where there are few, both questions get their share
        count = min(plan.tell, len(new) * plan.tell // (plan.like + plan.tell))
        human = [q for q in new if HUMAN in q.croppers]
        told = self._choose(TELL, human, count, shown, generator)
        new = [q for q in new if q not in told]
        count = plan.like + plan.rank - len(ranked)
        liked = self._choose(LIKE, new, count, shown, generator)
        caught = self._choose(CATCH, self._catches, plan.catches, shown, generator)
        like = [_ballot(LIKE, PLAIN, q, generator) for q in (*liked, *ranked)]
        like += [_ballot(LIKE, CATCH, q, generator) for q in caught]
        order = generator.permutation(len(like))
        asked = _with_repeats([like[i] for i in order], plan.repeats, generator)
        return asked + [_ballot(TELL, PLAIN, q, generator) for q in told]

    def _choose(
        self,
        mode: str,
        questions: Sequence[_Question],
        count: int,
        shown: Counter[str],
        generator: np.random.Generator,
    ) -> list[_Question]:
        """Choose questions, those asked least often first; `shown` counts the session's photos."""
        asked = self._asked.setdefault(mode, Counter())
        left = dict.fromkeys(questions[i] for i in generator.permutation(len(questions)))
        chosen: list[_Question] = []
        for _ in range(min(count, len(left))):
            best = min(
                left, key=lambda q: (shown[q.photo], asked[q.croppers], asked[q], asked[q.photo])
            )
            del left[best]
            chosen.append(best)
            shown[best.photo] += 1
            asked.update((best.croppers, best, best.photo))
        return chosen


def _questions(
    photos: Sequence[StudyPhoto], croppers: Sequence[str], count: int
) -> list[_Question]:
    """List what can be asked about so many crops: no two of them may be alike."""
    return [
        _Question(photo.name, chosen)
        for photo in photos
        for chosen in combinations(croppers, count)
        if all(photo.overlap(*pair) <= ALIKE for pair in combinations(chosen, 2))
    ]


def _ballot(mode: str, kind: str, question: _Question, generator: np.random.Generator) -> Ballot:
    order = generator.permutation(len(question.croppers))
    left, *middle, right = (question.croppers[i] for i in order)
    return Ballot(mode, kind, question.photo, left, right, middle="".join(middle))


def _with_repeats(
    ballots: list[Ballot], count: int, generator: np.random.Generator
) -> list[Ballot]:
    """Ask some of the first ballots on two crops again at the end of the list, mixed with others.

    The sides are swapped, so that the same key is not the same answer.
    """
    half = len(ballots) // 2
    plain = [i for i in range(half) if ballots[i].kind == PLAIN and not ballots[i].middle]
    if half < _LEAST_DISTANCE:
        return ballots
    repeated = sorted(generator.permutation(plain)[:count].tolist())
    late = half + _LEAST_DISTANCE
    # each is put before one of the late ballots, or after the last
    places = sorted(generator.integers(late, len(ballots) + 1, len(repeated)).tolist())
    result, waiting = list(ballots[:late]), list(zip(places, repeated, strict=True))
    for i in range(late, len(ballots) + 1):
        while waiting and waiting[0][0] == i:
            first = waiting.pop(0)[1]
            old = ballots[first]
            again = replace(old, kind=REPEAT, left=old.right, right=old.left, repeats=first)
            result.append(again)
        result += ballots[i : i + 1]
    return result
