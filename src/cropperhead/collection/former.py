"""Takes over what DataLibrarian, the first CropperHead's service, collected: photos without crops.

It put each photo into a bucket under its name, and a document that names it into MongoDB. What is
read is a file of documents, as `mongoexport` writes them, and a folder with a copy of the bucket.
No server is needed. The crops in the documents are beyond repair (docs/collection.md).
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cropperhead.collection import uploads
from cropperhead.errors import CollectionError, RejectedFile, disk_problem
from cropperhead.system import atomic, regular_file

_MOST_BYTES = 2**30  # of the documents: some two million
_MOST_PHOTO_BYTES = 50_000_000
_NAME = "filename"  # what the page called a photo's name in its label
_SUFFIXES = ("", ".jpg", ".jpeg")  # which the service could be told to add to names


@dataclass(frozen=True)
class TakenOver:
    """What became of an export's documents.

    `refused` names each photo, or each document's line, that was left out, and says why.
    """

    documents: int
    photos: int
    refused: tuple[tuple[str, str], ...]


def take_over(export: Path, bucket: Path, out: Path) -> TakenOver:
    """Write the photos that an export names, checked and without metadata, into the folder `out`.

    A photo is named after its content, so that a second run adds only what is new. Raises
    CollectionError for a file that is no export, or a folder that cannot be read or written.
    """
    try:
        files = _files(bucket)
        out.mkdir(parents=True, exist_ok=True)
        documents, named, refused = 0, dict[str, None](), list[tuple[str, str]]()
        for line, document in _documents(export):
            documents += 1
            name = _photo_name(document)
            if name is None:
                refused.append((f"document {line}", f"it has no {_NAME}"))
            else:
                named.setdefault(name)
        stored = set()
        for name in named:
            try:
                stored.add(_store(_found(name, files), out))
            except RejectedFile as error:
                refused.append((name, str(error)))
    except OSError as error:
        raise CollectionError(disk_problem(error)) from error
    return TakenOver(documents, len(stored), tuple(refused))


def _documents(export: Path) -> Iterator[tuple[int, Any]]:
    """Each document and its number, from lines of JSON or from one list (`--jsonArray`)."""
    text = regular_file.read_bytes(export, _MOST_BYTES).decode("utf-8", "replace").strip()
    try:
        if text.startswith("["):
            yield from enumerate(json.loads(text), 1)
        else:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    yield number, json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CollectionError(
            f"{export}: not JSON, expected the file that mongoexport wrote: {error}"
        ) from error


def _photo_name(document: Any) -> str | None:
    """The name without folders, which are a client's; None if there is none."""
    name = document.get(_NAME) if isinstance(document, Mapping) else None
    if not isinstance(name, str):
        return None
    return PurePosixPath(name.replace("\\", "/")).name or None


def _files(bucket: Path) -> dict[str, Path]:
    """The files in a folder and those below it, by name, the first of several."""
    found: dict[str, Path] = {}

    def stop(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(bucket, onerror=stop):
        folders.sort()
        for name in sorted(names):
            found.setdefault(name, Path(folder) / name)
    return found


def _found(name: str, files: Mapping[str, Path]) -> Path:
    for suffix in _SUFFIXES:
        if name + suffix in files:
            return files[name + suffix]
    raise RejectedFile("missing", "no file of this name is in the folder")


def _store(file: Path, out: Path) -> str:
    """Write a photo's checked copy, and give its name."""
    try:
        content = regular_file.read_bytes(file, _MOST_PHOTO_BYTES, follow_link=False)
    except OSError as error:
        raise RejectedFile("unreadable", error.strerror or str(error)) from error
    upload = uploads.check_upload(content)
    copy = out / f"{upload.sha256}.jpg"
    if not copy.exists():
        atomic.replace(copy, lambda unfinished: unfinished.write_bytes(upload.jpeg))
    return copy.name
