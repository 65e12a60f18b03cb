"""What CropperHead reads in single photos, as text and as pictures: for the photographer's eyes."""

import io
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from PIL import Image

from cropperhead.editors import base
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop
from cropperhead.library import catalogs, edited_photo, scan, selection
from cropperhead.library.edited_photo import (
    NO_PHOTO,
    CopySize,
    EditedCrop,
    EditedPhoto,
    ReadOptions,
)
from cropperhead.library.store import find_library
from cropperhead.params import ExtractParams
from cropperhead.photos import drawing, exiftool
from cropperhead.system import atomic, filenames

_PICTURE_LONG_SIDE = 1600  # px
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
# Ratios that photographers name; others are printed as a number
_SAME_RATIO = 0.01
_NAMED_RATIOS = ("1:1", "5:4", "4:3", "7:5", "3:2", "16:10", "16:9", "2:1", "21:9")


def read_photos(
    paths: Sequence[Path], params: ExtractParams, catalog_files: Sequence[Path], pictures: bool
) -> Iterator[tuple[Path, EditedPhoto | RejectedFile | None]]:
    """Reads each photo, and each photo of a folder; None is for one that is not cropped.

    Patterns are expanded; a path without a photo is rejected. `pictures` says whether to decode
    cropped photos, for `draw`. Raises LibraryError if nothing is at any of the paths, and
    SetupError if ExifTool is not installed.
    """
    copy = CopySize(_PICTURE_LONG_SIDE, params.jpeg_quality) if pictures else None
    options = ReadOptions(params.max_megapixels, copy=copy)
    found = selection.select(
        paths, lambda folder, names: _find_entries(folder, names, params, catalog_files)
    )
    with exiftool.tag_reader() as reader:
        for group in found.groups:
            photos = edited_photo.read_cropped(group.root, group.entries, reader, options)
            for entry, photo in zip(group.entries, photos, strict=True):
                # as it was typed, not from the root of its library
                typed = group.folder / Path(entry.file).name
                yield typed if group.names else group.root / entry.file, photo
    for folder, reason in found.without_photos.items():
        yield Path(filenames.escape_path(folder)), RejectedFile(NO_PHOTO, reason)


def describe(file: Path, photo: EditedPhoto | RejectedFile | None) -> str:
    """A few lines about one photo."""
    if isinstance(photo, RejectedFile):
        return f"{file}\n  rejected: {photo.kind}: {photo}"
    if photo is None:
        return f"{file}\n  not cropped"
    lines = [str(file), *_describe_crops(photo)]
    unused = (*photo.left_out, *photo.passed_over)
    lines += [f"  left out: {one.file}: {one.kind}: {one.reason}" for one in unused]
    return "\n".join(lines)


def _describe_crops(photo: EditedPhoto) -> list[str]:
    if not photo.crops:
        return ["  not cropped"]
    if not photo.person_crops:
        by_model = any(crop.is_untouched for crop in photo.crops)
        whose = "an unedited suggestion" if by_model else "a crop that nobody made"
        return [f"  has only {whose}"]
    lines = [f"  {_describe_frame(photo)}"]
    for crop in photo.person_crops:
        lines += _describe_crop(photo, crop)
    return lines


def draw(file: Path, photo: EditedPhoto, folder: Path, used: set[Path]) -> Path:
    """Draws a photo's crops into a folder, under a name that is not `used`, and adds the name."""
    names = (f"{file.name}{extra}.crops.jpg" for extra in chain([""], map(" {}".format, count(2))))
    target = next(folder / name for name in names if folder / name not in used)
    picture = picture_with_crops(photo)
    atomic.replace(target, lambda unfinished: picture.save(unfinished, "JPEG", quality=90))
    used.add(target)
    return target


def picture_with_crops(photo: EditedPhoto) -> Image.Image:
    """The photo with all crops that people made drawn over it, and a legend that names them.

    The photo must have been read with a picture.
    """
    assert photo.copy is not None
    with Image.open(io.BytesIO(photo.copy.jpeg)) as image:
        names = [_name(crop) for crop in photo.person_crops]
        styles = dict(zip(names, drawing.VERSION_STYLES, strict=False))
        limits = [_displayed(photo, crop).limits() for crop in photo.person_crops]
        outlines = dict(zip(names, limits, strict=True))
        return drawing.add_legend(drawing.draw_outlines(image, outlines, styles), styles)


def _find_entries(
    folder: Path, names: Sequence[str], params: ExtractParams, catalog_files: Sequence[Path]
) -> tuple[Path, list[scan.Entry]]:
    """The photos of a folder as the extraction would find them, and the library they are in."""
    if not names:
        return folder, list(scan.scan(folder, catalog_files, params.tags).entries)
    root = _root(folder, params)
    if root is None:
        return folder, scan.find_photos(folder, names, catalog_files, params.tags)
    below = folder.resolve().relative_to(root)
    inside = [(below / name).as_posix() for name in names]
    return root, scan.find_photos(root, inside, catalog_files, params.tags, deep=True)


def _root(folder: Path, params: ExtractParams) -> Path | None:
    """The library that a folder belongs to: catalogs are matched by photos' paths in it."""
    home, place = find_library(params.library), folder.resolve()
    parents = [place, *place.parents]
    if isinstance(home, Path) and home.resolve() in parents:
        return home.resolve()
    return next((one for one in parents if any(one.glob(f"*{catalogs.SUFFIX}"))), None)


def _name(crop: EditedCrop) -> str:
    return f"{crop.version.author}, {crop.version.source}"


def _displayed(photo: EditedPhoto, crop: EditedCrop) -> Crop:
    """A crop as labels have it: in the display of the first editor."""
    return base.displayed_crop(crop.box, *photo.frame, photo.shown_as)


def _displayed_size(photo: EditedPhoto) -> tuple[int, int]:
    return orientation.displayed_size(*photo.frame, photo.shown_as)


def _describe_frame(photo: EditedPhoto) -> str:
    width, height = _displayed_size(photo)
    turned = f"{_TURNS[photo.shown_as]} (orientation {photo.shown_as})"
    return f"displayed {width} x {height} px, {turned}"


def _describe_crop(photo: EditedPhoto, edited: EditedCrop) -> list[str]:
    crop = _displayed(photo, edited)
    box = crop.in_pixels(*_displayed_size(photo))
    kept = (crop.right - crop.left) * (crop.bottom - crop.top)
    limits = "  ".join(
        f"{name} {getattr(crop, name):.4f}" for name in ("top", "left", "bottom", "right")
    )
    tilt = f"angle {crop.angle:+.2f}°" if crop.angle else "not tilted"
    return [
        f"  {_name(edited)}",
        f"    {limits}  {tilt}",
        f"    {box.width:.0f} x {box.height:.0f} px, {_ratio(box.width / box.height)}, "
        f"{kept:.0%} of the picture",
    ]


def _ratio(aspect: float) -> str:
    """The name of an aspect ratio, if it is within a hundredth of a named one."""
    for named in _NAMED_RATIOS:
        wide, high = map(int, named.split(":"))
        if abs(aspect * high / wide - 1) < _SAME_RATIO:
            return named
        if abs(aspect * wide / high - 1) < _SAME_RATIO:
            return f"{high}:{wide}"
    return f"{aspect:.2f}:1"
