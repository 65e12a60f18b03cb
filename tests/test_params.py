from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from cropperhead import params
from cropperhead.errors import ParamsError


def changed(tmp_path: Path, block: str, **values: object) -> Path:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content[block] |= values
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_project_s_own_params_are_sound():
    assert params.load(ROOT / "params.yaml").train.model == "small"


@pytest.mark.parametrize(
    ("block", "values", "said"),
    [
        ("extract", {"long_side": "512"}, "extract.long_side is '512', expected a whole number"),
        ("extract", {"long_side": True}, "extract.long_side is True, expected a whole number"),
        ("extract", {"jpeg_quality": 101}, "extract.jpeg_quality is 101, expected 1 to 95"),
        ("extract", {"catalogs": "my.lrcat"}, "extract.catalogs is 'my.lrcat', expected a list"),
        ("extract", {"tags": {"TextOut": ""}}, "extract.tags is 'TextOut', expected ExifTool's"),
        ("extract", {"tags": {"-w": ""}}, "extract.tags is '-w', expected ExifTool's name"),
        ("extract", {"tags": {7: ""}}, "extract.tags is 7, expected ExifTool's name"),
        ("extract", {"tags": {"XMP:Marked": True}}, "extract.tags.XMP:Marked is True, expected"),
        ("extract", {"workers": -1}, "extract.workers is -1, expected 0 (one a core) or more"),
        ("validate", {"limits": [1, 0]}, "expected a smaller and a larger number"),
        ("validate", {"limits": [0]}, "expected a list of 2 numbers"),
        ("split", {"salt": 5}, "split.salt is 5, expected text"),
        ("train", {"model": "large"}, "train.model is 'large', expected one of small, predecessor"),
        ("train", {"learning_rate": float("nan")}, "expected a finite number"),
        ("train", {"learnin_rate": 1}, "unknown key learnin_rate"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path, block, values, said):
    with pytest.raises(ParamsError) as caught:
        params.load(changed(tmp_path, block, **values))
    assert said in str(caught.value)


def test_fractions_must_sum_to_one(tmp_path):
    # 0.8 + 0.2 + 0.1 = 1.1
    fractions = {"train": 0.8, "validation": 0.2, "test": 0.1}
    with pytest.raises(ParamsError, match=r"must be above 0 and sum to 1, got 1\.1 from"):
        params.load(changed(tmp_path, "split", fractions=fractions))


def test_a_missing_key_a_missing_file_and_broken_yaml_are_named(tmp_path):
    file = tmp_path / "params.yaml"
    with pytest.raises(ParamsError, match="not found"):
        params.load(file)
    file.write_text("extract: {library: x}")
    with pytest.raises(ParamsError, match="missing key"):
        params.load(file)
    file.write_text("extract: [")
    with pytest.raises(ParamsError, match="not readable as YAML"):
        params.load(file)


def test_blocks_become_plain_values():
    split = params.as_dict(params.load(ROOT / "params.yaml").split)
    assert split["fractions"] == {"train": 0.7, "validation": 0.15, "test": 0.15}
