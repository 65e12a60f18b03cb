"""Names that ExifTool would read as options are rejected, and never passed to it."""

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from catalog_files import Photo, make_catalog, real_text
from conftest import ROOT, label_table, picture, save_photo, settings, xmp

from cropperhead.cli.main import main
from cropperhead.errors import LibraryError
from cropperhead.library import scan
from cropperhead.photos import exiftool
from cropperhead.system import filenames
from cropperhead.web import server

pytestmark = pytest.mark.usefixtures("one_process")

# Harmless: the second line is a word, not an option of ExifTool's
ODD = "trip\nsecond line"
REAL = shutil.which("exiftool")
OUTPUTS = ("stdout", "stderr")


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
    params = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("workers: 0", "workers: 1"))
    shutil.copy(model, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)


def rejected(entries):
    """The entries with an odd name, as they are listed."""
    return {entry.file: entry.kind for entry in entries if entry.kind == scan.UNREADABLE}


def test_a_folder_and_a_file_with_an_odd_name_are_listed_escaped(photos):
    assert rejected(scan.scan(photos).entries) == {
        "odd\\rname.jpg": "unreadable",
        "trip\\nsecond line/": "unreadable",
    }


def test_a_folder_whose_name_is_not_valid_utf8_is_listed_escaped(photos):
    odd = Path(os.fsdecode(os.fsencode(photos) + b"/\xe4lter"))
    save_photo(odd / "a.jpg")
    assert "\\udce4lter/" in rejected(scan.scan(photos).entries)


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
        ["review", "{}", "--no-browser", "--model", "model.tflite"],
        ["base", "build", "{}", "--out", "base"],
    ],
    ids=" ".join,
)
def test_no_command_passes_an_odd_folder_to_exiftool(
    photos, requests, capfd, monkeypatch, arguments
):
    monkeypatch.setattr(server, "run", lambda _, opened, __: opened.close())  # of `review`
    if arguments[0] == "compare":  # it ends after the extraction, because the model is empty
        save_photo(photos / "good.jpg")
    suffixes = ("", f"/{ODD}", f"/{ODD}/deep/hidden.jpg")
    for suffix in suffixes[arguments[0] == "base" :]:  # it would learn from the first
        main([part.format(f"{photos}{suffix}") for part in arguments])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        # the other commands name it in a report or a log
        if suffix or arguments[0] not in {"extract", "compare", "suggest", "review"}:
            assert (
                "\\nsecond line" in printed.out + printed.err
                or "\\rname" in printed.out + printed.err
            )
    assert "second line" not in requests.read_text()
    assert "name.jpg" not in requests.read_text()
    if arguments[0] in {"inspect", "convert", "suggest"}:
        assert "good.jpg" in requests.read_text()


UNDECODABLE = os.fsdecode(b"\xe4lter")


