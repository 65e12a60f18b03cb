"""Reads photos by Pillow: upright small copies, and crops cut out of pictures.

A camera-sized JPEG is decoded at an eighth to a half of its size (`draft`), which takes about an
eighth of the time of a full decode.

The *stored* frame is that of the pixels as they are in the file. Some decoders turn pictures
automatically: Pillow a TIFF by its orientation tag or its XMP's, libheif an HEIC by its container's
`irot` and `imir`; Pillow's JPEG, PNG, WebP and AVIF decoders turn nothing. What was turned is
turned back here, and the caller's orientation is applied instead. For HEIC this assumes that
editors measure crops before the container's turn.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Rectangle
from cropperhead.photos import tiff
from cropperhead.photos.dng import Box, Mosaic
from cropperhead.photos.sensor import Sensor
from cropperhead.system.regular_file import open_regular

_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
SUFFIXES = _HEIF_SUFFIXES | frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".avif"}
)
# Each is registered by its plugin's import; JPEG opens multi-picture files (MPO) too.
_PLUGINS = (JpegImageFile, PngImageFile, TiffImageFile, WebPImageFile, AvifImageFile)
_FORMATS = tuple(plugin.format for plugin in _PLUGINS)
JPEG_FORMATS = frozenset({"JPEG", "MPO"})
HEIF = "HEIF"
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
_EXIF_PREFIX = b"Exif\0\0"
# ImageMagick's texts of hexadecimal digits
_OLD_PNG_EXIF = ("Raw profile type exif", "Raw profile type APP1")
# The EXIF orientations that libheif's own turns are: `irot` in degrees anticlockwise, `imir` by its
# axis (ISO/IEC 23008-12, 6.5.10 and 6.5.12)
_HEIF_TURNS = {("irot", 90): 8, ("irot", 180): 3, ("irot", 270): 6, ("imir", 0): 4, ("imir", 1): 2}
_FILE_TYPE_BOX = 64  # bytes that hold it: length, `ftyp`, the main brand, its version, more brands
_CLEAN_APERTURE = "clap"
_TURNED = "turned by the decoder"  # a note in an opened picture's `info`
_MARK = Rectangle(0.3, 0.1, 0, 0, 0)  # each of the eight orientations shows it at another place
_DEEP_TO_EIGHT_BITS = 255 / 65535
# Decoded somewhat larger than needed, then reduced: draft's own reduction is coarse. Of 24
# megapixels 750 px for 512 differ from a full decode by 40 dB, less than the copy's own compression
# takes; twice 512 would take a third longer.
_DRAFT_MARGIN = 1.4
_REDUCING_GAP = 2.0  # Pillow: box-reduced to twice the wanted size first


@dataclass(frozen=True)
class SmallCopy:
    """An upright, small JPEG of a photo."""

    jpeg: bytes
    width: int
    height: int
    perceptual_hash: str  # 64 bits as 16 hexadecimal digits
    features: bytes  # of local_features.LocalFeatures


@contextmanager
def open_picture(file: Path | BinaryIO, max_megapixels: float) -> Iterator[Image.Image]:
    """Opens a photo and reads its header, not yet its pixels; `file` may be an open file.

    Raises RejectedFile, also for errors while the pixels are read within the block.
    """
    Image.MAX_IMAGE_PIXELS = None  # checked here, so that the limit is ours and its error too
    try:
        with _stream(file) as stream, Image.open(stream, formats=_formats(stream)) as image:
            image.info[_TURNED] = _turned_by_libheif(image)
            refuse_too_large(*image.size, max_megapixels)
            yield image
    except UnidentifiedImageError:
        raise RejectedFile(
            "not_a_photo", "it is not a picture, expected JPEG, PNG, TIFF, WebP, AVIF or HEIC"
        ) from None
    except RejectedFile:
        raise
    # Pillow's decoders raise nearly anything on damaged files
    except Exception as error:
        problem = getattr(error, "strerror", None) or error
        raise RejectedFile("unreadable", f"the picture cannot be read: {problem}") from error


def refuse_too_large(width: int, height: int, max_megapixels: float) -> None:
    """Raises RejectedFile for more pixels than may be read into memory."""
    if width * height > max_megapixels * 1e6:
        raise RejectedFile(
            "too_large",
            f"{width} x {height} px, expected at most {max_megapixels:g} megapixels "
            "(extract.max_megapixels)",
        )


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of the pixels as they are in the file; call it before they are read."""
    # On opening, Pillow swaps the sides of a TIFF by its own tag, but not by its XMP's.
    if isinstance(image, TiffImageFile):
        turned = orientation.parse_orientation(image.tag_v2.get(_ORIENTATION_TAG))
    else:
        turned = _turned_by_decoder(image)
    return orientation.displayed_size(*image.size, orientation.inverse(turned))


