"""Files that were found, or made, to crash, hang or take all memory; and a short hunt for more."""

import gc
import io
import os
import random
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fuzzing
import pandas as pd
import pillow_heif
import pytest
from catalog_files import Photo, make_catalog, packed, real_text
from conftest import darktable_xmp, extract_params, save_photo, settings, xmp
from PIL import Image
from raw_files import LONG, RATIONAL, save_dng, scene

from cropperhead.dataset import extract, shards
from cropperhead.dataset.ledger import Ledger
from cropperhead.editors import lightroom, lightroom_catalog, profile
from cropperhead.errors import RejectedFile
from cropperhead.library import scan
from cropperhead.photos import exiftool, raw

CROPPED = xmp(settings())


def extracted(folder: Path, **params: object) -> pd.DataFrame:
    """The ledger's table by file; labels go into a folder beside the library."""
    chosen = extract_params(folder, **({"max_megapixels": 1.0} | params))
    found = scan.scan(folder, [], chosen.tags)
    out = folder.parent / "out"
    out.mkdir()
    book = Ledger.load(out / "ledger.parquet", "")
    manifest = scan.manifest(found.entries)
    table = extract.update_shards(folder, manifest, out / "shards", book, chosen)
    return table.to_pandas().set_index("file")


def labels(folder: Path) -> pd.DataFrame:
    return shards.read_labels(folder.parent / "out" / "shards").set_index("photo")


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """A library of one uncropped photo."""
    save_photo(tmp_path / "lib" / "a.jpg")
    return tmp_path / "lib"


def test_every_mutated_file_ends_as_a_label_or_a_named_rejection(tmp_path):
    # of these, number 49 is read by two processes, and what 39 and 49 say is told
    found = fuzzing.hunt(seed=0, folder=tmp_path, libraries=12, first=38)
    assert found.wrong == []
    assert found.libraries == 12
    assert {"cropped", "uncropped", "unreadable", "not_a_photo", "broken_xmp"} <= {*found.outcomes}


def test_the_same_seed_makes_the_same_library(tmp_path):
    for name in "ab":
        fuzzing.make_library(tmp_path / name / "lib", seed=3, number=5)
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / name / "lib").glob("[!a]*")}
        for name in "ab"
    )
    assert first == second


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "heic", "avif"])
def test_a_container_is_taken_apart_and_put_together_again(kind):
    content = fuzzing.sound(kind)
    splits = {"jpg": fuzzing._Jpeg, "png": fuzzing._Png, "webp": fuzzing._Riff}
    container = splits.get(kind, fuzzing._Boxes)
    parts = container.split(content)
    assert len(parts) >= 3
    assert container.join(parts) == content


def test_a_word_in_place_of_an_orientation_counts_as_none(lib):
    save_photo(lib / "b.jpg", xmp(settings(), "True"))
    extracted(lib)
    assert labels(lib)["orientation"].tolist() == [1]


@pytest.mark.parametrize("rating", ["9" * 30, "1e30", "nan", "-inf", "five"])
@pytest.mark.parametrize("default", [7, 7.0])
def test_a_tag_that_fits_no_column_counts_as_unset(lib, rating, default):
    rated = f"<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='{rating}' "
    save_photo(lib / "b.jpg", CROPPED.replace(b"<rdf:Description ", rated.encode()))
    extracted(lib, tags={"XMP:Rating": default})
    assert labels(lib)["XMP:Rating"].tolist() == [7]


def test_a_reason_quotes_no_more_than_a_thousand_characters(lib):
    (lib / "a.xmp").write_bytes(xmp(settings(top="x" * 100_000)))
    row = extracted(lib).loc["a.jpg"]
    assert row["kind"] == "not_a_number"
    assert row["reason"].startswith("CropTop is 'xxx")
    assert len(row["reason"]) <= 1003


def test_lists_a_thousand_deep_are_named_and_spoil_no_other_file(lib):
    head, tail = CROPPED.split(b"</rdf:Description>")
    deep = b"<rdf:Seq><rdf:li>" * 1000 + b"0.1" + b"</rdf:li></rdf:Seq>" * 1000
    (lib / "a.xmp").write_bytes(
        head + b"<crs:PerspectiveX>" + deep + b"</crs:PerspectiveX></rdf:Description>" + tail
    )
    save_photo(lib / "b.jpg", CROPPED)
    assert extracted(lib)["kind"].to_dict() == {"a.jpg": "unreadable_sidecar", "b.jpg": ""}


