"""How RawTherapee (`.pp3`) and ART (`.arp`) keep a crop.

`settings` is what `profile.parse_profile` makes of a profile, section -> key -> text. The editor
first turns the stored picture by EXIF, then by [Coarse Transformation] (clockwise quarter turns,
then the flips). It shows EXIF's mirrored orientations 2, 4, 5 and 7 unturned, and does not read the
EXIF of a PNG up to version 5.9. [Rotation] Degree then straightens that *displayed* picture about
its centre, on a canvas that keeps its size, and [Crop] X Y W H are whole pixels of that canvas.
AutoFill, which is on unless a profile turns it off, enlarges the picture until no corner of the
canvas is empty: a crop then covers less of the photo than its size in pixels suggests.

Sources: RawTherapee's rtengine/{simpleprocess,iptransform,procparams,stdimagesource}.cc and ART's
of the same names; what can be rendered was checked against rawtherapee-cli 5.9. Known limits:
- RAW files other than DNG: the canvas is the frame that RawTherapee decodes, less its border, which
  may differ by some pixels from the camera's own crop. Where it does, the crop is off by that much.
  Versions differ, too: from 5.12 on they may decode by LibRaw, which moves some cameras' frames by
  8 px (issue 7462).
- [LensProfile] and [Distortion] bend the frame a little. As with Lightroom's lens profiles that is
  not undone, nor is what they add to AutoFill's enlargement: an Amount moves content by at most
  |Amount| / 8 of the diagonal, with AutoFill |Amount| / 4.7. With "lfauto" the profile does not say
  which lens it is, so that ART may make a fisheye rectilinear unnoticed.
- [Resize] and frames come after the crop and change nothing here.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cropperhead.editors import lens_names, profile, profile_merge, suggestion_mark
from cropperhead.editors.base import (
    FRAME_TOLERANCE_PX,
    CameraTurn,
    CropToWrite,
    MarkTexts,
    SidecarRule,
    State,
    Tags,
    require_within,
)
from cropperhead.editors.profile import Settings, flag, integer, number
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle
from cropperhead.photos.dng import Box, Mosaic
from cropperhead.photos.sensor import Sensor
from cropperhead.system.regular_file import read_bytes

MAX_ANGLE_DEG = 45.0
# Moves corners by 0.6 % of the diagonal, with AutoFill by 1 %; few lenses need more.
MAX_DISTORTION = 0.05
# The newest of either editor's profiles whose meaning is known: rtgui/ppversion.h of both
_NEWEST_VERSION, _NEWEST_OF_ART, _FIRST_OF_ART = 354, 1045, 1000
_FIRST_WITH_LENSFUN = 327  # before, a profile of Adobe's was in use wherever one was named

_CROP, _COARSE, _ROTATION = "Crop", "Coarse Transformation", "Rotation"
_COMMON, _PERSPECTIVE, _DISTORTION, _LENS = (
    *("Common Properties for Transformations", "Perspective"),
    *("Distortion", "LensProfile"),
)
_LIMITS = ("X", "Y", "W", "H")
# The section whose Border is cut off each side, and its default: RAWParams in procparams.cc
_BORDERS = {Mosaic.BAYER: ("RAW Bayer", 4), Mosaic.X_TRANS: ("RAW X-Trans", 7)}
_UNSET_SIDE_PX = 15000  # the default of W and H, which is then cut down to the canvas

# How the stored picture is displayed after 0 to 3 clockwise quarter turns, then flipped left to
# right, then top to bottom.
_SHOWN = {
    (False, False): (1, 6, 3, 8),
    (True, False): (2, 5, 4, 7),
    (False, True): (4, 7, 2, 5),
    (True, True): (3, 8, 1, 6),
}
_EXIF_QUARTERS = {6: 1, 3: 2, 8: 3}
_QUARTERS = {90: 1, 180: 2, 270: 3}

# Corrections that warp the frame of the crop, with the value that means "off". The
# sliders of the method that is not chosen are kept, but have no effect. Angle to Aspect are ART's.
_WARPS = {"Horizontal": 0.0, "Vertical": 0.0, "Angle": 0.0, "Shear": 0.0, "Aspect": 1.0}
_CAMERA_WARPS = dict.fromkeys(
    (
        "CameraPitch",
        "CameraRoll",
        "CameraShiftHorizontal",
        "CameraShiftVertical",
        "CameraYaw",
        "ProjectionPitch",
        "ProjectionRotate",
        "ProjectionShiftHorizontal",
        "ProjectionShiftVertical",
        "ProjectionYaw",
    ),
    0.0,
)
_STRETCHES = {"Scale horizontally": 1.0, "Scale vertically": 1.0}

# AutoFill searches its scale by halving this interval until it is no longer than the precision.
_SMALLEST_SCALE, _LARGEST_SCALE, _SCALE_PRECISION = 0.001, 2.0, 0.001

name = "rawtherapee"
tags: tuple[str, ...] = ()
header_words: tuple[bytes, ...] = ()
embeds_crops = False
sidecars = SidecarRule(".pp3", max_megabytes=4)  # profiles have a few kilobytes
_PNG = ".png"
# What follows a release's number is in names such as 5.9-412-gab12cd34, of what was built between
# 5.9 and 5.10. Numbers below 2 are ART's.
_APP_VERSION = re.compile(r"([2-9]|[1-9][0-9])\.([0-9]{1,3})(?![0-9])(?:\.[0-9]+)?(.*)")
_LAST_WITHOUT_EXIV2 = (5, 9)

read_mark = suggestion_mark.read_profile


def has_no_crop(packet: bytes) -> bool:
    """True, for profiles are no XMP: see `base.Editor`."""
    del packet
    return True


def read_settings(file: Path, tags: Tags) -> Settings:
    """The sections of a profile. Raises RejectedFile (`broken_profile`), OSError."""
    del tags  # ExifTool cannot read profiles
    content = read_bytes(file, sidecars.max_megabytes * 1_000_000)
    return profile.parse_profile(content.decode("utf-8", "replace"))


def state(settings: Settings) -> State:
    """Whether a profile holds a crop; a picture that was only straightened is cropped too.

    A [Crop] that spans the whole frame counts as one: the frame's size is not known here.
    Raises RejectedFile (`not_a_number`) if the editor would reject the profile.
    """
    limits = [key for key in _LIMITS if key in settings.get(_CROP, {})]
    cropped = flag(settings, _CROP, "Enabled", default=False) and bool(limits)
    if cropped or _tilt(settings) or _zoom(settings) != 1:
        return State.CROPPED
    return State.UNCROPPED if _CROP in settings or _ROTATION in settings else State.SILENT


def camera_orientations(settings: Settings, photo: str, camera: CameraTurn) -> tuple[int, ...]:
    """The camera's orientation: see `base.Editor`.

    Up to 5.9, RawTherapee reads no EXIF of a PNG (rendered); from 5.10 on it does, by Exiv2
    (rtengine/imagedata.cc).
    """
    if PurePosixPath(photo).suffix.lower() != _PNG:
        return (camera.shown_as,)
    named = _APP_VERSION.fullmatch(settings.get("Version", {}).get("AppVersion", ""))
    version = (int(named[1]), int(named[2])) if named else _LAST_WITHOUT_EXIV2
    if version == _LAST_WITHOUT_EXIV2 and (named is None or named[3]):
        return camera.shown_as, orientation.UPRIGHT
    return (camera.shown_as if version > _LAST_WITHOUT_EXIV2 else orientation.UPRIGHT,)


def shown_as(settings: Settings, exif_orientation: int) -> int:
    """The orientation in which the editor displays the stored pixels: EXIF's, then its own turns.

    Raises RejectedFile (`not_a_number`).
    """
    turn = integer(settings, _COARSE, "Rotate", 0)
    flips = (
        flag(settings, _COARSE, "HorizontalFlip", default=False),
        flag(settings, _COARSE, "VerticalFlip", default=False),
    )
    quarters = _EXIF_QUARTERS.get(exif_orientation, 0) + _QUARTERS.get(turn, 0)
    return _SHOWN[flips][quarters % 4]


def decode(
    settings: Settings, width: int, height: int, exif_orientation: int = orientation.UPRIGHT
) -> Rectangle:
    """The crop of a photo whose `state` is CROPPED, in pixels of the stored frame.

    `width` and `height` are the stored frame's in pixels. A [Crop] that reaches beyond the canvas
    is cut down to it, as the editor does. Raises RejectedFile: `outside` also where straightening
    without AutoFill leaves the crop's corners empty, and for a [Crop] wholly beyond the canvas.
    """
    _refuse_newer(settings)
    _refuse_warped(settings)
    _refuse_fisheye(settings)
    tilt = _tilt(settings)
    if abs(tilt) > MAX_ANGLE_DEG:
        raise RejectedFile("angle", f"[Rotation] Degree is {tilt:g}, expected [-45, 45]")
    shown = shown_as(settings, exif_orientation)
    frame = orientation.displayed_size(width, height, shown)
    on_canvas = _on_canvas(settings, *frame)
    box = _turn_about_centre(on_canvas, *frame, angle=tilt, scale=_scale(settings, *frame))
    stored = orientation.to_stored(box, *frame, orientation=shown)
    return require_within(stored, width, height, _format_crop(settings))


def measured_area(settings: Settings, sensor: Sensor) -> Box | None:
    """A DNG's active area less the border: see `base.MeasuringEditor`.

    The editor passes over the default crop (rtengine/rawimage.cc; rendered by 5.9).
    """
    if sensor.active is None:
        return None
    active, border = sensor.active, _border(settings, sensor.mosaic)
    width, height = active.width - 2 * border, active.height - 2 * border
    if border < 0 or min(width, height) <= 0:
        raise RejectedFile(
            "reframed", f"a border of {border} px leaves {width:g} x {height:g} px of the sensor"
        )
    return Box(active.left + border, active.top + border, width, height)


def encode(
    crop: Crop,
    width: int,
    height: int,
    shown_as: int = orientation.UPRIGHT,
    exif_orientation: int = orientation.UPRIGHT,
) -> dict[str, dict[str, str]]:
    """The least profile, for RawTherapee and ART, that holds a displayed crop: `decode` reversed.

    `width` and `height` are the stored frame's, `shown_as` the orientation in which the crop was
    made. Each side is rounded to a whole pixel, the angle to four decimals. Raises RejectedFile
    (`outside`) for a tilted crop so near a corner of the frame that straightening would move it
    beyond the canvas, where the editor cuts it.
    """
    frame = orientation.displayed_size(width, height, shown_as)
    box = crop.in_pixels(*frame)
    on_canvas = _turn_about_centre(box, *frame, angle=-box.angle, scale=1.0)
    beyond = on_canvas.outside(*frame)
    if beyond > FRAME_TOLERANCE_PX:
        raise RejectedFile(
            "outside",
            f"straightened by {box.angle:g} degrees, the crop is {beyond:.0f} px beyond "
            "RawTherapee's canvas, which keeps the photo's size; it can only be written with less "
            "tilt or farther from the frame's corner",
        )
    x, w = _whole_px(on_canvas.centre_x, on_canvas.width, frame[0])
    y, h = _whole_px(on_canvas.centre_y, on_canvas.height, frame[1])
    return {
        _CROP: {"Enabled": "true", "X": f"{x}", "Y": f"{y}", "W": f"{w}", "H": f"{h}"},
        _COARSE: _coarse_turns(shown_as, exif_orientation),
        _COMMON: {"AutoFill": "false"},
        # Enabled is ART's, where it gates the rest; RawTherapee ignores it
        _ROTATION: {"Enabled": "true", "Degree": f"{round(box.angle, 4) + 0.0}"},
    }


def write(before: bytes | None, new: CropToWrite, mark: MarkTexts) -> bytes:
    """The profile with the crop: see `base.WritableEditor`.

    RawTherapee reads a sidecar when it imports a photo, and also uses it for photos it knows. A
    new profile makes it use its neutral settings for all that the profile does not name. Raises
    RejectedFile (`turn`) for a PNG that versions would display differently.
    """
    _refuse_unsure_turn(before, new)
    settings = encode(new.crop, *new.frame, new.shown_as, new.exif_orientation)
    if new.shown_now == new.shown_as:
        del settings[_COARSE]
    return suggestion_mark.put_in_profile(profile_merge.merge_keys(before or b"", settings), mark)


def _refuse_unsure_turn(before: bytes | None, new: CropToWrite) -> None:
    settings = profile.parse_profile(before.decode("utf-8", "replace")) if before else {}
    turns = camera_orientations(settings, new.photo, new.camera)
    if len({shown_as(settings, turn) for turn in turns}) > 1:
        raise RejectedFile(
            "turn",
            "RawTherapee up to 5.9 shows this PNG unturned, later versions turned; save it as JPEG "
            "to crop it there",
        )


def _on_canvas(settings: Settings, width: int, height: int) -> Rectangle:
    """The upright crop in pixels of the canvas, cut down to it; all of it where none is enabled."""
    x, y, w, h = 0, 0, width, height
    if flag(settings, _CROP, "Enabled", default=False):
        x = max(0, integer(settings, _CROP, "X", -1))
        y = max(0, integer(settings, _CROP, "Y", -1))
        w = min(max(1, integer(settings, _CROP, "W", _UNSET_SIDE_PX)), width - x)
        h = min(max(1, integer(settings, _CROP, "H", _UNSET_SIDE_PX)), height - y)
    if w <= 0 or h <= 0:
        raise RejectedFile("outside", f"the crop is beyond the canvas: {_format_crop(settings)}")
    return Rectangle(centre_x=x + w / 2, centre_y=y + h / 2, width=w, height=h, angle=0.0)


def _turn_about_centre(
    box: Rectangle, width: int, height: int, *, angle: float, scale: float
) -> Rectangle:
    """A rectangle turned clockwise by `angle` and scaled, both about the frame's centre."""
    x, y = box.centre_x - width / 2, box.centre_y - height / 2
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return Rectangle(
        centre_x=width / 2 + scale * (x * cosine - y * sine),
        centre_y=height / 2 + scale * (x * sine + y * cosine),
        width=scale * box.width,
        height=scale * box.height,
        angle=box.angle + angle,
    )


