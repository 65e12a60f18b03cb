"""Commands name what was typed, what is there and what to do."""

import pytest
from conftest import picture, save_photo

from cropperhead.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder, which is the user's home too, with an uncropped photo and an empty folder."""
    save_photo(tmp_path / "photos" / "a.jpg", image=picture())
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("extract", "--dry-run", "gone"), "gone: no such folder."),
        (("extract", "--dry-run", "notes.txt"), "notes.txt: it is a file, expected a folder."),
        (("extract", "--dry-run", "empty"), "empty: no photo is in it or below it"),
        (("extract", "--dry-run", "photos"), "No photo has a usable crop. In Lightroom,"),
        (("extract", "--out", "labels", "photos"), "No photo has a usable crop. In Lightroom,"),
        (("suggest", "gone", "gone.jpg"), "gone, gone.jpg: no such file or folder."),
        (("suggest", "notes.txt"), "notes.txt: no photo."),
        (("suggest", "*.nef"), "*.nef: no photo matches this pattern."),
        (("suggest", "empty"), "empty: no photo is in it or below it"),
        (("convert", "gone", "--to", "darktable"), "gone: no such file or folder."),
        (("convert", "empty", "--to", "darktable"), "empty: no photo is in it or below it"),
        (("convert", "*.nef", "--to", "darktable"), "*.nef: no photo matches this pattern."),
        (("inspect", "gone.jpg"), "gone.jpg: no such file or folder."),
        (("inspect", "*.nef"), "*.nef: no photo matches this pattern."),
        (("suggest", "a", "b", "c", "d"), "a, b, c, ...: no such file or folder."),
        (("suggest", "photos", "--model", "gone"), "gone: there is no such model"),
    ],
)
def test_a_message_names_what_was_typed(model, capsys, command, message):
    named = () if command[0] != "suggest" or "--model" in command else ("--model", str(model))
    assert main.main([*command, *named]) == 1
    printed = capsys.readouterr()
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1) or command[0] == "extract"


def test_a_tilde_in_quotes_is_the_home(folder, capsys):
    assert main.main(["extract", "--dry-run", "~/empty"]) == 1
    assert f"{folder / 'empty'}: no photo is in it" in capsys.readouterr().err
    assert main.main(["inspect", "~/photos/a.jpg"]) == 0
    assert "not cropped" in capsys.readouterr().out
    assert main.main(["inspect", "~nobody-of-this-name/a.jpg"]) == 1


def commands(model):
    """The commands that take photos, folders and patterns."""
    return [("inspect",), ("convert", "--to", "darktable"), ("suggest", "--model", str(model))]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (("photos/a.jpg", "empty"), "empty: no photo is in it or below it"),
        (("photos", "empty"), "empty: no photo is in it or below it"),
        (("photos/gone.jpg", "photos"), "photos/gone.jpg: no such file"),
        (("photos", "photos/notes.txt"), "photos/notes.txt: not a photo"),
        (("photos", "photos/b*.jpg"), "photos/b*.jpg: no photo matches this pattern"),
        (("photos/*.jpg", "gone"), "gone: no such file"),
        (("photos/a.jpg", "photos/b.xmp"), "photos/b.xmp: there is no photo of this name"),
        (("photos/*.jpg", "photos/deep/../b.xmp"), "b.xmp: there is no photo of this name"),
    ],
)
def test_a_path_without_a_photo_is_named_and_the_rest_is_done(
    model, folder, capsys, place, paths, problem
):
    (folder / "photos" / "deep").mkdir()
    for name in ("notes.txt", "b.xmp"):
        (folder / "photos" / name).write_text("none")
    assert main.main([*commands(model)[place], *paths]) == 1
    printed = capsys.readouterr()
    assert problem in (printed.out + printed.err).replace("\n  rejected: no_photo", "")
    counted = ("a.jpg\n  not cropped", "1 photo skipped, 1 failed", "1 suggested, 0 skipped, 1")
    assert counted[place] in printed.out


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_photo_outside_of_the_current_folder_is_not_taken_for_one_of_it(
    model, folder, monkeypatch, capsys, place
):
    save_photo(folder / "other" / "b.jpg", image=picture(92))
    save_photo(folder / "more" / "deep" / "c.jpg", image=picture(94))
    monkeypatch.chdir(folder / "photos")
    typed = [".", "../other/b.jpg", "../more", "../more/deep", "a.jpg", "../photos"]
    assert main.main([*commands(model)[place], *typed]) == 0
    printed = capsys.readouterr().out
    # a.jpg, b.jpg and c.jpg, each once
    counted = (printed.count("not cropped") == 3, "3 photos skipped", "3 suggested, 0 skipped")
    assert counted[place] if place == 0 else counted[place] in printed


def test_what_is_in_a_hidden_folder_is_found_if_it_is_named(folder, capsys):
    save_photo(folder / "photos" / ".kept" / "b.jpg", image=picture(92))
    assert main.main(["inspect", "photos", "photos/.kept"]) == 0
    assert "photos/.kept/b.jpg\n  not cropped" in capsys.readouterr().out


def test_a_photo_of_a_linked_folder_is_no_missing_one(folder, capsys):
    (folder / "photos" / "linked").symlink_to(folder / "photos")
    assert main.main(["inspect", "photos", "photos/linked/a.jpg"]) == 0
    assert capsys.readouterr().out == "photos/a.jpg\n  not cropped\n"
