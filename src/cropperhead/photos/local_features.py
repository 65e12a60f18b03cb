"""Local features of a picture, by which a cropped, turned or mirrored copy of it is recognised.

A feature is a blob: an extremum of the scale-normalised Laplacian in position and scale (Lindeberg,
Feature detection with automatic scale selection, 1998). Its code is a perceptual hash of its
surroundings, which grow with its scale: the signs of their lowest cosine frequencies. Brightness,
contrast and colour hardly change them, and the code of a mirrored or turned picture follows from
that of the picture itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating]
Codes = NDArray[np.uint64]

LONG_SIDE = 256  # px, of the copy in which features are found
THUMBNAIL_SIDE = 96  # px, the most of the thumbnail's sides
# Of those in a copy cropped to half of each side, about 20 are among these, too
_MOST_FEATURES = 200
_LEAST_SIDE = 24  # px: in smaller pictures the surroundings of a blob are the whole picture
_FINEST = 1.6  # px: the standard deviation of the first level in an octave
_LEVELS = 2  # in an octave
_FAINTEST = 0.003  # of white: above what JPEG's compression makes
_LONGEST_EDGE = 10.0  # ratio of the curvatures; a place along an edge is not well defined
_GRID = 12  # samples along the side of a feature's surroundings
_REACH = 5.0  # of its scale, from its centre to their border
_WINDOW = 0.6  # of that distance: the standard deviation of their weights
# The 64 lowest frequencies of their cosine transform, down and across, lowest first. (5, 5) is left
# out so that they are the same ones when the picture is turned.
_FREQUENCIES = np.array(
    [
        (down, degree - down)
        for degree in range(1, 11)
        for down in range(degree + 1)
        if (down, degree - down) != (5, 5)
    ]
)
_PLACE = np.dtype([("x", "<f2"), ("y", "<f2"), ("scale", "<f2"), ("is_bright", "?")])
# All ways to mirror a picture or turn it by 90 degrees: whether its rows become columns, and
# whether it is then flipped down and across
TURNS = tuple((swap, down, across) for swap in (0, 1) for down in (0, 1) for across in (0, 1))


@dataclass(frozen=True)
class LocalFeatures:
    """The features of one picture, strongest first, and a thumbnail.

    `places` (n, 2) are x and y in px of a copy of `size` (width, height), whose long side is
    LONG_SIDE; `scales` (n,) in the same px. `is_bright` (n,) is whether the blob is brighter than
    its surroundings. The first of a code's 64 bits is that of the lowest frequency. `thumbnail`
    (height, width) is grey, 0 to 255.
    """

    places: Floats
    scales: Floats
    is_bright: NDArray[np.bool_]
    codes: Codes
    size: tuple[int, int]
    thumbnail: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Return them as bytes, which `from_bytes` reads."""
        places = np.zeros(len(self.codes), _PLACE)
        places["x"], places["y"] = self.places.T
        places["scale"], places["is_bright"] = self.scales, self.is_bright
        head = np.array([len(places), *self.size, *self.thumbnail.shape], "<u2")
        codes = self.codes.astype("<u8")
        return b"".join(part.tobytes() for part in (head, codes, places, self.thumbnail))

    @classmethod
    def from_bytes(cls, content: bytes) -> "LocalFeatures":
        """Read features; places and scales have three digits."""
        count, width, height, high, wide = map(int, np.frombuffer(content, "<u2", 5))
        codes = np.frombuffer(content, "<u8", count, 10).astype(np.uint64)
        places = np.frombuffer(content, _PLACE, count, 10 + codes.nbytes)
        thumbnail = np.frombuffer(content, np.uint8, high * wide, 10 + codes.nbytes + places.nbytes)
        return cls(
            np.stack([places["x"], places["y"]], axis=1).astype(float),
            places["scale"].astype(float),
            places["is_bright"],
            codes,
            (width, height),
            thumbnail.reshape(high, wide),
        )

    def turned(self, turn: int) -> "LocalFeatures":
        """Return the features of the picture after a turn, a place in TURNS."""
        swap, down, across = TURNS[turn]
        thumbnail = self.thumbnail.T if swap else self.thumbnail
        return replace(
            self,
            places=turn_places(self.places, np.array([self.size]), turn),
            codes=turn_codes(self.codes, turn),
            size=self.size[::-1] if swap else self.size,
            thumbnail=thumbnail[:: -1 if down else 1, :: -1 if across else 1],
        )


def turn_codes(codes: Codes, turn: int) -> Codes:
    """Return the codes (n,) of the same features after a turn, a place in TURNS.

    Mirroring changes the sign of odd frequencies; swapping rows and columns swaps frequencies.
    """
    order, flipped = _CODE_TURNS[turn]
    return _to_codes(_to_bits(codes)[:, order] ^ flipped)