def _scale(settings: Settings, width: int, height: int) -> float:
    """How many pixels of the displayed photo a pixel of the canvas holds, along a side."""
    if not _fills(settings):
        return _zoom(settings)
    tilt = _tilt(settings)
    fringes = [_slider(settings, "CACorrection", colour) for colour in ("Red", "Blue")]
    if not tilt and not any(fringes):
        return 1.0
    return _filling_scale(tilt, width, height, spread=max(0.0, *fringes))


def _filling_scale(tilt: float, width: int, height: int, spread: float) -> float:
    """The scale that AutoFill finds: getTransformAutoFill in iptransform.cc.

    It wants the middles of the canvas' corner pixels inside the photo; `spread` is by how much more
    the correction of colour fringes enlarges one of the channels.
    """
    cosine, sine = abs(math.cos(math.radians(tilt))), abs(math.sin(math.radians(tilt)))
    reach_x = (cosine * (width - 1) + sine * (height - 1)) * (1 + spread)
    reach_y = (sine * (width - 1) + cosine * (height - 1)) * (1 + spread)
    low, high = _SMALLEST_SCALE, _LARGEST_SCALE
    while high - low > _SCALE_PRECISION:
        middle = (low + high) / 2
        if middle * reach_x > width - 1 or middle * reach_y > height - 1:
            high = middle
        else:
            low = middle
    return low


