import dataclasses
import json
import math
import os
import subprocess
import sys
import time
import types
import typing
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import WITHOUT_GRAPHS
from small_networks import (
    CALIBRATION,
    CALIBRATION_OF_MANY,
    DEFAULT,
    HABIT,
    PARAMS,
    PROTOTYPES,
    START,
    finish,
    photos,
    stir,
)

from cropperhead.errors import ParamsError
from cropperhead.geometry import crops
from cropperhead.params import PACKAGED, FeaturesParams, Quality
from cropperhead.training import straighten
from cropperhead.training.batches import FieldArrays, PhotoArrays
from cropperhead.training.fields import compute_fields
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.features import read_features
from cropperhead.training.networks.finished import (
    Calibration,
    average_networks,
    average_with_mirror_image,
    finish_model,
    shift_to,
)
from cropperhead.training.networks.frozen import join_features
from cropperhead.training.networks.head import copy_head, standardise
from cropperhead.training.networks.limits import valid_limits
from cropperhead.training.networks.registry import RECIPES, build_network, recipe_for

pytestmark = WITHOUT_GRAPHS


@pytest.fixture(scope="module")
def stirred():
    """A small network whose last layer is no longer zero."""
    keras.utils.set_random_seed(1)
    return stir(build_network(PARAMS, START, PROTOTYPES))


@pytest.fixture(scope="module")
def upright(stirred):
    """A finished model that does not straighten."""
    return finish(stirred)


@pytest.fixture(scope="module")
def straightened(stirred):
    """A finished model whose untrained straightener turns each photo by another angle."""
    keras.utils.set_random_seed(3)
    estimator = straighten.build_estimator()
    # strong opinions: weak ones have a median near 0, which is left alone
    estimator.set_weights([3 * weight for weight in estimator.get_weights()])
    return finish(stirred, estimator)


def sure_of(angle_deg):
    """A straightener that finds the same angle in every photo."""
    seen = straighten.build_estimator().input
    far = np.abs((np.arange(64) + 0.5) / 2 - 16 - angle_deg).astype(np.float32)  # bins of 0.5
    return keras.Model(seen, seen[:, :, 0] * 0 - 99 * far)


def limits_of(raw, angle_deg, aspect):
    """The limits from raw numbers (n, 6), angles (n,) and aspects (n,)."""
    columns = [np.asarray(values, np.float32).reshape(-1, 1) for values in (angle_deg, aspect)]
    return np.asarray(valid_limits(np.asarray(raw, np.float32), *columns), dtype=float)


def test_three_equal_numbers_share_an_axis_equally():
    limits = limits_of(np.zeros((1, 6)), [0], [1])
    # margin, size and margin a third each
    assert limits == pytest.approx(np.array([[1 / 3, 1 / 3, 2 / 3, 2 / 3, 0]]), abs=1e-6)


def test_the_angle_is_the_one_that_is_given():
    # thirds of the sides leave room for a turn by 10 degrees: nothing shrinks
    limits = limits_of(np.zeros((2, 6)), [10, -10], [1, 1])
    expected = [[1 / 3, 1 / 3, 2 / 3, 2 / 3, 10], [1 / 3, 1 / 3, 2 / 3, 2 / 3, -10]]
    assert limits == pytest.approx(np.array(expected), abs=1e-6)


def test_a_turned_crop_shrinks_about_its_centre_until_it_fits():
    # almost the whole of a square, turned by 45 degrees: the largest such square has the sides
    # 1 / sqrt(2), so limits of 0.5 +- 0.3536
    limits = limits_of([[0, 20, 0, 0, 20, 0]], [45], [1])
    assert limits == pytest.approx(np.array([[0.1464, 0.1464, 0.8536, 0.8536, 45]]), abs=1e-4)


def test_any_six_numbers_and_any_angle_make_a_crop_within_the_frame():
    generator = np.random.default_rng(3)
    raw, angle = generator.normal(0, 2, (2000, 6)), generator.uniform(-45, 45, 2000)
    aspect = generator.uniform(0.3, 3, 2000)
    limits = limits_of(raw, angle, aspect)
    assert crops.outside(limits, aspect).max() < 1e-5  # float32
    assert (limits[:, 2:4] > limits[:, :2]).all()


def test_numbers_however_large_make_limits_that_are_numbers():
    raw = [[300, 0, 0, 0, 300, 0], [0, 0, 300, 300, 0, -300]]
    assert np.isfinite(limits_of(raw, [45, -45], [1.5, 1.5])).all()


