"""The fields of photos' features, computed once for each photo and kept in files.

A network on frozen features sees nothing of a photo but its fields and those of its mirror image.
Each is a row of a Parquet file, by the hash of the small copy's bytes, so that photos that move or
get other crops are not computed again. A file is written once and lasts as long as its photos; new
photos go to new files, each of which is complete, so that an interruption loses at most one.
"""

import hashlib
import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cropperhead.dataset import shards
from cropperhead.errors import DataError
from cropperhead.params import FeaturesParams, TrainParams
from cropperhead.system import atomic
from cropperhead.training import batches
from cropperhead.training.batches import ArrayFile, FieldArrays
from cropperhead.training.networks.features import (
    Features,
    build_features,
    field_shape,
    fields_of,
    read_features,
)
from cropperhead.words import format_count

_FILE_PHOTOS = 256  # 25 MB, half a minute of two cores
# Photos at once. All batches are of this size: of a smaller one, oneDNN picks kernels by the size
# of the processor's caches.
_BATCH = 16
_SCHEMA = pa.schema([("picture", pa.string()), ("fields", pa.binary())])
_VERSION = b"features"  # of a file's metadata: what its fields were computed with
_ROWS_READ_AT_ONCE = 64


def update_fields(folder: Path, out: Path, params: TrainParams) -> int:
    """As `update_fields_of`, for a network on features; for any other, `out` stays as it is."""
    out.mkdir(parents=True, exist_ok=True)
    return update_fields_of(folder, out, params.features) if params.uses_features else 0


def update_fields_of(folder: Path, out: Path, params: FeaturesParams) -> int:
    """Computes the fields of all photos in the shards of `folder` whose fields are not in `out`.

    Drops those of other photos, and of other features. Returns how many photos were computed.
    Raises ParamsError where the features cannot be read.
    """
    features = read_features(params)
    version = _version(features, params)
    pictures = dict.fromkeys(key for _, key, _ in _pictures(folder))
    _drop_others(out, set(pictures), version)
    missing = set(pictures) - _known(out, version)
    if not missing:
        return 0
    computed = _compute(_jpegs(folder, missing), features, params, len(missing))
    while rows := list(itertools.islice(computed, _FILE_PHOTOS)):
        _write(rows, _next_file(out), version)
    return len(missing)


def read_fields(
    folder: Path, fields: Path, photos: Sequence[str], params: FeaturesParams
) -> FieldArrays:
    """Reads the fields of photos in the shards of `folder`, in this order; they go to disk.

    Raises DataError where `fields` lacks a photo's.
    """
    version = _version(read_features(params), params)
    place, aspect = {name: i for i, name in enumerate(photos)}, np.zeros(len(photos), np.float32)
    wanted: dict[str, list[int]] = {}
    for name, picture, jpeg in _pictures(folder, place):
        with Image.open(io.BytesIO(jpeg)) as image:
            aspect[place[name]] = image.width / image.height
        wanted.setdefault(picture, []).append(place[name])
    arrays = ArrayFile(len(photos), (2, *field_shape(params)), np.float16)
    found = 0
    for picture, content in _rows(fields, version):
        for each in wanted.pop(picture, []):
            arrays[each] = np.frombuffer(content, np.float16)
            found += 1
    if found < len(photos):
        raise DataError(
            f"{fields}: {len(photos) - found} of {format_count(len(photos), 'photo')} not found. "
            "Run `dvc repro --force fields`."
        )
    return FieldArrays(list(photos), arrays, aspect)


def compute_fields(
    images: Iterable[NDArray[np.uint8]], features: Features, side: int
) -> Iterator[NDArray[np.float16]]:
    """Yields the fields (2, rows, columns, channels) of each picture (side, side, 3)."""
    look, pending = _looking(features, side), iter(images)
    while part := list(itertools.islice(pending, _BATCH)):
        filled = np.zeros((_BATCH, side, side, 3), np.uint8)
        filled[: len(part)] = part
        both = [look(seen).numpy() for seen in (filled, filled[:, :, ::-1])]
        yield from np.stack(both, axis=1)[: len(part)].astype(np.float16)


