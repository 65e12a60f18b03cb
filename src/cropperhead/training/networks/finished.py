"""The finished model: from trained networks to everything that is predicted for a photo.

A network is trained on photos of its own size, to give limits and likenesses. The finished model
takes `image` (n, 256, 256, 3), RGB in [0, 255], and `aspect` (n, 1), the frame's width / height. It
averages its predictions for the photo and for the mirror image, which reduces the error, and gives,
by name:

- `limits` (n, 5): the crop, as in `geometry.crops`
- `confidence` (n, 1): the overlap to expect with the photographer's crop
- `uncropped` (n, 1): the probability that the photographer would keep (nearly) the whole frame
- `shares` (n, K): the probability that the photographer's crop is like each prototype
- `prototypes` (n, K, 4): typical crops, the same for every photo
- `straightening` (n, 1): the probability that turning the photo brings it nearer to how the
  photographer would turn it; 0 for a photographer who turns none
- `unturned` (n, 4): the crop's limits if the photo is not turned
- `unlike` (n, 1): how unlike all known photos the photo is; above 1, more than nearly all of them,
  and the crop is on the way to the whole frame. A network on frozen features alone knows it.

Models consist of Keras's own layers and operations, so that a saved one opens anywhere Keras runs,
without CropperHead. The predecessor's gives limits alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from cropperhead.geometry.crops import FULL_FRAME, Floats
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.training import losses, straighten
from cropperhead.training.difficulty import SHAPE_MARGIN, Difficulty
from cropperhead.training.networks.limits import mirror_limits, shift_limits, turn_limits
from cropperhead.training.networks.recipe import network_inputs
from cropperhead.training.personal import NO_STEP, PersonalStep, take_step
from cropperhead.training.prototypes import mirror_indices
from cropperhead.training.straighten import StraighteningHabit

_TIMID_BEYOND = 0.2  # of `unlike`, from 1 on


@dataclass(frozen=True)
class Calibration:
    """What makes a finished model's crops and probabilities true, in addition to its weights.

    Likenesses are divided by `temperature`. The expected overlap is `scale` times the raw one plus
    `offset`. All three are fitted on the validation photos. `uncropped` (K,): the share of the
    training crops like each prototype that keeps the frame. `shift`: how far crops are moved to the
    right, as a fraction of the frame's width (see `shift_to`). With a `difficulty`, what is scaled
    is not the likenesses' expected overlap, but what that gives.
    """

    temperature: float
    scale: float
    offset: float
    uncropped: NDArray[np.float32]
    shift: float = 0.0
    difficulty: Difficulty | None = None


def average_networks(networks: Sequence[Any]) -> Any:
    """One network that gives the mean of what the given ones give, sharing their weights."""
    first = networks[0]
    if len(networks) == 1:
        return first
    inputs = _inputs_like(first)
    renamed = [
        keras.Model(each.input, each.output, name=f"{each.name}-{number}")
        for number, each in enumerate(networks, 1)
    ]
    outputs = [each(inputs) for each in renamed]
    mean = {name: ops.mean(ops.stack([o[name] for o in outputs]), axis=0) for name in first.output}
    return keras.Model(inputs, mean, name=first.name)


def average_with_mirror_image(network: Any, prototypes: NDArray[np.float32]) -> Any:
    """A network that averages over photo and mirror image, sharing the given one's weights.

    Of a network on fields, it takes those of both, (n, 2, rows, columns, channels).
    """
    aspect, indices = keras.Input((1,), name="aspect"), mirror_indices(prototypes)
    [(name, one)] = [each for each in network.input.items() if each[0] != "aspect"]
    if name == "fields":
        photo = keras.Input((2, *one.shape[1:]), name=name)
        looks = [photo[:, 0], photo[:, 1]]
    else:
        photo = keras.Input(one.shape[1:], name=name)
        looks = [photo, ops.flip(photo, axis=2)]
    outputs = _mean_of_looks(network, {name: looks}, aspect, indices)
    return keras.Model({name: photo, "aspect": aspect}, outputs, name=network.name)


def with_step(network: Any, step: PersonalStep) -> Any:
    """A network that gives another's crops after a personal step."""
    inputs = _inputs_like(network)
    outputs = network(inputs)
    limits = _after_step(outputs["limits"], inputs["aspect"], step)
    return keras.Model(inputs, {**outputs, "limits": limits}, name=network.name)


def after_step(prototypes: NDArray[np.float32], step: PersonalStep) -> NDArray[np.float32]:
    """Prototypes (K, 4) after a personal step, of any ratio: they are the same for every frame."""
    return np.asarray(take_step(prototypes, 1.0, replace(step, ratio=None)), np.float32)


