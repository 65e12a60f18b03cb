"""Reads RAW photos by LibRaw (rawpy): the frame, and the pixels as they are stored.

Editors measure a crop of a RAW photo in the frame that the camera's default crop leaves of the
sensor. The camera's own preview shows that frame if its aspect agrees, and takes a hundredth of the
time of developing. Other programs put the edited, cropped picture into its place, which may have
the same aspect. So where nothing proves that a preview is as the camera wrote it, the RAW pixels
are developed, and the preview counts only if they cannot be decoded.
"""

import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from PIL import Image

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.photos import as_taken, dng, embedded_preview, raw_header, tiff
from cropperhead.photos import image as photos
from cropperhead.photos.as_taken import Exposure
from cropperhead.photos.dng import Box
from cropperhead.photos.embedded_preview import ASPECT_TOLERANCE, PhotoFrame, are_alike
from cropperhead.photos.sensor import Sensor
from cropperhead.photos.tiff import Directory
from cropperhead.system.regular_file import open_regular

# What ExifTool or LibRaw know as a still camera's RAW format
_NAMES = (
    "3fr ari arq arw bay bmq cap cr2 cr3 crw cs1 dc2 dcr dng drf erf fff gpr ia iiq k25 kc2 kdc "
    "mdc mef mos mrw nef nrw orf ori pef ptx pxn qtk raf raw rdc rw2 rwl rwz sr2 srf srw sti x3f"
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())

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


class _Preview(Enum):
    """What the embedded preview may be used for."""

    DIFFERENT = "nothing: it shows something else, or another program may have replaced it"
    DOUBTFUL = "where the RAW pixels cannot be decoded"
    AS_TAKEN = "in place of the RAW pixels"


@dataclass(frozen=True)
class RawPhoto:
    """An open RAW file."""

    frame: tuple[int, int]  # width and height in px as stored, after the camera's default crop
    shown_as: int  # the orientation in which the camera displays it
    sensor: Sensor | None  # None if its pixels are not square
    exposure: Exposure | None  # None unless the file is as the camera wrote it
    _crop: Box
    _raw: Any
    _preview_use: _Preview
    _max_megapixels: float
    _file: Path
    format: str = "RAW"

    @property
    def _shown(self) -> PhotoFrame:
        """What its previews have to show."""
        return PhotoFrame(self.frame, self.shown_as, self._max_megapixels)

    def picture(self, long_side: int) -> Image.Image:
        """The frame's pixels as stored, a little larger than `long_side` where there are more."""
        import rawpy  # noqa: PLC0415

        preview = self._as_taken(long_side)
        if preview is not None:
            return preview
        jpeg = self._preview_jpeg()  # LibRaw gives none after it has failed
        try:
            return self._developed(long_side)
        except rawpy.LibRawError:
            preview = self._preview(jpeg, long_side)
            if preview is None:
                raise
            return preview

    def has_substitute(self) -> bool:
        """Whether the preview can replace RAW pixels that cannot be decoded, however small."""
        return self._preview(self._preview_jpeg(), long_side=1) is not None

    def shows_preview(self, long_side: int) -> bool:
        """Whether `picture` takes a preview in place of the RAW pixels, which it then leaves."""
        return self._as_taken(long_side) is not None

    def is_whole(self, long_side: int) -> bool:
        """Whether all of what `picture` shows is in the file; False where only developing tells."""
        return self.shows_preview(long_side)

    def _preview_jpeg(self) -> bytes | None:
        """The largest embedded preview, if it may be used and is stored as the RAW pixels are."""
        if self._preview_use is _Preview.DIFFERENT or not self._shown.shows_turns():
            return None
        try:
            return _largest_preview(self._raw)
        except RejectedFile:  # the RAW pixels may be sound
            return None

    def _as_taken(self, long_side: int) -> Image.Image | None:
        """The smallest preview that may take the place of the RAW pixels and is large enough."""
        if self._preview_use is not _Preview.AS_TAKEN or not self._shown.shows_turns():
            return None
        with open_regular(self._file) as stream:
            for place, size in raw_header.find_previews(self._file):
                jpeg = embedded_preview.read_part(stream, place, size)
                preview = embedded_preview.decode(jpeg, self._shown, long_side)
                if preview is not None:
                    return preview
        return self._preview(self._preview_jpeg(), long_side, least=long_side)

    def _preview(self, jpeg: bytes | None, long_side: int, least: int = 1) -> Image.Image | None:
        """The largest preview, if it has `least` px and may be of the whole frame."""
        if jpeg is None or not _is_whole(jpeg, self._file):
            return None
        return embedded_preview.decode(jpeg, self._shown, long_side, least)

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
        if not are_alike(image.size, visible, _TWICE * ASPECT_TOLERANCE):
            raise RejectedFile("frame", f"the sensor's pixels are turned: {image.size} of {sizes}")
        return image.crop(_within(self._crop, _visible(sizes), image.size)).convert("RGB")


