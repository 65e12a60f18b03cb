"""Where a sidecar keeps the mark of a suggestion: a namespace of XMP, or a section of a profile.

When darktable writes a sidecar again, it reads the old one into Exiv2 first (`src/common/exif.cc`),
which keeps foreign namespaces; but Exiv2 0.27 adds a slash to one that does not end with it, so
this one does. RawTherapee (5.9) writes only the sections that it knows, and so drops the mark; what
was written is then in the journal alone.
"""

from collections.abc import Mapping

from cropperhead.editors import profile, profile_merge
from cropperhead.editors.base import MarkTexts
from cropperhead.editors.xmp import Name, Packet
from cropperhead.errors import RejectedFile

NAMESPACE, SECTION = "urn:cropperhead:suggestion:1.0/", "CropperHead"
KEYS = ("Model", "Editor", "Crop", "Orientation")


def put_in_packet(packet: Packet, mark: MarkTexts) -> None:
    """Sets the mark's properties in an XMP packet; an empty mark removes them."""
    for key, text in mark.items():
        packet.set(_property(key), text)
    for key in () if mark else KEYS:
        packet.remove(_property(key))


def put_in_profile(content: bytes, mark: MarkTexts) -> bytes:
    """The profile with the mark's section; an empty mark removes it."""
    if not mark:
        return profile_merge.remove_section(content, SECTION)
    return profile_merge.merge_keys(content, {SECTION: mark})


def read_packet(sidecar: bytes) -> MarkTexts:
    """The mark in an XMP sidecar; empty for none, and for XMP that cannot be parsed."""
    # Most sidecars have none, and parsing all of them would take long. UTF-16 has zeros between.
    if NAMESPACE.encode() not in sidecar.replace(b"\0", b""):
        return {}
    try:
        packet = Packet(sidecar)
    except RejectedFile:
        return {}
    values = {key: packet.get(_property(key)) for key in KEYS}
    return {key: value for key, value in values.items() if value is not None}


def read_profile(sidecar: bytes) -> Mapping[str, str]:
    """The mark in a profile; empty for none, and for a profile that cannot be parsed."""
    if SECTION.encode() not in sidecar:
        return {}
    try:
        return profile.parse_profile(sidecar.decode("utf-8", "replace")).get(SECTION, {})
    except RejectedFile:
        return {}


def _property(key: str) -> Name:
    return Name(NAMESPACE, "cropperhead", key)
