import csv
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from catalog_files import Photo, make_catalog, real_text
from conftest import darktable_xmp, extract_params, picture, save_photo, settings, xmp
from profile_files import format_profile
from raw_files import save_dng, scene

from cropperhead.dataset import extract, shards
from cropperhead.dataset.ledger import Ledger, write_extract_reports
from cropperhead.editors import darktable, lightroom, rawtherapee
from cropperhead.editors.base import displayed_crop
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.geometry.orientation import ORIENTATIONS
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool

STORED = 600, 400
CROP = Crop(0.2, 0.15, 0.8, 0.9, 2.5)  # of the displayed picture


def run(folder: Path, out: Path, **params: object) -> pd.DataFrame:
    """The ledger's table by file, of an extraction into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = extract_params(folder, **params)
    found = scan.scan(folder, [Path(name) for name in chosen.catalogs], chosen.tags)
    manifest = scan.manifest(found.entries)
    book = Ledger.load(out / "ledger.parquet", "same")
    table = extract.update_shards(folder, manifest, out / "shards", book, chosen)
    return table.to_pandas().set_index("file")


def labels(out: Path) -> pd.DataFrame:
    return shards.read_labels(out / "shards")


def photo(
    folder: Path, name: str, packet: bytes | None = None, code: int = 1, shade: int = 0
) -> Path:
    image = picture(*STORED)
    image.putpixel((0, 0), (shade, 0, 255))  # so that no two files are the same
    return save_photo(folder / name, packet, image, exif={0x0112: code, 0x010E: str(shade)})


def pp3(crop: Crop, shown_as: int = 1, exif: int = 1) -> str:
    return format_profile(rawtherapee.encode(crop, *STORED, shown_as, exif))


@pytest.mark.parametrize("code", [1, 3, 6, 8])
def test_one_crop_is_the_same_from_every_editor(tmp_path, code):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg", xmp(lightroom.encode(CROP, *STORED, code), code), code)
    history = darktable.encode(CROP, *STORED, code, code)
    (lib / "a.jpg.xmp").write_bytes(darktable_xmp(history))
    (lib / "a_01.jpg.xmp").write_bytes(darktable_xmp(history))
    (lib / "a.jpg.pp3").write_text(pp3(CROP, code, code))
    (lib / "a.jpg.arp").write_text(pp3(CROP, code, code))
    letters = {1: "AB", 3: "CD", 6: "BC", 8: "DA"}[code]
    text = real_text(lightroom.encode(CROP, *STORED, code))
    make_catalog(
        lib / "my.lrcat",
        [
            Photo("a.jpg", orientation=letters, root=f"{lib}/"),
            Photo("a.jpg", text, letters, f"{lib}/", copy_of=0, copy_name="Square"),
        ],
    )
    table = run(lib, tmp_path)
    assert table["outcome"].to_dict() == {"a.jpg": "cropped"}
    found = labels(tmp_path)
    assert found[["author", "source"]].values.tolist() == [
        ["copy Square", "lightroom catalog"],
        ["duplicate 01", "darktable sidecar"],
        ["photographer", "art sidecar"],
        ["photographer", "darktable sidecar"],
        ["photographer", "lightroom embedded"],
        ["photographer", "rawtherapee sidecar"],
    ]
    # whole pixels of 400 in RawTherapee and ART
    limits = found[list(CROP_COLUMNS)].to_numpy()
    assert limits == pytest.approx(CROP.limits()[None].repeat(6, 0), abs=1.5 / 400)
    exact = limits[[0, 1, 3, 4]]
    assert exact == pytest.approx(CROP.limits()[None].repeat(4, 0), abs=1e-5)
    assert set(found["orientation"]) == {code}


@pytest.mark.parametrize("turned", ORIENTATIONS)
def test_a_turn_in_one_editor_does_not_move_the_crop_of_another(tmp_path, turned):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg", xmp(lightroom.encode(CROP, *STORED, 6), 6), 6)
    in_stored = lightroom.decode(lightroom.encode(CROP, *STORED, 6), *STORED)
    as_turned = displayed_crop(in_stored, *STORED, turned)
    history = darktable.encode(as_turned, *STORED, turned, 6)
    (lib / "a.jpg.xmp").write_bytes(darktable_xmp(history))
    run(lib, tmp_path)
    found = labels(tmp_path)
    assert set(found["orientation"]) == {6}
    expected = CROP.limits()[None].repeat(2, 0)
    assert found[list(CROP_COLUMNS)].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_an_unusable_version_is_reported_and_the_others_are_kept(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg", xmp(settings()))
    (lib / "a.jpg.pp3").write_text(pp3(CROP) + "\n[Perspective]\nMethod=simple\nVertical=20\n")
    (lib / "a_02.jpg.xmp").write_bytes(xmp(settings())[:-40])
    table = run(lib, tmp_path)
    assert table["outcome"].to_dict() == {"a.jpg": "cropped"}
    assert labels(tmp_path)["source"].tolist() == ["lightroom embedded"]
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same").table
    write_extract_reports(ledger, {}, tmp_path / "counts.json", tmp_path / "rejected.csv")
    with (tmp_path / "rejected.csv").open(newline="") as stream:
        listed = {row["file"]: row["reason"].split(":")[0] for row in csv.DictReader(stream)}
    assert listed == {"a.jpg.pp3": "perspective", "a_02.jpg.xmp": "broken_xmp"}


def test_an_empty_history_does_not_spoil_the_photos_after_it(tmp_path):
    # ExifTool's own tables would take all histories for what the first one is
    lib = tmp_path / "lib"
    empty = darktable_xmp({"History": [], "History_end": 0})
    for i, name in enumerate("abc"):
        photo(lib, f"{name}.jpg", shade=i)
    (lib / "a.jpg.xmp").write_bytes(empty)
    for name in "bc":
        history = darktable.encode(CROP, *STORED, 1, 1)
        (lib / f"{name}.jpg.xmp").write_bytes(darktable_xmp(history))
    table = run(lib, tmp_path)
    assert table["outcome"].tolist() == ["uncropped", "cropped", "cropped"]


def test_a_bad_turn_in_one_editor_does_not_reject_another_s_crop(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg")
    (lib / "a.jpg.pp3").write_text(pp3(CROP) + "\n[Coarse Transformation]\nRotate=ninety\n")
    (lib / "a.jpg.arp").write_text(pp3(CROP))
    assert run(lib, tmp_path)["outcome"].tolist() == ["cropped"]
    assert labels(tmp_path)["source"].tolist() == ["art sidecar"]


@pytest.mark.parametrize("rating", ["99999999999999999999", "inf", "nan", "many"])
def test_a_value_that_does_not_fit_the_column_becomes_the_default(tmp_path, rating):
    packet = xmp(settings() | {"Exposure2012": rating, "Texture": rating})
    photo(tmp_path / "lib", "a.jpg", packet)
    run(tmp_path / "lib", tmp_path, tags={"XMP-crs:Texture": 7, "XMP-crs:Exposure2012": 0.5})
    [row] = labels(tmp_path).to_dict("records")
    assert row["XMP-crs:Texture"] == 7
    assert row["XMP-crs:Exposure2012"] in (0.5, 1e20)


def test_the_order_in_which_tags_are_named_changes_no_column(tmp_path):
    for i, tags in enumerate([{"XMP:Rating": 0, "EXIF:ISO": 0}, {"EXIF:ISO": 0, "XMP:Rating": 0}]):
        photo(tmp_path / "lib", f"{i}.jpg", xmp(settings()), shade=i)
        run(tmp_path / "lib", tmp_path, tags=tags)
    assert len(labels(tmp_path)) == 2


def test_a_file_without_a_suffix_is_not_a_photo(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg")
    (lib / "a").write_bytes(b"notes")
    (lib / "a.xmp").write_bytes(xmp(settings()))
    assert run(lib, tmp_path)["outcome"].to_dict() == {"a.jpg": "cropped"}


def test_a_photo_whose_only_version_cannot_be_used_is_rejected(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg")
    (lib / "a.jpg.pp3").write_text("[Crop]\nEnabled=true\nX=ten\n")
    photo(lib, "b.jpg", shade=1)
    (lib / "b.jpg.pp3").write_bytes(b"\x00\x01 no profile")
    photo(lib, "c.jpg", shade=2)
    (lib / "c.jpg.arp").write_text(" " * 5_000_000)
    assert run(lib, tmp_path)["kind"].to_dict() == {
        "a.jpg": "not_a_number",
        "b.jpg": "broken_profile",
        "c.jpg": "too_large",
    }


def test_a_crop_that_keeps_the_whole_frame_is_not_a_crop(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg")
    (lib / "a.jpg.pp3").write_text(pp3(Crop(0, 0, 1, 1, 0)))
    photo(lib, "b.jpg", xmp(settings()), shade=1)
    (lib / "b.jpg.pp3").write_text(pp3(Crop(0, 0, 1, 1, 0)))
    assert run(lib, tmp_path)["outcome"].to_dict() == {"a.jpg": "uncropped", "b.jpg": "cropped"}
    assert labels(tmp_path)["source"].tolist() == ["lightroom embedded"]


def test_an_export_of_darktable_with_its_history_is_already_cropped(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg", darktable_xmp(darktable.encode(CROP, *STORED, 1, 1)))
    photo(lib, "b.jpg", darktable_xmp({"History": [], "History_end": 0}), shade=1)
    table = run(lib, tmp_path)
    assert table["kind"].to_dict() == {"a.jpg": "already_applied", "b.jpg": ""}


@pytest.mark.parametrize("cropped", [True, False])
def test_a_broken_sidecar_may_hold_a_crop_only_where_the_catalog_has_one(tmp_path, cropped):
    (tmp_path / "lib").mkdir()
    save_dng(tmp_path / "lib" / "a.nef")
    (tmp_path / "lib" / "a.xmp").write_bytes(b"no XMP")
    text = real_text(settings() if cropped else {"HasCrop": False})
    make_catalog(tmp_path / "my.lrcat", [Photo("a.nef", text, root=f"{tmp_path / 'lib'}/")])
    with exiftool.tag_reader() as reader:
        entries = scan.scan(tmp_path / "lib", [tmp_path / "my.lrcat"], ()).entries
        [seen] = edited_photo.read(tmp_path / "lib", entries, reader)
        [extracted] = edited_photo.read_cropped(
            tmp_path / "lib", entries, reader, edited_photo.ReadOptions()
        )
    assert bool(edited_photo.describe_person_crops(seen)) == cropped
    for one in (seen, extracted):
        assert [each.file for each in one.left_out] == ["a.xmp"] * cropped
        assert [each.file for each in one.passed_over] == ["a.xmp"] * (not cropped)


def test_each_broken_sidecar_beside_a_crop_is_listed(tmp_path):
    file = photo(tmp_path, "a.jpg", xmp(settings()))
    for name in ("a.xmp", "A.xmp"):
        (tmp_path / name).write_bytes(b"no XMP")
    with exiftool.tag_reader() as reader:
        [seen] = edited_photo.read(
            tmp_path, scan.find_photos(tmp_path, [file.name], [], ()), reader
        )
    assert {one.file for one in seen.left_out} == {"a.xmp", "A.xmp"}
    assert len(seen.crops) == 1


def test_a_crop_that_contradicts_itself_is_no_crop_beside_a_broken_sidecar(tmp_path):
    photo(tmp_path / "lib", "a.jpg", xmp({"HasCrop": "True"}))  # without limits
    (tmp_path / "lib" / "a.xmp").write_bytes(b"no XMP")
    kinds = run(tmp_path / "lib", tmp_path / "out")["kind"].to_dict()
    assert kinds == {"a.jpg": "unreadable_sidecar"}


def test_a_catalog_goes_before_the_photo_s_own_packet(tmp_path):
    lib = tmp_path / "lib"
    for i, name in enumerate("abc"):
        photo(lib, f"{name}.jpg", xmp(settings(0.4)), shade=i)
    root = f"{lib}/"
    make_catalog(
        tmp_path / "my.lrcat",
        [
            Photo("a.jpg", real_text(settings(0.1)), root=root),
            Photo("b.jpg", real_text({}), root=root),
            Photo("elsewhere.jpg", real_text({}), root=root),
        ],
    )
    catalog = str(tmp_path / "my.lrcat")
    assert run(lib, tmp_path / "out", catalogs=(catalog,))["outcome"].to_dict() == {
        "a.jpg": "cropped",
        "b.jpg": "uncropped",  # the crop was undone, and not saved to the file
        "c.jpg": "cropped",
    }
    tops = labels(tmp_path / "out").set_index("photo")["crop_top"].to_dict()
    assert tops == pytest.approx({"a.jpg": 0.1, "c.jpg": 0.4})
    counts = scan.scan(lib, [Path(catalog)]).catalogs[catalog]
    assert counts == {"of_this_library": 2, "of_unclear_place": 0, "elsewhere": 1}


@pytest.mark.parametrize(
    ("letters", "camera", "shown_as"),
    [("BC", 1, 6), ("CB", 1, 5), ("AD", 1, 7), ("CB", 7, 7), ("AD", 5, 5), ("AB", 6, 1)],
)
def test_the_camera_decides_between_mirrored_quarter_turns_of_a_catalog(
    tmp_path, letters, camera, shown_as
):
    photo(tmp_path / "lib", "a.jpg", code=camera)
    edited = Photo("a.jpg", real_text(settings()), letters, f"{tmp_path}/lib/")
    make_catalog(tmp_path / "lib" / "my.lrcat", [edited])
    run(tmp_path / "lib", tmp_path)
    assert labels(tmp_path)["orientation"].tolist() == [shown_as]


def test_a_catalog_that_has_the_photo_at_its_place_goes_before_another_s_namesake(tmp_path):
    years = {"2021": 0.1, "2022": 0.4}
    for number, (year, top) in enumerate(years.items()):
        photo(tmp_path / year, "100CANON/IMG_1.jpg", shade=number)
        edited = Photo("100CANON/IMG_1.jpg", real_text(settings(top)), root=f"{tmp_path}/{year}/")
        make_catalog(tmp_path / f"{year}.lrcat", [edited])
    both = tuple(str(tmp_path / f"{year}.lrcat") for year in years)
    run(tmp_path / "2021", tmp_path / "out", catalogs=both)
    assert labels(tmp_path / "out")["crop_top"].tolist() == pytest.approx([0.1])
    found = run(tmp_path / "2021", tmp_path / "other", catalogs=both[1:])
    assert found["outcome"].tolist() == ["uncropped"]
    (tmp_path / "2022").rename(tmp_path / "gone")  # the photo may have moved, but not to this place
    run(tmp_path / "2021", tmp_path / "out", catalogs=both)
    assert labels(tmp_path / "out")["crop_top"].tolist() == pytest.approx([0.1])


def test_only_photos_whose_edits_changed_in_a_catalog_are_read_again(tmp_path):
    lib = tmp_path / "lib"
    for i, name in enumerate("abcdefgh"):
        photo(lib, f"{name}.jpg", shade=i)
    root = f"{lib}/"
    photos = [Photo(f"{name}.jpg", real_text(settings()), root=root) for name in "abcdefgh"]
    make_catalog(lib / "my.lrcat", photos)
    run(lib, tmp_path)
    first = {file.name: file.read_bytes() for file in shards.shard_files(tmp_path / "shards")}
    (lib / "my.lrcat").unlink()
    photos[7] = Photo("h.jpg", real_text(settings(0.33)), root=root)
    make_catalog(lib / "my.lrcat", photos)
    run(lib, tmp_path)
    second = {file.name: file.read_bytes() for file in shards.shard_files(tmp_path / "shards")}
    assert second["shard-00000.parquet"] == first["shard-00000.parquet"]
    assert labels(tmp_path)["crop_top"].tolist() == pytest.approx([0.1] * 7 + [0.33])


def test_a_catalog_that_cannot_be_read_is_rejected(tmp_path):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg", xmp(settings()))
    (lib / "old.lrcat").write_bytes(b"SQLite format 3\0 and nothing else")
    missing = str(tmp_path / "gone.lrcat")
    table = run(lib, tmp_path, catalogs=(missing,))
    assert table["kind"].to_dict() == {
        "a.jpg": "",
        "old.lrcat": "broken_catalog",
        missing: "broken_catalog",
    }


def test_a_catalog_beside_which_no_log_can_be_is_rejected(tmp_path):
    lib, name = tmp_path / "lib", f"{'a' * 249}.lrcat"  # 255 bytes, the longest name
    photo(lib, "a.jpg")
    make_catalog(lib / "a.lrcat", [Photo("a.jpg", real_text())]).rename(lib / name)
    assert run(lib, tmp_path)["kind"].to_dict() == {"a.jpg": "", name: "broken_catalog"}


def test_a_raw_photo_has_its_crop_in_a_sidecar_and_its_own_pixels(tmp_path):
    lib = tmp_path / "lib"
    lib.mkdir()
    save_dng(lib / "a.dng", scene(*STORED))
    (lib / "a.xmp").write_bytes(xmp(lightroom.encode(CROP, *STORED)))
    save_dng(lib / "b.dng", scene(*STORED))
    table = run(lib, tmp_path)
    assert table["outcome"].to_dict() == {"a.dng": "cropped", "b.dng": "uncropped"}
    [row] = labels(tmp_path).to_dict("records")
    assert (row["width"], row["height"]) == STORED
    assert [row[name] for name in CROP_COLUMNS] == pytest.approx(CROP.limits().tolist(), abs=1e-5)
    assert row["source"] == "lightroom sidecar"


def test_further_tags_become_columns_with_defaults(tmp_path):
    lib = tmp_path / "lib"
    tags = {
        "File:FileSize": 0,
        "XMP:Rating": 0,
        "XMP-crs:Exposure2012": 0.0,
        "IFD0:Model": "unknown",
        "EXIF:ISO": -1,
    }
    rated = xmp(settings() | {"Exposure2012": "+0.35"}).replace(
        b"<rdf:Description ",
        b"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='3' ",
    )
    save_photo(lib / "a.jpg", rated, picture(*STORED), exif={0x0110: "EOS R6"})
    photo(lib, "b.jpg", rated, shade=1)
    (lib / "b.xmp").write_bytes(xmp(settings() | {"Exposure2012": -2}))
    photo(lib, "c.jpg", xmp(settings() | {"Exposure2012": "bright"}), shade=2)
    text = real_text(settings())
    photo(lib, "d.jpg", shade=3)
    make_catalog(lib / "my.lrcat", [Photo("d.jpg", text, root=f"{lib}/")])
    run(lib, tmp_path, tags=tags)
    assert labels(tmp_path).set_index("photo").loc["a.jpg", "File:FileSize"] > 1000
    found = labels(tmp_path).set_index("photo")[list(tags)[1:]]
    assert found.loc["a.jpg"].tolist() == [3, 0.35, "EOS R6", -1]
    assert found.loc["b.jpg"].tolist() == [3, -2, "unknown", -1]  # its sidecar first
    assert found.loc["c.jpg"].tolist() == [0, 0, "unknown", -1]  # not a number
    assert found.loc["d.jpg", "XMP-crs:Exposure2012"] == 0.3  # as the text has it
    assert found["XMP:Rating"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("stated", "outcome"),
    [
        ((600, 400), "cropped"),
        ((6000.0, 4000.0), "cropped"),  # made smaller since
        ((400, 600), "rejected"),  # turned since
        ((600, 600), "rejected"),  # cut since
        ((None, None), "cropped"),
        ((0, 0), "cropped"),
        (("600", "x"), "cropped"),
    ],
)
def test_a_catalog_s_crop_of_a_photo_that_had_another_shape_is_rejected(tmp_path, stated, outcome):
    lib = tmp_path / "lib"
    photo(lib, "a.jpg")  # of 600 x 400 px
    text = real_text(lightroom.encode(CROP, *STORED))
    catalog = make_catalog(lib / "my.lrcat", [Photo("a.jpg", text, root=f"{lib}/")])
    with closing(sqlite3.connect(catalog)) as database, database:
        database.execute("UPDATE Adobe_images SET fileWidth = ?, fileHeight = ?", stated)
    assert run(lib, tmp_path)["outcome"].to_dict() == {"a.jpg": outcome}


@pytest.mark.parametrize("written_last", ["my.lrcat", "Backups/2024-05-20 1000/my.lrcat"])
def test_a_backup_of_a_catalog_counts_only_for_photos_that_no_other_has(tmp_path, written_last):
    lib = tmp_path / "lib"
    for shade, name in enumerate(("a.jpg", "b.jpg")):
        photo(lib, name, shade=shade)
    root, old = f"{lib}/", real_text(lightroom.encode(Crop(0.1, 0.1, 0.9, 0.9, 0), *STORED))
    now = real_text(lightroom.encode(Crop(0.3, 0.1, 0.9, 0.9, 0), *STORED))
    copied = Photo("a.jpg", old, root=root, copy_of=0, copy_name="deleted since")
    before = [Photo("a.jpg", old, root=root), copied, Photo("b.jpg", old, root=root)]
    make_catalog(lib / "Backups" / "2024-05-20 1000" / "my.lrcat", before)
    make_catalog(lib / "my.lrcat", [Photo("a.jpg", now, root=root)])
    os.utime(lib / written_last, (2e9, 2e9))
    run(lib, tmp_path)
    found = labels(tmp_path).reset_index()
    assert found[["photo", "author", "crop_top"]].round(3).values.tolist() == [
        ["a.jpg", "photographer", 0.3],
        ["b.jpg", "photographer", 0.1],
    ]
