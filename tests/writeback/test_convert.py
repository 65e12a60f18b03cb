"""Crops carried from one editor into another, by the command."""

import hashlib
from dataclasses import astuple

import pytest
from conftest import darktable_xmp, save_photo, settings, xmp
from profile_files import format_profile
from raw_files import save_dng

from cropperhead.cli.main import main
from cropperhead.editors import darktable, lightroom, rawtherapee
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, journal, scan
from cropperhead.photos import exiftool

CROP, OTHER = Crop(0.3, 0.3, 0.7, 0.65, -5.0), Crop(0.1, 0.2, 0.8, 0.9, 0.0)
ORIENTATION = 0x0112
EDITORS = ("lightroom", "darktable", "rawtherapee")
SIDECARS = {"lightroom": ".xmp", "darktable": ".jpg.xmp", "rawtherapee": ".jpg.pp3"}


def crops(folder, name="IMG_1.jpg"):
    """The crop that a photo has in each editor, and how it is turned there."""
    with exiftool.tag_reader() as reader:
        [photo] = edited_photo.read(folder, scan.find_photos(folder, [name], [], ()), reader)
    return {one.editor_name: (astuple(one.crop), one.shown_as) for one in photo.crops}


def cropped(folder, editor, crop=CROP, shown_as=1, exif_orientation=1):
    """A photo of 90 x 60 px that a person has cropped in an editor."""
    save_photo(folder / "IMG_1.jpg", exif={ORIENTATION: exif_orientation})
    file = folder / f"IMG_1{SIDECARS[editor]}"
    if editor == "lightroom":
        file.write_bytes(xmp(lightroom.encode(crop, 90, 60, shown_as), shown_as))
    elif editor == "darktable":
        file.write_bytes(darktable_xmp(darktable.encode(crop, 90, 60, shown_as, exif_orientation)))
    else:
        profile = rawtherapee.encode(crop, 90, 60, shown_as, exif_orientation)
        file.write_text(format_profile(profile))
    return file


def hashes(folder):
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("source", EDITORS)
@pytest.mark.parametrize("to", EDITORS)
@pytest.mark.parametrize(("code", "turned"), [(1, 1), (2, 2), (3, 3), (6, 6), (8, 8), (6, 4)])
def test_a_crop_is_the_same_in_the_other_editor(tmp_path, source, to, code, turned):
    if source == to:
        return
    cropped(tmp_path, source, shown_as=turned, exif_orientation=code)
    assert main(["convert", str(tmp_path), "--to", to]) == 0
    found = crops(tmp_path)
    assert found[source][1] == found[to][1] == turned
    # half a pixel of 60 where RawTherapee rounds, once
    assert found[to][0] == pytest.approx(found[source][0], abs=0.0084)
    assert found[to][0] == pytest.approx(astuple(CROP), abs=0.0168)


def test_a_photo_that_rawtherapee_does_not_mirror_stays_mirrored_elsewhere(tmp_path):
    # EXIF says mirrored; RawTherapee shows it as stored, and nobody has turned it
    cropped(tmp_path, "rawtherapee", OTHER, shown_as=1, exif_orientation=2)
    assert main(["convert", str(tmp_path), "--to", "darktable"]) == 0
    limits, shown_as = crops(tmp_path)["darktable"]
    assert shown_as == 2
    # left to right: 1 - 0.9, 1 - 0.2
    assert limits == pytest.approx((0.1, 0.1, 0.8, 0.8, 0.0), abs=1e-6)


