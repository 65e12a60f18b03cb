"""Searches the crops to suggest for a photo: several, or those of one aspect ratio.

A network gives one crop of its own, and for each of K prototypes (typical crops, untilted) the
probability that the photographer's crop is like it. So any rectangle has an expected overlap with
the photographer's crop, and the best rectangle can be searched for. A crop of 1:1 is not cut out of
another one: it is the square with the largest expected overlap.

Boxes and overlaps are those of `boxes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.inference.aspect_ratio import FREE, parse_ratio
from cropperhead.inference.boxes import centre_and_sides, fit_into_frame, overlaps, turn_back

# A network's own crop is better than any prototype, which only says roughly where a crop is. With
# more weight the crop that is found hardly differs from it, with less its detail is lost.
OWN_WEIGHT = 0.5
# Viewers take two crops that overlap by more than this for one crop that is a little larger.
DISTINCT = 0.75
# Of the likelihood of the best crop. Less likely ones only fill a list, and make the others look
# less considered.
_WORTHWHILE = 0.5
_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_BATCH = 2048  # candidates: with 128 prototypes, 2 MB an array
_DECIMALS = 12  # of a score: smaller differences are rounding, and the earlier candidate wins
_STARTS = 4  # of a search, so that it rarely ends on the lower of two hills
# Steps of a search, in frames. The remaining steps sum to more than twice the present one, so that
# a step in a wrong direction can be corrected; the last is 0.03 px of a frame of 1000 px.
_STEPS = 0.1 * 0.7 ** np.arange(24)
_SIZES = (1.0, 0.8, 1.25)  # of the first candidates of a ratio, in sides that keep the area


@dataclass(frozen=True)
class Suggestion:
    """A crop (5,), as in `geometry.crops`, and its expected overlap with the photographer's."""

    limits: Floats
    expected_overlap: float


@dataclass(frozen=True)
class _Prediction:
    """A network's prediction for one photo.

    `own` (5,) is its own crop, `boxes` (K + 1, 4) its rectangle and then the prototypes, `weights`
    (K + 1,) their probabilities. `aspect` is the frame's width / height.
    """

    own: Floats
    boxes: Floats
    weights: Floats
    aspect: float

    @property
    def angle(self) -> float:
        """The tilt of every crop of the photo, in degrees."""
        return float(self.own[4])

    def suggestion(self, box: Floats) -> Suggestion:
        """The rectangle (4,) with the photo's tilt, and its expected overlap."""
        value = expected_overlap(box[None], self.boxes, self.weights)[0]
        return Suggestion(np.append(box, self.angle), float(value))

    def likelihood(self, candidates: Floats) -> Floats:
        """The expected overlap of (c, 4) where the own crop is wrong: by the prototypes, (c,)."""
        return expected_overlap(candidates, self.boxes[1:], self.weights[1:])

    def fit(self, boxes: Floats) -> Floats:
        """Boxes (..., 4) with the photo's tilt, shrunk and moved into the frame."""
        return fit_into_frame(boxes, self.angle, self.aspect)


_Score = Callable[[Floats], Floats]  # of candidates (c, 4), (c,); 0 for those that are excluded


def expected_overlap(candidates: ArrayLike, prototypes: ArrayLike, shares: ArrayLike) -> Floats:
    """The expected overlap of boxes (c, 4) with a crop like prototypes (K, 4), (c,).

    `shares` (K,) are the probabilities of the prototypes, and sum to 1. A box that is inside out
    overlaps nothing.
    """
    boxes, weights = np.asarray(prototypes, dtype=float), np.asarray(shares, dtype=float)
    candidates = np.asarray(candidates, dtype=float)
    starts = range(0, len(candidates), _BATCH)
    parts = [overlaps(candidates[i : i + _BATCH], boxes) @ weights for i in starts]
    return np.concatenate([np.zeros(0), *parts])


