"""How much is fetched of CR3, RAF, PNG and WebP files in a store; labels are as in a folder."""

import io
import random
import struct
from pathlib import Path

import pandas as pd
import pytest
from conftest import save_photo, scene, settings, xmp
from maker_files import FRAME, save_cr3, save_raf
from PIL import Image
from png_files import one_piece, png_chunk
from store_fixtures import run, shards

from cropperhead.library.store import StoredLibrary
from cropperhead.photos import chunk_layout, cr3_layout, raf_layout, raw

KB, BLOCK = 1024, 64 * 1024
CROP, RESET = xmp(settings()), xmp({"HasCrop": "False"})
RAW_PIXELS = 2 * FRAME[0] * FRAME[1]  # bytes: 4.3 MB
NOISE = Image.effect_noise((1500, 1000), 60).convert("RGB")


def save_old_raf(file, *rest):
    return save_raf(file, *rest, has_structure=False)


CAMERAS = {"cr3": save_cr3, "raf": save_raf, "old raf": save_old_raf}


def compare(folder: Path, library: StoredLibrary, out: Path) -> pd.DataFrame:
    """Extract both, and give the ledger of the store's, which has to be as the folder's."""
    ledgers = [run(out / name, one)[0] for name, one in (("folder", folder), ("store", library))]
    same = [one.drop(columns=["trace", "sha256"]) for one in ledgers]
    pd.testing.assert_frame_equal(*same)
    if (ledgers[0]["outcome"] == "cropped").any():
        rows = [shards(out / name).drop(columns="sha256") for name in ("folder", "store")]
        pd.testing.assert_frame_equal(*rows)
    return ledgers[1]


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("camera", CAMERAS)
def test_of_a_cameras_file_the_header_is_fetched_and_if_cropped_the_preview(
    bucket, tmp_path, camera
):
    save, suffix = CAMERAS[camera], camera[-3:]
    for number, (name, packet) in enumerate(
        [("plain", None), ("reset", RESET), ("own", CROP), ("side", None)]
    ):
        save(bucket.folder / f"{name}.{suffix}", scene(number, 1200, 800), packet)
    (bucket.folder / "side.xmp").write_bytes(CROP)
    # a file that another program has changed shows its pixels, and all of them are fetched
    editor = {305: "Some Editor 1.0"}
    save(bucket.folder / f"changed.{suffix}", scene(9, 1200, 800), CROP, editor)
    bucket.upload()
    ledger = compare(bucket.folder, bucket.library, tmp_path)
    assert ledger["outcome"].to_dict() == {
        f"changed.{suffix}": ledger.loc[f"changed.{suffix}", "outcome"],
        f"own.{suffix}": "cropped",
        f"plain.{suffix}": "uncropped",
        f"reset.{suffix}": "uncropped",
        f"side.{suffix}": "cropped",
    }
    fetched = bucket.fetched()
    sizes = {name: (bucket.folder / name).stat().st_size for name in ledger.index}
    # the file's head and the blocks about the ends of its pictures
    assert max(fetched[f"{name}.{suffix}"] for name in ("plain", "reset")) <= 4 * BLOCK
    for name in ("own", "side"):
        left_out = sizes[f"{name}.{suffix}"] - fetched[f"{name}.{suffix}"]
        assert RAW_PIXELS - 3 * BLOCK <= left_out < RAW_PIXELS
    assert fetched[f"changed.{suffix}"] == sizes[f"changed.{suffix}"]


@pytest.mark.parametrize("camera", CAMERAS)
def test_these_files_are_what_libraw_takes_for_a_cameras(tmp_path, camera):
    file = CAMERAS[camera](tmp_path / f"a.{camera[-3:]}", scene(1, 1200, 800))
    with raw.open_raw(file, 100) as photo:
        assert photo.frame == FRAME
        assert photo.shows_preview(256)


def test_the_places_of_a_cr3s_pictures_are_those_in_its_tracks(tmp_path):
    file = save_cr3(tmp_path / "a.cr3", scene(1, 1200, 800), CROP)
    content = file.read_bytes()
    with file.open("rb") as stream:
        layout = cr3_layout.read_layout(stream, len(content))
    [(place, size)] = layout.previews
    assert content[place : place + 2] == b"\xff\xd8"
    assert content[place + size - 2 : place + size] == b"\xff\xd9"
    assert layout.raw_pixels == [(place + size, RAW_PIXELS)]
    assert layout.others == [(place + size + RAW_PIXELS, 24)]  # the notes at the time: the end
    assert len(content) == place + size + RAW_PIXELS + 24


def test_the_places_of_a_rafs_pictures_are_those_in_its_head_and_structure(tmp_path):
    file = save_raf(tmp_path / "a.raf", scene(1, 1200, 800), CROP)
    content = file.read_bytes()
    with file.open("rb") as stream:
        layout = raf_layout.read_layout(stream, len(content))
    assert layout.raw_pixels == [(len(content) - RAW_PIXELS, RAW_PIXELS)]
    assert layout.preview[0] == 160
    assert content.index(CROP) < layout.scan[0] < 3 * KB
    assert sum(layout.scan) == sum(layout.preview)


