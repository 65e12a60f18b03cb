"""The moving average of a network's weights, and how a training is resumed."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cropperhead.params import TrainParams
from cropperhead.training.checkpoint import Checkpoint


class WeightAverager(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the weights over the steps, and writes a checkpoint after each epoch.

    The average varies less than the weights, and crops better. From the end of an epoch to the
    start of the next one, the network holds the average, so that other callbacks see it. `rows` has
    a row for each epoch, with what `scores` returns. `best` are the weights to end with, those
    after `best_epoch`.
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
        """Further numbers of the network as it is now, for its row."""
        return {}

    def begin(self, row: dict[str, float]) -> None:
        """Called with the row of the untrained network, epoch 0."""

    def is_better(self, row: dict[str, float]) -> bool:  # noqa: ARG002 - of subclasses
        """Whether an epoch's weights are the best so far; here the last ones are."""
        return True

    def is_last(self, epoch: int) -> bool:
        """Whether the training ends with this epoch."""
        return epoch >= self._epochs

    def restore(self, network: Any) -> int:
        """Restores a compiled network from the checkpoint; returns the number of epochs done."""
        self._average = [np.array(value) for value in network.get_weights()]
        stored = self._checkpoint.read() if self._checkpoint else None
        if stored is None:
            self.best = network.get_weights()
            row = {"epoch": 0, "learning_rate": 0.0, "loss": math.nan, **self.scores()}
            self.begin(row)
            self.rows.append(row)
            return 0
        values, arrays = stored
        network.optimizer.build(network.trainable_variables)
        for variable, value in zip(_state(network), arrays["state"], strict=True):
            variable.assign(value)
        self._average = [np.array(value) for value in arrays["average"]]
        self.best, self.rows = arrays["best"], values["rows"]
        self._steps, self.best_epoch = values["steps"], values["best_epoch"]
        self._best_loss = values["best_loss"]
        print(f"Resuming after epoch {len(self.rows) - 1}", file=sys.stderr, flush=True)
        return len(self.rows) - 1

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        """Starts from the network's weights."""
        self._trained = self.model.get_weights()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Replaces the average with the weights that are trained."""
        self.model.set_weights(self._trained)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Moves the average towards the weights; faster in the first steps, or it would lag."""
        self._steps += 1
        share = np.float32(min(self._averaging, (1 + self._steps) / (10 + self._steps)))
        weights = zip(self._average, self.model.get_weights(), strict=True)
        # exact where both are equal
        self._average = [old + (1 - share) * (new - old) for old, new in weights]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Scores the average, and passes the row to the callbacks that follow as their `logs`."""
        self._trained = self.model.get_weights()
        state = (
            [np.asarray(variable) for variable in _state(self.model)] if self._checkpoint else []
        )
        self.model.set_weights(self._average)
        row = {
            "epoch": epoch + 1,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "loss": float(logs["loss"]),
            **self.scores(),
        }
        self.rows.append(row)
        logs.clear()  # Keras's own include parts of the loss that nobody needs
        logs.update(row)
        if self.is_better(row):
            self.best, self.best_epoch = self.model.get_weights(), epoch + 1
        if self.is_last(epoch + 1):
            self.model.stop_training = True
        self._write_checkpoint(state)
        print(_progress(row, self._epochs), file=sys.stderr, flush=True)

    def _write_checkpoint(self, state: Sequence[Any]) -> None:
        if self._checkpoint is None:
            return
        values = {
            "rows": self.rows,
            "steps": self._steps,
            "best_epoch": self.best_epoch,
            "best_loss": self._best_loss,
        }
        arrays = {"state": state, "average": self._average, "best": self.best}
        self._checkpoint.write(values, arrays)


def _state(network: Any) -> list[Any]:
    """All variables that the next step depends on: weights, the optimizer's, dropout's seeds."""
    return [*network.variables, *network.optimizer.variables]


def _progress(row: dict[str, float], epochs: int) -> str:
    text = f"epoch {row['epoch']:.0f} of {epochs}: loss {row['loss']:.4f}"
    if "validation_loss" not in row:
        return text
    return (
        f"{text}, validation loss {row['validation_loss']:.4f}, overlap {row['validation_iou']:.4f}"
    )
