import dataclasses
import json

import keras
import numpy as np
import pytest
from conftest import KERAS_WARNINGS
from keras import layers, ops
from small_networks import PARAMS, PROTOTYPES, START, finish, photos, stir

from cropperhead import __version__
from cropperhead.errors import ModelError
from cropperhead.inference import litert
from cropperhead.training import export, straighten
from cropperhead.training.batches import Examples
from cropperhead.training.export import FLOAT16, FLOAT32, Parity
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.recipe import network_inputs
from cropperhead.training.networks.registry import build_network

pytestmark = KERAS_WARNINGS

DATA = "ab" * 32  # a SHA-256 in hexadecimal digits
LIMITS = np.array([[0.1, 0.1, 0.9, 0.8, 0.0], [0.0, 0.2, 0.7, 1.0, 2.0]], np.float32)


@pytest.fixture(scope="module")
def model():
    """A finished model that straightens, untrained, whose outputs depend on the photo."""
    keras.utils.set_random_seed(1)
    network = stir(build_network(PARAMS, START, PROTOTYPES))
    estimator = straighten.build_estimator()
    # strong opinions: weak ones have a median near 0, which is left alone
    estimator.set_weights([3 * weight for weight in estimator.get_weights()])
    return finish(network, estimator)


@pytest.fixture(scope="module")
def contents(model):
    return {weights: export.export_model(model, weights, DATA) for weights in (FLOAT32, FLOAT16)}


def examples(count=2, size=256):
    limits = np.tile(LIMITS, (count, 1))[:count]
    return Examples(photos(count, size), np.arange(count), limits)


def test_both_files_predict_what_keras_predicts(model, contents):
    seen = photos(12, 256)
    keras_outputs = keras_model.predict_outputs(model, seen)
    # of rounding: 24 bits of a sum, and 11 of a weight
    for weights, tolerance in ((FLOAT32, 1e-4), (FLOAT16, 5e-3)):
        outputs = export.predict_outputs(litert.parse_model(contents[weights], weights), seen)
        assert set(outputs) == set(keras_outputs)
        for name in keras_outputs:
            apart = np.abs(outputs[name] - keras_outputs[name])
            if name == "limits":
                apart[:, 4] *= np.pi / 180
            # the logits of the untrained straightener are steep: 0.02 of 10 change 0.5 by 0.005
            steepness = 4 if name == "straightening" else 1
            assert apart.max() < steepness * tolerance, (weights, name)
    assert np.ptp(keras_outputs["limits"][:, 0]) > 0.01  # that depends on the photo
    assert np.abs(keras_outputs["limits"][:, 4]).max() > 1


def test_a_bias_of_large_weights_may_equal_small_weights():
    """The converter stores 576 ones once: the former go to 16 bits, and the latter do not."""
    image, aspect = network_inputs(32)
    x = layers.Dense(576, bias_initializer="ones")(layers.Flatten()(image) / 255)
    x = layers.Dense(96)(ops.tanh(x)) + aspect
    limits = layers.Dense(6, kernel_initializer="ones", use_bias=False)(ops.tanh(x))
    network = keras.Model({"image": image, "aspect": aspect}, {"limits": limits}, name="two")
    lite = litert.parse_model(export.export_model(network, FLOAT16, DATA), "two")
    seen = photos(3, 32)
    expected = keras_model.predict_outputs(network, seen)["limits"]
    assert export.predict_outputs(lite, seen)["limits"] == pytest.approx(expected, rel=0.02)


def test_a_photo_alone_is_predicted_the_same_as_among_others(model):
    # Keras once treated a sum for one photo as a bias, and turned the photo by another angle
    seen, again = photos(3, 256), keras.models.clone_model(model)
    again.set_weights(model.get_weights())
    alone = keras_model.predict_outputs(again, seen.first(1))
    assert alone["limits"] == pytest.approx(
        keras_model.predict_outputs(model, seen)["limits"][:1], abs=1e-4
    )


def test_the_bytes_are_the_same_again_and_half_as_many_in_16_bits(model, contents):
    assert export.export_model(model, FLOAT16, DATA) == contents[FLOAT16]
    fewer = len(contents[FLOAT32]) - len(contents[FLOAT16])
    # two bytes fewer for each weight of the large layers, nine of ten, and for each number of the
    # waves that lines are found by
    assert 1.8 * model.count_params() < fewer < 2 * model.count_params() + 300_000


def test_a_file_describes_its_inputs_outputs_and_data(contents):
    facts = litert.read_facts(contents[FLOAT16], "model")
    assert (facts["version"], facts["kind"]) == (__version__, "small")
    assert (facts["weights"], facts["data_sha256"]) == ("float16", DATA)
    assert facts["inputs"]["image"]["shape"] == [1, 256, 256, 3]
    assert "RGB in [0, 255]" in facts["inputs"]["image"]["meaning"]
    shapes = {name: one["shape"] for name, one in facts["outputs"].items()}
    assert shapes == {
        "limits": [1, 5],
        "confidence": [1, 1],
        "uncropped": [1, 1],
        "shares": [1, 7],
        "prototypes": [1, 7, 4],
        "straightening": [1, 1],
        "unturned": [1, 4],
    }
    assert "crop_top, crop_left, crop_bottom, crop_right" in facts["outputs"]["limits"]["meaning"]


