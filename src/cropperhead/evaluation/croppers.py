"""All the ways to crop that an evaluation compares: photos in, crops out.

Each returns its crops as (draws, n, 5) limits: one draw if it is deterministic, many if it is
random, so that its scores can be averaged over chance.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cropperhead.evaluation.number_text import format_number
from cropperhead.geometry.crops import FULL_FRAME, Floats, inside_frame

if TYPE_CHECKING:  # tables that only name croppers need no TensorFlow
    from cropperhead.training.batches import PhotoArrays

HUMAN, CNN, PREDECESSOR, SHUFFLED = "human", "cnn", "predecessor", "shuffled"
RANDOM, OTHER, NONE, MEDIAN = "random", "other", "none", "median"
SHAPE, CENTRED, SIMILAR = "shape", "centred", "similar"
_SQUARE = 1.05  # long side / short side, up to which a photo is neither portrait nor landscape
_LEAST_ALIKE = 30  # training crops, whose median is off by no more than a quarter of their spread
_SAME_SHAPE = 0.01  # of the logarithm of width / height: frames of one camera differ by less
_TRIES = 1000  # to draw a random crop, before its bounds are rejected
_COMPARED_SIDE = 16  # px of the small squares on which photos are compared
_COMPARED_AT_ONCE = 256  # photos


@dataclass(frozen=True)
class CropMethod:
    """A way to crop: its key in tables, its label for readers, and the function that crops.

    `sampler` describes how a random one draws.
    """

    key: str
    label: str
    note: str
    crop: "Callable[[PhotoArrays], Floats]"
    sampler: str = ""


def no_crop() -> CropMethod:
    """Keep the whole frame."""
    return CropMethod(NONE, "No crop", "the whole frame", _constant(np.array(FULL_FRAME)))


def median_crop(training: Floats) -> CropMethod:
    """Crop every photo alike: the median of each limit of the training crops (n, 5)."""
    note = "the median of each limit of the training crops"
    return CropMethod(MEDIAN, "Constant median crop", note, _constant(np.median(training, axis=0)))


def shape_crop(training: Floats, aspect: Floats) -> CropMethod:
    """Crop photos of one shape alike: all that a cropper can know without seeing the photo.

    The median of each limit of the training crops (n, 5) whose frames, of width / height `aspect`
    (n,), have the same orientation, and of these the 30 or more of the most similar shape.
    """
    shape, orientation = np.log(aspect), orientations(aspect)

    def median(of: float) -> Floats:
        distance = np.abs(shape - np.log(of))
        same = orientation == orientations(np.array([of]))
        distance = np.where(same | ~same.any(), distance, np.inf)
        reach = np.sort(distance[np.isfinite(distance)])[:_LEAST_ALIKE].max() + _SAME_SHAPE
        return np.asarray(np.median(training[distance <= reach], axis=0))

    def crop(photos: "PhotoArrays") -> Floats:
        frames = photos.aspect.astype(float)
        medians = np.array([median(each) for each in frames]).reshape(-1, 5)
        return inside_frame(medians, frames)[None]

    note = "the median of each limit of the training crops of similar frames"
    return CropMethod(SHAPE, "Constant crop by frame shape", note, crop)


def orientations(aspect: Floats) -> NDArray[np.str_]:
    """Name the orientation of frames of width / height `aspect`, (n,): portrait, for example."""
    landscape, portrait = aspect > _SQUARE, aspect < 1 / _SQUARE
    return np.where(landscape, "landscape", np.where(portrait, "portrait", "square"))


def centred_crop(training: Floats) -> CropMethod:
    """Crop level around the middle of the frame, at the median height and width of (n, 5)."""
    size = np.median(training[:, 2:4] - training[:, :2], axis=0)
    limits = np.concatenate([(1 - size) / 2, (1 + size) / 2, [0.0]])
    note = "around the middle, at the training crops' median height and width"
    return CropMethod(CENTRED, "Centred crop", note, _constant(limits))


def similar_crop(training: "PhotoArrays", limits: Floats) -> CropMethod:
    """Copy the crop, from (n, 5) `limits`, of the most similar training photo.

    Similarity is the correlation of 16 x 16 px squares, less the difference of the logarithms of
    the photos' shapes.
    """
    looks, shape = _looks(training), np.log(training.aspect.astype(float))

    def crop(photos: "PhotoArrays") -> Floats:
        own, aspect = np.log(photos.aspect.astype(float)), photos.aspect.astype(float)
        parts = [
            np.argmax(look @ looks.T - np.abs(own[part, None] - shape), axis=1)
            for part, look in _portions(photos)
        ]
        nearest = np.concatenate([np.zeros(0, np.int64), *parts])
        return inside_frame(limits[nearest], aspect)[None]

    note = "the human crop of the most similar training photo"
    return CropMethod(SIMILAR, "Most similar photo's crop", note, crop)


def other_crop(training: Floats, draws: int, seed: int) -> CropMethod:
    """Copy the crop, from (n, 5), of a random training photo: random, but as people really crop."""

    def crop(photos: "PhotoArrays") -> Floats:
        count = len(training)
        drawn = [_generator(seed, name).integers(0, count, draws) for name in photos.names]
        placed = training[np.stack(drawn, axis=1)] if drawn else np.zeros((draws, 0, 5))
        return inside_frame(placed, np.broadcast_to(photos.aspect, placed.shape[:-1]))

    note = f"the human crop of a random training photo, mean of {draws} draws"
    return CropMethod(OTHER, "Another photo's human crop", note, crop)


def trained_network(predict: "Callable[[PhotoArrays], Floats]", name: str) -> CropMethod:
    """Crop with a trained network; `name` is that of its design."""
    if name == "predecessor":
        return replace(predecessor_network(predict), key=CNN)
    note = f"the trained network, “{name}”: the mean of its crops of the photo and its mirror image"
    return CropMethod(CNN, "CNN", note, lambda photos: predict(photos)[None])


def predecessor_network(predict: "Callable[[PhotoArrays], Floats]") -> CropMethod:
    """Crop with the network of the first CropperHead."""
    note = "the network of the first CropperHead, trained on the same photos"
    return CropMethod(PREDECESSOR, "Predecessor's CNN", note, lambda photos: predict(photos)[None])


def shuffled_network(
    predict: "Callable[[PhotoArrays], Floats]", draws: int, seed: int
) -> CropMethod:
    """Place the network's own crops on other photos: its score without looking at the photo."""

    def crop(photos: "PhotoArrays") -> Floats:
        predicted = predict(photos)
        order = np.random.default_rng(seed).permutation(len(predicted))
        place = np.argsort(order)
        shifts = np.arange(1, max(2, min(draws, len(order) - 1) + 1))
        placed = predicted[order[(place + shifts[:, None]) % len(order)]]
        return inside_frame(placed, np.broadcast_to(photos.aspect, placed.shape[:-1]))

    note = "the network's crops, each placed on another photo"
    return CropMethod(SHUFFLED, "CNN, shuffled between photos", note, crop)


