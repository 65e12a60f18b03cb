"""Five checks of whether the network has learned to crop, each of which can fail.

`verdict` draws its conclusion from the first two, and claims no more than all of them show.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, SHAPE, SHUFFLED
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.number_text import (
    NO_INTERVAL,
    format_estimate,
    format_number,
    format_p_value,
    format_range,
)
from cropperhead.evaluation.scores import LIMITS
from cropperhead.evaluation.verdict import LEAST_GROUPS
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.stats import Interval
from cropperhead.words import format_count

_ANGLE = LIMITS[4]
_NO_SPREAD = 1e-12  # of a variance: what rounding leaves of a constant's
_R_SQUARED_BOUNDS = (-math.inf, 1.0)
_SAME_DEG = 1e-6  # of two angle errors: a smaller difference is rounding


def check_learning(evaluation: Evaluation) -> list[LearningCheck]:
    """Run the five checks: constant crop, shuffled crops, R², occlusion, and levelling.

    With fewer test photos than a verdict takes, no check is passed or failed.
    """
    checks = [
        _check_constant(evaluation),
        _check_shuffled(evaluation),
        _check_variance(evaluation),
        _check_occlusion(evaluation),
        _check_levelling(evaluation),
    ]
    if evaluation.group_count < LEAST_GROUPS:
        return [replace(check, passed=None) for check in checks]
    return checks


def explained_variance(evaluation: Evaluation) -> dict[str, Interval]:
    """Compute the share of each limit's variance that the network's predictions explain, by limit.

    The coefficient of determination R² of the predictions as they are, not of a line fitted to
    them: 1 for exact predictions, 0 for always taking the mean of the human crops, and below 0 for
    predictions that are further off than that. Limits that do not vary are omitted.
    """
    limits = _varying_limits(evaluation)
    return {
        name: evaluation.statistic(partial(_r_squared, *limits[name]), _R_SQUARED_BOUNDS)
        for name in limits
    }


def mean_explained_variance(evaluation: Evaluation) -> Interval | None:
    """Average R² over top, left, bottom and right; None where none of them varies."""
    pairs = [pair for name, pair in _varying_limits(evaluation).items() if name != _ANGLE]
    if not pairs:
        return None
    return evaluation.statistic(
        lambda w: np.mean([_r_squared(*pair, w) for pair in pairs], axis=0), _R_SQUARED_BOUNDS
    )


def levelling_gains(evaluation: Evaluation) -> pd.Series:
    """Return by how much the network's angle is closer to the human's than no turn, by photo.

    In degrees; below 0 where not turning the photo would have been closer.
    """
    labels = evaluation.test.labels
    unturned = labels[CROP_COLUMNS[4]].abs().groupby(labels["photo"]).mean()
    return unturned - evaluation.by_photo(CNN, "angle_error")


def describe_broken(evaluation: Evaluation) -> str:
    """Say on how many photos the network's crop is not a number; empty if on none."""
    broken = int((~np.isfinite(evaluation.cropped[CNN][0]).all(axis=1)).sum())
    if not broken:
        return ""
    photos = format_count(len(evaluation.test.photos.names), "photo")
    return f"Not measured: on {broken:,} of {photos}, the network's crop is not a number."


def _check_constant(evaluation: Evaluation) -> LearningCheck:
    gain, over_shape = evaluation.gain(CNN, MEDIAN), evaluation.gain(CNN, SHAPE)
    return LearningCheck(
        "Is it better than one crop for all photos?",
        f"Its overlap is {_difference(gain)} that of the constant median crop, and "
        f"{_difference(over_shape)} that of a constant crop for each shape of frame."
        f"{_describe_power(evaluation.detectable_gain(CNN, MEDIAN))}",
        gain.low > 0 and over_shape.low > 0,
        _sentence(format_p_value(evaluation.p_value(CNN, MEDIAN))),
    )


def _check_shuffled(evaluation: Evaluation) -> LearningCheck:
    gain = evaluation.gain(CNN, SHUFFLED)
    return LearningCheck(
        "Do its crops depend on their photos?",
        f"Its overlap is {_difference(gain)} that of its own crops placed on other photos.",
        gain.low > 0,
    )


