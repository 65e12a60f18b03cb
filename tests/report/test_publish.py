from dataclasses import fields
from pathlib import Path

import pytest

from cropperhead.report import publish


def _write(outputs: publish.Outputs, text: str) -> None:
    for one in fields(outputs):
        place = getattr(outputs, one.name)
        if one.name == "plots":
            place.mkdir(exist_ok=True)
            place /= "forest.png"
        place.write_text(f"{text} {one.name}")


def _read(outputs: publish.Outputs) -> set[str]:
    places = [getattr(outputs, one.name) for one in fields(outputs)]
    return {(one / "forest.png" if one.is_dir() else one).read_text() for one in places}


@pytest.fixture
def outputs(tmp_path: Path) -> publish.Outputs:
    names = {one.name: tmp_path / f"the {one.name}" for one in fields(publish.Outputs)}
    found = publish.Outputs(**names)
    _write(found, "last")
    return found


def test_the_outputs_of_an_evaluation_are_replaced_together(outputs, tmp_path):
    with publish.replace_together(outputs) as drafts:
        _write(drafts, "new")
        assert _read(outputs) == {f"last {one.name}" for one in fields(outputs)}
    assert _read(outputs) == {f"new {one.name}" for one in fields(outputs)}
    assert len(list(tmp_path.iterdir())) == len(fields(outputs))  # and nothing unfinished


def test_an_evaluation_that_is_interrupted_leaves_the_last_results(outputs, tmp_path):
    with pytest.raises(KeyboardInterrupt), publish.replace_together(outputs) as drafts:
        drafts.metrics.write_text("new")
        raise KeyboardInterrupt
    assert _read(outputs) == {f"last {one.name}" for one in fields(outputs)}
    assert len(list(tmp_path.iterdir())) == len(fields(outputs))
