"""The network of the quality best: ImageNet's features and a trained head, fine-tuned."""

from typing import Any

import numpy as np
from keras import layers
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import losses
from cropperhead.training.networks import features
from cropperhead.training.networks.head import build_on_features
from cropperhead.training.networks.optimizer import build_optimizer
from cropperhead.training.networks.recipe import Recipe, network_inputs

# The layers up to this one stay as they are, since edges and textures are the same everywhere.
_FROZEN_TO = "block_5_add"


def build(params: TrainParams, start: Floats, prototypes: NDArray[np.float32]) -> Any:
    """The network before fine-tuning; see `Recipe.build`.

    The statistics of its batch normalization stay: a few hundred photos would spoil them.
    """
    side = params.features.image_size
    network = features.build_features(features.read_features(params.features), side)
    frozen = [layer.name for layer in network.layers].index(_FROZEN_TO)
    for place, layer in enumerate(network.layers):
        if place <= frozen or isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    image, _ = network_inputs(side)
    fields = features.fields_of(image, network)
    return build_on_features("fine-tuned", params, start, prototypes, image, fields)


def pretrained_variables(network: Any) -> list[Any]:
    """The trainable variables of a built network that start from ImageNet's."""
    parts = [layer for layer in network.layers if layer.name == features.NAME]
    return [variable for part in parts for variable in part.trainable_variables]


RECIPE = Recipe(
    image_size=lambda params: params.features.image_size,
    build=build,
    crop_loss=lambda params: losses.crop_loss(params.overlap_weight),
    optimizer=lambda params, steps, network: build_optimizer(
        params, steps, pretrained_variables(network)
    ),
    from_head=True,
)
