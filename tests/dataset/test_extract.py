import csv
import dataclasses
import functools
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, extract_params, picture, save_photo, scene, settings, xmp
from PIL import Image
from raw_files import BYTE, SHORT, save_dng

from cropperhead.dataset import extract, picture_copies, preview, rows, shards
from cropperhead.dataset.ledger import Ledger, write_extract_reports
from cropperhead.editors import lightroom
from cropperhead.editors.base import displayed_crop
from cropperhead.errors import LibraryError, SetupError
from cropperhead.geometry.crops import CROP_COLUMNS, Crop, Rectangle
from cropperhead.geometry.orientation import ORIENTATIONS, displayed_size, to_displayed
from cropperhead.library import edited_photo, scan
from cropperhead.photos import exiftool, image, local_features
from cropperhead.system.engine import Engine

SIDECARS = ROOT / "tests" / "vectors" / "sidecars"


def run(folder: Path, out: Path, fingerprint: str = "same", **params: object) -> pd.DataFrame:
    out.mkdir(parents=True, exist_ok=True)
    chosen = extract_params(folder, **params)
    ledger = Ledger.load(out / "ledger.parquet", fingerprint)
    catalogs = [Path(name) for name in chosen.catalogs]
    manifest = scan.manifest(scan.scan(folder, catalogs, chosen.tags).entries)
    return extract.update_shards(folder, manifest, out / "shards", ledger, chosen).to_pandas()


def labels(out: Path) -> pd.DataFrame:
    return shards.read_labels(out / "shards").set_index("photo")


def kinds(outcomes: pd.DataFrame) -> dict[str, str]:
    rows = outcomes[["file", "kind", "outcome"]].itertuples(index=False)
    return {file: kind or outcome for file, kind, outcome in rows}


def shard_bytes(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in shards.shard_files(out / "shards")}


@pytest.mark.parametrize("code", ORIENTATIONS)
@pytest.mark.parametrize("elements", [False, True])
@pytest.mark.parametrize("sidecar", [False, True])
def test_a_rotated_and_tilted_crop_is_where_the_photo_shows_it(tmp_path, code, elements, sidecar):
    stored = Rectangle(40, 25, 40, 20, 4)
    shown = to_displayed(stored, 90, 60, code)
    crop = Crop.from_rectangle(shown, *displayed_size(90, 60, code))
    packet = xmp(lightroom.encode(crop, 90, 60, code), code, elements)
    file = save_photo(tmp_path / "lib" / "a.JPG", None if sidecar else packet, exif={0x0112: code})
    if sidecar:
        file.with_suffix(".xmp").write_bytes(packet)
    run(tmp_path / "lib", tmp_path)
    row = labels(tmp_path).loc["a.JPG"]
    # six decimals in the packet
    assert [row[name] for name in CROP_COLUMNS] == pytest.approx(list(crop.limits()), abs=1e-5)
    assert (row["width"], row["height"]) == displayed_size(90, 60, code)
    assert row["orientation"] == code
    assert row["source"] == ("lightroom sidecar" if sidecar else "lightroom embedded")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff", "a.jpeg"])
def test_every_format_gives_its_embedded_crop(tmp_path, name):
    save_photo(tmp_path / name, xmp(settings()))
    run(tmp_path, tmp_path / "out")
    assert labels(tmp_path / "out").loc[name, "crop_right"] == pytest.approx(0.9)