ENTITIES = b'<!DOCTYPE a [<!ENTITY a "ha">' + b"".join(
    f'<!ENTITY a{i} "{f"&a{i - 1 or str()};" * 10}">'.encode() for i in range(1, 11)
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (ENTITIES + b"]>" + xmp(settings(top="&a10;")), "unreadable_sidecar"),
        (b"\xff\xfe" + CROPPED.decode().encode("utf-16-le"), "unreadable_sidecar"),
        (CROPPED.replace(b"0.1", b"\xff\xfe"), "not_a_number"),
        (CROPPED.replace(b"0.1", b"\0"), "not_a_number"),
        (b"\0" * 5000, "unreadable_sidecar"),
        (CROPPED * 2, ""),
        (CROPPED[:-30], "broken_xmp"),
        (b"<x:xmpmeta>" * 5000, "broken_xmp"),
        (CROPPED.replace(b"crs:CropTop", b"crs:" + b"C" * 100_000), "incomplete"),
    ],
)
def test_a_sidecar_made_to_do_harm_is_named(lib, content, kind):
    (lib / "a.xmp").write_bytes(content)
    assert extracted(lib).loc["a.jpg", "kind"] == kind


def test_a_million_digits_are_read_in_one_pass():
    # with ten times the digits, a pattern that tries every division of them takes hours
    with pytest.raises(RejectedFile) as caught:
        profile.number({"Rotation": {"Degree": "1" * 1_000_000 + "x"}}, "Rotation", "Degree", 0)
    assert caught.value.kind == "not_a_number"


# --- ExifTool ---------------------------------------------------------------------------------


def test_a_warning_that_exiftool_tells_once_in_its_life_is_no_riddle(tmp_path):
    names = [tmp_path / name for name in ("a.xmp", "b.xmp")]
    for name in names:
        name.write_bytes(CROPPED.replace(b"crs:HasCrop", b"35:HasCrop"))
    with exiftool.tag_reader() as reader:
        found = reader.read(names, ["XMP-crs:CropTop"])
    assert [found[name]["XMP-crs:CropTop"] for name in names] == [0.1, 0.1]


def test_of_a_tag_that_is_given_twice_every_exiftool_tells_the_same(tmp_path):
    limits = "".join(f"<crs:CropTop>{i / 100}</crs:CropTop>" for i in range(1, 40)).encode()
    (tmp_path / "a.xmp").write_bytes(CROPPED.replace(b"</rdf:D", limits + b"</rdf:D"))
    answers = set()
    for _ in range(4):
        with exiftool.tag_reader() as reader:
            [found] = reader.read([tmp_path / "a.xmp"], ["XMP-crs:CropTop"]).values()
            answers.add(str(found["XMP-crs:CropTop"]))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "history",
    ["<rdf:Seq/>", "", "text", "<rdf:Seq><rdf:li>text</rdf:li></rdf:Seq>", "<rdf:Seq><rdf:li/>"],
)
def test_no_sidecar_decides_how_those_after_it_are_read(lib, history):
    # without tables of its own, ExifTool takes the first history for the form of all others
    text = darktable_xmp({"History": [], "History_end": 0})
    first = text.replace(b"<rdf:Seq></rdf:Seq>", history.encode())
    (lib / "a.jpg.xmp").write_bytes(first)
    (lib / "b.jpg").write_bytes((lib / "a.jpg").read_bytes() + b" ")
    (lib / "b.jpg.xmp").write_bytes(fuzzing.sound("darktable.xmp"))
    assert extracted(lib).loc["b.jpg", "outcome"] == "cropped"


def test_a_photo_with_an_empty_history_is_not_cropped(lib):
    (lib / "a.jpg.xmp").write_bytes(darktable_xmp({"History": [], "History_end": 0}))
    assert extracted(lib).loc["a.jpg", "outcome"] == "uncropped"


