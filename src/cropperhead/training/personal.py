"""The personal step: a few numbers that turn a base model's crops into a photographer's own.

A base model has learned from other people's crops where a photo's subject is. What sets one
photographer apart is mostly the same in every photo: tighter crops, subjects lower in the frame,
one aspect ratio. Six numbers say that, and 20 crops are enough to fit them, where a network needs
hundreds. How far to trust them is decided by cross-validation on the photographer's own crops.

Crops are limits (..., 4): top, left, bottom, right as fractions of the frame's sides, untilted. As
a box they are (..., 4): the centre down and across, and the logarithms of height and width.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats

BASE, SHRUNK, FITTED, MEDIAN = "base", "shrunk", "fitted", "median"

_LEAST_SIDE = 1e-3  # of the frame: keeps the logarithm finite
_SAME_RATIO = 0.02  # crops drawn by hand at one ratio differ by up to a percent, from rounding
_KEPT = 0.7  # of the crops: photographers who keep a ratio make exceptions
_FEWEST_OF_RATIO = 4  # crops: three that agree are soon found by chance
# Named ratios, width / height of the longer side; others that are kept are kept as they are
_NAMED = {"1:1": 1.0, "5:4": 1.25, "4:3": 4 / 3, "7:5": 1.4, "3:2": 1.5, "16:9": 16 / 9}
_NAMED |= {"1.91:1": 1.91, "2:1": 2.0, "21:9": 21 / 9, "65:24": 65 / 24, "3:1": 3.0}
# The penalties of squared offsets (in units of _UNIT) and squared changes of the spread. The loss
# is summed over crops, so that more of them count for more.
_PENALTIES = {FITTED: (0.3, 3.0), SHRUNK: (10.0, 10.0)}
_UNIT = 0.3
_SMALL_LIMIT, _OVERLAP_WEIGHT = 0.1, 3.0  # as in `losses.crop_loss`
_DESCENTS, _RATE, _SHIFT = 150, 0.08, 1e-3  # steps of a fit, the first ones' size, for slopes
_FOLDS = 5
_NOTABLE_SIZE, _NOTABLE_SHIFT = 0.03, 0.01  # of the area, of the frame's side: worth a word
_CLEARLY = 0.5  # standard errors by which a candidate must be better than a simpler one


@dataclass(frozen=True)
class KeptRatio:
    """The width / height, in pixels, of all crops of landscape and of portrait frames.

    A frame's own ratio is 0.
    """

    landscape: float
    portrait: float


@dataclass(frozen=True)
class PersonalStep:
    """How a base model's box becomes the photographer's: spread * box + offset.

    `offset`: down and across, as fractions of the frame's sides; of the logarithms of height and
    width. `spread`: of the centre and of the size. A spread of 0 gives one crop for every photo.
    """

    offset: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    spread: tuple[float, float] = (1.0, 1.0)
    ratio: KeptRatio | None = None


NO_STEP = PersonalStep()


@dataclass(frozen=True)
class Choice:
    """The chosen step, its name, and each candidate's mean overlap on crops it was not fitted to.

    `scores` is empty where there are too few groups of photos to compare.
    """

    name: str
    step: PersonalStep
    scores: dict[str, float]


def take_step(limits: Any, aspect: Any, step: PersonalStep, ops: ModuleType | Any = np) -> Any:
    """Apply a step to crops (..., 4) in frames of width / height `aspect` (..., 1).

    `ops` is NumPy or `keras.ops`. The result lies within the frame.
    """
    if step == NO_STEP:
        return limits
    spread = np.repeat(np.array(step.spread, np.float32), 2)
    box = _to_box(limits, ops) * spread + np.array(step.offset, np.float32)
    return _from_box(box, aspect, step.ratio, ops)


def undo_step(limits: Floats, step: PersonalStep) -> Floats:
    """The crops (n, 4) from which a step makes these, where they lie in the frame; any ratio stays.

    The spread must be above 0.
    """
    box = (_to_box(limits, np) - np.array(step.offset)) / np.repeat(step.spread, 2)
    return np.asarray(_from_box(box, np.ones((len(limits), 1)), None, np))


def find_kept_ratio(own: Floats, aspect: Floats) -> KeptRatio | None:
    """The aspect ratio of at least 70 % of a photographer's crops, (n, 4 or 5), or None.

    `aspect` (n,): the frames' width / height. The same ratio may stand or lie.
    """
    if len(own) < _FEWEST_OF_RATIO:
        return None
    ratio = (own[:, 3] - own[:, 1]) * aspect / np.maximum(own[:, 2] - own[:, 0], _LEAST_SIDE)
    ratio = np.maximum(ratio, _LEAST_SIDE)
    if np.mean(np.abs(np.log(ratio / aspect)) < _SAME_RATIO) >= _KEPT:
        return KeptRatio(0.0, 0.0)
    shape = np.abs(np.log(ratio))
    alike = np.abs(shape[:, None] - shape) < _SAME_RATIO
    most = alike[alike.sum(axis=1).argmax()]
    if most.mean() < _KEPT:
        return None
    kept = _named(float(np.exp(np.median(shape[most]))))
    lying = ratio[most] >= 1
    landscape, portrait = (_mostly(lying[frames]) for frames in _orientations(aspect[most]))
    # Without crops of such frames: they are treated as turned ones of the other kind
    lies = landscape if landscape is not None else not portrait
    stands = not portrait if portrait is not None else lies
    return KeptRatio(kept if lies else 1 / kept, 1 / kept if stands else kept)


def fit_step(
    base: Floats,
    own: Floats,
    aspect: Floats,
    ratio: KeptRatio | None,
    penalties: tuple[float, float],
) -> PersonalStep:
    """The six numbers that turn a base model's crops (n, 4) into the own ones (n, 4 or 5).

    They minimise the loss that networks are trained with, summed over the crops, plus `penalties`
    on the squares of the offsets and of the changes of the spread.
    """
    box = _to_box(base, np)
    middle, truth, sides = np.median(box, axis=0), own[:, :4], aspect[:, None]

    def affine(numbers: Floats) -> tuple[Floats, Floats]:
        """Spread and offset (k, 4) of k steps, from what is penalised, (k, 6)."""
        spread = np.repeat(1 + numbers[:, 4:], 2, axis=1)
        return spread, middle * (1 - spread) + _UNIT * numbers[:, :4]

    def loss(numbers: Floats) -> Floats:
        spread, offset = affine(numbers)
        taken = _from_box(box * spread[:, None] + offset[:, None], sides, ratio, np)
        penalty = numbers**2 @ np.repeat(penalties, [4, 2])
        return np.asarray(_losses(taken, truth).sum(axis=1) + penalty)

    best = _descend(loss, np.zeros(6))
    spread, offset = (each[0] for each in affine(best[None]))
    return PersonalStep(tuple(offset.tolist()), tuple(spread[1:3].tolist()), ratio)


def _descend(loss: Callable[[Floats], Floats], start: Floats) -> Floats:
    """The numbers (d,) of the least loss along Adam's path; `loss` takes (k, d) and gives (k,).

    Slopes are differences: overlap has kinks, on which methods that trust curvature get stuck.
    """
    numbers, best, least = start, start, np.inf
    slope, square = np.zeros_like(start), np.zeros_like(start)
    shifts = _SHIFT * np.eye(len(start))
    for number in range(_DESCENTS):
        values = loss(np.concatenate([numbers[None], numbers + shifts, numbers - shifts]))
        if values[0] < least:
            best, least = numbers, values[0]
        change = np.subtract(*np.split(values[1:], 2)) / (2 * _SHIFT)
        slope = 0.9 * slope + 0.1 * change
        square = 0.999 * square + 0.001 * change**2
        rate = _RATE * (1 + math.cos(math.pi * number / _DESCENTS)) / 2
        step = slope / (1 - 0.9 ** (number + 1))
        numbers = numbers - rate * step / (np.sqrt(square / (1 - 0.999 ** (number + 1))) + 1e-8)
    return best


def choose_step(base: Floats, own: Floats, aspect: Floats, groups: Sequence[str]) -> Choice:
    """Choose among base, shrunk, fitted and median by cross-validation on the own crops.

    A candidate must be better than the one chosen so far by half a standard error. `base` (n, 4)
    are the base model's crops of the photos, `own` (n, 5) the photographer's, `aspect` (n,) the
    frames' width / height. `groups` name the photos that stay together: a step must not be fitted
    to a photo like one that it is judged by.
    """
    if not len(own):
        return Choice(BASE, NO_STEP, {})
    fitted = _candidates(base, own, aspect)
    fold = _folds(groups)
    if fold.max() == 0:
        return Choice(BASE, fitted[BASE], {})
    scores = {name: np.zeros(len(own)) for name in fitted}
    for held in range(fold.max() + 1):
        out = fold == held
        steps = _candidates(base[~out], own[~out], aspect[~out])
        for name, step in steps.items():
            crops = take_step(base[out], aspect[out, None], step)
            scores[name][out] = overlaps(crops, own[out])
    chosen = BASE
    for name in fitted:
        if is_clearly_better(scores[name] - scores[chosen], groups):
            chosen = name
    means = {name: float(values.mean()) for name, values in scores.items()}
    return Choice(chosen, fitted[chosen], means)


def is_clearly_better(gains: Floats, groups: Sequence[str], errors: float = _CLEARLY) -> bool:
    """Whether the mean of paired gains (n,) is above so many standard errors, by groups."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    mean = float(gains.mean())
    error = float(np.linalg.norm(np.bincount(member, gains - mean))) / len(gains)
    return mean > errors * error


