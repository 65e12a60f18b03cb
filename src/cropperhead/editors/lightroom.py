"""How Lightroom and Camera Raw keep a crop.

XMP (in a sidecar, or inside the photo) of the namespace
`http://ns.adobe.com/camera-raw-settings/1.0/`; `lightroom_catalog` reads catalogs. `(CropLeft,
CropTop)` and `(CropRight, CropBottom)` are two opposite corners of the *tilted* rectangle, as
fractions of the *stored* frame: the pixels as they are in the file, before orientation. `CropAngle`
turns the box clockwise, in degrees. `CropLeft > CropRight` is legal for a tall, strongly tilted
crop, so the corners are neither sorted nor made positive.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from cropperhead.editors import lens_names, suggestion_mark
from cropperhead.editors.base import (
    CameraTurn,
    CropToWrite,
    MarkTexts,
    Settings,
    SidecarRule,
    State,
    Tags,
    finished_export,
    has_none_of,
    require_within,
    stored_box,
    tags_in_group,
)
from cropperhead.editors.plain_xmp import read_properties
from cropperhead.editors.xmp import EMPTY, EMPTY_INSIDE, Name, Packet
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import FULL_FRAME, Crop, Rectangle

NAMESPACE = "http://ns.adobe.com/camera-raw-settings/1.0/"
LIMIT_TAGS = ("CropTop", "CropLeft", "CropBottom", "CropRight", "CropAngle")
# Corrections that warp the frame of the crop, with the value that means "off".
_WARPS = {
    "PerspectiveUpright": 0,
    "PerspectiveVertical": 0,
    "PerspectiveHorizontal": 0,
    "PerspectiveRotate": 0,
    "PerspectiveAspect": 0,
    "PerspectiveScale": 100,
    "PerspectiveX": 0,
    "PerspectiveY": 0,
}
# The slider Distortion, from -100 to 100. 60 takes about 16 % off each side with Constrain Crop,
# so that 3 moves the frame's edges by less than 1 %.
_DISTORTION, _MOST_DISTORTION = "LensManualDistortionAmount", 3
# A profile bends the picture of most lenses by less than 1 %, but makes a fisheye's rectilinear.
_PROFILE_ON, _PROFILE_SCALE = "LensProfileEnable", "LensProfileDistortionScale"
_PROFILE_NAME = "LensProfileName"
TAGS = (
    *("HasCrop", "AlreadyApplied", *LIMIT_TAGS, *_WARPS, _DISTORTION),
    *(_PROFILE_ON, _PROFILE_SCALE, _PROFILE_NAME),
)
_HAS_CROP = re.compile(rb"[\s<](?:[^\s<>/:=]+:)?hascrop\b")  # no end of an element
_DROPPED = (
    b"._-"  # by ExifTool, from names of XMP's properties; and it ignores the first letter's case
)
MAX_ANGLE_DEG = 45.0
_ODD_NUMBER = re.compile(r"[^\x00-\x7f]|_")  # which Python takes for a number, and no editor does
_ROUNDING = 1e-5  # of a side: 0.1 px at 10,000 px; Camera Raw writes six decimals
# Fractions reach a little beyond 1 when tilted; anything far above is a count of pixels.
_LARGEST_FRACTION = 2.0
GROUP, _ORIENTATION = "XMP-crs:", "XMP-tiff:Orientation"
_CHANGED = Name("http://ns.adobe.com/xap/1.0/", "xmp", "MetadataDate")
_TIFF, _PHOTOSHOP = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/photoshop/1.0/"
# The orientations 5 and 7 are mirrored quarter turns: public readers of catalogs disagree which
# letters are which of the two, so that the camera's own value goes before a catalog's.
_UNSURE = (5, 7)
_IS_OF_CATALOG, _STATED_INSIDE = "IsOfCatalog", "OrientationInside"
# Of these formats, Adobe's libraries take the orientation from the file itself and drop the XMP's
# (`ImportPhotoData` in XMP Toolkit SDK's ReconcileLegacy.cpp, commit 7093513), of a DNG only where
# it has one (`SyncOrientation` in DNG SDK 1.4's dng_xmp.cpp).
_PIXELS_MAY_BE_TURNED = frozenset({"image/jpeg", "image/tiff"})
_STATED_SIZE, _SAME_SHAPE = "StatedSize", 0.02  # of the aspect
_SIDES = ("ExifIFD:ExifImageWidth", "ExifIFD:ExifImageHeight")
_MIME, _DNG, _FILES_OWN = "File:MIMEType", "image/x-adobe-dng", "IFD0:Orientation"

name = "lightroom"
tags: tuple[str, ...] = (*(GROUP + tag for tag in TAGS), _ORIENTATION)
header_words: tuple[bytes, ...] = (b"camera-raw-settings",)
embeds_crops = True
# With many masks, sidecars have a few megabytes.
sidecars = SidecarRule(
    ".xmp",
    max_megabytes=64,
    drops_photo_suffix=True,
    unread_for=frozenset({".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".dng"}),
)

read_mark = suggestion_mark.read_packet


def has_no_crop(packet: bytes) -> bool:
    """Whether a packet says that there is no crop, or nothing of one: see `base.Editor`.

    What else is called so, in a style or a mask, say, is for ExifTool.
    """
    settings = read_properties(packet, NAMESPACE)
    if settings is None:
        return False
    plain = packet.lower().translate(None, _DROPPED)
    if b"hascrop" not in plain:
        return has_none_of([tag.lower().encode() for tag in LIMIT_TAGS], plain)
    is_once = len(_HAS_CROP.findall(plain)) == 1
    return is_once and settings.get("HasCrop", "").lower() == "false"


def read_settings(file: Path, tags: Tags) -> Settings:
    """Camera Raw's settings by name, and `Orientation`: the one that the XMP states.

    Inside a photo whose format overrules it, it is only `_STATED_INSIDE`.
    """
    del file  # ExifTool has read it
    settings = tags_in_group(tags, GROUP) | {"Orientation": inner_orientation(tags)}
    if tags.get(_MIME) in _PIXELS_MAY_BE_TURNED:
        settings[_STATED_INSIDE] = tags.get(_ORIENTATION)
        settings |= stated_size(*(tags.get(tag) for tag in _SIDES))
    return settings


def stated_size(width: Any, height: Any) -> dict[str, Any]:
    """The setting that tells of which size the stored frame was; empty unless both are numbers."""
    sides = [width, height]
    are_numbers = all(isinstance(side, int | float) and 1 <= side < math.inf for side in sides)
    return {_STATED_SIZE: [round(side) for side in sides]} if are_numbers else {}


def inner_orientation(photo: Tags) -> Any:
    """The orientation that counts in a photo's own XMP, by its tags; None for none.

    Of a sidecar's tags, it is the sidecar's.
    """
    format_ = photo.get(_MIME)
    is_overruled = format_ in _PIXELS_MAY_BE_TURNED or (format_ == _DNG and _FILES_OWN in photo)
    return None if is_overruled else photo.get(_ORIENTATION)


def read_catalog_settings(settings: Settings, photo: Tags) -> Settings:
    """Settings from a catalog, in the shape that `read_settings` gives.

    `photo` are the photo's own tags.
    """
    return {"Orientation": inner_orientation(photo)} | dict(settings) | {_IS_OF_CATALOG: True}


def as_tags(settings: Settings) -> Tags:
    """Settings by the names that ExifTool gives them."""
    return {GROUP + name: value for name, value in settings.items()}


def state(settings: Settings) -> State:
    """Whether settings (tag name without namespace -> value) hold a crop.

    `HasCrop` gates everything, the angle included. Raises RejectedFile if the settings contradict
    each other or cannot be used; `decode` checks the numbers.
    """
    has_crop = _flag(settings, "HasCrop")
    given = [tag for tag in LIMIT_TAGS[:4] if tag in settings]
    if has_crop is False or (has_crop is None and not given):
        return State.SILENT if has_crop is None else State.UNCROPPED
    if not _keeps_frame(settings) and _flag(settings, "AlreadyApplied"):
        raise finished_export()
    if not given:
        raise RejectedFile("incomplete", "HasCrop is True, but no limit of the crop is given")
    if _is_whole(_limits(settings)):
        return State.UNCROPPED
    if has_crop is None:
        raise _without_flag(settings)
    return State.CROPPED


def camera_orientations(settings: Settings, photo: str, camera: CameraTurn) -> tuple[int, ...]:
    """The camera's orientation: see `base.Editor`."""
    del settings, photo
    return (camera.shown_as,)


