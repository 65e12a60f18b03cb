"""How a crop is composed, as far as numbers can tell without a person's crop beside it.

What draws the eye is guessed by the spectral residual (Hou and Zhang, CVPR 2007): what a small grey
picture has beyond the smooth spectrum that nearly all pictures share. It finds what is unlike its
surroundings: a boat on water, lights at night. It knows no things: a face is to it no more than its
outline, colour alone is nothing, foliage and crowds are salient all over, and so is whatever shines
at the photo's edge. It may serve to compare ways to crop over many photos, and says little of one.

Maps have `GRID` x `GRID` cells of the photo squashed to a square. Lengths are in frame heights and
angles clockwise in the displayed frame, as in `crops`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cropperhead.evaluation.results import Better
from cropperhead.geometry.crops import Floats
from cropperhead.training.batches import Photos, Pixels

Map = NDArray[np.float32]

GRID = 32  # cells a side; the smoothed map holds nothing finer
_SIDE = 64  # px a side of the picture that the residual is taken of, as Hou and Zhang's
_SMOOTHING = 2.5  # px; the Gaussian of the authors' code
_NEIGHBOURS = 3  # frequencies a side, whose mean is the smooth spectrum; as theirs
_FLAT = 1 / 255  # standard deviation of brightness below which nothing stands out
_LEAST_AMPLITUDE = 1e-3  # of a frequency: far below what rounding to 256 greys leaves
_BAND = 0.02  # of the crop's diagonal, to either side of its border
_AT_ONCE = 64  # photos; 16 MB an array of their greys

_REACH_DEG = 15.0  # what leans more is meant to
_BINS = 360
_ANGLES = (np.arange(_BINS) + 0.5) * 90 / _BINS - 45
_SPREAD_DEG = 1.0  # standard deviation of the Gaussian that smooths the counts of directions
# Times the mean count. Of 1,275 photos 38 % have such a direction. Where their photographers had
# turned the crop, it was off by 2.8 degrees in the mean before, and by 1.4 after.
_STANDS_OUT = 5.0
_SLOPE_BLUR, _SLOPE_WINDOW = 1.0, 2.0  # px, of a slope, and of where an edge must keep straight
_SLOPE_STRIDE, _EDGE_STRIDE = 2, 4  # px
_MARGIN = 4  # px at the border, where the blur sees what is not there
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Description:
    """A measure's key in `measured`, its name and unit for readers, and what it means."""

    key: str
    name: str
    unit: str
    better: Better
    meaning: str


DESCRIPTIONS = (
    Description(
        "kept",
        "Salient content kept",
        "share",
        "neither",
        "The share of the photo's salience inside the crop. Salience is the spectral residual "
        "(Hou and Zhang 2007), which finds what differs from its surroundings and knows no faces "
        "or things. A larger crop keeps more: the whole frame keeps all.",
    ),
    Description(
        "density",
        "Salience for the area",
        "times the photo's mean",
        "higher",
        "The share of salience kept over the share of the area kept: 1 for the whole frame, and "
        "for a crop laid down without looking; more where what is cut off is emptier than what "
        "stays. A crop tight about one bright spot would have the most.",
    ),
    Description(
        "cut",
        "Salience at the border",
        "times the photo's mean",
        "lower",
        "Mean salience within 2 % of the crop's diagonal of its border, over the photo's mean: 1 "
        "where the border runs through as much as there is anywhere. Cannot tell a thing cut in "
        "two from one that ends there.",
    ),
    Description(
        "thirds",
        "Distance to the thirds",
        "of the diagonal",
        "neither",
        "From the centre of squared salience inside the crop to the nearest of the four points of "
        "thirds: 0 on one, 0.167 in the crop's middle. Not every photo is meant to obey the rule "
        "of thirds; of several subjects, or texture all over, the centre lies in the middle; and "
        "whether people come nearer than chance hangs on the power that salience is weighed by.",
    ),
    Description(
        "tilt",
        "Lines off level",
        "degrees",
        "lower",
        "Between the crop's sides and the photo's strongest lines within 15 degrees of level or "
        "upright, of photos where such a direction stands out. Slopes and converging walls are "
        "lines as well, and some photos are meant to lean.",
    ),
)


