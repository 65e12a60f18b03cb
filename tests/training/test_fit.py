"""What training learns, and what it records of that."""

import dataclasses
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import KERAS_WARNINGS
from PIL import Image
from small_networks import DEFAULT, examples, large, logged_values

from cropperhead.dataset import shards
from cropperhead.geometry import crops
from cropperhead.training import batches
from cropperhead.training.fit import train_network
from cropperhead.training.networks import keras_model
from cropperhead.training.training_data import TrainingData, read_training_data
from cropperhead.training.validation import HISTORY_COLUMNS, ValidationMonitor

pytestmark = KERAS_WARNINGS

PARAMS = dataclasses.replace(
    DEFAULT,
    quality="fast",
    image_size=64,
    epochs=1,
    batch_size=16,
    least_steps=1,
    learning_rate=0.005,
    dropout=0.0,
    refits=0,
    prototypes=9,
)


def with_a_second_author(given):
    """The same, and the first photo's whole frame by somebody else."""
    limits = np.concatenate([given.limits[:1], given.limits])
    limits[1] = crops.FULL_FRAME
    return batches.Examples(given.photos, np.concatenate([[0], given.photo]), limits)


TRAINING, VALIDATION = examples(160, 1), with_a_second_author(examples(24, 2))
LESSONS = TrainingData(TRAINING, VALIDATION)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A training of a few epochs: what it gave, what callbacks saw, and TensorBoard's folder."""
    logs, seen = tmp_path_factory.mktemp("logs"), []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, row: seen.append(dict(row)))
    longer = dataclasses.replace(PARAMS, epochs=8)
    return train_network(longer, LESSONS, logs, [watcher]), seen, logs


def overlaps(model, given=VALIDATION):
    predicted = keras_model.predict_limits(model, large(given.photos))[given.photo]
    return crops.overlap(given.limits, predicted, given.aspect)


def test_a_rule_is_learned_and_the_median_crop_beaten(learned):
    median = np.tile(np.median(TRAINING.limits, axis=0), (25, 1))
    gain = overlaps(learned[0].model) - crops.overlap(VALIDATION.limits, median, VALIDATION.aspect)
    # left limits lie evenly from 1/64 to 23/64: a constant is 0.09 of the width off on average
    assert gain.mean() > 0.04


def test_the_history_has_the_start_and_a_row_for_each_epoch_that_callbacks_see_too(learned):
    fitted, seen, _ = learned
    assert tuple(fitted.history.columns) == HISTORY_COLUMNS
    assert fitted.history["epoch"].tolist() == list(range(9))
    assert seen == fitted.history[1:].to_dict("records")
    start = fitted.history.iloc[0]
    assert np.isnan(start["loss"])  # nothing was trained on yet
    # the median crop, and its mirror image, as which a mirrored photo's crop is turned back
    median = np.median(TRAINING.limits.astype(float), axis=0)
    median = (median + crops.mirror(median)) / 2
    truth, aspect = VALIDATION.limits.astype(float), VALIDATION.aspect
    constant = crops.overlap(np.tile(median, (len(truth), 1)), truth, aspect).mean()
    # the network nears a margin of 0 no closer than 0.003 of the side
    assert start["validation_iou"] == pytest.approx(constant, abs=0.01)


def test_the_rate_warms_up_and_falls_along_a_cosine(learned):
    rate = learned[0].history["learning_rate"]
    # up over two epochs to 0.005; half of it half way through the six that are left
    assert rate[2] == pytest.approx(0.005, rel=0.01)
    assert rate[5] == pytest.approx(0.0025, rel=0.03)
    assert rate[8] == pytest.approx(0.00005, rel=0.03)


def test_the_network_has_the_weights_of_its_best_epoch_by_every_authors_crops(learned):
    history = learned[0].history
    best = history.loc[history["validation_loss"].idxmin()]
    assert overlaps(learned[0].model).mean() == pytest.approx(best["validation_iou"], abs=1e-6)


def test_on_the_validation_crops_the_confidence_is_right_on_average(learned):
    outputs = keras_model.predict_outputs(learned[0].model, large(VALIDATION.photos))
    confidence = outputs["confidence"][VALIDATION.photo]
    # exactly so by its offset; 25 crops are too few for a slope
    assert confidence.mean() == pytest.approx(overlaps(learned[0].model).mean(), abs=1e-5)


def test_a_finished_model_keeps_the_prototypes_and_no_loss(learned):
    outputs = keras_model.predict_outputs(learned[0].model, large(VALIDATION.photos.first(1)))
    # eight of the 160 training crops' kinds, and the whole frame
    assert outputs["prototypes"].shape == (1, 9, 4)
    assert outputs["prototypes"][0, -1].tolist() == [0, 0, 1, 1]
    assert not learned[0].model.compiled
    assert (outputs["limits"][:, 4] == 0).all()  # no training crop is turned


def test_tensorboard_gets_each_epochs_numbers_and_a_picture(learned):
    fitted, _, logs = learned
    values = logged_values(logs)
    logged = [tf.make_ndarray(tensor) for _, tag, tensor in values if tag == "validation_iou"]
    assert logged == pytest.approx(fitted.history["validation_iou"][1:].tolist(), abs=1e-6)
    pictures = [(step, tensor) for step, tag, tensor in values if tag.startswith("validation ")]
    assert [step for step, _ in pictures] == list(range(1, 9))
    width, height, png = pictures[0][1].string_val  # as TensorBoard's image summaries are laid out
    assert (int(width), int(height)) == Image.open(io.BytesIO(png)).size


