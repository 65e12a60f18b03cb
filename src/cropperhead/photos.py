"""The only door to Pillow for reading photos: upright small copies, and crops cut out of pictures.

A camera-sized JPEG is decoded at an eighth to a half of its size (`draft`), which takes about an
eighth of the time of a full decode.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from cropperhead import orientation
from cropperhead.crops import Rectangle
from cropperhead.errors import RejectedFile

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff"})
# Each is registered by its plugin's import; JPEG opens multi-picture files (MPO) too.
_FORMATS = tuple(plugin.format for plugin in (JpegImageFile, PngImageFile, TiffImageFile))
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_DEEP_TO_EIGHT_BITS = 255 / 65535
# Decoded at twice the wanted size, then reduced: draft's own reduction is coarse.
_DRAFT_MARGIN = 2


@dataclass(frozen=True)
class SmallCopy:
    """An upright, small JPEG of a photo."""

    jpeg: bytes
    width: int
    height: int
    perceptual_hash: str  # 64 bits as 16 hexadecimal digits


@contextmanager
def opened(file: Path, max_megapixels: float) -> Iterator[Image.Image]:
    """A photo whose header is read and whose pixels are not yet.

    Raises RejectedFile, also for errors while the pixels are read within the block.
    """
    Image.MAX_IMAGE_PIXELS = None  # checked here, so that the limit is ours and its error too
    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > max_megapixels * 1e6:
                raise RejectedFile(
                    "too_large",
                    f"{image.width} x {image.height} px, expected at most {max_megapixels:g} "
                    "megapixels (extract.max_megapixels)",
                )
            yield image
    except UnidentifiedImageError:
        raise RejectedFile("not_a_photo", "neither a JPEG, PNG nor TIFF picture") from None
    except RejectedFile:
        raise
    # Pillow's decoders raise nearly anything on damaged files
    except Exception as error:
        raise RejectedFile("unreadable", f"the picture cannot be read: {error}") from error


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of the pixels as they lie in the file."""
    # On opening, Pillow swaps the sides of a TIFF by its own tag, but not by its XMP's.
    tag = image.tag_v2.get(_ORIENTATION_TAG) if isinstance(image, TiffImageFile) else None
    return orientation.displayed_size(*image.size, orientation=orientation.known(tag))


def small_copy(image: Image.Image, stored_as: int, long_side: int, quality: int) -> SmallCopy:
    """An upright sRGB JPEG whose long side has at most `long_side` px.

    `stored_as` is the orientation (1 to 8) by which the stored pixels are displayed.
    """
    turned = _turned_by_pillow(image)
    if image.format in {"JPEG", "MPO"}:
        image.draft(None, (_DRAFT_MARGIN * long_side, _DRAFT_MARGIN * long_side))
    profile = image.info.get("icc_profile")
    small = _eight_bits(image)
    small.thumbnail((long_side, long_side), Image.Resampling.LANCZOS, reducing_gap=_DRAFT_MARGIN)
    small = _to_srgb(small, profile)
    upright = transposed(transposed(small, orientation.inverse(turned)), stored_as)
    buffer = io.BytesIO()
    # Pillow would carry a PNG's text along, or fail on a long one
    upright.save(buffer, "JPEG", quality=quality, comment=b"")
    return SmallCopy(
        jpeg=buffer.getvalue(),
        width=upright.width,
        height=upright.height,
        perceptual_hash=str(imagehash.phash(upright)),
    )


def upright_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in px of a stored copy, once all of it is decoded.

    Raises RejectedFile where it is no JPEG, is damaged, or would be displayed turned.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            size, turned = image.size, image.getexif().get(_ORIENTATION_TAG, orientation.UPRIGHT)
            image.draft("L", (1, 1))  # every byte is still read, but few pixels are computed
            image.load()
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise RejectedFile("unreadable", f"the picture cannot be read: {error}") from error
    if turned != orientation.UPRIGHT:
        raise RejectedFile("turned", f"its orientation is {turned}, expected an upright picture")
    return size


def cut(image: Image.Image, box: Rectangle) -> Image.Image:
    """The straightened picture inside a rectangle in pixels of an upright picture."""
    width, height = max(1, round(box.width)), max(1, round(box.height))
    (left, top), (right_x, right_y), _, (low_x, low_y) = box.corners()
    across, down = (right_x - left) / width, (right_y - top) / width
    return image.transform(
        (width, height),
        Image.Transform.AFFINE,
        (across, (low_x - left) / height, left, down, (low_y - top) / height, top),
        resample=Image.Resampling.BICUBIC,
    )


def _turned_by_pillow(image: Image.Image) -> int:
    """The orientation that Pillow has applied of itself, as it does for TIFF alone."""
    if image.format != "TIFF":
        return orientation.UPRIGHT
    return orientation.known(image.getexif().get(_ORIENTATION_TAG))


def transposed(image: Image.Image, stored_as: int) -> Image.Image:
    """Stored pixels as they are displayed by an EXIF orientation, 1 to 8."""
    return image.transpose(_TRANSPOSE[stored_as]) if stored_as in _TRANSPOSE else image


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits, which convert() would clip
        scale = _to_eight_bits(float(np.asarray(image).max()), image.mode)
        image = image.convert("F").point(lambda value: value * scale + 0).convert("L")
    if image.has_transparency_data:
        backed = Image.new("RGBA", image.size, "white")
        backed.alpha_composite(image.convert("RGBA"))
        return backed.convert("RGB")
    return image if image.mode == "CMYK" else image.convert("RGB")


def _to_eight_bits(brightest: float, mode: str) -> float:
    """What to multiply pixels by that are in [0, 1] (floats alone), in 8 or in 16 bits."""
    if mode == "F" and brightest <= 1:
        return 255.0
    return _DEEP_TO_EIGHT_BITS if brightest > 255 else 1.0


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _colour_transform(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    return transform.apply(image)


@lru_cache(maxsize=32)
def _colour_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB, or None for a damaged or unfitting profile: then the numbers count as sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
