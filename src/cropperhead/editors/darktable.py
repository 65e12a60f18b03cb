"""How darktable keeps a crop in its sidecars.

Four modules of the history reframe, in this order unless the sidecar names another: `ashift` turns
the frame, `flip` turns and mirrors it in steps of 90 degrees, `clipping` (up to darktable 3.6)
turns and crops, `crop` crops. Each takes fractions of the frame that it receives, and a turned
frame is the bounding box of the one before.

Sources: darktable's `src/iop/{ashift,flip,clipping,crop}.c`, and what darktable-cli 4.2.1 renders.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cropperhead.editors import darktable_history as history
from cropperhead.editors import darktable_moves, darktable_write, suggestion_mark
from cropperhead.editors.base import (
    CameraTurn,
    CropToWrite,
    MarkTexts,
    Settings,
    SidecarRule,
    State,
    Tags,
    has_none_of,
    require_within,
    stored_box,
    tags_in_group,
)
from cropperhead.editors.xmp import EMPTY, Packet
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle
from cropperhead.photos import raw
from cropperhead.photos.dng import Box
from cropperhead.photos.sensor import Sensor

NAMESPACE, TAGS = history.NAMESPACE, history.TAGS
MAX_ANGLE_DEG = 45.0
# darktable 4.2 moves a limit that would leave less of the turned frame on one side.
_LEAST_SHARE = 0.1
# darktable treats smaller values as neutral (ashift.c).
_NEUTRAL = 1e-4

# EXIF's orientation for each of flip's, which are bits: 1 inverts y, 2 x, then 4 swaps them.
_EXIF_OF_FLIP = (1, 4, 2, 3, 5, 6, 8, 7)
_FLIP_FROM_EXIF, _FLIP_Y, _FLIP_X, _SWAP = -1, 1, 2, 4
_NO_OLD_FLIP = (0, 0xFF)
# Up to 2.6 the bits of a quarter turn meant the other direction, those of a mirror perhaps the
# other axis (its src/common/image.h), and no later version undoes that (issues 3892 and 7746).
_OTHERWISE_UP_TO_2 = (_FLIP_Y, _FLIP_X, _SWAP | _FLIP_Y, _SWAP | _FLIP_X)
_LAST_XMP_OF_2 = 2
_GROUP = "XMP-darktable:"
_HEIF = "HEIF"

name = "darktable"
tags: tuple[str, ...] = tuple(_GROUP + tag for tag in TAGS)
# Besides `tags`; a picture with a history is an export, whoever made the history.
sidecar_tags: tuple[str, ...] = tuple(_GROUP + tag for tag in history.HASHES)
header_words: tuple[bytes, ...] = (b"darktable",)
embeds_crops = False  # its exports carry the history of what was edited
# With many masks, sidecars have a few megabytes.
sidecars = SidecarRule(".xmp", max_megabytes=64, numbers_duplicates=True)

read_mark = suggestion_mark.read_packet


def has_no_crop(packet: bytes) -> bool:
    """Whether a packet has nothing of darktable's: see `base.Editor`."""
    return has_none_of(header_words, packet)


def read_settings(file: Path, tags: Tags) -> Settings:
    """The values of `TAGS`, by name without namespace."""
    del file  # ExifTool has read it
    return tags_in_group(tags, _GROUP)


def state(settings: Settings) -> State:
    """Whether settings (tag name without namespace -> value, of `TAGS`) hold a crop.

    A photo that is only straightened is cropped; one that is only turned by 90 degrees or mirrored
    is not. A crop is automatic if nobody has changed it since the photo was opened: a preset made
    it, or, from August 2026 on, the aspect ratio that was set in the camera. Raises RejectedFile if
    the settings cannot be used; `decode` checks the crop itself.
    """
    if not history.read_entries(settings):
        return State.SILENT
    turns = _turns(history.last_steps(settings))
    if all(map(_is_neutral, turns.values())):
        return State.UNCROPPED
    return State.AUTOMATIC if history.is_automatic(settings) else State.CROPPED


def camera_orientations(settings: Settings, photo: str, camera: CameraTurn) -> tuple[int, ...]:
    """The camera's orientation: see `base.Editor`.

    Up to 4.4, darktable turns HEIC and AVIF by EXIF alone, from 4.6 on by the container, HEIC only
    if it was built with libheif 1.16 or later (pull request 14624; 4.2.1 was rendered). A sidecar
    rarely names the version. Of AVIF the newer ones count: their EXIF and container differ since
    avifenc, from March 2026 on, writes EXIF's 1 next to `irot`.
    """
    del photo
    if camera.is_plain or camera.format != _HEIF or history.is_since_5(settings):
        return (camera.shown_as,)
    return camera.shown_as, camera.exif


