"""Trains a network, the same bytes for the same input on one machine, and shows how it goes.

An interrupted training goes on at its last epoch and ends with the same bytes: batches depend on
the seed and their number alone, and what else the next step depends on is kept after each epoch.
"""

import dataclasses
import json
import math
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from cropperhead.dataset import split
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.photos import drawing
from cropperhead.system import atomic
from cropperhead.training import batches, losses, prototypes, straighten
from cropperhead.training.batches import Examples
from cropperhead.training.losses import Loss
from cropperhead.training.networks import build
from cropperhead.training.networks.build import Calibration

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "loss",
    "validation_loss",
    "validation_iou",
    "validation_bde",
)
_LAST_SHARE = 0.01  # of the learning rate, at the end of the cosine
_FEATURES_PACE = 1 / 3  # of the learning rate, for ImageNet's features: they know most already
_NEARLY = 0.9  # of what the best epoch gained: an epoch that keeps as much is as good but for luck
_LIKENESS_WEIGHT = 0.3  # of its loss; it has layers of its own, so that this is a matter of speed
_PREDECESSOR_LEARNING_RATE = 0.001  # Adam's, from the published network's training_config
_TEMPERATURES = np.geomspace(0.25, 4, 81, dtype=np.float32)
_HANDFUL = 16  # validation crops: the library has about 100 photos at most
_LUCK = 0.85  # of the start's loss, which 40 photos that teach something hardly undercut by chance
_ENOUGH = 50  # validation crops: fewer cannot tell the slope of the confidence
_PICTURED = 12  # validation photos in TensorBoard's picture
_PICTURE_COLUMNS = 4
_PICTURED_SIDE = 240  # px, the longer one


@dataclass(frozen=True)
class Fitted:
    """A finished model with its best weights, and a row for each epoch (HISTORY_COLUMNS)."""

    model: Any
    history: pd.DataFrame


@dataclass(frozen=True)
class Lessons:
    """What is learned from, and judged by: photos of `models.image_size`.

    `upright` are training examples with photos of `INPUT_SIDE` px, from which straightening is
    learned; without them nothing is straightened.
    """

    training: Examples
    validation: Examples
    upright: Examples | None = None


def read(folder: Path, labels: pd.DataFrame, params: TrainParams) -> Lessons:
    """The lessons of dealt labels (with their `split`), photos from the shards in `folder`.

    Raises DataError where a split has no label or a photo is missing.
    """
    size = build.image_size(params)
    dealt = {name: labels[labels["split"] == name] for name in (split.TRAIN, split.VALIDATION)}
    learnt, checked = (batches.examples(folder, each, size) for each in dealt.values())
    upright = None
    if params.model != "predecessor":
        some = straighten.chosen(learnt.photos.names)
        rows = dealt[split.TRAIN]
        upright = batches.examples(folder, rows[rows["photo"].isin(some)], INPUT_SIDE)
    return Lessons(learnt, checked, upright)


def fit(
    params: TrainParams,
    lessons: Lessons,
    logs: Path | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint: "Checkpoint | None" = None,
) -> Fitted:
    """Trains the chosen network from the median training crop; the best weights by validation.

    `train.refits` more networks then learn from training and validation crops, for as many epochs
    as were good for the first, and take its place. `logs` is a folder for TensorBoard. `callbacks`
    are Keras's; each epoch of the first they get the row of the history as their logs. Must come
    before TensorFlow's first use, which fixes its threads.
    """
    make_repeatable(params)
    known = lessons.training.limits.astype(float)
    typical = prototypes.typical(known, params.prototypes, params.seed)
    alone = params.model == "predecessor"
    chosen = params.for_network()

    def untrained(learnt: Examples, seed: int) -> Any:
        keras.utils.set_random_seed(seed)
        made = build.build(params, np.median(known, axis=0), typical)
        prepare(made, chosen, typical, learnt)
        return made

    network = untrained(lessons.training, chosen.seed)
    judged = network if alone else build.two_looks(network, typical)
    referee = Referee(chosen, lessons.validation, judged, checkpoint)
    watching = [TensorBoard(logs, lessons.validation, judged)] if logs else []
    _train(network, chosen, lessons.training, referee, [*watching, *callbacks])
    history = pd.DataFrame(referee.rows, columns=list(HISTORY_COLUMNS))
    if alone:
        return Fitted(keras.Model(network.input, network.output, name=network.name), history)
    whole = prototypes.uncropped_shares(typical, known, params.uncropped_area)
    calibration = _calibrated(judged, typical, lessons.validation, whole)
    if not referee.best_epoch:  # what has learned may tell the sides apart, and needs no leaning
        calibration = dataclasses.replace(calibration, lean=build.lean(np.median(known, axis=0)))
    if chosen.refits and referee.good_epochs:
        network = _refitted(untrained, chosen, lessons, referee.good_epochs, checkpoint)
    habit = straighten.habit(known[:, 4])
    straightener = None
    if habit.turns and lessons.upright is not None:
        print("learns to straighten, from photos that it turns", file=sys.stderr, flush=True)
        straightener = straighten.fit(lessons.upright, params.seed)
    finished = build.finished(network, straightener, typical, calibration, habit, params)
    return Fitted(finished, history)


