"""XMP inside JPEG, TIFF and DNG files, and the digest of all the rest."""

import struct
import subprocess

import pytest
from conftest import picture, save_photo, settings, xmp
from raw_files import save_dng

from cropperhead.errors import RejectedFile
from cropperhead.photos.embedded_xmp import digest_without_xmp, read_xmp

ORIENTATION, MAKE, DESCRIPTION = 0x0112, 0x010F, 0x010E
FIRST, SECOND = xmp(settings()), xmp(settings(top=0.3))
SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"


def segment(content, marker=0xE1):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(file, *contents):
    """A JPEG with further segments before all others."""
    whole = save_photo(file).read_bytes()
    file.write_bytes(whole[:2] + b"".join(map(segment, contents)) + whole[2:])
    return file


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_a_packet_is_read_as_it_was_written(tmp_path, name):
    assert list(read_xmp(save_photo(tmp_path / name, FIRST)).packets) == [FIRST]
    assert list(read_xmp(save_photo(tmp_path / f"no-{name}")).packets) == []


def test_the_last_packet_of_a_jpeg_and_the_first_of_a_tiff_is_what_adobe_s_reader_takes(tmp_path):
    jpeg = with_segments(tmp_path / "a.jpg", SIGNATURE + FIRST, SIGNATURE + SECOND)
    assert list(read_xmp(jpeg).packets) == [FIRST, SECOND]
    tiff = tmp_path / "a.tif"
    pages = [picture(), picture()]
    for page, packet in zip(pages, (FIRST, SECOND), strict=True):
        page.encoderinfo = {"tiffinfo": {700: packet}}
    pages[0].save(tiff, save_all=True, append_images=pages[1:], tiffinfo={700: FIRST})
    assert list(read_xmp(tiff).packets) == [SECOND, FIRST]


def test_xmp_of_several_segments_is_seen(tmp_path):
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"<x/>"
    assert read_xmp(with_segments(tmp_path / "a.jpg", SIGNATURE + FIRST, extension)).is_extended
    assert not read_xmp(with_segments(tmp_path / "b.jpg", SIGNATURE + FIRST)).is_extended


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.dng"])
def test_the_digest_is_that_of_all_but_xmp(tmp_path, name):
    file = save_dng(tmp_path / name) if name == "a.dng" else save_photo(tmp_path / name)
    before = digest_without_xmp(file)
    (tmp_path / "p.xmp").write_bytes(FIRST)
    command = ["exiftool", "-q", "-overwrite_original", f"-XMP:XMP<={tmp_path / 'p.xmp'}", file]
    subprocess.run(command, check=True)
    assert digest_without_xmp(file) == before
    command = ["exiftool", "-q", "-overwrite_original", "-IFD0:ImageDescription=other", file]
    subprocess.run(command, check=True)
    assert digest_without_xmp(file) != before


def test_of_a_jpeg_every_byte_but_xmp_s_counts(tmp_path):
    file = save_photo(tmp_path / "a.jpg", FIRST, exif={MAKE: "A maker"})
    whole, before = file.read_bytes() + b"behind the end", digest_without_xmp(file)
    packet = range(whole.index(FIRST), whole.index(FIRST) + len(FIRST))
    for place in {*range(2, len(whole), 37), *range(packet.start, packet.stop, 99)}:
        other = bytearray(whole)
        other[place] ^= 1
        file.write_bytes(other)
        try:
            assert (digest_without_xmp(file) != before) or place in packet, place
        except RejectedFile:
            assert place not in packet
    file.write_bytes(whole.replace(b"behind the end", b"").replace(b"0.8", b"0.7"))
    assert digest_without_xmp(file) == before


def test_of_a_tiff_every_picture_counts(tmp_path):
    pages = [picture(), picture(shade=9)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=[picture(shade=8)])
    assert digest_without_xmp(tmp_path / "a.tif") != digest_without_xmp(tmp_path / "b.tif")


def test_a_tiff_at_other_places_has_the_same_digest(tmp_path):
    file = save_photo(tmp_path / "a.tif", exif={MAKE: "A maker's long name", ORIENTATION: 6})
    before = digest_without_xmp(file)
    order, place = "<", struct.unpack("<I", file.read_bytes()[4:8])[0]
    content = file.read_bytes()
    count = struct.unpack_from(order + "H", content, place)[0]
    directory = content[place : place + 2 + 12 * count + 4]
    # the directory once more, behind all else
    moved = content[:4] + struct.pack("<I", len(content)) + content[8:] + directory
    file.write_bytes(moved)
    assert digest_without_xmp(file) == before


DAMAGED = {
    "empty": b"",
    "text": b"hello",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "JPEG without an end": b"\xff\xd8\xff\xe1\xff\xff",
    "JPEG of no segments": b"\xff\xd8 hello",
    "JPEG with a segment of no length": b"\xff\xd8\xff\xe1\0\0",
    "TIFF that is cut off": b"II*\0\x08\0\0\0\x05\0",
    "TIFF that begins beyond its end": b"II*\0\xff\xff\xff\x7f",
    "TIFF that leads back to itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "tag of an unknown type": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 270, 99, 1, 0),
    "tag beyond the end": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 270, 2, 99, 9) + bytes(4),
    "picture without a size": b"II*\0\x08\0\0\0\x01\0"
    + struct.pack("<HHII", 273, 4, 1, 9)
    + bytes(4),
    "tag that repeats the file": b"II*\0\x08\0\0\0\x60\0"
    + struct.pack("<HHII", 270, 2, 1000, 8) * 96
    + bytes(4),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_sound_jpeg_or_tiff_is_refused(tmp_path, content):
    file = tmp_path / "a.jpg"
    file.write_bytes(content)
    with pytest.raises(RejectedFile, match=r"no JPEG, TIFF or DNG|structure is damaged"):
        digest_without_xmp(file)


def test_a_png_is_no_such_file_whatever_its_name(tmp_path):
    picture().save(tmp_path / "a.jpg", "PNG")
    with pytest.raises(RejectedFile, match="by its content it is no JPEG"):
        read_xmp(tmp_path / "a.jpg")
