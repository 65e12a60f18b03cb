"""Crops to suggest for a photo, from what a network says of it: several, or of one aspect ratio.

A network gives one crop of its own, and of each of K prototypes (typical crops, untilted) the
probability that the photographer's crop is like it. So any rectangle has an expected overlap with
the crop that the photographer would make, and the best one can be searched for: a crop of 1:1 is
not cut out of another one, but is that of all squares which overlaps most of what is likely.

Rectangles are (…, 4): top, left, bottom, right as fractions of the frame's sides, before any tilt.
Overlap is intersection over union; both sides of two rectangles may be stretched without changing
it, so that among untilted ones fractions need no aspect.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from cropperhead.errors import ParamsError
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats

FREE, ORIGINAL = "free", "original"
# A network's own crop is better than any prototype, which only says roughly where a crop is. With
# more weight it is merely approximated, with less its detail is lost.
OWN_WEIGHT = 0.5
# Of two crops that share more than this, a viewer sees one crop that is a little larger.
DISTINCT = 0.75
# Half as likely to please as the best one: what is less so is there to fill a list, and makes the
# others look less considered.
_WORTHWHILE = 0.5
_NUMBER = r"(\d+(?:\.\d+)?)"
_RATIO = re.compile(f"{_NUMBER}:{_NUMBER}", re.ASCII)

_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_AT_ONCE = 2048  # candidates: with 128 prototypes, 2 MB an array
_DECIMALS = 12  # of a score: what differs by less differs by rounding, and the earlier one stays
_STARTS = 4  # of a search, so that it rarely ends on the lower of two hills
# Steps of a search, in frames. Those to come sum to more than twice the present one, so that a step
# in a wrong direction can be made good; the last is 0.03 px of a frame of 1000 px.
_STEPS = 0.1 * 0.7 ** np.arange(24)
_SIZES = (1.0, 0.8, 1.25)  # of the first candidates of a ratio, in sides that keep the area


@dataclass(frozen=True)
class Suggestion:
    """A crop (5,), as in `crops`, and how much it is expected to overlap the photographer's."""

    limits: Floats
    expected_overlap: float


