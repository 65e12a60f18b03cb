"""From fields of a photo to a crop and the likeness to each prototype."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import devices
from cropperhead.training.networks.limits import valid_limits
from cropperhead.training.networks.precision import layers_in_precision
from cropperhead.training.networks.recipe import network_inputs

# A margin that is never quite 0: a softmax cannot reach 0, and where it nears it stops learning.
_LEAST_SHARE = 0.003


# Of the networks on ImageNet's features
_PROFILE, _MEANS, _HIDDEN = 48, 96, 96


@dataclass(frozen=True)
class Widths:
    """Numbers of channels: of the profiles, and of the last hidden layer."""

    profile: int
    hidden: int


def build_on_fields(
    name: str,
    params: TrainParams,
    start: Floats,
    prototypes: NDArray[np.float32],
    fields: Callable[[Any], Any],
    widths: Widths,
) -> Any:
    """A network on `fields(image)`, (n, rows, columns, channels); see `Recipe.build`."""
    image, aspect = network_inputs(params.image_size)
    with layers_in_precision(params):
        x = fields(image)
        profiles = _profiles(convolve(x, widths.profile, kernel=1, strides=1))
        parts = [*profiles, layers.GlobalAveragePooling2D()(x)]
        hidden = _hidden(parts, aspect, widths.hidden, params.dropout)
    inputs = {"image": image, "aspect": aspect}
    return _network(name, inputs, hidden, start, prototypes)


def build_on_features(
    name: str,
    params: TrainParams,
    start: Floats,
    prototypes: NDArray[np.float32],
    photo: Any,
    fields: Any,
) -> Any:
    """A network on ImageNet's features, with the inputs `photo`, by its name, and `aspect`.

    `fields` (n, rows, columns, channels) are those of the input `photo`, which may be the input
    itself. Layers have the same names and shapes in all such networks (see `copy_head`).
    """
    aspect = keras.Input((1,), name="aspect")
    with layers_in_precision(params):
        x = _standardising()(fields)
        profile = layers.Conv2D(_PROFILE, 1, activation="relu", name="profile")(x)
        mean = layers.Dropout(params.dropout)(layers.GlobalAveragePooling2D()(x))
        means = layers.Dense(_MEANS, activation="relu", name="means")(mean)
        hidden = _hidden([*_profiles(profile), means], aspect, _HIDDEN, params.dropout)
    return _network(name, {photo.name: photo, "aspect": aspect}, hidden, start, prototypes)


def standardise(network: Any, mean: Floats, variance: Floats) -> None:
    """Sets the mean and variance (channels,) by which a network of features standardises fields."""
    network.get_layer(_STANDARD).set_weights([mean, variance])


def copy_head(source: Any, target: Any) -> None:
    """Copies all weights that follow the fields from one network on features to another."""
    for layer in target.layers:
        if layer.name in _HEAD:
            layer.set_weights(source.get_layer(layer.name).get_weights())


_STANDARD = "standard"
_HEAD = {_STANDARD, "profile", "means", "hidden", "raw", "likeness"}


def _standardising() -> Any:
    """A layer that subtracts a mean and divides by a deviation, which training does not change."""
    layer = layers.BatchNormalization(center=False, scale=False, name=_STANDARD)
    layer.trainable = False
    return layer


def _network(
    name: str,
    inputs: dict[str, Any],
    hidden: Any,
    start: Floats,
    prototypes: NDArray[np.float32],
) -> Any:
    """The network of these inputs, from its last hidden layer to its outputs."""
    aspect = inputs["aspect"]
    raw = layers.Dense(6, kernel_initializer="zeros", name="raw")
    limits = valid_limits(raw(hidden), ops.zeros_like(aspect), aspect)
    # the gradient of the likenesses must not reach the layers that find the crop
    likeness = layers.Dense(len(prototypes), name="likeness")(ops.stop_gradient(hidden))
    model = keras.Model(inputs, {"limits": limits, "likeness": likeness}, name=name)
    raw.bias.assign(raw_start(start))
    return model


def raw_start(limits: Floats) -> Floats:
    """The six numbers (6,) from which `valid_limits` makes (nearly) these limits, (5,)."""
    top, left, bottom, right = (float(value) for value in limits[:4])
    shares = np.array([top, bottom - top, 1 - bottom, left, right - left, 1 - right])
    return np.asarray(np.log(np.maximum(shares, _LEAST_SHARE)))


def convolve(x: Any, width: int, kernel: int, strides: int) -> Any:
    """A convolution, batch normalization and ReLU."""
    x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(x)
    # Few steps: the mean must keep up with them. Of a whole batch, also where devices share it
    x = layers.BatchNormalization(momentum=0.9, synchronized=devices.are_several())(x)
    return layers.Activation("relu")(x)


def _hidden(parts: Sequence[Any], aspect: Any, width: int, dropout: float) -> Any:
    """The last hidden layer, (n, width), from what is known of the photo and its aspect."""
    x = layers.Concatenate()([*parts, ops.log(aspect)])
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(width, activation="relu", name="hidden")(x)
    return layers.Dropout(dropout, dtype="float32")(x)


def _profiles(fields: Any) -> list[Any]:
    """Means along rows and along columns, in their order.

    The height of things decides top and bottom, their place from left to right the sides. Keeping
    every field apart instead gave 0.002 less overlap, keeping no place at all 0.015 less.
    """
    return [layers.Flatten()(ops.mean(fields, axis=axis)) for axis in (2, 1)]