@lru_cache(maxsize=1)  # tracing takes as long as a hundred photos
def _looking(features: Features, side: int) -> Callable[[NDArray[np.uint8]], Any]:
    """A function from pictures (batch, side, side, 3) to their fields."""
    import tensorflow as tf  # noqa: PLC0415 - reading fields needs none of it

    network = build_features(features, side)

    @tf.function(input_signature=[tf.TensorSpec((_BATCH, side, side, 3), tf.uint8)])  # type: ignore[untyped-decorator]
    def look(pictures: Any) -> Any:
        return fields_of(tf.cast(pictures, tf.float32), network)

    return look  # type: ignore[no-any-return]


def _version(features: Features, params: FeaturesParams) -> str:
    """What fields depend on besides the picture."""
    return f"{features.sha256} {params.image_size}"


def _pictures(
    folder: Path, photos: Collection[str] | None = None
) -> Iterator[tuple[str, str, bytes]]:
    """Each photo's name, its small copy's hash, and the copy."""
    for name, jpeg in shards.iter_images(folder, photos):
        yield name, hashlib.sha256(jpeg).hexdigest(), jpeg


def _jpegs(folder: Path, missing: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The hash and the content of each missing picture, once."""
    seen: set[str] = set()
    for _, picture, jpeg in _pictures(folder):
        if picture in missing and picture not in seen:
            seen.add(picture)
            yield picture, jpeg


def _compute(
    jpegs: Iterable[tuple[str, bytes]], features: Features, params: FeaturesParams, count: int
) -> Iterator[tuple[str, bytes]]:
    """The hash and the fields' bytes of each picture."""
    side, pictures = params.image_size, []

    def squares() -> Iterator[NDArray[np.uint8]]:
        for picture, square, _ in batches.decode_squares(jpegs, side, None):
            pictures.append(picture)
            yield square

    shown = tqdm(compute_fields(squares(), features, side), "fields", count, unit="photo")
    for place, each in enumerate(shown):
        yield pictures[place], each.tobytes()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("fields-*.parquet"))


def _next_file(folder: Path) -> Path:
    last = _files(folder)[-1:]
    number = int(last[0].stem.removeprefix("fields-")) + 1 if last else 0
    return folder / f"fields-{number:05d}.parquet"


def _known(folder: Path, version: str) -> set[str]:
    """The pictures whose fields are kept."""
    files = [file for file in _files(folder) if _version_of(file) == version]
    return {
        picture
        for file in files
        for picture in pq.read_table(file, columns=["picture"])["picture"].to_pylist()
    }


def _rows(folder: Path, version: str) -> Iterator[tuple[str, bytes]]:
    """The hash of each picture and its fields' bytes."""
    for file in _files(folder):
        if _version_of(file) != version:
            continue
        for batch in pq.ParquetFile(file).iter_batches(_ROWS_READ_AT_ONCE):
            yield from zip(*batch.to_pydict().values(), strict=True)


def _drop_others(folder: Path, pictures: Collection[str], version: str) -> None:
    """Removes what is not of these pictures and this version, unfinished and damaged files too."""
    for file in folder.glob("*" + atomic.UNFINISHED):
        file.unlink()
    for file in _files(folder):
        if _version_of(file) != version:
            file.unlink()
            continue
        known = pq.read_table(file, columns=["picture"])["picture"].to_pylist()
        kept = set(known).intersection(pictures)
        if not kept:
            file.unlink()
        elif len(kept) < len(known):
            table = pq.read_table(file).to_pylist()
            rows = [(row["picture"], row["fields"]) for row in table if row["picture"] in kept]
            _write(rows, file, version)


def _version_of(file: Path) -> str | None:
    """What a file's fields were computed with; None if it is damaged or no such file."""
    try:
        metadata: Mapping[bytes, bytes] = pq.read_schema(file).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return None
    return metadata.get(_VERSION, b"").decode("ascii", "replace")


def _write(rows: Sequence[tuple[str, bytes]], file: Path, version: str) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    schema = _SCHEMA.with_metadata({_VERSION: version.encode()})
    table = pa.table(columns, schema=schema)
    # Halves of numbers hardly shrink any further
    writing = partial(pq.write_table, table, compression="none", use_dictionary=False)
    atomic.replace(file, writing)
