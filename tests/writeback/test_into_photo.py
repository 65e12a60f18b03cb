"""Crops that are written into photos themselves, where Lightroom reads no sidecar."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import astuple
from datetime import UTC, datetime

import pytest
from conftest import darktable_xmp, picture, save_photo, settings, xmp
from raw_files import SHORT, save_dng

from cropperhead.cli.main import main
from cropperhead.editors import darktable, lightroom
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, journal, marks, scan
from cropperhead.photos import embedded_xmp, exiftool
from cropperhead.writeback import write as writing
from cropperhead.writeback.write import WantedCrop

CROP, OTHER = Crop(0.2, 0.3, 0.75, 0.7, 0.0), Crop(0.1, 0.3, 0.75, 0.7, 0.0)
TILTED = Crop(0.3, 0.3, 0.7, 0.65, 6.0)
MAKE, ORIENTATION, COPYRIGHT = 0x010F, 0x0112, 0x8298
NAMES = ["a.jpg", "a.tif", "a.dng"]
RATED = b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"'


@pytest.fixture(scope="module")
def reader():
    with exiftool.tag_reader() as running:
        yield running


def save(file, packet=None, code=1):
    tags = {MAKE: "A maker", ORIENTATION: code, COPYRIGHT: "A person"}
    if file.suffix != ".dng":
        return save_photo(file, packet, exif=tags)
    inside = {} if packet is None else {700: (1, list(packet))}
    return save_dng(file, tags={ORIENTATION: (SHORT, [code])} | inside)


def look(file, reader):
    [entry] = scan.find_photos(file.parent, [file.name], [], ())
    [photo] = edited_photo.read(file.parent, [entry], reader)
    return photo


def write(file, reader, crop=CROP, model=None, **options):
    photo = look(file, reader)
    wanted = WantedCrop(crop, photo.target_orientation("lightroom"), model)
    return writing.write_crop(photo, wanted, "lightroom", reader, into_photos=True, **options)


def present(file, reader):
    [crop] = look(file, reader).crops
    return crop


def all_tags(file):
    command = ["exiftool", "-j", "-n", "-a", "-G1", "-u", "--System:all", "--File:all", file]
    tags = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    return {name: value for name, value in tags.items() if not name.endswith("Offsets")}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("code", [1, 6, 7])
def test_what_is_written_inside_is_read_as_the_crop_and_nothing_else_differs(
    tmp_path, reader, name, code
):
    file = save(tmp_path / name, code=code)
    before, tags = file.read_bytes(), all_tags(file)
    rest = embedded_xmp.digest_without_xmp(file)
    result = write(file, reader, TILTED, "model 7")
    assert (result.file, result.is_written, result.caution) == (file, True, "")
    found = present(file, reader)
    assert str(found) == f"lightroom embedded ({name})"
    assert found.shown_as == code
    assert astuple(found.crop) == pytest.approx(astuple(TILTED), abs=2e-6)
    assert found.is_untouched
    assert found.mark == marks.Mark("model 7", "lightroom", TILTED, code)
    assert embedded_xmp.digest_without_xmp(file) == rest
    new = {tag: value for tag, value in all_tags(file).items() if not tag.startswith("XMP")}
    assert new == tags
    assert sorted(one.name for one in tmp_path.iterdir()) == [journal.FOLDER, name]
    assert journal.undo(tmp_path).restored == (file,)
    assert file.read_bytes() == before
    assert not (tmp_path / journal.FOLDER).exists()


@pytest.mark.parametrize("name", NAMES)
def test_other_properties_of_the_packet_stay(tmp_path, reader, name):
    packet = xmp({"Exposure2012": "+0.35"}).replace(b"<rdf:Description", RATED)
    file = save(tmp_path / name, packet)
    started = datetime.now(UTC).replace(microsecond=0)
    write(file, reader)
    [now] = embedded_xmp.read_xmp(file).packets
    assert b'xmp:Rating="3"' in now
    assert b'crs:Exposure2012="+0.35"' in now
    with exiftool.tag_reader() as other:
        tags = other.read([file], ["XMP-xmp:MetadataDate"])[file]
    date = datetime.strptime(tags["XMP-xmp:MetadataDate"], "%Y:%m:%d %H:%M:%S%z")
    assert started <= date <= datetime.now(UTC)


def test_other_formats_get_a_sidecar_with_the_option_too(tmp_path, reader):
    for name in ("a.nef", "a.png"):
        file = save_dng(tmp_path / name) if name == "a.nef" else save_photo(tmp_path / name)
        before = file.read_bytes()
        assert write(file, reader, overwrite=True).file == tmp_path / "a.xmp"
        assert file.read_bytes() == before
        (tmp_path / "a.xmp").unlink()
        file.unlink()


def test_a_dry_run_writes_nothing_and_a_second_run_finds_it_done(tmp_path, reader):
    file = save(tmp_path / "a.jpg")
    before = file.read_bytes()
    assert write(file, reader, dry_run=True).is_written
    assert file.read_bytes() == before
    assert not (tmp_path / journal.FOLDER).exists()
    assert write(file, reader).is_written
    after = file.read_bytes()
    assert write(file, reader).reason == "it already has the same crop"
    assert file.read_bytes() == after


def test_a_person_s_crop_is_kept_wherever_it_is(tmp_path, reader):
    inside = save(tmp_path / "a.jpg", xmp(settings()))
    beside = save(tmp_path / "b.jpg")
    (tmp_path / "b.xmp").write_bytes(xmp(settings()))
    for file, source in ((inside, "embedded (a.jpg)"), (beside, "sidecar (b.xmp)")):
        before = file.read_bytes()
        result = write(file, reader)
        assert result.reason == f"a person has cropped it: lightroom {source}"
        assert file.read_bytes() == before
        assert write(file, reader, overwrite=True).is_written
        assert astuple(present(file, reader).crop) == pytest.approx(astuple(CROP))


@pytest.mark.parametrize("date", ["", "2031-05-05T10:00:00Z"])
def test_which_crop_counts_beside_a_sidecar_is_told(tmp_path, reader, date):
    file = save(tmp_path / "a.jpg")
    dated = f' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:MetadataDate="{date}"' if date else ""
    beside = xmp(settings()).replace(b"<rdf:Description", f"<rdf:Description{dated}".encode())
    (tmp_path / "a.xmp").write_bytes(beside)
    before = file.read_bytes()
    if date:  # of the future, so that it would count
        with pytest.raises(WritingError, match=r"the later settings in a\.xmp would count"):
            write(file, reader, overwrite=True)
        assert file.read_bytes() == before
        return
    result = write(file, reader, overwrite=True)
    assert result.overruled == "the crop inside counts now, and not that in a.xmp"
    photo = look(file, reader)
    assert [crop.version.file for crop in photo.crops] == ["a.jpg"]
    assert [one.kind for one in photo.passed_over] == ["stale"]
    assert (tmp_path / "a.xmp").read_bytes() == beside


def test_a_crop_of_ours_beside_the_photo_does_not_stand_in_the_way(tmp_path, reader):
    file = save(tmp_path / "a.jpg")
    photo = look(file, reader)
    first = writing.write_crop(photo, WantedCrop(CROP, 1, "model 7"), "lightroom", reader)
    assert "unless you write it there with --into-photos" in first.caution
    assert write(file, reader, CROP, "model 7").is_written
    assert write(file, reader, CROP, "model 7").reason == "it already has the same crop"
    assert present(file, reader).version.file == "a.jpg"


def big(size):
    return xmp({"Exposure2012": "x" * size})


def two_packets(file):
    whole = save_photo(file, xmp({"Exposure2012": 1})).read_bytes()
    content = b"http://ns.adobe.com/xap/1.0/\0" + xmp({"Exposure2012": 2})
    file.write_bytes(whole[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content + whole[2:])


def extended(file):
    whole = save_photo(file, xmp({"Exposure2012": 1})).read_bytes()
    content = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"<x/>"
    file.write_bytes(whole[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content + whole[2:])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (two_packets, "it has 2 packets of XMP"),
        (extended, "goes on beyond one segment"),
        (lambda file: save_photo(file, big(65_000)), "and a JPEG takes 65,502"),
        (lambda file: save_photo(file, b"<x:xmpmeta"), "the XMP cannot be changed"),
        (lambda file: picture().save(file, "PNG"), "by its content it is no JPEG, TIFF or DNG"),
    ],
)
def test_what_cannot_take_the_packet_is_left_as_it_was(tmp_path, reader, make, reason):
    file = tmp_path / "a.jpg"
    make(file)
    before = file.read_bytes()
    with pytest.raises(WritingError, match=reason):
        write(file, reader)
    assert file.read_bytes() == before
    assert not (tmp_path / journal.FOLDER).exists()


def test_a_tiff_takes_a_larger_packet(tmp_path, reader):
    file = save(tmp_path / "a.tif", big(70_000))
    assert write(file, reader).is_written
    assert astuple(present(file, reader).crop) == pytest.approx(astuple(CROP))


def test_a_photo_beyond_the_limit_is_refused_by_name(tmp_path, reader, monkeypatch):
    file = save(tmp_path / "a.jpg")
    monkeypatch.setattr(journal, "LARGEST_PHOTO", 1000)
    with pytest.raises(WritingError, match=r"a\.jpg: it has more than 0 MB"):
        write(file, reader)
    assert not (tmp_path / journal.FOLDER).exists()


def test_what_exiftool_changes_besides_is_not_taken(tmp_path, reader, monkeypatch):
    """ExifTool writes EXIF anew where it looks for XMP in Canon's recipes as well."""
    file = save(tmp_path / "a.jpg")
    whole = file.read_bytes()
    # a directory with 100 bytes behind it that belong to no tag, which ExifTool leaves out
    place = whole.index(b"Exif\0\0") - 4
    length = int.from_bytes(whole[place + 2 : place + 4])
    padded = whole[: place + 2] + (length + 100).to_bytes(2) + whole[place + 4 : place + 2 + length]
    file.write_bytes(padded + bytes(100) + whole[place + 2 + length :])
    before = file.read_bytes()
    monkeypatch.setattr(exiftool, "_PACKET", "-XMP<=")
    with pytest.raises(WritingError, match="would change more of it than the XMP"):
        write(file, reader)
    assert file.read_bytes() == before
    assert not (tmp_path / journal.FOLDER).exists()
    monkeypatch.undo()
    assert write(file, reader).is_written