def test_a_turned_crop_is_moved_before_it_is_shrunk():
    # a quarter in the corner of a square, turned by 45 degrees, reaches 0.25 * sqrt(2) to each side
    limits = limits_of([[-20, 0, 0, -20, 0, 0]], [45], [1])
    expected = [[0.1036, 0.1036, 0.6036, 0.6036, 45]]
    assert limits == pytest.approx(np.array(expected), abs=1e-4)


def test_turned_crops_that_fit_stay_and_others_keep_more_than_if_shrunk_where_they_are():
    generator = np.random.default_rng(5)
    raw, angle = generator.normal(0, 1, (500, 6)), generator.uniform(-30, 30, 500)
    aspect = generator.uniform(0.5, 2, 500)
    free = limits_of(raw, np.zeros(500), aspect)
    free[:, 4] = angle
    turned, fits = limits_of(raw, angle, aspect), crops.outside(free, aspect) == 0
    assert 50 < fits.sum() < 450
    assert turned[fits] == pytest.approx(free[fits], abs=1e-5)
    shrunk = crops.inside_frame(free, aspect)
    assert (crops.area(turned[~fits]) > crops.area(shrunk[~fits]) - 1e-6).all()
    shape = (turned[:, 3] - turned[:, 1]) / (turned[:, 2] - turned[:, 0])
    assert shape == pytest.approx((free[:, 3] - free[:, 1]) / (free[:, 2] - free[:, 0]), rel=1e-3)


def shifted(network, shift):
    return finish(network, calibration=dataclasses.replace(CALIBRATION, shift=shift))


