import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from dvc.utils.hydra import apply_overrides

from cropperhead import params
from cropperhead.errors import ParamsError


def with_values(tmp_path: Path, block: str, **values: object) -> Path:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content[block] |= values
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_the_project_s_own_params_are_valid():
    assert params.load(ROOT / "params.yaml").train.quality == "standard"


@pytest.mark.parametrize(
    ("block", "values", "message"),
    [
        ("extract", {"long_side": "512"}, "extract.long_side is '512', expected a whole number"),
        ("extract", {"long_side": True}, "extract.long_side is True, expected a whole number"),
        ("extract", {"jpeg_quality": 101}, "extract.jpeg_quality is 101, expected 1 to 95"),
        ("extract", {"catalogs": "my.lrcat"}, "extract.catalogs is 'my.lrcat', expected a list"),
        ("extract", {"tags": {"TextOut": ""}}, "extract.tags is 'TextOut', expected ExifTool's"),
        ("extract", {"tags": {"-w": ""}}, "extract.tags is '-w', expected ExifTool's name"),
        ("extract", {"tags": {7: ""}}, "extract.tags is 7, expected ExifTool's name"),
        ("extract", {"tags": {"XMP:Marked": True}}, "extract.tags.XMP:Marked is True, expected"),
        ("extract", {"shards": "data/x"}, "extract.shards is 'data/x', expected an s3:// URL"),
        ("extract", {"workers": -1}, "extract.workers is -1, expected 0 (one a core) or more"),
        ("validate", {"limits": [1, 0]}, "expected a smaller and a larger number"),
        ("validate", {"limits": [0]}, "expected a list of 2 numbers"),
        ("split", {"salt": 5}, "split.salt is 5, expected text"),
        (
            "train",
            {"quality": "good"},
            "train.quality is 'good', expected one of fast, standard, best",
        ),
        ("train", {"learning_rate": float("nan")}, "expected a finite number"),
        ("train", {"image_size": 100}, "train.image_size is 100, expected one of 32, 64, 128, 256"),
        ("train", {"prototypes": 2}, "train.prototypes is 2, expected at least 3"),
        ("train", {"uncropped_area": 1.1}, "train.uncropped_area is 1.1, expected a share of"),
        ("train", {"least_angle_deg": -1}, "train.least_angle_deg is -1.0, expected 0 or more"),
        ("train", {"least_straightening": 2}, "train.least_straightening is 2.0, expected a prob"),
        ("train", {"max_angle_deg": 13}, "train.max_angle_deg is 13.0, expected 0 to 12"),
        ("train", {"precision": "float16"}, "expected one of auto, float32, mixed_float16"),
        ("train", {"predecessor_loss": "mse"}, "train.predecessor_loss is 'mse', expected one of"),
        ("train", {"fine_tuning": 1}, "train.fine_tuning: expected the keys epochs, least_steps"),
        ("train", {"learnin_rate": 1}, "unknown key learnin_rate"),
        ("gate", {"tolerance": -0.01}, "gate.tolerance is -0.01, expected a share between 0 and 1"),
        ("gate", {"confidence": 1}, "gate.confidence is 1.0, expected in [0.5, 1)"),
    ],
)
def test_the_error_names_an_unusable_value(tmp_path, block, values, message):
    with pytest.raises(ParamsError) as caught:
        params.load(with_values(tmp_path, block, **values))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "train.fine_tuning.epochs is 0, expected above 0"),
        ({"least_steps": 0}, "train.fine_tuning.least_steps is 0, expected above 0"),
        ({"refits": -1}, "train.fine_tuning.refits is -1, expected 0 or more"),
        ({"dropout": 1}, "train.fine_tuning.dropout is 1.0, expected in [0, 1)"),
        ({"epoch": 3}, "train.fine_tuning: unknown key epoch"),
    ],
)
def test_the_error_names_an_unusable_nested_value_and_its_block(tmp_path, values, message):
    own = params.as_dict(params.load(ROOT / "params.yaml").train.fine_tuning)
    with pytest.raises(ParamsError) as caught:
        params.load(with_values(tmp_path, "train", fine_tuning=own | values))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": " "}, "train.features.source is ' ', expected cropperhead-base, imagenet or a"),
        ({"image_size": 224}, "train.features.image_size is 224, expected one of 32, 64, 128"),
    ],
)
def test_the_error_names_unusable_features(tmp_path, values, message):
    own = params.as_dict(params.load(ROOT / "params.yaml").train.features)
    with pytest.raises(ParamsError) as caught:
        params.load(with_values(tmp_path, "train", features=own | values))
    assert message in str(caught.value)