def shown_as(image: Image.Image) -> int:
    """The orientation (1 to 8) in which the camera displays the stored pixels, by their format.

    Of HEIC and AVIF that is what the container says, whatever EXIF says (MIAF, ISO/IEC 23000-22,
    7.3.6.7 and 7.3.10.1); of others what EXIF says, whose tags a TIFF has in its first directory.
    XMP's orientation is an editor's. Call it before the pixels are read.
    """
    if image.format == HEIF:
        return _turned_by_decoder(image)
    if isinstance(image, TiffImageFile):
        return orientation.parse_orientation(image.tag_v2.get(_ORIENTATION_TAG))
    # Pillow enters an AVIF container's there, and its `getexif` falls back on XMP's
    return tiff.read_orientation(io.BytesIO(_exif(image))) or orientation.UPRIGHT


def coded_picture(image: Image.Image) -> Sensor | None:
    """What the clean aperture (`clap`) of an HEIC is cut out of; None without one.

    Call it before the pixels are read. Raises RejectedFile (`frame`) if the container does not cut
    before it turns, as it has to (MIAF, 7.3.6.7).
    """
    steps = _container_steps(image)
    cuts = [step for step in steps if step[0] == _CLEAN_APERTURE]
    if not cuts:
        return None
    if cuts != [steps[0]]:
        raise RejectedFile("frame", "its container cuts the picture after it has turned it")
    left, top, _, _, width, height = cuts[0][1:]
    whole = Box(-left, -top, width, height)
    return Sensor(whole, active=None, mosaic=Mosaic.OTHER, is_coded_picture=True)


def small_copy(image: Image.Image, stored_as: int, long_side: int, quality: int) -> SmallCopy:
    """An upright sRGB JPEG whose long side has at most `long_side` px.

    `stored_as` is the orientation (1 to 8) in which the stored pixels are displayed. The picture
    cannot be used afterwards: it may itself be small then.
    """
    # SciPy, which suggesting crops does without
    import imagehash  # noqa: PLC0415

    from cropperhead.photos import local_features  # noqa: PLC0415

    shown = upright_copy(image, stored_as, long_side)
    buffer = io.BytesIO()
    # Pillow would carry a PNG's text along, or fail on a long one
    shown.save(buffer, "JPEG", quality=quality, comment=b"")
    grey = shown.convert("L")
    return SmallCopy(
        jpeg=buffer.getvalue(),
        width=shown.width,
        height=shown.height,
        perceptual_hash=str(imagehash.phash(grey)),
        features=local_features.find_features(grey).to_bytes(),
    )