def shown_as(settings: Settings, exif_orientation: int) -> int:
    """The orientation in which darktable displays the photo: its own, or EXIF's if it has none.

    Raises RejectedFile if the settings cannot be used.
    """
    steps = history.last_steps(settings)
    turns = _turns(steps, _flip(settings, steps, exif_orientation))
    bits = 0
    for operation in history.module_order(settings, turns):
        bits = _combine_flips(bits, turns[operation].flip)
    return _EXIF_OF_FLIP[bits]


def decode(
    settings: Settings,
    width: int,
    height: int,
    exif_orientation: int = orientation.UPRIGHT,
) -> Rectangle:
    """The crop of a photo whose `state` is CROPPED, in pixels of the stored frame.

    `width` and `height` are the stored frame's in pixels. Raises RejectedFile when the settings
    make no rectangle within the frame, or one in a frame that is warped or not the stored one.
    """
    steps = history.last_steps(settings)
    _refuse_turned_by_2(settings, steps)
    darktable_moves.refuse(settings, width, height)
    turns = _turns(steps, _flip(settings, steps, exif_orientation))
    numbers = "; ".join(f"{operation} {_format_turn(turn)}" for operation, turn in turns.items())
    frame, bits = Rectangle(width / 2, height / 2, width, height, 0.0), 0
    for operation in history.module_order(settings, turns):
        _refuse_warped(operation, turns[operation])
        bits = _combine_flips(bits, turns[operation].flip)
        frame = _apply_turn(frame, turns[operation], _EXIF_OF_FLIP[bits])
        if not (frame.width > 0 and frame.height > 0):
            raise RejectedFile("inverted", f"the crop has no area: {numbers}")
    if abs(frame.angle) > MAX_ANGLE_DEG:
        raise RejectedFile("angle", f"turned by {frame.angle:g}, expected degrees in [-45, 45]")
    return require_within(frame, width, height, numbers)


def measured_area(settings: Settings, sensor: Sensor) -> Box | None:
    """What the RAW borders leave of the sensor: see `base.MeasuringEditor`.

    All of an HEIC's coded picture: rendered with 4.2.1.
    """
    if sensor.is_coded_picture:
        return sensor.whole
    borders = darktable_moves.read_borders(settings)
    if borders is None:
        return None
    left, top, right, bottom = borders
    width, height = sensor.whole.width - left - right, sensor.whole.height - top - bottom
    if min(borders) < 0 or min(width, height) <= 0:
        raise RejectedFile(
            "reframed", f"rawprepare leaves {width:g} x {height:g} px: the borders are too wide"
        )
    return Box(sensor.whole.left + left, sensor.whole.top + top, width, height)


def encode(
    crop: Crop,
    width: int,
    height: int,
    shown_as: int = orientation.UPRIGHT,
    exif_orientation: int | None = orientation.UPRIGHT,
) -> dict[str, Any]:
    """The settings that darktable stores for a displayed crop: `decode` reversed.

    `width` and `height` are the stored frame's, `shown_as` the orientation in which it is
    displayed, `exif_orientation` EXIF's, None where versions of darktable differ. darktable 4.2
    moves limits that leave less than a tenth of the turned frame on one side: it allows left and
    top up to 0.9, right and bottom from 0.1.
    """
    box = stored_box(crop, width, height, shown_as)
    entries = []
    if shown_as != exif_orientation:
        entries.append(history.make_entry("flip", _EXIF_OF_FLIP.index(shown_as)))
    if box.angle:
        # neither lens shift nor shear; the default lens; all of the frame, no lines drawn
        lens = (0, 0, 0, 28, 1, 100, 1, 0)
        entries.append(history.make_entry("ashift", box.angle, *lens, 0, 0, 1, 0, 1, *[0] * 209))
    free_ratio = (0, 0)
    entries.append(
        history.make_entry("crop", *_displayed_limits(box, width, height, shown_as), *free_ratio)
    )
    return history.make_settings(entries)


