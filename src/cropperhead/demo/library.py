"""Draws the demo library, and checks whether a folder contains it."""

import json
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cropperhead.demo import files, spoiled
from cropperhead.demo.rolls import DemoPhoto, plan_photo
from cropperhead.errors import LibraryError
from cropperhead.params import DEMO_POLICIES

MARKER = "demo-library.json"
VERSION = 1  # of the drawings; raised when the same seed gives other pictures or crops
FEWEST_PHOTOS = 20  # with fewer, a kind of photo may be missing
_PHOTOS_PER_EXPORT = 100


def draw_library(
    folder: Path,
    photos: int = 300,
    policy: str = "rule",
    seed: int = 20,
    workers: int | None = None,
) -> dict[str, int]:
    """Draw a library of `photos` photos, unless it exists; return the number of each kind.

    The bytes depend only on `photos`, `policy` and `seed`; `workers` processes share the work, by
    default one for each core. An earlier demo library in the folder is replaced; only the library's
    own files are ever removed. Raises LibraryError for a folder with other files, for fewer than 20
    photos and for an unknown policy.
    """
    settings = _Settings(photos, policy, seed)
    if not is_drawn(folder, photos, policy, seed):
        settings.check()
        plans = [plan_photo(seed, policy, number) for number in range(photos)]
        _clear(folder)
        marker = settings.marker() | {"counts": _counts(plans), "files": _files(plans)}
        _write_marker(folder, marker | {"complete": False})
        _draw(folder, settings, plans, workers or os.cpu_count() or 1)
        _write_marker(folder, marker | {"complete": True})
    return dict(_read_marker(folder)["counts"])


def is_drawn(folder: Path, photos: int, policy: str, seed: int) -> bool:
    """Return whether the folder contains exactly this library, complete."""
    marker = _read_marker(folder)
    settings = _Settings(photos, policy, seed).marker() | {"complete": True}
    if any(marker.get(key) != value for key, value in settings.items()):
        return False
    return all((folder / name).is_file() for name in marker.get("files", [MARKER]))


@dataclass(frozen=True)
class _Settings:
    photos: int
    policy: str
    seed: int

    def check(self) -> None:
        if self.photos < FEWEST_PHOTOS:
            raise LibraryError(
                f"demo library: {self.photos} photos, expected {FEWEST_PHOTOS} or more"
            )
        if self.policy not in DEMO_POLICIES:
            policies = " or ".join(DEMO_POLICIES)
            raise LibraryError(f"demo library: policy is {self.policy!r}, expected {policies}")

    def marker(self) -> dict[str, Any]:
        return {"photos": self.photos, "policy": self.policy, "seed": self.seed, "version": VERSION}


def _draw(folder: Path, settings: _Settings, plans: list[DemoPhoto], workers: int) -> None:
    write = partial(files.write_photo, folder)
    with _bar(len(plans)) as bar:
        for _ in _write_all(write, plans, workers):
            bar.update()
    for photo in _photos_to_export(plans):
        spoiled.write_export(folder, photo)
    spoiled.write_bad(folder, settings.seed, folder / _photo_to_copy(plans).path)


def _bar(total: int) -> "tqdm[Any]":
    return tqdm(total=total, desc="drawing the demo library", unit="photo")


def _write_all(write: "partial[None]", plans: list[DemoPhoto], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(write, plans)
        return
    # spawn: the caller may run threads, with which fork is not safe
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(write, plans, chunksize=4)


def _photos_to_export(plans: list[DemoPhoto]) -> list[DemoPhoto]:
    cropped = [photo for photo in plans if photo.crop]
    return cropped[::_PHOTOS_PER_EXPORT]


def _photo_to_copy(plans: Iterable[DemoPhoto]) -> DemoPhoto:
    """Return the first cropped JPEG with embedded XMP: a copy of the file includes its crop."""
    candidates = (p for p in plans if p.crop and not p.sidecar and p.path.lower().endswith(".jpg"))
    return next(candidates)


def _files(plans: list[DemoPhoto]) -> list[str]:
    paths = [path for photo in plans for path in files.photo_files(photo)]
    exports = [spoiled.export_path(photo) for photo in _photos_to_export(plans)]
    return sorted([*paths, *exports, *(f"{spoiled.FOLDER}/{name}" for name in spoiled.BAD_FILES)])


def _counts(plans: list[DemoPhoto]) -> dict[str, int]:
    return {
        "photos": len(plans),
        "cropped": sum(photo.crop is not None for photo in plans),
        "uncropped": sum(photo.crop is None for photo in plans),
        "tilted": sum(photo.scene.tilt != 0 for photo in plans),
        "turned": sum(photo.orientation != 1 for photo in plans),
        "sidecars": sum(len(files.photo_files(photo)) == 2 for photo in plans),
        "exports": len(_photos_to_export(plans)),
        "bad": len(spoiled.BAD_FILES),
    }


def _clear(folder: Path) -> None:
    """Remove an earlier demo library from the folder; raise LibraryError for other files."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = _read_marker(folder)
    if not marker and any(folder.iterdir()):
        raise LibraryError(
            f"{folder}: contains files that are not a demo library. Choose an empty or new folder."
        )
    for name in marker.get("files", []):
        (folder / name).unlink(missing_ok=True)
    for inner in sorted({(folder / name).parent for name in marker.get("files", [])}):
        _remove_if_empty(inner, folder)
    (folder / MARKER).unlink(missing_ok=True)


def _remove_if_empty(inner: Path, folder: Path) -> None:
    while inner != folder and inner.is_dir() and not any(inner.iterdir()):
        inner.rmdir()
        inner = inner.parent


def _read_marker(folder: Path) -> Mapping[str, Any]:
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_marker(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the marker in one step, so that a half-written one is never read."""
    draft = folder / f"{MARKER}.part"
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / MARKER)