def test_an_edit_in_between_is_kept(tmp_path, reader):
    file = save(tmp_path / "a.jpg")
    photo = look(file, reader)
    other = save(tmp_path / "b.jpg", xmp(settings())).read_bytes()
    file.write_bytes(other)
    with pytest.raises(WritingError, match=r"a\.jpg: has changed meanwhile"):
        writing.write_crop(photo, WantedCrop(CROP, 1), "lightroom", reader, into_photos=True)
    assert file.read_bytes() == other


def test_exiftool_that_hangs_is_ended_and_the_photo_left_as_it_was(tmp_path, monkeypatch):
    file = save(tmp_path / "a.jpg")
    before = file.read_bytes()
    monkeypatch.setattr(exiftool, "_TIME_LIMIT_S", 0)
    with exiftool.tag_reader() as own:
        photo = look(file, own)
        os.kill(own._process._child.pid, signal.SIGSTOP)
        with pytest.raises(RejectedFile, match="it ended, or took more than 0 s"):
            own.write_xmp(file, xmp(settings()), tmp_path / "new.jpg")
        assert file.read_bytes() == before
        monkeypatch.undo()
        wanted = WantedCrop(CROP, 1)
        assert writing.write_crop(photo, wanted, "lightroom", own, into_photos=True).is_written


