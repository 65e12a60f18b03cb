"""Trains a network from split labels to the finished model; the same input gives the same bytes.

An interrupted training resumes after its last epoch and ends with the same bytes: batches depend on
the seed and their number alone, and everything else that the next step depends on is stored after
each epoch.
"""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from cropperhead.training.batches import CropExamples
from cropperhead.training.calibration import calibrate
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.difficulty import learn_difficulty
from cropperhead.training.loop import compile_network, train_epochs
from cropperhead.training.networks import finished
from cropperhead.training.networks.frozen import join_features
from cropperhead.training.networks.head import copy_head, standardise
from cropperhead.training.networks.registry import build_network, recipe_for
from cropperhead.training.prototypes import find_prototypes, uncropped_shares
from cropperhead.training.repeatable import make_repeatable
from cropperhead.training.tensorboard import SHOWN, TensorBoard
from cropperhead.training.training_data import TrainingData
from cropperhead.training.validation import HISTORY_COLUMNS, ValidationMonitor


@dataclass(frozen=True)
class TrainingResult:
    """A finished model with its best weights, and a row for each epoch (HISTORY_COLUMNS)."""

    model: Any
    history: pd.DataFrame


@dataclass(frozen=True)
class Beginning:
    """What networks begin with: a crop (5,), the prototypes (K, 4), and perhaps a trained head."""

    crop: Floats
    prototypes: NDArray[np.float32]
    head: Any | None = None


