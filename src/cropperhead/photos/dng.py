"""What a DNG's directories say: which part of the sensor it shows, and whether that can be decoded.

The directory of the RAW pixels may be below the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from cropperhead.errors import RejectedFile
from cropperhead.photos.tiff import Directory, Entry

# TIFF 6.0 and DNG 1.7: the tags of a DNG's frame, and of the program that made its previews
_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 259, 262
_DNG_VERSION, _SCALE, _CROP_ORIGIN, _CROP_SIZE, _ACTIVE_AREA = 50706, 50718, 50719, 50720, 50829
_USER_CROP = 51125
_REPEAT = 33421  # CFARepeatPatternDim
# PreviewApplicationName, -Version, PreviewSettingsName and -Digest
_PREVIEW_MAKER = frozenset({50966, 50967, 50968, 50969})
TAGS = _PREVIEW_MAKER | {
    *(_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _USER_CROP, _REPEAT),
    *(_DNG_VERSION, _SCALE, _CROP_ORIGIN, _CROP_SIZE, _ACTIVE_AREA),
}
_COLOUR_FILTERS, _LINEAR_RAW = 32803, 34892
_RAW_PIXELS = {_COLOUR_FILTERS, _LINEAR_RAW}  # PhotometricInterpretation
_OF_RAW_PIXELS = _SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC  # what tells their directory
_JPEG_XL = 52546
_NO_USER_CROP = (0, 0, 1, 1)


@dataclass(frozen=True)
class Box:
    """A part of the sensor in its pixels."""

    left: float
    top: float
    width: float
    height: float


class Mosaic(Enum):
    """How the colours of a sensor's pixels are arranged."""

    BAYER = "in squares of 2 x 2 px"
    X_TRANS = "in squares of 6 x 6 px"
    OTHER = "in another way, or every pixel has all colours"


def is_dng(directories: Sequence[Directory]) -> bool:
    """Whether a file with these directories is a DNG."""
    return any(_DNG_VERSION in one for one in directories)


def default_frame(directories: Sequence[Directory]) -> tuple[Box, tuple[int, int]] | None:
    """A DNG's default crop, and its size in square pixels.

    LibRaw 0.22 moves one that begins at an odd pixel, so it is read here. None for other formats.
    Raises RejectedFile (`frame`) if it is not a part of the sensor, ValueError or IndexError if a
    tag has too many or too few numbers.
    """
    raw = _raw_directory(directories)
    if raw is None:
        return None
    top, left, bottom, right = _active_limits(raw)
    x, y = raw.get(_CROP_ORIGIN, (0, 0))
    width, height = raw.get(_CROP_SIZE, (right - left, bottom - top))
    # a pixel, for origins and sizes may be fractions
    inside = 0 <= x <= right - left - width + 1 and 0 <= y <= bottom - top - height + 1
    if not (inside and width >= 1 and height >= 1):
        raise RejectedFile(
            "frame",
            f"DefaultCropOrigin is {x:g}, {y:g} and DefaultCropSize {width:g}, {height:g}, "
            f"expected a part of {right - left:g} x {bottom - top:g} px",
        )
    scale = raw.get(_SCALE, (1, 1))  # of pixels that are not square
    size = max(1, round(width * scale[0])), max(1, round(height * scale[1]))
    return Box(left + x, top + y, width, height), size


def active_area(directories: Sequence[Directory]) -> Box | None:
    """The part of the sensor that is exposed to light. None for other formats than DNG.

    Raises as `default_frame`.
    """
    raw = _raw_directory(directories)
    if raw is None:
        return None
    top, left, bottom, right = _active_limits(raw)
    return Box(left, top, right - left, bottom - top)


def mosaic(directories: Sequence[Directory]) -> Mosaic:
    """How the colours are arranged on a DNG's sensor."""
    raw = _raw_directory(directories) or {}
    if raw.get(_PHOTOMETRIC) != (_COLOUR_FILTERS,):
        return Mosaic.OTHER
    repeats: dict[tuple[float, ...], Mosaic] = {(2, 2): Mosaic.BAYER, (6, 6): Mosaic.X_TRANS}
    return repeats.get(raw.get(_REPEAT, (2, 2)), Mosaic.OTHER)


def user_crop(directories: Sequence[Directory]) -> tuple[float, float, float, float] | None:
    """DefaultUserCrop: top, left, bottom and right in fractions of the frame; None without it."""
    given = next((one[_USER_CROP] for one in directories if _USER_CROP in one), ())
    if given == _NO_USER_CROP or len(given) != len(_NO_USER_CROP):
        return None
    top, left, bottom, right = given
    return top, left, bottom, right


def _active_limits(raw: Directory) -> tuple[float, ...]:
    """Top, left, bottom, right."""
    return raw.get(_ACTIVE_AREA, (0, 0, *raw[_HEIGHT], *raw[_WIDTH]))


def previews_differ(directories: Sequence[Directory]) -> bool:
    """Whether a DNG's previews are known to show something else than its frame.

    An editor has put its own in, which show the photo as it was edited; or the photographer has
    framed less in the camera (digital zoom, aspect), which DefaultUserCrop tells.
    """
    if not is_dng(directories):
        return False
    edited = any(_PREVIEW_MAKER & one.keys() for one in directories)
    return edited or any(one.get(_USER_CROP, _NO_USER_CROP) != _NO_USER_CROP for one in directories)


def is_jpeg_xl(directories: Sequence[Directory]) -> bool:
    """Whether a DNG's RAW pixels are JPEG XL, which LibRaw 0.22 opens, but does not decode."""
    raw = _raw_directory(directories)
    return raw is not None and raw.get(_COMPRESSION) == (_JPEG_XL,)


def holds_raw_pixels(directory: Directory) -> bool:
    """Whether a directory of a DNG is that of the RAW pixels."""
    return (
        directory.get(_SUBFILE, (0,)) == (0,)
        and directory.get(_PHOTOMETRIC, (-1,))[0] in _RAW_PIXELS
        and _WIDTH in directory
        and _HEIGHT in directory
    )


def names_raw_pixels(entries: Mapping[int, Entry], stream: BinaryIO) -> bool:
    """As `holds_raw_pixels`, for tags of which the values are not read yet; by number.

    Raises struct.error.
    """
    single = [tag for tag in _OF_RAW_PIXELS if tag in entries and entries[tag].count == 1]
    return holds_raw_pixels({tag: entries[tag].numbers(stream) for tag in single})


def _raw_directory(directories: Sequence[Directory]) -> Directory | None:
    if not is_dng(directories):
        return None
    return next((one for one in directories if holds_raw_pixels(one)), None)