def load_with(tmp_path, **train):
    return params.load(with_values(tmp_path, "train", **train))


HEAD = {
    **{"epochs": 3, "least_steps": 9, "learning_rate": 0.1, "weight_decay": 0.2, "dropout": 0.6},
    "refits": 3,
}
TUNING = {**HEAD, "epochs": 4, "refits": 2}
BLOCKS = {"head": HEAD, "fine_tuning": TUNING}


@pytest.mark.parametrize(("quality", "own"), [("standard", HEAD), ("best", TUNING)])
def test_a_network_on_features_has_its_own_values_and_shares_the_others(tmp_path, quality, own):
    chosen = load_with(tmp_path, quality=quality, batch_size=5, **BLOCKS).train
    used = chosen.for_network()
    assert {name: getattr(used, name) for name in own} == own
    assert (used.batch_size, used.image_size) == (5, chosen.features.image_size)
    head = chosen.for_head()
    assert (head.quality, head.epochs, head.refits) == ("standard", 3, 3)


@pytest.mark.parametrize("quality", ["fast", "predecessor"])
def test_other_networks_ignore_the_values_of_those_on_features(tmp_path, quality):
    loaded = load_with(tmp_path, quality=quality, epochs=7, **BLOCKS).train
    assert loaded.for_network() == loaded
    assert loaded.for_network().epochs == 7


def test_the_effective_values_are_those_that_the_chosen_network_uses(tmp_path):
    fast, standard, best, old = (
        set(params.effective(load_with(tmp_path, quality=quality)))
        for quality in ("fast", "standard", "best", "predecessor")
    )
    assert {"train.epochs", "train.precision", "split.salt"} <= fast
    head, tuning = ({f"train.{block}.{name}" for name in HEAD} for block in BLOCKS)
    features = {"train.features.source", "train.features.image_size", "train.base"}
    # the values of a block replace those of the same names; fields have no colours to change
    replaced = {"train.image_size", *(f"train.{name}" for name in HEAD)}
    assert standard - fast == head | features
    assert fast - standard == replaced | {"train.colour_jitter"}
    assert best - fast == head | tuning | features
    assert fast - best == replaced
    assert old - fast == {"train.predecessor_loss"}
    assert {"train.epochs", "train.averaging", "train.colour_jitter"} <= old
    assert not {"train.image_size", "train.max_angle_deg"} & old


def test_every_float_can_be_set_to_a_number_that_dvc_writes_with_an_exponent(tmp_path):
    plain = params.flatten(params.load(ROOT / "params.yaml"))
    floats = [name for name, value in plain.items() if isinstance(value, float)]
    assert {"train.learning_rate", "train.fine_tuning.learning_rate"} <= set(floats)
    for name in [*floats, "split.fractions.test"]:
        file = tmp_path / "params.yaml"
        file.write_text((ROOT / "params.yaml").read_text())
        apply_overrides(str(file), [f"{name}=0.00005"])  # as `dvc exp run -S` does
        assert "5e-05" in file.read_text()
        try:
            assert params.flatten(params.load(file))[name] == 5e-05
        except ParamsError as error:  # too small for this one, but a number
            assert re.search(r"is 5e-05, |got 0\.85005 from", str(error)), name


