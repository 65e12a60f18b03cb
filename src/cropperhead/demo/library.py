"""Draws the demo library, and tells whether a folder holds it."""

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
from cropperhead.demo.rolls import Photo, plan_photo
from cropperhead.errors import LibraryError
from cropperhead.params import DEMO_POLICIES

MARKER = "demo-library.json"
VERSION = 1  # of the drawings: raised when other pictures or crops come out of the same seed
FEWEST_PHOTOS = 20  # with fewer, a kind of photo that the library promises may be missing
_PHOTOS_AN_EXPORT = 100


def draw_library(
    folder: Path,
    photos: int = 300,
    policy: str = "rule",
    seed: int = 20,
    workers: int | None = None,
) -> dict[str, int]:
    """Draws a library of `photos` photos, unless it is there; gives how many of each kind.

    The bytes depend on `photos`, `policy` and `seed` alone; `workers` processes share the work, by
    default one for each core. An earlier demo library in the folder is replaced; no file but the
    library's own is ever removed. Raises LibraryError for a folder with other files, for fewer than
    20 photos and for an unknown policy.
    """
    wanted = _Settings(photos, policy, seed)
    if not is_drawn(folder, photos, policy, seed):
        wanted.check()
        planned = [plan_photo(seed, policy, number) for number in range(photos)]
        _clear(folder)
        marker = wanted.marker() | {"counts": _counts(planned), "files": _files(planned)}
        _write_marker(folder, marker | {"complete": False})
        _draw(folder, wanted, planned, workers or os.cpu_count() or 1)
        _write_marker(folder, marker | {"complete": True})
    return dict(_read_marker(folder)["counts"])


def is_drawn(folder: Path, photos: int, policy: str, seed: int) -> bool:
    """Whether the folder holds exactly this library, drawn to its end."""
    marker = _read_marker(folder)
    wanted = _Settings(photos, policy, seed).marker() | {"complete": True}
    if any(marker.get(key) != value for key, value in wanted.items()):
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
            known = " or ".join(DEMO_POLICIES)
            raise LibraryError(f"demo library: policy is {self.policy!r}, expected {known}")

    def marker(self) -> dict[str, Any]:
        return {"photos": self.photos, "policy": self.policy, "seed": self.seed, "version": VERSION}


def _draw(folder: Path, wanted: _Settings, planned: list[Photo], workers: int) -> None:
    write = partial(files.write_photo, folder)
    with _bar(len(planned)) as bar:
        for _ in _each(write, planned, workers):
            bar.update()
    for photo in _exported(planned):
        spoiled.write_export(folder, photo)
    spoiled.write_bad(folder, wanted.seed, folder / _copied(planned).path)


def _bar(total: int) -> "tqdm[Any]":
    return tqdm(total=total, desc="drawing the demo library", unit="photo")


def _each(write: "partial[None]", planned: list[Photo], workers: int) -> Iterator[None]:
    if workers == 1:
        yield from map(write, planned)
        return
    # spawn: the caller may run threads, with which fork is not safe
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(write, planned, chunksize=4)


def _exported(planned: list[Photo]) -> list[Photo]:
    cropped = [photo for photo in planned if photo.crop]
    return cropped[::_PHOTOS_AN_EXPORT]


def _copied(planned: Iterable[Photo]) -> Photo:
    """The first cropped JPEG that carries its own XMP: a copy of the file is a copy of all."""
    fitting = (p for p in planned if p.crop and not p.sidecar and p.path.lower().endswith(".jpg"))
    return next(fitting)


def _files(planned: list[Photo]) -> list[str]:
    drawn = [path for photo in planned for path in files.paths(photo)]
    exports = [spoiled.export_path(photo) for photo in _exported(planned)]
    return sorted([*drawn, *exports, *(f"{spoiled.FOLDER}/{name}" for name in spoiled.BAD_FILES)])


def _counts(planned: list[Photo]) -> dict[str, int]:
    return {
        "photos": len(planned),
        "cropped": sum(photo.crop is not None for photo in planned),
        "uncropped": sum(photo.crop is None for photo in planned),
        "tilted": sum(photo.scene.tilt != 0 for photo in planned),
        "turned": sum(photo.orientation != 1 for photo in planned),
        "sidecars": sum(len(files.paths(photo)) == 2 for photo in planned),
        "exports": len(_exported(planned)),
        "bad": len(spoiled.BAD_FILES),
    }


def _clear(folder: Path) -> None:
    """Makes the folder ready: removes an earlier demo library, refuses anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = _read_marker(folder)
    if not marker and any(folder.iterdir()):
        raise LibraryError(
            f"{folder}: holds files that are no demo library. Name an empty or a new folder."
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
    """In one step, so that no half-written marker is ever read."""
    draft = folder / f"{MARKER}.part"
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / MARKER)
