"""Trains a network, the same bytes for the same input on one machine, and shows how it goes."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from cropperhead import batches, crops, drawing, losses, models
from cropperhead.batches import Examples
from cropperhead.crops import Floats
from cropperhead.losses import Loss
from cropperhead.params import TrainParams

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "loss",
    "validation_loss",
    "validation_iou",
    "validation_bde",
)
_LAST_SHARE = 0.01  # of the learning rate, at the end of the cosine
_PREDECESSOR_LEARNING_RATE = 0.001  # Adam's, from the published network's training_config
_PICTURED = 12  # validation photos in TensorBoard's picture
_PICTURE_COLUMNS = 4
_PICTURED_SIDE = 240  # px, the longer one


@dataclass(frozen=True)
class Fitted:
    """A trained network with its best weights, and a row for each epoch (HISTORY_COLUMNS)."""

    model: Any
    history: pd.DataFrame


def fit(
    params: TrainParams,
    training: Examples,
    validation: Examples,
    logs: Path | None = None,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Trains the chosen network from the median training crop; the best weights by validation.

    `logs` is a folder for TensorBoard. `callbacks` are Keras's; each epoch they get the row of the
    history as their logs. Must come before TensorFlow's first use, which fixes its threads.
    """
    _make_repeatable(params)
    steps = max(params.least_steps, batches.steps(training, params.batch_size))
    loss = _loss(params)
    model = models.build(params, np.median(training.limits.astype(float), axis=0))
    model.compile(_optimizer(params, steps), loss=loss, jit_compile=False)  # XLA is slower here
    referee = Referee(params, validation, loss)
    model.fit(
        batches.training_batches(training, params.batch_size, params.colour_jitter, params.seed),
        epochs=params.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches are shuffled already
        callbacks=[referee, *([TensorBoard(logs, validation)] if logs else []), *callbacks],
        verbose=0,
    )
    history = pd.DataFrame(referee.rows, columns=list(HISTORY_COLUMNS))
    return Fitted(keras.Model(model.input, model.output, name=model.name), history)


class Referee(keras.callbacks.Callback):  # type: ignore[misc]
    """Scores each epoch on the validation crops, keeps the best weights, and stops in time.

    The weights that count are a moving average of those that the steps leave. It wanders less, so
    that a few validation photos can tell its epochs apart, and crops better. It stands in the
    network from the end of an epoch to the start of the next, for other callbacks to see.
    """

    def __init__(self, params: TrainParams, validation: Examples, loss: Loss) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._params = params
        self._validation = validation
        self._loss = loss
        self._steps = 0

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        """The start counts, too: a library that teaches nothing leaves the constant crop."""
        self._trained = self._average = self._best = self.model.get_weights()
        start = self._scores()
        self._best_epoch, self._best_loss = 0, start["validation_loss"]
        self.rows.append({"epoch": 0, "learning_rate": 0.0, "loss": math.nan, **start})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Training goes on where it was, not at the average."""
        self.model.set_weights(self._trained)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Moves the average towards the weights; in the first steps faster, or it lags behind."""
        self._steps += 1
        kept = min(self._params.averaging, (1 + self._steps) / (10 + self._steps))
        pairs = zip(self._average, self.model.get_weights(), strict=True)
        self._average = [kept * old + (1 - kept) * new for old, new in pairs]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the average in place, scores it, and gives the row to the callbacks that follow."""
        self._trained = self.model.get_weights()
        self.model.set_weights(self._average)
        row = {
            "epoch": epoch + 1,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "loss": float(logs["loss"]),
            **self._scores(),
        }
        self.rows.append(row)
        logs.update(row)
        self._judge(row)
        print(_progress(row, self._params.epochs), file=sys.stderr, flush=True)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Leaves the best weights in the network."""
        self.model.set_weights(self._best)

    def _judge(self, row: dict[str, float]) -> None:
        if row["validation_loss"] < self._best_loss:
            self._best, self._best_loss = self._average, row["validation_loss"]
            self._best_epoch = int(row["epoch"])
        if row["epoch"] - self._best_epoch >= self._params.patience:
            self.model.stop_training = True

    def _scores(self) -> dict[str, float]:
        examples = self._validation
        predicted = models.predict(self.model, examples.photos)[examples.photo]
        truth = examples.limits.astype(float)
        return {
            "validation_loss": float(np.mean(self._loss(truth, predicted))),
            "validation_iou": float(crops.overlap(truth, predicted, examples.aspect).mean()),
            "validation_bde": float(crops.boundary_displacement(truth, predicted).mean()),
        }


class TensorBoard(keras.callbacks.Callback):  # type: ignore[misc]
    """Each epoch's numbers, and a picture of validation photos with both crops, in `folder`."""

    def __init__(self, folder: Path, validation: Examples) -> None:
        super().__init__()
        self._folder = folder
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
        predicted = models.predict(self.model, self._photos)
        looks = zip(self._photos.images, self._photos.aspect, self._human, predicted, strict=True)
        pictures = [_pictured(*look) for look in looks]
        return np.asarray(drawing.contact_sheet(pictures, _PICTURE_COLUMNS))


def _make_repeatable(params: TrainParams) -> None:
    """Fixes all that the result depends on but the machine. Raises RuntimeError when too late."""
    tf.config.threading.set_intra_op_parallelism_threads(params.threads)
    tf.config.threading.set_inter_op_parallelism_threads(params.threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()  # layers are numbered from 1 again, and archives hold their names
    keras.utils.set_random_seed(params.seed)


def _loss(params: TrainParams) -> Loss:
    if params.model == "predecessor":
        return losses.squared_error
    return losses.crop_loss(params.overlap_weight)


def _optimizer(params: TrainParams, steps: int) -> Any:
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
    optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    # the bias of the last layer is the median crop: it must not decay towards another
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _progress(row: dict[str, float], epochs: int) -> str:
    return (
        f"epoch {row['epoch']:.0f} of {epochs}: loss {row['loss']:.4f}, "
        f"validation loss {row['validation_loss']:.4f}, overlap {row['validation_iou']:.4f}"
    )


def _pictured(image: Any, aspect: float, human: Any, predicted: Floats) -> Image.Image:
    """A squashed photo in its own shape, with the human's and the network's crop."""
    longest = max(aspect, 1.0)
    size = (round(_PICTURED_SIDE * aspect / longest), round(_PICTURED_SIDE / longest))
    return drawing.outlined(Image.fromarray(image).resize(size), {"human": human, "cnn": predicted})
