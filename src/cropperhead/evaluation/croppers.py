"""Every way to crop that is compared, all of one type: photos in, crops out.

A cropper gives its crops as (draws, n, 5) limits: one draw when it is deterministic, many when it
is random, so that its scores can be averaged over what chance would have given.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import FULL_FRAME, Floats, inside_frame

if TYPE_CHECKING:  # the tables that name croppers need no TensorFlow
    from cropperhead.training.batches import Photos

HUMAN, CNN, PREDECESSOR, SHUFFLED = "human", "cnn", "predecessor", "shuffled"
RANDOM, OTHER, NONE, MEDIAN = "random", "other", "none", "median"
CENTRED, SIMILAR = "centred", "similar"
_TRIES = 1000  # of a random crop, before its bounds are called unfit
_COMPARED_SIDE = 16  # px of the small squares by which photos are found alike
_COMPARED_AT_ONCE = 256  # photos


@dataclass(frozen=True)
class Cropper:
    """A way to crop: its key in tables, its name for readers, and how it crops.

    `sampler` says of a random one how it draws.
    """

    key: str
    label: str
    note: str
    crop: "Callable[[Photos], Floats]"
    sampler: str = ""


def no_crop() -> Cropper:
    """The whole frame."""
    return Cropper(NONE, "No crop", "the whole frame", _constant(np.array(FULL_FRAME)))


def median_crop(training: Floats) -> Cropper:
    """The median of each limit of the training crops (n, 5): one crop for every photo."""
    note = "the median of each limit of the training crops"
    return Cropper(MEDIAN, "Constant median crop", note, _constant(np.median(training, axis=0)))


def centred_crop(training: Floats) -> Cropper:
    """A level crop about the middle of the frame, of the median height and width of (n, 5)."""
    size = np.median(training[:, 2:4] - training[:, :2], axis=0)
    limits = np.concatenate([(1 - size) / 2, (1 + size) / 2, [0.0]])
    note = "about the middle, of the training crops' median height and width"
    return Cropper(CENTRED, "Centred crop", note, _constant(limits))


def similar_crop(known: "Photos", limits: Floats) -> Cropper:
    """The crop, of (n, 5) `limits`, of the `known` photo that looks most like the one to crop.

    Alike are photos whose 16 x 16 px squares correlate, less the difference of the logarithms of
    their shapes.
    """
    seen, shape = _looks(known), np.log(known.aspect.astype(float))

    def crop(photos: "Photos") -> Floats:
        own, aspect = np.log(photos.aspect.astype(float)), photos.aspect.astype(float)
        parts = [
            np.argmax(look @ seen.T - np.abs(own[part, None] - shape), axis=1)
            for part, look in _portions(photos)
        ]
        nearest = np.concatenate([np.zeros(0, np.int64), *parts])
        return inside_frame(limits[nearest], aspect)[None]

    note = "as the most similar training photo was cropped"
    return Cropper(SIMILAR, "Most similar photo's crop", note, crop)


def other_crop(training: Floats, draws: int, seed: int) -> Cropper:
    """The crop, of (n, 5), of some training photo: random, but as people really crop."""

    def crop(photos: "Photos") -> Floats:
        count = len(training)
        drawn = [_generator(seed, name).integers(0, count, draws) for name in photos.names]
        dealt = training[np.stack(drawn, axis=1)] if drawn else np.zeros((draws, 0, 5))
        return inside_frame(dealt, np.broadcast_to(photos.aspect, dealt.shape[:-1]))

    note = f"the human crop of some training photo, mean of {draws} draws"
    return Cropper(OTHER, "Another photo's human crop", note, crop)


def network(predict: "Callable[[Photos], Floats]", name: str) -> Cropper:
    """A trained network, by the name of its design."""
    if name == "predecessor":
        return replace(predecessor(predict), key=CNN)
    note = f"the trained network, “{name}”: the mean of its crops of photo and mirror image"
    return Cropper(CNN, "CNN", note, lambda photos: predict(photos)[None])


def predecessor(predict: "Callable[[Photos], Floats]") -> Cropper:
    """The network of the first CropperHead."""
    note = "the network of the first CropperHead, trained on the same photos"
    return Cropper(PREDECESSOR, "Predecessor's CNN", note, lambda photos: predict(photos)[None])


def shuffled(predict: "Callable[[Photos], Floats]", draws: int, seed: int) -> Cropper:
    """The network's own crops, dealt to other photos: what it would score had it not looked."""

    def crop(photos: "Photos") -> Floats:
        predicted = predict(photos)
        order = np.random.default_rng(seed).permutation(len(predicted))
        place = np.argsort(order)
        shifts = np.arange(1, max(2, min(draws, len(order) - 1) + 1))
        dealt = predicted[order[(place + shifts[:, None]) % len(order)]]
        return inside_frame(dealt, np.broadcast_to(photos.aspect, dealt.shape[:-1]))

    note = "the network's crops, each laid on another photo"
    return Cropper(SHUFFLED, "CNN, shuffled between photos", note, crop)