@dataclass(frozen=True)
class Fields:
    """What is known of n photos whatever their crops; 12 kB a photo.

    `aspect` (n,): width / height. Maps (n, GRID, GRID): `saliency`, which sums to 1 for each photo;
    `brightness` in [0, 1]; `detail`, the slope of brightness for each px of a square of 64 px.
    `direction` (n,): degrees by which the photo's strongest near-level or near-upright lines are
    turned; NaN where none stands out.
    """

    aspect: Floats
    saliency: Map
    brightness: Map
    detail: Map
    direction: Floats

    def __len__(self) -> int:
        return len(self.aspect)

    def of(self, places: "NDArray[np.integer[Any]] | slice") -> "Fields":
        """The fields of the photos at `places`, as of labels, of which a photo may have several."""
        return Fields(
            self.aspect[places],
            self.saliency[places],
            self.brightness[places],
            self.detail[places],
            self.direction[places],
        )

    def parts(self) -> list[slice]:
        """Slices of few photos each, for what takes memory."""
        return [slice(start, start + _AT_ONCE) for start in range(0, len(self), _AT_ONCE)]


def fields(photos: Photos) -> Fields:
    """The fields of photos, whose pixels are read a few at a time."""
    aspect = np.asarray(photos.aspect, float)
    maps = np.zeros((3, len(aspect), GRID, GRID), np.float32)
    direction = np.zeros(len(aspect))
    for start in range(0, len(aspect), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        images = photos.images[part]
        for place, image in enumerate(images, start):
            maps[:, place] = _maps(image)
        direction[part] = _directions(images, aspect[part])
    return Fields(aspect, maps[0], maps[1], maps[2], direction)


def measured(found: Fields, limits: Floats) -> dict[str, Floats]:
    """Each measure of `DESCRIPTIONS`, (n,), of one crop (n, 5) for each photo.

    NaN where there is nothing to measure: `tilt` of photos without a direction, whatever the crop;
    all but `kept` and `tilt` of crops without an area.
    """
    limits = np.asarray(limits, float)
    measures = np.zeros((len(DESCRIPTIONS), len(found)))
    for part in found.parts():
        measures[:-1, part] = _of_salience(found.of(part), limits[part])
    measures[-1] = np.abs(found.direction - limits[:, 4])
    return {each.key: row for each, row in zip(DESCRIPTIONS, measures, strict=True)}


def coverage(limits: Floats, aspect: Floats, margin: Floats | float = 0.0) -> Floats:
    """The share of each cell that lies in the crop, (n, GRID, GRID).

    The crop is grown by `margin`, (n,) or one, on all sides. Exact for an untilted crop; at a
    tilted one's border cells count as if they were turned with it.
    """
    across, down, half = _in_crop(limits, aspect)
    half = half + np.reshape(margin, (-1, 1))
    turn = np.deg2rad(np.abs(limits[:, 4]))
    sine, cosine = np.sin(turn) / GRID, np.cos(turn) / GRID
    wide = _covered(across, half[:, 0], aspect * cosine + sine)
    return wide * _covered(down, half[:, 1], aspect * sine + cosine)


def saliency(grey: Floats) -> Floats:
    """Where a grey picture (side, side) in [0, 1] draws the eye; sums to 1, even where none does.

    The spectral residual, smoothed. A spectrum takes opposite borders for neighbours and finds
    edges there; so only the picture's periodic component is used (Moisan 2011).
    """
    if grey.std() < _FLAT:
        return np.full(grey.shape, 1 / grey.size)
    spectrum = _periodic_spectrum(grey)
    logarithm = np.log(np.abs(spectrum) + _LEAST_AMPLITUDE)
    residual = logarithm - ndimage.uniform_filter(logarithm, _NEIGHBOURS, mode="wrap")
    found = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = np.asarray(ndimage.gaussian_filter(found, _SMOOTHING, mode="reflect"))
    return np.asarray(smooth / smooth.sum())


def _of_salience(found: Fields, limits: Floats) -> Floats:
    """kept, density, cut and thirds, (4, n)."""
    across, down, half = _in_crop(limits, found.aspect)
    diagonal = 2 * np.hypot(*half.T)
    band = _BAND * diagonal
    inside = coverage(limits, found.aspect)
    border = coverage(limits, found.aspect, band) - coverage(limits, found.aspect, -band)
    weight = inside * found.saliency
    kept = _total(weight)
    with np.errstate(invalid="ignore", divide="ignore"):  # of crops without an area
        density = kept / (_total(inside) / GRID**2)
        cut = _total(border * found.saliency) / (_total(border) / GRID**2)
        # squared, since some salience lies thinly all over
        strong = weight * found.saliency
        centre = np.stack([_total(strong * each) for each in (across, down)]) / _total(strong)
        thirds = np.hypot(*(np.abs(centre) - half.T / 3)) / diagonal
    return np.stack([kept, density, cut, thirds])


def _in_crop(limits: Floats, aspect: Floats) -> tuple[Floats, Floats, Floats]:
    """Where cells' centres lie along a crop's sides from its centre, and half the sides' lengths.

    Across and down, (n, GRID, GRID) each; half the width and height, (n, 2).
    """
    top, left, bottom, right, angle = limits.T
    place = (np.arange(GRID) + 0.5) / GRID
    x = (place - ((left + right) / 2)[:, None])[:, None, :] * aspect[:, None, None]
    y = (place - ((top + bottom) / 2)[:, None])[:, :, None]
    radians = np.deg2rad(angle)[:, None, None]
    cosine, sine = np.cos(radians), np.sin(radians)
    half = np.stack([(right - left) / 2 * aspect, (bottom - top) / 2], axis=1)
    return x * cosine + y * sine, y * cosine - x * sine, half


def _covered(centres: Floats, half: Floats, length: Floats) -> Floats:
    """The share of stretches of a `length` (n,) about centres (n, ...) that -half to half hold."""
    half, length = half[:, None, None], length[:, None, None]
    shared = np.minimum(half, centres + length / 2) - np.maximum(-half, centres - length / 2)
    return np.asarray(np.maximum(shared, 0.0) / length)


def _total(maps: Floats) -> Floats:
    return np.asarray(maps.sum(axis=(1, 2)))


def _maps(image: Pixels) -> Map:
    """Saliency, brightness and detail of an image (side, side, 3), (3, GRID, GRID)."""
    small = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, float) / 255
    maps = np.stack([saliency(grey), grey, np.hypot(*np.gradient(grey))])
    factor = _SIDE // GRID
    means = maps.reshape(3, GRID, factor, GRID, factor).mean(axis=(2, 4))
    means[0] *= factor**2  # a share of the whole, so a sum
    return np.asarray(means, np.float32)