def _fills(settings: Settings) -> bool:
    return flag(settings, _COMMON, "AutoFill", default=True)


def _zoom(settings: Settings) -> float:
    """The scale that newer versions' Scale slider sets, where AutoFill does not."""
    slider = number(settings, _COMMON, "Scale", 1.0)
    if slider < _SMALLEST_SCALE:
        raise RejectedFile("not_a_number", f"[{_COMMON}] Scale is {slider:g}, expected above 0")
    return 1.0 if _fills(settings) else 1.0 / slider


def _tilt(settings: Settings) -> float:
    return _slider(settings, _ROTATION, "Degree")


def _slider(settings: Settings, section: str, key: str) -> float:
    """A correction's amount, 0 where it is off: ART switches by `Enabled`, RawTherapee has none."""
    return number(settings, section, key, 0.0) if _is_on(settings, section) else 0.0


def _is_on(settings: Settings, section: str) -> bool:
    return flag(settings, section, "Enabled", default=True)


def _border(settings: Settings, mosaic: Mosaic) -> int:
    """How many px are cut off each side of the sensor."""
    if mosaic not in _BORDERS:
        return 0
    section, default = _BORDERS[mosaic]
    return integer(settings, section, "Border", default)


def _version(settings: Settings) -> int:
    return integer(settings, "Version", "Version", 0)