def test_a_network_that_learned_nothing_gives_a_lopsided_start_itself():
    start = np.array([0.1, 0.02, 0.9, 0.7, 0.0])
    both = shifted(build_network(PARAMS, start, PROTOTYPES), shift_to(start))
    expected = np.tile(start, (2, 1))
    assert keras_model.predict_limits(both, photos(2, 256)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_crops_shift_no_further_than_to_the_frames_edge(stirred, upright, shift):
    limits = keras_model.predict_limits(shifted(stirred, shift), photos(4, 256))
    straight = keras_model.predict_limits(upright, photos(4, 256))
    assert limits[:, 1 if shift < 0 else 3] == pytest.approx(np.full(4, max(shift, 0)), abs=1e-6)
    assert crops.area(limits) == pytest.approx(crops.area(straight), abs=1e-6)


def test_an_untrained_network_gives_the_start_for_every_photo_and_no_angle():
    untrained = build_network(PARAMS, START, PROTOTYPES)
    expected = np.tile([*START[:4], 0.0], (3, 1))
    assert keras_model.predict_limits(untrained, photos(3)) == pytest.approx(expected, abs=1e-5)
    whole = finish(untrained)
    assert keras_model.predict_limits(whole, photos(3, 256)) == pytest.approx(expected, abs=1e-5)


def test_all_batches_have_one_size_and_no_photo_is_predicted_twice(upright, monkeypatch):
    monkeypatch.setattr(keras_model, "_BATCH", 3)
    sizes, predict = [], upright.predict_on_batch
    monkeypatch.setattr(
        upright, "predict_on_batch", lambda each: sizes.append(len(each["image"])) or predict(each)
    )
    limits = keras_model.predict_limits(upright, photos(7, 256))
    assert sizes == [3, 3, 3]
    assert limits.shape == (7, 5)
    assert limits == pytest.approx(predict(photos(7, 256).inputs())["limits"], abs=1e-5)


def test_a_full_batch_is_not_copied():
    inputs = photos(3, 256).inputs()
    assert keras_model._filled(inputs, 3) is inputs


def test_a_start_at_the_frames_edge_is_met_within_half_a_hundredth():
    # margins of 0 become 0.003 of 1.003 or 1.006
    start = np.array([0.0, 0.0, 1.0, 0.9, 0.0])
    limits = keras_model.predict_limits(build_network(PARAMS, start, PROTOTYPES), photos(2))
    assert limits == pytest.approx(np.tile(start, (2, 1)), abs=0.005)


def test_mirrored_photos_get_mirrored_crops_when_both_are_averaged(stirred):
    seen, both = photos(4), average_with_mirror_image(stirred, PROTOTYPES)
    straight, turned = (
        keras_model.predict_limits(both, seen),
        keras_model.predict_limits(both, seen.mirror()),
    )
    assert turned == pytest.approx(crops.mirror(straight), abs=1e-5)
    assert np.abs(keras_model.predict_limits(stirred, seen) - straight).max() > 0.01


def test_a_photos_crop_does_not_depend_on_the_photos_next_to_it(stirred):
    many = keras_model.predict_limits(stirred, photos(70))
    assert many.shape == (70, 5)
    assert keras_model.predict_limits(stirred, photos(70).first(3)) == pytest.approx(
        many[:3], abs=1e-4
    )


SHAPES = {"limits": (5,), "confidence": (1,), "uncropped": (1,), "shares": (7,)}
SHAPES |= {"prototypes": (7, 4), "straightening": (1,), "unturned": (4,)}


def test_a_finished_model_gives_all_outputs_for_a_photo(straightened):
    assert keras_model.input_size(straightened) == 256
    outputs = keras_model.predict_outputs(straightened, photos(3, 256))
    assert {name: values.shape for name, values in outputs.items()} == {
        name: (3, *shape) for name, shape in SHAPES.items()
    }
    assert outputs["shares"].sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert outputs["shares"].min() >= 0
    for name in ("confidence", "uncropped", "straightening"):
        assert ((outputs[name] >= 0) & (outputs[name] <= 1)).all()
    assert outputs["prototypes"] == pytest.approx(np.tile(PROTOTYPES, (3, 1, 1)))


def test_no_photos_give_outputs_of_no_rows(stirred, straightened):
    assert keras_model.predict_limits(stirred, photos(5).first(0)).shape == (0, 5)
    outputs = keras_model.predict_outputs(straightened, photos(1, 256).first(0))
    assert {name: values.shape for name, values in outputs.items()} == {
        name: (0, *shape) for name, shape in SHAPES.items()
    }


def test_a_finished_model_sees_the_photo_at_the_size_its_network_was_trained_on(stirred, upright):
    # fields of 8 x 8 px of one colour: their mean is the photo of 32 x 32
    small, large = average_with_mirror_image(stirred, PROTOTYPES), photos(3, 256)
    assert keras_model.predict_limits(upright, large) == pytest.approx(
        keras_model.predict_limits(small, photos(3)), abs=1e-5
    )


def test_the_mirrored_photo_gets_the_mirrored_crop_and_the_shares_of_mirrored_prototypes(upright):
    seen = photos(4, 256)
    straight, turned = (
        keras_model.predict_outputs(upright, seen),
        keras_model.predict_outputs(upright, seen.mirror()),
    )
    assert turned["limits"] == pytest.approx(crops.mirror(straight["limits"]), abs=1e-5)
    # prototypes 0, 1, 2 are those on the left, 3, 4, 5 their mirror images
    expected = straight["shares"][:, [3, 4, 5, 0, 1, 2, 6]]
    assert turned["shares"] == pytest.approx(expected, abs=1e-5)
    assert np.abs(turned["shares"] - straight["shares"]).max() > 0.01
    assert turned["confidence"] == pytest.approx(straight["confidence"], abs=1e-5)


def horizon(tilt_deg, aspect):
    """A photo (1, 256, 256, 3) of a horizon that goes down to the right, squashed to a square."""
    place = np.arange(256) - 127.5
    # a pixel across is `aspect` times as long as one down
    below = place[:, None] - math.tan(math.radians(tilt_deg)) * aspect * place
    grey = 60 + 120 / (1 + np.exp(-below))
    return np.repeat(grey[None, :, :, None], 3, axis=3).astype(np.uint8)


def test_a_tilted_horizon_turns_the_crop_and_its_mirror_image_the_other_way(stirred):
    seen = straighten.build_estimator().input
    level = keras.Model(seen, 99 * seen[:, :, 11])  # sum of bands, of all edges
    images = np.concatenate([horizon(4.25, 1.5), horizon(-6.25, 0.75)])
    seen = PhotoArrays(["a", "b"], images, np.array([1.5, 0.75], np.float32))
    model = finish(stirred, level)
    angle = keras_model.predict_limits(model, seen)[:, 4]
    assert angle == pytest.approx([4.25, -6.25], abs=0.5)  # a bin
    assert keras_model.predict_limits(model, seen.mirror())[:, 4] == pytest.approx(-angle, abs=0.1)


@pytest.mark.parametrize("found", [15.0, -15.0])
def test_the_angle_is_bounded_and_the_turned_crop_lies_within_the_frame(stirred, found):
    chosen = dataclasses.replace(PARAMS, max_angle_deg=12.0)
    seen = photos(20, 256)
    limits = keras_model.predict_limits(finish(stirred, sure_of(found), params=chosen), seen)
    assert limits[:, 4] == pytest.approx(np.full(20, math.copysign(12, found)))
    assert crops.outside(limits, seen.aspect).max() < 1e-5
    assert (limits[:, 2:4] > limits[:, :2]).all()


def test_an_angle_turns_the_crop_that_the_network_gives_and_moves_it_to_fit(stirred, upright):
    seen = photos(5, 256)
    expected = keras_model.predict_limits(upright, seen)
    expected[:, 4] = 4.25
    limits = keras_model.predict_limits(finish(stirred, sure_of(4.25)), seen)
    fits = crops.outside(expected, seen.aspect) == 0
    assert limits[fits] == pytest.approx(expected[fits], abs=1e-4)
    shrunk = crops.area(crops.inside_frame(expected, seen.aspect))
    assert fits.any() and (crops.area(limits)[~fits] > shrunk[~fits] + 1e-4).all()
    assert not fits.all()
    assert crops.outside(limits, seen.aspect).max() < 1e-5


HALVES = np.array([[0, 0, 1, 0.5], [0, 0.5, 1, 1], [0, 0, 1, 1]], np.float32)


def calibrated(scale, offset):
    """The outputs of a model that gives the middle quarter and likenesses of 0, 0 and 2 ln 2."""
    network = build_network(PARAMS, np.array([0.25, 0.25, 0.75, 0.75, 0.0]), HALVES)
    likeness = network.get_layer("likeness")
    likeness.kernel.assign(np.zeros(likeness.kernel.shape))
    likeness.bias.assign([0.0, 0.0, 2 * math.log(2)])
    calibration = Calibration(2.0, scale, offset, np.array([0.0, 0.2, 1.0], np.float32))
    model = finish_model(network, None, HALVES, calibration, HABIT, PARAMS)
    return keras_model.predict_outputs(model, photos(1, 256))


def test_a_temperature_divides_the_likenesses():
    # a temperature of 2 makes it 0, 0 and ln 2: in proportion 1 : 1 : 2
    assert calibrated(1.0, 0.0)["shares"] == pytest.approx(np.array([[0.25, 0.25, 0.5]]))


def test_the_shares_of_prototypes_give_the_probability_of_an_uncropped_frame():
    # 0.25 x 0 + 0.25 x 0.2 + 0.5 x 1 = 0.55
    assert calibrated(1.0, 0.0)["uncropped"] == pytest.approx(np.array([[0.55]]))


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        # the middle quarter shares 0.125 of 0.625 with either half, 0.25 of 1 with the frame:
        # 0.25 x 0.2 + 0.25 x 0.2 + 0.5 x 0.25 = 0.225
        (1.0, 0.0, 0.225),
        (2.0, 0.1, 0.55),  # 2 x 0.225 + 0.1
        (10.0, 0.0, 1.0),  # 2.25, of which 1 is the most there is
        (1.0, -0.5, 0.0),
    ],
)
def test_the_confidence_is_the_expected_overlap_put_right_by_a_line(scale, offset, expected):
    confidence = calibrated(scale, offset)["confidence"]
    assert confidence == pytest.approx(np.array([[expected]]), abs=1e-4)


