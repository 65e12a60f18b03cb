"""Tells who wrote a packet of XMP last, and when.

Photo managers copy all metadata of a photo into a sidecar, Camera Raw's settings among them, and
the copy ages. `x:xmptk` names the library that wrote a packet, `xmp:CreatorTool` the program that
made the photo or changed it first, `xmp:MetadataDate` the time of the last change (XMP
specification, part 1, 7.3.2, and part 2, 1.2.2.1).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cropperhead.editors.base import Tags

_TOOLKIT, _TOOL, _CHANGED = "XMP-x:XMPToolkit", "XMP-xmp:CreatorTool", "XMP-xmp:MetadataDate"
_SUGGESTED_FOR = "XMP-cropperhead:Editor"
TAGS = (_TOOLKIT, _TOOL, _CHANGED, _SUGGESTED_FOR)
_SOFTWARE, _MODIFIED = "IFD0:Software", "IFD0:ModifyDate"
_STEPS = (
    "XMP-digiKam:ImageHistory"  # digiKam signs what it only describes, too: this tells of edits
)
PHOTO_TAGS = (_SOFTWARE, _MODIFIED, _STEPS)  # of a photo, besides `TAGS`
_ADOBE = "Adobe XMP Core"
# Programs that make a new picture of a photo and sign it in EXIF. darktable, and RawTherapee from
# 5.10 on, copy all XMP of the photo or of its sidecar into it (rendered by darktable-cli 4.2.1;
# `Exiv2Metadata::saveToImage` in RawTherapee's rtengine/metadata.cc).
_RENDERERS = re.compile(
    r"(darktable|rawtherapee|art|ansel|vkdt|rapidraw|filmulator|lightzone|gimp|krita|pinta|paint|"
    r"showfoto|affinity|luminar|pixelmator|photomator|photoscape|photopea|polarr|snapseed|dxo|on1|"
    r"capture one|topaz|exposure x|silkypix|photivo|ufraw|digital photo professional|nx studio|"
    r"capture nx|viewnx|windows photo editor|microsoft windows photo|imagemagick)\b",
    re.IGNORECASE,
)
# Photo managers that sign as the creator. Cameras do too, so that not any name but Adobe's will do.
_MANAGERS = re.compile(
    r"digikam|darktable|exiftool|gthumb|shotwell|geeqie|xnview|acdsee|photo mechanic|picasa|"
    r"capture one|dxo|on1|apple photos|immich|photoprism|mylio|excire",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Provenance:
    """Who wrote a packet last, and when."""

    changed: datetime | None = None
    is_copy: bool = False  # another program than Adobe's wrote it
    is_suggestion: bool = False  # CropperHead put a crop of its own into it

    def is_later_than(self, other: "Provenance") -> bool:
        """Whether it was changed later, as far as both are dated."""
        if self.changed is None or other.changed is None:
            return False
        return self.changed > other.changed


def read_provenance(tags: Tags, editor: str) -> Provenance:
    """The provenance of a packet's settings of an editor, from ExifTool's `TAGS`."""
    is_copy = not _is_adobes(tags) or _MANAGERS.search(str(tags.get(_TOOL, "")))
    return Provenance(
        changed=_parse_time(str(tags.get(_CHANGED, ""))),
        is_copy=bool(is_copy),
        is_suggestion=tags.get(_SUGGESTED_FOR) == editor,
    )


def is_marked(tags: Tags) -> bool:
    """Whether a packet holds CropperHead's mark."""
    return _SUGGESTED_FOR in tags


def find_renderer(tags: Tags) -> str:
    """The program that has made a photo's picture after its XMP was written; "" for none.

    Camera Raw's settings in it are then those of the picture from which it was made. `tags` are
    `TAGS` and `PHOTO_TAGS`. EXIF's times have no zone: those of the place count.
    """
    software, is_adobes = str(tags.get(_SOFTWARE, "")), _is_adobes(tags)
    if "<filter" in str(tags.get(_STEPS, "")) and not is_adobes:
        return "digiKam"
    if not _RENDERERS.match(software):
        return ""
    rendered, written = (_parse_time(str(tags.get(tag, ""))) for tag in (_MODIFIED, _CHANGED))
    if rendered is None or written is None:
        is_later = not is_adobes
    else:
        is_later = rendered.replace(tzinfo=None) > written.replace(tzinfo=None)
    return software if is_later else ""


def _is_adobes(tags: Tags) -> bool:
    """Whether Adobe's library wrote a packet last, or nothing tells."""
    return str(tags.get(_TOOLKIT, _ADOBE)).startswith(_ADOBE)


def _parse_time(text: str) -> datetime | None:
    """ExifTool's form of a date; one without a time zone counts as UTC, None for no date."""
    try:
        time = datetime.fromisoformat(text.replace(":", "-", 2).replace(" ", "T"))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
