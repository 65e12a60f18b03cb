"""The loop closes: a suggestion that stands is nobody's label, one that a person changed is."""

import json
import shutil
import subprocess
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from catalog_files import REAL_CROP, Photo, make_catalog, real_text
from conftest import extract_params, picture, save_photo, settings, xmp
from raw_files import save_dng

from cropperhead.dataset import extract as extraction
from cropperhead.dataset import inspect, preview, shards
from cropperhead.dataset.columns import NO_SUGGESTION, SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.dataset.ledger import Ledger, write_extract_reports
from cropperhead.editors import darktable, lightroom, suggestion_mark
from cropperhead.editors.names import WRITABLE_NAMES
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.library import edited_photo, journal, marks, scan
from cropperhead.photos import exiftool
from cropperhead.writeback import write as writings
from cropperhead.writeback.write import WantedCrop

CROP = Crop(0.2, 0.3, 0.75, 0.7, 0.0)
CHANGED = Crop(0.1, 0.3, 0.75, 0.7, 0.0)
ORIENTATION = 0x0112
# What a person changes in each sidecar, of a photo of 90 x 60 px: the top from 0.2 to 0.1 of it
# (12 to 6 px in RawTherapee, which keeps the height beside it: 33 to 39 px)
PARAMS = {crop: darktable.encode(crop, 90, 60)["History"][0]["Params"] for crop in (CROP, CHANGED)}
CORRECTION = {
    "lightroom": [('CropTop="0.2"', 'CropTop="0.1"')],
    "darktable": [(PARAMS[CROP], PARAMS[CHANGED])],
    "rawtherapee": [("Y=12\n", "Y=6\n"), ("H=33\n", "H=39\n")],
}
REMOVAL = {
    "lightroom": [('HasCrop="True"', 'HasCrop="False"')],
    "darktable": [('darktable:enabled="1"', 'darktable:enabled="0"')],
    "rawtherapee": [("[Crop]\nEnabled=true", "[Crop]\nEnabled=false")],
}


@pytest.fixture(scope="module")
def reader():
    with exiftool.tag_reader() as running:
        yield running


@pytest.fixture
def lib(tmp_path):
    folder = tmp_path / "lib"
    save_photo(folder / "a.jpg")
    return folder


def suggest(
    folder: Path, reader, editor: str, crop: Crop = CROP, name: str = "a.jpg", inside: bool = False
) -> Path:
    [entry] = scan.find_photos(folder, [name], [], ())
    [photo] = edited_photo.read(folder, [entry], reader)
    wanted = WantedCrop(crop, photo.target_orientation(editor), "model 7")
    result = writings.write_crop(photo, wanted, editor, reader, into_photos=inside)
    assert result.is_written
    return result.file


def change(file: Path, replaced: list[tuple[str, str]]) -> None:
    text = file.read_text()
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)


def drop_mark(profile: Path) -> None:
    """As RawTherapee does, which writes the sections that it knows."""
    profile.write_bytes(suggestion_mark.put_in_profile(profile.read_bytes(), {}))


def extract(folder: Path, out: Path) -> dict[str, str]:
    """The outcome of each photo, or the kind of its rejection; reports stand in `out`."""
    out.mkdir(exist_ok=True)
    params = extract_params(folder)
    book = Ledger.load(out / "ledger.parquet", "same")
    manifest = scan.manifest(scan.scan(folder).entries)
    table = extraction.update_shards(folder, manifest, out / "shards", book, params)
    found = shards.count_sources(out / "shards")
    write_extract_reports(table, found, out / "extract.json", out / "rejected.csv")
    rows = table.to_pylist()
    return {row["file"]: row["kind"] or row["outcome"] for row in rows}


def labels(out: Path) -> pd.DataFrame:
    return shards.read_labels(out / "shards")


