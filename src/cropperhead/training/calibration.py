"""Probabilities and expected overlaps fitted to the validation crops."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.training import losses
from cropperhead.training.batches import CropExamples
from cropperhead.training.difficulty import Difficulty, summarise
from cropperhead.training.networks import keras_model
from cropperhead.training.networks.finished import Calibration

_TEMPERATURES = np.geomspace(0.25, 4, 81, dtype=np.float32)
_ENOUGH_CROPS = 50  # validation crops: with fewer, the slope of the confidence is not fitted


def calibrate(
    model: Any,
    prototypes: NDArray[np.float32],
    validation: CropExamples[Any],
    uncropped: NDArray[np.float32],
    difficulty: Difficulty | None = None,
) -> Calibration:
    """Fits temperature, scale and offset of a model's likenesses on the validation crops.

    `prototypes` (K, 4) are typical crops, `uncropped` (K,) as in `Calibration`. With a difficulty,
    which is calibrated itself, only the offset of the expected overlap is fitted.
    """
    outputs = keras_model.predict_outputs(model, validation.photos)
    truth = validation.limits.astype(np.float32)
    likeness = outputs["likeness"][validation.photo].astype(np.float32)
    loss = losses.likeness_loss(prototypes)
    errors = [float(np.mean(loss(truth, likeness / heat))) for heat in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(errors))])
    scaled = likeness / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    limits = outputs["limits"][validation.photo]
    expected = (
        shares * np.asarray(losses.overlaps(limits[:, :4].astype(np.float32), prototypes))
    ).sum(1)
    actual = crops.overlap(limits, validation.limits, validation.aspect)
    if difficulty is None:
        scale, offset = _fit_line(expected.astype(float), actual)
        return Calibration(temperature, scale, offset, uncropped)
    known = summarise(validation.photos)[validation.photo]
    offset = float(np.mean(actual - difficulty.overlap(known)))
    return Calibration(temperature, 1.0, offset, uncropped, difficulty=difficulty)


def _fit_line(expected: Floats, actual: Floats) -> tuple[float, float]:
    """Slope and offset of the least squares; a slope of 1 where there are too few crops."""
    spread = float(np.var(expected))
    slope = 1.0
    if len(expected) >= _ENOUGH_CROPS and spread > 0:
        slope = float(np.cov(expected, actual, bias=True)[0, 1]) / spread
    return slope, float(np.mean(actual) - slope * np.mean(expected))
