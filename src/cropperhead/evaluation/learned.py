"""Has the network learned to crop? Four tests, each able to fail, and the parts of the test set.

Each takes the result of an evaluation; `verdicts` draws the conclusion of the first two.
"""

import numpy as np
import pandas as pd

from cropperhead.evaluation import scores, verdict
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, SHUFFLED
from cropperhead.evaluation.evaluate import Result
from cropperhead.evaluation.results import Agreement, Answer, Slice
from cropperhead.evaluation.scores import LIMITS
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.stats import Interval

_MANY = 8  # parts of one kind that are told apart; the rest go together
_SQUARE = 1.05  # long side / short side, up to which a photo is neither upright nor lying
_TIGHTNESS = (("tight: less than half is kept", 0.0, 0.5), ("half to 80 % is kept", 0.5, 0.8))
_NO_SPREAD = 1e-12  # of a variance: what rounding leaves of a constant's
_LOOSE = "loose: 80 % or more is kept"


def answers(result: Result) -> list[Answer]:
    """The four tests: against a constant, against itself misplaced, variance, and occlusion."""
    return [
        _against_constant(result),
        _against_shuffled(result),
        _variance(result),
        _occlusion(result),
    ]


def explained(result: Result) -> dict[str, Interval]:
    """The share of each limit's variance that the network's crops explain (R²), by limit.

    Of the straight line that fits them best, for a network aims at the overlap and not at the mean:
    the square of the correlation, negative where the network goes the wrong way. Limits that do not
    vary are left out.
    """
    limits = result.limits()
    resampled = result.bootstrap(pd.Index(result.test.labels["photo"]))
    weights, found = resampled.weights(), {}
    for i, name in enumerate(LIMITS):
        truth, predicted = limits[HUMAN][:, i], limits[CNN][:, i]
        if np.ptp(truth) > 0:
            value = _r_squared(np.ones((1, len(truth))), truth, predicted)[0]
            drawn = _r_squared(weights, truth, predicted)
            found[name] = resampled.of_weighted(float(value), drawn)
    return found


def slices(result: Result) -> list[Slice]:
    """The network on parts of the test photos, by what their labels tell."""
    labels = result.test.labels
    truth, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), scores.aspects(labels)
    parts = {
        "Orientation": _named_shapes(aspect),
        "Tightness of the human crop": _between(crops.area(truth)),
        "Tilt of the human crop": np.where(truth[:, 4] == 0, "level", "tilted"),
        "Editor": _frequent(labels["source"]),
        "Person": _frequent(labels["author"]),
    }
    return [each for by, part in parts.items() for each in _slices(result, by, np.asarray(part))]


def agreements(result: Result) -> list[Agreement]:
    """Every cropper and the people themselves, on the photos that several people cropped."""
    shared = set(result.by_photo(HUMAN, "iou").index)
    found = []
    for key in [HUMAN, *result.cropped]:
        columns = [result.by_photo(key, name) for name in ("iou", "iou_best")]
        mean, best = (result.mean(each[each.index.isin(shared)]) for each in columns)
        found.append(Agreement(key, mean, best))
    return found if shared else []


def _against_constant(result: Result) -> Answer:
    gain, chance = result.gain(CNN, MEDIAN), result.chance(CNN, MEDIAN)
    least = result.detectable(CNN, MEDIAN)
    return Answer(
        "Is it better than one crop for all photos?",
        f"Its overlap is {_said(gain)} that of the constant median crop (p = {chance:.2g}). "
        f"A true difference of {least:.3f} would be found four times in five.",
        gain.low > 0,
    )


def _against_shuffled(result: Result) -> Answer:
    gain = result.gain(CNN, SHUFFLED)
    return Answer(
        "Do its crops depend on their photos?",
        f"Its overlap is {_said(gain)} that of its own crops laid on other photos.",
        gain.low > 0,
    )


def _variance(result: Result) -> Answer:
    found = explained(result)
    told = ", ".join(f"{name} {_percent(value)}" for name, value in found.items())
    return Answer(
        "Does it follow the photographer from photo to photo?",
        f"Of each limit's variance it explains: {told}. A constant explains nothing."
        if told
        else "All test crops are alike: there is no variance to explain.",
        any(value.low > 0 for value in found.values()) if found else None,
    )


def _occlusion(result: Result) -> Answer:
    question = "Does it look at the subject?"
    if result.unaided is None:
        return Answer(question, "Not measured.", None)
    names = pd.Index(result.test.photos.names)
    subject, background = (pd.Series(each, names) for each in result.unaided.moved)
    apart = result.mean(subject - background)
    return Answer(
        question,
        f"Hiding the most salient part moves a crop's limits by {subject.mean():.4f} of the frame, "
        f"hiding as much of the background by {background.mean():.4f}: "
        f"{verdict.with_minus(_interval(apart, 4))} apart.",
        apart.low > 0,
    )


def _r_squared(weights: Floats, truth: Floats, predicted: Floats) -> Floats:
    """The signed square of the weighted correlation, by row of weights (r, n); 0 for a constant."""
    total = weights.sum(axis=1)
    mean, other = (weights @ values / total for values in (truth, predicted))
    shared = weights @ (truth * predicted) / total - mean * other
    spread = weights @ truth**2 / total - mean**2
    moved = weights @ predicted**2 / total - other**2
    real = (spread > _NO_SPREAD) & (moved > _NO_SPREAD)
    squared = np.sign(shared) * shared**2 / np.where(real, spread * moved, 1.0)
    return np.where(real, squared, 0.0)


def _slices(result: Result, by: str, part: np.ndarray) -> list[Slice]:
    """By photo: a photo whose crops fall into several parts counts in each, with those crops."""
    rows = {key: result.scores[result.scores["cropper"] == key] for key in (CNN, MEDIAN)}
    overlap = {key: table["iou"].to_numpy(float) for key, table in rows.items()}
    photo, found = rows[CNN]["photo"].to_numpy(), []
    for name in pd.unique(np.sort(part)):
        chosen = part == name
        table = pd.DataFrame({key: values[chosen] for key, values in overlap.items()})
        means = table.groupby(photo[chosen]).mean()
        gain = result.mean(means[CNN] - means[MEDIAN])
        found.append(Slice(by, str(name), len(means), result.mean(means[CNN]), gain))
    return found


def _named_shapes(aspect: Floats) -> np.ndarray:
    lying, upright = aspect > _SQUARE, aspect < 1 / _SQUARE
    return np.where(lying, "landscape", np.where(upright, "portrait", "square"))


def _between(area: Floats) -> np.ndarray:
    inside = [(area >= low) & (area < high) for _, low, high in _TIGHTNESS]
    return np.select(inside, [name for name, _, _ in _TIGHTNESS], _LOOSE)


def _frequent(values: pd.Series) -> np.ndarray:
    """The most frequent values by name, all others as one."""
    kept = values.value_counts().index[:_MANY]
    return values.where(values.isin(kept), "all others").to_numpy(str)


def _said(gain: Interval) -> str:
    above = "above" if gain.mean >= 0 else "below"
    return f"{abs(gain.mean):.3f} ({verdict.with_minus(_interval(gain, 3))}) {above}"


def _interval(value: Interval, digits: int) -> str:
    return f"{value.low:+.{digits}f} to {value.high:+.{digits}f}"


def _percent(value: Interval) -> str:
    numbers = f"{value.mean * 100:.0f} % ({value.low * 100:.0f} to {value.high * 100:.0f})"
    return verdict.with_minus(numbers)
