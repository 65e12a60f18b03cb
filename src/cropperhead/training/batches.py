"""Labels and shards as arrays, and as batches that a network is trained on.

Photos are squashed to squares: the limits of a crop are fractions of the frame's sides, and so stay
the same. Squashing loses the frame's aspect, which the network gets as a second input.

Pixels are kept on disk: 100,000 photos of 128 x 128 px are 5 GB.
"""

import io
import itertools
import math
import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from PIL import Image
from tqdm import tqdm

from cropperhead.dataset import shards
from cropperhead.errors import DataError
from cropperhead.geometry.crops import CROP_COLUMNS, mirror
from cropperhead.params import INPUT_SIDE
from cropperhead.photos import network_input
from cropperhead.words import format_count

if TYPE_CHECKING:
    import tensorflow as tf

Pixels = NDArray[np.uint8]

_ALL = slice(None)

_BATCHES_READ_AHEAD = 2  # reading one takes a twentieth of a step; more only fill the caches
_DECODED_AHEAD = 64  # photos; a few MB, and enough work for any number of threads
# For large files. Many systems keep /tmp in memory, for small ones (file-hierarchy(7)).
_ROOMY = Path("/var/tmp")


class ArrayFile:
    """Arrays of one shape in an unnamed file, which the system removes once it is closed.

    `shape`: (n, ...), like an array's. The arrays are zeros at first. Slices and arrays of indices
    read copies, as from an array; they are written one by one.
    """

    def __init__(self, count: int, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.shape, self.dtype = (count, *shape), np.dtype(dtype)
        self._bytes = math.prod(shape) * self.dtype.itemsize
        folder = _roomy_folder(count * self._bytes)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with this object
        self._file.truncate(count * self._bytes)
        weakref.finalize(self, self._file.close)
        self._places = np.arange(count)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: "slice | NDArray[np.integer[Any]]") -> NDArray[Any]:
        places = self._places[which].tolist()
        arrays = np.empty((len(places), *self.shape[1:]), self.dtype)
        for array, place in zip(arrays, places, strict=True):
            # read, not mapped: mapped pages count as this process's memory
            os.preadv(self._file.fileno(), [array.data], place * self._bytes)
        return arrays

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i : i + 1][0] for i in range(len(self)))

    def __setitem__(self, place: int, array: NDArray[Any]) -> None:
        self._file.seek(int(self._places[place]) * self._bytes)
        self._file.write(np.ascontiguousarray(array, self.dtype).data)
        self._file.flush()  # reading bypasses this file's buffer