def test_a_crop_inside_a_photo_is_converted_and_the_photo_unchanged(tmp_path, capsys):
    packet = xmp(settings(top=0.1, left=0.2, bottom=0.8, right=0.9))
    photo = save_photo(tmp_path / "deep" / "IMG_1.jpg", packet)
    before = photo.read_bytes()
    assert main(["convert", str(photo), "--to", "rawtherapee"]) == 0
    assert photo.read_bytes() == before
    # 0.2 to 0.9 of 90 px, 0.1 to 0.8 of 60 px
    text = (tmp_path / "deep" / "IMG_1.jpg.pp3").read_text()
    assert text.startswith("[Crop]\nEnabled=true\nX=18\nY=6\nW=63\nH=42\n")
    said = capsys.readouterr().out
    assert said.startswith("1 crop converted to rawtherapee, 0 photos skipped, 0 failed\n")
    written = tmp_path / "deep" / "IMG_1.jpg.pp3"
    assert f"{written}: from lightroom embedded (IMG_1.jpg)" in said
    assert main(["convert", str(tmp_path), "--to", "darktable"]) == 0
    assert "IMG_1.jpg.xmp: from lightroom embedded (IMG_1.jpg)" in capsys.readouterr().out


def test_of_several_editors_the_first_counts_unless_one_is_named(tmp_path, capsys):
    cropped(tmp_path, "rawtherapee", OTHER)
    cropped(tmp_path, "darktable", CROP)
    assert main(["convert", str(tmp_path), "--to", "lightroom", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "1 crop to be converted to lightroom" in said
    assert "from darktable sidecar (IMG_1.jpg.xmp), not as in rawtherapee sidecar" in said
    assert not (tmp_path / "IMG_1.xmp").exists()
    main(["convert", str(tmp_path), "--to", "lightroom", "--from", "rawtherapee"])
    assert crops(tmp_path)["lightroom"][0] == pytest.approx(astuple(OTHER), abs=1e-6)


@pytest.mark.parametrize("name", ["a.jpg", "b.TIF", "c.dng"])
def test_it_says_for_which_photos_lightroom_reads_no_sidecar(tmp_path, capsys, name):
    file = tmp_path / name
    save_dng(file) if name == "c.dng" else save_photo(file)
    crop = darktable.encode(CROP, *((1200, 800) if name == "c.dng" else (90, 60)))
    (tmp_path / f"{name}.xmp").write_bytes(darktable_xmp(crop))
    for extra in (["--dry-run"], []):
        assert main(["convert", str(tmp_path), "--to", "lightroom", *extra]) == 0
        said = capsys.readouterr().out
        assert (
            f"  without effect: {file}: lightroom reads no sidecar of a {file.suffix.lower()}"
            in said
        )
    assert main(["convert", str(tmp_path), "--to", "rawtherapee"]) == 0
    assert "without effect" not in capsys.readouterr().out


def test_of_other_formats_lightroom_reads_sidecars(tmp_path, capsys):
    save_dng(tmp_path / "a.nef")  # a DNG in all but name
    (tmp_path / "a.nef.xmp").write_bytes(darktable_xmp(darktable.encode(CROP, 1200, 800)))
    assert main(["convert", str(tmp_path), "--to", "lightroom"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 crop converted to lightroom")
    assert "without effect" not in said


def test_a_person_s_crop_is_kept_unless_overwrite_is_given(tmp_path, capsys):
    cropped(tmp_path, "lightroom", CROP)
    file = cropped(tmp_path, "darktable", OTHER)
    before = file.read_bytes()
    assert main(["convert", str(tmp_path), "--to", "darktable"]) == 0
    assert "a person has cropped it: darktable sidecar (IMG_1.jpg.xmp)" in capsys.readouterr().out
    assert file.read_bytes() == before
    assert main(["convert", str(tmp_path), "--to", "darktable", "--overwrite"]) == 0
    assert crops(tmp_path)["darktable"][0] == pytest.approx(astuple(CROP), abs=1e-5)
    capsys.readouterr()
    assert main(["convert", str(tmp_path), "--to", "darktable", "--overwrite"]) == 0
    assert "it already has the same crop" in capsys.readouterr().out
    journal.undo(tmp_path)
    assert file.read_bytes() == before


def test_failures_are_listed_and_the_rest_is_converted(tmp_path, capsys):
    for number in range(4):
        save_photo(tmp_path / f"IMG_{number}.jpg", xmp(settings()))
    save_photo(tmp_path / "IMG_4.jpg")
    (tmp_path / "IMG_1.jpg.pp3").write_text("[Perspective]\nHorizontal=9\n")
    (tmp_path / "IMG_2.jpg.pp3").write_text("no section\n")
    (tmp_path / "IMG_3.jpg").write_bytes(b"no photo")
    before = hashes(tmp_path)
    assert main(["convert", str(tmp_path), str(tmp_path / "no.jpg"), "--to", "rawtherapee"]) == 1
    said = capsys.readouterr()
    assert "1 crop converted to rawtherapee, 2 photos skipped, 3 failed" in said.out
    assert "skipped 1 without a crop made in another editor" in said.out
    assert "IMG_1.jpg.pp3: [Perspective] Horizontal is 9" in said.out
    assert said.out.count("line 1 of the profile") == 1
    assert f"failed {tmp_path / 'no.jpg'}: no such file" in said.out
    assert "Some crops were not converted." in said.err
    done = journal.undo(tmp_path)
    assert [file.name for file in done.removed] == ["IMG_0.jpg.pp3"]
    assert hashes(tmp_path) == before


def test_what_is_left_out_is_listed_as_inspect_lists_it(tmp_path, capsys):
    file = cropped(tmp_path, "darktable")
    (tmp_path / "IMG_1.jpg.pp3").write_text("[Crop]\nEnabled=maybe\n")
    (tmp_path / "IMG_2.xmp").write_bytes(file.read_bytes())
    assert main(["inspect", str(tmp_path)]) == 0
    [left_out] = [one for one in capsys.readouterr().out.splitlines() if "  left out" in one]
    assert main(["convert", str(tmp_path), "--to", "lightroom"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 crop converted to lightroom, 0 photos skipped, 0 failed"
    assert left_out.replace("IMG_1.jpg.pp3", str(tmp_path / "IMG_1.jpg.pp3"), 1) in lines
    orphan = f"{tmp_path / 'IMG_2.xmp'}: orphan_sidecar: there is no photo of this name next to it"
    assert f"  left out: {orphan}" in lines


def test_a_name_that_is_not_a_photo_fails(tmp_path, capsys):
    save_photo(tmp_path / "IMG_1.jpg", xmp(settings()))
    names = [str(tmp_path / name) for name in ("IMG_1.jpg", "IMG_2.jpg")]
    assert main(["convert", *names, "--to", "darktable"]) == 1
    assert f"failed {names[1]}: no such file" in capsys.readouterr().out
    assert main(["convert", *names, "--to", "darktable", "--from", "darktable"]) == 1
    assert "expected two editors" in capsys.readouterr().err


def test_an_unedited_suggestion_is_not_converted(tmp_path, capsys):
    from cropperhead.writeback import write  # noqa: PLC0415

    save_photo(tmp_path / "IMG_1.jpg")
    with exiftool.tag_reader() as reader:
        entries = scan.find_photos(tmp_path, ["IMG_1.jpg"], [], ())
        [photo] = edited_photo.read(tmp_path, entries, reader)
        write.write_crop(photo, write.WantedCrop(CROP, 1, "7"), "darktable", reader)
    assert main(["convert", str(tmp_path), "--to", "lightroom"]) == 0
    assert "0 crops converted" in capsys.readouterr().out


def test_damaged_lines_of_a_journal_are_counted_in_the_summary(tmp_path, capsys):
    cropped(tmp_path, "lightroom")
    lines = tmp_path / ".cropperhead" / "journal.jsonl"
    lines.parent.mkdir()
    lines.write_bytes(b"{}\n")
    assert main(["convert", str(tmp_path), "--to", "darktable"]) == 0
    printed = capsys.readouterr().out
    assert f"damaged: {lines}: skipped 1 damaged line: 1" in printed