def upright_copy(image: Image.Image, stored_as: int, long_side: int) -> Image.Image:
    """The picture as it is displayed, in sRGB, its long side at most `long_side` px.

    `stored_as` as in `small_copy`; the picture cannot be used afterwards either.
    """
    turned = _turned_by_decoder(image)
    load_pixels(image, long_side)
    profile = image.info.get("icc_profile")
    small = _eight_bits(image)
    small.thumbnail((long_side, long_side), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    small = _to_srgb(small, profile)
    return transpose(transpose(small, orientation.inverse(turned)), stored_as)


def displayed_picture(image: Image.Image, stored_as: int) -> Image.Image:
    """The whole picture as it is displayed, in its own colours.

    `stored_as` as in `small_copy`; the picture cannot be used afterwards either.
    """
    turned = _turned_by_decoder(image)
    image.load()
    return transpose(transpose(image, orientation.inverse(turned)), stored_as)


def load_pixels(image: Image.Image, long_side: int) -> None:
    """Reads the pixels; of a JPEG no more than a copy with this long side needs."""
    if image.format in JPEG_FORMATS:
        draft(image, long_side)
    image.load()


def draft_side(long_side: int) -> int:
    """How many px at least the long side of what is decoded has, for a copy with this one."""
    return round(_DRAFT_MARGIN * long_side)


def draft(image: Image.Image, long_side: int) -> None:
    """Has as few pixels read as a copy with this long side needs, where the format allows it."""
    enough = draft_side(long_side)
    # Pillow keeps to both sides of the size, but only the long one is meant
    image.draft(None, (enough, 1) if image.width >= image.height else (1, enough))


def upright_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in px of a stored copy, once all of it is decoded.

    Raises RejectedFile if it is not a JPEG, is damaged, or would be displayed turned.
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
    if image.mode.startswith("I;16"):  # Pillow would treat its pixels as single bytes here
        wide = cut(image.convert("I"), box)
        return Image.fromarray(np.clip(np.asarray(wide), 0, 65535).astype(np.uint16))
    return image.transform(
        (width, height),
        Image.Transform.AFFINE,
        (across, (low_x - left) / height, left, down, (low_y - top) / height, top),
        resample=Image.Resampling.BICUBIC,
    )


def transpose(image: Image.Image, stored_as: int) -> Image.Image:
    """Stored pixels as they are displayed by an EXIF orientation, 1 to 8."""
    return image.transpose(_TRANSPOSE[stored_as]) if stored_as in _TRANSPOSE else image


def _stream(file: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return open_regular(file) if isinstance(file, Path) else nullcontext(file)


def _formats(stream: BinaryIO) -> tuple[str, ...]:
    """The formats to try; HEIF only where the file may be one, as its library loads slowly."""
    start = stream.read(_FILE_TYPE_BOX)
    stream.seek(0)
    # AVIF uses the same container, and may name its brand second
    if start[4:8] != b"ftyp" or b"avif" in start or b"avis" in start:
        return _FORMATS
    import pillow_heif  # noqa: PLC0415

    # Workers use the cores already. `camera_preview` tells which thumbnails may be used.
    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=True)
    return (HEIF, *_FORMATS)


def _turned_by_libheif(image: Any) -> int:
    """The orientation that the turns of an HEIC's container make; its decoder applies them."""
    steps = _container_steps(image)
    return _compose([_HEIF_TURNS[step] for step in steps if step in _HEIF_TURNS])


def _container_steps(image: Any) -> Sequence[tuple[Any, ...]]:
    """What an HEIC's decoder does to the coded picture, in this order.

    These are turns, and cuts (`clap`) with the borders that they take: left, top, right, bottom,
    and the size before.
    """
    if image.format != HEIF:
        return ()
    return tuple(image._heif_file[image.tell()]._c_image.transformations)


def _compose(turns: Sequence[int]) -> int:
    """The one orientation that is the same as several, one after the other."""
    landing = _MARK
    for code in turns:
        landing = orientation.to_displayed(landing, 1, 1, code)
    return next(
        code
        for code in orientation.ORIENTATIONS
        if _place(orientation.to_displayed(_MARK, 1, 1, code)) == _place(landing)
    )


def _place(mark: Rectangle) -> tuple[float, float]:
    return round(mark.centre_x, 6), round(mark.centre_y, 6)


def _exif(image: Image.Image) -> bytes:
    """A picture's EXIF as it is in the file; empty without one."""
    if image.format == PngImageFile.format and "exif" not in image.info:
        image.load()  # it may come after the pixels
    if "exif" in image.info:
        return bytes(image.info["exif"]).removeprefix(_EXIF_PREFIX)
    texts = [str(image.info[name]) for name in _OLD_PNG_EXIF if name in image.info]
    try:
        digits = "".join(texts[0].split("\n")[3:]) if texts else ""  # after a name and a length
        return bytes.fromhex(digits).removeprefix(_EXIF_PREFIX)
    except ValueError:
        return b""


def _turned_by_decoder(image: Image.Image) -> int:
    """The orientation that the decoder applies to the pixels automatically."""
    if image.format == TiffImageFile.format:
        return orientation.parse_orientation(image.getexif().get(_ORIENTATION_TAG))
    return orientation.parse_orientation(image.info.get(_TURNED))


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits, which convert() would clip
        scale = _to_eight_bits(float(np.asarray(image).max()), image.mode)
        image = image.convert("F").point(lambda value: value * scale + 0).convert("L")
    if image.has_transparency_data:
        backed = Image.new("RGBA", image.size, "white")
        backed.alpha_composite(image.convert("RGBA"))
        return backed.convert("RGB")
    return image if image.mode in {"CMYK", "RGB"} else image.convert("RGB")


def _to_eight_bits(brightest: float, mode: str) -> float:
    """The factor for pixels in [0, 1] (only floats), in 8 or in 16 bits."""
    if mode == "F" and brightest <= 1:
        return 255.0
    return _DEEP_TO_EIGHT_BITS if brightest > 255 else 1.0


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _srgb_transform(profile, image.mode) if profile else None
    if transform is None:
        return image.convert("RGB")
    return transform.apply(image)


@lru_cache(maxsize=32)
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB; None for a profile that is damaged or does not fit: the numbers count as sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
