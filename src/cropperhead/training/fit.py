"""Trains a network from split labels to the finished model; the same input gives the same bytes.

An interrupted training resumes after its last epoch and ends with the same bytes: batches depend on
the seed and their number alone, and everything else that the next step depends on is stored after
each epoch.
"""

import dataclasses
import math
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
from cropperhead.training import adapt, batches, devices, straighten
from cropperhead.training.adapt import Choice, Start
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.base_model import BaseModel
from cropperhead.training.batches import CropExamples
from cropperhead.training.calibration import calibrate
from cropperhead.training.checkpoint import Checkpoint
from cropperhead.training.difficulty import learn_difficulty
from cropperhead.training.loop import compile_network, train_epochs
from cropperhead.training.networks import finished, keras_model
from cropperhead.training.networks.frozen import join_features
from cropperhead.training.networks.head import copy_head, standardise
from cropperhead.training.networks.registry import build_network, recipe_for
from cropperhead.training.personal import (
    NO_STEP,
    KeptRatio,
    PersonalStep,
    find_kept_ratio,
    take_step,
)
from cropperhead.training.prototypes import find_prototypes, uncropped_shares
from cropperhead.training.repeatable import make_repeatable
from cropperhead.training.tensorboard import SHOWN, TensorBoard
from cropperhead.training.training_data import TrainingData
from cropperhead.training.validation import HISTORY_COLUMNS, ValidationMonitor

_ENOUGH_TO_CALIBRATE = 50  # validation crops: with fewer, the base model's probabilities stay


@dataclass(frozen=True)
class TrainingResult:
    """A finished model with its best weights, and a row for each epoch (HISTORY_COLUMNS).

    `choice` says which model was chosen, where there was a choice. `parts` are what the finished
    model was made of, except for the predecessor's.
    """

    model: Any
    history: pd.DataFrame
    choice: Choice | None = None
    parts: "Parts | None" = None


@dataclass(frozen=True)
class Parts:
    """A trained network before it was joined with features and finished.

    `crop` (5,) is the median crop that it began with; `prototypes` (K, 4). The calibration is
    without what is known of photos that are hard to crop, which is the photographer's own.
    """

    network: Any
    crop: Floats
    prototypes: NDArray[np.float32]
    calibration: finished.Calibration


@dataclass(frozen=True)
class Beginning:
    """What networks begin with: a crop (5,), the prototypes (K, 4), and perhaps a trained head."""

    crop: Floats
    prototypes: NDArray[np.float32]
    head: Any | None = None


@dataclass(frozen=True)
class _Trained:
    """A network at its best epoch, and what its refits need.

    `scored` gives the mean of its crops of photo and mirror image. `data` is what it was trained
    on.
    """

    params: TrainParams
    data: TrainingData
    network: Any
    scored: Any
    monitor: ValidationMonitor
    beginning: Beginning
    of_refits: Sequence[Beginning]
    checkpoint: Checkpoint | None

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch."""
        return pd.DataFrame(self.monitor.rows, columns=list(HISTORY_COLUMNS))

    def crops(self, examples: CropExamples[Any]) -> Floats:
        """Its crops of the examples, (m, 5)."""
        return keras_model.predict_limits(self.scored, examples.photos)[examples.photo]


def train_network(
    params: TrainParams,
    data: TrainingData,
    logs: Path | None = None,
    callbacks: Sequence[Any] = (),
    checkpoint: Checkpoint | None = None,
    base: BaseModel | None = None,
) -> TrainingResult:
    """Trains the chosen network from the median training crop; the best weights by validation.

    Then its `refits` more networks are trained on training and validation crops, for as many
    epochs as were good for the first one, and replace it. `logs` is a folder for TensorBoard.
    `callbacks` are Keras's; their logs are the history's row of each epoch of the first training.
    Networks on features may begin with a `base` model; see `adapt`. `make_repeatable` must come
    before TensorFlow's first use, which fixes the number of threads.
    """
    make_repeatable(params)
    start = adapt.begin(params, data, base) if base and params.uses_features else None
    if start and not start.is_constant and len(data.training) < adapt.ENOUGH:
        return _finish_start(start, data, params, start.choice)
    known = data.training.limits.astype(float)
    beginning = Beginning(
        np.median(known, axis=0), find_prototypes(known, params.prototypes, params.seed)
    )
    own = _train(params, data, beginning, logs, callbacks, checkpoint)
    if recipe_for(params).limits_only:
        return TrainingResult(finished.without_loss(own.network), own.history)
    step = PersonalStep(ratio=_kept_ratio(data.training)) if params.uses_features else NO_STEP
    if start is None:
        return _finish(own, data, params, step)
    trained = {adapt.OWN: own}
    steps = {adapt.OWN: step, adapt.TUNED: start.training_step}
    if recipe_for(params).on_fields and min(start.training_step.spread) > 0:
        companion = checkpoint.companion("tuned") if checkpoint else None
        trained = {adapt.TUNED: _tune(start, params, data, companion), **trained}
    aspect = data.validation.aspect[:, None]
    limits = {
        name: np.asarray(take_step(each.crops(data.validation)[:, :4], aspect, steps[name]))
        for name, each in trained.items()
    }
    choice = adapt.choose(start, data, limits)
    if choice.name not in trained:
        return _finish_start(start, data, params, choice)
    name = adapt.TUNED if choice.name == adapt.TUNED else None
    result = _finish(trained[choice.name], data, params, steps[choice.name], name)
    return dataclasses.replace(result, choice=choice)


def _train(
    params: TrainParams,
    data: TrainingData,
    beginning: Beginning,
    logs: Path | None,
    callbacks: Sequence[Any],
    checkpoint: Checkpoint | None,
) -> _Trained:
    """Trains one network to its best epoch by validation."""
    recipe, chosen = recipe_for(params), params.for_network()
    heads = _train_heads(params, data.head, beginning, checkpoint) if data.head else []
    begun = [dataclasses.replace(beginning, head=head) for head in heads]
    first, *of_refits = begun or [beginning] * (1 + chosen.refits)
    network = begin_network(chosen, data.learned, first)
    scored = network
    if not recipe.limits_only:
        scored = finished.average_with_mirror_image(network, beginning.prototypes)
    monitor = ValidationMonitor(chosen, data.validation, scored, checkpoint)
    watching = [_tensor_board(logs, data, scored)] if logs else []
    train_epochs(network, chosen, data.learned, monitor, [*watching, *callbacks])
    return _Trained(chosen, data, network, scored, monitor, beginning, of_refits, checkpoint)


def _tune(
    start: Start, params: TrainParams, data: TrainingData, checkpoint: Checkpoint | None
) -> _Trained:
    """Trains the base model's head further, for the crops before the personal step."""
    print("Training the base model further", file=sys.stderr, flush=True)
    begun = Beginning(start.base.crop, start.base.prototypes, start.head)
    before = adapt.before_step(data, start.training_step)
    return _train(adapt.for_tuning(params), before, begun, None, (), checkpoint)


