"""The networks: a photo and its frame's aspect in, a crop and what is known of it out.

A network is trained on photos of its own size, to give limits and likenesses. The finished model
takes `image` (n, 256, 256, 3), RGB in [0, 255], and `aspect` (n, 1), the frame's width / height. It
looks at the photo and at its mirror image, for two looks err less than one, and gives, by name:

- `limits` (n, 5): the crop, as in `crops`
- `confidence` (n, 1): the overlap to expect with the photographer's crop
- `uncropped` (n, 1): the probability that the photographer would keep (nearly) the whole frame
- `shares` (n, K): the probability that the photographer's crop is like each prototype
- `prototypes` (n, K, 4): typical crops, the same for every photo

Models consist of Keras's own layers and operations, so that a saved one opens anywhere Keras does,
without CropperHead. The predecessor's gives limits alone.
"""

import io
import json
import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from cropperhead.errors import ParamsError
from cropperhead.geometry.crops import Floats
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.training import losses, prototypes, straighten
from cropperhead.training.batches import Photos
from cropperhead.training.straighten import Habit

PREDECESSOR_SIZE = 300  # px
_PREDICTED_AT_ONCE = 32  # photos; the predecessor takes 50 MB for each
_WIDTHS = (16, 32, 64, 96)  # each layer halves the sides: 128 px become 8 x 8 fields
_PROFILE_WIDTH = 32
_HIDDEN = 64
# Of MobileNetV2: up to here its layers stay as they are, for edges and textures are the same
# everywhere; fields of 1/16 tell places best, and the layers after them, which are three quarters
# of all weights, add nothing to the crop.
_FROZEN_TO, _FIELDS = "block_5_add", "block_12_add"
_PRETRAINED = "mobilenet_v2"
_FEATURE_PROFILE_WIDTH = 48
_FEATURE_MEANS = 96
_FEATURE_HIDDEN = 96
# A margin that is never quite 0: a softmax cannot reach 0, and where it nears it stops learning.
_LEAST_SHARE = 0.003
_LEAST_REACH = 1e-6  # of the frame's height: a crop without an area divides by no zero
_NO_DATE = "1980-01-01@00:00:00"  # the earliest date that a zip archive can hold


@dataclass(frozen=True)
class Calibration:
    """What makes a finished model's crops and probabilities true, beside its weights.

    Likenesses are divided by `temperature`; the expected overlap is `scale` times the raw one plus
    `offset`: found on the validation photos. `uncropped` (K,): of the training crops like each
    prototype, the share that keeps the frame. `lean`: how far crops are moved to the right, as a
    fraction of the frame's width (see `lean`).
    """

    temperature: float
    scale: float
    offset: float
    uncropped: NDArray[np.float32]
    lean: float = 0.0


def image_size(params: TrainParams) -> int:
    """The side in px of the square photos that the chosen network is trained on."""
    return PREDECESSOR_SIZE if params.model == "predecessor" else params.for_network().image_size


def input_size(model: Any) -> int:
    """The side in px of the square photos that a finished model takes."""
    return int(model.input["image"].shape[1])


def build(params: TrainParams, start: Floats, typical: NDArray[np.float32]) -> Any:
    """The chosen network, untrained. All but the predecessor give the crop `start` (5,) at first.

    `typical`: prototypes (K, 4). The outputs are `limits` (n, 5), with an angle of 0, and
    `likeness` (n, K), logits; the predecessor's are limits alone. Raises ParamsError where features
    cannot be had.
    """
    if params.model == "predecessor":
        return predecessor()
    chosen = params.for_network()
    image, aspect = _inputs(chosen.image_size)
    with _precision(chosen):
        fields = _features(image, chosen) if chosen.fine_tunes else _strided(image)
        hidden = _hidden(fields, aspect, chosen)
    raw = layers.Dense(6, kernel_initializer="zeros", name="raw")
    limits = valid_limits(raw(hidden), ops.zeros_like(aspect), aspect)
    # what the likenesses learn must not pull at what finds the crop
    likeness = layers.Dense(len(typical), name="likeness")(ops.stop_gradient(hidden))
    name = "fine-tuned" if chosen.fine_tunes else "small"
    model = keras.Model(
        {"image": image, "aspect": aspect}, {"limits": limits, "likeness": likeness}, name=name
    )
    raw.bias.assign(raw_start(start))
    return model


def mean_of(networks: Sequence[Any]) -> Any:
    """One network that gives the mean of what the given ones give, sharing their weights."""
    first = networks[0]
    if len(networks) == 1:
        return first
    image, aspect = _inputs(int(first.input["image"].shape[1]))
    inputs = {"image": image, "aspect": aspect}
    named = [
        keras.Model(each.input, each.output, name=f"{each.name}-{number}")
        for number, each in enumerate(networks, 1)
    ]
    given = [each(inputs) for each in named]
    mean = {name: ops.mean(ops.stack([g[name] for g in given]), axis=0) for name in first.output}
    return keras.Model(inputs, mean, name=first.name)