class PixelFile(ArrayFile):
    """Square pictures of one size, (n, size, size, 3) uint8, black at first."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__(count, (size, size, 3), np.uint8)


@dataclass(frozen=True)
class PhotoArrays:
    """Photos as a network's inputs.

    `names`: n paths in the library. `images`: (n, size, size, 3) uint8, RGB, squashed to squares,
    in memory or on disk. `aspect`: (n,) float32, width / height of the displayed frame.
    """

    names: list[str]
    images: Pixels | PixelFile
    aspect: NDArray[np.float32]

    def inputs(self, part: slice = _ALL) -> dict[str, NDArray[Any]]:
        """The inputs by name: `image` (n, size, size, 3), `aspect` (n, 1)."""
        return {"image": self.images[part], "aspect": self.aspect[part, None]}

    def draw(
        self, places: NDArray[np.integer[Any]], flipped: NDArray[np.bool_]
    ) -> tuple[str, NDArray[Any]]:
        """The input `image` of the photos at `places`, mirrored where `flipped`."""
        images = self.images[places]
        _mirror(images, flipped)
        return "image", images

    def concatenate(self, others: "PhotoArrays") -> "PhotoArrays":
        """Both as one, these first; copies their pixels on disk."""
        images = PixelFile(len(self.names) + len(others.names), self.images.shape[1])
        return PhotoArrays(
            [*self.names, *others.names],
            _copy(images, self.images, others.images),
            np.concatenate([self.aspect, others.aspect]),
        )

    def mirror(self) -> "PhotoArrays":
        """The photos mirrored left to right, in memory."""
        return PhotoArrays(self.names, self.images[:][:, :, ::-1], self.aspect)

    def first(self, count: int) -> "PhotoArrays":
        """The first `count` photos, or all if there are fewer, in memory."""
        return PhotoArrays(self.names[:count], self.images[:count], self.aspect[:count])


@dataclass(frozen=True)
class FieldArrays:
    """Photos as the inputs of a network on fields, which are computed beforehand.

    `names`, `aspect` as in `PhotoArrays`. `fields`: (n, 2, rows, columns, channels) float16, of
    each photo and of its mirror image, in memory or on disk.
    """

    names: list[str]
    fields: NDArray[np.float16] | ArrayFile
    aspect: NDArray[np.float32]

    def inputs(self, part: slice = _ALL) -> dict[str, NDArray[Any]]:
        """The inputs by name: `fields` (n, 2, rows, columns, channels), `aspect` (n, 1)."""
        fields = self.fields[part].astype(np.float32)  # TensorFlow warns where it widens them
        return {"fields": fields, "aspect": self.aspect[part, None]}

    def draw(
        self, places: NDArray[np.integer[Any]], flipped: NDArray[np.bool_]
    ) -> tuple[str, NDArray[Any]]:
        """The fields (n, rows, columns, channels) of photos, of mirror images where `flipped`."""
        fields = self.fields[places][np.arange(len(places)), flipped.astype(int)]
        return "fields", fields.astype(np.float32)

    def first(self, count: int) -> "FieldArrays":
        """Those of the first `count` photos, or of all if there are fewer, in memory."""
        return FieldArrays(self.names[:count], self.fields[:count], self.aspect[:count])

    def concatenate(self, others: "FieldArrays") -> "FieldArrays":
        """Both as one, these first; copies their fields on disk."""
        fields = ArrayFile(
            len(self.names) + len(others.names), self.fields.shape[1:], self.fields.dtype
        )
        return FieldArrays(
            [*self.names, *others.names],
            _copy(fields, self.fields, others.fields),
            np.concatenate([self.aspect, others.aspect]),
        )


class Photos(Protocol):
    """What training needs of photos: `PhotoArrays` or `FieldArrays`."""

    @property
    def names(self) -> list[str]:
        """The n paths in the library."""

    @property
    def aspect(self) -> NDArray[np.float32]:
        """Width / height of the displayed frames, (n,)."""

    def inputs(self, part: slice = _ALL) -> dict[str, NDArray[Any]]:
        """A finished network's inputs by name, each (n, ...)."""

    def draw(
        self, places: NDArray[np.integer[Any]], flipped: NDArray[np.bool_]
    ) -> tuple[str, NDArray[Any]]:
        """Name and content of the input besides `aspect`, of photos as they are or mirrored."""

    def first(self, count: int) -> Self:
        """The first `count` photos, or all if there are fewer, in memory."""

    def concatenate(self, others: Self) -> Self:
        """Both as one, these first."""


P = TypeVar("P", bound=Photos)


@dataclass(frozen=True)
class CropExamples(Generic[P]):
    """Crops to learn from: one for each (photo, author), so that a photo may have several.

    `photo`: (m,), the index of each crop's photo in `photos`. `limits`: (m, 5) float32. `weight`:
    (m,), by which a crop's loss is multiplied; None: each has 1.
    """

    photos: P
    photo: NDArray[np.int64]
    limits: NDArray[np.float32]
    weight: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.limits)

    @property
    def aspect(self) -> NDArray[np.float32]:
        """Width / height of the frame of each crop's photo, (m,)."""
        return self.photos.aspect[self.photo]

    @property
    def weights(self) -> NDArray[np.float32]:
        """Each crop's weight, (m,)."""
        return np.ones(len(self), np.float32) if self.weight is None else self.weight


Examples = CropExamples[PhotoArrays]
FieldExamples = CropExamples[FieldArrays]