def _check_variance(evaluation: Evaluation) -> LearningCheck:
    question = "Does it follow the photographer from photo to photo?"
    claim = "follows the photographer from photo to photo"
    if broken := describe_broken(evaluation):
        return LearningCheck(question, broken, False, claim=claim)
    mean, shares = mean_explained_variance(evaluation), explained_variance(evaluation)
    if mean is None:
        finding = "All test crops are alike, so there is nothing to follow."
        return LearningCheck(question, finding, None, claim=claim)
    limits = ", ".join(f"{name} {_percent(share.mean)}" for name, share in shares.items())
    intervals = ", ".join(f"{name} {_percent_range(share)}" for name, share in shares.items())
    return LearningCheck(
        question,
        "Of what differs from photo to photo in the limits of the photographer's crops, it "
        f"predicts {_percent(mean.mean)} ({_percent_range(mean)}), the mean of four limits. One by "
        f"one: {limits}. Below 0 %, taking the photographer's mean for every photo is closer.",
        mean.low > 0 if mean.has_ends else None,
        f"R² of the predictions: 100 % is exact. Intervals: {intervals}.",
        claim,
    )


def _check_occlusion(evaluation: Evaluation) -> LearningCheck:
    question, claim = "Does it look at the subject?", "looks at the subject"
    if evaluation.reference_free is None:
        return LearningCheck(question, "Not measured.", None)
    if broken := describe_broken(evaluation):
        return LearningCheck(question, broken, False, claim=claim)
    names = pd.Index(evaluation.test.photos.names)
    shifts = (pd.Series(each, names) for each in evaluation.reference_free.crop_shifts)
    subject, background = shifts
    difference = evaluation.mean(subject - background)
    return LearningCheck(
        question,
        "Hiding what stands out most in a photo moves the crop's limits by "
        f"{format_number(subject.mean(), 4)} of the frame; hiding as much of the background moves "
        f"them by {format_number(background.mean(), 4)}. The difference is "
        f"{format_estimate(difference, 4, signed=True)}.",
        difference.low > 0,
        "What is most salient stands for the subject. Nothing here recognises people or objects.",
        claim,
    )


def _check_levelling(evaluation: Evaluation) -> LearningCheck:
    question = "Does it level photos better than leaving them alone?"
    claim = "levels photos better than leaving them alone"
    gains = levelling_gains(evaluation)
    error = evaluation.by_photo(CNN, "angle_error")
    if not (error.any() or gains.any()):
        finding = "Neither the photographer nor the network turned any of these photos."
        return LearningCheck(question, finding, None)
    gain = evaluation.mean(gains)
    ends = format_range(gain, 2, signed=True, unit="°")
    closer, further = (int((sign * gains > _SAME_DEG).sum()) for sign in (1, -1))
    return LearningCheck(
        question,
        f"Its angle is {_degrees(error.mean())} off the photographer's on average. Without turning "
        f"any photo, it would be {_degrees((error + gains).mean())}. Of "
        f"{format_count(len(gains), 'photo')}, its angle is closer to the photographer's than no "
        f"turn is on {closer:,}, and further off on {further:,}.",
        gain.low > 0,
        f"Closer than no turn by {_degrees(gain.mean, signed=True)} photo by photo, "
        f"{f'interval {ends}' if ends else NO_INTERVAL}.",
        claim,
    )


def _varying_limits(evaluation: Evaluation) -> dict[str, tuple[Floats, Floats]]:
    """Return the human's and the network's values, (n,) each, of each limit that varies."""
    limits = evaluation.limits()
    pairs = {name: (limits[HUMAN][:, i], limits[CNN][:, i]) for i, name in enumerate(LIMITS)}
    return {name: pair for name, pair in pairs.items() if np.ptp(pair[0]) > 0}


def _r_squared(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Compute R² of predictions (n,), by row of weights (r, n); NaN where the truth is constant."""
    total, centred = weights.sum(axis=1), truth - truth.mean()
    variance = weights @ centred**2 / total - (weights @ centred / total) ** 2
    error = weights @ (truth - predicted) ** 2 / total
    varies = variance > _NO_SPREAD
    return np.where(varies, 1 - error / np.where(varies, variance, 1.0), np.nan)


def _difference(gain: Interval) -> str:
    """Format a gain in words: "0.072 (+0.029 to +0.113) above"."""
    direction = "above" if gain.mean >= 0 else "below"
    ends = format_range(gain, 3, signed=True) or NO_INTERVAL
    return f"{format_number(abs(gain.mean), 3)} ({ends}) {direction}"


def _describe_power(detectable: float) -> str:
    if not math.isfinite(detectable):
        return ""
    return (
        f" With this many photos, a true difference of {format_number(detectable, 3)} would be "
        "detected 80 % of the time."
    )


def _percent(share: float) -> str:
    return f"{format_number(share * 100, 0, signed=True)} %"


def _percent_range(share: Interval) -> str:
    percent = Interval(share.mean * 100, share.low * 100, share.high * 100)
    return format_range(percent, 0, signed=True) or NO_INTERVAL


def _degrees(angle: float, signed: bool = False) -> str:
    return format_number(angle, 2, signed, "°")


def _sentence(text: str) -> str:
    return f"{text}." if text else ""
