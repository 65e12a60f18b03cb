"""Photos whose end is missing, with metadata that were there."""

import struct

import pillow_heif
import pytest
from conftest import extract_params, save_photo, settings, xmp
from raw_files import BYTE, save_dng

from cropperhead.dataset import preview
from cropperhead.library import scan
from cropperhead.photos import cut_off

pillow_heif.register_heif_opener()
FORMATS = ["jpg", "tif", "png", "webp", "heic", "avif", "dng"]


def sound(file):
    """A photo with a crop in its XMP, which a PNG has after its pixels."""
    if file.suffix == ".dng":
        save_dng(file, tags={700: (BYTE, xmp(settings()))})
    else:
        save_photo(file, xmp(settings()))
    content = file.read_bytes()
    if file.suffix == ".png":
        start = content.index(b"iTXt") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4])
        content = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    return content


@pytest.mark.parametrize("kind", FORMATS)
def test_no_photo_that_is_cut_off_passes_for_uncropped(tmp_path, kind):
    content = sound(tmp_path / f"whole.{kind}")
    (tmp_path / f"whole.{kind}").write_bytes(content)
    places = [12, len(content) // 4, content.index(b"HasCrop"), len(content) // 2]
    for number, place in enumerate([*places, len(content) - 20]):
        (tmp_path / f"{number}.{kind}").write_bytes(content[:place])
    entries = scan.scan(tmp_path).entries
    outcomes = dict(preview.preview(tmp_path, entries, extract_params(tmp_path)).outcomes)
    assert outcomes.pop("uncropped", 0) == 0
    assert sum(outcomes.values()) == 6


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_photo_is_not_cut_off_whatever_follows_it(tmp_path, kind):
    content, file = sound(tmp_path / f"a.{kind}"), tmp_path / f"b.{kind}"
    film = b"MotionPhoto_Data" + bytes(30)  # which reads as the head of a long box
    for behind in (b"", bytes(30), b"\xff\xff\xff\xff after", film, b"A" * 8):
        file.write_bytes(content + behind)
        assert not cut_off.is_cut_off(file)


@pytest.mark.parametrize(
    ("content", "is_cut"),
    [
        (b"", False),
        (b"\xff", False),
        (b"text", False),
        (b"RIFF", True),
        (b"\0\0\0\x18ftypheic", True),
    ],
)
def test_a_few_bytes_are_judged_by_their_first(tmp_path, content, is_cut):
    (tmp_path / "a").write_bytes(content)
    assert cut_off.is_cut_off(tmp_path / "a") == is_cut


@pytest.mark.parametrize(("kind", "is_cut"), [(1, False), (12, True)])  # of 1 byte, and of 8
def test_the_xmp_of_a_tiff_is_as_long_as_all_of_its_values(tmp_path, kind, is_cut):
    # a directory at 8 with a tag of ten values, which are to be from 26 on
    directory = struct.pack("<4sIHHHIII", b"II*\0", 8, 1, 700, kind, 10, 26, 0)
    (tmp_path / "a").write_bytes(directory + bytes(20))
    assert cut_off.is_cut_off(tmp_path / "a") == is_cut


def test_what_is_between_segments_is_not_a_cut(tmp_path):
    content = save_photo(tmp_path / "a.jpg", exif={0x010F: "Maker"}).read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[:2] + b"between" + content[2:])
    assert not cut_off.is_cut_off(tmp_path / "a.jpg")
