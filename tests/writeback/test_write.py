"""Crops written into sidecars: read back as meant, and nothing else in the sidecar touched."""

import json
import struct
import subprocess
from dataclasses import astuple

import pytest
from conftest import darktable_xmp, save_photo, settings, xmp
from raw_files import SHORT, save_dng

from cropperhead.editors import darktable, lightroom, registry, suggestion_mark
from cropperhead.editors.names import WRITABLE_NAMES
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, journal, marks, scan
from cropperhead.photos import exiftool
from cropperhead.writeback import write as writing
from cropperhead.writeback.write import WantedCrop

CROP = Crop(0.2, 0.3, 0.75, 0.7, 0.0)
TILTED = Crop(0.3, 0.3, 0.7, 0.65, 6.0)
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def reader():
    with exiftool.tag_reader() as running:
        yield running


def look(folder, reader, name="IMG_1.jpg"):
    [entry] = scan.find_photos(folder, [name], [], ())
    [photo] = edited_photo.read(folder, [entry], reader)
    if isinstance(photo, RejectedFile):
        raise photo
    return photo


def write(folder, reader, editor, crop=CROP, name="IMG_1.jpg", model=None, **options):
    photo = look(folder, reader, name)
    wanted = WantedCrop(crop, photo.target_orientation(editor), model)
    return writing.write_crop(photo, wanted, editor, reader, **options)


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def crop_in(folder, reader, editor, name="IMG_1.jpg"):
    return next(one for one in look(folder, reader, name).crops if one.editor_name == editor)


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
@pytest.mark.parametrize("code", range(1, 9))
def test_what_is_written_is_read_as_the_crop_however_the_photo_is_turned(
    tmp_path, reader, editor, code
):
    for number, crop in enumerate([CROP, TILTED]):
        name = f"IMG_{number}.jpg"
        file = save_photo(tmp_path / name, exif={ORIENTATION: code})
        before = file.read_bytes()
        assert write(tmp_path, reader, editor, crop, name).is_written
        found = crop_in(tmp_path, reader, editor, name)
        assert found.shown_as == code
        # RawTherapee rounds to whole pixels, half a pixel of 60 at most, so here 0.0084
        tolerance = 0.0084 if editor == "rawtherapee" else 2e-6
        assert astuple(found.crop) == pytest.approx(astuple(crop), abs=tolerance)
        assert file.read_bytes() == before


