"""What is understood of single photos, told and drawn: for the eyes of the photographer."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from PIL import Image

from cropperhead.dataset import rows
from cropperhead.dataset.ledger import CROPPED, SUGGESTED, UNCROPPED
from cropperhead.dataset.rows import Reading
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.library import scan
from cropperhead.params import ExtractParams
from cropperhead.photos import drawing, exiftool

_DRAWN_LONG_SIDE = 1600  # px
_TURNS = {
    1: "as stored",
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored, turned by 180°",
    5: "mirrored, turned by 90° counter-clockwise",
    6: "turned by 90° clockwise",
    7: "mirrored, turned by 90° clockwise",
    8: "turned by 90° counter-clockwise",
}
# Ratios that photographers name; others are told as a number alone
_SAME_RATIO = 0.01
_NAMED_RATIOS = ("1:1", "5:4", "4:3", "7:5", "3:2", "16:10", "16:9", "2:1", "21:9")


def read(
    files: Sequence[Path], params: ExtractParams, catalogs: Sequence[Path], pixels: bool
) -> Iterator[tuple[Path, Reading]]:
    """Each photo, or each photo of a folder, with what was read of it."""
    params = replace(params, long_side=_DRAWN_LONG_SIDE)
    with exiftool.tag_reader() as reader:
        for folder, names in _by_folder(files).items():
            if names:
                root, found = _found(folder, names, params, catalogs)
            else:
                root, found = folder, list(scan.scan(folder, catalogs, params.tags).entries)
            for entry in found:
                [reading] = rows.read_rows(root, [entry], [0], reader, params, pixels)
                yield root / entry.file, reading


def told(file: Path, reading: Reading) -> str:
    """Some lines on one photo."""
    outcome = reading.outcome
    if outcome.outcome == UNCROPPED:
        return f"{file}\n  not cropped"
    if outcome.outcome == SUGGESTED:
        return f"{file}\n  cropped as suggested, by no person"
    if outcome.outcome != CROPPED:
        return f"{file}\n  rejected: {outcome.kind}: {outcome.reason}"
    lines = [str(file), f"  {_frame(reading.rows[0])}"]
    for row in reading.rows:
        lines += _version(row)
    lines += [f"  left out: {one.file}: {one.kind}: {one.reason}" for one in outcome.left_out]
    return "\n".join(lines)


def draw(file: Path, reading: Reading, folder: Path, taken: set[Path]) -> Path:
    """Writes `drawn` into a folder, by a name that is not `taken` and is from now on."""
    names = (f"{file.name}{extra}.crops.jpg" for extra in chain([""], map(" {}".format, count(2))))
    target = next(folder / name for name in names if folder / name not in taken)
    folder.mkdir(parents=True, exist_ok=True)
    drawn(reading).save(target, quality=90)
    taken.add(target)
    return target


def drawn(reading: Reading) -> Image.Image:
    """The photo with all its crops drawn over it, and a legend that names them."""
    with Image.open(io.BytesIO(reading.rows[0]["image"])) as image:
        styles = dict(zip(map(_name, reading.rows), drawing.VERSION_STYLES, strict=False))
        outlines = {_name(row): [row[name] for name in CROP_COLUMNS] for row in reading.rows}
        return drawing.with_legend(drawing.outlined(image, outlines, styles), styles)


def _found(
    folder: Path, names: Sequence[str], params: ExtractParams, catalogs: Sequence[Path]
) -> tuple[Path, list[scan.Entry]]:
    """The photos of a folder as the extraction would find them, and the library they are in."""
    root = _root(folder, params)
    if root is None:
        return folder, scan.find(folder, names, catalogs, params.tags)
    below = folder.resolve().relative_to(root)
    inside = [(below / name).as_posix() for name in names]
    return root, scan.find(root, inside, catalogs, params.tags, deep=True)


def _root(folder: Path, params: ExtractParams) -> Path | None:
    """The library that a folder belongs to: by the places of photos in it catalogs are matched."""
    home, place = params.folder.resolve(), folder.resolve()
    parents = [place, *place.parents]
    if home in parents:
        return home
    return next((parent for parent in parents if any(parent.glob("*.lrcat"))), None)


def _by_folder(files: Iterable[Path]) -> dict[Path, list[str]]:
    """The names asked for in each folder; none where the folder itself is."""
    found: dict[Path, list[str]] = {file: [] for file in files if file.is_dir()}
    for file in files:
        if not file.is_dir() and found.get(file.parent, [""]):
            found.setdefault(file.parent, []).append(file.name)
    return found


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['author']}, {row['source']}"


def _frame(row: Mapping[str, Any]) -> str:
    size = f"{row['width']} x {row['height']} px"
    return f"displayed {size}, {_TURNS[row['orientation']]} (orientation {row['orientation']})"


def _version(row: Mapping[str, Any]) -> list[str]:
    crop = Crop(*(row[name] for name in CROP_COLUMNS))
    box = crop.in_pixels(row["width"], row["height"])
    kept = (crop.right - crop.left) * (crop.bottom - crop.top)
    limits = "  ".join(
        f"{name} {getattr(crop, name):.4f}" for name in ("top", "left", "bottom", "right")
    )
    tilt = f"angle {crop.angle:+.2f}°" if crop.angle else "not tilted"
    return [
        f"  {_name(row)}",
        f"    {limits}  {tilt}",
        f"    {box.width:.0f} x {box.height:.0f} px, {_ratio(box.width / box.height)}, "
        f"{kept:.0%} of the picture",
    ]


def _ratio(aspect: float) -> str:
    """An aspect ratio as it is named, where it is within a hundredth of a named one."""
    for named in _NAMED_RATIOS:
        wide, high = map(int, named.split(":"))
        if abs(aspect * high / wide - 1) < _SAME_RATIO:
            return named
        if abs(aspect * wide / high - 1) < _SAME_RATIO:
            return f"{high}:{wide}"
    return f"{aspect:.2f}:1"
