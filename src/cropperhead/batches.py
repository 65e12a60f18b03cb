"""Labels and shards as arrays, and as batches that a network is trained on.

Photos are squashed to squares: the limits of a crop are fractions of the frame's sides, and so stay
the same. What squashing loses, the frame's aspect, is given to the network beside the picture.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cropperhead import shards
from cropperhead.crops import CROP_COLUMNS
from cropperhead.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

_BATCHES_READ_AHEAD = 4


@dataclass(frozen=True)
class Photos:
    """Photos as a network sees them.

    `names`: n paths in the library. `images`: (n, size, size, 3) uint8, RGB, squashed to squares.
    `aspect`: (n,) float32, width / height of the displayed frame.
    """

    names: list[str]
    images: NDArray[np.uint8]
    aspect: NDArray[np.float32]

    def inputs(self) -> dict[str, NDArray[Any]]:
        """What a network of `models` takes: `image` (n, size, size, 3), `aspect` (n, 1)."""
        return {"image": self.images, "aspect": self.aspect[:, None]}

    def mirrored(self) -> "Photos":
        """The photos mirrored left to right."""
        return Photos(self.names, self.images[:, :, ::-1], self.aspect)

    def first(self, count: int) -> "Photos":
        """The first `count` photos, or all where there are fewer."""
        return Photos(self.names[:count], self.images[:count], self.aspect[:count])


@dataclass(frozen=True)
class Examples:
    """Crops to learn from: one for each (photo, author), so that a photo may have several.

    `photo`: (m,), the place of each crop's photo in `photos`. `limits`: (m, 5) float32.
    """

    photos: Photos
    photo: NDArray[np.int64]
    limits: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.limits)

    @property
    def aspect(self) -> NDArray[np.float32]:
        """Width / height of the frame of each crop's photo, (m,)."""
        return self.photos.aspect[self.photo]


def read(folder: Path, photos: Sequence[str], size: int) -> Photos:
    """Photos from the shards in `folder`, in the order given, squashed to `size` x `size` px.

    Raises DataError when the shards lack one.
    """
    place = {name: i for i, name in enumerate(photos)}
    images = np.zeros((len(photos), size, size, 3), np.uint8)
    aspect = np.zeros(len(photos), np.float32)
    for name, jpeg in shards.iter_images(folder, set(place)):
        images[place[name]], aspect[place[name]] = _squashed(jpeg, size)
    missing = [name for name, ratio in zip(photos, aspect, strict=True) if ratio == 0]
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(photos)} photos are not in the shards, "
            f"{missing[0]} first. Run `dvc repro` again from extract."
        )
    return Photos(list(photos), images, aspect)


def examples(folder: Path, labels: pd.DataFrame, size: int) -> Examples:
    """The labels' photos, read once each, and their crops, in the order of the labels.

    Raises DataError when there is no label or a photo is missing.
    """
    if labels.empty:
        raise DataError(
            f"{folder}: no label to learn from. Add photos, or check params.yaml split."
        )
    names = list(dict.fromkeys(labels["photo"]))
    place = pd.Index(names).get_indexer(labels["photo"]).astype(np.int64)
    limits = labels[list(CROP_COLUMNS)].to_numpy(np.float32)
    return Examples(read(folder, names, size), place, limits)


def training_batches(crops: Examples, size: int, jitter: float, seed: int) -> "tf.data.Dataset":
    """Endless batches of (inputs, limits), `size` crops each, the last of an epoch the rest.

    Each epoch has every crop once, in an order of its own; photos are mirrored and their colours
    changed at random (see `augment`). The same seed gives the same batches.
    """
    import tensorflow as tf  # noqa: PLC0415 - comparing croppers needs Photos but no TensorFlow

    from cropperhead.augment import augmented  # noqa: PLC0415

    images, aspect = tf.constant(crops.photos.images), tf.constant(crops.photos.aspect[:, None])
    photo, limits = tf.constant(crops.photo), tf.constant(crops.limits)

    def batch(step: tf.Tensor, rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        places = tf.gather(photo, rows)
        drawn_from = tf.stack([tf.constant(seed, tf.int64), step])
        image, crop = augmented(
            tf.gather(images, places), tf.gather(limits, rows), jitter, drawn_from
        )
        return {"image": image, "aspect": tf.gather(aspect, places)}, crop

    order = tf.data.Dataset.range(len(crops)).shuffle(len(crops), seed=seed)
    numbered = order.batch(size).repeat().enumerate()
    return numbered.map(batch, num_parallel_calls=1).prefetch(_BATCHES_READ_AHEAD)


def steps(crops: Examples, size: int) -> int:
    """How many batches an epoch has."""
    return -(-len(crops) // size)


def _squashed(jpeg: bytes, size: int) -> tuple[NDArray[np.uint8], float]:
    """The picture as a square, and the width / height it had."""
    with Image.open(io.BytesIO(jpeg)) as image:
        aspect = image.width / image.height
        square = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square), aspect