def inflating(megabytes: int) -> bytes:
    """Zlib's form of so many megabytes of zeros, a thousandth of the size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (megabytes << 20) % 65521 << 16 | 1  # Adler-32 of zeros
    return b"\x78\xda" + block * megabytes + b"\x03\0" + struct.pack(">I", checksum)


def bomb(file: Path, name: bytes, start: bytes, megabytes: int) -> Path:
    """A PNG with a text that inflates to so many megabytes."""
    whole = save_photo(file, CROPPED).read_bytes()
    chunk = fuzzing.png_chunk(name, start + inflating(megabytes))
    file.write_bytes(whole[:33] + chunk + whole[33:])  # after the signature and the header
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits one process's memory")
def test_a_bomb_ends_exiftool_and_not_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(exiftool, "_MOST_BYTES", 256 << 20)
    save_photo(tmp_path / "lib" / "a.png", CROPPED)
    start = b"XML:com.adobe.xmp\0\1\0\0\0"
    bombs = [bomb(tmp_path / "lib" / f"{i}.png", b"iTXt", start, 300) for i in range(2)]
    whole = tmp_path / "lib" / "a.png"
    with exiftool.tag_reader() as reader:
        found = reader.read([*bombs, whole], ["XMP-crs:CropTop"])
    assert {file.name: tags["XMP-crs:CropTop"] for file, tags in found.items()} == {"a.png": 0.1}


@pytest.mark.parametrize("is_known", [True, False])
def test_an_exiftool_that_was_ended_from_outside_starts_again(tmp_path, is_known):
    """Also in the moment in which it has ended and its parent does not know it yet."""
    file = save_photo(tmp_path / "a.jpg", CROPPED)
    with exiftool.tag_reader() as reader:
        asked, process = reader._process.get_tags, reader._process._process

        def killed(*arguments, **named):
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            if not is_known:
                process.poll = lambda: None
            return asked(*arguments, **named)

        reader._process.get_tags = killed
        assert reader.read([file, file], ["XMP-crs:CropTop"])[file]["XMP-crs:CropTop"] == 0.1
    gc.collect()  # an error when it is thrown away would end this test


# --- pictures ---------------------------------------------------------------------------------


def understated(kind: str) -> bytes:
    """A picture of 2000 x 2000 px that claims to have 64 x 64."""
    whole, stream = Image.new("RGB", (2000, 2000), "grey"), io.BytesIO()
    pillow_heif.register_heif_opener()
    if kind == "tif":
        whole.save(stream, "TIFF", compression="tiff_lzw", tiffinfo={700: CROPPED})
        return _with_tiff_sides(stream.getvalue())
    if kind == "png":
        whole.save(stream, "PNG")
        content = stream.getvalue()
        header = fuzzing.png_chunk(b"IHDR", struct.pack(">II", 64, 64) + content[24:29])
        text = fuzzing.png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + CROPPED)
        return content[:8] + header + text + content[33:]
    whole.save(stream, {"webp": "WEBP", "heic": "HEIF", "avif": "AVIF"}[kind], xmp=CROPPED)
    sides, claimed = struct.pack(">II", 2000, 2000), struct.pack(">II", 64, 64)
    if kind == "webp":  # less one, in three bytes each
        sides, claimed = (side.to_bytes(3, "little") * 2 for side in (1999, 63))
    return stream.getvalue().replace(sides, claimed)


def _with_tiff_sides(content: bytes) -> bytes:
    for tag in (256, 257):
        entry = struct.pack("<HHI", tag, 4, 1)
        at = content.find(entry)
        at = at if at >= 0 else content.index(struct.pack("<HHI", tag, 3, 1))
        content = content[:at] + entry + struct.pack("<I", 64) + content[at + 12 :]
    return content


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("png", ""), ("tif", ""), ("webp", "unreadable"), ("heic", "unreadable"), ("avif", "")],
)
def test_a_picture_larger_than_it_claims_is_read_as_small_or_named(lib, kind, outcome):
    (lib / f"b.{kind}").write_bytes(understated(kind))
    assert extracted(lib).loc[f"b.{kind}", "kind"] == outcome
    if not outcome:
        assert labels(lib)[["width", "height"]].values.tolist() == [[64, 64]]


@pytest.mark.parametrize("scale", [[9, 1, 1, 1], [1, 1, 9, 1]])
@pytest.mark.parametrize("crop", [[480, 320], [48, 32]])
def test_oblong_pixels_count_as_many_as_they_are_stretched_to(lib, scale, crop):
    # 480 x 320 px and a border, stretched by 9: 1.5 megapixels of the one that is allowed,
    # however few of them the default crop keeps
    tags = {50718: (RATIONAL, scale), 50720: (LONG, crop)}
    save_dng(lib / "b.dng", scene(480, 320), raw_tags=tags)
    (lib / "b.xmp").write_bytes(CROPPED)
    assert extracted(lib).loc["b.dng", "kind"] == "too_large"


def test_a_raw_file_cut_off_in_its_preview_shows_no_other_photo(tmp_path):
    # LibRaw leaves what is missing as it lay in memory: the end of the preview before
    whole = save_dng(tmp_path / "a.dng", scene(240, 160), scene(240, 160)).read_bytes()
    start = whole.index(b"\xff\xd8\xff")
    (tmp_path / "b.dng").write_bytes(whole[: start + 300])
    for _ in range(3):
        with raw.open_raw(tmp_path / "a.dng", 1) as photo:
            photo.picture(64)
        with pytest.raises(RejectedFile) as caught, raw.open_raw(tmp_path / "b.dng", 1) as photo:
            photo.picture(64)
        assert caught.value.kind == "unreadable"


# --- catalogs ---------------------------------------------------------------------------------


def read(catalog: Path) -> list[lightroom_catalog.CatalogImage]:
    return list(lightroom_catalog.read_images(catalog, lightroom.TAGS))


def tangled(catalog: Path, deep: int) -> Path:
    """Puts pages above a table, each of which names the one below 400 times: 400^deep rows."""
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("DROP INDEX index_Adobe_images_rootFile")
        database.execute("DROP INDEX index_Adobe_images_masterImage")
        database.commit()
        named = "SELECT rootpage FROM sqlite_master WHERE name = 'Adobe_images'"
        [root] = database.execute(named).fetchone()
    content = bytearray(catalog.read_bytes())
    size = int.from_bytes(content[16:18])
    top = slice((root - 1) * size, root * size)
    pages, below = len(content) // size, bytes(content[top])
    for _ in range(deep):
        content += below
        pages += 1
        below = _interior(size, pages)
    content[top] = below
    content[28:32] = struct.pack(">I", pages)
    catalog.write_bytes(content)
    return catalog


def _interior(size: int, child: int) -> bytes:
    """An interior page of a table's tree (https://www.sqlite.org/fileformat2.html#b_tree_pages)."""
    cell, number = struct.pack(">IB", child, 100), 400
    places = [size - len(cell) * (i + 1) for i in range(number)]
    header = struct.pack(">BHHHBI", 5, 0, number, places[-1], 0, child)
    start = header + struct.pack(f">{number}H", *places)
    return start.ljust(places[-1], b"\0") + cell * number


