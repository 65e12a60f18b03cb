"""Reads RAW photos by LibRaw (rawpy): the frame, and the pixels as they are stored.

Editors measure a crop of a RAW photo in the frame that the camera's default crop leaves of the
sensor. The camera's own preview shows that frame if its aspect agrees, and takes a hundredth of the
time of developing; where there is any doubt of what a preview shows, the RAW pixels are developed.
"""

import io
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.photos import dng
from cropperhead.photos import image as photos
from cropperhead.photos.dng import Box

# What ExifTool or LibRaw know as a still camera's RAW format
_NAMES = (
    "3fr ari arq arw bay bmq cap cr2 cr3 crw cs1 dc2 dcr dng drf erf fff gpr ia iiq k25 kc2 kdc "
    "mdc mef mos mrw nef nrw orf ori pef ptx pxn qtk raf raw rdc rw2 rwl rwz sr2 srf srw sti x3f"
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())

# Cameras round a preview's sides to 8 or 16 px: 1616 x 1080 of 3:2 is 0.25 % off
_ASPECT_TOLERANCE = 0.01
# A maker's crop takes a few pixels off the border. One that takes more shows the aspect that was
# set in the camera (4:3 of a 3:2 sensor leaves 0.89, 5:4 of a 4:3 one 0.9375), and some editors
# keep the whole sensor of those.
_LEAST_SHARE = 0.94
# ISO 12232: a grey of 18 % exposes to 12.7 % of saturation; without this RAW photos come out dark
_BRIGHTNESS = 0.18 / 0.127
_SRGB_CURVE = (2.4, 12.92)  # IEC 61966-2-1: exponent, and slope near black
_TWICE = 2  # as `image` decodes at least twice the size of a copy
# LibRaw's flips (bits: 1 mirrored, 2 upside down, 4 sides swapped) as EXIF's orientations
_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}
_BLACK = 12  # of 255: the bars of a letterboxed preview, with the ripples of its compression


@dataclass(frozen=True)
class RawPhoto:
    """An open RAW file."""

    frame: tuple[int, int]  # width and height in px as stored, after the camera's default crop
    shown_as: int  # the orientation in which the camera displays it
    _crop: Box
    _raw: Any
    _previews_are_edited: bool
    _max_megapixels: float
    _file: Path

    def picture(self, long_side: int) -> Image.Image:
        """The frame's pixels as stored, a little larger than `long_side` where there are more."""
        preview = None if self._previews_are_edited else self._preview(long_side)
        return preview or self._developed(long_side)

    def _preview(self, long_side: int) -> Image.Image | None:
        """The largest embedded preview, if it shows the frame beyond doubt."""
        if not self._shows_turns():
            return None
        try:
            # rawpy gives only the largest; the smaller ones are icons
            jpeg = _largest_preview(self._raw)
            if not _is_whole(jpeg, self._file):
                return None
            with photos.open_picture(io.BytesIO(jpeg), self._max_megapixels) as preview:
                if max(preview.size) < long_side or not _alike(preview.size, self.frame):
                    return None
                photos.load_pixels(preview, long_side)
                return None if _has_bars(preview) else preview.convert("RGB")
        except RejectedFile:  # the RAW pixels may be sound
            return None

    def _shows_turns(self) -> bool:
        """Whether a preview that was stored turned would show it by its aspect."""
        flip = self._raw.sizes.flip  # bits: 1 mirrored, 2 upside down, 4 sides swapped
        return flip == 0 or (bool(flip & 4) and not _alike(self.frame, self.frame[::-1]))

    def _developed(self, long_side: int) -> Image.Image:
        import rawpy  # noqa: PLC0415

        sizes = self._raw.sizes
        pixels = self._raw.postprocess(
            half_size=max(self.frame) >= 2 * _TWICE * long_side,
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,  # the picture will be made small
            use_camera_wb=True,
            no_auto_bright=True,  # a night stays dark
            bright=_BRIGHTNESS,
            gamma=_SRGB_CURVE,
            user_flip=0,
        )
        image = Image.fromarray(pixels.squeeze())
        visible = sizes.width * sizes.pixel_aspect, sizes.height
        if not _alike(image.size, visible, _TWICE * _ASPECT_TOLERANCE):
            raise RejectedFile("frame", f"the sensor's pixels are turned: {image.size} of {sizes}")
        return image.crop(_within(self._crop, _visible(sizes), image.size)).convert("RGB")