def finish_model(
    network: Any,
    straightener: Any | None,
    prototypes: NDArray[np.float32],
    calibration: Calibration,
    habit: StraighteningHabit,
    params: TrainParams,
    step: PersonalStep = NO_STEP,
) -> Any:
    """The model of the module's docstring, from a trained network and straightener.

    Without a straightener all angles are 0. The crops, and the prototypes, are those after the
    personal `step`; only crops keep its ratio.
    """
    image, aspect = network_inputs(INPUT_SIDE)
    small, indices = _resized(image, network), mirror_indices(prototypes)
    mean = _averaged_outputs(without_loss(network), small, aspect, indices)
    limits, likeness = mean["limits"], mean["likeness"]
    if calibration.shift:
        limits = shift_limits(limits, calibration.shift)
    limits = _after_step(limits, aspect, step)
    prototypes = after_step(prototypes, step)
    difficulty = calibration.difficulty
    if difficulty:
        apart = _summary(mean["means"], aspect) - difficulty.centre.astype(np.float32)
        unlike = _unlike(apart, aspect, difficulty)
        limits = _timid(limits, unlike)
    unturned, helps = limits[:, :4], ops.zeros_like(aspect)
    angle = helps
    if straightener is not None:
        logits = without_loss(straightener)(straighten.evidence(image, aspect))
        tilt, helps = straighten.estimate_tilt(logits, habit)
        angle = straighten.angle_to_rotate(tilt, helps, aspect, params)
    limits = turn_limits(limits, angle, aspect)
    shares = ops.softmax(likeness / calibration.temperature, axis=1)
    if difficulty:
        raw = ops.sum(apart * difficulty.weights.astype(np.float32), axis=1, keepdims=True)
    else:
        raw = ops.sum(shares * losses.overlaps(limits[:, :4], prototypes), axis=1, keepdims=True)
    confidence = ops.clip(calibration.scale * raw + calibration.offset, 0, 1)
    outputs = {
        "limits": limits,
        "confidence": confidence,
        "uncropped": ops.sum(shares * calibration.uncropped, axis=1, keepdims=True),
        "shares": shares,
        "prototypes": ops.ones_like(aspect)[:, :, None] * prototypes[None],
        "straightening": helps,
        "unturned": unturned,
    }
    if difficulty:
        outputs["unlike"] = unlike
    return keras.Model({"image": image, "aspect": aspect}, outputs, name=network.name)


def _after_step(limits: Any, aspect: Any, step: PersonalStep) -> Any:
    """Limits (n, 5) after a personal step, which leaves the angle as it is."""
    if step == NO_STEP:
        return limits
    return ops.concatenate([take_step(limits[:, :4], aspect, step, ops), limits[:, 4:]], axis=1)


def shift_to(median: Floats) -> float:
    """How far a median crop (5,) is to the right of the frame's middle, in frame widths.

    A network that learned nothing gives the mean of the median crop and its mirror image. Moved by
    this distance, that is the median crop itself.
    """
    return float(median[1] + median[3] - 1) / 2


def without_loss(network: Any) -> Any:
    """The same network without its loss, which only CropperHead could load from an archive."""
    return keras.Model(network.input, network.output, name=network.name)


def _resized(image: Any, network: Any) -> Any:
    """The photo at the network's own size."""
    factor = INPUT_SIDE // int(network.input["image"].shape[1])
    return image if factor == 1 else layers.AveragePooling2D(factor)(image)


def _inputs_like(network: Any) -> dict[str, Any]:
    """New inputs of a network's names and shapes."""
    return {
        name: keras.Input(each.shape[1:], name=name) for name, each in sorted(network.input.items())
    }


def _averaged_outputs(
    network: Any, image: Any, aspect: Any, indices: NDArray[np.int64]
) -> dict[str, Any]:
    """Mean outputs of photo and mirror image; see `_mean_of_looks`."""
    looks = {"image": [image, ops.flip(image, axis=2)]}
    return _mean_of_looks(network, looks, aspect, indices)


def _mean_of_looks(
    network: Any, looks: Mapping[str, Sequence[Any]], aspect: Any, indices: NDArray[np.int64]
) -> dict[str, Any]:
    """Mean outputs of photo and mirror image, those of the latter mirrored back.

    `looks` holds, by the name of the input, both. `indices` (K,): each prototype's mirror image.
    """
    [(name, both)] = looks.items()
    plain, mirrored = (network({name: look, "aspect": aspect}) for look in both)
    back = mirror_limits(mirrored["limits"])
    likeness = plain["likeness"] + ops.take(mirrored["likeness"], indices, axis=1)
    outputs = {"limits": (plain["limits"] + back) / 2, "likeness": likeness / 2}
    if "means" in plain:
        outputs["means"] = (plain["means"] + mirrored["means"]) / 2
    return outputs


def _summary(means: Any, aspect: Any) -> Any:
    """As `difficulty.summarise`, from the means of photo and mirror image, (n, channels + 2)."""
    shape = ops.log(aspect)
    return ops.concatenate([means, shape, ops.abs(shape)], axis=1)


def _unlike(apart: Any, aspect: Any, difficulty: Difficulty) -> Any:
    """As `Difficulty.unlike`, (n, 1), from a summary's difference from the centre."""
    away = ops.matmul(apart, difficulty.whitening.astype(np.float32))
    distance = ops.sqrt(ops.sum(ops.square(away), axis=1, keepdims=True))
    low, high = (float(end) for end in difficulty.shapes)
    shape = ops.log(aspect)
    beyond = ops.maximum(low - shape, shape - high) / SHAPE_MARGIN
    return ops.maximum(distance, beyond)


def _timid(limits: Any, unlike: Any) -> Any:
    """Limits (n, 5) on the way to the whole frame, as far as the photo is unlike known ones.

    Half of it at most; gradually, so that roundings decide nothing.
    """
    part = ops.clip((unlike - 1) / _TIMID_BEYOND, 0, 1) / 2
    sides = limits[:, :4] - part * (limits[:, :4] - np.array(FULL_FRAME[:4], np.float32))
    return ops.concatenate([sides, limits[:, 4:]], axis=1)