def test_the_predecessor_is_exported_with_its_limits_alone():
    keras.utils.set_random_seed(1)
    old = build_network(dataclasses.replace(PARAMS, quality="predecessor"), START, PROTOTYPES)
    network = litert.parse_model(export.export_model(old, FLOAT32, DATA), "old")
    assert (network.input_size, network.names) == (300, ["limits"])
    image = np.full((1, 300, 300, 3), 90, np.uint8)
    expected = old.predict({"image": image, "aspect": np.ones((1, 1))}, verbose=0)["limits"]
    assert network.outputs(image, [1.0])["limits"] == pytest.approx(expected, abs=1e-4)


def test_parity_is_the_largest_difference_and_the_mean_overlaps():
    keras_outputs = {"limits": LIMITS.astype(float), "confidence": np.array([[0.5], [0.7]])}
    lite = {"limits": LIMITS.astype(float), "confidence": np.array([[0.5], [0.6]])}
    lite["limits"] += [[0.0, 0.002, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, -0.25]]
    parity = export.compare_outputs(keras_outputs, lite, examples())
    assert (parity.photos, parity.limits) == (2, pytest.approx(0.002))
    assert parity.angle_deg == pytest.approx(0.25)
    assert parity.others == pytest.approx(0.1)
    assert parity.keras_overlap == pytest.approx(1)
    # of the first 0.698 of 0.7 of the width; the second is turned by a quarter of a degree
    assert 0.99 < parity.overlap < (0.698 / 0.7 + 1) / 2


def test_a_photo_that_only_one_model_turns_is_counted_apart():
    keras_outputs = {"limits": LIMITS.astype(float)}
    lite = {"limits": LIMITS.astype(float)}
    lite["limits"][1] = [0.01, 0.2, 0.7, 1.0, 0.0]  # 2 degrees in Keras's
    parity = export.compare_outputs(keras_outputs, lite, examples())
    assert (parity.turned_by_one, parity.limits, parity.angle_deg) == (1, 0, 0)
    assert parity.overlap < 0.99


@pytest.mark.parametrize(
    ("values", "weights", "problems"),
    [
        ({}, FLOAT32, []),
        ({"limits": 0.002}, FLOAT16, []),
        ({"limits": 0.002}, FLOAT32, ["a limit differs by 0.002, expected below 0.001"]),
        ({"limits": float("nan")}, FLOAT16, ["a limit differs by nan, expected below 0.005"]),
        # 0.1 degrees are 0.00175 radians
        ({"angle_deg": 0.1}, FLOAT32, ["an angle, in radians, differs by 0.0017, expected below"]),
        ({"overlap": 0.7989}, FLOAT32, ["mean overlap is 0.7989, expected 0.8000"]),
        ({"overlap": 0.8004}, FLOAT32, []),
        ({"turned_by_one": 2}, FLOAT32, []),
        ({"turned_by_one": 3}, FLOAT32, ["3 of 2,000 photos turned by only one"]),
    ],
)
def test_differences_that_are_too_large_are_problems(values, weights, problems):
    same = Parity(2000, 0, 0.0, 0.0, 0.0, 0.8, 0.8)
    sentences = dataclasses.replace(same, **values).problems(weights)
    assert len(sentences) == len(problems)
    assert all(one.startswith(start) for one, start in zip(sentences, problems, strict=True))


def test_a_run_writes_both_files_and_a_report(model, tmp_path):
    keras_model.save_model(model, tmp_path / "model.keras")
    files = {FLOAT32: tmp_path / "a.tflite", FLOAT16: tmp_path / "b.tflite"}
    report = tmp_path / "export.json"
    export.export_files(tmp_path / "model.keras", examples(), DATA, files, report)
    rows = json.loads(report.read_text())
    assert list(rows) == ["float32", "float16"]
    for weights, file in files.items():
        assert rows[weights]["bytes"] == file.stat().st_size
        assert rows[weights]["photos"] == 2
        assert rows[weights]["limits"] < export.TOLERANCES[weights]
        assert rows[weights]["overlap"] == pytest.approx(rows[weights]["keras_overlap"], abs=5e-4)


def test_a_file_that_predicts_something_else_raises_after_its_report(model, tmp_path, monkeypatch):
    keras_model.save_model(model, tmp_path / "model.keras")
    monkeypatch.setitem(export.TOLERANCES, FLOAT16, 1e-9)  # no rounding is as small
    files = {FLOAT16: tmp_path / "model.tflite"}
    report = tmp_path / "export.json"
    message = r"model\.tflite: a limit differs by .*, expected below 1e-09; .*See \S*export\.json"
    with pytest.raises(ModelError, match=message):
        export.export_files(tmp_path / "model.keras", examples(), DATA, files, report)
    assert json.loads(report.read_text())["float16"]["photos"] == 2


def test_weights_that_16_bits_cannot_hold_stay_as_they_are():
    image, aspect = network_inputs(32)
    x = layers.Dense(16)(layers.Flatten()(image) / 255) + aspect
    wide = keras.initializers.Constant(1e6)  # the largest number of 16 bits is 65,504
    limits = layers.Dense(600, kernel_initializer=wide, use_bias=False)(ops.tanh(x))
    network = keras.Model({"image": image, "aspect": aspect}, {"limits": limits}, name="wide")
    lite = litert.parse_model(export.export_model(network, FLOAT16, DATA), "wide")
    seen = photos(3, 32)
    expected = keras_model.predict_outputs(network, seen)["limits"]
    found = export.predict_outputs(lite, seen)["limits"]
    # 16 numbers of at most 1, which 16 bits for the first layer change by up to a thousandth
    assert found == pytest.approx(expected, abs=16 * 1e6 * 2e-3)
