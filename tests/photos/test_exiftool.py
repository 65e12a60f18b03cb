import signal
import time

import pytest
from conftest import save_photo, settings, xmp

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


@pytest.mark.parametrize(
    "written",
    [
        "0.1",
        "0.1<!-- the top -->",
        "<!-- the top -->0.1",
        "0<!-- a - b > c -->.1",
        "0.1<!-- <b>9</b> -->",
        "<![CDATA[0.1]]>",
        "0<!-- a --><![CDATA[.1]]>",
        "<?editor once?>0.1",
        "&#48;.1",
    ],
)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_value_is_read_as_xml_says(tmp_path, written, embedded):
    packet = xmp(settings(), elements=True)
    packet = packet.replace(b"<crs:CropTop>0.1<", f"<crs:CropTop>{written}<".encode())
    file = tmp_path / ("a.jpg" if embedded else "a.xmp")
    if embedded:
        save_photo(file, packet)
    else:
        file.write_bytes(packet)
    with exiftool.tag_reader() as reader:
        [tags] = reader.read([file], ["XMP-crs:CropTop", "XMP-crs:CropLeft"]).values()
    assert tags["XMP-crs:CropTop"] == 0.1
    assert tags["XMP-crs:CropLeft"] == 0.2


def test_comments_in_a_history_and_in_a_flag_do_not_count():
    steps = {"History": [{"Num": "0", "Operation": "crop", "Params": "<!-- a -->gz01"}]}
    plain = {"Num": "0", "Operation": "crop", "Params": "gz01"}
    assert exiftool._without_markup({f"XMP-darktable:{k}": v for k, v in steps.items()}) == {
        "XMP-darktable:History": [plain]
    }
    assert exiftool._plain("True<!-- a -->") is True


def test_a_text_that_only_begins_many_comments_is_searched_once():
    text = "<!-- " * 200_000 + "<?" * 200_000
    assert exiftool._plain(text) == text
