"""A base model's crops as a start, and the choice between it and networks of the own crops.

With no crop of their own, a photographer gets the base model. With a few, the personal step is
chosen by cross-validation on them. With hundreds, two heads are trained as well: the base model's,
before the personal step, and one from scratch. Each replaces the simpler one before it only if it
is clearly better on the validation photos.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cropperhead.errors import ParamsError
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import TrainParams
from cropperhead.training import personal
from cropperhead.training.base_model import BaseModel
from cropperhead.training.batches import CropExamples
from cropperhead.training.networks import finished, keras_model
from cropperhead.training.networks.features import read_features
from cropperhead.training.networks.registry import build_network
from cropperhead.training.personal import NO_STEP, PersonalStep
from cropperhead.training.training_data import TrainingData

BASE, PERSONAL, TUNED, OWN = "base", "personal", "tuned", "own"
# Training crops. On photos with little style of their own, 300 are needed to come near the base
# model; a photographer with a strict rule is learned from fewer.
ENOUGH = 100
_CLEARLY = 1.0  # standard errors: the validation photos are few, and a network has many weights
_GENTLE = 1 / 3  # of the learning rate of a head from scratch


@dataclass(frozen=True)
class Choice:
    """Which of the candidates was chosen: base, personal, tuned or own.

    `scores` are the mean overlaps of the candidates on `scored` crops that they were not fitted to;
    `words` say how the photographer differs from the people that the base learned from, if in
    anything.
    """

    name: str
    scores: Mapping[str, float] = field(default_factory=dict)
    scored: int = 0
    words: str = ""


@dataclass(frozen=True)
class Start:
    """A base model applied to a photographer's photos.

    `head` is its network on fields. `step` is the personal step chosen on all own crops, and
    `choice` what it says. `validation` (m, 4) are the crops of the validation photos by
    `training_step`, which was chosen on the training crops alone. Where it `is_constant`, the own
    median crop was better than all that the base model sees.
    """

    base: BaseModel
    head: Any
    step: PersonalStep
    training_step: PersonalStep
    choice: Choice
    validation: Floats
    is_constant: bool


def begin(params: TrainParams, data: TrainingData, base: BaseModel) -> Start:
    """Apply a base model to the own photos and choose the personal step.

    Crops of the photos in `data.known`, which the base model learned from, are left out. Raises
    ParamsError if the base model is for other features.
    """
    head = base_head(params, base)
    model = finished.average_with_mirror_image(head, base.prototypes)
    crops = [predict_untilted(model, each) for each in data.of_fields]
    parts = [_own(*each, data) for each in zip(data.of_fields, crops, strict=True)]
    training, both = parts[0], _Own.join(parts)
    chosen = both.choose()
    is_constant = chosen.name == personal.MEDIAN
    name = BASE if chosen.step == NO_STEP else PERSONAL
    words = personal.describe_step(chosen.step, both.base, both.aspect) if len(both.own) else ""
    choice = Choice(name, chosen.scores, len(both.own) if chosen.scores else 0, words)
    aspect = data.validation.aspect[:, None]
    step = training.choose().step
    taken = np.asarray(personal.take_step(crops[1], aspect, step))
    return Start(base, head, chosen.step, step, choice, taken, is_constant)


def for_tuning(params: TrainParams) -> TrainParams:
    """The values by which a trained head is trained further: gently, or it forgets what it knew."""
    head = params.head
    gentle = replace(
        head, learning_rate=head.learning_rate * _GENTLE, epochs=math.ceil(head.epochs / 2)
    )
    return replace(params, head=gentle)


def choose(start: Start, data: TrainingData, candidates: Mapping[str, Floats]) -> Choice:
    """The choice between a start and trained networks, each of which must be clearly better.

    `candidates` are their crops (m, 4 or 5) of the validation photos by name, simpler ones first.
    """
    examples = data.validation
    names = [examples.photos.names[place] for place in examples.photo]
    unknown = np.array([name not in data.known for name in names], bool)
    if not unknown.any():
        return Choice(OWN)
    groups = [data.group(name) for name, new in zip(names, unknown, strict=True) if new]
    truth = examples.limits.astype(float)[unknown]
    best, chosen = personal.overlaps(start.validation[unknown], truth), start.choice.name
    scores = {chosen: float(best.mean())}
    for name, limits in candidates.items():
        overlaps = personal.overlaps(limits[unknown], truth)
        scores[name] = float(overlaps.mean())
        if personal.is_clearly_better(overlaps - best, groups, _CLEARLY):
            best, chosen = overlaps, name
    return Choice(chosen, scores, len(truth), start.choice.words)


def before_step(data: TrainingData, step: PersonalStep) -> TrainingData:
    """The same data with the crops that the base model is to give, before the step."""
    preferred = data.preferred
    if preferred is not None:
        sides = list(CROP_COLUMNS[:4])
        undone = personal.undo_step(preferred[sides].to_numpy(float), step)
        preferred = preferred.assign(**dict(zip(sides, undone.T, strict=True)))
    parts = (data.training, data.validation)
    undone_parts = [personal.undo_step(each.limits[:, :4].astype(float), step) for each in parts]
    training, validation = (
        replace(each, limits=np.concatenate([limits, each.limits[:, 4:]], axis=1, dtype=np.float32))
        for each, limits in zip(parts, undone_parts, strict=True)
    )
    return replace(data, training=training, validation=validation, preferred=preferred)


def base_head(params: TrainParams, base: BaseModel) -> Any:
    """The base model's network on fields. Raises ParamsError if they are of other features."""
    features = params.features
    if base.image_size != features.image_size or base.features != read_features(features).sha256:
        raise ParamsError(
            "params.yaml: train.base was trained on other features than train.features names. "
            "Choose others, set train.base to none, or make one with `cropperhead base build`."
        )
    head = build_network(params.for_head(), base.crop, base.prototypes)
    head.set_weights(base.weights)
    return head


@dataclass(frozen=True)
class _Own:
    """Own crops (n, 5) with the base model's (n, 4), the frames' aspect (n,), and groups."""

    base: Floats
    own: Floats
    aspect: Floats
    groups: Sequence[str]

    @classmethod
    def join(cls, parts: Sequence["_Own"]) -> "_Own":
        """All of them as one."""
        return cls(
            np.concatenate([part.base for part in parts]),
            np.concatenate([part.own for part in parts]),
            np.concatenate([part.aspect for part in parts]),
            [group for part in parts for group in part.groups],
        )

    def choose(self) -> personal.Choice:
        """The step of `personal.choose_step`."""
        return personal.choose_step(self.base, self.own, self.aspect, self.groups)


def _own(examples: CropExamples[Any], limits: Floats, data: TrainingData) -> _Own:
    """Those that the base model did not learn from, with its crops `limits` (m, 4)."""
    names = [examples.photos.names[place] for place in examples.photo]
    new = np.array([name not in data.known for name in names], bool)
    return _Own(
        limits[new],
        examples.limits.astype(float)[new],
        examples.aspect.astype(float)[new],
        [data.group(name) for name, is_new in zip(names, new, strict=True) if is_new],
    )


def predict_untilted(model: Any, examples: CropExamples[Any]) -> Floats:
    """A model's crop for each example without its angle, (m, 4)."""
    limits = keras_model.predict_outputs(model, examples.photos)["limits"]
    return np.asarray(limits[examples.photo, :4])
