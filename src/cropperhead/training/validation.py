"""Which epoch is the best on the validation crops, and when to stop."""

from typing import Any

import numpy as np

from cropperhead.geometry import crops
from cropperhead.params import TrainParams
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.batches import CropExamples
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.registry import recipe_for

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "loss",
    "validation_loss",
    "validation_iou",
    "validation_bde",
)
# Of what the best epoch gained: an epoch that keeps as much is as good, apart from chance.
_NEARLY_AS_GOOD = 0.9
_FEW_CROPS = 16  # validation crops: the library has about 100 photos at most
# Of the untrained network's loss: 40 photos that nothing can be learned from hardly get below it.
_CHANCE_LOSS = 0.85


class ValidationMonitor(WeightAverager):
    """Scores each epoch on the validation crops, keeps the best weights, and stops early."""

    def __init__(
        self,
        params: TrainParams,
        validation: CropExamples[Any],
        scored_model: Any,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """`scored_model` shares its weights with the trained network."""
        super().__init__(params, params.epochs, checkpoint)
        self._patience = params.patience
        self._validation = validation
        self._crop_loss = recipe_for(params).crop_loss(params)
        self._scored_model = scored_model

    def begin(self, row: dict[str, float]) -> None:
        """The untrained network counts, too: if nothing can be learned, the constant crop stays.

        With few validation crops, one epoch of many gets below its loss by mere chance.
        """
        few = len(self._validation) < _FEW_CROPS
        self._best_loss = row["validation_loss"] * (_CHANCE_LOSS if few else 1.0)

    def is_better(self, row: dict[str, float]) -> bool:
        """Whether the validation loss is less than any before."""
        if row["validation_loss"] >= self._best_loss:
            return False
        self._best_loss = row["validation_loss"]
        return True

    @property
    def refit_epochs(self) -> int:
        """For how many epochs to train another network; 0 if no epoch was better than none.

        All of them, if the last epoch is nearly as good as the best: which one is the best is
        chance then, and the learning rate is meant to fall to its end.
        """
        start, best, last = (self.rows[i]["validation_loss"] for i in (0, self.best_epoch, -1))
        lasting = len(self.rows) > self._epochs and start - last >= _NEARLY_AS_GOOD * (start - best)
        return self._epochs if self.best_epoch and lasting else self.best_epoch

    def is_last(self, epoch: int) -> bool:
        """Whether the epochs are used up, or the last `train.patience` of them gained nothing."""
        return super().is_last(epoch) or epoch - self.best_epoch >= self._patience

    def scores(self) -> dict[str, float]:
        """Loss, overlap and boundary displacement on the validation crops."""
        examples = self._validation
        predicted = keras_model.predict_limits(self._scored_model, examples.photos)[examples.photo]
        truth = examples.limits.astype(float)
        return {
            "validation_loss": float(np.mean(self._crop_loss(truth, predicted))),
            "validation_iou": float(crops.overlap(truth, predicted, examples.aspect).mean()),
            "validation_bde": float(crops.boundary_displacement(truth, predicted).mean()),
        }