def pretrained(network: Any) -> list[Any]:
    """The variables of a built network that fine-tuning starts from ImageNet's."""
    parts = [layer for layer in network.layers if layer.name == _PRETRAINED]
    return [variable for part in parts for variable in part.trainable_variables]


def finished(
    network: Any,
    straightener: Any | None,
    typical: NDArray[np.float32],
    calibration: Calibration,
    habit: Habit,
    params: TrainParams,
) -> Any:
    """The model of the module's docstring, from a trained network and straightener.

    Without a straightener all angles are 0.
    """
    image, aspect = _inputs(INPUT_SIDE)
    seen, places = _pooled(image, network), prototypes.mirror_places(typical)
    limits, likeness = _two_looks(_uncompiled(network), seen, aspect, places)
    if calibration.lean:
        limits = _leaning(limits, calibration.lean)
    if straightener is None:
        angle = ops.zeros_like(aspect)
    else:
        logits = _uncompiled(straightener)(straighten.evidence(image, aspect))
        least, most = params.least_angle_deg, params.max_angle_deg
        angle = straighten.angle(logits, habit.spread_deg, least, most)
    limits = _turned(limits, angle, aspect)
    shares = ops.softmax(likeness / calibration.temperature, axis=1)
    raw = ops.sum(shares * losses.overlaps(limits[:, :4], typical), axis=1, keepdims=True)
    confidence = ops.clip(calibration.scale * raw + calibration.offset, 0, 1)
    outputs = {
        "limits": limits,
        "confidence": confidence,
        "uncropped": ops.sum(shares * calibration.uncropped, axis=1, keepdims=True),
        "shares": shares,
        "prototypes": ops.ones_like(aspect)[:, :, None] * typical[None],
    }
    return keras.Model({"image": image, "aspect": aspect}, outputs, name=network.name)


def lean(median: Floats) -> float:
    """How far right of the frame's middle a median crop (5,) lies, as a fraction of its width.

    A network that learned nothing gives, by photo and mirror image, the mean of the median crop and
    its mirror image. Moved by as much, that is the median crop itself.
    """
    return float(median[1] + median[3] - 1) / 2


def two_looks(network: Any, typical: NDArray[np.float32]) -> Any:
    """A network that looks at photo and mirror image, sharing the given one's weights."""
    image, aspect = _inputs(int(network.input["image"].shape[1]))
    places = prototypes.mirror_places(typical)
    limits, likeness = _two_looks(network, image, aspect, places)
    inputs = {"image": image, "aspect": aspect}
    return keras.Model(inputs, {"limits": limits, "likeness": likeness}, name=network.name)


