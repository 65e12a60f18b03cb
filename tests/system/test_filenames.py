"""Names that ExifTool would read as options of its own are rejected, and it is never asked."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, label_table, picture, save_photo, settings, xmp

from cropperhead.cli.main import main
from cropperhead.errors import LibraryError
from cropperhead.library import scan
from cropperhead.photos import exiftool
from cropperhead.system import filenames

# Harmless: the second line is a word, and no option of ExifTool's
ODD = "trip\nsecond line"
REAL = shutil.which("exiftool")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The file that receives everything that any ExifTool is asked."""
    log, folder = tmp_path / "asked.txt", tmp_path / "bin"
    folder.mkdir()
    log.touch()
    (folder / "exiftool").write_text(f'#!/bin/sh\ntee -a "{log}" | "{REAL}" "$@"\n')
    (folder / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.fixture
def photos(tmp_path):
    """A cropped photo of a plain name, one of an odd name, and one in a folder of an odd name."""
    folder = tmp_path / "photos"
    save_photo(folder / "good.jpg", xmp(settings()))
    save_photo(folder / ODD / "deep" / "hidden.jpg", xmp(settings()), picture(shade=9))
    (folder / ODD / "deep" / "hidden.xmp").write_bytes(xmp(settings()))
    save_photo(folder / "odd\rname.jpg", xmp(settings()), picture(shade=5))
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, model):
    """A folder that holds a model, and what `compare` asks for: one that knows no photo here."""
    for name in ("models", "data", "reports"):
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "model.keras").touch()
    (tmp_path / "reports" / "history.csv").touch()
    labels = label_table()
    labels.to_parquet(tmp_path / "data" / "labels.parquet")
    dealt = labels[["photo"]].assign(group=labels["photo"], split="train")
    dealt.to_parquet(tmp_path / "data" / "splits.parquet")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(model, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)


def rejected(found):
    """The entries of an odd name, as they are listed."""
    return {entry.file: entry.kind for entry in found if entry.kind == scan.UNREADABLE}


def test_a_folder_and_a_file_of_an_odd_name_are_listed_printably(photos):
    assert rejected(scan.scan(photos).entries) == {
        "odd\\rname.jpg": "unreadable",
        "trip\\nsecond line": "unreadable",
    }


def test_a_folder_whose_name_is_not_valid_utf8_is_listed_printably(photos):
    odd = Path(os.fsdecode(os.fsencode(photos) + b"/\xe4lter"))
    save_photo(odd / "a.jpg")
    assert "\\udce4lter" in rejected(scan.scan(photos).entries)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "arguments",
    [
        ["extract", "--dry-run", "{}"],
        ["extract", "--out", "out", "{}"],
        ["inspect", "{}"],
        ["inspect", "--draw", "drawn", "{}"],
        ["convert", "--to", "darktable", "{}"],
        ["suggest", "--write", "darktable", "--overwrite", "{}", "--model", "model.tflite"],
        ["compare", "{}", "--out", "out"],
    ],
    ids=" ".join,
)
def test_no_command_hands_an_odd_folder_to_exiftool(photos, asked, capfd, arguments):
    if arguments[0] == "compare":  # so that it ends after the extraction: here is no model
        save_photo(photos / "good.jpg")
    for suffix in ("", f"/{ODD}", f"/{ODD}/deep/hidden.jpg"):
        main([part.format(f"{photos}{suffix}") for part in arguments])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        # a report that is written to a file names it there
        if arguments[0] not in {"extract", "compare", "suggest"}:
            assert "\\nsecond line" in said.out + said.err or "\\rname" in said.out + said.err
    assert "second line" not in asked.read_text()
    assert "name.jpg" not in asked.read_text()
    if arguments[0] in {"inspect", "convert", "suggest"}:
        assert "good.jpg" in asked.read_text()


def test_a_library_below_a_folder_of_an_odd_name_is_refused_by_name(photos):
    for refused in (scan.scan, lambda folder: scan.find(folder, ["hidden.jpg"], (), ())):
        with pytest.raises(LibraryError, match=r"trip\\nsecond line.*Rename the folder"):
            refused(photos / ODD / "deep")


def test_the_door_to_exiftool_asks_for_no_odd_name_whoever_calls(photos, asked):
    odd = photos / ODD / "deep" / "hidden.jpg"
    with exiftool.tag_reader() as reader:
        found = reader.read([odd, photos / "good.jpg", photos / "odd\rname.jpg"], ["File:MIMEType"])
        assert list(found) == [photos / "good.jpg"]
        for argument in ("-Tag\n-Other", "a\rb", "a\0b"):
            with pytest.raises(ValueError, match="no argument"):
                reader._process.execute(argument)
            with pytest.raises(ValueError, match="no argument"):
                reader.read([photos / "good.jpg"], [argument])
    assert "second line" not in asked.read_text()


def test_what_is_passable_is_told_by_the_absolute_path(photos, monkeypatch):
    assert filenames.is_safe_path("ä ö/b.jpg")
    assert not filenames.is_safe_path("a\nb")
    assert not filenames.is_safe_path("a\udcff")
    monkeypatch.chdir(photos / ODD)
    assert not filenames.has_safe_absolute_path(Path("hidden.jpg"))