@pytest.mark.parametrize("name", ["a\n-b.jpg", "a\0.jpg"])
def test_exiftool_is_not_given_a_path_that_would_be_two_arguments(tmp_path, reader, name):
    file = save(tmp_path / "a.jpg")
    for source, target in ((tmp_path / name, file), (file, tmp_path / name)):
        with pytest.raises(RejectedFile, match="ExifTool takes no such path"):
            reader.write_xmp(source, xmp(settings()), target)
    assert [one.name for one in tmp_path.iterdir()] == ["a.jpg"]


def test_convert_writes_into_photos(tmp_path, capsys):
    file = save(tmp_path / "a.jpg")
    before = file.read_bytes()
    (tmp_path / "a.jpg.xmp").write_bytes(darktable_xmp(darktable.encode(CROP, 90, 60)))
    command = ["convert", str(tmp_path), "--to", "lightroom", "--into-photos"]
    assert main([*command, "--dry-run"]) == 0
    assert file.read_bytes() == before
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"  {file}: from darktable sidecar (a.jpg.xmp)" in said
    assert "without effect" not in said
    assert not (tmp_path / "a.xmp").exists()
    tags = all_tags(file)
    encoded = lightroom.encode(CROP, 90, 60)
    assert {name: tags[f"XMP-crs:{name}"] for name in encoded} == encoded
    assert main(["suggest", str(tmp_path), "--undo"]) == 0
    assert ": 1 file restored\n" in capsys.readouterr().out
    assert file.read_bytes() == before


