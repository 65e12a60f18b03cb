"""Labels and pictures in Parquet shards, with one row for each (photo, author, source).

A shard is written once. It changes only when rows of deleted photos are dropped, so that a remote
receives only new data.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cropperhead.dataset.columns import NO_SUGGESTION, SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.system import atomic

if TYPE_CHECKING:
    import pandas as pd

LABEL_FIELDS = [
    ("photo", pa.string()),  # path in the library, forward slashes
    ("origin", pa.string()),  # the path at which the photo arrived, which names its group
    ("author", pa.string()),
    ("source", pa.string()),
    ("number", pa.int64()),  # in the order in which photos arrived; never changes
    ("width", pa.int32()),  # px of the original as displayed
    ("height", pa.int32()),
    *((name, pa.float64()) for name in (*CROP_COLUMNS, *SUGGESTED_COLUMNS)),
    (SUGGESTED_BY, pa.string()),  # "" for none
    ("orientation", pa.int8()),
    ("camera", pa.string()),
    ("captured", pa.string()),  # YYYY-MM-DDTHH:MM:SS.ffffff, the camera's time
    ("sha256", pa.string()),  # of the photo's file
    ("document_ids", pa.string()),  # of the photo and what it was made from, separated by spaces
    ("perceptual_hash", pa.string()),
    ("image_width", pa.int32()),  # px, of `image`
    ("image_height", pa.int32()),
]
_FEATURES = ("features", pa.binary())  # of local_features.LocalFeatures
_IMAGE = ("image", pa.binary())
_PICTURES = (_FEATURES[0], _IMAGE[0])
# An extra column's type follows from its default's
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_ROWS_READ_AT_ONCE = 256  # a few tens of MB of JPEGs


def shard_files(folder: Path) -> list[Path]:
    """Return the shards of a folder, oldest first."""
    return sorted(folder.glob("shard-*.parquet"))


def write_shard(
    rows: Iterable[Mapping[str, Any]],
    folder: Path,
    extra_columns: Mapping[str, str | float] = MappingProxyType({}),
) -> str:
    """Write a new shard after the last one and return its name.

    `extra_columns` are columns in addition to LABEL_FIELDS, with their defaults.
    """
    last = shard_files(folder)[-1:]
    number = int(last[0].stem.removeprefix("shard-")) + 1 if last else 0
    name = f"shard-{number:05d}.parquet"
    _replace(pa.Table.from_pylist(list(rows), schema=_schema(extra_columns)), folder / name)
    return name


def drop_photos(folder: Path, photos: Collection[str]) -> None:
    """Remove the rows of photos; shards without such rows keep their bytes."""
    names = pa.array(sorted(photos), pa.string())
    for file in shard_files(folder) if photos else []:
        if not pc.any(pc.is_in(pq.read_table(file, columns=["photo"])["photo"], names)).as_py():
            continue
        table = pq.read_table(file)
        rest = table.filter(pc.invert(pc.is_in(table["photo"], names)))
        if rest.num_rows:
            _replace(rest, file)
        else:
            file.unlink()


def remove_damaged(folder: Path) -> None:
    """Remove unfinished and damaged shards, so that their photos are read again."""
    for file in folder.glob("*" + atomic.UNFINISHED):
        file.unlink()
    for file in shard_files(folder):
        try:
            pq.read_metadata(file)
        except (pa.ArrowInvalid, OSError):
            file.unlink()


def iter_photos(folder: Path) -> Iterator[str]:
    """Yield the photo of every row, in the order of the shards."""
    for file in shard_files(folder):
        yield from pq.read_table(file, columns=["photo"])["photo"].to_pylist()


def count_sources(folder: Path) -> dict[str, int]:
    """Count the labels of each source."""
    counts: Counter[str] = Counter()
    for file in shard_files(folder):
        counts.update(pq.read_table(file, columns=["source"])["source"].to_pylist())
    return dict(sorted(counts.items()))


def read_labels(folder: Path) -> "pd.DataFrame":
    """Read all columns except pictures and features, sorted by number, author and source.

    Shards of earlier releases lack the columns of suggestions; their labels have none.
    """
    tables = []
    for file in shard_files(folder):
        columns = [name for name in pq.read_schema(file).names if name not in _PICTURES]
        tables.append(pq.read_table(file, columns=columns))
    labels: pd.DataFrame = pa.concat_tables(
        tables or [pa.schema(LABEL_FIELDS).empty_table()], promote_options="default"
    ).to_pandas()
    missing = {name: value for name, value in NO_SUGGESTION.items() if name not in labels.columns}
    labels = labels.assign(**missing).fillna({SUGGESTED_BY: ""})
    return labels.sort_values(["number", "author", "source"], ignore_index=True)


def iter_images(folder: Path, photos: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield each photo once (all, or only `photos`) and its JPEG; few are in memory at a time."""
    wanted = None if photos is None else set(photos)
    previous = None
    for file in shard_files(folder):
        for batch in pq.ParquetFile(file).iter_batches(
            _ROWS_READ_AT_ONCE, columns=["photo", "image"]
        ):
            for row in batch.to_pylist():
                # a photo's rows, one for each version, are neighbours and share one picture
                if row["photo"] != previous and (wanted is None or row["photo"] in wanted):
                    yield row["photo"], row["image"]
                previous = row["photo"]


def read_features(folder: Path, photos: Collection[str]) -> dict[str, bytes]:
    """Read the local features of photos, as `LocalFeatures.from_bytes` reads them.

    Photos in shards of earlier releases have none.
    """
    wanted, features = set(photos), {}
    for file in shard_files(folder):
        if _FEATURES[0] not in pq.read_schema(file).names:
            continue
        table = pq.read_table(file, columns=["photo", _FEATURES[0]])
        for photo, content in zip(*table.to_pydict().values(), strict=True):
            if photo in wanted and content is not None:
                features[photo] = content
    return features


def _replace(table: pa.Table, file: Path) -> None:
    """Write a new file and rename it, so that no reader ever finds half a file."""
    # JPEGs do not shrink any further: compressing them would only take time
    compression = dict.fromkeys(table.column_names, "zstd") | {_IMAGE[0]: "none"}
    atomic.replace(file, partial(pq.write_table, table, compression=compression))


def _schema(extra_columns: Mapping[str, str | float]) -> pa.Schema:
    columns = [(name, _TYPES[type(default)]) for name, default in sorted(extra_columns.items())]
    return pa.schema([*LABEL_FIELDS, *columns, _FEATURES, _IMAGE])
