import dataclasses
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.util.event_pb2 import Event

from cropperhead import batches, crops, models, params, training
from cropperhead.training import HISTORY_COLUMNS

# Keras's to-NumPy conversion of TensorFlow variables is older than NumPy 2's `copy` argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PARAMS = dataclasses.replace(
    params.load().train, image_size=64, epochs=1, batch_size=16, learning_rate=0.005, dropout=0.0
)
# TensorFlow's threads are fixed by its first use, which other tests may be
tf.config.threading.set_intra_op_parallelism_threads(PARAMS.threads)
tf.config.threading.set_inter_op_parallelism_threads(PARAMS.threads)


def examples(count, seed, size=64):
    """Noise with a bright column, where the crop begins."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 60, (count, size, size, 3), dtype=np.uint8)
    columns = generator.integers(1, 24, count)
    for image, column in zip(images, columns, strict=True):
        image[:, column : column + 6] = 255
    limits = np.tile(np.array([0.1, 0.0, 0.9, 1.0, 0.0], np.float32), (count, 1))
    limits[:, 1] = columns / 64
    aspect = np.full(count, 1.5, np.float32)
    photos = batches.Photos([f"{seed}-{i}" for i in range(count)], images, aspect)
    return batches.Examples(photos, np.arange(count), limits)


def with_a_second_author(given):
    """The same, and the first photo's whole frame by somebody else."""
    limits = np.concatenate([given.limits[:1], given.limits])
    limits[1] = crops.FULL_FRAME
    return batches.Examples(given.photos, np.concatenate([[0], given.photo]), limits)


TRAINING, VALIDATION = examples(160, 1), with_a_second_author(examples(24, 2))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A training of a few epochs: what it gave, what callbacks saw, and TensorBoard's folder."""
    logs, seen = tmp_path_factory.mktemp("logs"), []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, row: seen.append(dict(row)))
    longer = dataclasses.replace(PARAMS, epochs=8)
    return training.fit(longer, TRAINING, VALIDATION, logs, [watcher]), seen, logs


def overlaps(model):
    predicted = models.predict(model, VALIDATION.photos)[VALIDATION.photo]
    return crops.overlap(VALIDATION.limits, predicted, VALIDATION.aspect)


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
    median = (median + crops.mirrored(median)) / 2
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


def written(folder):
    """TensorBoard's values in a folder: (step, tag, tensor)."""
    records = tf.data.TFRecordDataset([str(file) for file in folder.glob("events.out.tfevents.*")])
    events = [Event.FromString(record.numpy()) for record in records]
    return [(event.step, each.tag, each.tensor) for event in events for each in event.summary.value]


def test_tensorboard_gets_each_epochs_numbers_and_a_picture(learned):
    fitted, _, logs = learned
    values = written(logs)
    found = [tf.make_ndarray(tensor) for _, tag, tensor in values if tag == "validation_iou"]
    assert found == pytest.approx(fitted.history["validation_iou"][1:].tolist(), abs=1e-6)
    pictures = [(step, tensor) for step, tag, tensor in values if tag.startswith("validation ")]
    assert [step for step, _ in pictures] == list(range(1, 9))
    width, height, png = pictures[0][1].string_val  # as TensorBoard's image summaries are laid out
    assert (int(width), int(height)) == Image.open(io.BytesIO(png)).size


def test_the_same_training_gives_the_same_bytes(tmp_path):
    quick = dataclasses.replace(PARAMS, image_size=32, batch_size=4, epochs=2)
    given = examples(30, 3, size=32)
    for name in ("one.keras", "two.keras"):
        models.save(training.fit(quick, given, given).model, tmp_path / name)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()


def test_where_nothing_can_be_learned_training_stops_and_the_median_crop_stays(capsys):
    # two kinds of crops that no photo tells apart; between them lies every validation crop
    kinds = np.array([[0.0, 0.1, 0.8, 0.9, 0.0], [0.2, 0.1, 1.0, 0.9, 0.0]], np.float32)
    blind = dataclasses.replace(TRAINING, limits=np.repeat(kinds, 80, axis=0))
    median = np.tile(np.array([0.1, 0.1, 0.9, 0.9, 0.0], np.float32), (25, 1))
    same = dataclasses.replace(VALIDATION, limits=median)
    stopping = dataclasses.replace(PARAMS, epochs=9, patience=2)
    fitted = training.fit(stopping, blind, same)
    assert fitted.history["epoch"].tolist() == [0, 1, 2]
    predicted = models.predict(fitted.model, VALIDATION.photos)
    assert predicted == pytest.approx(median[:24], abs=1e-5)
    assert "epoch 2 of 9: loss " in capsys.readouterr().err


def test_the_predecessor_trains_by_the_same_door():
    photos = batches.Photos(["a"], np.zeros((1, 300, 300, 3), np.uint8), np.ones(1, np.float32))
    one = batches.Examples(photos, np.array([0]), np.array([[0.1, 0, 0.9, 1, 0]], np.float32))
    history = training.fit(
        dataclasses.replace(PARAMS, model="predecessor", batch_size=1), one, one
    ).history
    assert history["learning_rate"].tolist() == pytest.approx([0.0, 0.001])
    # a black photo: only biases learn; (0.1^2 + 0.9^2 + 1) / 5 = 0.364 at the start, then less
    assert 0 < history["loss"][1] < 0.364