def _refitted(
    untrained: Callable[[Examples, int], Any],
    params: TrainParams,
    lessons: Lessons,
    epochs: int,
    checkpoint: "Checkpoint | None",
) -> Any:
    """The mean of `refits` networks that learn from training and validation crops."""
    together, networks = batches.joined(lessons.training, lessons.validation), []
    for number in range(params.refits):
        print("learns once more, from validation photos, too", file=sys.stderr, flush=True)
        own = dataclasses.replace(params, seed=params.seed + number)
        kept = checkpoint.beside(f"refit-{number}") if checkpoint else None
        networks.append(untrained(together, own.seed))
        _train(networks[-1], own, together, Averager(own, epochs, kept), [])
    return build.mean_of(networks)


def prepare(
    network: Any, params: TrainParams, typical: NDArray[np.float32], training: Examples
) -> None:
    """Compiles a built network, in place, with its losses and its optimiser.

    Of fine-tuned features, `params` are the `chosen()` ones.
    """
    compiled, weights = {"limits": _loss(params)}, {"limits": 1.0}
    if params.model != "predecessor":
        compiled["likeness"] = losses.likeness_loss(typical)
        weights["likeness"] = _LIKENESS_WEIGHT
    optimizer = _optimizer(params, _steps(params, training), build.pretrained(network))
    # Keras refuses XLA where results must repeat
    network.compile(optimizer, loss=compiled, loss_weights=weights, jit_compile=False)


def _train(
    network: Any,
    params: TrainParams,
    training: Examples,
    referee: "Averager",
    callbacks: Sequence[Any],
) -> None:
    """Trains a compiled network in place, from where it was left; it ends with its best weights."""
    steps, first = _steps(params, training), referee.restore(network)
    size, jitter = params.batch_size, params.colour_jitter
    given = batches.training_batches(training, size, jitter, params.seed, start=first * steps)
    names = list(network.output)
    if not referee.finished(first):
        network.fit(
            given.map(lambda inputs, crop: (inputs, dict.fromkeys(names, crop))),
            initial_epoch=first,
            epochs=params.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the batches are shuffled already
            callbacks=[referee, *callbacks],
            verbose=0,
        )
    network.set_weights(referee.best)


def _steps(params: TrainParams, training: Examples) -> int:
    return max(params.least_steps, batches.steps(training, params.batch_size))


class Checkpoint:
    """What a training needs to go on after an interruption, in one file.

    It is of use only to a training of the same `fingerprint`; any other begins anew.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file, self._fingerprint = file, fingerprint
        self._further: list[Checkpoint] = []

    def write(self, told: Mapping[str, Any], arrays: Mapping[str, Sequence[Any]]) -> None:
        """Replaces what was kept: `told` as JSON, and lists of arrays by name."""
        named = {
            f"{k}/{i:05d}": np.asarray(v) for k, each in arrays.items() for i, v in enumerate(each)
        }
        text = json.dumps({"fingerprint": self._fingerprint, **told})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(self._file, partial(_save_arrays, told=text, arrays=named))

    def read(self) -> tuple[dict[str, Any], dict[str, list[Any]]] | None:
        """What was kept, or None where there is nothing or it is another training's."""
        try:
            # NumPy takes a file that is no archive for something else, or for nothing
            with zipfile.ZipFile(self._file), np.load(self._file) as archive:
                told = json.loads(str(archive["told"]))
                if told["fingerprint"] != self._fingerprint:
                    return None
                arrays: dict[str, list[Any]] = {}
                for name in sorted(set(archive.files) - {"told"}):
                    arrays.setdefault(name.split("/")[0], []).append(archive[name])
                return told, arrays
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # none, or cut off
            return None

    def beside(self, name: str) -> "Checkpoint":
        """That of a further training, which is removed with this one."""
        further = Checkpoint(
            self._file.with_suffix(f".{name}{self._file.suffix}"), f"{self._fingerprint} {name}"
        )
        self._further.append(further)
        return further

    def remove(self) -> None:
        """Nothing is left to go on with: the model is written."""
        for each in (self, *self._further):
            each._file.unlink(missing_ok=True)


