"""The network of the quality standard: a head on the fields of ImageNet's features, frozen.

It is trained on fields that were computed once for each photo (see `training.fields`), and joined
with the features afterwards.
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import losses
from cropperhead.training.networks.features import (
    build_features,
    field_shape,
    fields_of,
    read_features,
)
from cropperhead.training.networks.head import build_on_features
from cropperhead.training.networks.optimizer import build_optimizer
from cropperhead.training.networks.recipe import Recipe, network_inputs


def build(params: TrainParams, start: Floats, prototypes: NDArray[np.float32]) -> Any:
    """The untrained head; see `Recipe.build`. Its input is `fields` in place of `image`."""
    fields = keras.Input(field_shape(params.features), name="fields")
    return build_on_features("frozen-features", params, start, prototypes, fields, fields)


def join_features(head: Any, params: TrainParams) -> Any:
    """The network that takes `image` in place of `fields`: features, then the head.

    It has one more output, `means` (n, channels): each channel's mean over the places. Raises
    ParamsError where the features cannot be read.
    """
    side = params.features.image_size
    image, aspect = network_inputs(side)
    features = build_features(read_features(params.features), side)
    plain = keras.Model(head.input, head.output, name="head")  # without its loss and optimizer
    fields = fields_of(image, features)
    outputs = plain({"fields": fields, "aspect": aspect})
    means = ops.mean(ops.cast(fields, "float32"), axis=(1, 2))
    return keras.Model(
        {"image": image, "aspect": aspect}, {**outputs, "means": means}, name=head.name
    )


RECIPE = Recipe(
    image_size=lambda params: params.features.image_size,
    build=build,
    crop_loss=lambda params: losses.crop_loss(params.overlap_weight),
    optimizer=lambda params, steps, _: build_optimizer(params, steps),
    on_fields=True,
)