def _refuse_newer(settings: Settings) -> None:
    version = _version(settings)
    newest = _NEWEST_VERSION if version < _FIRST_OF_ART else _NEWEST_OF_ART
    if version > newest:
        raise RejectedFile(
            "unknown_version", f"[Version] Version is {version}, expected at most {newest}"
        )


def _refuse_fisheye(settings: Settings) -> None:
    """Adobe's profiles make a fisheye rectilinear; with Lensfun's, so does ART."""
    lens = settings.get(_LENS, {})
    file = lens.get("LCPFile", "")
    old = "lcp" if file and _version(settings) < _FIRST_WITH_LENSFUN else "none"
    mode = lens.get("LcMode", old)
    named = {"lcp": file}
    if _version(settings) >= _FIRST_OF_ART:
        named["lfmanual"] = f"{lens.get('LFCameraModel', '')} {lens.get('LFLens', '')}"
    if lens_names.is_fisheye(named.get(mode, "")) and flag(
        settings, _LENS, "UseDistortion", default=True
    ):
        raise RejectedFile(
            "perspective", f"[{_LENS}] of {named[mode].strip()}: the crop is in a warped frame"
        )


def _refuse_warped(settings: Settings) -> None:
    if flag(settings, _PERSPECTIVE, "Enabled", default=True):
        chosen = settings.get(_PERSPECTIVE, {}).get("Method") == "camera_based"
        _refuse_unless_off(settings, _PERSPECTIVE, _CAMERA_WARPS if chosen else _WARPS)
    _refuse_unless_off(settings, _COMMON, _STRETCHES)
    if _is_on(settings, _DISTORTION) and flag(settings, _DISTORTION, "Auto", default=False):
        raise RejectedFile(
            "perspective", f"[{_DISTORTION}] Auto is on: the profile does not say how much it bends"
        )
    amount = _slider(settings, _DISTORTION, "Amount")
    if abs(amount) > MAX_DISTORTION or flag(settings, _DISTORTION, "Defish", default=False):
        raise RejectedFile(
            "perspective", f"[{_DISTORTION}] Amount is {amount:g}: the crop is in a warped frame"
        )