def counts(out: Path) -> dict:
    found = json.loads((out / "extract.json").read_text())
    whole = found["cropped"] + found["uncropped"] + found["suggested"] + found["rejected_total"]
    assert whole == found["seen"]
    return found


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_suggestion_that_stands_is_no_label_and_is_counted(lib, tmp_path, reader, editor):
    suggest(lib, reader, editor)
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}
    assert counts(tmp_path)["suggested"] == 1
    assert labels(tmp_path).empty
    assert list(shards.iter_images(tmp_path / "shards")) == []


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_changed_suggestion_is_a_label_with_the_suggestion_beside_it(
    lib, tmp_path, reader, editor
):
    sidecar = suggest(lib, reader, editor)
    extract(lib, tmp_path)
    change(sidecar, CORRECTION[editor])
    assert extract(lib, tmp_path) == {"a.jpg": "cropped"}
    [row] = labels(tmp_path).to_dict("records")
    assert row["author"] == "photographer"
    assert [row[name] for name in CROP_COLUMNS] == pytest.approx(astuple(CHANGED), abs=1e-6)
    assert [row[name] for name in SUGGESTED_COLUMNS] == pytest.approx(astuple(CROP), abs=1e-8)
    assert row[SUGGESTED_BY] == "model 7"
    assert counts(tmp_path)["suggested"] == 0


@pytest.mark.parametrize("editor", WRITABLE_NAMES)
def test_a_suggestion_that_was_removed_leaves_the_photo_uncropped(lib, tmp_path, reader, editor):
    change(suggest(lib, reader, editor), REMOVAL[editor])
    assert extract(lib, tmp_path) == {"a.jpg": "uncropped"}
    assert labels(tmp_path).empty


@pytest.fixture(params=["a.jpg", "a.tif", "a.dng"])
def photo_with_suggestion(request, tmp_path, reader):
    """A photo of which Lightroom reads no sidecar, with a suggestion inside."""
    file = tmp_path / "lib" / request.param
    file.parent.mkdir()
    save_dng(file) if file.suffix == ".dng" else save_photo(file)
    assert suggest(file.parent, reader, "lightroom", name=file.name, inside=True) == file
    return file


def edit_in_lightroom(file: Path, *tags: str) -> None:
    """As Lightroom saves metadata to the file: it keeps properties that it does not know."""
    command = ["exiftool", "-q", "-overwrite_original", *tags, file]
    subprocess.run(command, check=True)


def test_a_suggestion_inside_a_photo_is_no_label_until_a_person_changes_it(
    photo_with_suggestion, tmp_path
):
    file = photo_with_suggestion
    assert extract(file.parent, tmp_path) == {file.name: "suggested"}
    assert labels(tmp_path).empty
    edit_in_lightroom(file, "-XMP-crs:CropTop=0.1")
    assert extract(file.parent, tmp_path) == {file.name: "cropped"}
    [row] = labels(tmp_path).to_dict("records")
    assert row["source"] == "lightroom embedded"
    assert [row[name] for name in CROP_COLUMNS] == pytest.approx(astuple(CHANGED), abs=1e-6)
    assert [row[name] for name in SUGGESTED_COLUMNS] == pytest.approx(astuple(CROP), abs=1e-8)
    assert row[SUGGESTED_BY] == "model 7"
    done = journal.undo(file.parent)
    assert dict(done.kept) == {file: "changed since it was written; kept as it is"}


def test_a_suggestion_inside_a_photo_that_was_removed_leaves_it_uncropped(
    photo_with_suggestion, tmp_path
):
    file = photo_with_suggestion
    edit_in_lightroom(file, "-XMP-crs:HasCrop=False")
    assert extract(file.parent, tmp_path) == {file.name: "uncropped"}


def test_a_look_and_an_inspection_tell_of_suggestions_inside(photo_with_suggestion):
    file = photo_with_suggestion
    params = extract_params(file.parent)
    assert preview.preview(file.parent, scan.scan(file.parent).entries, params).outcomes == {
        "suggested": 1
    }
    [(_, photo)] = inspect.read_photos([file], params, [], pictures=False)
    assert inspect.describe(file, photo) == f"{file}\n  has only an unedited suggestion"


@pytest.mark.parametrize("code", [3, 6, 8])
def test_a_suggestion_stands_in_the_frame_in_which_its_label_does(tmp_path, reader, code):
    lib = tmp_path / "lib"
    save_photo(lib / "a.jpg", image=picture(900, 600), exif={ORIENTATION: code})
    tilted = Crop(0.3, 0.3, 0.7, 0.65, 6.0)
    sidecar = suggest(lib, reader, "lightroom", tilted)
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}
    # 2 degrees move corners by some 8 px, of which an editor's rounding is 1.5 at most
    change(sidecar, [('CropAngle="6"', 'CropAngle="4"')])
    extract(lib, tmp_path)
    [row] = labels(tmp_path).to_dict("records")
    assert [row[name] for name in SUGGESTED_COLUMNS] == pytest.approx(astuple(tilted), abs=1e-8)
    assert row["crop_angle"] == pytest.approx(4)


