"""Hands accepted crops over to extraction: from a collection, or from a folder of exported ones.

An exported folder holds `photos/`, `crops.jsonl` (a line for each crop) and `consents.json` (the
texts that senders agreed to, by the SHA-256 that crops name). It needs no database to be read.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cropperhead.collection.sent import hash_consent
from cropperhead.errors import CollectionError, disk_problem
from cropperhead.system import atomic, regular_file

if TYPE_CHECKING:
    from cropperhead.collection.intake import Collection
    from cropperhead.collection.objects import Objects

_CROPS, _CONSENTS, _PHOTOS = "crops.jsonl", "consents.json", "photos"
_MOST_BYTES = 2**31
_PSEUDONYM_DIGITS = 12
_SIDES = ("top", "left", "bottom", "right", "angle")

Crop = Mapping[str, Any]  # a line of crops.jsonl, with the consent's text in place of its hash


@dataclass(frozen=True)
class CollectedPhoto:
    """A photo with its accepted crops, one of each author: the one that was sent last.

    A crop is a mapping with the keys author, received (a day), crop, shown, started_from, started,
    suggested (or None), suggested_by, confidence and consent (a text). Crops are lists of top,
    left, bottom, right and angle.
    """

    sha256: str
    width: int  # px
    height: int
    crops: tuple[Crop, ...]
    superseded: int  # earlier crops of the same authors


def read_accepted(place: str) -> list[CollectedPhoto]:
    """Read the accepted crops of a collection or of an exported folder, sorted by photo.

    Raises CollectionError if it cannot be read, ParamsError for a place that is none.
    """
    if _is_export(place):
        return _read_export(Path(place).expanduser())
    with Opened(place) as collection:
        rows = collection.list_crops("accepted")
    photos: dict[str, dict[str, Crop]] = {}
    sizes, counts = {}, dict[str, int]()
    for row in rows:  # the earliest first
        photos.setdefault(row["photo"], {})[row["author"]] = _portable(row)
        sizes[row["photo"]] = (row["width"], row["height"])
        counts[row["photo"]] = counts.get(row["photo"], 0) + 1
    return [
        CollectedPhoto(
            name,
            *sizes[name],
            tuple(crop for _, crop in sorted(by_author.items())),
            counts[name] - len(by_author),
        )
        for name, by_author in sorted(photos.items())
    ]


def read_photo(place: str, sha256: str) -> bytes | None:
    """Read a photo's JPEG; None if it is gone. Raises CollectionError as `read_accepted` does."""
    if not _is_export(place):
        return _objects(place).get(sha256)
    try:
        file = Path(place).expanduser() / _PHOTOS / f"{sha256}.jpg"
        return regular_file.read_bytes(file, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CollectionError(f"{place}: {disk_problem(error)}") from error


def export(place: str, folder: Path) -> tuple[int, int]:
    """Write accepted crops and their photos to a folder; return the numbers of photos and crops.

    An earlier export there is updated: photos that were withdrawn since are deleted. Raises
    CollectionError if the folder holds something else, or a photo is missing.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _CROPS).exists():
        raise CollectionError(f"{folder}: it holds other files. Choose an empty folder.")
    photos = read_accepted(place)
    names = {f"{photo.sha256}.jpg" for photo in photos}
    (folder / _PHOTOS).mkdir(parents=True, exist_ok=True)
    for photo in photos:
        file = folder / _PHOTOS / f"{photo.sha256}.jpg"
        content = None if file.exists() else read_photo(place, photo.sha256)
        if content is not None:
            atomic.replace(file, partial(_write_bytes, content))
        elif not file.exists():
            raise CollectionError(f"{place}: the photo {photo.sha256} is missing")
    consents = {
        hash_consent(crop["consent"]): crop["consent"] for one in photos for crop in one.crops
    }
    lines = [json.dumps(_line(photo, crop)) for photo in photos for crop in photo.crops]
    _write_text(folder / _CONSENTS, json.dumps(dict(sorted(consents.items())), indent=2) + "\n")
    _write_text(folder / _CROPS, "".join(line + "\n" for line in lines))
    for file in (folder / _PHOTOS).iterdir():
        if file.name not in names:
            file.unlink()
    return len(photos), len(lines)


class Opened:
    """A collection that is closed at the end of the block.

    Raises CollectionError if there is none, ParamsError for a place that is none.
    """

    def __init__(self, place: str) -> None:
        """Open the collection in a folder or at a URL, to be read."""
        # SQLAlchemy and obstore, which an exported folder does without
        from cropperhead.collection import migrate, settings  # noqa: PLC0415

        self._collection = settings.open_collection(place)
        migrate.require_current(self._collection.database)

    def __enter__(self) -> "Collection":
        """Return the collection."""
        return self._collection

    def __exit__(self, *_: object) -> None:
        """Close its database."""
        self._collection.database.close()


@cache
def _objects(place: str) -> "Objects":
    """The object store of a collection, which a worker opens once for all photos."""
    from cropperhead.collection import objects, settings  # noqa: PLC0415 - as above

    return objects.open_objects(settings.locate(place)[1])


def _portable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A crop without what tells it apart from others of its sender elsewhere: id and receipt."""
    suggested = None if row["suggested_by"] is None else _limits(row, "suggested")
    return {
        "author": f"sender {row['author'][:_PSEUDONYM_DIGITS]}",
        "received": datetime.fromtimestamp(row["received"], UTC).date().isoformat(),
        "crop": _limits(row, "crop"),
        "shown": row["shown"],
        "started_from": row["started_from"],
        "started": _limits(row, "started"),
        "suggested": suggested,
        "suggested_by": row["suggested_by"],
        "confidence": row["confidence"],
        "consent": row["text"],
    }


def _limits(row: Mapping[str, Any], name: str) -> list[float]:
    return [float(row[f"{name}_{side}"]) for side in _SIDES]


def _is_export(place: str) -> bool:
    return "://" not in place and (Path(place).expanduser() / _CROPS).is_file()


def _line(photo: CollectedPhoto, crop: Crop) -> dict[str, Any]:
    head = {"photo": photo.sha256, "width": photo.width, "height": photo.height}
    return (
        head
        | dict(crop)
        | {"consent": hash_consent(crop["consent"]), "superseded": photo.superseded}
    )


def _read_export(folder: Path) -> list[CollectedPhoto]:
    try:
        consents = json.loads(regular_file.read_bytes(folder / _CONSENTS, _MOST_BYTES))
        lines = regular_file.read_bytes(folder / _CROPS, _MOST_BYTES).splitlines()
        crops = [_with_consent(json.loads(line), consents) for line in lines]
        return _group(crops)
    except OSError as error:
        raise CollectionError(f"{folder}: {disk_problem(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CollectionError(f"{folder}: it cannot be read as exported crops: {error}") from error


def _with_consent(line: dict[str, Any], consents: Mapping[str, str]) -> dict[str, Any]:
    return line | {"consent": consents[line["consent"]]}


def _group(crops: Iterable[dict[str, Any]]) -> list[CollectedPhoto]:
    photos: dict[tuple[str, int, int, int], list[Crop]] = {}
    for crop in crops:
        key = (crop.pop("photo"), crop.pop("width"), crop.pop("height"), crop.pop("superseded"))
        photos.setdefault(key, []).append(crop)
    return [
        CollectedPhoto(name, width, height, tuple(found), superseded)
        for (name, width, height, superseded), found in sorted(photos.items())
    ]


def _write_bytes(content: bytes, file: Path) -> None:
    file.write_bytes(content)


def _write_text(file: Path, text: str) -> None:
    atomic.replace(file, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
