"""The metadata of a photo, and what of it goes into the cropped copy, as options for Pillow."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cropperhead.errors import RejectedFile
from cropperhead.photos import copy_mark
from cropperhead.suggest import copied_exif, copied_iptc, copied_xmp
from cropperhead.suggest.options import CopySettings
from cropperhead.suggest.reframing import Reframing
from cropperhead.system.regular_file import open_regular

_SEGMENT = 0xFFFF - 2  # bytes in one segment of a JPEG
_XMP_SEGMENT = _SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0")
# Tags of a TIFF (XMP specification, part 3; IPTC-NAA)
_XMP, _IPTC = 0x02BC, 0x83BB


@dataclass(frozen=True)
class Metadata:
    """All that a photo's file says besides its pixels; `iptc` as in `copied_iptc`."""

    profile: bytes | None
    exif: Image.Exif
    xmp: bytes = b""
    iptc: Mapping[int, bytes] | None = None
    comment: bytes = b""

    def options(
        self, kind: str, size: tuple[int, int], reframing: Reframing | None, settings: CopySettings
    ) -> dict[str, Any]:
        """Select what is true of a copy of `size` px in a format of Pillow's.

        `reframing` is None where the frame of the metadata is not known; places are dropped then.
        """
        options = {"icc_profile": self.profile} if self.profile else {}
        if settings.strip_all:
            exif = Image.Exif() if self.profile else copied_exif.colour_tags(self.exif)
            return options | _exif_options(exif, kind)
        with_location = not settings.strip_location
        exif = copied_exif.descriptive_tags(self.exif, reframing, size, with_location)
        packet = b"" if reframing is None else self._packet(reframing, with_location)
        if kind == "TIFF":
            records = copied_iptc.copied_records(self.iptc or {}, with_location)
            exif.update({tag: data for tag, data in ((_XMP, packet), (_IPTC, records)) if data})
        elif kind == "JPEG":
            options["extra"] = copied_iptc.jpeg_segment(self.iptc or {}, with_location)
            options["comment"] = self.comment
        return options | _exif_options(_marked(exif, kind), kind) | _xmp_options(packet, kind)

    def _packet(self, reframing: Reframing, with_location: bool) -> bytes:
        if not self.xmp:
            return b""
        try:
            return copied_xmp.descriptive_packet(self.xmp, reframing, with_location)
        except RejectedFile:  # it cannot be parsed
            return b""


def read_metadata(image: Image.Image) -> Metadata:
    """Read the metadata of an open picture; call it before the pixels are read."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return Metadata(
        profile=image.info.get("icc_profile"),
        exif=copied_exif.read_directories(image.getexif()),
        xmp=xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        iptc=copied_iptc.read_resources(image),
        comment=image.info.get("comment") or b"",
    )


def read_raw_metadata(file: Path) -> Metadata:
    """Read the EXIF of a RAW file, if it is a TIFF file inside as most are.

    Its colour space is that of the camera's JPEGs; the copy's is sRGB.
    """
    tags = Image.Exif()
    try:
        with open_regular(file) as stream:
            tags.load_from_fp(stream)
            return Metadata(None, copied_exif.in_srgb(copied_exif.read_directories(tags)))
    except (OSError, SyntaxError, ValueError, KeyError, struct.error):
        return Metadata(None, Image.Exif())


def _exif_options(exif: Image.Exif, kind: str) -> dict[str, Any]:
    if not exif or (kind == "JPEG" and len(exif.tobytes()) > _SEGMENT):
        return {}
    return {"exif": exif}


def _marked(exif: Image.Exif, kind: str) -> Image.Exif:
    """EXIF with the mark of a copy; the mark alone where the rest is too long."""
    mark = {copy_mark.TAG: copy_mark.VALUE}
    exif.update(mark)
    if kind == "JPEG" and len(exif.tobytes()) > _SEGMENT:
        exif = Image.Exif()
        exif.update(mark)
    return exif


def _xmp_options(packet: bytes, kind: str) -> dict[str, Any]:
    if not packet or kind == "TIFF" or (kind == "JPEG" and len(packet) > _XMP_SEGMENT):
        return {}
    if kind == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        return {"pnginfo": text}
    return {"xmp": packet}
