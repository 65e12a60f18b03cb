"""In which respects a network's crops resemble the photographer's, as sentences with their numbers.

An overlap alone does not show what a network has learned: crops of one size in the middle of the
frame can overlap a photographer's by much. Each sentence claims only what its interval shows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.learning_checks import describe_broken, explained_variance
from cropperhead.evaluation.number_text import (
    format_number,
    format_of_hundred,
    format_percent,
    format_range,
)
from cropperhead.evaluation.scores import LIMITS
from cropperhead.evaluation.verdict import LEAST_GROUPS
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval
from cropperhead.words import join_words

_MIDDLE = (5, 95)  # percentiles: on nine photos of ten a size is between them
_ALIKE = (0.8, 1.25)  # ratios of spreads that are called equal
_NO_SPREAD = 1e-9  # of an area or a place: what rounding leaves of a constant's
_SAME_OVERLAP = 1e-9


@dataclass(frozen=True)
class Spread:
    """What the photographer's and the network's crops are like, and how much they vary.

    `ratio` is the network's standard deviation over the photographer's; NaN where the
    photographer's crops do not vary.
    """

    human: tuple[float, ...]
    network: tuple[float, ...]
    ratio: Interval


def describe_resemblance(evaluation: Evaluation) -> list[str]:
    """Describe limits, sizes and places, and on how many photos one fixed crop is closer.

    Nothing is said of fewer test photos than a verdict takes.
    """
    if evaluation.group_count < LEAST_GROUPS:
        return []
    if broken := describe_broken(evaluation):
        return [broken]
    return [
        describe_limits(_corrected_shares(evaluation)),
        describe_sizes(measure_sizes(evaluation)),
        describe_places(measure_places(evaluation)),
        describe_closer(share_closer(evaluation)),
    ]


def measure_sizes(evaluation: Evaluation) -> Spread:
    """Measure the area kept: its 5th and 95th percentile, and the ratio of its spreads."""
    limits = evaluation.limits()
    human, network = (crops.area(limits[key]) for key in (HUMAN, CNN))
    ratio = _compare_spreads(evaluation, human[:, None], network[:, None])
    return Spread(_percentiles(human, *_MIDDLE), _percentiles(network, *_MIDDLE), ratio)


def measure_places(evaluation: Evaluation) -> Spread:
    """Measure how far crops' centres are from the frame's middle: the median, and the ratio.

    Distances are fractions of the frame's sides.
    """
    limits = evaluation.limits()
    human, network = (crop_offsets(limits[key]) for key in (HUMAN, CNN))
    ratio = _compare_spreads(evaluation, human, network)
    own, distance = (np.hypot(*each.T) for each in (network, human))
    return Spread(_percentiles(distance, 50), _percentiles(own, 50), ratio)


def share_closer(evaluation: Evaluation) -> Interval:
    """Return the share of photos on which the constant median crop overlaps the human crop more."""
    closer = evaluation.differences(CNN, MEDIAN) < -_SAME_OVERLAP
    return evaluation.mean(closer.astype(float), (0.0, 1.0))


def crop_offsets(limits: Floats) -> Floats:
    """Measure how far crops' centres are right of and below the middle, (n, 2), of the sides."""
    top, left, bottom, right = np.asarray(limits, dtype=float)[:, :4].T
    return np.stack([(left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5], axis=-1)


def describe_limits(shares: Mapping[str, Interval]) -> str:
    """Name the limits whose R² is above 0; intervals must be corrected for their number."""
    follows = [name for name, share in shares.items() if share.low > 0]
    other = [name for name in shares if name not in follows]
    if not follows:
        return "None of its limits is shown to follow the photographer's from photo to photo."
    verb = "follow" if len(follows) > 1 else "follows"
    sentence = f"Its {_limits(follows)} {verb} the photographer's from photo to photo"
    return f"{sentence}; for the {_limits(other)}, this is not shown." if other else f"{sentence}."


def _limits(names: Sequence[str]) -> str:
    return f"{join_words(names)} {'limit' if len(names) == 1 else 'limits'}"


def describe_sizes(sizes: Spread) -> str:
    """Describe how much of the frame is kept, and whether that varies as the photographer's."""
    human, network = (
        f"{format_number(low * 100, 0)} to {format_percent(high)}"
        for low, high in (sizes.human, sizes.network)
    )
    return (
        f"Nine of ten of its crops keep {network} of the frame, of the photographer's {human}. "
        f"{_describe_ratio('size', sizes.ratio)}"
    )


def describe_places(places: Spread) -> str:
    """Describe how far crops are from the middle, and whether that varies as the photographer's."""
    human, network = (format_percent(median, 1) for (median,) in (places.human, places.network))
    return (
        f"Half of its crops are centred within {network} of a side from the frame's middle, half "
        f"of the photographer's within {human}. {_describe_ratio('place', places.ratio)}"
    )


def describe_closer(share: Interval) -> str:
    """Describe on how many photos a constant crop is closer."""
    ends = format_range(Interval(*(100 * x for x in (share.mean, share.low, share.high))), 0)
    interval = f" ({ends})" if ends else ""
    return (
        f"On {format_of_hundred(share.mean)} of a hundred photos{interval}, one crop for all "
        "photos is closer to the photographer's than the network's crop is."
    )


def _describe_ratio(what: str, ratio: Interval) -> str:
    if not math.isfinite(ratio.mean):
        return f"The {what} of the photographer's crops does not vary."
    low, high = _ALIKE
    if ratio.high < 1:
        claim = f"The {what} of the network's crops varies less than that of the photographer's"
    elif ratio.low > 1:
        claim = f"The {what} of the network's crops varies more than that of the photographer's"
    elif ratio.low > low and ratio.high < high:
        claim = f"The {what} of the network's crops varies about as much as the photographer's"
    else:
        claim = f"Whether the {what} of the network's crops varies as much is not shown"
    ends = format_range(ratio, 2)
    interval = f", {ends}" if ends else ""
    return f"{claim} ({format_number(ratio.mean, 2)} times as much{interval})."


def _corrected_shares(evaluation: Evaluation) -> dict[str, Interval]:
    """Compute R² of the four limits with intervals that all hold at once (Bonferroni)."""
    params = evaluation.params
    confidence = 1 - (1 - params.confidence) / (len(LIMITS) - 1)
    stricter = replace(evaluation, params=replace(params, confidence=confidence))
    shares = explained_variance(stricter)
    return {name: share for name, share in shares.items() if name != LIMITS[-1]}


def _percentiles(values: Floats, *percents: float) -> tuple[float, ...]:
    return tuple(map(float, np.percentile(values, percents)))


def _compare_spreads(evaluation: Evaluation, human: Floats, network: Floats) -> Interval:
    """Divide the network's standard deviation by the human's, of values (n, k)."""
    return evaluation.statistic(partial(_spread_ratio, human, network), (0.0, math.inf))


def _spread_ratio(human: Floats, network: Floats, weights: Floats) -> Floats:
    """Compute the ratio of weighted standard deviations of values (n, k), by row of weights."""
    own, spread = (_weighted_spread(values, weights) for values in (network, human))
    varies = spread > _NO_SPREAD
    return np.where(varies, own / np.where(varies, spread, 1.0), np.nan)


def _weighted_spread(values: Floats, weights: Floats) -> Floats:
    share = weights / weights.sum(axis=1, keepdims=True)
    centred = values - values.mean(axis=0)
    variance = share @ (centred**2).sum(axis=1) - ((share @ centred) ** 2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))
