"""How strong straight lines are at each tilt: a Radon transform of a photo's edges.

One edge gives its direction to a few degrees. Summed along a long line, edges give the line's to a
fraction of a degree, while those of leaves and waves cancel one another.

Columns are shifted by their offset at a tilt, which is a rotation of phase in the Fourier domain,
and added: first within segments, at a fixed set of slopes, then segment to segment, at the
requested tilts (after Brady, "A fast discrete approximation algorithm for the Radon transform",
1998). Level lines are summed in the photo, upright ones in the transposed photo.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

_SEGMENTS = 4  # of columns
_WINDOWS = tuple(slice(*ends) for ends in ((0, 2), (1, 3), (2, 4), (0, 4)))  # three halves, and all
_PERIOD = 128  # px, of the Fourier domain; it wraps around
_FREQUENCIES = np.arange(1, 33)  # cycles in that period; 0 would be the change of mean brightness
_PLACES = 64  # across lines, at which sums are taken
_SLOPES, _STEP = 79, 1 / 64  # number and distance of the slopes within segments, in px per px
_FAINT = 1e-3  # of the range of brightness: weaker gradients are noise

CHANNELS = 2 * 2 * 2 * len(_WINDOWS)


def line_sums(slope: Any, aspect: Any, tilts: NDArray[np.floating[Any]]) -> Any:
    """Logarithms of the sums along lines, (n, tilts, channels).

    `slope` (n, side, side, 2) is the gradient of brightness in [0, 1], across and down, of photos
    squashed to squares; their `aspect` (n, 1) undoes that. `tilts` are degrees, clockwise.
    Channels: level and upright lines; all lines and the strongest; as they are and less their mean
    over the tilts; and for each the windows, from left to right or top to bottom, and the whole.
    """
    tangents = np.tan(np.radians(tilts)).astype(np.float32)[None]
    moved = ops.concatenate([aspect * tangents, -1 / aspect * tangents], axis=0)
    sums, energy = _sums(_edge_directions(slope, aspect), moved)
    every = ops.log(ops.mean(sums, axis=1) * _PERIOD / energy + 1e-3)
    strongest = ops.log(ops.max(sums, axis=1) / energy + 1e-4)
    curves = ops.concatenate([every, strongest], axis=1)
    curves = ops.concatenate([curves, curves - ops.mean(curves, axis=2, keepdims=True)], axis=1)
    level, upright = ops.split(curves, 2, axis=0)
    return ops.transpose(ops.concatenate([level, upright], axis=1), (0, 2, 1))


def mirror_channels() -> NDArray[np.intp]:
    """The index of each channel's counterpart in the mirrored photo, whose tilts are reversed."""
    order = np.arange(CHANNELS).reshape(2, -1, len(_WINDOWS))
    order[0, :, :3] = order[0, :, 2::-1]
    return order.ravel()


def _edge_directions(slope: Any, aspect: Any) -> Any:
    """Edges' direction, -1 to 1: level ones (n, side, side), then upright ones, transposed.

    The strength of an edge comes from light and paint, its direction from upright and level things.
    """
    side = slope.shape[1] - slope.shape[1] % _SEGMENTS
    across = slope[:, :side, :side, 0] / ops.expand_dims(aspect, 2)
    down = slope[:, :side, :side, 1]
    size = ops.sqrt(across * across + down * down + _FAINT**2)
    return ops.concatenate([down / size, ops.transpose(across / size, (0, 2, 1))], axis=0)


