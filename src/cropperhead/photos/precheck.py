"""Checks files before ExifTool opens them.

Most photos of a library are not cropped. ExifTool need not read a JPEG whose header has no word of
an editor that keeps crops, except in a packet of XMP that says plainly that there is no crop;
checking takes a tenth of the time. And it reads a PNG only if the
compressed texts are of a sensible size, because it unpacks them whole.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cropperhead.system.regular_file import open_regular

LARGEST_TEXTS_MB = 64  # of a PNG, unpacked; XMP with many masks has a few
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = frozenset({b"iTXt", b"zTXt", b"iCCP"})  # PNG specification, 11.3
_START, _SCAN, _APP1 = b"\xff\xd8", 0xDA, 0xE1  # of ITU T.81, table B.1
_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"
_READ_AT_ONCE = 1 << 16
# XMP of more than one segment (XMP specification, part 3, 1.1.3.1): a name may be divided between
# two of them
_DIVIDED = b"http://ns.adobe.com/xmp/extension/"


def find_packets(file: Path, words: Sequence[bytes]) -> list[bytes] | None:
    """The packets of XMP in a JPEG, if nothing else in its header holds one of the editors' words.

    `words` are ASCII. None means that ExifTool has to read the file: another part of its header
    holds one, or it is no JPEG with a sound header. Raises OSError if it cannot be opened.
    """
    wide = [word.decode().encode("utf-16-le") for word in words]
    with open_regular(file, buffering=_READ_AT_ONCE) as stream:
        if stream.read(2) != _START:
            return None
        return _packets(stream, [*words, *wide, _DIVIDED])


def is_bomb(file: Path) -> bool:
    """Whether a PNG's compressed texts unpack to more than LARGEST_TEXTS_MB.

    Raises OSError if the file cannot be opened.
    """
    with open_regular(file) as stream:
        if stream.read(len(_PNG)) != _PNG:
            return False
        room = LARGEST_TEXTS_MB * 1_000_000
        while len(head := stream.read(8)) == 8 and room >= 0:
            length = int.from_bytes(head[:4])
            if head[4:] in _PNG_TEXTS and length <= room:
                room -= _unpacked_size(stream.read(length), room)
                length = 0
            stream.seek(length + 4, 1)  # over the rest and its checksum
        return room < 0


def _unpacked_size(chunk: bytes, room: int) -> int:
    """How many bytes a chunk's compressed part gives, counted up to a little above `room`.

    Where it begins depends on the kind of the chunk: after a keyword and, at most, three texts.
    """
    most, start = 0, 0
    for _ in range(4):
        start = chunk.find(b"\0", start) + 1
        if not start:
            break
        for skipped in (0, 1, 2):  # flags between
            try:
                text = zlib.decompressobj().decompress(chunk[start + skipped :], room + 1)
            except zlib.error:
                continue
            most = max(most, len(text))
    return most


def _packets(stream: BinaryIO, words: Sequence[bytes]) -> list[bytes] | None:
    found: list[bytes] = []
    while True:
        head = stream.read(4)  # marker and length, which counts itself
        length = int.from_bytes(head[2:]) - 2
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xFF or length < 0:
            return None  # bytes that fill up before a marker are for ExifTool, too
        if head[1] == _SCAN:
            return found
        segment = stream.read(length)
        if len(segment) < length:
            return None
        if head[1] == _APP1 and segment.startswith(_SIGNATURE):
            if found:  # which of them counts is for ExifTool
                return None
            found.append(segment.removeprefix(_SIGNATURE))
        elif any(word in segment for word in words):
            return None