def read_photos(
    folder: Path, photos: Sequence[str], size: int, threads: int | None = None
) -> PhotoArrays:
    """Reads photos from the shards in `folder`, in this order, squashed to `size` x `size` px.

    Their pixels go to disk. `threads` decode them; None: a few more than there are cores. Raises
    DataError if the shards lack a photo or the disk is too full.
    """
    place = {name: i for i, name in enumerate(photos)}
    images, aspect = PixelFile(len(photos), size), np.zeros(len(photos), np.float32)
    squares = decode_squares(shards.iter_images(folder, set(place)), size, threads)
    for name, square, ratio in tqdm(squares, "read", len(photos), unit="photo", delay=2):
        images[place[name]], aspect[place[name]] = square, ratio
    missing = [name for name, ratio in zip(photos, aspect, strict=True) if ratio == 0]
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {format_count(len(photos), 'photo')} not in the shards, "
            f"{missing[0]} first. Run `dvc repro` again from extract."
        )
    return PhotoArrays(list(photos), images, aspect)


def read_examples(folder: Path, labels: pd.DataFrame, size: int) -> Examples:
    """Reads the labels' photos, each once, with their crops in the order of the labels.

    Raises DataError if there is no label or a photo is missing.
    """
    return join_crops(labels, lambda names: read_photos(folder, names, size))


def join_crops(labels: pd.DataFrame, read: Callable[[list[str]], P]) -> CropExamples[P]:
    """Labels' crops, in their order, with their photos as `read` gives them, each once.

    Raises DataError if there is no label.
    """
    if labels.empty:
        raise DataError(
            "There is no label to learn from. Add photos, or check split in params.yaml."
        )
    names = list(dict.fromkeys(labels["photo"]))
    place = pd.Index(names).get_indexer(labels["photo"]).astype(np.int64)
    limits = labels[list(CROP_COLUMNS)].to_numpy(np.float32)
    return CropExamples(read(names), place, limits)


def concatenate(first: CropExamples[P], second: CropExamples[P]) -> CropExamples[P]:
    """Both as one, the first ones first; copies their photos on disk."""
    places = np.concatenate([first.photo, second.photo + len(first.photos.names)])
    limits = np.concatenate([first.limits, second.limits])
    weight = None
    if first.weight is not None or second.weight is not None:
        weight = np.concatenate([first.weights, second.weights])
    return CropExamples(first.photos.concatenate(second.photos), places, limits, weight)


def training_batches(
    crops: CropExamples[Any], size: int, jitter: float, seed: int, start: int = 0
) -> "tf.data.Dataset":
    """Endless batches of (inputs, limits) from number `start` on, `size` crops each.

    Where crops have weights, batches are (inputs, limits, weights).

    Each pass contains every crop once, in an order of its own; a batch may hold the end of one pass
    and the beginning of the next. All batches are of one size: for a small last one, oneDNN picks
    kernels by the size of the processor's caches. Photos are mirrored at random, and where they are
    pictures their colours are changed (see `augment`). A batch depends only on the seed and its
    number. `image` (n, side, side, 3) or `fields` (n, rows, columns, channels), and `aspect`
    (n, 1), are float32, limits (n, 5).
    """
    import tensorflow as tf  # noqa: PLC0415 - comparing croppers needs no TensorFlow

    from cropperhead.training.augment import jitter_colours  # noqa: PLC0415

    gather = _batch_gatherer(crops, size, seed)
    name, first, *_ = gather(0)
    types = [tf.as_dtype(first.dtype), tf.float32, tf.float32]
    shapes: list[Any] = [first.shape, (size, 1), (size, 5)]
    if crops.weight is not None:
        types, shapes = [*types, tf.float32], [*shapes, (size,)]

    def batch(step: tf.Tensor) -> tuple[Any, ...]:
        # It is stateless; where results must repeat, TensorFlow reads nothing stateful ahead.
        arrays = tf.numpy_function(lambda at: gather(at)[1:], [step], types, stateful=False)
        photos, aspect, limits, *weight = map(tf.ensure_shape, arrays, shapes)
        if name == "image":
            seeds = tf.stack([tf.constant(seed, tf.int64), step])
            photos = jitter_colours(photos, jitter, seeds)
        return {name: tf.cast(photos, tf.float32), "aspect": aspect}, limits, *weight

    return tf.data.Dataset.counter(start).map(batch).prefetch(_BATCHES_READ_AHEAD)


