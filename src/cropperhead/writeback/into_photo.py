"""Writes a packet of XMP into a photo itself, for an editor that keeps its settings there.

ExifTool writes it into a copy in the folder `.cropperhead`. The copy takes the photo's place only
if nothing but its XMP differs, and the readers of this project find in it what was meant.
`journal` keeps the photo as it was.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import journal
from cropperhead.library.journal_records import digest_of_file
from cropperhead.photos import embedded_xmp
from cropperhead.photos.exiftool import TagReader

_ENVELOPE = re.compile(rb"^\s*<\?xpacket begin=[^>]*\?>|<\?xpacket end=[^>]*\?>\s*$")


def read_packet(photo: Path) -> tuple[str, bytes | None]:
    """The SHA-256 of a photo, and its packet of XMP, None for none.

    Raises RejectedFile if XMP cannot be written into it, OSError if it cannot be read.
    """
    size = photo.stat().st_size
    if size > journal.LARGEST_PHOTO:
        most = f"{journal.LARGEST_PHOTO // 1_000_000:,} MB"
        raise RejectedFile("too_large", f"it has more than {most}, too many to be kept for --undo")
    before = digest_of_file(photo)
    if before is None:
        raise RejectedFile("no_photo", "it does not exist any more")
    found = embedded_xmp.read_xmp(photo)
    if found.is_extended:
        raise RejectedFile("too_large", "its XMP goes on beyond one segment of the JPEG")
    if len(found.packets) > 1:
        raise RejectedFile("several_packets", f"it has {len(found.packets)} packets of XMP")
    return before, found.packets[0] if found.packets else None


def require_room(photo: Path, packet: bytes) -> None:
    """Raises RejectedFile if a packet is too large for the photo's format; OSError as above."""
    most = embedded_xmp.MOST_IN_JPEG
    if len(packet) > most and embedded_xmp.read_xmp(photo).is_jpeg:
        raise RejectedFile(
            "too_large", f"its XMP would have {len(packet):,} bytes, and a JPEG takes {most:,}"
        )


def write(
    photo: Path,
    packet: bytes,
    before: str,
    note: Mapping[str, str],
    reader: TagReader,
    require_as_meant: Callable[[Path], None],
) -> None:
    """Replaces a photo, whose SHA-256 is `before`, by one with this packet.

    `require_as_meant` raises RejectedFile for a copy in which the readers do not find what was
    meant. Raises WritingError, and leaves the photo as it was.
    """

    def make(copy: Path) -> None:
        try:
            reader.write_xmp(photo, packet, copy)
            _require_same_photo(photo, copy, packet, reader)
            require_as_meant(copy)
        except RejectedFile as error:
            raise WritingError(f"{photo}: {error}. Left as it was.") from error

    journal.write_photo(photo, make, before, note)


def _require_same_photo(photo: Path, copy: Path, packet: bytes, reader: TagReader) -> None:
    """Raises RejectedFile unless a copy is the photo with this packet, and nothing else differs."""
    if [_bare(one) for one in embedded_xmp.read_xmp(copy).packets] != [_bare(packet)]:
        raise RejectedFile("unlike", "ExifTool would write different XMP than intended")
    if embedded_xmp.digest_without_xmp(copy) != embedded_xmp.digest_without_xmp(photo):
        raise RejectedFile("unlike", "ExifTool would change more of it than the XMP")
    now, then = reader.read_all_but_xmp(copy), reader.read_all_but_xmp(photo)
    changed = sorted(tag for tag in now.keys() | then.keys() if now.get(tag) != then.get(tag))
    if changed:
        raise RejectedFile("unlike", f"ExifTool would change {', '.join(changed[:3])} as well")


def _bare(packet: bytes) -> bytes:
    """A packet without what frames it, which ExifTool adds where it is missing."""
    return _ENVELOPE.sub(b"", packet).strip()