def train_network(
    params: TrainParams,
    data: TrainingData,
    logs: Path | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Trains the chosen network from the median training crop; the best weights by validation.

    Then its `refits` more networks are trained on training and validation crops, for as many
    epochs as were good for the first one, and replace it. `logs` is a folder for TensorBoard.
    `callbacks` are Keras's; their logs are the history's row of each epoch of the first training.
    `make_repeatable` must come before TensorFlow's first use, which fixes the number of threads.
    """
    make_repeatable(params)
    recipe, chosen = recipe_for(params), params.for_network()
    known = data.training.limits.astype(float)
    prototypes = find_prototypes(known, params.prototypes, params.seed)
    median = np.median(known, axis=0)
    beginning = Beginning(median, prototypes)
    heads = _train_heads(params, data.head, beginning, checkpoint) if data.head else []
    begun = [dataclasses.replace(beginning, head=head) for head in heads]
    beginning, *of_refits = begun or [beginning] * (1 + chosen.refits)
    network = begin_network(chosen, data.training, beginning)
    scored = network
    if not recipe.limits_only:
        scored = finished.average_with_mirror_image(network, prototypes)
    monitor = ValidationMonitor(chosen, data.validation, scored, checkpoint)
    watching = [_tensor_board(logs, data, scored)] if logs else []
    train_epochs(network, chosen, data.training, monitor, [*watching, *callbacks])
    history = pd.DataFrame(monitor.rows, columns=list(HISTORY_COLUMNS))
    if recipe.limits_only:
        return TrainingResult(finished.without_loss(network), history)
    calibration = _calibrate(scored, prototypes, data, params, trained=monitor.best_epoch > 0)
    if chosen.refits and monitor.refit_epochs:
        refitted = _refits(chosen, data, monitor.refit_epochs, of_refits, checkpoint)
        network = finished.average_networks(list(refitted))
    if recipe.on_fields:
        network = join_features(network, params)
    habit = straighten.measure_habit(known[:, 4])
    straightener = _train_straightener(data, params) if habit.straightens else None
    model = finished.finish_model(network, straightener, prototypes, calibration, habit, params)
    return TrainingResult(model, history)


def train_head(
    params: TrainParams,
    examples: CropExamples[Any],
    beginning: Beginning,
    epochs: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Any:
    """A network on fields, trained on all examples for so many epochs, or all of its own.

    `params` are those of the whole pipeline, whichever quality they ask for; the examples' photos
    are fields. It begins with the weights of `beginning.head`, a network of the same kind, if there
    is one. Outputs as in `Recipe.build`; `networks.finished.average_with_mirror_image` makes a
    network of it that averages over both fields of a photo.
    """
    own = params.for_head()
    head = begin_network(own, examples, beginning)
    averager = WeightAverager(own, own.epochs if epochs is None else epochs, checkpoint)
    train_epochs(head, own, examples, averager)
    return head


def begin_network(params: TrainParams, training: CropExamples[Any], beginning: Beginning) -> Any:
    """A compiled network of `TrainParams.for_network`; its weights follow from the seed."""
    keras.utils.set_random_seed(params.seed)
    network = build_network(params, beginning.crop, beginning.prototypes)
    if beginning.head is not None:
        copy_head(beginning.head, network)
    elif recipe_for(params).on_fields:
        standardise(network, *_moments(training.photos))
    compile_network(network, params, beginning.prototypes, training)
    return network


def _moments(photos: batches.FieldArrays) -> tuple[Floats, Floats]:
    """Mean and variance of each channel of the photos' fields, (channels,)."""
    sums, squares, count = np.zeros(photos.fields.shape[-1]), 0.0, 0
    for each in photos.fields:
        values = each.reshape(-1, each.shape[-1]).astype(float)
        sums, squares = sums + values.sum(axis=0), squares + (values**2).sum(axis=0)
        count += len(values)
    mean = sums / count
    return mean, squares / count - mean**2


def _train_heads(
    params: TrainParams, data: TrainingData, beginning: Beginning, checkpoint: Checkpoint | None
) -> list[Any]:
    """Heads to begin with: the best by validation, and one for each refit, of all crops."""
    print("Training a head on the features", file=sys.stderr, flush=True)
    own = dataclasses.replace(params.for_head(), refits=params.for_network().refits)
    head = begin_network(own, data.training, beginning)
    scored = finished.average_with_mirror_image(head, beginning.prototypes)
    companion = checkpoint.companion("head") if checkpoint else None
    monitor = ValidationMonitor(own, data.validation, scored, companion)
    train_epochs(head, own, data.training, monitor)
    epochs, begin = monitor.refit_epochs, [beginning] * own.refits
    if not epochs:
        return [head] * (1 + own.refits)
    return [head, *_refits(own, data, epochs, begin, checkpoint, "head-")]


def _calibrate(
    model: Any,
    prototypes: NDArray[np.float32],
    data: TrainingData,
    params: TrainParams,
    trained: bool,
) -> finished.Calibration:
    known = data.training.limits.astype(float)
    uncropped = uncropped_shares(prototypes, known, params.uncropped_area)
    difficulty = None
    if recipe_for(params).on_fields:
        difficulty = learn_difficulty(data.training, params.seed)
    calibration = calibrate(model, prototypes, data.validation, uncropped, difficulty)
    if trained:  # it can tell left from right, and needs no shift
        return calibration
    return dataclasses.replace(calibration, shift=finished.shift_to(np.median(known, axis=0)))


def _refits(
    params: TrainParams,
    data: TrainingData,
    epochs: int,
    beginnings: Sequence[Beginning],
    checkpoint: Checkpoint | None,
    kind: str = "",
) -> Iterator[Any]:
    """Networks that are trained on training and validation crops, one for each beginning."""
    examples = batches.concatenate(data.training, data.validation)
    for number, beginning in enumerate(beginnings):
        print("Retraining on training and validation photos", file=sys.stderr, flush=True)
        own = dataclasses.replace(params, seed=params.seed + number)
        companion = checkpoint.companion(f"{kind}refit-{number}") if checkpoint else None
        network = begin_network(own, examples, beginning)
        train_epochs(network, own, examples, WeightAverager(own, epochs, companion))
        yield network


def _tensor_board(logs: Path, data: TrainingData, scored: Any) -> TensorBoard:
    pictures = data.pictures or data.validation.photos.first(SHOWN)
    return TensorBoard(logs, data.validation, pictures, scored)


def _train_straightener(data: TrainingData, params: TrainParams) -> Any | None:
    """A trained straightener; None without photos to learn from."""
    if data.upright is None:
        return None
    print("Learning to straighten from rotated photos", file=sys.stderr, flush=True)
    return straighten.train_estimator(data.upright, params.seed)