@contextmanager
def open_raw(file: Path, max_megapixels: float) -> Iterator[RawPhoto]:
    """Opens a RAW photo and reads its header, not yet its pixels.

    Raises RejectedFile, also for errors while the pixels are read within the block.
    """
    import rawpy  # noqa: PLC0415

    try:
        directories = dng.read_directories(file)
        with rawpy.imread(str(file)) as raw:
            sizes = raw.sizes
            # LibRaw makes oblong pixels square, of all the sensor, by adding some
            stretch = max(sizes.pixel_aspect, 1 / sizes.pixel_aspect)
            width = round(sizes.raw_width * stretch)
            photos.refuse_too_large(width, sizes.raw_height, max_megapixels)
            crop, frame = dng.default_frame(directories) or _makers_frame(sizes)
            photos.refuse_too_large(*frame, max_megapixels)
            edited = dng.previews_are_edited(directories)
            shown_as = _ORIENTATIONS.get(sizes.flip, orientation.UPRIGHT)
            yield RawPhoto(frame, shown_as, crop, raw, edited, max_megapixels, file)
    except RejectedFile:
        raise
    # rawpy and LibRaw raise nearly anything on damaged files
    except Exception as error:
        raise RejectedFile(
            "unreadable", f"the RAW file cannot be read: {_problem(error)}"
        ) from error


def _problem(error: Exception) -> str:
    if isinstance(error, struct.error):
        return "its header is cut off"
    first = error.args[0] if error.args else error
    return first.decode(errors="replace") if isinstance(first, bytes) else str(error)


def _largest_preview(raw: Any) -> bytes:
    import rawpy  # noqa: PLC0415

    try:
        preview = raw.extract_thumb()
    except (rawpy.LibRawError, NotImplementedError) as error:
        raise RejectedFile("unreadable", f"no preview: {_problem(error)}") from error
    if preview.format is not rawpy.ThumbFormat.JPEG:
        raise RejectedFile("unreadable", "the preview is not a JPEG")
    return bytes(preview.data)


def _is_whole(jpeg: bytes, file: Path) -> bool:
    """Whether all of a preview is in the file.

    If a file is cut off within one, LibRaw gives what was in memory, such as the end of the photo
    before. It may put its own header into the first half.
    """
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return whole.find(jpeg[len(jpeg) // 2 :]) >= 0


def _alike(
    size: tuple[float, ...], other: tuple[float, ...], tolerance: float = _ASPECT_TOLERANCE
) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= tolerance


def _has_bars(preview: Image.Image) -> bool:
    """Whether a whole border is black, as when a preview is padded to another aspect."""
    bright = preview.convert("L").point(lambda value: 255 * (value > _BLACK))
    return bright.getbbox() != (0, 0, *preview.size)


def _visible(sizes: Any) -> Box:
    return Box(sizes.left_margin, sizes.top_margin, sizes.width, sizes.height)


def _within(crop: Box, visible: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The crop's box in a picture of the visible part that has this size."""
    across, down = size[0] / visible.width, size[1] / visible.height
    left, top = (crop.left - visible.left) * across, (crop.top - visible.top) * down
    right, bottom = left + crop.width * across, top + crop.height * down
    return (
        max(0, round(left)),
        max(0, round(top)),
        min(size[0], round(right)),
        min(size[1], round(bottom)),
    )


def _makers_frame(sizes: Any) -> tuple[Box, tuple[int, int]]:
    """The crop in the maker's own notes, otherwise all that LibRaw counts as the picture."""
    visible = _visible(sizes)
    crop = Box(sizes.crop_left_margin, sizes.crop_top_margin, sizes.crop_width, sizes.crop_height)
    # Canon's small RAW formats give the crop of the whole sensor
    if not (0 < crop.width <= visible.width and 0 < crop.height <= visible.height):
        crop = visible
    if min(crop.width / visible.width, crop.height / visible.height) < _LEAST_SHARE:
        raise RejectedFile(
            "frame",
            f"the camera keeps {crop.width} x {crop.height} px of {visible.width} x "
            f"{visible.height}, and editors differ in which of them they crop",
        )
    return _inside(crop, visible), (round(crop.width * sizes.pixel_aspect), round(crop.height))


def _inside(crop: Box, visible: Box) -> Box:
    """The crop at its own place, or in the middle if it cannot be there."""
    fits = (
        visible.left <= crop.left <= visible.left + visible.width - crop.width
        and visible.top <= crop.top <= visible.top + visible.height - crop.height
    )
    left = crop.left if fits else visible.left + (visible.width - crop.width) / 2
    top = crop.top if fits else visible.top + (visible.height - crop.height) / 2
    return Box(left, top, crop.width, crop.height)
