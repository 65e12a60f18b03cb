"""What the header of a JPEG tells by itself, a hundred times faster than ExifTool can.

Most photos of a library are not cropped. Those whose header has no word of an editor that stores
crops need not be asked any further.
"""

from pathlib import Path
from typing import BinaryIO

_START, _SCAN = b"\xff\xd8", 0xDA  # SOI and SOS of ITU T.81, table B.1
_READ_AT_ONCE = 1 << 16
# The namespaces of those who store crops in XMP; and XMP of more than one segment (XMP
# specification, part 3, 1.1.3.1), between two of which a name may be divided.
_WORDS = (b"camera-raw-settings", b"darktable", b"http://ns.adobe.com/xmp/extension/")
_WORDS_UTF16 = tuple(word.decode().encode("utf-16-le") for word in _WORDS[:2])


def is_silent(file: Path) -> bool:
    """Whether a file is a JPEG with a sound header that names no editor's settings.

    False says nothing: ExifTool has to be asked. Raises OSError where it cannot be opened.
    """
    with file.open("rb", buffering=_READ_AT_ONCE) as stream:
        return stream.read(2) == _START and _names_no_editor(stream)


def _names_no_editor(stream: BinaryIO) -> bool:
    while True:
        head = stream.read(4)  # marker and length, which counts itself
        length = int.from_bytes(head[2:]) - 2
        if len(head) < 4 or head[0] != 0xFF or length < 0:
            return False
        if head[1] == _SCAN:
            return True
        segment = stream.read(length)
        if len(segment) < length or any(word in segment for word in (*_WORDS, *_WORDS_UTF16)):
            return False