def suggest_alternatives(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    count: int = 3,
    distinct: float = DISTINCT,
    own_weight: float = OWN_WEIGHT,
) -> list[Suggestion]:
    """The network's own crop (5,), then others, each useful where those before it are wrong.

    Each further crop is the one that adds most to the expected overlap of the best of them all. The
    next best crop alone would be the first one, enlarged until it counts as another. Each overlaps
    every one before it by less than `distinct`, has the own crop's tilt and lies within the frame.
    At most `count` crops; fewer if no other is half as likely as the likeliest. `prototypes`
    (K, 4), `shares` (K,) and `aspect` as in `suggest_crops`.
    """
    prediction = _predict(limits, prototypes, shares, aspect, own_weight)
    return _alternatives(prediction, count, distinct)


def best_crop_of_ratio(
    ratio: float,
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    own_weight: float = OWN_WEIGHT,
) -> Suggestion:
    """The crop of width / height `ratio`, in pixels, with the largest expected overlap.

    The network's own crop `limits` (5,) counts as one more prototype, of probability `own_weight`;
    its tilt is kept, and the crop lies within the frame. `prototypes` (K, 4), `shares` (K,) and
    `aspect` as in `suggest_crops`.
    """
    prediction = _predict(limits, prototypes, shares, aspect, own_weight)
    return _crops_of_ratio(prediction, ratio, 1, DISTINCT)[0]


def suggest_crops(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    confidence: ArrayLike,
    aspect: ArrayLike,
    aspect_ratio: str = FREE,
    count: int = 1,
) -> list[list[Suggestion]]:
    """Up to `count` crops for each of n photos, the best first; all of one ratio if one is given.

    `limits` (n, 5) are the network's own crops, `shares` (n, K) the probabilities of `prototypes`
    (K, 4), `confidence` (n,) the expected overlap of the own crops with the photographer's, and
    `aspect` (n,) the frames' width / height. The expected overlaps of a photo's crops are scaled so
    that the own crop's is its confidence. Raises ParamsError as `parse_ratio` does.
    """
    columns = (np.asarray(column, dtype=float) for column in (limits, shares, confidence, aspect))
    return [
        _suggest(_predict(own, prototypes, share, float(side)), sure, aspect_ratio, count)
        for own, share, sure, side in zip(*columns, strict=True)
    ]


def straighten_only(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    confidence: ArrayLike,
    aspect: ArrayLike,
) -> list[Suggestion]:
    """For each of n photos the largest crop of the frame's own shape with its crop's tilt.

    Arguments and expected overlap as in `suggest_crops`.
    """
    columns = (np.asarray(column, dtype=float) for column in (limits, shares, confidence, aspect))
    suggestions = []
    for own, share, sure, side in zip(*columns, strict=True):
        prediction = _predict(own, prototypes, share, float(side))
        largest = prediction.suggestion(prediction.fit(_WHOLE))
        suggestions += _scale(prediction, sure, [largest])
    return suggestions


def _predict(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    own_weight: float = OWN_WEIGHT,
) -> _Prediction:
    own = crops.inside_frame(limits, aspect)
    return _Prediction(
        own=own,
        boxes=np.concatenate([own[None, :4], np.asarray(prototypes, dtype=float)]),
        weights=np.append(own_weight, (1 - own_weight) * np.asarray(shares, dtype=float)),
        aspect=aspect,
    )


def _suggest(
    prediction: _Prediction, confidence: float, aspect_ratio: str, count: int
) -> list[Suggestion]:
    ratio = parse_ratio(aspect_ratio, prediction.aspect)
    if ratio is None:
        suggestions = _alternatives(prediction, count, DISTINCT)
    else:
        suggestions = _crops_of_ratio(prediction, ratio, count, DISTINCT)
    return _scale(prediction, confidence, suggestions)


def _scale(
    prediction: _Prediction, confidence: float, suggestions: Sequence[Suggestion]
) -> list[Suggestion]:
    """Scales expected overlaps so that the own crop's is its confidence."""
    scale = confidence / prediction.suggestion(prediction.own[:4]).expected_overlap
    return [
        replace(one, expected_overlap=min(1.0, one.expected_overlap * scale)) for one in suggestions
    ]


def _alternatives(prediction: _Prediction, count: int, distinct: float) -> list[Suggestion]:
    pool = prediction.fit(prediction.boxes)
    own = prediction.own[None, :4]
    top, left, bottom, right = np.eye(4)
    # Down or across: both at once would be four times the moves, and finds hardly better crops.
    moves = np.concatenate([_moves(np.array([top, bottom])), _moves(np.array([left, right]))])
    return _add_distinct(prediction, own, pool, moves, count, distinct)


