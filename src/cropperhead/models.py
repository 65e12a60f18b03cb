"""The networks: a photo and its frame's aspect in, a crop out.

Inputs, by name: `image` (n, size, size, 3), RGB in [0, 255], and `aspect` (n, 1), the frame's
width / height. Output: limits (n, 5) as in `crops`. They consist of Keras's own layers and
operations, so that a saved network opens anywhere Keras does, without CropperHead.
"""

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# oneDNN picks its kernels by processor. Held to AVX2, which all of the last ten years have, their
# last digits depend less on the machine; measured at 4 % more processor time. Read at first use.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
# TensorFlow tells at every start which processor it found; warnings and errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras
import numpy as np
from keras import layers, ops

from cropperhead import crops
from cropperhead.batches import Photos
from cropperhead.crops import Floats
from cropperhead.params import TrainParams

PREDECESSOR_SIZE = 300  # px
_PREDICTED_AT_ONCE = 32  # photos; the predecessor takes 50 MB for each
_WIDTHS = (16, 32, 64, 96)  # each layer halves the sides: 128 px become 8 x 8 fields
_PROFILE_WIDTH = 32
_HIDDEN = 64
# A margin that is never quite 0: a softmax cannot reach 0, and where it nears it stops learning.
_LEAST_SHARE = 0.003
_LEAST_REACH = 1e-6  # of the frame's height: a crop without an area divides by no zero
_NO_DATE = "1980-01-01@00:00:00"  # the earliest date that a zip archive can hold


def image_size(params: TrainParams) -> int:
    """The side in px of the square photos that the chosen network takes."""
    return PREDECESSOR_SIZE if params.model == "predecessor" else params.image_size


def build(params: TrainParams, start: Floats) -> Any:
    """The chosen network, untrained. The small one gives the crop `start` (5,) for any photo."""
    if params.model == "predecessor":
        return predecessor()
    return small(params, start)


def small(params: TrainParams, start: Floats) -> Any:
    """A strided network whose crops are valid by construction and begin at `start`, (5,).

    The first layers each halve the sides, so that none takes long.
    """
    image, aspect = _inputs(params.image_size)
    x = layers.Rescaling(1 / 64, offset=-2)(image)  # to [-2, 2]
    for depth, width in enumerate(_WIDTHS):
        x = _convolved(x, width, kernel=5 if depth == 0 else 3, strides=2)
    x = _convolved(x, _WIDTHS[-1], kernel=3, strides=1)
    x = layers.Concatenate()([*_profiles(x), ops.log(aspect)])
    x = layers.Dropout(params.dropout)(x)
    x = layers.Dense(_HIDDEN, activation="relu")(x)
    x = layers.Dropout(params.dropout)(x)
    raw = layers.Dense(7, kernel_initializer="zeros", name="raw")
    limits = valid_limits(raw(x), aspect, params.max_angle_deg)
    model = keras.Model({"image": image, "aspect": aspect}, limits, name="small")
    raw.bias.assign(raw_start(start, params.max_angle_deg))
    return model


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
    limits = layers.Dense(5)(x)
    return keras.Model({"image": image, "aspect": aspect}, limits, name="predecessor")


def valid_limits(raw: Any, aspect: Any, max_angle_deg: float) -> Any:
    """Limits (n, 5) that always make a crop within the frame, from seven free numbers (n, 7).

    Three each for top margin, height, bottom margin and left margin, width, right margin, as a
    softmax; one for the angle, bounded by a tanh. `aspect` (n, 1).
    """
    rows, columns = ops.softmax(raw[:, 0:3], axis=1), ops.softmax(raw[:, 3:6], axis=1)
    angle = max_angle_deg * ops.tanh(raw[:, 6:7])
    size = ops.concatenate([rows[:, 1:2], columns[:, 1:2]], axis=1)
    margin = ops.concatenate([rows[:, 0:1], columns[:, 0:1]], axis=1)
    centre = margin + size / 2
    half = size / 2 * _shrinkage(centre, size, angle, aspect)
    return ops.concatenate([centre - half, centre + half, angle], axis=1)


def raw_start(limits: Floats, max_angle_deg: float) -> Floats:
    """The seven numbers (7,) of which `valid_limits` makes these limits, (5,), or all but."""
    top, left, bottom, right, angle = (float(value) for value in limits)
    shares = np.array([top, bottom - top, 1 - bottom, left, right - left, 1 - right])
    turn = np.clip(angle / max_angle_deg, -0.99, 0.99)
    return np.append(np.log(np.maximum(shares, _LEAST_SHARE)), math.atanh(turn))


def predict(model: Any, photos: Photos, mirrored: bool = True) -> Floats:
    """The network's crops, (n, 5) limits.

    With `mirrored`, the mean of the crop of the photo and of its mirror image turned back: two
    looks err less than one. Where both fit in the frame, the mean is made to fit, too.
    """
    looks = [_limits(model, photos)]
    if mirrored:
        looks.append(crops.mirrored(_limits(model, photos.mirrored())))
    mean = np.asarray(np.mean(looks, axis=0))
    fits = np.max([crops.outside(look, photos.aspect) for look in looks], axis=0) < 1e-3
    inside = np.where(fits[:, None], mean, np.asarray(crops.FULL_FRAME))
    return np.where(fits[:, None], crops.inside_frame(inside, photos.aspect), mean)


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


def _convolved(x: Any, width: int, kernel: int, strides: int) -> Any:
    x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)  # few steps: the mean must keep up with them
    return layers.Activation("relu")(x)


def _profiles(x: Any) -> list[Any]:
    """Means along rows and along columns, in their order, and the mean of all.

    What lies how high decides top and bottom, what lies how far left the sides. Keeping every field
    apart instead gave 0.002 less overlap, keeping no place at all 0.015 less.
    """
    fields = _convolved(x, _PROFILE_WIDTH, kernel=1, strides=1)
    rows = layers.Flatten()(ops.mean(fields, axis=2))
    columns = layers.Flatten()(ops.mean(fields, axis=1))
    return [rows, columns, layers.GlobalAveragePooling2D()(x)]


def _shrinkage(centre: Any, size: Any, angle: Any, aspect: Any) -> Any:
    """The factor, (n, 1), by which a turned rectangle must shrink to lie in the frame; at most 1.

    `crops.inside_frame` in Keras. Lengths in frame heights, each pair as (vertical, horizontal).
    """
    frame = ops.concatenate([ops.ones_like(aspect), aspect], axis=1)
    half, middle = size / 2 * frame, centre * frame
    radians = ops.abs(angle) * (math.pi / 180)
    reach = half * ops.cos(radians) + ops.flip(half, axis=1) * ops.sin(radians)
    room = ops.minimum(middle, frame - middle)
    reach = ops.maximum(reach, _LEAST_REACH)
    return ops.minimum(1.0, ops.min(room / reach, axis=1, keepdims=True))


def _limits(model: Any, photos: Photos) -> Floats:
    inputs = photos.inputs()
    parts: Sequence[Any] = [
        model.predict_on_batch(
            {name: values[i : i + _PREDICTED_AT_ONCE] for name, values in inputs.items()}
        )
        for i in range(0, len(photos.names), _PREDICTED_AT_ONCE)
    ]
    return np.concatenate([np.zeros((0, 5)), *parts]).astype(float)


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
