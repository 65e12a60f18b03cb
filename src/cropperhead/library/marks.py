"""The mark that CropperHead leaves on a crop of its own: by which model, and what it was.

A crop that is still the marked one is an untouched suggestion, from which nothing can be learned;
one that differs is a person's correction.

In XMP the mark stands in a namespace of its own, in a RawTherapee profile in a section of its own.
When darktable writes a sidecar anew, it reads the old one into Exiv2 first (`src/common/exif.cc`),
which keeps foreign namespaces; but to one that ends without a slash Exiv2 0.27 adds it: this one
ends with it. RawTherapee (5.9) writes the sections that it knows, and drops the mark. What was
written then stands in the journal alone.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from cropperhead.editors import base, profile_merge
from cropperhead.editors import profile as profiles
from cropperhead.editors.xmp import Name, Packet
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop, Rectangle

NAMESPACE, SECTION = "urn:cropperhead:suggestion:1.0/", "CropperHead"
_KEYS = ("Model", "Editor", "Crop", "Orientation")
# How far off a corner may lie for what editors round. RawTherapee has whole pixels, and cuts what
# is less than one beyond its canvas: at most 1 px both ways, 1.4 px. The others keep hundredths.
ROUNDING_PX = 1.5


@dataclass(frozen=True)
class Mark:
    """A suggestion as it was made: of which model, for which editor, in which orientation (1-8)."""

    model: str
    editor: str
    crop: Crop  # as displayed by `orientation`
    orientation: int

    def texts(self) -> dict[str, str]:
        """The mark as texts, by key."""
        limits = " ".join(f"{value:.9g}" for value in astuple(self.crop))
        return dict(
            zip(_KEYS, (self.model, self.editor, limits, str(self.orientation)), strict=True)
        )


def of_texts(texts: Mapping[str, Any]) -> Mark | None:
    """The mark that `Mark.texts` gives, None where they make none."""
    try:
        limits = [float(value) for value in texts["Crop"].split()]
        turned = orientation.known(int(texts["Orientation"]), 0)
        crop = Crop(*limits)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    if not turned or not np.isfinite(limits).all():
        return None
    return Mark(str(texts.get("Model", "")), str(texts.get("Editor", "")), crop, turned)


def mark_of(sidecar: bytes) -> Mark | None:
    """The mark in the bytes of a sidecar, XMP or profile; None also where they cannot be read."""
    try:
        if b"<" in sidecar[:64].replace(b"\0", b""):
            packet = Packet(sidecar)
            said = {key: packet.get(_name(key)) for key in _KEYS}
            return of_texts({key: value for key, value in said.items() if value is not None})
        return of_texts(profiles.parse(sidecar.decode("utf-8", "replace")).get(SECTION, {}))
    except RejectedFile:
        return None


def is_untouched(mark: Mark, box: Rectangle, width: int, height: int) -> bool:
    """Whether a crop is still the suggestion, but for what editors round away.

    `box` is the crop in pixels of the stored frame, `width` and `height` are that frame's.
    """
    suggested = base.stored_box(mark.crop, width, height, mark.orientation)
    return bool(np.abs(suggested.corners() - box.corners()).max() <= ROUNDING_PX)


def put_in_packet(packet: Packet, mark: Mark | None) -> None:
    """Notes the mark in an XMP packet, or that the one there is to go."""
    for key, text in ({} if mark is None else mark.texts()).items():
        packet.set(_name(key), text)
    for key in _KEYS if mark is None else ():
        packet.remove(_name(key))


def put_in_profile(profile: bytes, mark: Mark | None) -> bytes:
    """The profile with the mark, or without any."""
    if mark is None:
        return profile_merge.without(profile, SECTION)
    return profile_merge.merged(profile, {SECTION: mark.texts()})


def _name(key: str) -> Name:
    return Name(NAMESPACE, "cropperhead", key)