@contextmanager
def open_raw(file: Path, max_megapixels: float) -> Iterator[RawPhoto]:
    """Opens a RAW photo and reads its header, not yet its pixels.

    Raises RejectedFile, also for errors while the pixels are read within the block.
    """
    import rawpy  # noqa: PLC0415

    try:
        directories = raw_header.read_directories(file)
        with rawpy.imread(str(file)) as raw:
            photo = _read_header(raw, directories, file, max_megapixels)
            if dng.is_jpeg_xl(directories) and not photo.has_substitute():
                raise RejectedFile(
                    "unreadable",
                    "its pixels are JPEG XL, which LibRaw does not decode, and it has no preview "
                    "of the whole frame as the camera wrote it",
                )
            yield photo
    except RejectedFile:
        raise
    # rawpy and LibRaw raise nearly anything on damaged files
    except Exception as error:
        raise RejectedFile(
            "unreadable", f"the RAW file cannot be read: {_problem(error)}"
        ) from error


def _read_header(
    raw: Any, directories: Sequence[Directory], file: Path, max_megapixels: float
) -> RawPhoto:
    sizes = raw.sizes
    # LibRaw makes oblong pixels square, of all the sensor, by adding some
    stretch = max(sizes.pixel_aspect, 1 / sizes.pixel_aspect)
    photos.refuse_too_large(round(sizes.raw_width * stretch), sizes.raw_height, max_megapixels)
    crop, frame = dng.default_frame(directories) or _makers_frame(sizes)
    photos.refuse_too_large(*frame, max_megapixels)
    is_as_taken = _is_as_taken(directories, file)
    return RawPhoto(
        frame,
        _shown_as(directories, sizes.flip),
        _sensor(directories, sizes, crop, frame),
        as_taken.find_exposure(directories) if is_as_taken else None,
        crop,
        raw,
        _preview_use(directories, is_as_taken),
        max_megapixels,
        file,
    )


def _sensor(
    directories: Sequence[Directory], sizes: Any, crop: Box, frame: tuple[int, int]
) -> Sensor | None:
    if (round(crop.width), round(crop.height)) != frame:
        return None
    active = dng.active_area(directories)
    return Sensor(
        whole=_moved(Box(0, 0, sizes.raw_width, sizes.raw_height), crop),
        active=None if active is None else _moved(active, crop),
        mosaic=dng.mosaic(directories),
        framing=dng.user_crop(directories),
    )


def _moved(box: Box, crop: Box) -> Box:
    return replace(box, left=box.left - crop.left, top=box.top - crop.top)


def _shown_as(directories: Sequence[Directory], flip: int) -> int:
    """The first directory's orientation, which is EXIF's; without it, what the maker's notes say.

    LibRaw takes any other directory's where the first one has 1.
    """
    stated = tiff.stated_orientation(directories[0]) if directories else None
    return stated or _ORIENTATIONS.get(flip, orientation.UPRIGHT)


def _is_as_taken(directories: Sequence[Directory], file: Path) -> bool:
    """Whether a file is shown to be as the camera wrote it, and no program has left a trace."""
    if not as_taken.is_as_taken(directories):
        return False
    names = raw_header.read_programs(file)
    return names is not None and not any(as_taken.names_program(directories, one) for one in names)


def _preview_use(directories: Sequence[Directory], is_as_taken: bool) -> _Preview:
    if dng.previews_differ(directories) or as_taken.is_changed(directories):
        return _Preview.DIFFERENT
    return _Preview.AS_TAKEN if is_as_taken else _Preview.DOUBTFUL


def _problem(error: Exception) -> str:
    if isinstance(error, struct.error):
        return "its header is cut off"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = error.args[0] if error.args else error
    return first.decode(errors="replace") if isinstance(first, bytes) else str(error)


def _largest_preview(raw: Any) -> bytes:
    """The largest preview; rawpy gives no other, which would be icons. Raises RejectedFile."""
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
    with (
        open_regular(file) as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        return whole.find(jpeg[len(jpeg) // 2 :]) >= 0


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
