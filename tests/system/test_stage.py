import errno
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cropperhead.errors import DataError
from cropperhead.system import stage


@dataclass(frozen=True)
class Inputs:
    labels: Path
    extract_report: Path


@dataclass(frozen=True)
class Outputs:
    metrics: Path


def test_paths_are_parsed_by_the_names_of_the_fields(monkeypatch):
    arguments = ["--metrics", "m.json", "--labels", "l.parquet", "--extract-report", "e.json"]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *arguments])
    inputs, outputs = stage.parse_paths(Inputs, Outputs)
    assert inputs == Inputs(Path("l.parquet"), Path("e.json"))
    assert outputs == Outputs(Path("m.json"))


def test_a_missing_path_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "--labels", "l.parquet"])
    with pytest.raises(SystemExit):
        stage.parse_paths(Inputs, Outputs)
    assert "required: --extract-report, --metrics" in capsys.readouterr().err


def test_an_error_raised_on_purpose_ends_a_stage_with_its_message():
    def fail() -> None:
        raise DataError("labels.parquet: not found")

    with pytest.raises(SystemExit, match=r"labels\.parquet: not found"):
        stage.run(fail)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "Error writing bytes to file"), "disk: No space left on device."),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.csv"),
            "a.csv: Permission denied.",
        ),
        (OSError("cannot be flushed.\nIts buffers"), "disk: cannot be flushed."),
    ],
)
def test_a_full_disk_ends_a_stage_with_a_sentence(error, sentence):
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        stage.run(fail)
    advice = "Run `dvc repro` again to resume, once this is solved."
    assert caught.value.code == f"{sentence} {advice}"


def test_too_little_memory_ends_a_stage_with_a_sentence():
    def fail() -> None:
        raise MemoryError

    with pytest.raises(SystemExit, match="This needs more memory than there is"):
        stage.run(fail)
