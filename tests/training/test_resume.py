"""Trainings of few steps: interrupted and resumed, of heads, and of fine-tuned features."""

import dataclasses
import io
from contextlib import redirect_stderr, suppress
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import WITHOUT_GRAPHS
from small_networks import DEFAULT, examples, large, logged_values

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
from cropperhead.training.training_data import TrainingData

pytestmark = WITHOUT_GRAPHS

CPUS = Path("/proc/cpuinfo")
QUICK = dataclasses.replace(
    DEFAULT,
    quality="fast",
    image_size=32,
    epochs=4,
    batch_size=16,
    least_steps=2,
    learning_rate=0.005,
    dropout=0.3,
    refits=1,
    prototypes=5,
)


def on_features(file, quality, **values):
    """Params of a quick training of a network on the features in a file."""
    own = FeatureNetworkParams(
        **{"epochs": 4, "least_steps": 2, "learning_rate": 0.005, "weight_decay": 0.05},
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
    assert [tag for _, tag, _ in logged_values(tmp_path / "logs")].count("validation_iou") == 4


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


def test_the_finished_model_straightens_if_crops_are_tilted(uninterrupted):
    model = uninterrupted[0].model
    assert any(layer.name == "straightener" for layer in model.layers)
    assert np.isfinite(
        keras_model.predict_limits(model, large(examples(3, 5, size=32).photos))
    ).all()


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
    tuning = FeatureNetworkParams(2, 3, 0.003, 0.05, 0.4, 0)
    chosen = on_features(features, "best", fine_tuning=tuning, averaging=0.0)
    given = examples(16, 7, size=32)
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
