"""PNGs whose picture is in one chunk, as some programs write them."""

import struct
import zlib


def one_piece(png: bytes, *after: bytes) -> bytes:
    """The same PNG with all of its picture in one chunk, and chunks behind it."""
    data, others, place = b"", [], 8
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        content = png[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            data += content
        else:
            others.append(png_chunk(kind, content))
        place += 12 + length
    return b"".join([png[:8], *others[:-1], png_chunk(b"IDAT", data), *after, others[-1]])


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)
