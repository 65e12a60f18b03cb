"""Decodes a smaller JPEG that a camera put into a photo's file, if it shows the whole photo.

What is shown here is that a preview looks like the photo. That no program has changed the photo
since the camera wrote both, the reader of a format has to know.
"""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.photos import image as photos
from cropperhead.system.regular_file import open_regular

# Cameras round a preview's sides to 8 or 16 px: 1616 x 1080 of 3:2 is 0.25 % off
ASPECT_TOLERANCE = 0.01
_BLACK = 12  # of 255: the bars of a letterboxed preview, with the ripples of its compression
_START, _END = b"\xff\xd8", b"\xff\xd9"  # SOI and EOI of ITU T.81, table B.1
_ORIENTATION = 0x0112
_MOST_PADDING = 1 << 16  # bytes: cameras fill up a block of the card with zeros
_MOST_BYTES = 64_000_000  # of a picture; one of 100 megapixels has some 40


@dataclass(frozen=True)
class PhotoFrame:
    """What a preview has to show: the photo's stored pixels."""

    size: tuple[int, int]  # width and height in px
    shown_as: int  # the orientation (1 to 8) in which the camera displays them
    max_megapixels: float  # more are not decoded
    profile: bytes | None = None  # the ICC profile of its colours

    def shows_turns(self) -> bool:
        """Whether a preview that was stored turned would show it by its aspect."""
        swaps = orientation.displayed_size(*self.size, self.shown_as) != self.size
        return self.shown_as == orientation.UPRIGHT or (
            swaps and not are_alike(self.size, self.size[::-1])
        )


def decode(
    jpeg: bytes, frame: PhotoFrame, long_side: int, least: int | None = None
) -> Image.Image | None:
    """The preview's pixels for a copy with this long side; None if it may show something else.

    None, too, for a damaged preview, and for one that has less than `least` px on its long side. By
    default, it has to have as many as are decoded of a photo without previews, and to be smaller
    than the photo. Whether `frame.shows_turns` is for the caller to ask.
    """
    if not jpeg.startswith(_START):
        return None
    enough, most = photos.draft_side(long_side), max(frame.size) - 1
    if least is not None:
        enough, most = least, sys.maxsize
    try:
        with photos.open_picture(io.BytesIO(jpeg), frame.max_megapixels) as preview:
            if not (enough <= max(preview.size) <= most and _may_show(preview, frame)):
                return None
            photos.load_pixels(preview, long_side)
            if has_bars(preview):
                return None
            return preview if preview.mode == "RGB" else preview.convert("RGB")
    except RejectedFile:
        return None


def read_part(stream: BinaryIO, place: int, size: int) -> bytes:
    """The JPEG at a place of a file; empty if there is none, or not all of it.

    Empty, too, if it is said to be larger than any: what a file says may be a trap.
    """
    if place < 0 or not len(_START) < size <= _MOST_BYTES:
        return b""
    stream.seek(place)
    if stream.read(len(_START)) != _START:
        return b""
    part = _START + stream.read(size - len(_START))
    return part if len(part) == size and _ends(part) else b""


def ends_whole(file: Path) -> bool:
    """Whether a file ends as a JPEG does, which one that is cut off within its pixels never does.

    False, too, for one with something else behind its last picture.
    """
    with open_regular(file) as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _MOST_PADDING))
        return _ends(stream.read())


def are_alike(
    size: tuple[float, ...], other: tuple[float, ...], tolerance: float = ASPECT_TOLERANCE
) -> bool:
    """Whether two sizes have one aspect."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= tolerance


def has_bars(preview: Image.Image) -> bool:
    """Whether a whole border is black, as when a preview is padded to another aspect."""
    width, height = preview.size
    lines = [(0, 0, width, 1), (0, height - 1, width, height)]
    lines += [(0, 0, 1, height), (width - 1, 0, width, height)]
    return any(_brightest(preview.crop(line)) <= _BLACK for line in lines)


def _ends(part: bytes) -> bool:
    return part.rstrip(b"\0").endswith(_END)


def _brightest(line: Image.Image) -> float:
    _, most = line.convert("L").getextrema()
    return float(most)  # type: ignore[arg-type]  # of one band


def _may_show(preview: Image.Image, frame: PhotoFrame) -> bool:
    """Whether a preview has the frame's aspect, colours and orientation, as far as it says."""
    said = preview.getexif().get(_ORIENTATION, orientation.UPRIGHT)
    is_same_space = frame.profile is None or preview.info.get("icc_profile") == frame.profile
    return (
        said in {orientation.UPRIGHT, frame.shown_as}
        and is_same_space
        and are_alike(preview.size, frame.size)
    )