@pytest.fixture(scope="module")
def predecessor():
    keras.utils.set_random_seed(1)
    return build_network(dataclasses.replace(PARAMS, quality="predecessor"), START, PROTOTYPES)


def test_the_predecessor_has_its_published_number_of_weights(predecessor):
    assert predecessor.count_params() == 958_789
    chosen = dataclasses.replace(PARAMS, quality="predecessor")
    assert recipe_for(chosen).image_size(chosen) == 300
    assert keras_model.input_size(predecessor) == 300


def test_the_predecessors_free_outputs_pass_through_even_when_they_make_no_crop(predecessor):
    predecessor.layers[-1].kernel.assign(np.zeros((32, 5), "float32"))
    outputs = [1.2, 0.4, -0.1, 0.5, 3.0]  # upside down and outside
    predecessor.layers[-1].bias.assign(outputs)
    one = PhotoArrays(["a"], np.zeros((1, 300, 300, 3), np.uint8), np.ones(1, np.float32))
    assert keras_model.predict_limits(predecessor, one) == pytest.approx(np.array([outputs]))


def test_a_saved_model_predicts_the_same(straightened, tmp_path):
    keras_model.save_model(straightened, tmp_path / "deep" / "model.keras")
    again = keras_model.load_model(tmp_path / "deep" / "model.keras")
    one, two = (
        keras_model.predict_outputs(model, photos(3, 256)) for model in (straightened, again)
    )
    for name in SHAPES:
        assert np.array_equal(one[name], two[name])
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["model.keras"]