def shown_as(settings: Settings, exif_orientation: int) -> int:
    """The orientation in which Lightroom displays the photo: its own, which holds the user's turns.

    `Orientation` among the settings is the XMP's (`tiff:Orientation`) if that counts; without it,
    EXIF's does.
    """
    own = orientation.parse_orientation(settings.get("Orientation"), exif_orientation)
    is_unsure = settings.get(_IS_OF_CATALOG) and own in _UNSURE and exif_orientation in _UNSURE
    return exif_orientation if is_unsure else own


def decode(settings: Settings, width: int, height: int, exif_orientation: int = 1) -> Rectangle:
    """The crop of a photo whose `state` is CROPPED, in pixels of the stored frame.

    `width` and `height` are the stored frame's in pixels; the orientation does not change it.
    Raises RejectedFile when the numbers make no rectangle within the frame, or in another one.
    """
    _refuse_turned(settings, exif_orientation)
    _refuse_cut(settings, width, height, exif_orientation)
    _refuse_warped(settings)
    top, left, bottom, right, angle = _limits(settings)
    _refuse_impossible(settings, angle)
    box = _rectangle(top, left, bottom, right, angle, width, height)
    return require_within(box, width, height, _format_limits(settings))


def encode(
    crop: Crop, width: int, height: int, shown_as: int = orientation.UPRIGHT
) -> dict[str, Any]:
    """The settings that Lightroom stores for a displayed crop: `decode` reversed.

    `width` and `height` are the stored frame's, as in `decode`, `shown_as` the orientation in which
    it is displayed. Limits carry six decimals.
    """
    box = stored_box(crop, width, height, shown_as)
    cosine, sine = _cos_sin(box.angle)
    half_x = (box.width * cosine - box.height * sine) / 2
    half_y = (box.width * sine + box.height * cosine) / 2
    values = {
        "CropTop": (box.centre_y - half_y) / height,
        "CropLeft": (box.centre_x - half_x) / width,
        "CropBottom": (box.centre_y + half_y) / height,
        "CropRight": (box.centre_x + half_x) / width,
        "CropAngle": box.angle,
    }
    limits = {tag: round(value, 6) + 0.0 for tag, value in values.items()}  # + 0.0: no "-0.0"
    return {"HasCrop": True, **limits, "CropConstrainToWarp": 0, "AlreadyApplied": False}


