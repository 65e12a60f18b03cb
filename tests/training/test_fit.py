import dataclasses
import io
import pickle
from contextlib import redirect_stderr, suppress
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.util.event_pb2 import Event

from cropperhead import params
from cropperhead.dataset import shards
from cropperhead.geometry import crops
from cropperhead.params import FeatureNetworkParams, FeaturesParams
from cropperhead.training import batches
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.fields import compute_fields
from cropperhead.training.fit import Beginning, TrainingResult, train_head, train_network
from cropperhead.training.loop import compile_network
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.features import read_features
from cropperhead.training.networks.fine_tuned import pretrained_variables
from cropperhead.training.networks.registry import build_network
from cropperhead.training.training_data import TrainingData, read_training_data
from cropperhead.training.validation import HISTORY_COLUMNS, ValidationMonitor

# Keras's to-NumPy conversion of TensorFlow variables is older than NumPy 2's `copy` argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CPUS = Path("/proc/cpuinfo")
PARAMS = dataclasses.replace(
    params.load().train,
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
    photos = batches.PhotoArrays([f"{seed}-{i}" for i in range(count)], images, aspect)
    return batches.Examples(photos, np.arange(count), limits)


def with_a_second_author(given):
    """The same, and the first photo's whole frame by somebody else."""
    limits = np.concatenate([given.limits[:1], given.limits])
    limits[1] = crops.FULL_FRAME
    return batches.Examples(given.photos, np.concatenate([[0], given.photo]), limits)


def large(photos):
    """The same photos at the size that finished models take, each pixel a square."""
    times = 256 // photos.images.shape[1]
    images = photos.images.repeat(times, axis=1).repeat(times, axis=2)
    return dataclasses.replace(photos, images=images)


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


def written(folder):
    """TensorBoard's values in a folder: (step, tag, tensor)."""
    records = tf.data.TFRecordDataset([str(file) for file in folder.glob("events.out.tfevents.*")])
    events = [Event.FromString(record.numpy()) for record in records]
    return [(event.step, each.tag, each.tensor) for event in events for each in event.summary.value]


def test_tensorboard_gets_each_epochs_numbers_and_a_picture(learned):
    fitted, _, logs = learned
    values = written(logs)
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


QUICK = dataclasses.replace(
    PARAMS,
    image_size=32,
    batch_size=4,
    epochs=4,
    least_steps=3,
    dropout=0.3,
    refits=1,
    prototypes=5,
)


def on_features(file, quality, **values):
    """Params of a quick training of a network on the features in a file."""
    own = FeatureNetworkParams(
        **{"epochs": 4, "least_steps": 3, "learning_rate": 0.005, "weight_decay": 0.05},
        **{"dropout": 0.3, "refits": 1},
    )
    tuning = dataclasses.replace(own, epochs=2)
    given = {"head": own, "fine_tuning": tuning, "features": FeaturesParams(str(file), 32)}
    return dataclasses.replace(QUICK, quality=quality, **(given | values))


def on_fields(given, chosen):
    """The same examples, with the fields of their photos."""
    photos, own = given.photos, chosen.features
    fields = list(compute_fields(photos.images, read_features(own), own.image_size))
    arrays = batches.FieldArrays(photos.names, np.stack(fields), photos.aspect)
    return batches.FieldExamples(arrays, given.photo, given.limits)


def field_data(training, validation, chosen):
    return TrainingData(on_fields(training, chosen), on_fields(validation, chosen))


def with_turns(given):
    """The same photos at full size, every other crop turned by two degrees."""
    limits = given.limits.copy()
    limits[::2, 4] = 2
    return dataclasses.replace(given, photos=large(given.photos), limits=limits)


def tilted_data():
    """Few photos of 32 px, and as many from which to learn to straighten."""
    given = examples(8, 3, size=32)
    turned = with_turns(given)
    given = dataclasses.replace(given, limits=turned.limits)
    return TrainingData(given, examples(18, 4, size=32), turned)


class Interruption(keras.callbacks.Callback):
    """A user's Ctrl+C in the second step of the third of four epochs."""

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002 - Keras's signature
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        if (self.epoch, batch) == (2, 1):
            raise KeyboardInterrupt


class Interrupted(Checkpoint):
    """A checkpoint whose user presses Ctrl+C after the second epoch of the refit is stored."""

    def companion(self, name):
        further = super().companion(name)
        keep = further.write

        def write(values, arrays):
            keep(values, arrays)
            if values["best_epoch"] == 2:
                raise KeyboardInterrupt

        further.write = write
        return further


def saved(fitted, file):
    keras_model.save_model(fitted.model, file)
    return file.read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A training that also straightens, and the bytes of its model."""
    fitted = train_network(QUICK, tilted_data())
    return fitted, saved(fitted, tmp_path_factory.mktemp("one") / "model.keras")


@dataclasses.dataclass
class Resumed:
    """The same training in three runs: the result, the messages of each, the second's epochs.

    The first run has a checkpoint that is cut off, and is interrupted in the third epoch. The
    second is interrupted in the refit. `checkpoint` is the third's.
    """

    fitted: TrainingResult
    checkpoint: Checkpoint
    folder: Path
    messages: list[str]
    epochs: list[int]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    folder, messages, epochs = tmp_path_factory.mktemp("runs"), [], []
    file = folder / "unfinished.npz"
    Checkpoint(file, "same").write({"rows": [1, 2, 3]}, {"state": [np.zeros(1000)]})
    file.write_bytes(file.read_bytes()[:5000])

    def run(checkpoint, *callbacks):
        fitted = None
        with suppress(KeyboardInterrupt), redirect_stderr(io.StringIO()) as output:
            fitted = train_network(QUICK, tilted_data(), None, callbacks, checkpoint)
        messages.append(output.getvalue())
        return fitted

    run(Checkpoint(file, "same"), Interruption())
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: epochs.append(epoch))
    run(Interrupted(file, "same"), watcher)
    checkpoint = Checkpoint(file, "same")
    return Resumed(run(checkpoint), checkpoint, folder, messages, epochs)


def test_the_same_training_gives_the_same_bytes_however_often_it_is_interrupted(
    uninterrupted, resumed, tmp_path
):
    history = resumed.fitted.history
    pd.testing.assert_frame_equal(history, uninterrupted[0].history, check_exact=True)
    assert saved(resumed.fitted, tmp_path / "model.keras") == uninterrupted[1]


def test_an_interrupted_training_resumes_and_a_cut_off_checkpoint_is_ignored(resumed):
    first, second, third = resumed.messages
    assert "Resuming" not in first
    assert "Resuming after epoch 2" in second
    assert resumed.epochs == [2, 3]  # the third epoch again, the first two no more
    assert "Retraining on training and validation photos" in second
    assert "Resuming after epoch 4" in third  # the first has nothing left to do
    assert "Resuming after epoch 2" in third


@pytest.fixture(scope="module")
def head_data(features):
    """Few photos' fields, and their pictures."""
    training, validation = examples(8, 3, size=32), examples(18, 4, size=32)
    data = field_data(training, validation, on_features(features, "standard"))
    return dataclasses.replace(data, pictures=validation.photos)


def test_a_head_resumes_too_and_ends_with_the_same_bytes(features, head_data, tmp_path):
    chosen, messages = on_features(features, "standard"), []
    once = train_network(chosen, head_data, tmp_path / "logs")
    assert once.model.name == "frozen-features"
    file = tmp_path / "unfinished.npz"
    for callbacks in ([Interruption()], []):
        with suppress(KeyboardInterrupt), redirect_stderr(io.StringIO()) as output:
            again = train_network(chosen, head_data, None, callbacks, Checkpoint(file, "same"))
        messages.append(output.getvalue())
    assert "Resuming after epoch 2" in messages[1]
    assert saved(again, tmp_path / "one.keras") == saved(once, tmp_path / "two.keras")
    seen = large(examples(3, 5, size=32).photos)
    loaded = keras_model.load_model(tmp_path / "one.keras")
    assert np.array_equal(
        keras_model.predict_limits(loaded, seen), keras_model.predict_limits(again.model, seen)
    )
    assert [tag for _, tag, _ in written(tmp_path / "logs")].count("validation_iou") == 4


def test_fine_tuning_begins_with_a_trained_head_and_plain_features(features, head_data, tmp_path):
    training, validation = examples(8, 3, size=32), examples(18, 4, size=32)
    data = TrainingData(training, validation, head=head_data)
    still = FeatureNetworkParams(1, 1, 1e-12, 0.0, 0.0, 0)  # moves nothing
    head = train_network(on_features(features, "standard", refits=0), head_data).history
    best = on_features(features, "best", fine_tuning=still)
    file = tmp_path / "unfinished.npz"
    fitted = train_network(best, data, checkpoint=Checkpoint(file, "same"))
    assert fitted.model.name == "fine-tuned"
    # the best epoch of the head, whose fields are kept in 16 bits
    start = fitted.history["validation_loss"][0]
    assert start == pytest.approx(head["validation_loss"].min(), abs=1e-3)
    with redirect_stderr(io.StringIO()) as output:
        again = train_network(best, data, checkpoint=Checkpoint(file, "same"))
    assert output.getvalue().count("Resuming after epoch") == 2  # the head, and its tuning
    assert saved(again, tmp_path / "one.keras") == saved(fitted, tmp_path / "two.keras")


def test_a_head_can_be_trained_alone_and_from_another(features, head_data):
    chosen = on_features(features, "fast")  # whatever quality the pipeline has
    prototypes = np.array([[0.1, 0.1, 0.9, 0.9], [0, 0, 1, 1]], np.float32)
    beginning = Beginning(np.array([0.1, 0.1, 0.9, 0.9, 0.0]), prototypes)
    head = train_head(chosen, head_data.training, beginning)
    assert {name: each.shape[1] for name, each in head.output.items()} == {
        "limits": 5,
        "likeness": 2,
    }
    further = train_head(chosen, head_data.training, dataclasses.replace(beginning, head=head), 0)
    for one, two in zip(head.get_weights(), further.get_weights(), strict=True):
        assert np.array_equal(one, two)
    fields = head_data.training.photos.fields.astype(float)
    mean, variance = head.get_layer("standard").get_weights()
    assert mean == pytest.approx(fields.mean(axis=(0, 1, 2, 3)), abs=1e-4)
    assert variance == pytest.approx(fields.var(axis=(0, 1, 2, 3)), rel=1e-3)


def test_the_checkpoints_of_a_finished_training_are_removed_together(resumed):
    assert len(list(resumed.folder.iterdir())) == 2
    resumed.checkpoint.remove()
    assert not list(resumed.folder.iterdir())


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


def test_the_finished_model_straightens_if_crops_are_tilted(uninterrupted):
    model = uninterrupted[0].model
    assert any(layer.name == "straightener" for layer in model.layers)
    assert np.isfinite(
        keras_model.predict_limits(model, large(examples(3, 5, size=32).photos))
    ).all()


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoint = Checkpoint(tmp_path / "deep" / "unfinished.npz", "mine")
    assert checkpoint.read() is None  # nothing yet
    # eleven of a name: their order is that of numbers, not of letters
    state = [np.full(2, i, np.float32) for i in range(11)]
    values = {"rows": [{"epoch": 0, "loss": float("nan")}], "best_loss": 0.1 + 0.2}
    checkpoint.write(values, {"state": state, "best": [np.arange(3)]})
    read, arrays = checkpoint.read()
    assert read["best_loss"] == 0.1 + 0.2
    assert np.isnan(read["rows"][0]["loss"])
    assert [float(each[0]) for each in arrays["state"]] == list(range(11))
    assert (arrays["state"][0].dtype, arrays["best"][0].tolist()) == (np.float32, [0, 1, 2])
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["unfinished.npz"]


def test_another_trainings_checkpoint_is_ignored(tmp_path):
    Checkpoint(tmp_path / "unfinished.npz", "mine").write({}, {})
    assert Checkpoint(tmp_path / "unfinished.npz", "other").read() is None
    assert Checkpoint(tmp_path / "unfinished.npz", "mine").read() is not None


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_not_a_checkpoint_is_ignored(tmp_path, content):
    (tmp_path / "unfinished.npz").write_bytes(content)
    assert Checkpoint(tmp_path / "unfinished.npz", "mine").read() is None


def test_an_array_is_not_a_checkpoint(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert Checkpoint(tmp_path / "array.npy", "mine").read() is None


def test_a_checkpoint_whose_writing_fails_leaves_the_one_before(tmp_path):
    checkpoint = Checkpoint(tmp_path / "unfinished.npz", "mine")
    checkpoint.write({"steps": 1}, {"state": [np.zeros(3)]})
    unwritable = np.array([lambda: 0], dtype=object)  # after the first array is in the file
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        checkpoint.write({"steps": 2}, {"state": [np.zeros(3), unwritable]})
    values, _ = checkpoint.read()
    assert values["steps"] == 1


def test_a_removed_checkpoint_is_gone_and_may_be_gone_before(tmp_path):
    checkpoint = Checkpoint(tmp_path / "unfinished.npz", "mine")
    checkpoint.write({}, {})
    checkpoint.remove()
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    "avx512_fp16" in (CPUS.read_text() if CPUS.exists() else ""),
    reason="oneDNN reads only once which instructions it may use, and has done so in this process",
)
def test_training_in_mixed_precision_gives_a_model_that_saves_and_loads(tmp_path):
    chosen = dataclasses.replace(QUICK, precision="mixed_float16", epochs=1, refits=0)
    given = examples(8, 6, size=32)
    fitted = train_network(chosen, TrainingData(given, given))
    network = fitted.model.get_layer("small")
    assert "float16" in {layer.compute_dtype for layer in network.layers}
    assert {str(each.dtype) for each in fitted.model.output.values()} == {"float32"}
    assert np.isfinite(fitted.history["loss"][1])
    keras_model.save_model(fitted.model, tmp_path / "model.keras")
    seen = large(given.photos)
    one, two = (
        keras_model.predict_limits(model, seen)
        for model in (fitted.model, keras_model.load_model(tmp_path / "model.keras"))
    )
    assert np.isfinite(one).all()
    assert np.array_equal(one, two)


def test_fine_tuning_moves_the_later_features_and_neither_the_first_nor_the_statistics(features):
    tuning = dataclasses.replace(QUICK.fine_tuning, epochs=2, least_steps=3, learning_rate=0.003)
    chosen = on_features(features, "best", fine_tuning=tuning, averaging=0.0)
    given = examples(20, 7, size=32)
    before = build_network(chosen, np.median(given.limits, axis=0), np.zeros((3, 4), np.float32))
    data = TrainingData(given, given, head=field_data(given, given, chosen))
    after = train_network(chosen, data).model.get_layer("fine-tuned")
    one, two = (model.get_layer("mobilenet_v2") for model in (before, after))
    moved = {
        layer.name: any(
            # the moving average of equal numbers is equal but for float32's last digit
            np.abs(old - new).max() > 1e-6 * max(1, np.abs(old).max())
            for old, new in zip(layer.get_weights(), same.get_weights(), strict=True)
        )
        for layer, same in zip(one.layers, two.layers, strict=True)
        if layer.get_weights()
    }
    assert not any(moved[name] for name in moved if name.endswith("_BN"))
    names = list(moved)
    frozen = names[: names.index("block_6_expand")]
    assert not any(moved[name] for name in frozen)
    assert all(moved[name] for name in ("block_6_expand", "block_12_project"))


def test_features_learn_at_a_third_of_the_rate_of_the_layers_after_them(features):
    tuning = dataclasses.replace(QUICK.fine_tuning, learning_rate=0.01)
    chosen = on_features(features, "best", fine_tuning=tuning).for_network()
    chosen = dataclasses.replace(chosen, warm_up_epochs=0, weight_decay=0.0)
    typical, given = np.zeros((3, 4), np.float32), examples(4, 7, size=32)
    network = build_network(chosen, given.limits[0], typical)
    compile_network(network, chosen, typical, given)
    pretrained = {id(variable) for variable in pretrained_variables(network)}
    before = [variable.numpy() for variable in network.trainable_variables]
    slopes = [np.ones_like(value) for value in before]
    network.optimizer.apply(slopes, network.trainable_variables)
    for variable, value in zip(network.trainable_variables, before, strict=True):
        # Adam's first step is the rate, however steep the slope
        expected = 0.01 / 3 if id(variable) in pretrained else 0.01
        assert value - variable.numpy() == pytest.approx(expected, abs=1e-5)
    assert len(pretrained) == 21  # three convolutions in each of the blocks 6 to 12


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
    data = read_training_data(tmp_path, labels, QUICK, nowhere)
    assert data.training.photos.names == ["0.jpg", "1.jpg", "2.jpg"]
    assert data.validation.photos.names == ["3.jpg"]
    assert data.training.photos.images.shape == (3, 32, 32, 3)
    assert data.upright.photos.images.shape == (3, 256, 256, 3)
    assert data.upright.photos.names == data.training.photos.names
    predecessor = dataclasses.replace(QUICK, quality="predecessor")
    old = read_training_data(tmp_path, labels, predecessor, nowhere)
    assert old.training.photos.images.shape == (3, 300, 300, 3)
    assert old.upright is None


def test_a_handful_of_validation_crops_does_not_make_luck_a_better_model():
    # nothing can be learned from noise; some epoch is better on five crops all the same
    noise = dataclasses.replace(QUICK, epochs=6, patience=6)
    generator = np.random.default_rng(8)
    given = examples(8, 8, size=32)
    limits = given.limits.copy()
    limits[:, 1] = generator.uniform(0, 0.3, 8)
    few = examples(5, 9, size=32)
    fitted = train_network(noise, TrainingData(dataclasses.replace(given, limits=limits), few))
    median = np.median(limits, axis=0)
    predicted = keras_model.predict_limits(fitted.model, large(few.photos))
    # margins near 0 are met within half a hundredth
    assert predicted == pytest.approx(np.tile(median, (5, 1)), abs=0.006)