def random_within_bounds(
    training: Floats, percentiles: tuple[float, float], draws: int, seed: int
) -> Cropper:
    """Each limit drawn evenly and on its own between percentiles of the training crops' (n, 5)."""
    low, high = np.percentile(training, percentiles, axis=0)

    def crop(photos: "Photos") -> Floats:
        per_photo = [_draws(low, high, draws, _generator(seed, name)) for name in photos.names]
        drawn = np.stack(per_photo, axis=1)
        return inside_frame(drawn, np.broadcast_to(photos.aspect, drawn.shape[:-1]))

    note = f"mean of {draws} draws a photo, within the training crops' bounds"
    return Cropper(
        RANDOM, "Random within bounds", note, crop, sampler=_sampler(low, high, percentiles, draws)
    )


def _sampler(low: Floats, high: Floats, percentiles: tuple[float, float], draws: int) -> str:
    names = ("top", "left", "bottom", "right")
    pairs = zip(names, low, high, strict=False)
    bounds = ", ".join(f"{name} {a:.2f} to {b:.2f}" for name, a, b in pairs)
    return (
        "Each value is drawn evenly and on its own between percentiles "
        f"{percentiles[0]:g} and {percentiles[1]:g} of the training crops: {bounds}, angle "
        f"{low[4]:.1f} to {high[4]:.1f} degrees. A crop without an area is drawn again; one that "
        "leaves the frame when tilted is shrunk into it. Scores are means over "
        f"{draws} draws for each photo; the outline shown is the first."
    )


def _portions(photos: "Photos") -> Iterator[tuple[slice, Floats]]:
    """Parts of the photos that fit in memory, each with its looks."""
    for start in range(0, len(photos.names), _COMPARED_AT_ONCE):
        part = slice(start, start + _COMPARED_AT_ONCE)
        yield part, _standardised(photos.images[part])


def _looks(photos: "Photos") -> Floats:
    """What photos look like, (n, 768): products of two rows are their correlation."""
    return np.concatenate(
        [np.zeros((0, 3 * _COMPARED_SIDE**2)), *(x for _, x in _portions(photos))]
    )


def _standardised(images: NDArray[np.uint8]) -> Floats:
    count, side = images.shape[:2]
    block = side // _COMPARED_SIDE
    edge = block * _COMPARED_SIDE  # what fills no block is left out
    blocks = images[:, :edge, :edge].reshape(count, _COMPARED_SIDE, block, _COMPARED_SIDE, block, 3)
    flat = blocks.mean(axis=(2, 4)).reshape(count, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9))


def _constant(limits: Floats) -> "Callable[[Photos], Floats]":
    def crop(photos: "Photos") -> Floats:
        repeated = np.tile(limits, (len(photos.names), 1))
        return inside_frame(repeated, photos.aspect)[None]

    return crop


def _generator(seed: int, name: str) -> np.random.Generator:
    """A generator of the photo's own, so that other photos change no draw of this one."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def _draws(low: Floats, high: Floats, count: int, generator: np.random.Generator) -> Floats:
    """`count` crops (count, 5); those without an area are drawn again."""
    drawn = generator.uniform(low, high, (count, 5))
    for _ in range(_TRIES):
        empty = (drawn[:, 2] <= drawn[:, 0]) | (drawn[:, 3] <= drawn[:, 1])
        if not empty.any():
            return drawn
        drawn[empty] = generator.uniform(low, high, (int(empty.sum()), 5))
    raise ValueError(f"no crop with an area lies between {low} and {high}")