def random_within_bounds(
    training: Floats, percentiles: tuple[float, float], draws: int, seed: int
) -> CropMethod:
    """Draw each limit uniformly between percentiles of the training crops (n, 5)."""
    low, high = np.percentile(training, percentiles, axis=0)

    def crop(photos: "PhotoArrays") -> Floats:
        per_photo = [_draws(low, high, draws, _generator(seed, name)) for name in photos.names]
        drawn = np.stack(per_photo, axis=1)
        return inside_frame(drawn, np.broadcast_to(photos.aspect, drawn.shape[:-1]))

    note = f"mean of {draws} draws a photo, within the training crops' bounds"
    return CropMethod(
        RANDOM,
        "Random within bounds",
        note,
        crop,
        sampler=_describe_sampler(low, high, percentiles, draws),
    )


def _describe_sampler(
    low: Floats, high: Floats, percentiles: tuple[float, float], draws: int
) -> str:
    names = ("top", "left", "bottom", "right")
    pairs = zip(names, low, high, strict=False)
    bounds = ", ".join(f"{name} {a:.2f} to {b:.2f}" for name, a, b in pairs)
    return (
        "Each value is drawn uniformly and independently between percentiles "
        f"{percentiles[0]:g} and {percentiles[1]:g} of the training crops: {bounds}, angle "
        f"{format_number(low[4], 1)} to {format_number(high[4], 1)} degrees. A crop without an "
        "area is drawn again; one that leaves the frame when tilted is shrunk into it. Scores are "
        f"means over {draws} draws for each photo; the outline shown is the first draw."
    )


def _portions(photos: "PhotoArrays") -> Iterator[tuple[slice, Floats]]:
    """Yield parts of the photos that fit in memory, with what they look like."""
    for start in range(0, len(photos.names), _COMPARED_AT_ONCE):
        part = slice(start, start + _COMPARED_AT_ONCE)
        yield part, _standardised(photos.images[part])


def _looks(photos: "PhotoArrays") -> Floats:
    """Describe what photos look like, (n, 768): the product of two rows is their correlation."""
    return np.concatenate(
        [np.zeros((0, 3 * _COMPARED_SIDE**2)), *(x for _, x in _portions(photos))]
    )


def _standardised(images: NDArray[np.uint8]) -> Floats:
    count, side = images.shape[:2]
    block = side // _COMPARED_SIDE
    edge = block * _COMPARED_SIDE  # pixels that fill no block are dropped
    blocks = images[:, :edge, :edge].reshape(count, _COMPARED_SIDE, block, _COMPARED_SIDE, block, 3)
    flat = blocks.mean(axis=(2, 4)).reshape(count, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9))


def _constant(limits: Floats) -> "Callable[[PhotoArrays], Floats]":
    def crop(photos: "PhotoArrays") -> Floats:
        repeated = np.tile(limits, (len(photos.names), 1))
        return inside_frame(repeated, photos.aspect)[None]

    return crop


def _generator(seed: int, name: str) -> np.random.Generator:
    """Seed a generator by the photo's name, so that other photos do not change its draws."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def _draws(low: Floats, high: Floats, count: int, generator: np.random.Generator) -> Floats:
    """Draw `count` crops (count, 5), again where they have no area."""
    drawn = generator.uniform(low, high, (count, 5))
    for _ in range(_TRIES):
        empty = (drawn[:, 2] <= drawn[:, 0]) | (drawn[:, 3] <= drawn[:, 1])
        if not empty.any():
            return drawn
        drawn[empty] = generator.uniform(low, high, (int(empty.sum()), 5))
    raise ValueError(f"found no crop with an area between {low} and {high}")