def predecessor() -> Any:
    """CropperHead of 2020: 958,789 weights at 300 x 300, five free outputs, aspect unheeded.

    Its crops can leave the frame and even be inside out. Source: PebbleBonk/CropperHeadUI on
    GitHub, models/model.json, the network that its page served.
    """
    image, aspect = _inputs(PREDECESSOR_SIZE)
    x = layers.Rescaling(1 / 255)(image)
    for depth in range(4):
        x = layers.MaxPooling2D()(layers.Conv2D(64, 3, activation="relu")(x))
        if depth % 2 == 1:
            x = layers.Dropout(0.1)(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Conv2D(64, 1, activation="relu")(x)  # 14 x 14 x 64
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    x = layers.Dense(32, activation="relu")(x)
    limits = {"limits": layers.Dense(5, name="limits")(x)}
    return keras.Model({"image": image, "aspect": aspect}, limits, name="predecessor")


def valid_limits(raw: Any, angle: Any, aspect: Any) -> Any:
    """Limits (n, 5) that always make a crop within the frame, from six free numbers (n, 6).

    Three each for top margin, height, bottom margin and left margin, width, right margin, as a
    softmax. `angle` (n, 1) degrees, `aspect` (n, 1).
    """
    rows, columns = ops.softmax(raw[:, 0:3], axis=1), ops.softmax(raw[:, 3:6], axis=1)
    size = ops.concatenate([rows[:, 1:2], columns[:, 1:2]], axis=1)
    margin = ops.concatenate([rows[:, 0:1], columns[:, 0:1]], axis=1)
    return _turned(ops.concatenate([margin, margin + size], axis=1), angle, aspect)


def raw_start(limits: Floats) -> Floats:
    """The six numbers (6,) of which `valid_limits` makes these limits, (5,), or all but."""
    top, left, bottom, right = (float(value) for value in limits[:4])
    shares = np.array([top, bottom - top, 1 - bottom, left, right - left, 1 - right])
    return np.asarray(np.log(np.maximum(shares, _LEAST_SHARE)))


def predict(model: Any, photos: Photos) -> Floats:
    """A model's crops, (n, 5) limits."""
    return outputs(model, photos)["limits"]


def outputs(model: Any, photos: Photos) -> dict[str, Floats]:
    """All that a model gives, by name, each (n, ...)."""
    sides, count = model.input["image"].shape[1:], len(photos.names)
    starts = range(0, count, _PREDICTED_AT_ONCE)
    slices = [slice(start, start + _PREDICTED_AT_ONCE) for start in starts]
    parts: Sequence[Any] = [
        model.predict_on_batch({"image": photos.images[part], "aspect": photos.aspect[part, None]})
        for part in slices
    ]
    if not parts:
        nothing = {"image": np.zeros((1, *sides), np.uint8), "aspect": np.ones((1, 1), np.float32)}
        parts = [{k: v[:0] for k, v in model.predict_on_batch(nothing).items()}]
    return {name: np.concatenate([part[name] for part in parts]).astype(float) for name in parts[0]}


def save(model: Any, file: Path) -> None:
    """Writes a `.keras` archive: the same network gives the same bytes at any time."""
    buffer = file.with_suffix(".unstable.keras")
    file.parent.mkdir(parents=True, exist_ok=True)
    model.save(buffer)
    file.write_bytes(_stable(buffer.read_bytes()))
    buffer.unlink()


def load(file: Path) -> Any:
    """A network that `save` wrote."""
    return keras.saving.load_model(file, compile=False)


def _inputs(size: int) -> tuple[Any, Any]:
    return keras.Input((size, size, 3), name="image"), keras.Input((1,), name="aspect")


@contextmanager
def _precision(params: TrainParams) -> Iterator[None]:
    """Layers that are built within compute so; what makes limits of their results is float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision(params))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def precision(params: TrainParams) -> str:
    """float32 or mixed_float16. Processors have no arithmetic for half of it, GPUs a fast one."""
    if params.precision != "auto":
        return params.precision
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"


def _strided(image: Any) -> Any:
    """Fields of the photo, (n, side / 16, side / 16, width): each layer halves the sides.

    So no layer takes long.
    """
    x = layers.Rescaling(1 / 64, offset=-2)(image)  # to [-2, 2]
    for depth, width in enumerate(_WIDTHS):
        x = _convolved(x, width, kernel=5 if depth == 0 else 3, strides=2)
    return _convolved(x, _WIDTHS[-1], kernel=3, strides=1)


def _convolved(x: Any, width: int, kernel: int, strides: int) -> Any:
    x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)  # few steps: the mean must keep up with them
    return layers.Activation("relu")(x)


def _features(image: Any, params: TrainParams) -> Any:
    """MobileNetV2's fields of the photo, (n, side / 16, side / 16, width), to be fine-tuned.

    The statistics of its batches stay: a few hundred photos would spoil them.
    """
    network = _mobile_net(params)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    frozen = [layer.name for layer in network.layers].index(_FROZEN_TO)
    for layer in network.layers[: frozen + 1]:
        layer.trainable = False
    features = keras.Model(network.input, network.get_layer(_FIELDS).output, name=_PRETRAINED)
    return features(layers.Rescaling(1 / 127.5, offset=-1)(image))  # to [-1, 1]


def _mobile_net(params: TrainParams) -> Any:
    shape = (params.image_size, params.image_size, 3)
    if params.weights == "imagenet":
        try:
            # Keras looks only whether its size is one of ImageNet's, and warns: any size works
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return keras.applications.MobileNetV2(include_top=False, input_shape=shape)
        except Exception as error:  # of the network: Keras lets all kinds through
            raise ParamsError(
                f"params.yaml: train.weights is imagenet, whose download failed: {error}. Name a "
                "file that holds them, or none."
            ) from error
    network = keras.applications.MobileNetV2(include_top=False, input_shape=shape, weights=None)
    network.set_weights(_read_weights(Path(params.weights).expanduser(), network))
    return network


def _read_weights(file: Path, network: Any) -> list[Any]:
    """A .npz archive's arrays, in the order of their names, as float32."""
    try:
        # of a file that is no archive NumPy only says how to trust it
        with zipfile.ZipFile(file), np.load(file) as archive:
            arrays = [archive[name].astype(np.float32) for name in sorted(archive.files)]
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ParamsError(f"params.yaml: train.weights: {file}: not readable: {error}") from error
    wanted = [array.shape for array in network.get_weights()]
    if [array.shape for array in arrays] != wanted:
        raise ParamsError(
            f"params.yaml: train.weights: {file}: {len(arrays)} arrays that are not those of "
            f"MobileNetV2 without its top, expected {len(wanted)} in the order of get_weights()"
        )
    return arrays


def _hidden(fields: Any, aspect: Any, params: TrainParams) -> Any:
    """What is known of the photo, (n, hidden), from its fields and its shape."""
    fine = params.fine_tunes
    x = layers.Concatenate()([*_profiles(fields, fine, params.dropout), ops.log(aspect)])
    x = layers.Dropout(params.dropout)(x)
    x = layers.Dense(_FEATURE_HIDDEN if fine else _HIDDEN, activation="relu")(x)
    return layers.Dropout(params.dropout, dtype="float32")(x)


def _profiles(x: Any, fine_tuned: bool, dropout: float) -> list[Any]:
    """Means along rows and along columns, in their order, and the mean of all.

    What lies how high decides top and bottom, what lies how far left the sides. Keeping every field
    apart instead gave 0.002 less overlap, keeping no place at all 0.015 less.
    """
    width = _FEATURE_PROFILE_WIDTH if fine_tuned else _PROFILE_WIDTH
    fields = _convolved(x, width, kernel=1, strides=1)
    rows = layers.Flatten()(ops.mean(fields, axis=2))
    columns = layers.Flatten()(ops.mean(fields, axis=1))
    mean = layers.GlobalAveragePooling2D()(x)
    if fine_tuned:
        mean = layers.Dense(_FEATURE_MEANS, activation="relu")(layers.Dropout(dropout)(mean))
    return [rows, columns, mean]


def _pooled(image: Any, network: Any) -> Any:
    """The photo at the network's own size."""
    factor = INPUT_SIDE // int(network.input["image"].shape[1])
    return image if factor == 1 else layers.AveragePooling2D(factor)(image)


def _two_looks(network: Any, image: Any, aspect: Any, places: NDArray[np.int64]) -> tuple[Any, Any]:
    """Mean limits and likenesses of photo and mirror image, those turned back."""
    straight = network({"image": image, "aspect": aspect})
    turned = network({"image": ops.flip(image, axis=2), "aspect": aspect})
    top, left, bottom, right, angle = ops.split(turned["limits"], 5, axis=1)
    back = ops.concatenate([top, 1 - right, bottom, 1 - left, -angle], axis=1)
    likeness = straight["likeness"] + ops.take(turned["likeness"], places, axis=1)
    return (straight["limits"] + back) / 2, likeness / 2


def _leaning(limits: Any, lean: float) -> Any:
    """Limits (n, 5) moved to the right by `lean`, or as far as the frame goes."""
    top, left, bottom, right, angle = ops.split(limits, 5, axis=1)
    side = ops.maximum(-left, ops.minimum(lean, 1 - right))
    return ops.concatenate([top, left + side, bottom, right + side, angle], axis=1)


def _uncompiled(network: Any) -> Any:
    """The same without its loss, which an archive could not be opened with outside CropperHead."""
    return keras.Model(network.input, network.output, name=network.name)


def _turned(limits: Any, angle: Any, aspect: Any) -> Any:
    """Limits (n, 4 or 5) turned by an angle (n, 1), moved so as to lie in the frame, (n, 5).

    What is too large for the frame is shrunk. To shrink all that sticks out, about its centre,
    costs level photos that are turned by mistake twice as much.
    """
    # lengths in frame heights, each pair as (vertical, horizontal)
    frame = ops.concatenate([ops.ones_like(aspect), aspect], axis=1)
    low, high = limits[:, :2], limits[:, 2:4]
    half = (high - low) / 2 * frame
    middle = low * frame + half
    radians = ops.abs(angle) * (math.pi / 180)
    reach = half * ops.cos(radians) + ops.flip(half, axis=1) * ops.sin(radians)
    room = frame / 2 / ops.maximum(reach, _LEAST_REACH)
    scale = ops.minimum(1.0, ops.min(room, axis=1, keepdims=True))
    half, reach = half * scale, reach * scale
    middle = ops.minimum(ops.maximum(middle, reach), frame - reach)
    return ops.concatenate([(middle - half) / frame, (middle + half) / frame, angle], axis=1)


def _stable(archive: bytes) -> bytes:
    """A `.keras` archive without what differs between two writings: dates and places in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | {"date_saved": _NO_DATE}).encode()
            if name == "config.json":
                content = _numbered(content)
            new.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _numbered(config: bytes) -> bytes:
    """Keras names the objects that layers share by their places in memory; here 0, 1, 2..."""
    numbers: dict[bytes, bytes] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda found: numbers.setdefault(found[0], str(len(numbers)).encode()),
        config,
    )
