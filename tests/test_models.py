import dataclasses
import json
import subprocess
import sys
import time
import zipfile

import keras
import numpy as np
import pytest

from cropperhead import crops, models, params
from cropperhead.batches import Photos

# Keras's to-NumPy conversion of TensorFlow variables is older than NumPy 2's `copy` argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

START = np.array([0.1, 0.05, 0.9, 0.95, 1.0])
PARAMS = dataclasses.replace(params.load().train, image_size=32, max_angle_deg=10.0)


def photos(count, size=32):
    generator = np.random.default_rng(4)
    images = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    aspect = np.linspace(0.5, 2.0, count, dtype=np.float32)
    return Photos([str(i) for i in range(count)], images, aspect)


@pytest.fixture
def stirred():
    """A small network whose last layer is no longer zero."""
    keras.utils.set_random_seed(1)
    model = models.build(PARAMS, START)
    raw = model.get_layer("raw")
    raw.kernel.assign(np.random.default_rng(2).normal(0, 1, raw.kernel.shape))
    return model


def test_three_equal_numbers_share_an_axis_equally():
    raw, square = np.zeros((1, 7), "float32"), np.ones((1, 1), "float32")
    limits = np.asarray(models.valid_limits(raw, square, 10.0))
    # margin, size and margin a third each
    assert limits == pytest.approx(np.array([[1 / 3, 1 / 3, 2 / 3, 2 / 3, 0]]), abs=1e-6)


def test_the_angle_is_bounded():
    raw = np.zeros((2, 7), "float32")
    raw[:, 6] = [99, -99]
    limits = np.asarray(models.valid_limits(raw, np.ones((2, 1), "float32"), 10.0))
    assert limits[:, 4] == pytest.approx([10, -10])


def test_a_turned_crop_shrinks_about_its_centre_until_it_fits():
    # almost the whole of a square, turned by 45 degrees: the largest such square has the sides
    # 1 / sqrt(2), so limits of 0.5 +- 0.3536
    raw = np.array([[0, 20, 0, 0, 20, 0, 99]], "float32")
    limits = np.asarray(models.valid_limits(raw, np.ones((1, 1), "float32"), 45.0))
    assert limits == pytest.approx(np.array([[0.1464, 0.1464, 0.8536, 0.8536, 45]]), abs=1e-4)


def test_any_seven_numbers_make_a_crop_within_the_frame():
    generator = np.random.default_rng(3)
    raw = generator.normal(0, 2, (2000, 7)).astype("float32")
    aspect = generator.uniform(0.3, 3, (2000, 1)).astype("float32")
    limits = np.asarray(models.valid_limits(raw, aspect, 45.0), dtype=float)
    assert crops.outside(limits, aspect[:, 0]).max() < 1e-5  # float32
    assert (limits[:, 2:4] > limits[:, :2]).all()


def test_numbers_however_large_make_limits_that_are_numbers():
    raw = np.array([[300, 0, 0, 0, 300, 0, 300], [0, 0, 300, 300, 0, -300, -300]], "float32")
    limits = np.asarray(models.valid_limits(raw, np.full((2, 1), 1.5, "float32"), 45.0))
    assert np.isfinite(limits).all()


def test_shrinking_agrees_with_the_geometry_of_crops():
    generator = np.random.default_rng(5)
    raw = generator.normal(0, 1, (500, 7)).astype("float32")
    aspect = generator.uniform(0.5, 2, (500, 1)).astype("float32")
    limits = np.asarray(models.valid_limits(raw, aspect, 30.0), dtype=float)
    unturned = np.concatenate([raw[:, :6], np.zeros((500, 1), "float32")], axis=1)
    free = np.asarray(models.valid_limits(unturned, aspect, 30.0), dtype=float)
    free[:, 4] = limits[:, 4]
    assert limits == pytest.approx(crops.inside_frame(free, aspect[:, 0]), abs=1e-5)


def test_an_untrained_network_gives_the_start_for_every_photo():
    limits = models.predict(models.build(PARAMS, START), photos(3), mirrored=False)
    assert limits == pytest.approx(np.tile(START, (3, 1)), abs=1e-5)


def test_a_start_at_the_frames_edge_is_met_within_half_a_hundredth():
    # margins of 0 become 0.003 of 1.003 or 1.006
    start = np.array([0.0, 0.0, 1.0, 0.9, 0.0])
    limits = models.predict(models.build(PARAMS, start), photos(2), mirrored=False)
    assert limits == pytest.approx(np.tile(start, (2, 1)), abs=0.005)


def test_mirrored_photos_get_mirrored_crops_when_two_looks_are_taken(stirred):
    seen = photos(4)
    straight, turned = models.predict(stirred, seen), models.predict(stirred, seen.mirrored())
    assert turned == pytest.approx(crops.mirrored(straight), abs=1e-5)
    once = models.predict(stirred, seen, mirrored=False)
    assert np.abs(once - straight).max() > 0.01


def test_predictions_lie_within_the_frame(stirred):
    seen = photos(20)
    assert crops.outside(models.predict(stirred, seen), seen.aspect).max() < 1e-5


def test_a_photos_crop_does_not_depend_on_the_photos_beside_it(stirred):
    many = models.predict(stirred, photos(70))
    assert many.shape == (70, 5)
    assert models.predict(stirred, photos(70).first(3)) == pytest.approx(many[:3], abs=1e-4)


def test_no_photos_give_no_crops(stirred):
    assert models.predict(stirred, photos(5).first(0)).shape == (0, 5)


@pytest.fixture(scope="module")
def predecessor():
    keras.utils.set_random_seed(1)
    return models.build(dataclasses.replace(PARAMS, model="predecessor"), START)


def test_the_predecessor_has_its_published_number_of_weights(predecessor):
    assert predecessor.count_params() == 958_789
    assert models.image_size(dataclasses.replace(PARAMS, model="predecessor")) == 300


def test_the_predecessors_free_outputs_pass_through_even_when_they_make_no_crop(predecessor):
    predecessor.layers[-1].kernel.assign(np.zeros((32, 5), "float32"))
    outputs = [1.2, 0.4, -0.1, 0.6, 0.0]  # upside down and outside; left and right mirror alike
    predecessor.layers[-1].bias.assign(outputs)
    assert models.predict(predecessor, photos(1, 300)) == pytest.approx(np.array([outputs]))


def test_a_saved_network_gives_the_same_crops(stirred, tmp_path):
    models.save(stirred, tmp_path / "deep" / "model.keras")
    again = models.load(tmp_path / "deep" / "model.keras")
    assert np.array_equal(models.predict(again, photos(3)), models.predict(stirred, photos(3)))
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["model.keras"]


def test_a_network_saved_twice_has_the_same_bytes(stirred, tmp_path):
    models.save(stirred, tmp_path / "one.keras")
    time.sleep(2.1)  # zip archives count time in steps of two seconds
    models.save(stirred, tmp_path / "two.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert json.loads(archive.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"


def test_a_saved_network_opens_without_cropperhead(stirred, tmp_path):
    models.save(stirred, tmp_path / "model.keras")
    seen = photos(2)
    np.savez(tmp_path / "inputs.npz", **seen.inputs())
    script = (
        "import sys, keras, numpy; model = keras.saving.load_model('model.keras');"
        "numpy.save('limits.npy', model.predict(dict(numpy.load('inputs.npz')), verbose=0));"
        "assert not any(name.startswith('cropperhead') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    expected = models.predict(stirred, seen, mirrored=False)
    assert np.load(tmp_path / "limits.npy") == pytest.approx(expected, abs=1e-4)
