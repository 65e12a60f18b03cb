import re
from pathlib import Path

import numpy as np
import pytest
from catalog_files import Photo, make_catalog, real_text
from conftest import darktable_xmp, extract_params, picture, save_photo, settings, xmp
from PIL import Image

from cropperhead.cli import main
from cropperhead.dataset import inspect
from cropperhead.editors import darktable
from cropperhead.geometry.crops import Crop


@pytest.fixture
def folder(tmp_path):
    lib = tmp_path / "lib"
    save_photo(lib / "a.jpg", xmp(settings(0.1, 0.2, 0.8, 0.9), 6), exif={0x0112: 6})
    history = darktable.encode(Crop(0.25, 0, 0.75, 1, 0), 90, 60, 6, 6)
    (lib / "a_01.jpg.xmp").write_bytes(darktable_xmp(history))
    (lib / "a.jpg.pp3").write_text("[Crop]\nEnabled=maybe\n")
    save_photo(lib / "b.jpg", image=picture(92))
    save_photo(lib / "c.jpg", xmp(settings(angle=60)), image=picture(94))
    return lib


def described(files, catalogs=()):
    found = inspect.read_photos(files, extract_params("."), catalogs, pictures=False)
    return [inspect.describe(file, photo) for file, photo in found]


def test_each_crop_is_shown_with_its_author_and_position(folder):
    [text] = described([folder / "a.jpg"])
    assert text.split("\n")[1:-1] == [
        "  displayed 60 x 90 px, turned by 90° clockwise (orientation 6)",
        "  photographer, lightroom embedded",
        # stored 0.1 0.2 0.8 0.9 of 90 x 60; turned by 90 degrees: top = left, left = 1 - bottom
        "    top 0.2000  left 0.2000  bottom 0.9000  right 0.9000  not tilted",
        "    42 x 63 px, 2:3, 49% of the picture",
        "  duplicate 01, darktable sidecar",
        "    top 0.2500  left 0.0000  bottom 0.7500  right 1.0000  not tilted",
        "    60 x 45 px, 4:3, 50% of the picture",
    ]
    assert re.match(r"  left out: a.jpg.pp3: \w+: ", text.split("\n")[-1])


def test_a_photo_of_the_library_is_named_as_it_was_typed(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)  # which is the library of `described`
    [text] = described([Path("lib/a.jpg")])
    assert text.split("\n")[0] == "lib/a.jpg"


def test_uncropped_and_unreadable_photos_are_shown_too(folder):
    files = [folder / name for name in ("b.jpg", "c.jpg", "none.jpg")]
    assert described(files) == [
        f"{files[0]}\n  not cropped",
        f"{files[1]}\n  rejected: angle: CropAngle is 60, expected degrees in [-45, 45]",
        f"{files[2]}\n  rejected: no_photo: no such file",
    ]


def test_a_folder_means_its_photos_and_a_sidecar_its_photo(folder):
    assert len(described([folder])) == 3
    assert described([folder / "a_01.jpg.xmp"]) == described([folder / "a.jpg"])


def test_a_drawing_has_the_upright_photo_and_a_line_for_each_version(folder, tmp_path, capsys):
    out = tmp_path / "drawn"
    assert main.main(["inspect", str(folder / "a.jpg"), "--draw", str(out)]) == 0
    assert f"drawn in {out / 'a.jpg.crops.jpg'}" in capsys.readouterr().out
    with Image.open(out / "a.jpg.crops.jpg") as drawn:
        assert drawn.width == 60
        assert drawn.height > 90
        pixels = np.asarray(drawn.convert("RGB"), int)
    # turned clockwise, the red top left quadrant comes to the top right
    assert np.abs(pixels[5, 55] - (255, 0, 0)).max() < 40


def test_a_dry_run_and_an_extraction_count_the_same(folder, tmp_path, capsys):
    assert main.main(["extract", "--dry-run", str(folder)]) == 0
    looked = capsys.readouterr().out
    assert "2 crops" in looked
    assert main.main(["extract", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == looked
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"extracted", "extract.json", "ledger.parquet", "rejected.csv"}


def test_a_photo_is_shown_with_its_crop_in_the_library_s_catalog(tmp_path):
    for folder in ("2021/01", "2022/01"):
        save_photo(tmp_path / folder / "a.jpg")
    edited = Photo("2022/01/a.jpg", real_text(settings()), root="/Volumes/Gone/")
    make_catalog(tmp_path / "my.lrcat", [edited])
    assert "not cropped" in described([tmp_path / "2021/01/a.jpg"])[0]
    assert "photographer, lightroom catalog" in described([tmp_path / "2022/01/a.jpg"])[0]


def test_mistakes_are_errors_of_one_sentence(folder, tmp_path, capsys):
    assert main.main(["inspect", str(tmp_path / "nowhere" / "a.jpg")]) == 1
    typed = tmp_path / "nowhere" / "a.jpg"
    assert f"{typed}: no such file or folder." in capsys.readouterr().err
    assert main.main(["inspect", str(folder / "a.jpg"), "--draw", str(folder / "b.jpg")]) == 1
    assert "is a file, expected a folder" in capsys.readouterr().err
    assert main.main(["inspect", str(folder / "a.jpq"), str(folder / "a.jpg")]) == 1
    assert "no such file" in capsys.readouterr().out