def _periodic_spectrum(grey: Floats) -> NDArray[np.complex128]:
    """The spectrum of a square picture without the smooth picture that its borders' jumps make."""
    jumps = np.zeros_like(grey)
    for part, rows in ((jumps, grey), (jumps.T, grey.T)):
        part[0] += rows[-1] - rows[0]
        part[-1] -= rows[-1] - rows[0]
    waves = 2 * np.cos(2 * np.pi * np.fft.fftfreq(len(grey)))
    laplacian = waves[:, None] + waves - 4
    laplacian[0, 0] = 1  # where the jumps' spectrum is 0
    return np.asarray(np.fft.fft2(grey) - np.fft.fft2(jumps) / laplacian)


def _directions(images: Pixels, aspect: Floats) -> Floats:
    """By how many degrees the strongest lines of images (n, side, side, 3) are turned, (n,)."""
    counts = np.stack([_counted(*edges) for edges in zip(*_edges(images, aspect), strict=True)])
    near = np.where(np.abs(_ANGLES) <= _REACH_DEG, counts, -1)
    stands_out = near.max(axis=1) > _STANDS_OUT * counts.mean(axis=1)
    return np.where(stands_out, _ANGLES[near.argmax(axis=1)], np.nan)


def _edges(images: Pixels, aspect: Floats) -> tuple[Floats, Floats]:
    """How far edges are off the nearer axis, degrees in [-45, 45), and their weights.

    From the structure tensor: how strong an edge is times the square of how straight, so that
    texture counts little. Squashing is undone in the slopes.
    """
    grey = images @ np.array(_LUMA, np.float32) / 255
    inner = slice(_MARGIN, -_MARGIN, _SLOPE_STRIDE)
    across, down = (
        ndimage.gaussian_filter(grey, (0, _SLOPE_BLUR, _SLOPE_BLUR), order)[:, inner, inner]
        for order in ((0, 0, 1), (0, 1, 0))
    )
    across = across / aspect[:, None, None]
    window, stride = _SLOPE_WINDOW / _SLOPE_STRIDE, _EDGE_STRIDE // _SLOPE_STRIDE
    xx, yy, xy = (
        ndimage.gaussian_filter(product, (0, window, window))[:, ::stride, ::stride]
        for product in (across * across, down * down, across * down)
    )
    energy = np.hypot(xx - yy, 2 * xy)
    straightness = energy / (xx + yy + 1e-4)  # 1e-4: a slope of a hundredth of grey a px is none
    turned = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2
    return (turned + 45) % 90 - 45, np.sqrt(energy) * straightness**2


def _counted(turned: Floats, weights: Floats) -> Floats:
    """Weights by direction, smoothed, (_BINS,)."""
    counts, _ = np.histogram(turned, _BINS, (-45, 45), weights=weights)
    return np.asarray(ndimage.gaussian_filter1d(counts, _SPREAD_DEG * _BINS / 90, mode="wrap"))
