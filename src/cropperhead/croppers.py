"""Every way to crop that is compared, all of one type: photos in, crops out.

A cropper gives its crops as (draws, n, 5) limits: one draw when it is deterministic, many when it
is random, so that its scores can be averaged over what chance would have given.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cropperhead.crops import FULL_FRAME, Floats, inside_frame

if TYPE_CHECKING:  # the tables that name croppers need no TensorFlow
    from cropperhead.batches import Photos

HUMAN, CNN, RANDOM, NONE, MEDIAN, SHUFFLED = "human", "cnn", "random", "none", "median", "shuffled"
_TRIES = 1000  # of a random crop, before its bounds are called unfit


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


def network(predict: "Callable[[Photos], Floats]", name: str) -> Cropper:
    """A trained network, by the name of its design."""
    note = f"the trained network, “{name}”: the mean of its crops of photo and mirror image"
    label = "Predecessor's CNN" if name == "predecessor" else "CNN"
    return Cropper(CNN, label, note, lambda photos: predict(photos)[None])


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
