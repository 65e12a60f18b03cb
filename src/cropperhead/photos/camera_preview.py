"""Finds a smaller picture that may take the place of a JPEG or HEIC, as the camera wrote both.

Cameras put pictures of 640 to 1,920 px behind a JPEG, where the multi-picture format lists them
(CIPA DC-007), and into an HEIC as thumbnail items. Decoding one takes a tenth of the time of the
photo. But a program that changes the photo may leave them as they were. So none is used unless the
file looks as the camera wrote it: EXIF comes first, as it must (EXIF 2.32, 4.5.2) and as programs
rarely leave it, tells the pixels' own size and no later change, and neither EXIF nor XMP names a
program. Settings of an editor are no exception.

Pictures in EXIF and in makers' notes are not used. They are small, and programs that turn or cut a
JPEG without decoding it keep them, and everything else of EXIF, but nothing behind the photo.
"""

import io
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from cropperhead.errors import RejectedFile
from cropperhead.photos import as_taken, embedded_preview, tiff
from cropperhead.photos import image as pictures
from cropperhead.photos.as_taken import Exposure
from cropperhead.photos.embedded_preview import PhotoFrame

_WIDTH, _HEIGHT = 40962, 40963  # PixelXDimension and PixelYDimension
_WANTED = as_taken.TAGS | {_WIDTH, _HEIGHT}
_EXIF_PREFIX, _INDEX_PREFIX = b"Exif\0\0", b"MPF\0"
# JFIF, Photoshop's resources and Adobe's colour transform: segments that programs write
_PROGRAMS_SEGMENTS = frozenset({"APP0", "APP13", "APP14"})
# Names of what XMP says about a program that has changed a photo, and of editors' settings
_PROGRAMS_WORDS = (b"CreatorTool", b"softwareAgent", b"camera-raw-settings", b"darktable")
_ENTRIES, _HEAD = 0xB002, 1 << 18  # the index's tag, and bytes of a file that hold its header
_LARGE_THUMBNAIL = "Large Thumbnail"  # so begins Pillow's name of the kind
_MOST_PICTURES = 16  # that are tried; a camera lists three


def find_preview(
    image: Image.Image, file: Path, frame: PhotoFrame, long_side: int
) -> Image.Image | None:
    """The pixels of the smallest picture that is large enough for a copy with this long side.

    `image` is the opened photo, whose pixels are not read yet. None if there is no such picture, or
    if it may show something else.
    """
    if pictures.draft_side(long_side) >= max(frame.size) or not frame.shows_turns():
        return None
    if find_exposure(image, frame.size) is None:
        return None
    if image.format == pictures.HEIF:
        return _thumbnail_item(file, frame, long_side)
    previews = (embedded_preview.decode(jpeg, frame, long_side) for jpeg in _jpegs(image))
    return next((one for one in previews if one is not None), None)


def find_exposure(image: Any, size: tuple[int, int]) -> Exposure | None:
    """The exposure of an opened JPEG or HEIC that looks as the camera wrote it; None for others.

    `size` is that of its stored pixels, which are not read yet.
    """
    is_heif = image.format == pictures.HEIF
    if not (is_heif or (image.format in pictures.JPEG_FORMATS and _has_cameras_segments(image))):
        return None
    xmp = image.info.get("xmp") or b""
    said = [xmp] if is_heif else [content for _, content in image.applist]  # also extended XMP
    if any(word in part.replace(b"\0", b"") for part in said for word in _PROGRAMS_WORDS):
        return None  # in UTF-16, too
    exif = io.BytesIO((image.info.get("exif") or b"").removeprefix(_EXIF_PREFIX))
    try:
        directories = tiff.read_directories(exif, _WANTED)
    except (struct.error, ZeroDivisionError):
        return None
    stated = (_number(directories, _WIDTH), _number(directories, _HEIGHT))
    return as_taken.find_exposure(directories) if stated == size else None


def _has_cameras_segments(image: Any) -> bool:
    """Whether a JPEG begins with EXIF, and has no segment that only programs write."""
    names = [name for name, _ in image.applist]
    is_first = names[:1] == ["APP1"] and image.applist[0][1].startswith(_EXIF_PREFIX)
    return is_first and _PROGRAMS_SEGMENTS.isdisjoint(names)


def _number(directories: list[tiff.Directory], tag: int) -> int:
    return next((int(one[tag][0]) for one in directories if one.get(tag)), 0)


def _jpegs(image: Any) -> Iterator[bytes]:
    """The JPEGs that the index lists, by size."""
    listed = itertools.islice(_listed(image), _MOST_PICTURES)
    for place, size in sorted(listed, key=lambda part: part[1]):
        yield embedded_preview.read_part(image.fp, place, size)


def _listed(image: Any) -> Iterator[tuple[int, int]]:
    """Where the index has previews, and how many bytes; views, frames and maps are none."""
    if image.format != "MPO":
        return
    image.fp.seek(0)
    start = image.fp.read(_HEAD).find(_INDEX_PREFIX + image.info["mp"])
    if start < 0:
        return
    for entry in image.mpinfo.get(_ENTRIES, ()):
        if entry["Attribute"]["MPType"].startswith(_LARGE_THUMBNAIL):
            yield start + len(_INDEX_PREFIX) + entry["DataOffset"], entry["Size"]


def _thumbnail_item(file: Path, frame: PhotoFrame, long_side: int) -> Image.Image | None:
    try:
        with pictures.open_picture(file, frame.max_megapixels) as thumbnail:
            whole = thumbnail.size
            pictures.draft(thumbnail, long_side)
            if thumbnail.size == whole:
                return None
            thumbnail.load()
            return None if embedded_preview.has_bars(thumbnail) else thumbnail
    except RejectedFile:
        return None
