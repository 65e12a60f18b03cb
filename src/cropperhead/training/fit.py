"""Trains a network from split labels to the finished model; the same input gives the same bytes.

An interrupted training resumes after its last epoch and ends with the same bytes: batches depend on
the seed and their number alone, and everything else that the next step depends on is stored after
each epoch.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import batches, straighten
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.batches import Examples
from cropperhead.training.calibration import calibrate
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.loop import compile_network, make_repeatable, train_epochs
from cropperhead.training.networks import finished
from cropperhead.training.networks.registry import recipe_for
from cropperhead.training.prototypes import find_prototypes, uncropped_shares
from cropperhead.training.tensorboard import TensorBoard
from cropperhead.training.training_data import TrainingData
from cropperhead.training.validation import HISTORY_COLUMNS, ValidationMonitor


@dataclass(frozen=True)
class TrainingResult:
    """A finished model with its best weights, and a row for each epoch (HISTORY_COLUMNS)."""

    model: Any
    history: pd.DataFrame


def train_network(
    params: TrainParams,
    data: TrainingData,
    logs: Path | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Trains the chosen network from the median training crop; the best weights by validation.

    Then `train.refits` more networks are trained on training and validation crops, for as many
    epochs as were good for the first one, and replace it. `logs` is a folder for TensorBoard.
    `callbacks` are Keras's; their logs are the history's row of each epoch of the first training.
    Must come before TensorFlow's first use, which fixes the number of threads.
    """
    make_repeatable(params)
    recipe, chosen = recipe_for(params), params.for_network()
    known = data.training.limits.astype(float)
    prototypes = find_prototypes(known, params.prototypes, params.seed)
    build = partial(_build, chosen, np.median(known, axis=0), prototypes)
    network = build(data.training, chosen.seed)
    scored = network
    if not recipe.limits_only:
        scored = finished.average_with_mirror_image(network, prototypes)
    monitor = ValidationMonitor(chosen, data.validation, scored, checkpoint)
    watching = [TensorBoard(logs, data.validation, scored)] if logs else []
    train_epochs(network, chosen, data.training, monitor, [*watching, *callbacks])
    history = pd.DataFrame(monitor.rows, columns=list(HISTORY_COLUMNS))
    if recipe.limits_only:
        return TrainingResult(finished.without_loss(network), history)
    calibration = _calibrate(scored, prototypes, data, params, trained=monitor.best_epoch > 0)
    if chosen.refits and monitor.refit_epochs:
        network = _refit(build, chosen, data, monitor.refit_epochs, checkpoint)
    habit = straighten.measure_habit(known[:, 4])
    straightener = _train_straightener(data, params) if habit.straightens else None
    model = finished.finish_model(network, straightener, prototypes, calibration, habit, params)
    return TrainingResult(model, history)


def _build(
    params: TrainParams,
    start: Floats,
    prototypes: NDArray[np.float32],
    training: Examples,
    seed: int,
) -> Any:
    """A compiled network with weights that follow from the seed."""
    keras.utils.set_random_seed(seed)
    network = recipe_for(params).build(params, start, prototypes)
    compile_network(network, params, prototypes, training)
    return network


def _calibrate(
    model: Any,
    prototypes: NDArray[np.float32],
    data: TrainingData,
    params: TrainParams,
    trained: bool,
) -> finished.Calibration:
    known = data.training.limits.astype(float)
    uncropped = uncropped_shares(prototypes, known, params.uncropped_area)
    calibration = calibrate(model, prototypes, data.validation, uncropped)
    if trained:  # it can tell left from right, and needs no shift
        return calibration
    return dataclasses.replace(calibration, shift=finished.shift_to(np.median(known, axis=0)))


def _refit(
    build: Callable[[Examples, int], Any],
    params: TrainParams,
    data: TrainingData,
    epochs: int,
    checkpoint: Checkpoint | None,
) -> Any:
    """The mean of `refits` networks that are trained on training and validation crops."""
    examples, networks = batches.concatenate(data.training, data.validation), []
    for number in range(params.refits):
        print("Retraining on training and validation photos", file=sys.stderr, flush=True)
        own = dataclasses.replace(params, seed=params.seed + number)
        companion = checkpoint.companion(f"refit-{number}") if checkpoint else None
        networks.append(build(examples, own.seed))
        train_epochs(networks[-1], own, examples, WeightAverager(own, epochs, companion))
    return finished.average_networks(networks)


def _train_straightener(data: TrainingData, params: TrainParams) -> Any | None:
    """A trained straightener; None without photos to learn from."""
    if data.upright is None:
        return None
    print("Learning to straighten from rotated photos", file=sys.stderr, flush=True)
    return straighten.train_estimator(data.upright, params.seed)