def count_batches(crops: CropExamples[Any], size: int) -> int:
    """How many batches of `size` crops hold every crop at least once."""
    return -(-len(crops) // size)


_Batch = tuple[Any, ...]


def _batch_gatherer(crops: CropExamples[Any], size: int, seed: int) -> Callable[[int], _Batch]:
    """A function of a step: its photos' name and content, their aspect (n, 1), limits (n, 5).

    And the weights (n,), where there are any.
    """
    count = len(crops)

    @lru_cache(maxsize=2)  # every batch of a pass needs it
    def order(number: int) -> NDArray[np.int64]:
        return np.random.default_rng([seed, number]).permutation(count)

    def gather(step: int) -> _Batch:
        turns = range(int(step) * size, (int(step) + 1) * size)
        rows = np.array([order(turn // count)[turn % count] for turn in turns])
        flipped = np.random.default_rng([seed, int(step), 1]).random(size) < 0.5
        places = crops.photo[rows]
        name, photos = crops.photos.draw(places, flipped)
        limits = np.where(flipped[:, None], mirror(crops.limits[rows]), crops.limits[rows])
        weight = [] if crops.weight is None else [crops.weight[rows]]
        return name, photos, crops.photos.aspect[places, None], limits.astype(np.float32), *weight

    return gather


def _copy(target: ArrayFile, first: Iterable[NDArray[Any]], second: Iterable[NDArray[Any]]) -> Any:
    """Fills a file with arrays, one after the other."""
    for place, array in enumerate(itertools.chain(first, second)):
        target[place] = array
    return target


def _mirror(images: Pixels, flipped: NDArray[np.bool_]) -> None:
    """Mirrors left to right, in place, the images (n, height, width, 3) where `flipped` is true."""
    copies = images[flipped]
    for channel in range(3):  # NumPy copies runs of three bytes at a fifth of this speed
        images[flipped, :, :, channel] = copies[:, :, ::-1, channel]


def decode_squares(
    jpegs: Iterable[tuple[str, bytes]], size: int, threads: int | None
) -> Iterator[tuple[str, Pixels, float]]:
    """Name, square and aspect of each picture, in order, a few in memory at a time."""
    pending: deque[tuple[str, Future[tuple[Pixels, float]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for name, jpeg in jpegs:
            pending.append((name, pool.submit(_squash, jpeg, size)))
            if len(pending) == _DECODED_AHEAD:
                yield _result(*pending.popleft())
        yield from (_result(*each) for each in pending)


def _result(name: str, future: "Future[tuple[Pixels, float]]") -> tuple[str, Pixels, float]:
    return name, *future.result()


def _squash(jpeg: bytes, size: int) -> tuple[Pixels, float]:
    """The picture as a square, and the width / height it had.

    A finished model gets `INPUT_SIDE` px, and averages them if its network is smaller.
    """
    factor = INPUT_SIDE // size if INPUT_SIDE % size == 0 else 1
    side = size * factor
    with Image.open(io.BytesIO(jpeg)) as image:
        aspect = image.width / image.height
        square = network_input.squash(image, side)
    return np.asarray(square.reduce(factor)), aspect


def _roomy_folder(needed: int) -> str:
    """The folder for unnamed files. Raises DataError if it has no room for `needed` bytes."""
    folder = os.environ.get("TMPDIR") or (str(_ROOMY) if _ROOMY.is_dir() else tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder}: pixels need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free. "
            "Free some space, or set TMPDIR to a folder on another disk."
        )
    return folder