def test_the_stored_copy_is_upright_and_has_the_stated_size(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", xmp(settings(), 6), exif={0x0112: 6})
    run(tmp_path / "lib", tmp_path)
    row = labels(tmp_path).loc["a.jpg"]
    [(_, jpeg)] = shards.iter_images(tmp_path / "shards")
    assert (
        Image.open(io.BytesIO(jpeg)).size == (row["image_width"], row["image_height"]) == (43, 64)
    )


def test_the_settings_orientation_takes_precedence_over_the_camera_s(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", exif={0x0112: 6})
    (tmp_path / "lib" / "a.xmp").write_bytes(xmp(settings(), orientation=8))
    save_photo(tmp_path / "lib" / "b.jpg", exif={0x0112: 6}, image=picture(92))
    (tmp_path / "lib" / "b.xmp").write_bytes(xmp(settings()))
    run(tmp_path / "lib", tmp_path)
    assert labels(tmp_path)["orientation"].to_dict() == {"a.jpg": 8, "b.jpg": 6}


def test_camera_and_time_are_extracted_and_an_unset_time_is_none(tmp_path):
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "Canon", "EOS R6 "
    tags.get_ifd(0x8769).update({0x9003: "2024:05:06 07:08:09", 0x9291: "25"})
    picture().save(tmp_path / "a.jpg", exif=tags, xmp=xmp(settings()))
    tags.get_ifd(0x8769).update({0x9003: "0000:00:00 00:00:00"})
    picture(92).save(tmp_path / "b.jpg", exif=tags, xmp=xmp(settings()))
    run(tmp_path, tmp_path / "out")
    table = labels(tmp_path / "out")
    assert table.loc["a.jpg", "camera"] == "Canon EOS R6"
    assert table.loc["a.jpg", "captured"] == "2024-05-06T07:08:09.250000"
    assert pd.isna(table.loc["b.jpg", "captured"])


def test_the_documents_that_a_photo_and_its_sidecar_name_are_extracted(tmp_path):
    media = 'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
    reference = 'xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#"'
    derived = f"<xmpMM:DerivedFrom {reference} stRef:documentID='xmp.did:C' stRef:instanceID='I'/>"
    packet = xmp(settings()).replace(
        b'rdf:about=""', f'rdf:about="" {media} xmpMM:OriginalDocumentID="xmp.did:B"'.encode()
    )
    packet = packet.replace(b"</rdf:Description>", derived.encode() + b"</rdf:Description>")
    save_photo(tmp_path / "a.jpg", packet)
    named = f'rdf:about="" {media} xmpMM:DocumentID="xmp.did:A" xmpMM:DerivedFrom="a.raw"'
    sidecar = xmp(settings(top=0.3)).replace(b'rdf:about=""', named.encode())
    (tmp_path / "a.xmp").write_bytes(sidecar)
    save_photo(tmp_path / "b.jpg", xmp(settings()), picture(92))
    run(tmp_path, tmp_path / "out")
    table = labels(tmp_path / "out")
    assert table["document_ids"].to_dict() == {
        "a.jpg": "xmp.did:A xmp.did:B xmp.did:C",  # a file's name is none
        "b.jpg": "",
    }


def test_the_features_of_a_photo_are_those_of_its_upright_copy(tmp_path):
    image = scene(1)
    save_photo(tmp_path / "a.jpg", xmp(settings()), image, {0x0112: 6})
    run(tmp_path, tmp_path / "out", long_side=256)
    stored = shards.read_features(tmp_path / "out" / "shards", ["a.jpg", "gone.jpg"])
    assert list(stored) == ["a.jpg"]
    [(_, jpeg)] = shards.iter_images(tmp_path / "out" / "shards")
    features = local_features.LocalFeatures.from_bytes(stored["a.jpg"])
    upright = local_features.find_features(Image.open(io.BytesIO(jpeg)))
    assert features.size == upright.size == (171, 256)
    assert picture_copies.are_copies(features, upright)


def test_each_bad_file_is_listed_with_its_reason_and_none_ends_the_run(tmp_path):
    lib = tmp_path / "lib"
    whole = save_photo(lib / "good.jpg", xmp(settings())).read_bytes()
    big = save_photo(tmp_path / "big.jpg", xmp(settings()), picture(900, 600)).read_bytes()
    content = {
        "truncated.jpg": big[: len(big) * 2 // 3],
        "empty.jpg": b"",
        "text.jpg": b"this is not a photo",
        "orphan.xmp": xmp(settings()),
        "copy.jpg": whole,
    }
    for name, data in content.items():
        (lib / name).write_bytes(data)
    for kind, values in {
        "angle": settings(angle=170),
        "pixels": settings(49, 12, 492, 700),
    }.items():
        save_photo(lib / f"{kind}.jpg", image=picture(100))
        (lib / f"{kind}.xmp").write_bytes(xmp(values))
    save_photo(lib / "broken.jpg")
    (lib / "broken.xmp").write_bytes(xmp(settings())[:-40])
    outcomes = run(lib, tmp_path)
    assert kinds(outcomes) == {
        "angle.jpg": "angle",
        "broken.jpg": "broken_xmp",
        "copy.jpg": "cropped",  # the first of two copies, in order of name
        "empty.jpg": "empty",
        "good.jpg": "duplicate",
        "orphan.xmp": "orphan_sidecar",
        "pixels.jpg": "pixels",
        "text.jpg": "not_a_photo",
        "truncated.jpg": "unreadable",
    }
    ledger = Ledger.load(tmp_path / "ledger.parquet", "same").table
    write_extract_reports(ledger, {}, tmp_path / "extract.json", tmp_path / "rejected.csv")
    counts = json.loads((tmp_path / "extract.json").read_text())
    assert counts["seen"] == 9 == counts["cropped"] + counts["uncropped"] + counts["rejected_total"]
    with (tmp_path / "rejected.csv").open(newline="") as stream:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert listed["good.jpg"] == "duplicate: byte-identical to copy.jpg, which is kept"
    assert len(listed) == 8


@pytest.mark.parametrize("sidecar", sorted(SIDECARS.glob("*.xmp")), ids=lambda file: file.stem)
def test_sidecars_of_raw_files_are_not_read_as_the_jpeg_s(tmp_path, sidecar):
    save_photo(tmp_path / "lib" / "a.jpg")
    shutil.copy(sidecar, tmp_path / "lib" / "a.xmp")
    expected = {
        "CanonRebelXS": "uncropped",  # for a CR2
        "RAW_PANASONIC_GX8_11": "pixels",
        "acr13.3_rw2_nocrop_HasCropFalse_only": "uncropped",
        "acr14.4_tiff_export_AlreadyApplied_True": "already_applied",
        "acr18.3_dng_cropped_angle0.41_HasSettingsFalse": "cropped",
        "corrections-L63A5383-2": "cropped",
        "darktable_crop_v3_ashift_excerpt": "cropped",
        "lrc12.5_uncropped_CR3_fields_no_HasCrop": "uncropped",
    }
    assert kinds(run(tmp_path / "lib", tmp_path)) == {"a.jpg": expected[sidecar.stem]}


def test_a_sidecar_takes_precedence_over_the_packet_except_in_a_finished_export(tmp_path):
    lib = tmp_path / "lib"
    applied, pixels = settings() | {"AlreadyApplied": "True"}, settings(49, 12, 492, 700)
    for name, packet in {
        "a": settings(),
        "b": applied,
        "c": pixels,
        "d": settings(),
        "e": {},
    }.items():
        save_photo(lib / f"{name}.jpg", xmp(packet), picture(90 + 2 * ord(name)))
    for name, packet in {
        "a": settings(0.3),
        "b": settings(),
        "c": settings(),
        "d": {"HasCrop": "False"},
    }.items():
        (lib / f"{name}.xmp").write_bytes(xmp(packet))
    outcomes = kinds(run(lib, tmp_path))
    assert outcomes == {
        "a.jpg": "cropped",
        "b.jpg": "already_applied",
        "c.jpg": "cropped",
        "d.jpg": "uncropped",
        "e.jpg": "uncropped",
    }
    assert labels(tmp_path).loc["a.jpg", "crop_top"] == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
@pytest.mark.parametrize(("own", "in_xmp"), [(6, 6), (6, 8), (6, None), (6, 1), (None, None)])
def test_a_tiff_or_jpeg_is_displayed_by_its_own_orientation(tmp_path, name, own, in_xmp):
    # Adobe's library drops XMP's, which is that of before another program turned the photo
    tags = {0x0112: own} if own else None
    save_photo(tmp_path / name, xmp(settings(0.1, 0.2, 0.8, 0.9), in_xmp), exif=tags)
    run(tmp_path, tmp_path / "out")
    row, shown_as = labels(tmp_path / "out").loc[name], own or 1
    box = lightroom.decode(settings(0.1, 0.2, 0.8, 0.9), 90, 60)
    expected = displayed_crop(box, 90, 60, shown_as)
    assert (row["width"], row["height"]) == displayed_size(90, 60, shown_as)
    assert [row[name] for name in CROP_COLUMNS] == pytest.approx(list(expected.limits()))
    assert (row["image_width"] > row["image_height"]) == (row["width"] > row["height"])


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
@pytest.mark.parametrize("own", [1, None])
def test_a_photo_whose_pixels_may_have_been_turned_since_it_was_cropped_is_rejected(
    tmp_path, name, own
):
    tags = {0x0112: own} if own else None
    save_photo(tmp_path / name, xmp(settings(), orientation=6), exif=tags)
    assert kinds(run(tmp_path, tmp_path / "out")) == {name: "turn"}


@pytest.mark.parametrize(
    ("stated", "code", "outcome"),
    [
        ((900, 600), 1, "cropped"),  # the picture has 90 x 60 px: made smaller since
        ((91, 60), 1, "cropped"),
        ((60, 90), 6, "cropped"),  # as displayed
        ((60, 90), 1, "frame"),  # turned since
        ((60, 90), 3, "frame"),
        ((120, 60), 1, "frame"),  # cut since
        ((0, 0), 1, "cropped"),
        ((90, None), 1, "cropped"),
    ],
)
def test_a_photo_whose_pixels_may_have_been_cut_since_it_was_cropped_is_rejected(
    tmp_path, stated, code, outcome
):
    tags = Image.Exif()
    tags[0x0112] = code
    sides = {0xA002: stated[0], 0xA003: stated[1]}
    tags.get_ifd(0x8769).update({tag: side for tag, side in sides.items() if side is not None})
    picture().save(tmp_path / "a.jpg", exif=tags, xmp=xmp(settings()))
    assert kinds(run(tmp_path, tmp_path / "out")) == {"a.jpg": outcome}


@pytest.mark.parametrize(("own", "shown_as"), [(8, 8), (1, 1), (None, 6)])
def test_a_dng_is_displayed_by_its_xmp_only_if_it_has_no_orientation(tmp_path, own, shown_as):
    tags = {0x0112: (SHORT, [own])} if own else {}
    packet = xmp(settings(), orientation=6)
    save_dng(tmp_path / "a.dng", scene(1, 300, 200), tags=tags | {700: (BYTE, list(packet))})
    run(tmp_path, tmp_path / "out")
    assert labels(tmp_path / "out").loc["a.dng", "orientation"] == shown_as


def test_xmp_after_the_pixels_of_a_png_is_found(tmp_path):
    whole = save_photo(tmp_path / "a.png", xmp(settings())).read_bytes()
    start, end = whole.index(b"iTXt") - 4, whole.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(
        whole[:start] + whole[end:-12] + whole[start:end] + whole[-12:]
    )
    assert kinds(run(tmp_path, tmp_path / "out")) == {"a.png": "cropped"}


def test_broken_xmp_is_found_behind_another_warning(tmp_path):
    broken = xmp(settings())[:-40]
    file = save_photo(tmp_path / "a.jpg", broken, exif={0x010F: "Canon"})
    content = bytearray(file.read_bytes())
    place = content.index(b"Canon\0") - 6  # the offset of the next directory, made senseless
    content[place : place + 4] = b"\xff\xff\xff\x7f"
    file.write_bytes(content)
    assert kinds(run(tmp_path, tmp_path / "out")) == {"a.jpg": "broken_xmp"}


@pytest.mark.parametrize("content", [b"", bytes(500), b"hello world", b"<html><p>not found</html>"])
def test_a_sidecar_without_xmp_is_rejected(tmp_path, content):
    save_photo(tmp_path / "a.jpg")
    (tmp_path / "a.xmp").write_bytes(content)
    assert kinds(run(tmp_path, tmp_path / "out")) == {"a.jpg": "unreadable_sidecar"}


def test_a_sidecar_may_begin_with_a_byte_order_mark_or_a_declaration(tmp_path):
    declared = b'<?xml version="1.0" encoding="UTF-8"?>\n'
    for name, start in {
        "a": b"\xef\xbb\xbf",
        "b": declared,
        "c": b"\xef\xbb\xbf" + declared,
    }.items():
        save_photo(tmp_path / f"{name}.jpg", image=picture(90 + 2 * ord(name)))
        (tmp_path / f"{name}.xmp").write_bytes(start + xmp(settings()))
    assert set(kinds(run(tmp_path, tmp_path / "out")).values()) == {"cropped"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "start", ["", "<?xml version='1.0'?>", "<?xpacket begin='\ufeff' id='W5M0'?>"]
)
def test_a_crop_in_a_wide_encoding_is_read_or_refused(tmp_path, encoding, mark, start):
    # of some spellings ExifTool reads nothing, and says so or not; with a declaration it reads all
    save_photo(tmp_path / "a.jpg")
    (tmp_path / "a.xmp").write_bytes((mark + start + xmp(settings()).decode()).encode(encoding))
    [kind] = kinds(run(tmp_path, tmp_path / "out")).values()
    assert kind in (("cropped",) if "xml" in start else ("cropped", "unreadable_sidecar"))


@pytest.mark.parametrize("name", ["-n.jpg", "#x.jpg", " lead.jpg", "a'b\"c %d.jpg", "é ü.jpg"])
def test_odd_file_names_are_read_like_others(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    save_photo(Path("-lib") / name, xmp(settings()))
    assert kinds(run(Path("-lib"), tmp_path / "out")) == {name: "cropped"}


def test_an_export_is_rejected_whatever_its_sidecar_says(tmp_path):
    save_photo(tmp_path / "a.jpg", xmp({"HasCrop": "True", "AlreadyApplied": "True"}))
    (tmp_path / "a.xmp").write_bytes(xmp(settings()))
    assert kinds(run(tmp_path, tmp_path / "out")) == {"a.jpg": "already_applied"}


def test_the_photographer_s_orientation_takes_precedence_over_a_duplicate_s(tmp_path):
    save_photo(tmp_path / "a.jpg", xmp(settings(), 6), exif={0x0112: 6})
    (tmp_path / "a_02.jpg.xmp").write_bytes(xmp(settings(), 1))
    run(tmp_path, tmp_path / "out")
    assert set(labels(tmp_path / "out")["orientation"]) == {6}


def test_a_renamed_sidecar_belongs_to_another_author(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg")
    (tmp_path / "lib" / "a.xmp").write_bytes(xmp(settings()))
    run(tmp_path / "lib", tmp_path)
    (tmp_path / "lib" / "a.xmp").rename(tmp_path / "lib" / "a_02.jpg.xmp")
    run(tmp_path / "lib", tmp_path)
    assert labels(tmp_path)["author"].tolist() == ["duplicate 02"]


@pytest.mark.parametrize("lost", ["shard-00000.parquet", "shard-00001.parquet"])
def test_labels_whose_shard_is_lost_are_read_again(tmp_path, library, lost):
    folder = library(6)
    run(folder, tmp_path)
    (tmp_path / "shards" / lost).unlink()
    run(folder, tmp_path)
    assert len(labels(tmp_path)) == 6


@pytest.mark.parametrize("damaged", ["shards/shard-00000.parquet", "ledger.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing else"])
def test_what_a_power_failure_damaged_is_read_again(tmp_path, library, damaged, content):
    folder = library(6)
    run(folder, tmp_path)
    before = labels(tmp_path).drop(columns="number")
    (tmp_path / damaged).write_bytes(content)
    run(folder, tmp_path)
    pd.testing.assert_frame_equal(labels(tmp_path).drop(columns="number"), before)


def test_a_decompression_bomb_is_rejected_before_it_is_decoded(tmp_path, monkeypatch):
    save_photo(tmp_path / "lib" / "a.png", xmp(settings()))
    monkeypatch.setattr(edited_photo.precheck, "is_bomb", lambda _: True)
    assert kinds(run(tmp_path / "lib", tmp_path)) == {"a.png": "too_large"}


def test_sidecars_of_duplicates_are_more_authors_of_one_photo(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", xmp(settings()))
    (tmp_path / "lib" / "a_01.jpg.xmp").write_bytes(xmp(settings(0.3)))
    run(tmp_path / "lib", tmp_path)
    table = shards.read_labels(tmp_path / "shards")
    assert table["author"].tolist() == ["duplicate 01", "photographer"]
    assert table["crop_top"].tolist() == pytest.approx([0.3, 0.1])
    assert len(list(shards.iter_images(tmp_path / "shards"))) == 1


def test_settings_of_nested_looks_are_ignored(tmp_path):
    nested = xmp(settings()).replace(
        b"</rdf:Description>",
        b"<crs:Look><rdf:Description><crs:Parameters><rdf:Description crs:CropTop='0.5'/>"
        b"</crs:Parameters></rdf:Description></crs:Look></rdf:Description>",
    )
    save_photo(tmp_path / "a.jpg", nested)
    run(tmp_path, tmp_path / "out")
    assert labels(tmp_path / "out").loc["a.jpg", "crop_top"] == pytest.approx(0.1)


def test_only_new_photos_are_read_and_old_shards_keep_their_bytes(tmp_path, library, monkeypatch):
    folder = library(6)
    run(folder, tmp_path)
    before = shard_bytes(tmp_path)
    seen: list[str] = []
    read_rows = rows.read_rows

    def spy(library_folder, batch, *rest):
        seen.extend(entry.file for entry in batch)
        return read_rows(library_folder, batch, *rest)

    monkeypatch.setattr(extract.rows, "read_rows", spy)
    run(folder, tmp_path)
    assert seen == []
    library(2, first=6)
    run(folder, tmp_path)
    assert seen == ["2024/IMG_0006.jpg", "2024/IMG_0007.jpg"]
    after = shard_bytes(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(labels(tmp_path)) == 8


def test_changed_moved_and_deleted_photos_are_updated(tmp_path, library):
    folder = library(9)
    run(folder, tmp_path)
    numbers = labels(tmp_path)["number"]
    untouched = shard_bytes(tmp_path)["shard-00001.parquet"]  # photos 4 to 7
    (folder / "2024" / "IMG_0000.jpg").unlink()
    (folder / "2024" / "IMG_0001.jpg").rename(folder / "moved.jpg")
    save_photo(folder / "2024" / "IMG_0002.jpg", xmp(settings(0.33)), picture(200))
    run(folder, tmp_path)
    table = labels(tmp_path)
    assert sorted(table.index) == [*(f"2024/IMG_000{i}.jpg" for i in range(2, 9)), "moved.jpg"]
    assert table.loc["2024/IMG_0002.jpg", "crop_top"] == pytest.approx(0.33)
    assert table.loc["2024/IMG_0002.jpg", "number"] == numbers["2024/IMG_0002.jpg"]
    assert table.loc["moved.jpg", "number"] == numbers["2024/IMG_0001.jpg"]
    assert shard_bytes(tmp_path)["shard-00001.parquet"] == untouched


def test_a_photo_that_moves_keeps_its_origin(tmp_path, library, monkeypatch):
    folder = library(6)
    run(folder, tmp_path)
    for step, name in enumerate(["b/moved.jpg", "a/moved again.jpg"]):
        (folder / name).parent.mkdir(exist_ok=True)
        last = "2024/IMG_0001.jpg" if step == 0 else "b/moved.jpg"
        (folder / last).rename(folder / name)
        library(1, first=20 + step)  # a newcomer in the same run
        if step:  # which is interrupted before it is done
            with monkeypatch.context() as patch:
                patch.setattr(extract.shards, "write_shard", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    run(folder, tmp_path)
        run(folder, tmp_path)
    run(folder, tmp_path, fingerprint="other")
    table = labels(tmp_path)
    assert table.loc["a/moved again.jpg", ["origin", "number"]].tolist() == ["2024/IMG_0001.jpg", 1]
    others = table.drop("a/moved again.jpg")
    assert (others["origin"] == others.index).all()
    assert table["number"].is_unique


def test_a_copy_that_replaces_a_photo_keeps_its_origin(tmp_path):
    lib = tmp_path / "lib"
    save_photo(lib / "m.jpg", xmp(settings()))
    shutil.copy(lib / "m.jpg", lib / "z.jpg")
    run(lib, tmp_path)
    (lib / "m.jpg").unlink()
    run(lib, tmp_path)
    assert labels(tmp_path).loc["z.jpg", ["origin", "number"]].tolist() == ["m.jpg", 0]
    shutil.copy(lib / "z.jpg", lib / "a.jpg")  # a copy whose name comes first
    (lib / "z.xmp").write_bytes(xmp(settings(0.3)))
    run(lib, tmp_path)
    table = labels(tmp_path)
    assert table["origin"].to_dict() == {"z.jpg": "m.jpg"}
    assert table.loc["z.jpg", "crop_top"] == pytest.approx(0.3)


def test_photos_that_swap_names_keep_their_origins(tmp_path, library):
    folder = library(3) / "2024"
    run(folder, tmp_path)
    (folder / "IMG_0000.jpg").unlink()
    for number in (1, 2):
        (folder / f"IMG_000{number}.jpg").rename(folder / f"IMG_000{number - 1}.jpg")
    run(folder, tmp_path, fingerprint="other")
    assert labels(tmp_path)["origin"].to_dict() == {
        "IMG_0000.jpg": "IMG_0001.jpg",
        "IMG_0001.jpg": "IMG_0002.jpg",
    }


def test_an_interruption_ends_the_run_at_once_and_leaves_no_process(tmp_path, library):
    folder = library(200)
    script = tmp_path / "busy.py"
    script.write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in background shells
        f"sys.path += {[str(Path(__file__).parent), str(ROOT / 'tests')]!r}\n"
        "from pathlib import Path\n"
        "from test_extract import run\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        f"        run(Path({str(folder)!r}), Path({str(tmp_path / 'cut')!r}), workers=2)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    busy = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.PIPE, start_new_session=True
    )
    journal = tmp_path / "cut" / "ledger.journal"
    while not journal.exists() and busy.poll() is None:
        time.sleep(0.02)
    os.killpg(busy.pid, signal.SIGINT)
    _, errors = busy.communicate(timeout=60)  # ends when no process holds the pipe any more
    assert busy.returncode == 130
    assert b"Traceback" not in errors
    assert b"Warning" not in errors


def test_a_duplicate_is_cropped_again_when_the_other_copy_is_deleted(tmp_path):
    lib = tmp_path / "lib"
    save_photo(lib / "a.jpg", xmp(settings()))
    shutil.copy(lib / "a.jpg", lib / "b.jpg")
    save_photo(lib / "c.jpg", xmp(settings()), picture(120))
    assert kinds(run(lib, tmp_path))["b.jpg"] == "duplicate"
    (lib / "a.jpg").unlink()
    assert kinds(run(lib, tmp_path)) == {"b.jpg": "cropped", "c.jpg": "cropped"}


def test_an_interrupted_run_resumes_and_gives_the_same_shards(tmp_path, library, monkeypatch):
    folder = library(10)
    run(folder, tmp_path / "whole")
    write = shards.write_shard
    calls = iter([True, True, False])

    def failing(rows, out, extra_columns):
        name = write(rows, out, extra_columns)
        if not next(calls):
            raise KeyboardInterrupt  # the shard exists, and the ledger does not list it yet
        return name

    monkeypatch.setattr(extract.shards, "write_shard", failing)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "cut")
    monkeypatch.setattr(extract.shards, "write_shard", write)
    run(folder, tmp_path / "cut")
    assert shard_bytes(tmp_path / "cut") == shard_bytes(tmp_path / "whole")


def test_with_another_fingerprint_everything_is_read_again(tmp_path, library):
    folder = library(3)
    run(folder, tmp_path)
    run(folder, tmp_path, fingerprint="other", long_side=40)
    assert labels(tmp_path)["image_width"].tolist() == [40, 40, 40]


def test_photos_keep_their_numbers_when_everything_is_read_again(tmp_path, library):
    folder = library(3, first=5)
    run(folder, tmp_path)
    library(2)  # newcomers that come first by name
    run(folder, tmp_path)
    numbers = labels(tmp_path)["number"].to_dict()
    assert numbers["2024/IMG_0005.jpg"] == 0
    assert numbers["2024/IMG_0000.jpg"] == 3
    run(folder, tmp_path, fingerprint="other", long_side=40)
    assert labels(tmp_path)["number"].to_dict() == numbers


def test_the_fingerprint_depends_on_code_and_params_but_not_on_the_folder(tmp_path):
    params = extract_params("here")
    source = tmp_path / "module.py"
    source.write_text("1")
    first = extract.fingerprint(params, [source])
    moved = dataclasses.replace(params, library="there", batch_files=9, workers=2, catalogs=("c",))
    assert extract.fingerprint(moved, [source]) == first
    for other in ({"long_side": 65}, {"tags": {"XMP:Rating": 0}}):
        assert extract.fingerprint(dataclasses.replace(params, **other), [source]) != first
    source.write_text("2")
    assert extract.fingerprint(params, [source]) != first


def test_the_same_library_gives_the_same_bytes(tmp_path, library):
    folder = library(5)
    for name in ("one", "two"):
        run(folder, tmp_path / name)
    assert shard_bytes(tmp_path / "one") == shard_bytes(tmp_path / "two")


def test_the_error_for_a_library_without_crops_says_what_to_do(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg")
    run(tmp_path / "lib", tmp_path)
    outcomes = Ledger.load(tmp_path / "ledger.parquet", "same").table
    with pytest.raises(LibraryError, match="save their metadata to file"):
        extract.require_crops(outcomes, tmp_path / "lib")


def test_the_error_for_missing_exiftool_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(SetupError, match="apt install libimage-exiftool-perl"),
        exiftool.tag_reader(),
    ):
        pass


def test_a_file_that_cannot_be_opened_is_rejected(tmp_path):
    save_photo(tmp_path / "lib" / "a.jpg", xmp(settings()))
    save_photo(tmp_path / "lib" / "b.jpg", xmp(settings()), picture(100))
    (tmp_path / "lib" / "c.jpg").symlink_to(tmp_path / "nowhere")
    outcomes = kinds(run(tmp_path / "lib", tmp_path))
    assert outcomes == {"a.jpg": "cropped", "b.jpg": "cropped", "c.jpg": "unreadable"}


def scanned(folder: Path, out: Path, then: Callable[[], object]) -> pd.DataFrame:
    """Extracts what a scan has listed before something happens to the library."""
    params = extract_params(folder)
    manifest = scan.manifest(scan.scan(folder, [], params.tags).entries)
    then()
    ledger = Ledger.load(out / "ledger.parquet", "same")
    return extract.update_shards(folder, manifest, out / "shards", ledger, params).to_pandas()


@pytest.mark.parametrize("is_mounted_elsewhere", [False, True])
def test_a_library_that_vanishes_ends_the_run_and_no_photo_is_rejected(
    tmp_path, library, is_mounted_elsewhere
):
    folder, away = library(6), tmp_path / "away"
    run(folder, tmp_path / "out")
    before = shard_bytes(tmp_path / "out")
    library(2, first=6)

    def unplug() -> None:
        folder.rename(away)
        if is_mounted_elsewhere:
            folder.mkdir()  # the empty folder at which a disk was mounted

    with pytest.raises(LibraryError, match=r"library is no longer there\. Connect its disk"):
        scanned(folder, tmp_path / "out", unplug)
    assert shard_bytes(tmp_path / "out") == before
    if is_mounted_elsewhere:
        folder.rmdir()
    away.rename(folder)
    assert set(run(folder, tmp_path / "out")["outcome"]) == {"cropped"}
    assert len(labels(tmp_path / "out")) == 8


def test_a_file_that_could_not_be_opened_is_read_again_by_the_next_run(tmp_path, library):
    folder = library(3)
    photo, away = folder / "2024" / "IMG_0001.jpg", tmp_path / "away.jpg"
    first = scanned(folder, tmp_path / "out", lambda: photo.rename(away))
    [rejected] = first[first["outcome"] == "rejected"].itertuples()
    assert rejected.reason == "it cannot be opened: No such file or directory"
    away.rename(photo)
    assert set(run(folder, tmp_path / "out")["outcome"]) == {"cropped"}


def test_a_file_that_is_not_done_within_the_time_limit_is_rejected(tmp_path, monkeypatch):
    save_photo(tmp_path / "lib" / "a.jpg", xmp(settings()))
    (tmp_path / "exiftool").write_text("#!/bin/sh\nexec sleep 30\n")  # one that never answers
    (tmp_path / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    limited = functools.partialmethod(Engine.map_chunks, limit_s=1)
    monkeypatch.setattr(Engine, "map_chunks", limited)
    outcomes = run(tmp_path / "lib", tmp_path, workers=2)
    assert kinds(outcomes) == {"a.jpg": "timeout"}
    assert list(outcomes["reason"]) == ["a decoder did not finish within 1 s"]


def test_any_number_of_workers_gives_the_same_bytes(tmp_path, library):
    folder = library(11)
    save_photo(folder / "2024" / "IMG_9999.jpg", xmp(settings()), picture(90))  # as IMG_0000
    (folder / "2024" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    for number in (1, 2, 3):
        run(folder, tmp_path / str(number), workers=number)
    first = {file.name: file.read_bytes() for file in (tmp_path / "1").rglob("*.parquet")}
    assert len(first) == 4
    for other in ("2", "3"):
        files = {file.name: file.read_bytes() for file in (tmp_path / other).rglob("*.parquet")}
        assert files == first


def test_a_killed_run_resumes_and_gives_the_same_shards(tmp_path, library):
    folder = library(24)
    run(folder, tmp_path / "whole")
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, signal, sys\n"
        f"sys.path += {[str(Path(__file__).parent), str(ROOT / 'tests')]!r}\n"
        "from pathlib import Path\n"
        "from cropperhead.dataset import shards\n"
        "from test_extract import run\n"
        "write, written = shards._replace, []\n"
        "def cut_off(table, file):\n"
        "    write(table, file)\n"
        "    written.append(file)\n"
        "    if len(written) == 3:\n"
        "        file.with_suffix('.unfinished').write_bytes(file.read_bytes()[:99])\n"
        "        file.unlink()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "shards._replace = cut_off\n"
        "if __name__ == '__main__':\n"
        f"    run(Path({str(folder)!r}), Path({str(tmp_path / 'cut')!r}), workers=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(shard_bytes(tmp_path / "cut")) == 2
    read: list[str] = []
    read_rows = rows.read_rows

    def spy(library_folder, batch, *rest):
        read.extend(entry.file for entry in batch)
        return read_rows(library_folder, batch, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract.rows, "read_rows", spy)
        run(folder, tmp_path / "cut")
    assert len(read) == 24 - 2 * 4  # the two batches that were done are not read again
    assert shard_bytes(tmp_path / "cut") == shard_bytes(tmp_path / "whole")
    assert not list((tmp_path / "cut").rglob("*.unfinished"))


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """When each file and folder changed last, and what it holds; reading one changes neither."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def test_a_preview_counts_what_would_be_found_and_writes_nothing(tmp_path, library, monkeypatch):
    folder = library(6)
    save_photo(folder / "plain.jpg")
    save_photo(folder / "odd.jpg", xmp(settings(angle=60)))
    monkeypatch.setattr(image, "small_copy", None)  # no picture is decoded
    before = contents(tmp_path)
    summary = preview.preview(folder, scan.scan(folder).entries, extract_params(folder))
    assert summary.outcomes == {"cropped": 6, "uncropped": 1, "angle": 1}
    assert summary.labels == {"lightroom embedded": 6}
    assert contents(tmp_path) == before
    assert str(summary).split("\n") == [
        "        8 files",
        "        6 cropped, 6 crops",
        "                  6 lightroom embedded",
        "        1 not cropped",
        "        1 rejected",
        "                  1 angle",
    ]