def run_strictly(arguments):
    """The status of a command and what it prints where the locale is strict about UTF-8."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", "strict") for name in OUTPUTS}
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        status = main(arguments)
    for stream in streams.values():
        stream.flush()
    return status, "".join(stream.buffer.getvalue().decode() for stream in streams.values())


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["extract", "--dry-run", "photos"], 0),
        (["extract", "--out", "out", "photos"], 0),
        (["inspect", "photos"], 0),
        (["inspect", f"photos/{UNDECODABLE}/a.jpg"], 1),
        (["inspect", f"photos/{UNDECODABLE}"], 1),
        (["convert", "--to", "darktable", "--dry-run", "photos"], 1),
        (["convert", "--to", "darktable", f"photos/{UNDECODABLE}"], 1),
        (["suggest", "photos", "--model", "model.tflite"], 1),
        (["suggest", f"photos/{UNDECODABLE}", "--model", "model.tflite"], 1),
        (["suggest", f"photos/{UNDECODABLE}", "--undo"], 0),
        (["suggest", "photos", "--undo"], 0),
        (["suggest", "photos/good.jpg", "--model", f"{UNDECODABLE}.tflite"], 1),
        (["inspect", "photos/good.jpg", "--catalog", f"{UNDECODABLE}.lrcat"], 0),
        (["extract", "--out", f"{UNDECODABLE}", "photos"], 2),
        (["compare", "--out", f"{UNDECODABLE}", "photos"], 2),
        (["data-diff", "main", "--out", f"{UNDECODABLE}"], 2),
        (["gate", "--out", f"{UNDECODABLE}"], 2),
        (["suggest", "photos", "--model", "model.tflite", "--apply", UNDECODABLE], 2),
        (["suggest", "photos", "--model", "model.tflite", "--sheet", f"{UNDECODABLE}.png"], 2),
        (["inspect", "photos", "--draw", UNDECODABLE], 2),
        (["demo-library", UNDECODABLE], 2),
        (["study", "new", "--study", UNDECODABLE], 2),
        (["study", "export", UNDECODABLE], 2),
        (["base", "build", f"photos/{UNDECODABLE}", "--out", "out"], 1),
        (["review", f"photos/{UNDECODABLE}", "--no-browser", "--model", "model.tflite"], 1),
    ],
    ids=lambda one: (
        " ".join(one).encode("utf-8", "backslashreplace").decode() if isinstance(one, list) else ""
    ),
)
def test_a_name_that_is_not_valid_utf8_ends_no_command_and_is_printed_escaped(
    photos, arguments, status
):
    save_photo(photos / UNDECODABLE / "a.jpg", xmp(settings()))
    actual, printed = run_strictly(arguments)
    assert actual == status
    is_silent = status == 0 and (
        arguments[0] == "extract" or arguments == ["suggest", "photos", "--undo"]
    )
    assert ("\\udce4lter" in printed) == (not is_silent)


def test_a_folder_of_two_lines_that_is_none_is_named_in_one(photos, capsys):
    for arguments in (["review", "{}", "--no-browser"], ["suggest", "{}", "--undo"]):
        main([part.format(photos / "no\nfolder") for part in arguments])
        assert "no\\nfolder" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_an_extraction_lists_odd_names_with_the_reason(photos):
    save_photo(photos / UNDECODABLE / "a.jpg", xmp(settings()))
    odd_catalogs = [f"{UNDECODABLE}.lrcat", "a\nb.lrcat"]
    options = [part for name in odd_catalogs for part in ("--catalog", name)]
    assert main(["extract", "--out", "out", "photos", *options]) == 0
    listed = Path("out", "rejected.csv").read_text(encoding="utf-8").splitlines()
    odd = "its name holds a line break or is not valid UTF-8"
    for name in ("\\udce4lter/", "trip\\nsecond line/", "odd\\rname.jpg"):
        assert f"{name},unreadable_name_or_folder: cannot be listed: {odd}" in listed
    for name in ("\\udce4lter.lrcat", "a\\nb.lrcat"):
        assert any(line.startswith(f"{name},broken_catalog: ") for line in listed)


@pytest.mark.usefixtures("project")
def test_names_inside_catalogs_and_journals_reach_no_exiftool(photos, requests):
    images = [Photo(f"{ODD}/x.jpg", real_text()), Photo("good.jpg", real_text(), root=f"{ODD}/")]
    make_catalog(photos / "a.lrcat", [*images, Photo("good.jpg", copy_of=1, copy_name=ODD)])
    (photos / ".cropperhead").mkdir()
    line = json.dumps({"file": f"{ODD}.xmp", "before": None, "after": "0" * 64, "mtime_ns": 0})
    (photos / ".cropperhead" / "journal.jsonl").write_text(f"{line}\n")
    for arguments in (
        ["extract", "--dry-run", "photos"],
        ["inspect", "photos/good.jpg"],
        ["suggest", "photos", "--model", "model.tflite", "--write", "darktable"],
        ["suggest", "photos", "--undo"],
    ):
        main(arguments)
    assert "good.jpg" in requests.read_text()
    assert "second line" not in requests.read_text()


@pytest.mark.usefixtures("project")
def test_a_tag_of_two_lines_is_refused_by_name(photos, requests, capsys):
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["extract"]["tags"] = {"XMP:Rating\nsecond line": 0}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert main(["inspect", str(photos)]) == 1
    assert r"extract.tags is 'XMP:Rating\nsecond line', expected" in capsys.readouterr().err
    assert requests.read_text() == ""


def test_a_name_that_looks_like_an_argument_of_exiftool_is_read_as_a_name(tmp_path, requests):
    names = ["-a.jpg", "#b.jpg", "#[CSTR]c.jpg", "@d.jpg", " e.jpg", "f .jpg", "%f.jpg", "[g]*.jpg"]
    for name in names:
        save_photo(tmp_path / " -lead" / "trail " / name, xmp(settings()))
    files = [tmp_path / " -lead" / "trail " / name for name in names]
    with exiftool.tag_reader() as reader:
        tags = reader.read(files, ["XMP-crs:CropTop"])
    assert {file.name: one["XMP-crs:CropTop"] for file, one in tags.items()} == dict.fromkeys(
        names, 0.1
    )
    asked = [line for line in requests.read_text().splitlines() if line.endswith(".jpg")]
    assert asked == [str(file) for file in files]


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