def write(before: bytes | None, new: CropToWrite, mark: MarkTexts) -> bytes:
    """The sidecar with the crop: see `base.WritableEditor`.

    Lightroom reads sidecars of RAW files; of JPEG, TIFF and DNG files it reads the packet inside.
    A sidecar without any other setting makes Camera Raw drop its own lens defaults.
    """
    packet = Packet(EMPTY if before is None else before)
    _put_crop(packet, new, mark)
    if before is None:
        extension = PurePosixPath(new.photo).suffix[1:].upper()
        packet.set(Name(_PHOTOSHOP, "photoshop", "SidecarForExtension"), extension)
    return packet.to_bytes()


def write_inside(
    before: bytes | None, new: CropToWrite, mark: MarkTexts, changed: datetime
) -> bytes:
    """The packet for a JPEG, TIFF or DNG: see `base.EmbeddingEditor`.

    Lightroom dates every packet (`xmp:MetadataDate`), and tells the latest one by it. Raises
    RejectedFile (`turn`) where the crop is to turn the photo: an orientation in XMP does not.
    """
    if new.shown_now != new.shown_as:
        raise RejectedFile(
            "turn",
            "Lightroom turns this format by its EXIF, which is not written. Turn it there first",
        )
    packet = Packet(EMPTY_INSIDE if before is None else before)
    _put_crop(packet, new, mark)
    stated = _property("Orientation")
    if packet.get(stated) is not None:
        packet.set(stated, str(new.shown_now))
    packet.set(_CHANGED, changed.isoformat(timespec="seconds"))
    return packet.to_bytes()


def _put_crop(packet: Packet, new: CropToWrite, mark: MarkTexts) -> None:
    turned = {} if new.shown_now == new.shown_as else {"Orientation": new.shown_as}
    for tag, value in (encode(new.crop, *new.frame, new.shown_as) | turned).items():
        packet.set(_property(tag), _text(value))
    suggestion_mark.put_in_packet(packet, mark)


def _property(tag: str) -> Name:
    return Name(_TIFF, "tiff", tag) if tag == "Orientation" else Name(NAMESPACE, "crs", tag)


