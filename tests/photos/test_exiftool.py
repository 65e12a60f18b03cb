import signal
import time

import pytest
from conftest import save_photo

from cropperhead.photos import exiftool


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("ExifIFD:FocalLength", 50),
        ("EXIF:FocalLength", 50),
        ("focallength", 50),
        ("XMP:Rating", 4),
        ("XMP-xmp:Rating", 4),
        ("EXIF:Rating", None),
        ("XMP:FocalLength", None),
        ("MakerNotes:LensType", "L"),
        ("Canon:LensType", "L"),
        ("EXIF:LensType", None),
        ("EXIF:Missing", None),
    ],
)
def test_a_tag_is_found_by_either_family_of_its_group(tag, expected):
    said = {"ExifIFD:FocalLength": 50, "XMP-xmp:Rating": 4, "Canon:LensType": "L"}
    assert exiftool.find_value(said, tag) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("EXIF:ISO", False),
        ("ExifIFD:ISO", False),
        ("XMP-crs:Exposure2012", False),
        ("IPTC:City", False),
        ("Nikon:Lens", True),
        ("MakerNotes:Lens", True),
        ("Composite:LensID", True),
        ("Lens", True),
    ],
)
def test_makers_notes_are_read_for_tags_that_may_be_only_there(tag, expected):
    assert exiftool.is_in_notes(tag) is expected


def test_a_read_that_takes_too_long_ends_and_the_next_one_works(tmp_path, monkeypatch):
    save_photo(tmp_path / "a.jpg", exif={0x010F: "Canon"})
    with exiftool.tag_reader() as reader:
        asked = reader._ask

        def stuck(files, tags, with_notes):
            if files[0].name == "stuck.jpg":
                time.sleep(60)
            return asked(files, tags, with_notes)

        monkeypatch.setattr(reader, "_ask", stuck)
        monkeypatch.setattr(exiftool, "_TIME_LIMIT_S", 0.3)
        monkeypatch.setattr(exiftool, "_TIME_LIMIT_PER_FILE_S", 0)
        files = [tmp_path / "stuck.jpg", tmp_path / "a.jpg"]
        assert reader.read(files[:1], ["IFD0:Make"]) == {}
        monkeypatch.setattr(exiftool, "_TIME_LIMIT_S", 30)
        assert reader.read(files[1:], ["IFD0:Make"])[files[1]]["IFD0:Make"] == "Canon"
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