def overlaps(first: Floats, second: Floats) -> Floats:
    """The overlap of crops (..., 4 or 5) with others, (...), whatever their tilts."""
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:4], second[..., 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(each[..., 2:4] - each[..., :2], axis=-1) for each in (first, second)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))


def _candidates(base: Floats, own: Floats, aspect: Floats) -> dict[str, PersonalStep]:
    """Each candidate's step, the simplest first; the ratio that is kept is kept by all."""
    ratio = find_kept_ratio(own, aspect)
    steps = {BASE: PersonalStep(ratio=ratio)}
    for name in (SHRUNK, FITTED):
        steps[name] = fit_step(base, own, aspect, ratio, _PENALTIES[name])
    median = _to_box(np.median(own[:, :4], axis=0), np)
    steps[MEDIAN] = PersonalStep(tuple(median.tolist()), (0.0, 0.0), ratio)
    return steps


def _folds(groups: Sequence[str]) -> NDArray[np.int64]:
    """The fold of each photo, by its group; as many as there are groups, up to five."""
    names = list(dict.fromkeys(groups))
    order = np.random.default_rng(0).permutation(len(names))
    fold = dict(zip(names, (order % _FOLDS).tolist(), strict=True))
    return np.array([fold[name] for name in groups], np.int64)


def _to_box(limits: Any, ops: Any) -> Any:
    low, high = limits[..., :2], limits[..., 2:4]
    sides = ops.log(ops.maximum(high - low, _LEAST_SIDE))
    return ops.concatenate([(low + high) / 2, sides], axis=-1)