def test_a_person_s_crop_in_another_editor_is_a_label_without_a_suggestion(lib, tmp_path, reader):
    suggest(lib, reader, "lightroom")
    (lib / "a.jpg.pp3").write_text("[Crop]\nEnabled=true\nX=9\nY=6\nW=45\nH=30\n")
    assert extract(lib, tmp_path) == {"a.jpg": "cropped"}
    [row] = labels(tmp_path).to_dict("records")
    assert row["source"] == "rawtherapee sidecar"
    assert row["crop_left"] == pytest.approx(0.1)  # 9 of 90 px
    assert {name: row[name] for name in NO_SUGGESTION} == pytest.approx(
        dict(NO_SUGGESTION), nan_ok=True
    )


def test_a_suggestion_that_another_editor_took_over_is_still_one(lib, tmp_path, reader):
    # darktable takes Lightroom's crop when it first meets a photo, and puts no mark beside it
    sidecar = suggest(lib, reader, "lightroom")
    other = suggest(lib, reader, "darktable")
    other.write_bytes(other.read_bytes().replace(b"cropperhead", b"somebodyelse"))
    shutil.rmtree(lib / journal.FOLDER)
    assert marks.read_mark(sidecar.name, sidecar.read_bytes())
    assert marks.read_mark(other.name, other.read_bytes()) is None
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}


@pytest.mark.parametrize(("crop", "outcome"), [(CROP, "suggested"), (CHANGED, "cropped")])
def test_a_suggestion_that_lightroom_took_into_its_catalog_is_still_one(
    lib, tmp_path, reader, crop, outcome
):
    # the catalog goes before the sidecar, and holds no mark
    suggest(lib, reader, "lightroom")
    encoded = lightroom.encode(crop, 90, 60)
    text = real_text({name: encoded[name] for name in REAL_CROP if name in encoded})
    make_catalog(lib / "my.lrcat", [Photo("a.jpg", text, root=f"{lib}/")])
    assert extract(lib, tmp_path) == {"a.jpg": outcome}
    expected = [] if outcome == "suggested" else [["lightroom catalog", "model 7"]]
    assert labels(tmp_path)[["source", SUGGESTED_BY]].to_numpy().tolist() == expected


def test_the_journal_tells_of_suggestions_whose_marks_were_dropped(tmp_path, reader):
    lib = tmp_path / "lib"
    for place, name in enumerate(("a.jpg", "b.jpg")):
        save_photo(lib / name, image=picture(90, 60, shade=place))
        drop_mark(suggest(lib, reader, "rawtherapee", name=name))
    change(lib / "b.jpg.pp3", CORRECTION["rawtherapee"])
    assert extract(lib, tmp_path) == {"a.jpg": "suggested", "b.jpg": "cropped"}
    assert labels(tmp_path)[SUGGESTED_BY].tolist() == ["model 7"]


def test_a_journal_that_is_deleted_makes_no_suggestion_a_label(lib, tmp_path, reader):
    drop_mark(suggest(lib, reader, "rawtherapee"))
    extract(lib, tmp_path)
    shutil.rmtree(lib / journal.FOLDER)
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}


def test_a_suggestion_that_was_undone_leaves_what_was_there_before(lib, tmp_path, reader):
    (lib / "a.jpg.pp3").write_text("[Exposure]\nAuto=true\n")
    suggest(lib, reader, "rawtherapee")
    extract(lib, tmp_path)
    journal.undo(lib)
    assert extract(lib, tmp_path) == {"a.jpg": "uncropped"}


def test_a_suggestion_that_never_arrived_is_none(lib, tmp_path):
    # the power failed after the journal's line and before the sidecar: the person's crop is there
    profile = lib / "a.jpg.pp3"
    own = b"[Crop]\nEnabled=true\nX=9\nY=6\nW=45\nH=30\n"
    profile.write_bytes(own)
    note = marks.Mark("model 7", "rawtherapee", CROP, 1).texts()
    journal.write_file(profile, b"[Crop]\nEnabled=true\nX=27\nY=12\nW=36\nH=33\n", own, note)
    profile.write_bytes(own)
    assert extract(lib, tmp_path) == {"a.jpg": "cropped"}
    assert labels(tmp_path)[SUGGESTED_BY].tolist() == [""]