class Averager(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps a moving average of the weights that the steps leave, and what an interruption needs.

    The average wanders less than the weights, and crops better. It stands in the network from the
    end of an epoch to the start of the next, for other callbacks to see. `rows` are the epochs',
    with what `scores` tells of each; `best` are the weights to end with, after `best_epoch`.
    """

    def __init__(self, params: TrainParams, epochs: int, checkpoint: Checkpoint | None) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.best: list[Any] = []
        self.best_epoch = 0
        self._best_loss = 0.0
        self._averaging = params.averaging
        self._epochs = epochs
        self._checkpoint = checkpoint
        self._steps = 0

    def scores(self) -> dict[str, float]:
        """Numbers of the network as it is, beside those of its training."""
        return {}

    def begin(self, row: dict[str, float]) -> None:
        """Hears of the start, epoch 0."""

    def is_better(self, row: dict[str, float]) -> bool:  # noqa: ARG002 - of those who judge
        """Whether an epoch's weights are the best so far; here the last are."""
        return True

    def finished(self, epoch: int) -> bool:
        """Whether no epoch is left after this one."""
        return epoch >= self._epochs

    def restore(self, network: Any) -> int:
        """Puts a compiled network where an interrupted training left it; its number of epochs."""
        self._average = [tf.Variable(value) for value in network.get_weights()]
        kept = self._checkpoint.read() if self._checkpoint else None
        if kept is None:
            self.best = network.get_weights()
            row = {"epoch": 0, "learning_rate": 0.0, "loss": math.nan, **self.scores()}
            self.begin(row)
            self.rows.append(row)
            return 0
        told, arrays = kept
        network.optimizer.build(network.trainable_variables)
        for variable, value in zip(_state(network), arrays["state"], strict=True):
            variable.assign(value)
        for variable, value in zip(self._average, arrays["average"], strict=True):
            variable.assign(value)
        self.best, self.rows = arrays["best"], told["rows"]
        self._steps, self.best_epoch = told["steps"], told["best_epoch"]
        self._best_loss = told["best_loss"]
        print(f"goes on after epoch {len(self.rows) - 1}", file=sys.stderr, flush=True)
        return len(self.rows) - 1

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        """Begins with what the network holds."""
        self._trained = self.model.get_weights()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Training goes on where it was, not at the average."""
        self.model.set_weights(self._trained)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Moves the average towards the weights; in the first steps faster, or it lags behind."""
        self._steps += 1
        kept = min(self._averaging, (1 + self._steps) / (10 + self._steps))
        weights = [weight.value for weight in self.model.weights]
        _move(self._average, weights, tf.constant(kept, tf.float32))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the average in place, scores it, and gives the row to the callbacks that follow."""
        self._trained = self.model.get_weights()
        state = (
            [np.asarray(variable) for variable in _state(self.model)] if self._checkpoint else []
        )
        self.model.set_weights([np.asarray(value) for value in self._average])
        row = {
            "epoch": epoch + 1,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "loss": float(logs["loss"]),
            **self.scores(),
        }
        self.rows.append(row)
        logs.clear()  # of Keras's own, some are parts of the loss that nobody looks for
        logs.update(row)
        if self.is_better(row):
            self.best, self.best_epoch = self.model.get_weights(), epoch + 1
        if self.finished(epoch + 1):
            self.model.stop_training = True
        self._keep(state)
        print(_progress(row, self._epochs), file=sys.stderr, flush=True)

    def _keep(self, state: Sequence[Any]) -> None:
        if self._checkpoint is None:
            return
        told = {"rows": self.rows, "steps": self._steps, "best_epoch": self.best_epoch}
        arrays = {"state": state, "average": self._average, "best": self.best}
        self._checkpoint.write(told | {"best_loss": self._best_loss}, arrays)


class Referee(Averager):
    """Scores each epoch on the validation crops, keeps the best weights, and stops in time."""

    def __init__(
        self,
        params: TrainParams,
        validation: Examples,
        judged: Any,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """`judged` is the model that is scored; it shares its weights with the trained network."""
        super().__init__(params, params.epochs, checkpoint)
        self._patience = params.patience
        self._validation = validation
        self._loss = _loss(params)
        self._judged = judged

    def begin(self, row: dict[str, float]) -> None:
        """The start counts, too: a library that teaches nothing leaves the constant crop."""
        self._best_loss = row["validation_loss"] * self._doubt()

    def is_better(self, row: dict[str, float]) -> bool:
        """Whether the validation loss is less than any before."""
        if row["validation_loss"] >= self._best_loss:
            return False
        self._best_loss = row["validation_loss"]
        return True

    @property
    def good_epochs(self) -> int:
        """For how many epochs another network should learn; 0 where no epoch was any good.

        All, where the last epoch is nearly as good as the best: which of them is the best is luck,
        and the learning rate is meant to fall to its end.
        """
        start, best, last = (self.rows[i]["validation_loss"] for i in (0, self.best_epoch, -1))
        lasting = len(self.rows) > self._epochs and start - last >= _NEARLY * (start - best)
        return self._epochs if self.best_epoch and lasting else self.best_epoch

    def finished(self, epoch: int) -> bool:
        """Whether no epoch is left after this one, or too many brought nothing."""
        return super().finished(epoch) or epoch - self.best_epoch >= self._patience

    def scores(self) -> dict[str, float]:
        """Loss, overlap and boundary displacement on the validation crops."""
        examples = self._validation
        predicted = build.predict(self._judged, examples.photos)[examples.photo]
        truth = examples.limits.astype(float)
        return {
            "validation_loss": float(np.mean(self._loss(truth, predicted))),
            "validation_iou": float(crops.overlap(truth, predicted, examples.aspect).mean()),
            "validation_bde": float(crops.boundary_displacement(truth, predicted).mean()),
        }

    def _doubt(self) -> float:
        """The share of the start's loss that an epoch must undercut to count: 1, or less.

        A handful of validation crops finds one epoch of many better by mere luck.
        """
        return _LUCK if len(self._validation) < _HANDFUL else 1.0


class TensorBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Each epoch's numbers, and a picture of validation photos with both crops, in `folder`."""

    def __init__(self, folder: Path, validation: Examples, judged: Any) -> None:
        super().__init__()
        self._folder = folder
        self._judged = judged
        self._photos = validation.photos.first(_PICTURED)
        _, first = np.unique(validation.photo, return_index=True)  # each photo's first author
        self._human = validation.limits[first[: len(self._photos.names)]]

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Opens the folder."""
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes one epoch."""
        with self._writer.as_default(step=epoch + 1):
            for name in HISTORY_COLUMNS[1:]:
                tf.summary.scalar(name, logs[name])
            tf.summary.image("validation photos: human, cnn", self._sheet()[None])
        self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Closes the files."""
        self._writer.close()

    def _sheet(self) -> Any:
        predicted = build.predict(self._judged, self._photos)
        looks = zip(self._photos.images, self._photos.aspect, self._human, predicted, strict=True)
        pictures = [_pictured(*look) for look in looks]
        return np.asarray(drawing.contact_sheet(pictures, _PICTURE_COLUMNS))


def make_repeatable(params: TrainParams) -> None:
    """Fixes all that the result depends on but the machine. Raises RuntimeError when too late."""
    tf.config.threading.set_intra_op_parallelism_threads(params.threads)
    tf.config.threading.set_inter_op_parallelism_threads(params.threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()  # layers are numbered from 1 again, and archives hold their names
    keras.utils.set_random_seed(params.seed)


def _loss(params: TrainParams) -> Loss:
    if params.model == "predecessor":
        return losses.predecessor_loss(params.predecessor_loss)
    return losses.crop_loss(params.overlap_weight)


class _Paced(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW by which some variables learn at `_FEATURES_PACE`."""

    def __init__(self, rate: Any, weight_decay: float, slow: Sequence[Any]) -> None:
        super().__init__(rate, weight_decay=weight_decay, name="adamw")
        # Keras hands on TensorFlow's variables, which compare elementwise
        self._slow = {id(variable.value) for variable in slow}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
        pace = _FEATURES_PACE if id(variable) in self._slow else 1.0
        return super().update_step(gradient, variable, learning_rate * pace)


def _optimizer(params: TrainParams, steps: int, pretrained: Sequence[Any]) -> Any:
    """AdamW with a warm-up and a cosine; for the predecessor what it was trained with."""
    if params.model == "predecessor":
        return keras.optimizers.Adam(_PREDECESSOR_LEARNING_RATE)
    warm_up = min(params.warm_up_epochs, params.epochs - 1) * steps
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm_up else params.learning_rate,
        warmup_target=params.learning_rate if warm_up else None,
        warmup_steps=warm_up,
        decay_steps=params.epochs * steps - warm_up,
        alpha=_LAST_SHARE,
    )
    optimizer = _Paced(rate, params.weight_decay, pretrained)
    # the bias of the last layer is the median crop: it must not decay towards another
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if build.precision(params) == "mixed_float16":
        # small slopes vanish in half precision; Keras sees to it only where all layers have it
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _state(network: Any) -> list[Any]:
    """All variables that the next step depends on: weights, the optimiser's, dropout's seeds."""
    return [*network.variables, *network.optimizer.variables]