def _from_box(box: Any, aspect: Any, ratio: KeptRatio | None, ops: Any) -> Any:
    """The limits of a box, of the kept ratio, and moved into the frame."""
    centre, sides = box[..., :2], ops.minimum(ops.exp(box[..., 2:]), 1.0)
    if ratio is not None:
        sides = _in_ratio(sides, aspect, ratio, ops)
    half = sides / 2
    centre = ops.minimum(ops.maximum(centre, half), 1 - half)
    return ops.concatenate([centre - half, centre + half], axis=-1)


def _in_ratio(sides: Any, aspect: Any, ratio: KeptRatio, ops: Any) -> Any:
    """Sides (..., 2), down and across, of the kept ratio and, if it fits, of the same area."""
    kept = ops.where(aspect >= 1, ratio.landscape or aspect, ratio.portrait or aspect)
    slope = kept / aspect  # width / height in fractions
    height = ops.sqrt(sides[..., :1] * sides[..., 1:] / slope)
    height = ops.minimum(height, ops.minimum(1.0, 1 / slope))
    return ops.concatenate([height, height * slope], axis=-1)


def _losses(crops: Floats, truth: Floats) -> Floats:
    distance = np.abs(crops - truth)
    smooth = np.where(
        distance < _SMALL_LIMIT, distance**2 / (2 * _SMALL_LIMIT), distance - _SMALL_LIMIT / 2
    )
    return np.asarray(smooth.mean(axis=-1) + _OVERLAP_WEIGHT * (1 - overlaps(crops, truth)))


def _orientations(aspect: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return aspect >= 1, aspect < 1


def _mostly(values: NDArray[np.bool_]) -> bool | None:
    return bool(values.mean() >= 0.5) if len(values) else None


def _named(ratio: float) -> float:
    """The named ratio nearest to one, if it is one."""
    nearest = min(_NAMED.values(), key=lambda named: abs(np.log(named / ratio)))
    return nearest if abs(np.log(nearest / ratio)) < _SAME_RATIO else ratio


def describe_step(step: PersonalStep, base: Floats, aspect: Floats) -> str:
    """How the photographer differs from the base model's people, in words; empty if in nothing.

    `base` (n, 4) are the base model's crops of the photographer's photos, `aspect` (n,) the frames'
    width / height.
    """
    own = take_step(base, aspect[:, None], step)
    parts = [_size_in_words(base, own), *_place_in_words(base, own), _ratio_in_words(step.ratio)]
    return ", ".join(part for part in parts if part)


def _size_in_words(base: Floats, own: Floats) -> str:
    areas = [np.prod(each[:, 2:4] - each[:, :2], axis=1) for each in (own, base)]
    change = float(np.median(areas[0] / areas[1])) - 1
    if abs(change) < _NOTABLE_SIZE:
        return ""
    return f"crop {100 * abs(change):.0f} % {'tighter' if change < 0 else 'wider'} than most"


def _place_in_words(base: Floats, own: Floats) -> list[str]:
    """Where subjects are placed: below the usual place, if crops reach further up."""
    down, right = np.median(_to_box(own, np)[:, :2] - _to_box(base, np)[:, :2], axis=0)
    words = []
    if abs(down) >= _NOTABLE_SHIFT:
        words.append(f"place subjects {'lower' if down < 0 else 'higher'}")
    if abs(right) >= _NOTABLE_SHIFT:
        words.append(f"place subjects further {'right' if right < 0 else 'left'}")
    return words


def _ratio_in_words(ratio: KeptRatio | None) -> str:
    if ratio is None:
        return ""
    if not ratio.landscape:
        return "keep the frame's own ratio"
    shapes = [_shape(each) for each in (ratio.landscape, ratio.portrait)]
    return f"keep {' or '.join(dict.fromkeys(shapes))}"


def _shape(ratio: float) -> str:
    """A width / height as people write it: 4:5."""
    longer = max(ratio, 1 / ratio)
    name = next((n for n, value in _NAMED.items() if math.isclose(value, longer)), None)
    long, short = (name or f"{longer:.3g}:1").split(":")
    return f"{long}:{short}" if ratio >= 1 else f"{short}:{long}"