def _text(value: float) -> str:
    """A value as Camera Raw writes it: True, or up to six decimals without trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _rectangle(
    top: float, left: float, bottom: float, right: float, angle: float, width: int, height: int
) -> Rectangle:
    x, y = (right - left) * width, (bottom - top) * height
    cosine, sine = _cos_sin(angle)
    return Rectangle(
        centre_x=(left + right) / 2 * width,
        centre_y=(top + bottom) / 2 * height,
        width=x * cosine + y * sine,
        height=-x * sine + y * cosine,
        angle=angle,
    )


def _cos_sin(angle_deg: float) -> tuple[float, float]:
    radians = math.radians(angle_deg)
    return math.cos(radians), math.sin(radians)


def _flag(settings: Settings, tag: str) -> bool | None:
    value = settings.get(tag)
    if value is None or isinstance(value, bool):
        return value
    flag = {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())
    if flag is None:
        raise RejectedFile("not_a_number", f"{tag} is {value!r}, expected True or False")
    return flag


def _number(settings: Settings, tag: str) -> float:
    value = settings[tag]
    try:
        number = math.nan if isinstance(value, str) and _ODD_NUMBER.search(value) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise RejectedFile("not_a_number", f"{tag} is {value!r}, expected a number")
    return number


def _limits(settings: Settings) -> tuple[float, ...]:
    missing = [tag for tag in LIMIT_TAGS[:4] if tag not in settings]
    if missing:
        raise RejectedFile(
            "incomplete", f"{', '.join(missing)} missing next to {_format_limits(settings)}"
        )
    angle = _number(settings, "CropAngle") if "CropAngle" in settings else 0.0
    return (*(_number(settings, tag) for tag in LIMIT_TAGS[:4]), angle)


def _keeps_frame(settings: Settings) -> bool:
    try:
        return _is_whole(_limits(settings))
    except RejectedFile:
        return False


def _is_whole(limits: tuple[float, ...]) -> bool:
    pairs = zip(limits, FULL_FRAME, strict=True)
    return all(abs(limit - whole) < _ROUNDING for limit, whole in pairs)


def _without_flag(settings: Settings) -> RejectedFile:
    if _in_pixels(settings):
        return _pixels(settings)
    return RejectedFile("no_flag", f"limits of a crop without HasCrop: {_format_limits(settings)}")


def _refuse_turned(settings: Settings, exif_orientation: int) -> None:
    """Adobe writes both orientations alike. Programs that turn the pixels set EXIF's to 1."""
    stated = orientation.parse_orientation(settings.get(_STATED_INSIDE), exif_orientation)
    if exif_orientation == orientation.UPRIGHT != stated:
        raise RejectedFile(
            "turn",
            f"its XMP has orientation {stated}, its EXIF none: another program may have turned its "
            "pixels since it was cropped",
        )


def _refuse_cut(settings: Settings, width: int, height: int, exif_orientation: int) -> None:
    """EXIF may state the size of the pixels, or, of a photo that it turns, as displayed.

    A catalog has the one that the photo had when Lightroom looked at it last.
    """
    stated = settings.get(_STATED_SIZE)
    shown = orientation.displayed_size(width, height, exif_orientation)
    if stated and not any(_have_one_shape(stated, size) for size in ((width, height), shown)):
        raise RejectedFile(
            "frame",
            f"{'the catalog' if settings.get(_IS_OF_CATALOG) else 'EXIF'} states {stated[0]} x "
            f"{stated[1]} px, and it has {width} x {height}: another program may have cut or "
            "turned its pixels since it was cropped",
        )


def _have_one_shape(one: Sequence[int], other: Sequence[int]) -> bool:
    ratio = one[0] * other[1] / (one[1] * other[0])
    return abs(ratio - 1) <= _SAME_SHAPE


def _refuse_warped(settings: Settings) -> None:
    for tag, off in _WARPS.items():
        if tag in settings and _number(settings, tag) != off:
            raise RejectedFile(
                "perspective", f"{tag} is {settings[tag]}: the crop is in a warped frame"
            )
    if abs(_number({_DISTORTION: 0} | dict(settings), _DISTORTION)) > _MOST_DISTORTION:
        raise RejectedFile(
            "perspective", f"{_DISTORTION} is {settings[_DISTORTION]}: the crop is in a bent frame"
        )
    profile = str(settings.get(_PROFILE_NAME, ""))
    if lens_names.is_fisheye(profile) and _applies_profile(settings):
        raise RejectedFile(
            "perspective", f"the profile {profile} makes the frame of the crop rectilinear"
        )


def _applies_profile(settings: Settings) -> bool:
    scale = _number({_PROFILE_SCALE: 100} | dict(settings), _PROFILE_SCALE)
    return bool(_flag(settings, _PROFILE_ON)) and scale != 0


def _refuse_impossible(settings: Settings, angle: float) -> None:
    if _in_pixels(settings):
        raise _pixels(settings)
    if abs(angle) > MAX_ANGLE_DEG:
        raise RejectedFile("angle", f"CropAngle is {angle:g}, expected degrees in [-45, 45]")


def _in_pixels(settings: Settings) -> bool:
    return any(abs(_number(settings, tag)) > _LARGEST_FRACTION for tag in LIMIT_TAGS[:4])


def _pixels(settings: Settings) -> RejectedFile:
    return RejectedFile(
        "pixels", f"limits in pixels, expected fractions: {_format_limits(settings)}"
    )


def _format_limits(settings: Settings) -> str:
    return ", ".join(f"{tag} {settings[tag]}" for tag in LIMIT_TAGS if tag in settings)
