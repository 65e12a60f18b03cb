"""Names that ExifTool would read as options are rejected, and never passed to it."""

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

# Harmless: the second line is a word, not an option of ExifTool's
ODD = "trip\nsecond line"
REAL = shutil.which("exiftool")


@pytest.fixture
def requests(tmp_path, monkeypatch):
    """The file that receives everything that is passed to any ExifTool."""
    log, folder = tmp_path / "requests.txt", tmp_path / "bin"
    folder.mkdir()
    log.touch()
    (folder / "exiftool").write_text(f'#!/bin/sh\ntee -a "{log}" | "{REAL}" "$@"\n')
    (folder / "exiftool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.fixture
def photos(tmp_path):
    """A cropped photo with a plain name, one with an odd name, and one in an odd folder."""
    folder = tmp_path / "photos"
    save_photo(folder / "good.jpg", xmp(settings()))
    save_photo(folder / ODD / "deep" / "hidden.jpg", xmp(settings()), picture(shade=9))
    (folder / ODD / "deep" / "hidden.xmp").write_bytes(xmp(settings()))
    save_photo(folder / "odd\rname.jpg", xmp(settings()), picture(shade=5))
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, model):
    """A folder with a model and what else `compare` reads: labels of other photos."""
    for name in ("models", "data", "reports"):
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "model.keras").touch()
    (tmp_path / "reports" / "history.csv").touch()
    labels = label_table()
    labels.to_parquet(tmp_path / "data" / "labels.parquet")
    splits = labels[["photo"]].assign(group=labels["photo"], split="train")
    splits.to_parquet(tmp_path / "data" / "splits.parquet")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(model, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)


def rejected(entries):
    """The entries with an odd name, as they are listed."""
    return {entry.file: entry.kind for entry in entries if entry.kind == scan.UNREADABLE}


def test_a_folder_and_a_file_with_an_odd_name_are_listed_escaped(photos):
    assert rejected(scan.scan(photos).entries) == {
        "odd\\rname.jpg": "unreadable",
        "trip\\nsecond line": "unreadable",
    }


def test_a_folder_whose_name_is_not_valid_utf8_is_listed_escaped(photos):
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
def test_no_command_passes_an_odd_folder_to_exiftool(photos, requests, capfd, arguments):
    if arguments[0] == "compare":  # it ends after the extraction, because the model is empty
        save_photo(photos / "good.jpg")
    for suffix in ("", f"/{ODD}", f"/{ODD}/deep/hidden.jpg"):
        main([part.format(f"{photos}{suffix}") for part in arguments])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        # the other commands name it in a report or a log
        if arguments[0] not in {"extract", "compare", "suggest"}:
            assert (
                "\\nsecond line" in printed.out + printed.err
                or "\\rname" in printed.out + printed.err
            )
    assert "second line" not in requests.read_text()
    assert "name.jpg" not in requests.read_text()
    if arguments[0] in {"inspect", "convert", "suggest"}:
        assert "good.jpg" in requests.read_text()


def test_a_library_below_an_odd_folder_is_refused_with_its_name(photos):
    for refused in (scan.scan, lambda folder: scan.find_photos(folder, ["hidden.jpg"], (), ())):
        with pytest.raises(LibraryError, match=r"trip\\nsecond line.*Rename the folder"):
            refused(photos / ODD / "deep")


def test_the_door_to_exiftool_passes_no_odd_name_whoever_calls(photos, requests):
    odd = photos / ODD / "deep" / "hidden.jpg"
    with exiftool.tag_reader() as reader:
        tags = reader.read([odd, photos / "good.jpg", photos / "odd\rname.jpg"], ["File:MIMEType"])
        assert list(tags) == [photos / "good.jpg"]
        for argument in ("-Tag\n-Other", "a\rb", "a\0b"):
            with pytest.raises(ValueError, match="not an argument"):
                reader._process.execute(argument)
            with pytest.raises(ValueError, match="not an argument"):
                reader.read([photos / "good.jpg"], [argument])
    assert "second line" not in requests.read_text()


def test_whether_a_path_is_safe_depends_on_its_absolute_form(photos, monkeypatch):
    assert filenames.is_safe_path("ä ö/b.jpg")
    assert not filenames.is_safe_path("a\nb")
    assert not filenames.is_safe_path("a\udcff")
    monkeypatch.chdir(photos / ODD)
    assert not filenames.has_safe_absolute_path(Path("hidden.jpg"))
