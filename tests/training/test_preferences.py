"""Crops that people prefer, learned from by their weights."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import WITHOUT_GRAPHS
from small_networks import DEFAULT, examples

from cropperhead.errors import DataError
from cropperhead.geometry import crops
from cropperhead.training import batches, preferences
from cropperhead.training.adapt import before_step
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.loop import train_epochs
from cropperhead.training.personal import PersonalStep, take_step
from cropperhead.training.training_data import TrainingData

pytestmark = WITHOUT_GRAPHS
PARAMS = dataclasses.replace(
    DEFAULT,
    quality="fast",
    image_size=64,
)
TRAINING, VALIDATION = examples(32, 1), examples(8, 2)


OWN = (0.1, 0.1, 0.9, 0.9, 0.0)  # the photographer's crop


def preferred(names, limits=crops.FULL_FRAME, weight=0.5):
    rows = [[name, *limits, weight, *OWN] for name in names]
    return pd.DataFrame(rows, columns=preferences.COLUMNS)


def labels(**splits):
    """Labels with the photographer's crop; the names stand for photos of that split."""
    rows = [[name, split, *OWN] for split, names in splits.items() for name in names]
    return pd.DataFrame(rows, columns=["photo", "split", *crops.CROP_COLUMNS])


def test_only_preferred_crops_of_training_photos_are_read_and_the_others_listed(tmp_path):
    file = tmp_path / "preferred.csv"
    preferences.write(preferred(["NA", "b.jpg", "c.jpg", "gone.jpg"]), file)
    # one photo that two people cropped, once in each split, is no training photo
    table, left_out = preferences.read(
        file, labels(train=["NA", "c.jpg"], test=["b.jpg"], validation=["c.jpg"])
    )
    assert table["photo"].tolist() == ["NA"]
    assert left_out == ["b.jpg", "c.jpg", "gone.jpg"]


def test_a_crop_is_preferred_to_the_one_that_it_beat_and_to_no_later_one(tmp_path):
    file, now = tmp_path / "preferred.csv", labels(train=["a.jpg", "b.jpg", "b.jpg"])
    preferences.write(preferred(["a.jpg", "b.jpg"]), file)
    now.loc[[0, 1], crops.CROP_COLUMNS[0]] = (
        0.12  # the photographer has cropped both anew; another one only b
    )
    table, left_out = preferences.read(file, now)
    assert (table["photo"].tolist(), left_out) == (["b.jpg"], ["a.jpg"])


def test_of_no_preferred_crops_none_is_left_out(tmp_path):
    preferences.write(preferred([]), tmp_path / "preferred.csv")
    table, left_out = preferences.read(tmp_path / "preferred.csv", labels(train=["a.jpg"]))
    assert (len(table), left_out) == (0, [])


def test_a_crop_of_an_unknown_photo_is_given_to_no_other():
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred(["unknown.jpg"]))
    with pytest.raises(DataError, match=r"got those of \['unknown.jpg'\]"):
        _ = data.learned


def test_the_same_preferred_crops_give_the_same_bytes_in_any_order(tmp_path):
    table = preferred(["b.jpg", "a.jpg"])
    preferences.write(table, tmp_path / "one.csv")
    preferences.write(table[::-1], tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_batch_has_the_weight_of_each_crop_beside_it():
    names = TRAINING.photos.names
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred(names[:8], weight=0.25))
    [(_, limits, weight)] = batches.training_batches(data.learned, 40, 0.0, 1).take(1)
    whole = np.isclose(limits, crops.FULL_FRAME).all(axis=1)  # mirrored, it is the same
    assert whole.sum() == 8  # one pass of 32 + 8 crops
    assert np.array_equal(weight, np.where(whole, np.float32(0.25), 1))


def test_without_any_the_training_crops_are_what_is_learned():
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred([]))
    assert data.learned is TRAINING
    assert len(batches.training_batches(data.learned, 4, 0.0, 1).element_spec) == 2


def test_of_training_and_validation_crops_together_the_validation_crops_count_whole():
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred(TRAINING.photos.names[:2]))
    both = batches.concatenate(data.learned, VALIDATION)
    assert both.weights.tolist() == [1.0] * 32 + [0.5] * 2 + [1.0] * 8


def test_training_ends_between_the_crops_at_the_place_that_their_weights_give():
    # a network that gives all photos one crop; where squares are least, it is the weighed mean
    inputs = {
        "image": keras.Input((64, 64, 3), name="image"),
        "aspect": keras.Input((1,), name="aspect"),
    }
    crop = keras.layers.Dense(5, kernel_initializer="zeros")(inputs["aspect"])
    network = keras.Model({**inputs}, {"limits": crop})
    network.compile(keras.optimizers.SGD(0.2), loss={"limits": "mean_squared_error"})
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred(TRAINING.photos.names))
    params = dataclasses.replace(PARAMS, batch_size=64, least_steps=60, epochs=1, averaging=0.0)
    train_epochs(network, params, data.learned, WeightAverager(params, 1, None))
    top, _, bottom, *_ = network.predict({**VALIDATION.photos.inputs()}, verbose=0)["limits"][0]
    # the photographer keeps 0.1 to 0.9 with a weight of 1, people all with one of 0.5:
    # (1 x 0.1 + 0.5 x 0) / 1.5 and (1 x 0.9 + 0.5 x 1) / 1.5; alike they would be 0.05 and 0.95
    assert (top, bottom) == pytest.approx((0.0667, 0.9333), abs=0.005)


def test_before_the_personal_step_preferred_crops_are_undone_like_the_photographer_s():
    step = PersonalStep((0.02, -0.01, -0.1, 0.05))
    limits = (0.2, 0.3, 0.7, 0.8, 1.5)
    names = TRAINING.photos.names[:1]
    data = TrainingData(TRAINING, VALIDATION).with_preferred(preferred(names, limits))
    undone = before_step(data, step).preferred
    sides = undone[list(crops.CROP_COLUMNS)].to_numpy(float)
    again = take_step(sides[:, :4], np.array([[1.5]]), step)
    assert np.asarray(again)[0] == pytest.approx(limits[:4], abs=1e-6)
    assert sides[0, 4] == 1.5