def write(before: bytes | None, new: CropToWrite, mark: MarkTexts) -> bytes:
    """The sidecar with the crop: see `base.WritableEditor`.

    darktable reads a sidecar when it imports a photo. For a photo that it knows, it asks when it
    starts, if it is set to look for updated sidecars.
    """
    packet = Packet(EMPTY if before is None else before)
    # a flip of its own is what all versions agree on
    shown_now = new.shown_now if new.camera.is_plain else None
    settings = encode(new.crop, *new.frame, new.shown_as, shown_now)
    _refuse_out_of_reach(settings)
    is_raw = PurePosixPath(new.photo).suffix.lower() in raw.SUFFIXES
    darktable_write.append_steps(packet, settings, is_raw)
    suggestion_mark.put_in_packet(packet, mark)
    return packet.to_bytes()


def _refuse_out_of_reach(settings: Settings) -> None:
    limits = history.unpack_fields(history.last_steps(settings)["crop"])
    ends = (limits["cw"], limits["ch"], 1 - limits["cx"], 1 - limits["cy"])
    if min(ends) < _LEAST_SHARE:
        raise RejectedFile(
            "outside", "the crop is within a tenth of the frame's side, where darktable moves it"
        )


@dataclass(frozen=True)
class _Turn:
    """What one module does to the frame that it receives."""

    angle: float = 0.0  # in degrees, of the new frame in the old one, clockwise as displayed
    limits: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom of the turned frame
    inscribed: bool = False  # the turned frame is the largest inside the old one, not around it
    flip: int = 0  # the bits of a flip that comes after the turn, and before the limits
    warps: str = ""  # what warps the frame


def _turns(steps: Mapping[str, history.Step], flip: int = 0) -> dict[str, _Turn]:
    """What each enabled module does."""
    readers = {"ashift": _ashift, "clipping": _clipping, "crop": _crop}
    enabled = [name for name in readers if name in steps and steps[name].enabled]
    return {"flip": _Turn(flip=flip)} | {
        name: readers[name](history.unpack_fields(steps[name])) for name in enabled
    }


def _ashift(given: Mapping[str, float]) -> _Turn:
    defaults = {"shear": 0.0, "aspect": 1.0, "mode": 0, "cl": 0.0, "cr": 1.0, "ct": 0.0, "cb": 1.0}
    fields = defaults | dict(given)
    neutral = {"lensshift_v": 0.0, "lensshift_h": 0.0, "shear": 0.0}
    if fields["mode"] == 1:  # the generic lens model takes no aspect
        neutral["aspect"] = 1.0
    return _Turn(
        angle=fields["rotation"],
        limits=tuple(fields[name] for name in ("cl", "ct", "cr", "cb")),
        warps=history.format_fields(
            fields, [n for n, off in neutral.items() if abs(fields[n] - off) > _NEUTRAL]
        ),
    )


def _clipping(given: Mapping[str, float]) -> _Turn:
    fields = {"k_type": 4, "crop_auto": 1} | dict(given)
    if "k_bits" in fields:  # version 2: one number for both directions, bit 30 selects it
        fields["k_h"] = int(fields["k_bits"]) & 0x3FFFFFFF
    keystone = ("k_h", "k_v") if fields["k_type"] == 4 else ("k_apply",)
    flip = (_FLIP_X if fields["cw"] < 0 else 0) | (_FLIP_Y if fields["ch"] < 0 else 0)
    return _Turn(
        # the angle is that of the content; a mirror after the turn reverses its direction
        angle=fields["angle"] if flip in {_FLIP_X, _FLIP_Y} else -fields["angle"],
        limits=(fields["cx"], fields["cy"], abs(fields["cw"]), abs(fields["ch"])),
        inscribed=fields["crop_auto"] == 1,
        flip=flip,
        warps=history.format_fields(fields, [name for name in keystone if fields.get(name)]),
    )


def _crop(given: Mapping[str, float]) -> _Turn:
    return _Turn(limits=tuple(given[name] for name in ("cx", "cy", "cw", "ch")))


def _format_turn(turn: _Turn) -> str:
    left, top, right, bottom = turn.limits
    return f"turned by {turn.angle:g}, {left:g} to {right:g} x {top:g} to {bottom:g}"


def _is_neutral(turn: _Turn) -> bool:
    changes = [turn.angle, *(a - b for a, b in zip(turn.limits, _Turn.limits, strict=True))]
    return not turn.warps and all(abs(change) < _NEUTRAL for change in changes)


def _refuse_warped(operation: str, turn: _Turn) -> None:
    if turn.warps:
        raise RejectedFile(
            "perspective", f"{operation} has {turn.warps}: the crop is in a warped frame"
        )