def load_text(tmp_path: Path, value: str, name: str = "learning_rate: 0.002") -> params.Params:
    text = (ROOT / "params.yaml").read_text()
    assert text.count(f"  {name} ") == 1
    key = name.partition(":")[0]
    file = tmp_path / "params.yaml"
    file.write_text(text.replace(f"  {name} ", f"  {key}: {value} "))
    return params.load(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("5e-05", 5e-05), ("5E-5", 5e-05), (".5", 0.5), ("+2.", 2.0), ("1e0", 1.0), ("1", 1.0)],
        *[('"5e-05"', 5e-05), ("' 1 '", 1.0), ("1_0", 10.0)],
    ],
)
def test_a_float_takes_what_float_takes(tmp_path, text, value):
    assert load_text(tmp_path, text).train.learning_rate == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *[("fast", "'fast', expected a number"), ("1,5", "'1,5', expected a number")],
        *[("true", "True, expected a number"), ("[1]", r"\[1\], expected a number")],
        *[(".inf", "inf, expected a finite number"), ("'nan'", "nan, expected a finite number")],
        *[("1e999", "inf, expected a finite number"), ("~", "None, expected a number")],
    ],
)
def test_a_float_that_is_no_finite_number_is_refused_in_one_sentence(tmp_path, text, shown):
    with pytest.raises(ParamsError, match=f"train.learning_rate is {shown}$"):
        load_text(tmp_path, text)


@pytest.mark.parametrize(("text", "value"), [("1e3", 1000), ("8.0", 8), ("010", 10), ("0x10", 16)])
def test_a_whole_number_may_be_written_as_a_float(tmp_path, text, value):
    epochs = load_text(tmp_path, text, "epochs: 24").train.epochs
    assert (epochs, type(epochs)) == (value, int)


@pytest.mark.parametrize("text", ["8.5", ".inf", "'8'", "1e-3"])
def test_a_whole_number_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(ParamsError, match=r"train\.epochs is .*, expected a whole number"):
        load_text(tmp_path, text, "epochs: 24")


@pytest.mark.parametrize("text", ["on", "no", "1:30", "2024-01-01", "1e"])
def test_a_text_that_older_yaml_takes_for_something_else_is_a_text(tmp_path, text):
    assert load_text(tmp_path, text, "salt: cropperhead").split.salt == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "not readable as YAML"),
        (b"extract: " + b"9" * 5000, "not readable as YAML"),
        (b"7: x\nextract: x", "unknown key 7"),
    ],
)
def test_a_file_that_is_no_params_is_refused_in_one_sentence(tmp_path, content, message):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    with pytest.raises(ParamsError, match=message):
        params.load(file)


def test_fractions_must_sum_to_one(tmp_path):
    # 0.8 + 0.2 + 0.1 = 1.1
    fractions = {"train": 0.8, "validation": 0.2, "test": 0.1}
    with pytest.raises(ParamsError, match=r"must be above 0 and sum to 1, got 1\.1 from"):
        params.load(with_values(tmp_path, "split", fractions=fractions))


def test_the_error_names_a_missing_key_a_missing_file_and_broken_yaml(tmp_path):
    file = tmp_path / "params.yaml"
    with pytest.raises(ParamsError, match="not found"):
        params.load(file)
    file.write_text("extract: {library: x}")
    with pytest.raises(ParamsError, match="missing key"):
        params.load(file)
    file.write_text("extract: [")
    with pytest.raises(ParamsError, match="not readable as YAML"):
        params.load(file)


def test_a_block_converts_to_plain_values():
    split = params.as_dict(params.load(ROOT / "params.yaml").split)
    assert split["fractions"] == {"train": 0.7, "validation": 0.15, "test": 0.15}


def test_without_params_yaml_its_values_for_extraction_apply(tmp_path, monkeypatch):
    own = params.load(ROOT / "params.yaml").extract
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(params, "FILE", Path("no-such.yaml"))
    assert params.nearest_extract() == dataclasses.replace(own, library=".")