@pytest.mark.parametrize("deep", [2, 8])
def test_a_catalog_whose_pages_lead_to_each_other_is_given_up(tmp_path, deep):
    make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg", real_text())])
    with pytest.raises(RejectedFile) as caught:
        read(tangled(tmp_path / "a.lrcat", deep))
    assert caught.value.kind == "broken_catalog"


def test_ten_thousand_copies_of_one_name_are_numbered_in_one_pass(tmp_path):
    copies = [Photo("a.jpg", copy_of=0, copy_name="Square") for _ in range(10_000)]
    make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg"), *copies])
    authors = [image.author for image in read(tmp_path / "a.lrcat")]
    assert authors[:3] == ["photographer", "copy Square", "copy Square (2)"]
    assert authors[-1] == "copy Square (10000)"
    assert len({*authors}) == 10_001


def test_a_number_that_is_a_name_of_its_own_is_passed_over(tmp_path):
    names = ["X (2)", "X", "X", "X", "X (3)"]
    copies = [Photo("a.jpg", copy_of=0, copy_name=name) for name in names]
    make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg"), *copies])
    authors = [image.author.removeprefix("copy ") for image in read(tmp_path / "a.lrcat")]
    assert authors[1:] == ["X (2)", "X", "X (3)", "X (4)", "X (3) (2)"]


def test_a_folder_s_name_of_a_megabyte_ends_the_catalog(tmp_path):
    photos = [Photo(f"{i}.jpg", root="/" + "a/" * 500_000) for i in range(50)]
    make_catalog(tmp_path / "a.lrcat", photos)
    with pytest.raises(RejectedFile, match="AgLibraryRootFolder has a name of 1000001 characters"):
        read(tmp_path / "a.lrcat")


def test_of_a_long_text_among_settings_the_beginning_is_kept(tmp_path):
    text = packed(real_text(settings(top="x" * 1_000_000)))
    make_catalog(tmp_path / "a.lrcat", [Photo("a.jpg", text)])
    [image] = read(tmp_path / "a.lrcat")
    assert image.settings["CropTop"] == "x" * 1000


def test_a_catalog_with_a_table_changed_at_random_is_read_or_named(tmp_path):
    outcomes = set()
    for seed in range(30):
        chance = random.Random(seed)
        make_catalog(tmp_path / f"{seed}.lrcat", [Photo("a.jpg", real_text())])
        with closing(sqlite3.connect(tmp_path / f"{seed}.lrcat")) as database:
            fuzzing._change(database, chance)
            database.commit()
        outcomes |= {*_outcomes(tmp_path / f"{seed}.lrcat")}
    assert outcomes <= {"read", "broken_catalog"}
    assert "read" in outcomes


def _outcomes(catalog: Path) -> Iterator[str]:
    try:
        yield from ("broken_catalog" if one.problem else "read" for one in read(catalog))
    except RejectedFile as error:
        yield error.kind