def test_where_nothing_can_be_learned_training_stops_and_the_median_crop_stays(capsys):
    # two kinds of crops that no photo tells apart; between them lies every validation crop
    kinds = np.array([[0.0, 0.1, 0.8, 0.9, 0.0], [0.2, 0.1, 1.0, 0.9, 0.0]], np.float32)
    blind = dataclasses.replace(TRAINING, limits=np.repeat(kinds, 80, axis=0))
    median = np.tile(np.array([0.1, 0.1, 0.9, 0.9, 0.0], np.float32), (25, 1))
    same = dataclasses.replace(VALIDATION, limits=median)
    stopping = dataclasses.replace(PARAMS, epochs=9, patience=2)
    fitted = train_network(stopping, TrainingData(blind, same))
    assert fitted.history["epoch"].tolist() == [0, 1, 2]
    predicted = keras_model.predict_limits(fitted.model, large(VALIDATION.photos))
    assert predicted == pytest.approx(median[:24], abs=1e-5)
    assert "epoch 2 of 9: loss " in capsys.readouterr().err


def test_the_predecessor_trains_by_the_same_function():
    photos = batches.PhotoArrays(
        ["a"], np.zeros((1, 300, 300, 3), np.uint8), np.ones(1, np.float32)
    )
    one = batches.Examples(photos, np.array([0]), np.array([[0.1, 0, 0.9, 1, 0]], np.float32))
    chosen = dataclasses.replace(PARAMS, quality="predecessor", batch_size=1)
    fitted = train_network(chosen, TrainingData(one, one))
    history = fitted.history
    assert keras_model.predict_limits(fitted.model, photos).shape == (1, 5)
    assert history["learning_rate"].tolist() == pytest.approx([0.0, 0.001])
    # a black photo: only biases learn; (0.1^2 + 0.9^2 + 1) / 5 = 0.364 at the start, then less
    assert 0 < history["loss"][1] < 0.364


def test_refits_learn_from_validation_photos_too_each_from_its_own_seed(capsys):
    """Only they have crops a third as high, which the mean of both networks gives in the end."""
    lower = examples(80, 3)
    limits = lower.limits.copy()
    limits[:, [0, 2]] = 0.35, 0.65
    data = TrainingData(examples(30, 1), dataclasses.replace(lower, limits=limits))
    fitted = train_network(dataclasses.replace(PARAMS, epochs=6, least_steps=20, refits=2), data)
    assert capsys.readouterr().err.count("Retraining") == 2
    assert fitted.history["epoch"].tolist() == list(range(7))  # the first network's alone
    before = fitted.history["validation_iou"].max()
    assert overlaps(fitted.model, data.validation).mean() > before + 0.2
    both = fitted.model.get_layer("small")
    one, other = (both.get_layer(f"small-{number}").get_weights() for number in (1, 2))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize(
    ("losses", "best", "expected"),
    [
        ([1.0, 0.8, 0.9], 1, 1),  # the last lost half of what was gained
        ([1.0, 0.8, 0.82], 1, 2),  # a tenth: luck
        ([1.0, 0.9, 0.8], 2, 2),
        ([1.0, 0.8], 1, 1),  # stopped before its last epoch
        ([1.0, 1.1, 1.2], 0, 0),
    ],
)
def test_all_epochs_are_good_where_the_last_is_nearly_as_good_as_the_best(losses, best, expected):
    monitor = ValidationMonitor(dataclasses.replace(PARAMS, epochs=2), VALIDATION, None)
    monitor.rows = [{"epoch": i, "validation_loss": loss} for i, loss in enumerate(losses)]
    monitor.best_epoch = best
    assert monitor.refit_epochs == expected


def jpeg(width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 200)).save(buffer, "JPEG")
    return buffer.getvalue()


def row(number, angle=0.0):
    crop = {"crop_top": 0.0, "crop_left": 0.0, "crop_bottom": 1.0, "crop_right": 0.5}
    return {
        "photo": f"{number}.jpg", "author": "photographer", "source": "lightroom",
        "number": number, "width": 600, "height": 300, **crop, "crop_angle": angle,
        "orientation": 1, "camera": None, "captured": None, "sha256": "",
        "perceptual_hash": "0" * 16, "image_width": 60, "image_height": 30, "image": jpeg(60, 30),
    }  # fmt: skip


def test_training_data_is_read_at_the_networks_size_and_for_straightening_at_full_size(tmp_path):
    shards.write_shard([row(number) for number in range(5)], tmp_path)
    labels = shards.read_labels(tmp_path)
    labels["split"] = ["train", "train", "train", "validation", "test"]
    nowhere = tmp_path / "no fields"
    data = read_training_data(tmp_path, labels, PARAMS, nowhere)
    assert data.training.photos.names == ["0.jpg", "1.jpg", "2.jpg"]
    assert data.validation.photos.names == ["3.jpg"]
    assert data.training.photos.images.shape == (3, 64, 64, 3)
    assert data.upright.photos.images.shape == (3, 256, 256, 3)
    assert data.upright.photos.names == data.training.photos.names
    predecessor = dataclasses.replace(PARAMS, quality="predecessor")
    old = read_training_data(tmp_path, labels, predecessor, nowhere)
    assert old.training.photos.images.shape == (3, 300, 300, 3)
    assert old.upright is None
