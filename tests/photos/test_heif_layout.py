"""Where an HEIC's pictures are; `tests/library/test_store.py` tells what that saves."""

import io
import struct

import pytest

from cropperhead.photos.heif_layout import is_heif, read_layout

EXIF, PICTURE = b"Exif" * 5, b"\xff" * 300


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def items(*named):
    """An iinf of items with these numbers and kinds."""
    infos = b"".join(
        box(b"infe", struct.pack(">B3xHH4sx", 2, item, 0, kind)) for item, kind in named
    )
    return box(b"iinf", struct.pack(">4xH", len(named)) + infos)


def locations(*extents):
    """An iloc: item, place and size of each."""
    listed = b"".join(struct.pack(">HHHII", item, 0, 1, *extent) for item, *extent in extents)
    return box(b"iloc", struct.pack(">4xBBH", 0x44, 0, len(extents)) + listed)


def heic(named=((1, b"hvc1"), (2, b"Exif")), extents=None, extra=b""):
    """A file with a picture and its Exif, and the place of the picture."""

    def front(place):
        found = extents or [(1, place, len(PICTURE)), (2, place + len(PICTURE), len(EXIF))]
        meta = bytes(4) + items(*named) + locations(*found)
        return box(b"ftyp", b"heic\0\0\0\0mif1") + box(b"meta", meta) + extra

    place = len(front(0)) + 8
    return front(place) + box(b"mdat", PICTURE + EXIF), place


# An item's number, its method (in a box), its file, and how many extents it has
EMPTY_EXTENTS = struct.pack(">4H", 1, 1, 0, 600)


def with_meta(boxes):
    return box(b"ftyp", b"heic") + box(b"meta", bytes(4) + boxes)


def layout(content):
    return read_layout(io.BytesIO(content), len(content))


def test_pictures_are_told_from_all_that_is_read():
    content, place = heic()
    assert is_heif(content[:12])
    found = layout(content)
    assert found.pictures == [(place, 300)]
    # ftyp (8 + 12 bytes), meta, the head of mdat, and the Exif
    assert found.others == [(0, 20), (20, place - 28), (place - 8, 8), (place + 300, 20)]


@pytest.mark.parametrize(
    ("named", "extents"),
    [
        ([], None),  # of items whose kind is not known
        ([(1, b"mime"), (2, b"Exif")], None),
        ([(1, b"hvc1")], [(1, 20, 100)]),  # the picture claims the list of items
    ],
)
def test_nothing_but_a_coded_picture_in_its_box_is_left_out(named, extents):
    content, _ = heic(named, extents)
    assert layout(content).pictures == []


@pytest.mark.parametrize(
    "content",
    [
        heic([(1, b"hvc1"), (1, b"Exif")])[0],  # which of both kinds counts?
        heic(extra=box(b"meta", bytes(4)))[0],
        heic(extents=[(1, 400, 400)] * 5)[0],  # 2,000 bytes of some 500
        heic()[0] + b"tail",
        heic()[0][:-1],
        b"".join(box(b"mdat", b"") for _ in range(17)),
        box(b"ftyp", b"heic") + box(b"mdat", PICTURE),
        with_meta(box(b"iinf", b"") + locations()),
        with_meta(box(b"iinf", bytes(6) + box(b"infe", b"")) + locations()),
        with_meta(items() + box(b"iloc", b"")),
        # extents of no width, each item with 600
        with_meta(items() + box(b"iloc", struct.pack(">B3x2xH", 1, 20) + EMPTY_EXTENTS * 20)),
    ],
    ids=[
        *("item twice", "two metas", "too large", "tail", "cut off", "many boxes", "no items"),
        *("empty list", "empty item", "empty places", "many extents"),
    ],
)
def test_what_is_not_plain_is_refused(content):
    with pytest.raises(struct.error):
        layout(content)