def test_exiftool_reads_exactly_what_is_encoded_for_lightroom(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg", exif={ORIENTATION: 6})
    write(tmp_path, reader, "lightroom", TILTED)
    command = ["exiftool", "-j", "-n", "-XMP-crs:all", "-XMP-photoshop:all"]
    done = subprocess.run([*command, tmp_path / "IMG_1.xmp"], capture_output=True, check=True)
    said = json.loads(done.stdout)[0]
    said.pop("SourceFile")
    # the picture has 90 x 60 px, and is displayed turned
    encoded = lightroom.encode(TILTED, 90, 60, 6)
    assert said == encoded | {"SidecarForExtension": "JPG"}


NEIGHBOURS = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- the crop: crs:CropTop="0.9" -->
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:mine="urn:a:person:s/own"
    xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/'
   xmp:Rating="4"
   mine:CropTop = 'a &gt; b'
   crs:Version="15.0"
   crs:HasCrop = 'False'
   crs:Exposure2012="+0.35">
   <dc:subject><rdf:Bag><rdf:li>Überlingen</rdf:li></rdf:Bag></dc:subject>
   <crs:Look>
    <rdf:Description crs:Name="Adobe Color" crs:CropTop="0.5"/>
   </crs:Look>
   <crs:MaskGroupBasedCorrections><rdf:Seq><rdf:li>
     <rdf:Description crs:What="Correction" crs:CorrectionAmount="1"/>
   </rdf:li></rdf:Seq></crs:MaskGroupBasedCorrections>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
# 0.2 to 0.75 of 60 px and 0.3 to 0.7 of 90 px, upright
ADDED = {
    "CropTop": "0.2",
    "CropLeft": "0.3",
    "CropBottom": "0.75",
    "CropRight": "0.7",
    "CropAngle": "0",
    "CropConstrainToWarp": "0",
    "AlreadyApplied": "False",
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("mark", "encoding"), [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")]
)
def test_a_crop_among_attributes_leaves_every_other_byte(
    tmp_path, reader, line_end, mark, encoding
):
    save_photo(tmp_path / "IMG_1.jpg")
    lines = [line_end.encode(), *(f'{line_end}   crs:{k}="{v}"'.encode() for k, v in ADDED.items())]
    text = NEIGHBOURS.replace("\n", line_end)
    (tmp_path / "IMG_1.xmp").write_bytes(mark + text.encode(encoding))
    assert write(tmp_path, reader, "lightroom").is_written
    last = 'crs:Exposure2012="+0.35"'
    expected = text.replace("crs:HasCrop = 'False'", "crs:HasCrop = 'True'")
    expected = expected.replace(last, last + b"".join(lines[1:]).decode())
    assert (tmp_path / "IMG_1.xmp").read_bytes() == mark + expected.encode(encoding)


def test_a_crop_among_elements_becomes_elements(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    old = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '<r:Description r:about="" xmlns:c="http://ns.adobe.com/camera-raw-settings/1.0/">\n'
        "\t<c:HasCrop/>\n\t<c:CropTop>0</c:CropTop>\n"
        "\t<c:Shadows2012>5<!-- ! --></c:Shadows2012>\n"
        "</r:Description></r:RDF></x:xmpmeta>"
    ).replace("<c:HasCrop/>", "<c:HasCrop>False</c:HasCrop>")
    (tmp_path / "IMG_1.xmp").write_text(old)
    assert write(tmp_path, reader, "lightroom").is_written
    last = "<c:Shadows2012>5<!-- ! --></c:Shadows2012>"
    new = "".join(f"\n\t<c:{k}>{v}</c:{k}>" for k, v in ADDED.items() if k != "CropTop")
    expected = old.replace(">False<", ">True<").replace(">0</c:CropTop>", ">0.2</c:CropTop>")
    assert (tmp_path / "IMG_1.xmp").read_text() == expected.replace(last, last + new)
    assert astuple(crop_in(tmp_path, reader, "lightroom").crop) == pytest.approx(astuple(CROP))


HISTORY = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:darktable="http://darktable.sf.net/"
   darktable:xmp_version="4"
   darktable:history_end="2"
   darktable:iop_order_version="2"
   darktable:history_current_hash="00112233445566778899aabbccddeeff">
   <darktable:masks_history>
    <rdf:Seq>
     <rdf:li darktable:mask_num="1" darktable:mask_name="sky"/>
     <rdf:li darktable:mask_num="2" darktable:mask_name="undone"/>
    </rdf:Seq>
   </darktable:masks_history>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="clipping"
      darktable:enabled="1"
      darktable:modversion="5"
      darktable:params="PARAMS"
      darktable:multi_name=""
      darktable:multi_priority="0"/>
     <rdf:li
      darktable:num="1"
      darktable:operation="exposure"
      darktable:enabled="1"
      darktable:modversion="6"
      darktable:params="00"
      darktable:multi_name=""
      darktable:multi_priority="0"/>
     <rdf:li
      darktable:num="2"
      darktable:operation="crop"
      darktable:enabled="1"
      darktable:modversion="1"
      darktable:params="00"
      darktable:multi_name=""
      darktable:multi_priority="0"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def step(number, operation, enabled, version, params):
    fields = {"num": number, "operation": operation, "enabled": enabled, "modversion": version}
    fields |= {"params": params, "multi_name": "", "multi_priority": 0}
    return "<rdf:li" + "".join(f'\n      darktable:{k}="{v}"' for k, v in fields.items()) + "/>"


def test_a_history_grows_and_what_was_undone_stays_undone(tmp_path, reader):
    clipping = clipping_params(0.1, 0.1, 0.9, 0.9)
    save_photo(tmp_path / "IMG_1.jpg")
    file = tmp_path / "IMG_1.jpg.xmp"
    old = HISTORY.replace("PARAMS", clipping)
    file.write_text(old)
    # a person has cropped with the module of darktable before 3.8
    result = write(tmp_path, reader, "darktable")
    assert result.reason == "a person has cropped it: darktable sidecar (IMG_1.jpg.xmp)"
    assert file.read_text() == old
    assert write(tmp_path, reader, "darktable", overwrite=True).is_written
    params = darktable.encode(CROP, 90, 60)["History"][0]["Params"]
    behind = step(1, "exposure", 1, 6, "00")
    added = "\n     ".join(
        [behind, step(2, "clipping", 0, 5, clipping), step(3, "crop", 1, 1, params)]
    )
    expected = (
        old.replace(behind, added)
        .replace(step(2, "crop", 1, 1, "00"), step(4, "crop", 1, 1, "00"))
        .replace('history_end="2"', 'history_end="4"')
        .replace('mask_num="2"', 'mask_num="4"')
        .replace('\n   darktable:history_current_hash="00112233445566778899aabbccddeeff"', "")
    )
    assert file.read_text() == expected
    assert astuple(crop_in(tmp_path, reader, "darktable").crop) == pytest.approx(astuple(CROP))


def clipping_params(*limits):
    """Version 5 of the old module, not turned: the angle, four limits, the keystone, its flags."""
    quad = (0.2, 0.2, 0.8, 0.2, 0.8, 0.8, 0.2, 0.8)
    return struct.pack("<15f6i", 0, *limits, 0, 0, *quad, 0, 0, 0, 0, -1, -1).hex()


def test_a_turn_that_the_new_crop_lacks_is_switched_off(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.jpg.xmp").write_bytes(darktable_xmp(darktable.encode(TILTED, 90, 60)))
    assert write(tmp_path, reader, "darktable", overwrite=True).is_written
    assert astuple(crop_in(tmp_path, reader, "darktable").crop) == pytest.approx(astuple(CROP))


PROFILE = """[Version]
AppVersion=5.9

# mine
[Exposure]
Auto=false
Compensation = 0.7

[Crop]
Enabled=false
X = 1
Y=
Guide=Rule of thirds

[Rotation]
Degree=0
[Color Management]
ToneCurve=true"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_profile_keeps_everything_except_the_crop(tmp_path, reader, line_end):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.jpg.pp3").write_bytes(PROFILE.replace("\n", line_end).encode())
    assert write(tmp_path, reader, "rawtherapee").is_written
    # 0.3 to 0.7 of 90 px, 0.2 to 0.75 of 60 px
    expected = (
        PROFILE.replace("Enabled=false\nX = 1\nY=\n", "Enabled=true\nX = 27\nY=12\n")
        .replace("Guide=Rule of thirds\n", "Guide=Rule of thirds\nW=36\nH=33\n")
        .replace("Degree=0\n", "Degree=0.0\nEnabled=true\n")
    )
    expected += "\n\n[Common Properties for Transformations]\nAutoFill=false\n"
    written = (tmp_path / "IMG_1.jpg.pp3").read_bytes().decode()
    # [Rotation] Enabled is ART's and stands first
    assert sorted(written.split(line_end)) == sorted(expected.split("\n"))
    assert written.startswith(PROFILE[: PROFILE.index("Enabled")].replace("\n", line_end))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"<x:xmpmeta",
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + xmp({"Exposure2012": 1}),
        xmp({"Exposure2012": 1}).replace(b"</rdf:RDF>", b""),
        xmp({"Exposure2012": 1}) + b"\xff",
    ],
)
def test_xml_that_cannot_be_read_is_not_changed(tmp_path, reader, broken):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.xmp").write_bytes(broken)
    with pytest.raises((WritingError, RejectedFile), match=r"IMG_1\.xmp|XMP"):
        write(tmp_path, reader, "lightroom")
    assert (tmp_path / "IMG_1.xmp").read_bytes() == broken
    assert names(tmp_path) == ["IMG_1.jpg", "IMG_1.xmp"]


def test_a_profile_with_a_byte_order_mark_is_not_changed(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.jpg.pp3").write_bytes(b"\xef\xbb\xbf[Exposure]\nAuto=true\n")
    with pytest.raises(RejectedFile, match="line 1 of the profile"):
        write(tmp_path, reader, "rawtherapee")


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_suggestion_and_a_correction_are_distinguished(tmp_path, reader, editor):
    save_photo(tmp_path / "IMG_1.jpg", exif={ORIENTATION: 6})
    write(tmp_path, reader, editor, TILTED, model="model 7 \u2192 é")
    found = crop_in(tmp_path, reader, editor)
    assert found.is_untouched
    assert found.mark == marks.Mark("model 7 \u2192 é", editor, TILTED, 6)
    assert mark_in(tmp_path / found.version.file) == found.mark
    assert edited_photo.describe_person_crops(look(tmp_path, reader)) is None
    # a suggestion makes way for another, and a person's correction does not
    assert write(tmp_path, reader, editor, CROP, model="8").is_written
    correct(tmp_path, reader, editor)
    found = crop_in(tmp_path, reader, editor)
    assert not found.is_untouched
    assert found.mark.crop == CROP
    person = f"{editor} sidecar ({found.version.file})"
    assert edited_photo.describe_person_crops(look(tmp_path, reader)) == person
    result = write(tmp_path, reader, editor, TILTED, model="9")
    assert result.reason == f"a person has cropped it: {person}"
    # and a person's own crop carries no mark
    assert write(tmp_path, reader, editor, TILTED, overwrite=True).is_written
    assert mark_in(tmp_path / found.version.file) is None


def mark_in(sidecar):
    return marks.read_mark(sidecar.name, sidecar.read_bytes())


def correct(folder, reader, editor):
    """Moves the crop as a person does in the editor, which keeps the mark."""
    photo = look(folder, reader)
    file = writing.find_target(photo, editor)
    wanted = WantedCrop(Crop(0.25, 0.3, 0.75, 0.7, 0.0), 6, "8")
    note = marks.Mark("8", editor, CROP, 6).texts()
    module, new = registry.find_writable(editor), writing._new_crop(photo, wanted, editor)
    file.write_bytes(module.write(file.read_bytes(), new, note))


def test_the_journal_identifies_a_suggestion_whose_mark_was_dropped(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    write(tmp_path, reader, "rawtherapee", model="7")
    file = tmp_path / "IMG_1.jpg.pp3"
    file.write_bytes(
        suggestion_mark.put_in_profile(file.read_bytes(), {}) + b"[Exposure]\nAuto=true\n"
    )
    assert mark_in(file) is None
    assert crop_in(tmp_path, reader, "rawtherapee").is_untouched


def test_a_crop_within_the_photo_or_in_any_editor_is_a_person_s(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg", xmp(settings()))
    save_photo(tmp_path / "IMG_2.jpg")
    (tmp_path / "IMG_2.jpg.arp").write_text("[Crop]\nEnabled=true\nX=9\nY=9\nW=50\nH=40\n")
    save_photo(tmp_path / "IMG_3.jpg", xmp({"HasCrop": "False"}))
    save_photo(tmp_path / "IMG_4.jpg", xmp(settings()))
    (tmp_path / "IMG_4.jpg.pp3").write_text(
        "[Crop]\nEnabled=true\nX=9\nY=9\nW=50\nH=40\n[Perspective]\nHorizontal=9\n"
    )
    said = [
        edited_photo.describe_person_crops(look(tmp_path, reader, f"IMG_{i}.jpg"))
        for i in range(1, 5)
    ]
    assert said[:3] == ["lightroom embedded (IMG_1.jpg)", "art sidecar (IMG_2.jpg.arp)", None]
    assert said[3].startswith("lightroom embedded (IMG_4.jpg); IMG_4.jpg.pp3: [Perspective]")
    result = write(tmp_path, reader, "lightroom")
    assert result.reason == "a person has cropped it: lightroom embedded (IMG_1.jpg)"
    assert not (tmp_path / "IMG_1.xmp").exists()


def test_a_sidecar_of_two_photos_is_not_written_for_the_wrong_one(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.NEF").write_bytes(b"")
    with pytest.raises(WritingError, match=r"IMG_1\.xmp: it would be read for IMG_1\.NEF"):
        write(tmp_path, reader, "lightroom")
    assert write(tmp_path, reader, "darktable").file == tmp_path / "IMG_1.jpg.xmp"


def test_a_sidecar_in_another_case_of_letters_is_written(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "img_1.XMP").write_bytes(xmp({"Exposure2012": 1}))
    assert write(tmp_path, reader, "lightroom").file == tmp_path / "img_1.XMP"
    assert not (tmp_path / "IMG_1.xmp").exists()


def test_a_sidecar_whose_name_composes_its_letters_in_another_way_is_written(tmp_path, reader):
    (tmp_path / "e\N{COMBINING ACUTE ACCENT}.xmp").write_bytes(xmp(settings()))
    save_photo(tmp_path / "IMG_1.jpg").rename(tmp_path / "\N{LATIN SMALL LETTER E WITH ACUTE}.jpg")
    [entry] = scan.scan(tmp_path).entries
    [photo] = edited_photo.read(tmp_path, [entry], reader)
    assert photo.crops[0].version.author == "photographer"
    assert writing.find_target(photo, "lightroom").name == "e\N{COMBINING ACUTE ACCENT}.xmp"


def test_a_crop_in_a_perspective_correction_is_kept_even_with_overwrite(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg", xmp(settings()))
    old = "[Perspective]\nHorizontal=9\n[Crop]\nEnabled=true\nX=9\nY=9\nW=50\nH=40\n"
    (tmp_path / "IMG_1.jpg.pp3").write_text(old)
    with pytest.raises(WritingError, match="warped frame"):
        write(tmp_path, reader, "rawtherapee", overwrite=True)
    # nor without any crop of its own
    (tmp_path / "IMG_1.jpg.pp3").write_text("[Perspective]\nHorizontal=9\n")
    with pytest.raises(WritingError, match="warped frame"):
        write(tmp_path, reader, "rawtherapee")


def test_a_photo_turned_in_the_editor_keeps_its_turn(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg", exif={ORIENTATION: 6})
    file = tmp_path / "IMG_1.jpg.pp3"
    file.write_text("[Coarse Transformation]\nRotate=90\n")  # 6, then 90 more: upside down
    assert look(tmp_path, reader).target_orientation("rawtherapee") == 3
    assert write(tmp_path, reader, "rawtherapee").is_written
    assert file.read_text().startswith("[Coarse Transformation]\nRotate=90\n\n[Crop]\n")
    assert crop_in(tmp_path, reader, "rawtherapee").shown_as == 3


def test_nothing_is_written_twice_nor_in_a_dry_run_nor_for_the_whole_frame(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    assert write(tmp_path, reader, "darktable", dry_run=True).is_written
    assert write(tmp_path, reader, "darktable", Crop(0, 0, 1, 1, 0)).reason
    assert names(tmp_path) == ["IMG_1.jpg"]
    assert write(tmp_path, reader, "darktable").is_written
    assert write(tmp_path, reader, "darktable").reason == "it already has the same crop"
    assert len(journal.read_records(tmp_path)) == 1


def test_what_an_editor_would_move_is_not_written(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    with pytest.raises(WritingError, match="a tenth of the frame's side"):
        write(tmp_path, reader, "darktable", Crop(0.2, 0.01, 0.8, 0.08, 0))
    with pytest.raises(WritingError, match="RawTherapee's canvas"):
        write(tmp_path, reader, "rawtherapee", Crop(0.02, 0.3, 0.2, 0.95, 20))
    assert names(tmp_path) == ["IMG_1.jpg"]


def test_a_photo_that_has_changed_or_is_gone_is_an_error(tmp_path, reader):
    file = save_photo(tmp_path / "IMG_1.jpg")
    photo = look(tmp_path, reader)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(WritingError, match=r"IMG_1\.jpg: has changed meanwhile"):
        writing.write_crop(photo, WantedCrop(CROP, 1), "lightroom", reader)
    file.unlink()
    with pytest.raises(WritingError, match=r"IMG_1\.jpg: it does not exist any more"):
        writing.write_crop(photo, WantedCrop(CROP, 1), "lightroom", reader)
    assert names(tmp_path) == []


def test_a_crop_that_a_person_makes_meanwhile_is_not_written_over(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    photo = look(tmp_path, reader)
    file = tmp_path / "IMG_1.jpg.xmp"
    file.write_bytes(darktable_xmp(darktable.encode(TILTED, 90, 60)))
    with pytest.raises(WritingError, match=r"IMG_1\.jpg\.xmp: has changed meanwhile"):
        writing.write_crop(photo, WantedCrop(CROP, 1), "darktable", reader)
    photo = look(tmp_path, reader)
    file.write_bytes(darktable_xmp(darktable.encode(CROP, 90, 60)) + b"\n")
    with pytest.raises(WritingError, match=r"IMG_1\.jpg\.xmp: has changed meanwhile"):
        writing.write_crop(
            photo, WantedCrop(Crop(0, 0, 1, 0.5, 0), 1), "darktable", reader, overwrite=True
        )
    assert names(tmp_path) == ["IMG_1.jpg", "IMG_1.jpg.xmp"]


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_raw_file_is_cropped_in_the_frame_of_its_camera(tmp_path, reader, editor):
    file = save_dng(tmp_path / "IMG_1.dng", tags={ORIENTATION: (SHORT, [6])})
    before = file.read_bytes()
    assert write(tmp_path, reader, editor, TILTED, "IMG_1.dng").is_written
    found = crop_in(tmp_path, reader, editor, "IMG_1.dng")
    assert found.shown_as == 6
    # half a pixel of 800 where RawTherapee rounds
    assert astuple(found.crop) == pytest.approx(astuple(TILTED), abs=0.00063)
    assert file.read_bytes() == before


def test_a_library_is_the_same_with_our_folder_in_it(tmp_path, reader):
    save_photo(tmp_path / "IMG_1.jpg")
    (tmp_path / "IMG_1.xmp").write_bytes(xmp({"Exposure2012": 1}))
    write(tmp_path, reader, "lightroom")
    assert (tmp_path / ".cropperhead").is_dir()
    found = scan.scan(tmp_path)
    assert [entry.file for entry in found.entries] == ["IMG_1.jpg"]
    assert dict(found.others) == {}


def test_settings_of_one_editor_are_not_hidden_by_another_s_sidecar(tmp_path, reader):
    """darktable's IMG_1.jpg.xmp sorts before IMG_1.xmp, which holds a rating alone."""
    save_photo(tmp_path / "IMG_1.jpg")
    turned = darktable.encode(CROP, 90, 60, 6, 1)
    (tmp_path / "IMG_1.jpg.xmp").write_bytes(darktable_xmp(turned))
    alone = look(tmp_path, reader)
    assert alone.target_orientation("darktable") == 6
    (tmp_path / "IMG_1.xmp").write_bytes(xmp({}).replace(b"<rdf:Description", RATED))
    both = look(tmp_path, reader)
    assert both.settings_in("darktable") == alone.settings_in("darktable") != {}
    assert both.target_orientation("darktable") == 6


RATED = b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"'
