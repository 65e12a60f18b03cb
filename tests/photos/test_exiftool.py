import signal
import sys
import time

import pytest
from conftest import save_photo, settings, xmp
from PIL import Image

from cropperhead.library import edited_photo
from cropperhead.photos import exiftool
from cropperhead.system import time_limit


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


def test_a_group_is_asked_for_once_and_only_what_is_wanted_of_it_comes(tmp_path):
    packet = xmp(settings(top=0.25) | {"Rating": 4, "Exposure2012": 1})
    exif = {0x010F: "Maker", 0x0110: "Model"}
    photo, other = (save_photo(tmp_path / name, packet, exif=exif) for name in ("a.jpg", "b.jpg"))
    wanted = ["XMP-crs:HasCrop", "xmp-crs:croptop", "IFD0:Make", "IFD0:Orientation", "XMP:Rating"]
    groups = exiftool._whole_groups(wanted)
    assert exiftool._requests(wanted, groups) == ["ifd0:all", "xmp-crs:all", "XMP:Rating"]
    with exiftool.tag_reader() as reader:
        tags = reader.read([photo, other], wanted)[photo]
        assert reader.read([photo], wanted)[photo] == tags  # for which single tags are asked for
    # the rating is in a whole group, and wanted of all XMP
    said = {"XMP-crs:HasCrop": True, "XMP-crs:CropTop": 0.25, "XMP-crs:Rating": 4}
    assert tags == said | {"SourceFile": str(photo), "IFD0:Make": "Maker"}


def test_copies_of_what_is_not_wanted_do_not_count_as_several(tmp_path):
    first, second = (xmp({"HasCrop": "True", "Rating": rating}) for rating in (1, 2))
    photo, other = (save_photo(tmp_path / name, first) for name in ("a.jpg", "b.jpg"))
    segment = b"http://ns.adobe.com/xap/1.0/\0" + second
    jpeg, head = photo.read_bytes(), b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big")
    photo.write_bytes(jpeg[:2] + head + segment + jpeg[2:])
    with exiftool.tag_reader() as reader:
        tags = reader.read([photo, other], ["XMP-crs:CropTop", "XMP-crs:CropLeft"])[photo]
        both = reader.read([photo, other], ["XMP-crs:Rating", "XMP-crs:CropLeft"])[photo]
    assert not exiftool.has_several(tags, "XMP-crs:")
    assert exiftool.has_several(both, "XMP-crs:")


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("Author:Artist", "Ann"),
        ("All:Artist", "Ann"),
        ("Image:Label", "red"),
        ("EXIF:Artist", "Ann"),
        ("XMP:Label", "red"),
        ("IPTC:City", None),
    ],
)
def test_a_tag_of_any_kind_of_group_is_found_among_those_of_every_photo(tmp_path, tag, value):
    packet, exif = xmp(settings() | {"Label": "red"}), {0x010F: "Maker", 0x013B: "Ann"}
    photos = [save_photo(tmp_path / name, packet, exif=exif) for name in ("a.jpg", "b.jpg")]
    wanted = [*edited_photo.photo_tags(), tag]
    with exiftool.tag_reader() as reader:
        [tags, _] = reader.read(photos, wanted, exiftool.is_in_notes(tag)).values()
    assert exiftool.find_value(tags, tag) == value
    assert tags["XMP-crs:HasCrop"] is True


def test_a_file_alone_is_asked_for_no_more_than_is_wanted(tmp_path, monkeypatch):
    # what else is in a group may be too deep or too long for an answer
    files = [save_photo(tmp_path / name, xmp(settings())) for name in ("a.jpg", "b.jpg")]
    wanted, asked = ["XMP-crs:HasCrop", "XMP-crs:CropTop"], []
    with exiftool.tag_reader() as reader:
        get_tags = reader._process.get_tags

        def fail_for_groups(names, tags, params):
            asked.append((len(names), next(iter(tags))))
            if "xmp-crs:all" in tags:
                raise RecursionError
            return get_tags(names, tags, params)

        monkeypatch.setattr(reader._process, "get_tags", fail_for_groups)
        found = reader.read(files, wanted)
    assert [found[file]["XMP-crs:CropTop"] for file in files] == [0.1, 0.1]
    assert asked == [(2, "xmp-crs:all"), (1, wanted[0]), (1, wanted[0])]


def test_what_exiftool_composes_is_read_where_it_is_asked_for(tmp_path):
    save_photo(tmp_path / "a.jpg", image=Image.new("RGB", (48, 32)))
    tag = "Composite:ImageSize"
    with exiftool.tag_reader() as reader:
        [tags] = reader.read([tmp_path / "a.jpg"], [tag], exiftool.is_in_notes(tag)).values()
    assert tags[tag] == "48 32"


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's time")
def test_a_file_that_keeps_the_processor_busy_costs_its_batch_nothing_else(tmp_path, monkeypatch):
    # of 20,000 different properties ExifTool makes as many tags, which takes two seconds
    many = "".join(f"<crs:A{i}>1</crs:A{i}>" for i in range(20_000)).encode()
    busy, sound = tmp_path / "busy.xmp", tmp_path / "sound.xmp"
    sound.write_bytes(xmp(settings()))
    busy.write_bytes(xmp(settings()).replace(b"</rdf:Description>", many + b"</rdf:Description>"))
    # so often that a processor nine times as fast is still looked at before it has finished
    monkeypatch.setattr(time_limit, "_LOOK_EVERY_S", 0.01)
    with exiftool.tag_reader() as reader:
        asked = ["XMP-crs:HasCrop"]
        limit_processor(monkeypatch, 60)  # a slow one
        assert set(reader.read([busy, sound], asked)) == {busy, sound}
        limit_processor(monkeypatch, 0.1)
        assert set(reader.read([busy, sound], asked)) == {sound}


def limit_processor(monkeypatch, seconds):
    for limit in ("_PROCESSOR_LIMIT_S", "_PROCESSOR_LIMIT_ALONE_S"):
        monkeypatch.setattr(exiftool, limit, seconds)


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
    assert exiftool._as_meant({f"XMP-darktable:{k}": v for k, v in steps.items()}) == {
        "XMP-darktable:History": [plain]
    }
    assert exiftool._value_as_meant("True<!-- a -->") is True
    assert exiftool._value_as_meant("\n  6\t") == 6
    for odd in ("\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"):
        assert exiftool._value_as_meant(f" {odd}6") == f"{odd}6"


def test_a_text_that_only_begins_many_comments_is_searched_once():
    text = "<!-- " * 200_000 + "<?" * 200_000
    assert exiftool._value_as_meant(text) == text