def turn_places(places: Floats, sizes: NDArray[Any], turn: int) -> Floats:
    """Return x and y (n, 2) after a turn, a place in TURNS, of pictures of `sizes` (n, 2)."""
    swap, down, across = TURNS[turn]
    if swap:
        places, sizes = places[:, ::-1], sizes[:, ::-1]
    return np.where([across, down], sizes - places, places)


def find_features(picture: Image.Image) -> LocalFeatures:
    """Find the features of an upright picture."""
    grey = picture.convert("L")
    small = _reduced(grey, LONG_SIDE)
    found, surroundings = _blobs(np.asarray(small, np.float32) / 255)
    thumbnail = np.asarray(_reduced(grey, THUMBNAIL_SIDE))
    places, scales, is_bright = found[:, :2], found[:, 2], found[:, 3] > 0
    return LocalFeatures(places, scales, is_bright, _codes(surroundings), small.size, thumbnail)


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    size = [max(1, round(scale * each)) for each in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _blobs(pixels: Floats) -> tuple[Floats, Floats]:
    """Return x, y, scale and response (n, 4) of the strongest blobs, and their surroundings."""
    octaves = _octaves(pixels)
    blobs = _strongest([laplacians for laplacians, _ in octaves])
    surroundings = np.empty((len(blobs), _GRID, _GRID))
    for number, (_, blur) in enumerate(octaves):
        for level in range(1, _LEVELS + 1):
            own = np.flatnonzero((blobs[:, 0] == number) & (np.rint(blobs[:, 1]) == level))
            if len(own):
                y, x, scales = blobs[own, 2], blobs[own, 3], _scale(blobs[own, 1])
                surroundings[own] = _surroundings(blur(level), y, x, scales)
    shapes = [laplacians.shape[1:] for laplacians, _ in octaves]
    return _in_picture(blobs, shapes, pixels.shape), surroundings


def _strongest(octaves: Sequence[Floats]) -> Floats:
    """Return octave, level, y, x and response (n, 5) of the strongest blobs in Laplacians."""
    found = [np.insert(_extrema(each), 0, number, axis=1) for number, each in enumerate(octaves)]
    blobs = np.concatenate([np.empty((0, 5)), *found])
    return blobs[np.argsort(-np.abs(blobs[:, 4]), kind="stable")[:_MOST_FEATURES]]


def _in_picture(blobs: Floats, shapes: Sequence[tuple[int, ...]], whole: tuple[int, ...]) -> Floats:
    """Return x, y, scale and response (n, 4) in px of the picture, from blobs in their octaves."""
    octave = blobs[:, 0].astype(int)
    steps = np.divide(whole, np.reshape(shapes, (-1, 2)))[octave]
    y, x = ((blobs[:, 2:4] + 0.5) * steps).T
    return np.column_stack([x, y, _scale(blobs[:, 1]) * np.sqrt(steps.prod(axis=1)), blobs[:, 4]])


def _scale(level: Any) -> Any:
    """The standard deviation of the blur at a level, in px of its octave."""
    return _FINEST * 2 ** ((level - 1) / _LEVELS)


def _octaves(pixels: Floats) -> list[tuple[Floats, Callable[[int], Floats]]]:
    """Return each octave's Laplacians (levels + 2, height, width), and its blur by level.

    An octave has half the sides of the one before: a part of the picture's cosine transform is the
    transform of the smaller picture. Blur and Laplacian are factors there.
    """
    height, width = pixels.shape
    spectrum = scipy.fft.dctn(pixels, norm="ortho")
    octaves = []
    while min(height, width) >= _LEAST_SIDE:
        shrunk = np.float32(np.sqrt(height * width / pixels.size))
        octaves.append(_octave(spectrum[:height, :width] * shrunk))
        height, width = height // 2, width // 2
    return octaves


def _octave(spectrum: Floats) -> tuple[Floats, Callable[[int], Floats]]:
    down, across = (
        (np.pi / side * np.arange(side, dtype=np.float32)) ** 2 for side in spectrum.shape
    )

    @cache
    def damped(level: int) -> Floats:
        half = np.float32(_scale(level) ** 2 / 2)
        return np.asarray(spectrum * np.exp(-half * down)[:, None] * np.exp(-half * across))

    def blur(level: int) -> Floats:
        return np.asarray(scipy.fft.idctn(damped(level), norm="ortho"))

    frequency = down[:, None] + across
    stack = [
        damped(level) * frequency * np.float32(-(_scale(level) ** 2))
        for level in range(_LEVELS + 2)
    ]
    return np.asarray(scipy.fft.idctn(np.stack(stack), axes=(1, 2), norm="ortho")), blur


def _extrema(laplacians: Floats) -> Floats:
    """Return level, y, x and response (n, 4) of blobs, refined to fractions of a step."""
    inner = laplacians[1:-1, 1:-1, 1:-1]
    bright = (inner < -_FAINTEST) & (inner == _of_neighbours(np.minimum, laplacians))
    dark = (inner > _FAINTEST) & (inner == _of_neighbours(np.maximum, laplacians))
    centre = np.stack(np.unravel_index(np.flatnonzero(bright | dark), inner.shape)) + 1
    values, places = laplacians.ravel(), np.ravel_multi_index(list(centre), laplacians.shape)
    _, height, width = laplacians.shape

    def at(level: int, down: int, across: int) -> Floats:
        step = (level * height + down) * width + across
        return np.asarray(values[places + step], dtype=float)

    here = at(0, 0, 0)
    steps = np.eye(3, dtype=int)
    before, after = (np.stack([at(*(sign * step)) for step in steps]) for sign in (-1, 1))
    curvature = before + after - 2 * here
    mixed = (at(0, 1, 1) + at(0, -1, -1) - at(0, 1, -1) - at(0, -1, 1)) / 4
    _, down, across = curvature
    # Harris's measure: the ratio of the curvatures from their sum and product
    is_blob = _LONGEST_EDGE * (down + across) ** 2 < (_LONGEST_EDGE + 1) ** 2 * (
        down * across - mixed**2
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.nan_to_num(np.clip((before - after) / 2 / curvature, -0.5, 0.5))
    return np.asarray(np.column_stack([(centre + shift).T, -here])[is_blob])


def _of_neighbours(extreme: Callable[[Floats, Floats], Floats], values: Floats) -> Floats:
    """Return the extreme of each inner value and its 26 neighbours."""
    for axis in range(values.ndim):
        ends = (slice(None, -2), slice(1, -1), slice(2, None))
        before, own, after = (values[(slice(None),) * axis + (end,)] for end in ends)
        values = extreme(extreme(before, own), after)
    return values


def _surroundings(picture: Floats, y: Floats, x: Floats, scales: Floats) -> Floats:
    """Return the picture around each blob (n, _GRID, _GRID), by bilinear interpolation."""
    offset = scales[:, None] * _REACH * _GRID_PLACES
    down, down_part = _cells(y[:, None] + offset, picture.shape[0])
    across, across_part = _cells(x[:, None] + offset, picture.shape[1])
    down, down_part = down[:, :, None], down_part[:, :, None]
    across, across_part = across[:, None], across_part[:, None]
    values, first = picture.ravel(), down * picture.shape[1] + across
    upper, lower = (
        values.take(place) * (1 - across_part) + values.take(place + 1) * across_part
        for place in (first, first + picture.shape[1])
    )
    return np.asarray(upper * (1 - down_part) + lower * down_part)


def _cells(places: Floats, side: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the px before each place, and the part of a px that remains; borders mirror."""
    mirrored = np.abs(places)
    mirrored = np.minimum(mirrored, 2 * (side - 1) - mirrored)
    inside = np.clip(mirrored, 0, side - 1.001)
    whole = inside.astype(np.intp)
    return whole, inside - whole


def _codes(surroundings: Floats) -> Codes:
    mean = (surroundings * _WEIGHTS).sum((1, 2), keepdims=True) / _WEIGHTS.sum()
    spectrum = scipy.fft.dctn((surroundings - mean) * _WEIGHTS, axes=(1, 2))
    return _to_codes(spectrum[:, _FREQUENCIES[:, 0], _FREQUENCIES[:, 1]] > 0)


def _to_bits(codes: Codes) -> NDArray[np.bool_]:
    bytes_ = codes.astype(">u8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(bytes_, axis=1).astype(bool)


def _to_codes(bits: NDArray[np.bool_]) -> Codes:
    packed = np.ascontiguousarray(np.packbits(bits, axis=1))
    return packed.view(">u8").ravel().astype(np.uint64)


def _code_turn(turn: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return each bit's place in the code before a turn, and whether its sign changes."""
    swap, *flips = TURNS[turn]
    place = {tuple(one): number for number, one in enumerate(_FREQUENCIES.tolist())}
    before = _FREQUENCIES[:, ::-1] if swap else _FREQUENCIES
    order = np.array([place[tuple(one)] for one in before.tolist()])
    return order, (_FREQUENCIES @ np.array(flips)) % 2 == 1


_GRID_PLACES = (np.arange(_GRID) - (_GRID - 1) / 2) / (_GRID / 2)  # -1 to 1
_WEIGHTS = np.exp(-(_GRID_PLACES[:, None] ** 2 + _GRID_PLACES**2) / (2 * _WINDOW**2))
_CODE_TURNS = [_code_turn(turn) for turn in range(len(TURNS))]