def test_convert_names_sidecars_that_no_longer_count(tmp_path, capsys):
    file = save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.xmp").write_bytes(darktable_xmp(darktable.encode(CROP, 90, 60)))
    (tmp_path / "a.xmp").write_bytes(xmp(settings()))
    command = ["convert", str(tmp_path), "--to", "lightroom", "--from", "darktable"]
    assert main([*command, "--into-photos", "--overwrite"]) == 0
    told = f"  overruled: {file}: the crop inside counts now, and not that in a.xmp"
    assert told in capsys.readouterr().out.split("\n")


@pytest.mark.parametrize("editor", ["darktable", "rawtherapee"])
def test_the_option_is_for_lightroom_alone(tmp_path, capsys, editor):
    assert main(["convert", str(tmp_path), "--to", editor, "--into-photos"]) == 2
    assert "--into-photos needs --to lightroom" in capsys.readouterr().err
    assert main(["suggest", str(tmp_path), "--write", editor, "--into-photos"]) == 2
    assert main(["suggest", str(tmp_path), "--into-photos"]) == 2
    assert "--into-photos needs --write lightroom" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_photo_is_left_alone(tmp_path, reader):
    file = save(tmp_path / "a.jpg")
    file.chmod(0o440)
    with pytest.raises(WritingError, match=r"a\.jpg: it is read-only"):
        write(file, reader)
    assert not (tmp_path / journal.FOLDER).exists()


def test_the_journal_tells_of_a_suggestion_whose_mark_was_dropped(tmp_path, reader):
    file = save(tmp_path / "a.jpg")
    write(file, reader, CROP, "model 7")
    [packet] = embedded_xmp.read_xmp(file).packets
    unmarked = packet.replace(b"urn:cropperhead:", b"urn:somebodyels:")
    file.write_bytes(file.read_bytes().replace(packet, unmarked))
    assert present(file, reader).is_untouched
    shutil.rmtree(tmp_path / journal.FOLDER)
    assert not present(file, reader).is_untouched


def test_no_crop_is_written_inside_that_would_have_to_turn_the_photo(tmp_path, reader):
    # Lightroom turns these formats by EXIF, which stays as it is
    file = save(tmp_path / "a.jpg", code=6)
    (tmp_path / "a.jpg.xmp").write_bytes(darktable_xmp(darktable.encode(CROP, 90, 60, 3, 6)))
    photo = look(file, reader)
    assert photo.crops[0].shown_as == 3
    with pytest.raises(WritingError, match="Lightroom turns this format by its EXIF"):
        wanted = WantedCrop(CROP, 3, None)
        writing.write_crop(photo, wanted, "lightroom", reader, into_photos=True)


def test_an_orientation_in_the_xmp_that_is_not_the_photo_s_is_mended(tmp_path, reader):
    file = save(tmp_path / "a.jpg", xmp({"Exposure2012": "+0.50"}, orientation=8), code=1)
    assert write(file, reader).is_written
    assert present(file, reader).shown_as == 1
    assert b'tiff:Orientation="1"' in file.read_bytes()