@dataclass(frozen=True)
class _Opinion:
    """What a network says of one photo.

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


_Score = Callable[[Floats], Floats]  # of candidates (c, 4), (c,); 0 for one that is not wanted


def parse_ratio(text: str, aspect: float) -> float | None:
    """The width / height that a text asks for, in a frame of width / height `aspect`.

    "free" asks for none, "original" for the frame's own, "4:5" for four wide and five high, in a
    landscape photo too. Raises ParamsError for anything else.
    """
    if text == FREE:
        return None
    if text == ORIGINAL:
        return aspect
    match = _RATIO.fullmatch(text)
    width, height = (float(side) for side in match.groups()) if match else (0.0, 0.0)
    ratio = width / height if height > 0 else 0.0
    if not 0 < ratio < math.inf:
        raise ParamsError(
            f"aspect ratio is {text!r}, expected {FREE}, {ORIGINAL}, or width:height in numbers "
            "above 0, such as 4:5 or 1.91:1"
        )
    return ratio


def expected_overlap(candidates: ArrayLike, prototypes: ArrayLike, shares: ArrayLike) -> Floats:
    """The overlap to expect of rectangles (c, 4) with a crop like prototypes (K, 4), (c,).

    `shares` (K,) are the probabilities of the prototypes, and sum to 1. One that is inside out
    overlaps nothing.
    """
    boxes, weights = np.asarray(prototypes, dtype=float), np.asarray(shares, dtype=float)
    candidates = np.asarray(candidates, dtype=float)
    pieces = range(0, len(candidates), _AT_ONCE)
    parts = [_overlaps(candidates[i : i + _AT_ONCE], boxes) @ weights for i in pieces]
    return np.concatenate([np.zeros(0), *parts])


def alternatives(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    count: int = 3,
    distinct: float = DISTINCT,
    own_weight: float = OWN_WEIGHT,
) -> list[Suggestion]:
    """The network's own crop (5,), then others, each of use where those before it are wrong.

    Each further crop is the one that adds most to the expected overlap of the best of them all:
    merely the next best one would be the first, made so much larger that it counts as another. Each
    overlaps every one before it by less than `distinct`, has the own crop's tilt and lies in the
    frame. At most `count`; fewer where nothing else is half as likely as the likeliest.
    `prototypes` (K, 4), `shares` (K,) and `aspect` as above.
    """
    opinion = _opinion(limits, prototypes, shares, aspect, own_weight)
    return _alternatives(opinion, count, distinct)


def of_ratio(
    ratio: float,
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    own_weight: float = OWN_WEIGHT,
) -> Suggestion:
    """The crop of width / height `ratio`, in pixels, that has the largest expected overlap.

    The network's own crop `limits` (5,) counts as one more prototype, of probability `own_weight`;
    its tilt is kept, and the crop lies in the frame. `prototypes` (K, 4), `shares` (K,) and
    `aspect`, the frame's width / height, as above.
    """
    opinion = _opinion(limits, prototypes, shares, aspect, own_weight)
    return _all_of_ratio(opinion, ratio, 1, DISTINCT)[0]


def suggest(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    confidence: ArrayLike,
    aspect: ArrayLike,
    aspect_ratio: str = FREE,
    count: int = 1,
) -> list[list[Suggestion]]:
    """Up to `count` crops for each of n photos, the best first; all of one ratio, where one is set.

    `limits` (n, 5) are the network's own crops, `shares` (n, K) the probabilities of `prototypes`
    (K, 4), `confidence` (n,) how much the own crops are expected to overlap the photographer's, and
    `aspect` (n,) the frames' width / height. The expected overlaps of a photo's crops are scaled so
    that the own crop's is its confidence. Raises ParamsError as `parse_ratio` does.
    """
    columns = (np.asarray(column, dtype=float) for column in (limits, shares, confidence, aspect))
    return [
        _suggested(_opinion(own, prototypes, share, float(side)), trust, aspect_ratio, count)
        for own, share, trust, side in zip(*columns, strict=True)
    ]


def straightened(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    confidence: ArrayLike,
    aspect: ArrayLike,
) -> list[Suggestion]:
    """For each of n photos the largest crop of the frame's own shape that has its crop's tilt.

    Arguments and expected overlap as in `suggest`.
    """
    columns = (np.asarray(column, dtype=float) for column in (limits, shares, confidence, aspect))
    return [
        _trusted(opinion, trust, [opinion.suggestion(_fitted(_WHOLE, opinion))])[0]
        for own, share, trust, side in zip(*columns, strict=True)
        for opinion in [_opinion(own, prototypes, share, float(side))]
    ]


def _opinion(
    limits: ArrayLike,
    prototypes: ArrayLike,
    shares: ArrayLike,
    aspect: float,
    own_weight: float = OWN_WEIGHT,
) -> _Opinion:
    own = crops.inside_frame(limits, aspect)
    return _Opinion(
        own=own,
        boxes=np.concatenate([own[None, :4], np.asarray(prototypes, dtype=float)]),
        weights=np.append(own_weight, (1 - own_weight) * np.asarray(shares, dtype=float)),
        aspect=aspect,
    )


def _suggested(opinion: _Opinion, confidence: float, wanted: str, count: int) -> list[Suggestion]:
    ratio = parse_ratio(wanted, opinion.aspect)
    if ratio is None:
        found = _alternatives(opinion, count, DISTINCT)
    else:
        found = _all_of_ratio(opinion, ratio, count, DISTINCT)
    return _trusted(opinion, confidence, found)


def _trusted(opinion: _Opinion, confidence: float, found: Sequence[Suggestion]) -> list[Suggestion]:
    """With expected overlaps scaled so that the own crop's is its confidence."""
    scale = confidence / opinion.suggestion(opinion.own[:4]).expected_overlap
    return [replace(one, expected_overlap=min(1.0, one.expected_overlap * scale)) for one in found]


def _alternatives(opinion: _Opinion, count: int, distinct: float) -> list[Suggestion]:
    pool = _fitted(opinion.boxes, opinion)
    own = opinion.own[None, :4]
    top, left, bottom, right = np.eye(4)
    # down or across: both at once would be four times the moves, and finds hardly better ones
    moves = np.concatenate([_moves(np.array([top, bottom])), _moves(np.array([left, right]))])
    return _chosen(opinion, own, pool, moves, count, distinct)


def _all_of_ratio(opinion: _Opinion, ratio: float, count: int, distinct: float) -> list[Suggestion]:
    """The best crop of that ratio, then others of it that are distinct."""
    slope = ratio / opinion.aspect  # width / height in fractions
    pool = _fitted(_of_slope(opinion.boxes, slope), opinion)
    height, width = np.array([1, slope]) / max(1, slope) / 2
    # a larger crop that moves by as much keeps one of its corners in place
    moves = _moves(
        np.array([(-height, -width, height, width), (height, 0, height, 0), (0, width, 0, width)])
    )
    best = _climbed(opinion, pool, moves, partial(_gain, opinion))
    return _chosen(opinion, best[None], pool, moves, count, distinct)


def _of_slope(boxes: Floats, slope: float) -> Floats:
    """Rectangles of width / height `slope` about the centres of boxes (n, 4), (3 n, 4).

    About one box alone, the one that overlaps it most has its area. From overlap = w t / (w h +
    slope t t - w t) for a height t between h and w / slope: largest where slope t t = w h.
    """
    centre, sides = _centre_and_sides(boxes)
    height = np.sqrt(sides.prod(axis=1) / slope)
    half = np.stack([height, slope * height], axis=1) / 2
    return np.concatenate(
        [np.concatenate([centre - size * half, centre + size * half], axis=1) for size in _SIZES]
    )


