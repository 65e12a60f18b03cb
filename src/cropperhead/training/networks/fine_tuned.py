"""A network on ImageNet's features, which are fine-tuned."""

import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from cropperhead.errors import ParamsError
from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import losses
from cropperhead.training.networks.head import Widths, build_on_fields
from cropperhead.training.networks.optimizer import build_optimizer
from cropperhead.training.networks.recipe import Recipe

# Of MobileNetV2: the layers up to the first name stay as they are, since edges and textures are the
# same everywhere. Fields of 1/16 tell places best; the layers after them, which hold three quarters
# of all weights, add nothing to the crop.
_FROZEN_TO, _FIELDS = "block_5_add", "block_12_add"
_PRETRAINED = "mobilenet_v2"
_WIDTHS = Widths(profile=48, hidden=96, means=96)


def build(params: TrainParams, start: Floats, prototypes: NDArray[np.float32]) -> Any:
    """The network before fine-tuning; see `Recipe.build`."""
    params = params.for_network()
    fields = partial(_fields, params=params)
    return build_on_fields("fine-tuned", params, start, prototypes, fields, _WIDTHS)


def pretrained_variables(network: Any) -> list[Any]:
    """The trainable variables of a built network that start from ImageNet's."""
    parts = [layer for layer in network.layers if layer.name == _PRETRAINED]
    return [variable for part in parts for variable in part.trainable_variables]


def _fields(image: Any, params: TrainParams) -> Any:
    """MobileNetV2's fields of the photo, (n, side / 16, side / 16, width).

    The statistics of its batch normalization stay: a few hundred photos would spoil them.
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
            # Keras warns where the size is not one of ImageNet's; any size works
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return keras.applications.MobileNetV2(include_top=False, input_shape=shape)
        except Exception as error:  # Keras lets all kinds of network errors through
            raise ParamsError(
                f"params.yaml: train.weights is imagenet, and the download failed: {error}. Name "
                "a file that holds the features, or choose none."
            ) from error
    network = keras.applications.MobileNetV2(include_top=False, input_shape=shape, weights=None)
    network.set_weights(_read_weights(Path(params.weights).expanduser(), network))
    return network


def _read_weights(file: Path, network: Any) -> list[Any]:
    """Reads a .npz archive's arrays, in the order of their names, as float32."""
    try:
        # NumPy's error for a file that is not an archive only says how to trust it
        with zipfile.ZipFile(file), np.load(file) as archive:
            arrays = [archive[name].astype(np.float32) for name in sorted(archive.files)]
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ParamsError(f"params.yaml: train.weights: {file}: not readable: {error}") from error
    expected = [array.shape for array in network.get_weights()]
    if [array.shape for array in arrays] != expected:
        raise ParamsError(
            f"params.yaml: train.weights: {file}: {len(arrays)} arrays that are not those of "
            f"MobileNetV2 without its top, expected {len(expected)} in the order of get_weights()"
        )
    return arrays


RECIPE = Recipe(
    image_size=lambda params: params.for_network().image_size,
    build=build,
    crop_loss=lambda params: losses.crop_loss(params.overlap_weight),
    optimizer=lambda params, steps, network: build_optimizer(
        params, steps, pretrained_variables(network)
    ),
)