def _finish(
    trained: _Trained,
    data: TrainingData,
    params: TrainParams,
    step: PersonalStep,
    name: str | None = None,
) -> TrainingResult:
    """The finished model of a trained network and its refits, perhaps with a name of its own."""
    network, monitor, chosen = trained.network, trained.monitor, trained.params
    prototypes = trained.beginning.prototypes
    scored, moved = trained.scored, prototypes
    if step != NO_STEP:
        scored, moved = finished.with_step(scored, step), finished.after_step(prototypes, step)
    calibration = _calibrate(scored, moved, data, params, trained=monitor.best_epoch > 0)
    if chosen.refits and monitor.refit_epochs:
        refitted = _refits(
            chosen, trained.data, monitor.refit_epochs, trained.of_refits, trained.checkpoint
        )
        network = finished.average_networks(list(refitted))
    plain = dataclasses.replace(
        calibrate(scored, moved, data.validation, calibration.uncropped), shift=calibration.shift
    )
    parts = Parts(network, trained.beginning.crop, prototypes, plain)
    network = keras.Model(network.input, network.output, name=name or network.name)
    if recipe_for(params).on_fields:
        network = join_features(network, params)
    model = _finished_model(network, prototypes, calibration, data, params, step)
    return TrainingResult(model, trained.history, parts=parts)


def _finish_start(
    start: Start, data: TrainingData, params: TrainParams, choice: Choice
) -> TrainingResult:
    """The finished model of a base model and a personal step; nothing was trained for it."""
    examples, prototypes = data.of_fields[1], start.base.prototypes
    network = keras.Model(start.head.input, start.head.output, name=choice.name)
    scored = finished.with_step(finished.average_with_mirror_image(network, prototypes), start.step)
    moved = finished.after_step(prototypes, start.step)
    # The step has been fitted to the base's crops as they are, without a shift
    calibration = finished.Calibration(**start.base.calibration | {"shift": 0.0})
    if len(examples) >= _ENOUGH_TO_CALIBRATE:
        known = data.training.limits.astype(float)
        uncropped = uncropped_shares(moved, known, params.uncropped_area)
        calibration = calibrate(scored, moved, examples, uncropped)
    monitor = ValidationMonitor(params.for_head(), examples, scored)
    row = {"epoch": 0, "learning_rate": 0.0, "loss": math.nan, **monitor.scores()}
    history = pd.DataFrame([row], columns=list(HISTORY_COLUMNS))
    joined = join_features(network, params)
    model = _finished_model(joined, prototypes, calibration, data, params, start.step)
    return TrainingResult(model, history, choice)


def _finished_model(
    network: Any,
    prototypes: NDArray[np.float32],
    calibration: finished.Calibration,
    data: TrainingData,
    params: TrainParams,
    step: PersonalStep,
) -> Any:
    habit = straighten.measure_habit(data.training.limits.astype(float)[:, 4])
    straightener = _train_straightener(data, params) if habit.straightens else None
    return finished.finish_model(
        network, straightener, prototypes, calibration, habit, params, step
    )


def _kept_ratio(examples: CropExamples[Any]) -> KeptRatio | None:
    return find_kept_ratio(examples.limits.astype(float), examples.aspect.astype(float))


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
    with devices.on_all():
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
    head = begin_network(own, data.learned, beginning)
    scored = finished.average_with_mirror_image(head, beginning.prototypes)
    companion = checkpoint.companion("head") if checkpoint else None
    monitor = ValidationMonitor(own, data.validation, scored, companion)
    train_epochs(head, own, data.learned, monitor)
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
    examples = batches.concatenate(data.learned, data.validation)
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