def _chosen(
    opinion: _Opinion, first: Floats, pool: Floats, moves: Floats, count: int, distinct: float
) -> list[Suggestion]:
    """Suggests the `first` (1, 4), and adds the most useful crops up to `count`, one at a time."""
    least = _WORTHWHILE * _likely(opinion, pool).max()
    chosen = first
    while len(chosen) < count:
        gain = partial(_further_gain, opinion, chosen, least, distinct)
        best = _climbed(opinion, pool, moves, gain)
        if gain(best[None])[0] <= 0:
            break
        chosen = np.concatenate([chosen, best[None]])
    return [opinion.suggestion(box) for box in chosen]


def _gain(opinion: _Opinion, candidates: Floats) -> Floats:
    """The expected overlap of candidates (c, 4), (c,)."""
    return np.round(expected_overlap(candidates, opinion.boxes, opinion.weights), _DECIMALS)


def _further_gain(
    opinion: _Opinion, chosen: Floats, least: float, distinct: float, candidates: Floats
) -> Floats:
    """What candidates (c, 4) add to the expected overlap of the best of those chosen, (c,).

    0 for those that overlap one chosen by `distinct`, or are less likely than `least`.
    """
    covered = _overlaps(chosen, opinion.boxes).max(axis=0)
    near = _overlaps(candidates, opinion.boxes)
    gain = np.round(np.maximum(near - covered, 0) @ opinion.weights, _DECIMALS)
    turned_back = partial(_turned_back, opinion=opinion)
    apart = _overlaps(turned_back(candidates), turned_back(chosen)).max(axis=1) < distinct
    return np.where(apart & (near[:, 1:] @ opinion.weights[1:] >= least), gain, 0.0)


def _likely(opinion: _Opinion, candidates: Floats) -> Floats:
    """How likely candidates (c, 4) are where the own crop is wrong: by the prototypes, (c,)."""
    return expected_overlap(candidates, opinion.boxes[1:], opinion.weights[1:])


def _climbed(opinion: _Opinion, pool: Floats, moves: Floats, gain: _Score) -> Floats:
    """The rectangle (4,) of the largest gain, searched from the best of a pool (c, 4) uphill."""
    starts = pool[np.argsort(-gain(pool), kind="stable")[:_STARTS]]
    for step in _STEPS:
        tried = _fitted(starts[:, None] + step * moves, opinion)  # (starts, moves, 4)
        gains = gain(tried.reshape(-1, 4)).reshape(tried.shape[:2])
        starts = tried[np.arange(len(starts)), gains.argmax(axis=1)]
    best: Floats = starts[gain(starts).argmax()]
    return best


def _moves(basis: Floats) -> Floats:
    """Every sum of rows of a basis (b, 4), each once, negated or not at all, (3^b, 4).

    The first one stays in place, and so wins a tie.
    """
    return np.array(list(product((0, 1, -1), repeat=len(basis)))) @ basis


def _fitted(boxes: Floats, opinion: _Opinion) -> Floats:
    """Rectangles (..., 4) shrunk, where they are too large for the frame, and moved into it.

    With the photo's tilt. Sides keep their ratio; those that are inside out become 0.
    """
    centre, sides = _centre_and_sides(boxes)
    sine, cosine = np.abs([math.sin(tilt := math.radians(opinion.angle)), math.cos(tilt)])
    # half the sides of the upright rectangle around the tilted one, in frames
    reach = sides @ np.array([(cosine, sine / opinion.aspect), (sine * opinion.aspect, cosine)]) / 2
    shrunk = np.minimum(1, 0.5 / np.maximum(reach.max(axis=-1, keepdims=True), 0.5))
    centre = np.clip(centre, reach * shrunk, 1 - reach * shrunk)
    half = sides * shrunk / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def _turned_back(boxes: Floats, opinion: _Opinion) -> Floats:
    """Tilted rectangles (n, 4) as seen by one who is tilted alike, where they are upright, (n, 4).

    In frame heights. Each is tilted about its own centre: only the centres change place.
    """
    shape = np.array([1, opinion.aspect])
    centre, sides = _centre_and_sides(boxes)
    sine, cosine = math.sin(tilt := math.radians(opinion.angle)), math.cos(tilt)
    centre = centre * shape @ np.array([(cosine, sine), (-sine, cosine)])
    return np.concatenate([centre - sides * shape / 2, centre + sides * shape / 2], axis=-1)


def _centre_and_sides(boxes: Floats) -> tuple[Floats, Floats]:
    """Down and across: centres and sides (..., 2) of rectangles, where inside out of side 0."""
    low, high = boxes[..., :2], boxes[..., 2:4]
    return (low + high) / 2, np.maximum(high - low, 0)


def _overlaps(candidates: Floats, others: Floats) -> Floats:
    """Overlap of each of (c, 4) upright rectangles with each of (k, 4), (c, k)."""
    top, left, bottom, right = candidates.T[:, :, None]
    shared = np.maximum(np.minimum(bottom, others[:, 2]) - np.maximum(top, others[:, 0]), 0)
    shared *= np.maximum(np.minimum(right, others[:, 3]) - np.maximum(left, others[:, 1]), 0)
    union = crops.area(candidates)[:, None] + crops.area(others) - shared
    return np.asarray(shared / np.maximum(union, 1e-12))