@tf.function  # type: ignore[untyped-decorator]
def _move(average: Sequence[Any], weights: Sequence[Any], kept: Any) -> None:
    for old, new in zip(average, weights, strict=True):
        old.assign_add((1 - kept) * (tf.cast(new, tf.float32) - old))  # exact where both are equal


def _save_arrays(file: Path, told: str, arrays: Mapping[str, Any]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, told=np.array(told), **arrays)


def _calibrated(
    judged: Any,
    typical: NDArray[np.float32],
    validation: Examples,
    uncropped: NDArray[np.float32],
) -> Calibration:
    """Makes likenesses and expected overlaps true on the validation crops."""
    found = build.outputs(judged, validation.photos)
    truth = validation.limits.astype(np.float32)
    likeness = found["likeness"][validation.photo].astype(np.float32)
    loss = losses.likeness_loss(typical)
    missed = [float(np.mean(loss(truth, likeness / heat))) for heat in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(missed))])
    scaled = likeness / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    limits = found["limits"][validation.photo]
    expected = (
        shares * np.asarray(losses.overlaps(limits[:, :4].astype(np.float32), typical))
    ).sum(1)
    real = crops.overlap(limits, validation.limits, validation.aspect)
    scale, offset = _line(expected.astype(float), real)
    return Calibration(temperature, scale, offset, uncropped)


def _line(expected: Floats, real: Floats) -> tuple[float, float]:
    """Slope and offset of the least squares; a slope of 1 where there is too little to tell it."""
    spread = float(np.var(expected))
    slope = 1.0
    if len(expected) >= _ENOUGH and spread > 0:
        slope = float(np.cov(expected, real, bias=True)[0, 1]) / spread
    return slope, float(np.mean(real) - slope * np.mean(expected))


def _progress(row: dict[str, float], epochs: int) -> str:
    told = f"epoch {row['epoch']:.0f} of {epochs}: loss {row['loss']:.4f}"
    if "validation_loss" not in row:
        return told
    return (
        f"{told}, validation loss {row['validation_loss']:.4f}, overlap {row['validation_iou']:.4f}"
    )


def _pictured(image: Any, aspect: float, human: Any, predicted: Floats) -> Image.Image:
    """A squashed photo in its own shape, with the human's and the network's crop."""
    longest = max(aspect, 1.0)
    size = (round(_PICTURED_SIDE * aspect / longest), round(_PICTURED_SIDE / longest))
    return drawing.outlined(Image.fromarray(image).resize(size), {"human": human, "cnn": predicted})