def _flip(settings: Settings, steps: Mapping[str, history.Step], exif_orientation: int) -> int:
    """The bits of the flip between the stored frame and the one that is displayed."""
    from_exif = _EXIF_OF_FLIP.index(orientation.parse_orientation(exif_orientation))
    if "flip" not in steps:
        old = history.old_flip(settings)
        return from_exif if old in _NO_OLD_FLIP else _combine_flips(_bits(old), from_exif)
    if not steps["flip"].enabled:
        return 0
    code = int(history.unpack_fields(steps["flip"])["orientation"])
    if steps["flip"].version == 1:  # together with EXIF's, where later versions replace it
        return _combine_flips(_bits(code), from_exif)
    return from_exif if code == _FLIP_FROM_EXIF else _bits(code)


def _refuse_turned_by_2(settings: Settings, steps: Mapping[str, history.Step]) -> None:
    if history.xmp_version(settings) > _LAST_XMP_OF_2:
        return
    code = history.old_flip(settings)
    if "flip" in steps:
        flip = steps["flip"]
        code = int(history.unpack_fields(flip)["orientation"]) if flip.enabled else 0
    if code in _OTHERWISE_UP_TO_2:
        raise RejectedFile(
            "turn",
            "darktable up to 2.6, which wrote it, turns the photo by it in another way than later",
        )


def _bits(code: int) -> int:
    if code not in range(len(_EXIF_OF_FLIP)):
        raise RejectedFile("bad_params", f"flip's orientation is {code}, expected -1 to 7")
    return code


def _combine_flips(first: int, then: int) -> int:
    """The bits of two flips, one after the other."""
    if first & _SWAP:
        swapped = (_FLIP_Y if then & _FLIP_X else 0) | (_FLIP_X if then & _FLIP_Y else 0)
        then = then & _SWAP | swapped
    return first ^ then


def _apply_turn(frame: Rectangle, turn: _Turn, shown_as: int) -> Rectangle:
    """The frame that a module makes of one, both in pixels of the stored frame.

    `shown_as` is the orientation in which the module sees the stored pixels.
    """
    received = _displayed_size(frame.width, frame.height, shown_as)
    width, height = (_inscribed if turn.inscribed else _around)(*received, turn.angle)
    left, top, right, bottom = turn.limits
    middle = (left + right) / 2 * width, (top + bottom) / 2 * height
    seen = Rectangle(*middle, (right - left) * width, (bottom - top) * height, turn.angle)
    box = orientation.to_stored(seen, width, height, shown_as)
    angle = frame.angle + box.angle
    width, height = _displayed_size(width, height, shown_as)
    x, y = _rotate(box.centre_x - width / 2, box.centre_y - height / 2, angle)
    return Rectangle(frame.centre_x + x, frame.centre_y + y, box.width, box.height, angle)


def _displayed_limits(box: Rectangle, width: int, height: int, shown_as: int) -> tuple[float, ...]:
    """Left, top, right, bottom of a box as displayed, as fractions of the frame turned with it."""
    around = _around(width, height, box.angle)
    x, y = _rotate(box.centre_x - width / 2, box.centre_y - height / 2, -box.angle)
    upright = Rectangle(around[0] / 2 + x, around[1] / 2 + y, box.width, box.height, 0.0)
    crop = Crop.from_rectangle(
        orientation.to_displayed(upright, *around, shown_as), *_displayed_size(*around, shown_as)
    )
    return crop.left, crop.top, crop.right, crop.bottom


def _displayed_size(width: float, height: float, shown_as: int) -> tuple[float, float]:
    box = Rectangle(width / 2, height / 2, width, height, 0.0)
    shown = orientation.to_displayed(box, width, height, shown_as)
    return shown.width, shown.height


def _around(width: float, height: float, angle: float) -> tuple[float, float]:
    """The size of the turned frame that holds all of one."""
    cosine, sine = map(abs, _rotate(1, 0, angle))
    return width * cosine + height * sine, width * sine + height * cosine


def _inscribed(width: float, height: float, angle: float) -> tuple[float, float]:
    """The size of the largest turned frame inside one, of its shape or turned by 90 degrees."""
    reach = _around(width, height, angle)
    same = min(width / reach[0], height / reach[1], 1.0)
    other = min(height / reach[0], width / reach[1], 1.0)
    return (height * other, width * other) if other >= same else (width * same, height * same)


def _rotate(x: float, y: float, angle_deg: float) -> tuple[float, float]:
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return x * cosine - y * sine, x * sine + y * cosine
