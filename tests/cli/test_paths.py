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
        (("inspect", "gone.jpg"), "gone.jpg: no such file or folder."),
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
