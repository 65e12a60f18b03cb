"""The EXIF of a cropped copy: the tags that are still true of it, and no others.

A tag that is not listed is dropped: it may hold a preview of the whole photo or point into its
frame, as makers' notes do.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PIL import ExifTags, Image

from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Rectangle
from cropperhead.suggest.reframing import Reframing

# By Pillow's names. Those that it has none for are Windows' title, comment, author, keywords and
# subject, and EXIF 3.0's title, photographer, editor, firmware and programs
DESCRIPTIVE = (
    "ImageDescription Make Model XResolution YResolution ResolutionUnit Software DateTime Artist "
    "HostComputer Rating RatingPercent Copyright"
)
_WINDOWS, _EXIF_3 = range(0x9C9B, 0x9CA0), range(0xA436, 0xA43D)
EXPOSURE = (
    "ExposureTime FNumber ExposureProgram SpectralSensitivity ISOSpeedRatings SensitivityType "
    "StandardOutputSensitivity RecommendedExposureIndex ISOSpeed ISOSpeedLatitudeyyy "
    "ISOSpeedLatitudezzz ExifVersion DateTimeOriginal DateTimeDigitized OffsetTime "
    "OffsetTimeOriginal OffsetTimeDigitized ShutterSpeedValue ApertureValue BrightnessValue "
    "ExposureBiasValue MaxApertureValue SubjectDistance MeteringMode LightSource Flash "
    "FocalLength UserComment SubsecTime SubsecTimeOriginal SubsecTimeDigitized AmbientTemperature "
    "Humidity Pressure WaterDepth Acceleration CameraElevationAngle FlashPixVersion ColorSpace "
    "FlashEnergy ExposureIndex SensingMethod FileSource SceneType CustomRendered ExposureMode "
    "WhiteBalance DigitalZoomRatio FocalLengthIn35mmFilm SceneCaptureType GainControl Contrast "
    "Saturation Sharpness SubjectDistanceRange CameraOwnerName BodySerialNumber LensSpecification "
    "LensMake LensModel LensSerialNumber CompositeImage CompositeImageCount Gamma"
)
_FIRST_TAGS = frozenset({ExifTags.Base[name].value for name in DESCRIPTIVE.split()} | {*_WINDOWS})
_EXIF_TAGS = frozenset({ExifTags.Base[name].value for name in EXPOSURE.split()} | {*_EXIF_3})
_GPS_TAGS = frozenset(range(0x20))
_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0xA002, 0xA003
_COLOUR_SPACE, _SRGB = 0xA001, 1
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
_EXIF, _GPS, _INTEROP = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop
# The colour space of a photo without a profile may be given only here: R03 is Adobe RGB (DCF 2.0)
_INTEROP_TAGS, _INDEX, _ADOBE_RGB = frozenset({1, 2}), 1, "R03"


def read_directories(tags: Image.Exif) -> Image.Exif:
    """Read the inner directories, which Pillow does only on demand, while the file is open."""
    for directory in (_EXIF, _GPS, _INTEROP):
        tags.get_ifd(directory)
    return tags


def in_srgb(tags: Image.Exif) -> Image.Exif:
    """Correct the colour space, where there is one, for pixels that are in sRGB."""
    exif = tags.get_ifd(_EXIF)
    exif.pop(_INTEROP, None)
    tags.get_ifd(_INTEROP).clear()
    if _COLOUR_SPACE in exif:
        exif[_COLOUR_SPACE] = _SRGB
    return tags


def descriptive_tags(
    tags: Image.Exif, reframing: Reframing | None, size: tuple[int, int], with_location: bool
) -> Image.Exif:
    """Select the tags that are true of a copy of `size` px, and correct those that can be.

    `reframing` is None where the tags' frame is not known; places in it are dropped then.
    """
    copied, exif = Image.Exif(), tags.get_ifd(_EXIF)
    copied.update(_select(tags, _FIRST_TAGS))
    if _ORIENTATION in tags:
        copied[_ORIENTATION] = orientation.UPRIGHT
    inner = _select(exif, _EXIF_TAGS)
    inner |= {tag: px for tag, px in zip((_WIDTH, _HEIGHT), size, strict=True) if tag in exif}
    if reframing is not None:
        inner |= _subject(exif, reframing)
    inner |= _interoperability(tags)
    _add(copied, _EXIF, inner)
    if with_location:
        _add(copied, _GPS, _select(tags.get_ifd(_GPS), _GPS_TAGS))
    return copied


def colour_tags(tags: Image.Exif) -> Image.Exif:
    """Select only what says that the colours are Adobe RGB, as cameras do without a profile."""
    copied = Image.Exif()
    if tags.get_ifd(_INTEROP).get(_INDEX) == _ADOBE_RGB:
        colours = _select(tags.get_ifd(_EXIF), {_COLOUR_SPACE}) | _interoperability(tags)
        _add(copied, _EXIF, colours)
    return copied


def _select(tags: Any, wanted: Iterable[int]) -> dict[int, Any]:
    present = [tag for tag in sorted(wanted) if tag in tags]
    return {tag: tags[tag] for tag in present if _is_writable(tag, tags[tag])}


def _is_writable(tag: int, value: Any) -> bool:
    """Whether Pillow can write a value again; damaged EXIF may hold some that it cannot."""
    tags = Image.Exif()
    tags[tag] = value
    try:
        return bool(tags.tobytes())
    except Exception:  # Pillow raises nearly anything
        return False


def _add(tags: Image.Exif, directory: int, content: Mapping[int, Any]) -> None:
    if content:
        tags.get_ifd(directory).update(content)
        tags[directory] = 0  # Pillow puts its place here


def _interoperability(tags: Image.Exif) -> dict[int, Any]:
    content = _select(tags.get_ifd(_INTEROP), _INTEROP_TAGS)
    return {_INTEROP: content} if content else {}


def _subject(exif: Mapping[int, Any], reframing: Reframing) -> dict[int, tuple[int, ...]]:
    """The subject's place: a point, a circle with its diameter, or a rectangle (EXIF 3.0)."""
    if (exif.get(_WIDTH), exif.get(_HEIGHT)) not in {(None, None), reframing.stored}:
        return {}  # it is measured in a frame of another size
    moved = {tag: _moved(exif.get(tag), reframing) for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION)}
    return {tag: place for tag, place in moved.items() if place}


def _moved(place: Any, reframing: Reframing) -> tuple[int, ...]:
    if not isinstance(place, tuple) or not all(isinstance(value, int) for value in place):
        return ()
    sides: Callable[[Rectangle], tuple[float, ...]]
    match place:
        case (x, y):
            box, sides = Rectangle(x, y, 0, 0, 0), lambda _: ()
        case (x, y, diameter):
            box, sides = Rectangle(x, y, 0, 0, 0), lambda _: (diameter,)
        case (x, y, width, height):
            box, sides = Rectangle(x, y, width, height, 0), lambda new: (new.width, new.height)
        case _:
            return ()
    moved = reframing.moved(box)
    return () if moved is None else (*_rounded(moved.centre_x, moved.centre_y, *sides(moved)),)


def _rounded(*values: float) -> tuple[int, ...]:
    return tuple(map(round, values))
