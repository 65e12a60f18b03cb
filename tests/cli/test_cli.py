import pytest

from cropperhead.cli.main import main
from cropperhead.errors import DataError
from cropperhead.system import stage


def test_an_error_is_one_sentence_and_a_status(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("a user's file")
    assert main(["demo-library", str(tmp_path), "--photos", "24"]) == 1
    said = capsys.readouterr().err.strip()
    assert str(tmp_path) in said
    assert "Traceback" not in said
    assert (tmp_path / "mine.txt").read_text() == "a user's file"


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["crop-everything"])
    assert "invalid choice" in capsys.readouterr().err


def test_a_stage_ends_with_its_error_s_sentence():
    def unsound() -> None:
        raise DataError("split: no photo fell to test.")

    with pytest.raises(SystemExit, match="no photo fell to test"):
        stage.run(unsound)