def test_a_journal_that_cannot_be_read_costs_no_label_its_truth(lib, tmp_path, reader):
    drop_mark(suggest(lib, reader, "rawtherapee"))
    lines = lib / journal.FOLDER / "journal.jsonl"
    lines.unlink()
    lines.mkdir()  # so that even a superuser cannot read it as a file
    assert extract(lib, tmp_path) == {"a.jpg": "broken_journal"}
    assert "broken_journal" in (tmp_path / "rejected.csv").read_text()


def test_damaged_lines_of_a_journal_are_named_once_and_the_others_count(tmp_path, reader):
    lib = tmp_path / "lib"
    for place, name in enumerate(("a.jpg", "b.jpg")):
        save_photo(lib / name, image=picture(90, 60, shade=place))
        drop_mark(suggest(lib, reader, "rawtherapee", name=name))
    lines = lib / journal.FOLDER / "journal.jsonl"
    lines.write_bytes(b"[" * 50_000 + b"\n" + lines.read_bytes())
    assert extract(lib, tmp_path) == {"a.jpg": "suggested", "b.jpg": "suggested"}
    assert counts(tmp_path)["versions_left_out"] == {"damaged_journal": 1}
    line = ".cropperhead/journal.jsonl,damaged_journal: skipped 1 damaged line: 1"
    assert (tmp_path / "rejected.csv").read_text().splitlines() == ["file,reason", line]


def test_journals_and_what_they_keep_are_no_photos(lib, tmp_path, reader):
    suggest(lib, reader, "lightroom")
    save_photo(lib / journal.FOLDER / "b.jpg", xmp(settings()))
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}
    assert scan.scan(lib).others == {}


def test_what_cannot_be_used_beside_a_suggestion_is_named(lib, tmp_path, reader):
    suggest(lib, reader, "lightroom")
    own = "[Crop]\nEnabled=true\nX=9\nY=6\nW=45\nH=30\n[Perspective]\nHorizontal=9\n"
    (lib / "a.jpg.pp3").write_text(own)
    assert extract(lib, tmp_path) == {"a.jpg": "suggested"}
    assert counts(tmp_path)["versions_left_out"] == {"perspective": 1}
    assert "a.jpg.pp3,perspective" in (tmp_path / "rejected.csv").read_text()


@pytest.mark.parametrize("damage", [slice(0, -40), slice(40, None), slice(0, 0)])
def test_a_damaged_sidecar_with_a_mark_ends_no_run(lib, tmp_path, reader, damage):
    sidecar = suggest(lib, reader, "lightroom")
    sidecar.write_bytes(sidecar.read_bytes()[damage])
    assert extract(lib, tmp_path)["a.jpg"] in ("broken_xmp", "unreadable_sidecar")


def test_a_look_and_an_inspection_tell_of_suggestions(lib, reader):
    suggest(lib, reader, "darktable")
    params = extract_params(lib)
    found = preview.preview(lib, scan.scan(lib).entries, params)
    assert found.outcomes == {"suggested": 1}
    assert "        1 cropped as CropperHead suggested" in str(found).split("\n")
    [(file, photo)] = inspect.read_photos([lib / "a.jpg"], params, [], pictures=False)
    assert inspect.describe(file, photo) == f"{file}\n  has only an unedited suggestion"


def test_shards_of_an_earlier_release_tell_of_no_suggestion(lib, tmp_path, reader):
    change(suggest(lib, reader, "lightroom"), CORRECTION["lightroom"])
    extract(lib, tmp_path)
    [file] = shards.shard_files(tmp_path / "shards")
    table = pq.read_table(file).drop_columns(list(NO_SUGGESTION))
    pq.write_table(table, tmp_path / "shards" / "shard-00001.parquet")
    found = labels(tmp_path)
    assert sorted(found[SUGGESTED_BY]) == ["", "model 7"]
    assert found["suggested_top"].isna().tolist().count(True) == 1
    file.unlink()  # now there are old ones alone
    assert labels(tmp_path)[SUGGESTED_BY].tolist() == [""]
    assert labels(tmp_path)["suggested_angle"].dtype == float
