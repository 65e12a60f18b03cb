"""Finds copies of photos by their pictures: cropped, mirrored, turned, framed, toned or marked.

Each photo is compared with those that arrived before it, in three steps that get more exact:

1. Features whose codes begin alike are looked up, in all eight turns of the photo. A beginning that
   many features share stands for the first of them, so a photo's time hardly grows with the
   library.
2. A few of the features must agree on one scale and one place, as those of a copy do.
3. All features of the two photos are matched, and an affine map is fitted to them. A copy has many
   that fit, and the pixels between them are like those of the original. Photos that share only an
   object, a logo or a frame have many more features that do not fit, or other pixels.

Whether two photos are a pair depends on nothing that arrives after them.
"""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from cropperhead.photos.local_features import (
    TURNS,
    LocalFeatures,
    turn_codes,
    turn_places,
)

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Booleans = NDArray[np.bool_]

# First bits of a code that must be equal: few find more in a small library, where even they are
# rare; many are still rare in a large one. With `is_bright` a key has at most 32.
_KEY_BITS = (20, 26, 31)
_MOST_OF_A_KEY = 64  # features that are looked up by one key: the first ones
_MOST_BITS_BY_KEY = 10  # of 64 that may differ among features with one key
_MOST_BITS = 14  # the same among all features of two photos
_MOST_MATCHES = 300  # of two photos: each is compared with each, and a pattern has thousands
_LARGEST_CHANGE = 1.75  # octaves of scale: a crop to half of each side is one, a frame adds some
_CHANGE_TOLERANCE = 0.5  # octaves, among matches that agree
_CENTRE_TOLERANCE = 20  # px, of where these matches put the photo's centre
_LEAST_AGREEING = 3  # matches, before two photos are compared
_MOST_AGREEING = 30  # matches of two photos that are counted
_MOST_COMPARED = 8  # earlier photos, in one turn each, with which a photo is compared
_TOLERANCES = (8, 5, 3, 2, 2)  # px of the coarser copy, from the map, round by round
_SIMILAR_ROUNDS = 2  # in which the map may turn and scale only
_LEAST_MATCHES = 4  # in a round; an affine map takes three
# Of 1,335 photos no two unrelated ones had more than 7. Of copies that were cropped to 60 % of each
# side, 95 % had at least 28.
_LEAST_FITTING = 8
# Of the features where both photos are. Copies cropped to 50 % of each side had at least 0.29,
# photos with one object in common at most 0.15.
_LEAST_FITTING_SHARE = 0.22
_LARGEST_STRETCH = 1.25  # of one side over the other
_CELL = 6  # px of the coarser thumbnail: the side of the squares that are compared
_LEAST_CONTRAST = 4  # grey levels: squares that are plain in both photos show nothing
_LEAST_CORRELATION = 0.6  # of two squares that are alike
_LEAST_SQUARES = 4  # alike, among the matches: a small logo has fewer
_LEAST_ALIKE_WITHIN = 0.6  # share of alike squares among the matches
# Share of all squares. A new frame hides many of a copy's, but the matches are spread over what it
# leaves; those of a large mark on two unlike photos had up to 0.37, spread over a third of them.
_LEAST_ALIKE, _LEAST_ALIKE_IF_SPREAD, _WIDE_SPREAD = 0.5, 0.3, 0.45
_LEAST_SPREAD = 0.2  # share of the common part that the matches span: one object spans less
_BLOCK = 32  # photos that are looked up at a time, to bound the memory


@dataclass(frozen=True)
class _Table:
    """The features of all photos, by photo.

    Shapes: (features,), `places` (features, 2), `sizes` (photos, 2), `starts` (photos + 1,).
    """

    photo: Integers
    places: Floats
    scales: Floats
    is_bright: Booleans
    codes: NDArray[np.uint64]
    sizes: Integers
    starts: Integers


@dataclass(frozen=True)
class _Matches:
    """Features of some photos, in some turns, that resemble features of earlier photos (n,).

    `pair` is a number for the photo, the turn and the earlier photo; matches are sorted by it.
    `change` is in octaves of scale, `centre` (n, 2) where the match puts the photo's centre, in px
    of the earlier photo.
    """

    pair: Integers
    change: Floats
    centre: Floats