def _sums(edges: Any, moved: Any) -> tuple[Any, Any]:
    """Squared sums along lines (n, places, windows, tilts), and windows' energy (n, windows, 1).

    `moved` (n, tilts): the px by which a line falls for each px to the right.
    """
    side, count = edges.shape[1], moved.shape[1]
    energy = ops.reshape(ops.sum(edges * edges, axis=1), (-1, 1, _SEGMENTS, side // _SEGMENTS))
    energy = ops.reshape(_sum_windows(ops.sum(energy, axis=3)) + 1e-3, (-1, len(_WINDOWS), 1))
    whole = _join_segments(_segment_sums(edges, moved), moved, side // _SEGMENTS)
    whole = ops.reshape(whole, (-1, 2 * len(_FREQUENCIES), len(_WINDOWS) * count))
    cosine, sine = _waves(_about_0(_PLACES) * (_PERIOD / _PLACES))
    back = np.concatenate([cosine, -sine], axis=0).T * (2 / _PERIOD)
    sums = ops.reshape(ops.matmul(back, whole), (-1, _PLACES, len(_WINDOWS), count))
    return sums * sums, energy


def _segment_sums(edges: Any, moved: Any) -> Any:
    """Spectra of sums within segments, (n, frequencies, real and imaginary, segments, tilts)."""
    side = edges.shape[1]
    wide, many = side // _SEGMENTS, len(_FREQUENCIES)
    cosine, sine = _waves(_about_0(side))
    spectrum = ops.matmul(np.concatenate([cosine, -sine], axis=0), edges)
    spectrum = ops.reshape(spectrum, (-1, 2, many, _SEGMENTS, wide))
    spectrum = ops.reshape(ops.transpose(spectrum, (2, 0, 1, 3, 4)), (many, -1, wide))
    cosine, sine = _waves(np.outer(_about_0(wide), _about_0(_SLOPES) * _STEP))
    shape = (many, -1, 2, _SEGMENTS, _SLOPES)
    by_cosine = ops.reshape(ops.matmul(spectrum, cosine), shape)
    by_sine = ops.reshape(ops.matmul(spectrum, sine), shape)
    by_sine = ops.concatenate([-by_sine[:, :, 1:], by_sine[:, :, :1]], axis=2)
    sums = ops.transpose(by_cosine + by_sine, (1, 0, 2, 3, 4))
    sums = _interpolate(ops.reshape(sums, (-1, many * 2 * _SEGMENTS, _SLOPES)), moved)
    return ops.reshape(sums, (-1, many, 2, _SEGMENTS, moved.shape[1]))


def _interpolate(sums: Any, moved: Any) -> Any:
    """From sums at the fixed slopes (n, k, slopes) to those at others (n, tilts): (n, k, tilts)."""
    steepest = _SLOPES // 2 * _STEP
    place = ops.expand_dims(ops.clip(moved, -steepest, steepest) / _STEP, 1)
    near = ops.relu(1 - ops.abs(place - _about_0(_SLOPES).astype(np.float32)[None, :, None]))
    return ops.matmul(sums, near)


def _join_segments(sums: Any, moved: Any, wide: int) -> Any:
    """Windows' spectra, (n, real and imaginary by frequency, windows, tilts).

    From those of segments of `wide` px, each shifted by its offset at the tilt.
    """
    middles = _about_0(_SEGMENTS) * wide
    turns = np.multiply.outer(_FREQUENCIES, middles) * (2 * np.pi / _PERIOD)
    turns = turns.astype(np.float32)[None, :, :, None]
    phase = ops.reshape(moved, (-1, 1, 1, moved.shape[1])) * turns
    cosine, sine = ops.cos(phase), ops.sin(phase)
    real, imaginary = sums[:, :, 0], sums[:, :, 1]
    both = [real * cosine - imaginary * sine, real * sine + imaginary * cosine]
    return _sum_windows(ops.concatenate(both, axis=1))


def _sum_windows(values: Any) -> Any:
    """Sums over the segments of each window: (n, any, segments, ...) to (n, any, windows, ...).

    Not with +: of three or more tensors, TensorFlow begins with whichever is ready first.
    """
    sums = [ops.sum(values[:, :, window], axis=2, keepdims=True) for window in _WINDOWS]
    return ops.concatenate(sums, axis=2)


def _about_0(count: int) -> NDArray[np.floating[Any]]:
    """Numbers one apart and symmetric about 0, so that the mirror image gives the same sums."""
    return np.arange(count) - (count - 1) / 2


def _waves(places: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine of each frequency at places (...) px, each (frequencies, ...)."""
    phase = np.multiply.outer(_FREQUENCIES, places) * (2 * np.pi / _PERIOD)
    return np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32)