def _crops_of_ratio(
    prediction: _Prediction, ratio: float, count: int, distinct: float
) -> list[Suggestion]:
    """The best crop of that ratio, then others of it that are distinct."""
    slope = ratio / prediction.aspect  # width / height in fractions
    pool = prediction.fit(_boxes_of_slope(prediction.boxes, slope))
    height, width = np.array([1, slope]) / max(1, slope) / 2
    # a crop that grows and moves by the same distance keeps one of its corners in place
    moves = _moves(
        np.array([(-height, -width, height, width), (height, 0, height, 0), (0, width, 0, width)])
    )
    best = _climb(prediction, pool, moves, partial(_gain, prediction))
    return _add_distinct(prediction, best[None], pool, moves, count, distinct)


def _boxes_of_slope(boxes: Floats, slope: float) -> Floats:
    """Rectangles of width / height `slope` about the centres of boxes (n, 4), (3 n, 4).

    About a single box, the one that overlaps it most has its area. From overlap = w t / (w h +
    slope t t - w t) for a height t between h and w / slope: largest where slope t t = w h.
    """
    centre, sides = centre_and_sides(boxes)
    height = np.sqrt(sides.prod(axis=1) / slope)
    half = np.stack([height, slope * height], axis=1) / 2
    return np.concatenate(
        [np.concatenate([centre - size * half, centre + size * half], axis=1) for size in _SIZES]
    )


def _add_distinct(
    prediction: _Prediction,
    first: Floats,
    pool: Floats,
    moves: Floats,
    count: int,
    distinct: float,
) -> list[Suggestion]:
    """Suggests the `first` (1, 4), and adds the most useful crops up to `count`, one at a time."""
    least = _WORTHWHILE * prediction.likelihood(pool).max()
    boxes = first
    while len(boxes) < count:
        gain = partial(_further_gain, prediction, boxes, least, distinct)
        best = _climb(prediction, pool, moves, gain)
        if gain(best[None])[0] <= 0:
            break
        boxes = np.concatenate([boxes, best[None]])
    return [prediction.suggestion(box) for box in boxes]


def _gain(prediction: _Prediction, candidates: Floats) -> Floats:
    """The expected overlap of candidates (c, 4), (c,)."""
    return np.round(expected_overlap(candidates, prediction.boxes, prediction.weights), _DECIMALS)


def _further_gain(
    prediction: _Prediction, earlier: Floats, least: float, distinct: float, candidates: Floats
) -> Floats:
    """What candidates (c, 4) add to the expected overlap of the best of the earlier boxes, (c,).

    0 for those that overlap an earlier one by `distinct`, or are less likely than `least`.
    """
    covered = overlaps(earlier, prediction.boxes).max(axis=0)
    near = overlaps(candidates, prediction.boxes)
    gain = np.round(np.maximum(near - covered, 0) @ prediction.weights, _DECIMALS)
    upright = partial(turn_back, angle_deg=prediction.angle, aspect=prediction.aspect)
    apart = overlaps(upright(candidates), upright(earlier)).max(axis=1) < distinct
    return np.where(apart & (near[:, 1:] @ prediction.weights[1:] >= least), gain, 0.0)


def _climb(prediction: _Prediction, pool: Floats, moves: Floats, gain: _Score) -> Floats:
    """The rectangle (4,) of the largest gain, searched uphill from the best of a pool (c, 4)."""
    starts = pool[np.argsort(-gain(pool), kind="stable")[:_STARTS]]
    for step in _STEPS:
        tries = prediction.fit(starts[:, None] + step * moves)  # (starts, moves, 4)
        gains = gain(tries.reshape(-1, 4)).reshape(tries.shape[:2])
        starts = tries[np.arange(len(starts)), gains.argmax(axis=1)]
    best: Floats = starts[gain(starts).argmax()]
    return best


def _moves(basis: Floats) -> Floats:
    """Every sum of rows of a basis (b, 4), each added, subtracted or left out, (3^b, 4).

    The first one stays in place, and so wins a tie.
    """
    return np.array(list(product((0, 1, -1), repeat=len(basis)))) @ basis