def _refuse_unless_off(settings: Settings, section: str, warps: Mapping[str, float]) -> None:
    for key, off in warps.items():
        value = number(settings, section, key, off)
        if value != off:
            raise RejectedFile(
                "perspective", f"[{section}] {key} is {value:g}: the crop is in a warped frame"
            )


def _coarse_turns(shown_as: int, exif_orientation: int) -> dict[str, str]:
    mirrored = shown_as not in _SHOWN[False, False]
    quarters = _SHOWN[mirrored, False].index(shown_as) - _EXIF_QUARTERS.get(exif_orientation, 0)
    return {
        "Rotate": f"{quarters % 4 * 90}",
        "HorizontalFlip": "true" if mirrored else "false",
        "VerticalFlip": "false",
    }


def _whole_px(centre: float, side: float, canvas: int) -> tuple[int, int]:
    """Where a side starts and how long it is, in whole pixels of a canvas' side."""
    start = min(max(round(centre - side / 2), 0), canvas - 1)
    end = min(max(round(centre + side / 2), start + 1), canvas)
    return start, end - start


def _format_crop(settings: Settings) -> str:
    crop = settings.get(_CROP, {})
    limits = [f"{key} {crop[key]}" for key in ("Enabled", *_LIMITS) if key in crop]
    fills = "with" if _fills(settings) else "without"
    return ", ".join([*limits, f"Degree {_tilt(settings):g} {fills} AutoFill"])