def find_copies(photos: Sequence[bytes], first: int = 0) -> NDArray[np.int64]:
    """Find pairs (n, 2) of a photo and an earlier one: one is a copy of the other, or both of one.

    `photos` are the features of photos in order of arrival, as `LocalFeatures.to_bytes` gives them;
    empty for a photo without. Those before `first` are not compared among themselves. Pairs are
    sorted.
    """
    pairs = [
        (photo, earlier)
        for photo, candidates in _candidates(photos, first)
        for earlier in _copies_among(photos, photo, candidates)
    ]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def are_copies(one: LocalFeatures, other: LocalFeatures) -> bool:
    """Return whether two pictures show the same, neither mirrored nor turned by 90 degrees."""
    fit = _fit(one, other)
    return fit is not None and _have_like_pixels(one, other, *fit)


def _copies_among(
    photos: Sequence[bytes], photo: int, candidates: Sequence[tuple[int, int]]
) -> set[int]:
    """Return the earlier photos among candidates (earlier photo, turn) that are copies."""
    own = LocalFeatures.from_bytes(photos[photo])
    return {
        earlier
        for earlier, turn in candidates
        if are_copies(own.turned(turn), LocalFeatures.from_bytes(photos[earlier]))
    }


def _candidates(photos: Sequence[bytes], first: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield each photo that may be a copy, and the earlier photos and turns to compare it in."""
    table = _table(photos)
    indices = [_Index(table, bits) for bits in _KEY_BITS]
    for start in tqdm(
        range(first, len(photos), _BLOCK), "compare photos", unit_scale=_BLOCK, delay=2
    ):
        stop = min(start + _BLOCK, len(photos))
        matches = _matches(table, indices, start, stop)
        pairs, agreeing = _agreement(matches)
        order = np.lexsort([pairs, -agreeing])
        photo, turn, earlier = np.unravel_index(
            pairs[order[agreeing[order] >= _LEAST_AGREEING]], _pair_shape(photos)
        )
        for own in np.unique(photo):
            best = np.flatnonzero(photo == own)[:_MOST_COMPARED]
            yield int(own), list(zip(earlier[best].tolist(), turn[best].tolist(), strict=True))


def _pair_shape(photos: Sized) -> tuple[int, int, int]:
    return len(photos), len(TURNS), len(photos)


def _table(photos: Sequence[bytes]) -> _Table:
    features = [LocalFeatures.from_bytes(one) if one else None for one in photos]
    present = [one for one in features if one is not None]
    counts = [0 if one is None else len(one.codes) for one in features]
    return _Table(
        photo=np.repeat(np.arange(len(photos), dtype=np.int32), counts),
        places=np.concatenate([np.empty((0, 2), np.float32), *(f.places for f in present)]),
        scales=np.concatenate([np.empty(0, np.float32), *(f.scales for f in present)]),
        is_bright=np.concatenate([np.empty(0, np.bool_), *(f.is_bright for f in present)]),
        codes=np.concatenate([np.empty(0, np.uint64), *(f.codes for f in present)]),
        sizes=np.array([(0, 0) if f is None else f.size for f in features]).reshape(-1, 2),
        starts=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
    )


class _Index:
    """Looks features up by the first bits of their codes."""

    def __init__(self, table: _Table, bits: int) -> None:
        self._bits = bits
        keys = self._keys(table.codes, table.is_bright)
        self._order = np.argsort(keys, kind="stable").astype(np.int32)  # by photo within a key
        self._keys_in_order = keys[self._order]

    def find(self, codes: NDArray[np.uint64], is_bright: Booleans) -> tuple[Integers, Integers]:
        """Return places in `codes` and the features that have the same key, the first ones."""
        keys = self._keys(codes, is_bright)
        starts = np.searchsorted(self._keys_in_order, keys, "left")
        stops = np.searchsorted(self._keys_in_order, keys, "right")
        counts = np.minimum(stops - starts, _MOST_OF_A_KEY)
        return np.repeat(np.arange(len(keys)), counts), self._order[_ranges(starts, counts)]

    def _keys(self, codes: NDArray[np.uint64], is_bright: Booleans) -> NDArray[np.uint32]:
        first = (codes >> np.uint64(64 - self._bits)).astype(np.uint32)
        return first << np.uint32(1) | is_bright


def _ranges(starts: Integers, counts: Integers) -> Integers:
    """Return start, start + 1 ... of each range, `counts` of them, one range after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def _matches(table: _Table, indices: Sequence[_Index], start: int, stop: int) -> _Matches:
    """Match the features of the photos from `start` to `stop`, in all turns."""
    first, last = table.starts[start], table.starts[stop]
    parts = [_turned_matches(table, indices, first, last, turn) for turn in range(len(TURNS))]
    pair = np.concatenate([part.pair for part in parts])
    change = np.concatenate([part.change for part in parts])
    centre = np.concatenate([part.centre for part in parts])
    order = np.argsort(pair, kind="stable")
    return _Matches(pair[order], change[order], centre[order])


def _turned_matches(
    table: _Table, indices: Sequence[_Index], first: int, last: int, turn: int
) -> _Matches:
    """Match the features from `first` to `last` in one turn."""
    own, other = _look_up(table, indices, first, last, turn)
    change = np.log2(table.scales[other] / table.scales[own])
    near = np.abs(change) <= _LARGEST_CHANGE
    own, other, change = own[near], other[near], change[near]
    sizes = table.sizes[table.photo[own]]
    from_middle = turn_places(sizes / 2, sizes, turn) - turn_places(table.places[own], sizes, turn)
    centre = table.places[other] + 2 ** change[:, None] * from_middle
    turns = np.full(len(own), turn)
    pair = np.ravel_multi_index(
        (table.photo[own], turns, table.photo[other]), _pair_shape(table.sizes)
    )
    return _Matches(pair, change, centre)


def _look_up(
    table: _Table, indices: Sequence[_Index], first: int, last: int, turn: int
) -> tuple[Integers, Integers]:
    """Return features from `first` to `last`, and like ones of earlier photos; each pair once."""
    codes = turn_codes(table.codes[first:last], turn)
    found = [index.find(codes, table.is_bright[first:last]) for index in indices]
    own, other = (np.concatenate(part).astype(np.int64) for part in zip(*found, strict=True))
    is_like = np.bitwise_count(codes[own] ^ table.codes[other]) <= _MOST_BITS_BY_KEY
    own, other = own[is_like] + first, other[is_like]
    is_earlier = table.photo[other] < table.photo[own]
    both = np.unique(own[is_earlier] * len(table.codes) + other[is_earlier])
    own, other = np.divmod(both, max(1, len(table.codes)))
    return own, other


def _agreement(matches: _Matches) -> tuple[Integers, Integers]:
    """Return the pairs (n,), and how many of each pair's matches agree on scale and place."""
    pairs, starts, counts = np.unique(matches.pair, return_index=True, return_counts=True)
    several = counts >= _LEAST_AGREEING
    pairs, starts = pairs[several], starts[several]
    counts = np.minimum(counts[several], _MOST_AGREEING)
    # each match of a pair with each
    one = np.repeat(_ranges(starts, counts), np.repeat(counts, counts))
    other = _ranges(np.repeat(starts, counts), np.repeat(counts, counts))
    apart = np.abs(matches.centre[one] - matches.centre[other]).max(axis=1, initial=0)
    coarser = 2 ** np.maximum(0, matches.change[one])
    agree = (np.abs(matches.change[one] - matches.change[other]) <= _CHANGE_TOLERANCE) & (
        apart <= _CENTRE_TOLERANCE * coarser
    )
    by_match = np.bincount(one, agree, len(matches.pair)).astype(np.int64)
    if not len(pairs):
        return pairs, counts
    of_pairs = by_match[_ranges(starts, counts)]
    return pairs, np.maximum.reduceat(of_pairs, np.cumsum(counts) - counts)


def _fit(one: LocalFeatures, other: LocalFeatures) -> tuple[Floats, Floats] | None:
    """Fit an affine map from one picture to another, in px of their copies.

    Returns the map (2, 3) and the places in the first (n, 2) that fit; None if they are too few.
    """
    own, others, change = _all_matches(one, other)
    if len(own) < _LEAST_FITTING:
        return None
    here, there = one.places[own], other.places[others]
    fits = _largest_agreement(here, there, change, np.array(one.size) / 2)
    with_one = np.column_stack([here, np.ones(len(here))])
    for number, tolerance in enumerate(_TOLERANCES):
        if fits.sum() < _LEAST_MATCHES:
            return None
        solve = _similarity if number < _SIMILAR_ROUNDS else _affine
        found = solve(here[fits], there[fits])
        scale = np.sqrt(np.abs(np.linalg.det(found[:, :2])))
        if not 2**-_LARGEST_CHANGE <= scale <= 2**_LARGEST_CHANGE:
            return None
        distance = np.linalg.norm(with_one @ found.T - there, axis=1)
        fits = distance <= tolerance * max(1, scale)
        fits &= np.abs(change - np.log2(scale)) <= _CHANGE_TOLERANCE
    large, small = np.linalg.svd(found[:, :2], compute_uv=False)
    fitting = min(len(np.unique(own[fits])), len(np.unique(others[fits])))
    least = max(_LEAST_FITTING, _LEAST_FITTING_SHARE * _count_shared(one, other, found))
    if fitting < least or large > _LARGEST_STRETCH * small:
        return None
    return found, here[fits]


def _count_shared(one: LocalFeatures, other: LocalFeatures, found: Floats) -> int:
    """Count each picture's features that a map puts inside the other; return the fewer."""
    turn, shift = found[:, :2], found[:, 2]
    there = one.places @ turn.T + shift
    here = np.linalg.solve(turn, (other.places - shift).T).T
    counts = [
        ((places >= 0) & (places <= np.array(size))).all(axis=1).sum()
        for places, size in ((there, other.size), (here, one.size))
    ]
    return int(min(counts))


def _all_matches(one: LocalFeatures, other: LocalFeatures) -> tuple[Integers, Integers, Floats]:
    """Return the places of like features in two pictures, best first, and the change in octaves."""
    change = np.log2(other.scales / one.scales[:, None])
    bits = np.bitwise_count(one.codes[:, None] ^ other.codes)
    is_like = (bits <= _MOST_BITS) & (one.is_bright[:, None] == other.is_bright)
    own, others = np.nonzero(is_like & (np.abs(change) <= _LARGEST_CHANGE))
    best = np.argsort(bits[own, others], kind="stable")[:_MOST_MATCHES]
    own, others = own[best], others[best]
    return own, others, change[own, others]


def _largest_agreement(here: Floats, there: Floats, change: Floats, middle: Floats) -> Booleans:
    """Return which matches agree with the one that most agree with."""
    scale = 2 ** change[:, None]
    centre = there + scale * (middle - here)
    tolerance = _CENTRE_TOLERANCE * np.maximum(1, scale)
    agree = np.abs(change[:, None] - change) <= _CHANGE_TOLERANCE
    for axis in centre.T:
        agree &= np.abs(axis[:, None] - axis) <= tolerance
    return np.asarray(agree[agree.sum(axis=1).argmax()])


def _similarity(here: Floats, there: Floats) -> Floats:
    """Fit a map (2, 3) that only turns, scales and shifts, by least squares."""
    a, b = (places - places.mean(axis=0) for places in (here, there))
    across, down = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = np.array([[across, -down], [down, across]]) / max((a * a).sum(), 1e-9)
    return np.column_stack([turn, there.mean(axis=0) - turn @ here.mean(axis=0)])


def _affine(here: Floats, there: Floats) -> Floats:
    """Fit a map (2, 3) by least squares."""
    with_one = np.column_stack([here, np.ones(len(here))])
    return np.linalg.lstsq(with_one, there, rcond=None)[0].T


def _have_like_pixels(
    one: LocalFeatures, other: LocalFeatures, found: Floats, fitting: Floats
) -> bool:
    """Return whether squares of the thumbnails are alike, where a map puts one on the other."""
    correlation, centres = _compare_squares(one, other, found)
    low, high = fitting.min(axis=0), fitting.max(axis=0)
    is_within = ((centres >= low) & (centres <= high)).all(axis=1)
    has_contrast = np.isfinite(correlation)
    alike = correlation > _LEAST_CORRELATION
    if (alike & is_within).sum() < _LEAST_SQUARES or is_within.mean() < _LEAST_SPREAD:
        return False
    least = _LEAST_ALIKE_IF_SPREAD if is_within.mean() >= _WIDE_SPREAD else _LEAST_ALIKE
    within = alike[has_contrast & is_within].mean()
    return bool(within >= _LEAST_ALIKE_WITHIN and alike[has_contrast].mean() >= least)


def _compare_squares(
    one: LocalFeatures, other: LocalFeatures, found: Floats
) -> tuple[Floats, Floats]:
    """Return the correlation of squares (n,), NaN for plain ones, and their centres (n, 2).

    Centres are in px of the first picture's copy. Squares that are not on both pictures are left
    out.
    """
    to_own, to_other = (
        np.array(picture.thumbnail.shape[::-1]) / picture.size for picture in (one, other)
    )
    change = np.sqrt(np.abs(np.linalg.det(found[:, :2] * to_other[:, None] / to_own)))
    step = max(1.0, 1 / change)  # px of the own thumbnail in one of the coarser
    places = _grid(one.thumbnail.shape, step)
    centres = places / to_own
    theirs = (centres @ found[:, :2].T + found[:, 2]) * to_other
    own = _sample(one.thumbnail, places, step)
    others = _sample(other.thumbnail, theirs, step * change)
    limits = np.array(other.thumbnail.shape[::-1])
    others[((theirs < 0) | (theirs > limits)).any(axis=2)] = np.nan
    squares = [_squares(values) for values in (own, others, centres[..., 0], centres[..., 1])]
    places_in_one = np.stack([part.mean(axis=1) for part in squares[2:]], axis=1)
    is_on_both = np.isfinite(squares[1]).all(axis=1)
    return _correlate(squares[0][is_on_both], squares[1][is_on_both]), places_in_one[is_on_both]


def _grid(shape: tuple[int, ...], step: float) -> Floats:
    """Return x and y (h, w, 2) of the centres of steps over a picture."""
    down, across = (np.arange(step / 2, side, step) for side in shape)
    return np.stack(np.meshgrid(across, down), axis=2)


def _sample(picture: NDArray[np.uint8], places: Floats, step: float) -> Floats:
    """Return the picture at x and y (h, w, 2), each the mean of about a step."""
    values = picture.astype(np.float32)
    if step > 1:
        values = ndimage.gaussian_filter(values, step / 2)
    at = [places[..., 1] - 0.5, places[..., 0] - 0.5]
    return np.asarray(ndimage.map_coordinates(values, at, order=1, mode="nearest"))


def _squares(values: Floats) -> Floats:
    """Cut an array (h, w) into squares (n, px), without what remains at its end."""
    high, wide = (side // _CELL for side in values.shape)
    cut = values[: high * _CELL, : wide * _CELL].reshape(high, _CELL, wide, _CELL)
    return cut.swapaxes(1, 2).reshape(high * wide, _CELL**2)


def _correlate(one: Floats, other: Floats) -> Floats:
    """Return the correlation of squares (n, px); NaN where both are plain."""
    a, b = (values - values.mean(axis=1, keepdims=True) for values in (one, other))
    contrast = np.sqrt(np.stack([(a * a).mean(axis=1), (b * b).mean(axis=1)]))
    correlation = (a * b).mean(axis=1) / (contrast.prod(axis=0) + 1)
    return np.where(contrast.max(axis=0) > _LEAST_CONTRAST, correlation, np.nan)