def png_of(packet: bytes | None, is_before: bool) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, "PNG")
    text = b"XML:com.adobe.xmp" + bytes(5) + (packet or b"")
    after = [png_chunk(b"iTXt", text)] if packet else []
    if not is_before:
        return one_piece(buffer.getvalue(), *after)
    whole = one_piece(buffer.getvalue())
    return whole[:33] + b"".join(after) + whole[33:]  # behind IHDR


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_of_an_uncropped_png_in_one_piece_no_picture_is_fetched(bucket, tmp_path, is_before):
    for name, packet in (("plain", None), ("reset", RESET), ("crop", CROP)):
        (bucket.folder / f"{name}.png").write_bytes(png_of(packet, is_before))
    save_photo(bucket.folder / "pieces.png", RESET, NOISE)  # of 64 KB
    bucket.upload()
    ledger = compare(bucket.folder, bucket.library, tmp_path)
    assert ledger["outcome"].value_counts().to_dict() == {"uncropped": 3, "cropped": 1}
    fetched = bucket.fetched()
    sizes = {file.name: file.stat().st_size for file in bucket.folder.iterdir()}
    assert sizes["plain.png"] > 20 * BLOCK
    assert max(fetched["plain.png"], fetched["reset.png"]) <= 3 * BLOCK
    assert fetched["crop.png"] == sizes["crop.png"]
    assert fetched["pieces.png"] == sizes["pieces.png"]


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("lossless", [True, False])
def test_of_an_uncropped_webp_no_picture_is_fetched(bucket, tmp_path, lossless):
    for name, packet in (("plain", b""), ("reset", RESET), ("crop", CROP)):
        extra = {"lossless": lossless, "xmp": packet}
        NOISE.save(bucket.folder / f"{name}.webp", quality=95, method=0, **extra)
    bucket.upload()
    ledger = compare(bucket.folder, bucket.library, tmp_path)
    assert ledger["outcome"].value_counts().to_dict() == {"uncropped": 2, "cropped": 1}
    fetched = bucket.fetched()
    size = (bucket.folder / "crop.webp").stat().st_size
    assert size > 10 * BLOCK
    assert fetched["crop.webp"] == size
    assert max(fetched["plain.webp"], fetched["reset.webp"]) <= 3 * BLOCK


def test_a_png_of_many_small_parts_is_known_by_its_second_one():
    stream = io.BytesIO()
    NOISE.save(stream, "PNG")
    size, before = len(stream.getvalue()), stream.getvalue()
    with pytest.raises(struct.error, match="has many parts"):
        chunk_layout.find_pictures(stream, size)
    assert stream.tell() < 2 * BLOCK + KB
    [part] = chunk_layout.find_pictures(io.BytesIO(one_piece(before)), size)
    assert part[1] > size * 0.99


def originals(folder: Path) -> dict[str, bytes]:
    """A file of each kind that has a crop, by what its name ends with."""
    buffer = io.BytesIO()
    NOISE.save(buffer, "WEBP", quality=90, method=0, xmp=CROP)
    cameras = {
        f" {camera}.{camera[-3:]}": save(folder / "a", scene(1, 1200, 800), CROP).read_bytes()
        for camera, save in CAMERAS.items()
    }
    return {".png": png_of(CROP, False), ".webp": buffer.getvalue()} | cameras


@pytest.mark.usefixtures("one_process")
def test_damaged_and_forged_files_give_what_they_give_in_a_folder(tmp_path):
    """A byte of the structure is another one, or the file is cut off."""
    folder, draw = tmp_path / "library", random.Random(3)
    for name, whole in originals(tmp_path).items():
        places = range(4, 1800)
        for number in range(12):
            content = bytearray(whole)
            content[draw.choice(places)] = draw.choice([0, 1, 8, 127, 255])
            if number % 4 == 0:
                content = content[: draw.randrange(20, len(content))]
            save_bytes(folder / f"{number:02d}{name}", bytes(content))
    ledger = compare(folder, StoredLibrary(f"file://{folder}"), tmp_path)
    assert len(ledger) == 60
    assert ledger["outcome"].nunique() > 1


def save_bytes(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@pytest.mark.usefixtures("one_process")
def test_raw_pixels_that_claim_the_rest_of_a_raf_hide_nothing(bucket, tmp_path):
    """They begin before the JPEG, in which EXIF and the crop are, and cover all of it."""
    content = bytearray(save_old_raf(tmp_path / "a.raf", scene(1, 1200, 800), CROP).read_bytes())
    struct.pack_into(">II", content, 100, 160, len(content) - 160)
    (bucket.folder / "a.raf").write_bytes(content)
    bucket.upload()
    ledger = compare(bucket.folder, bucket.library, tmp_path)
    assert ledger.loc["a.raf", "outcome"] == "cropped"
