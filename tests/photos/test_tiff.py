import io
import struct

import pytest

from cropperhead.photos import tiff

SHORT, SIGNED = 3, 9


def structure(*entries, magic=b"II*\0"):
    """One directory of entries (tag, type, value), each of a single whole number."""
    packed = [struct.pack("<HHIi", tag, kind, 1, value) for tag, kind, value in entries]
    head = magic + struct.pack("<IH", 8, len(packed))
    return io.BytesIO(head + b"".join(packed) + bytes(4))


@pytest.mark.parametrize("code", range(1, 9))
def test_the_first_directory_states_an_orientation(code):
    assert tiff.read_orientation(structure((tiff.ORIENTATION, SHORT, code))) == code


@pytest.mark.parametrize("code", [0, 9, 255])
def test_there_are_eight_orientations(code):
    assert tiff.read_orientation(structure((tiff.ORIENTATION, SHORT, code))) is None


@pytest.mark.parametrize("magic", [b"IIRO", b"IIRS", b"IIU\0"])
def test_olympus_and_panasonic_have_the_same_directories(magic):
    stream = structure((tiff.ORIENTATION, SHORT, 6), magic=magic)
    assert not tiff.is_plain(stream)
    assert tiff.read_directories(stream, {tiff.ORIENTATION}) == [{tiff.ORIENTATION: (6,)}]


@pytest.mark.parametrize("place", [-5, 10**9])  # before the file, and after it
def test_exif_that_is_not_in_the_file_costs_nothing_else(place):
    stream = structure((tiff.ORIENTATION, SHORT, 6), (34665, SIGNED, place))
    [directory] = tiff.read_directories(stream, {tiff.ORIENTATION})
    assert directory[tiff.ORIENTATION] == (6,)
