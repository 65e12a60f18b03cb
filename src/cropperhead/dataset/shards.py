"""Labels and pictures in Parquet shards: one row for each (photo, author, source), written once.

A shard is never changed but to drop the rows of photos that are gone, so that a remote receives
only what is new.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.system import atomic

# What the label had been suggested to be, and the version of the model; with their defaults
SUGGESTED_COLUMNS = tuple(name.replace("crop_", "suggested_") for name in CROP_COLUMNS)
SUGGESTED_BY = "suggested_by"
NO_SUGGESTION: Mapping[str, str | float] = MappingProxyType(
    {**dict.fromkeys(SUGGESTED_COLUMNS, float("nan")), SUGGESTED_BY: ""}
)
LABEL_FIELDS = [
    ("photo", pa.string()),  # path in the library, forward slashes
    ("origin", pa.string()),  # the path under which it came in, which names its group
    ("author", pa.string()),
    ("source", pa.string()),
    ("number", pa.int64()),  # in the order in which photos came in; kept for good
    ("width", pa.int32()),  # px, displayed, of the original
    ("height", pa.int32()),
    *((name, pa.float64()) for name in (*CROP_COLUMNS, *SUGGESTED_COLUMNS)),
    (SUGGESTED_BY, pa.string()),  # "" for none
    ("orientation", pa.int8()),
    ("camera", pa.string()),
    ("captured", pa.string()),  # YYYY-MM-DDTHH:MM:SS.ffffff, camera's time
    ("sha256", pa.string()),  # of the photo's file
    ("perceptual_hash", pa.string()),
    ("image_width", pa.int32()),  # px, of `image`
    ("image_height", pa.int32()),
]
_IMAGE = ("image", pa.binary())
# What a further column may hold, by the type of its default
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_ROWS_READ_AT_ONCE = 256  # a few tens of MB of JPEGs


def files(folder: Path) -> list[Path]:
    """The shards of a folder, oldest first."""
    return sorted(folder.glob("shard-*.parquet"))


def write(
    rows: Iterable[Mapping[str, Any]],
    folder: Path,
    further: Mapping[str, str | float] = MappingProxyType({}),
) -> str:
    """Writes a new shard after the last one and returns its name.

    `further` names the columns beside those of every shard, with their defaults.
    """
    last = files(folder)[-1:]
    number = int(last[0].stem.removeprefix("shard-")) + 1 if last else 0
    name = f"shard-{number:05d}.parquet"
    _replace(pa.Table.from_pylist(list(rows), schema=_schema(further)), folder / name)
    return name


def drop(folder: Path, photos: Collection[str]) -> None:
    """Removes the rows of photos; shards without such rows keep their bytes."""
    gone = pa.array(sorted(photos), pa.string())
    for file in files(folder) if photos else []:
        if not pc.any(pc.is_in(pq.read_table(file, columns=["photo"])["photo"], gone)).as_py():
            continue
        table = pq.read_table(file)
        rest = table.filter(pc.invert(pc.is_in(table["photo"], gone)))
        if rest.num_rows:
            _replace(rest, file)
        else:
            file.unlink()


def mend(folder: Path) -> None:
    """Removes what is half written or damaged; its photos are then read again."""
    for file in folder.glob("*" + atomic.UNFINISHED):
        file.unlink()
    for file in files(folder):
        try:
            pq.read_metadata(file)
        except (pa.ArrowInvalid, OSError):
            file.unlink()


def names(folder: Path) -> Iterator[str]:
    """The photo of every row, in the order of the shards."""
    for file in files(folder):
        yield from pq.read_table(file, columns=["photo"])["photo"].to_pylist()


def sources(folder: Path) -> dict[str, int]:
    """How many labels each source gave."""
    found: Counter[str] = Counter()
    for file in files(folder):
        found.update(pq.read_table(file, columns=["source"])["source"].to_pylist())
    return dict(sorted(found.items()))


def read_labels(folder: Path) -> pd.DataFrame:
    """All columns but the pictures, by number and author, one row for each label.

    Shards of earlier releases lack the suggestions' columns, and tell of none.
    """
    tables = []
    for file in files(folder):
        columns = [name for name in pq.read_schema(file).names if name != _IMAGE[0]]
        tables.append(pq.read_table(file, columns=columns))
    labels: pd.DataFrame = pa.concat_tables(
        tables or [pa.schema(LABEL_FIELDS).empty_table()], promote_options="default"
    ).to_pandas()
    missing = {name: none for name, none in NO_SUGGESTION.items() if name not in labels.columns}
    labels = labels.assign(**missing).fillna({SUGGESTED_BY: ""})
    return labels.sort_values(["number", "author", "source"], ignore_index=True)


def iter_images(folder: Path, photos: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Each photo once (all, or those named) with its JPEG bytes, a few in memory at a time."""
    wanted = None if photos is None else set(photos)
    previous = None
    for file in files(folder):
        for batch in pq.ParquetFile(file).iter_batches(
            _ROWS_READ_AT_ONCE, columns=["photo", "image"]
        ):
            for row in batch.to_pylist():
                # a photo's rows, one for each version, stand together and share one picture
                if row["photo"] != previous and (wanted is None or row["photo"] in wanted):
                    yield row["photo"], row["image"]
                previous = row["photo"]


def _replace(table: pa.Table, file: Path) -> None:
    """Writes beside and renames, so that no reader ever finds half a file."""
    # JPEGs do not shrink: compressing them again would only cost time
    compression = dict.fromkeys(table.column_names, "zstd") | {_IMAGE[0]: "none"}
    atomic.replace(file, partial(pq.write_table, table, compression=compression))


def _schema(further: Mapping[str, str | float]) -> pa.Schema:
    columns = [(name, _TYPES[type(default)]) for name, default in sorted(further.items())]
    return pa.schema([*LABEL_FIELDS, *columns, _IMAGE])