def test_a_model_saved_twice_has_the_same_bytes(straightened, tmp_path):
    keras_model.save_model(straightened, tmp_path / "one.keras")
    time.sleep(2.1)  # zip archives count time in steps of two seconds
    keras_model.save_model(straightened, tmp_path / "two.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert json.loads(archive.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"


def test_a_saved_model_opens_without_cropperhead(straightened, tmp_path):
    keras_model.save_model(straightened, tmp_path / "model.keras")
    seen = photos(2, 256)
    np.savez(tmp_path / "inputs.npz", **seen.inputs())
    script = (
        "import sys, keras, numpy; model = keras.saving.load_model('model.keras');"
        "outputs = model.predict(dict(numpy.load('inputs.npz')), verbose=0);"
        "numpy.savez('outputs.npz', **outputs);"
        "assert not any(name.startswith('cropperhead') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    expected = keras_model.predict_outputs(straightened, seen)
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert set(outputs.files) == set(SHAPES)
        for name in SHAPES:
            assert outputs[name] == pytest.approx(expected[name], abs=1e-4)


MIXED_PRECISION = """
import dataclasses
import keras
import numpy as np
from small_networks import PARAMS, PROTOTYPES, START, photos, stir
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.registry import build_network

keras.utils.set_random_seed(1)
mixed = dataclasses.replace(PARAMS, precision="mixed_float16")
network = stir(build_network(mixed, START, PROTOTYPES))
assert {layer.compute_dtype for layer in network.layers} == {"float16", "float32"}
assert {str(output.dtype) for output in network.output.values()} == {"float32"}
assert np.isfinite(keras_model.predict_limits(network, photos(3))).all()
assert keras.config.dtype_policy().name == "float32"
"""


def test_mixed_precision_makes_limits_of_float32_and_leaves_later_layers_alone():
    """In a process of its own: oneDNN reads only once which instructions it may use."""
    tests = str(Path(__file__).parents[2])
    paths = os.pathsep.join([tests, *sys.path])
    subprocess.run(
        [sys.executable, "-c", MIXED_PRECISION], check=True, env={**os.environ, "PYTHONPATH": paths}
    )


def on_features(file, quality="best", size=32):
    chosen = FeaturesParams(str(file), size)
    return dataclasses.replace(PARAMS, quality=quality, features=chosen)


def test_a_network_of_features_begins_with_those_of_the_file(features):
    network = build_network(on_features(features), START, PROTOTYPES)
    assert (network.name, keras_model.input_size(network)) == ("fine-tuned", 32)
    first = network.get_layer("mobilenet_v2").get_weights()[0]
    with np.load(features) as archive:
        assert np.array_equal(first, archive["000"].astype("float32"))
    whole = finish(network)
    expected = np.tile([*START[:4], 0.0], (2, 1))
    assert keras_model.predict_limits(whole, photos(2, 256)) == pytest.approx(expected, abs=1e-5)


def test_a_head_joined_with_features_sees_photos_as_it_saw_their_fields(features):
    chosen = on_features(features, "standard")
    head = stir(build_network(chosen, START, PROTOTYPES))
    seen = photos(3)
    both = np.stack(list(compute_fields(seen.images, read_features(chosen.features), 32)))
    assert both.shape == (3, 2, 2, 2, 96)
    plain = keras_model.predict_outputs(join_features(head, chosen), seen)
    fields = {"fields": both[:, 0], "aspect": seen.aspect[:, None]}
    for name, expected in head.predict_on_batch(fields).items():
        assert plain[name] == pytest.approx(expected, abs=0.01)  # fields are kept in 16 bits
    averaged = average_with_mirror_image(head, PROTOTYPES)
    mirrored = FieldArrays(seen.names, both, seen.aspect)
    straight = keras_model.predict_limits(averaged, mirrored)
    turned = FieldArrays(seen.names, both[:, ::-1], seen.aspect)
    assert crops.mirror(straight) == pytest.approx(
        keras_model.predict_limits(averaged, turned), abs=1e-5
    )


def test_a_head_standardises_fields_and_a_network_that_begins_with_it_does_alike(features):
    fast, chosen = on_features(features, "standard"), on_features(features)
    head = stir(build_network(fast, START, PROTOTYPES))
    standardise(head, np.full(96, 2.0), np.full(96, 9.0))
    seen = head.get_layer("standard")(np.full((1, 2, 2, 96), 8.0, np.float32), training=True)
    assert np.asarray(seen) == pytest.approx(np.full((1, 2, 2, 96), 2.0), abs=1e-3)  # (8 - 2) / 3
    network = build_network(chosen, START, PROTOTYPES)
    copy_head(head, network)
    one, two = (
        keras_model.predict_outputs(each, photos(3))
        for each in (join_features(head, fast), network)
    )
    assert one["limits"] == pytest.approx(two["limits"], abs=1e-5)
    assert one["likeness"] == pytest.approx(two["likeness"], abs=1e-4)


def test_averaged_networks_give_the_mean_of_their_outputs():
    keras.utils.set_random_seed(1)
    networks = [stir(build_network(PARAMS, START, PROTOTYPES)) for _ in range(2)]
    seen = photos(3)
    expected = [keras_model.predict_outputs(network, seen) for network in networks]
    both = average_networks(networks)
    assert both.name == networks[0].name
    for name, given in keras_model.predict_outputs(both, seen).items():
        assert not np.allclose(expected[0][name], expected[1][name])
        mean = (expected[0][name] + expected[1][name]) / 2
        assert given == pytest.approx(mean, abs=1e-5)
    assert average_networks(networks[:1]) is networks[0]


def test_a_finished_model_takes_less_than_five_megabytes_at_two_bytes_a_weight(features):
    many = np.zeros((129, 4), np.float32)  # as many prototypes as the defaults ask for, and one
    whole = on_features(features, size=256)
    sizes = []
    for chosen in (dataclasses.replace(DEFAULT, quality="fast"), whole):
        count = max(1, chosen.for_network().refits)
        network = average_networks([build_network(chosen, START, many) for _ in range(count)])
        model = finish_model(
            network, straighten.build_estimator(), many, CALIBRATION_OF_MANY, HABIT, chosen
        )
        sizes.append(2 * model.count_params())
    assert sizes[0] < sizes[1] < 5_000_000


def test_features_that_cannot_be_read_are_named(tmp_path, features):
    text, other = tmp_path / "text.npz", tmp_path / "other.npz"
    text.write_text("no archive")
    with np.load(features) as archive:
        np.savez(other, **{name: archive[name] for name in archive.files[:-1]})
    messages = {
        tmp_path / "gone.npz": r"features\.source: \S*gone\.npz: not readable: .*No such file",
        text: r"features\.source: \S*text\.npz: not readable: File is not a zip file",
        other: r"other\.npz: 259 arrays that are not those of MobileNetV2 .* expected 260 in",
    }
    for file, message in messages.items():
        with pytest.raises(ParamsError, match=message):
            build_network(on_features(file), START, PROTOTYPES)


def test_features_end_where_the_fields_are_and_a_file_may_end_there_too(tmp_path, features):
    whole, short = FeaturesParams(str(features), 32), FeaturesParams(str(tmp_path / "f.npz"), 32)
    weights = read_features(whole).weights
    assert len(weights) == 195  # of 260
    named = {f"{place:03d}": array for place, array in enumerate(weights)}
    np.savez(short.source, **named, version=np.array("1"))
    assert read_features(short).sha256 == read_features(whole).sha256
    other = FeaturesParams(str(tmp_path / "other.npz"), 32)
    np.savez(other.source, **named | {"194": weights[194] + 1})
    assert read_features(other).sha256 != read_features(whole).sha256


def test_a_package_of_features_is_read_or_named_with_what_to_do(monkeypatch, features):
    chosen = FeaturesParams(PACKAGED, 32)
    package = types.ModuleType("cropperhead_base")
    package.features_file = lambda: features
    monkeypatch.setitem(sys.modules, "cropperhead_base", package)
    assert read_features(chosen).sha256 == read_features(FeaturesParams(str(features), 32)).sha256
    monkeypatch.setitem(sys.modules, "cropperhead_base", None)  # as if it were not installed
    message = r"not installed: run `pip install cropperhead-base`, or set train\.quality to fast\.$"
    with pytest.raises(ParamsError, match=message):
        read_features(chosen)


def test_a_file_that_holds_something_else_than_arrays_is_named(tmp_path):
    file = tmp_path / "strange.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "features")
    with pytest.raises(ParamsError, match=r"features\.source: \S*strange\.npz: not readable"):
        build_network(on_features(file), START, PROTOTYPES)


def test_every_network_that_params_name_has_a_recipe():
    assert set(RECIPES) == set(typing.get_args(Quality))
