"""Four checks of whether the network has learned to crop, each of which can fail.

`verdict` draws its conclusion from the first two.
"""

import numpy as np
import pandas as pd

from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, SHUFFLED
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.number_text import (
    format_number,
    format_p_value,
    format_percent,
    format_range,
)
from cropperhead.evaluation.scores import LIMITS
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval

_NO_SPREAD = 1e-12  # of a variance: what rounding leaves of a constant's


def check_learning(evaluation: Evaluation) -> list[LearningCheck]:
    """Run the four checks: constant crop, shuffled crops, explained variance, and occlusion."""
    return [
        _check_constant(evaluation),
        _check_shuffled(evaluation),
        _check_variance(evaluation),
        _check_occlusion(evaluation),
    ]


def explained_variance(evaluation: Evaluation) -> dict[str, Interval]:
    """Compute the share of each limit's variance that the network explains (R²), by limit.

    R² is that of the best-fitting straight line, because a network aims at the overlap and not at
    the mean: the square of the correlation, negative where the network goes the wrong way. Limits
    that do not vary are omitted.
    """
    limits = evaluation.limits()
    bootstrap = evaluation.bootstrap(pd.Index(evaluation.test.labels["photo"]))
    weights, shares = bootstrap.weights(), {}
    for i, name in enumerate(LIMITS):
        truth, predicted = limits[HUMAN][:, i], limits[CNN][:, i]
        if np.ptp(truth) > 0:
            value = _r_squared(np.ones((1, len(truth))), truth, predicted)[0]
            resampled = _r_squared(weights, truth, predicted)
            shares[name] = bootstrap.statistic_interval(float(value), resampled)
    return shares


def _check_constant(evaluation: Evaluation) -> LearningCheck:
    gain, p_value = evaluation.gain(CNN, MEDIAN), evaluation.p_value(CNN, MEDIAN)
    detectable = format_number(evaluation.detectable_gain(CNN, MEDIAN), 3)
    return LearningCheck(
        "Is it better than one crop for all photos?",
        f"Its overlap is {_difference(gain)} that of the constant median crop "
        f"({format_p_value(p_value)}). With this many photos, a true difference of {detectable} "
        "would be detected 80 % of the time.",
        gain.low > 0,
    )


def _check_shuffled(evaluation: Evaluation) -> LearningCheck:
    gain = evaluation.gain(CNN, SHUFFLED)
    return LearningCheck(
        "Do its crops depend on their photos?",
        f"Its overlap is {_difference(gain)} that of its own crops placed on other photos.",
        gain.low > 0,
    )


def _check_variance(evaluation: Evaluation) -> LearningCheck:
    shares = explained_variance(evaluation)
    listed = ", ".join(f"{name} {_percent_estimate(share)}" for name, share in shares.items())
    return LearningCheck(
        "Does it follow the photographer from photo to photo?",
        f"Share of each limit's variance that it explains: {listed}. A constant crop explains none."
        if listed
        else "All test crops are alike, so there is no variance to explain.",
        any(share.low > 0 for share in shares.values()) if shares else None,
    )


def _check_occlusion(evaluation: Evaluation) -> LearningCheck:
    question = "Does it look at the subject?"
    if evaluation.reference_free is None:
        return LearningCheck(question, "Not measured.", None)
    names = pd.Index(evaluation.test.photos.names)
    shifts = (pd.Series(each, names) for each in evaluation.reference_free.crop_shifts)
    subject, background = shifts
    difference = evaluation.mean(subject - background)
    return LearningCheck(
        question,
        "Hiding the most salient part of a photo moves the crop's limits by "
        f"{format_number(subject.mean(), 4)} of the frame; hiding as much of the background moves "
        f"them by {format_number(background.mean(), 4)}. The interval of the difference is "
        f"{format_range(difference, 4, signed=True)}.",
        difference.low > 0,
    )


def _r_squared(weights: Floats, truth: Floats, predicted: Floats) -> Floats:
    """Compute the signed square of the weighted correlation, by row of weights (r, n).

    0 for a constant.
    """
    total = weights.sum(axis=1)
    mean, predicted_mean = (weights @ values / total for values in (truth, predicted))
    covariance = weights @ (truth * predicted) / total - mean * predicted_mean
    variance = weights @ truth**2 / total - mean**2
    predicted_variance = weights @ predicted**2 / total - predicted_mean**2
    varies = (variance > _NO_SPREAD) & (predicted_variance > _NO_SPREAD)
    product = np.where(varies, variance * predicted_variance, 1.0)
    return np.where(varies, np.sign(covariance) * covariance**2 / product, 0.0)


def _difference(gain: Interval) -> str:
    """Format a gain in words: "0.072 (+0.029 to +0.113) above"."""
    direction = "above" if gain.mean >= 0 else "below"
    return f"{format_number(abs(gain.mean), 3)} ({format_range(gain, 3, signed=True)}) {direction}"


def _percent_estimate(share: Interval) -> str:
    percent = Interval(share.mean * 100, share.low * 100, share.high * 100)
    return f"{format_percent(share.mean)} ({format_range(percent, 0)})"
