"""The network of the quality fast: it learns from the photographer's photos alone."""

from typing import Any

import numpy as np
from keras import layers
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training import losses
from cropperhead.training.networks.head import Widths, build_on_fields, convolve
from cropperhead.training.networks.optimizer import build_optimizer
from cropperhead.training.networks.recipe import Recipe

_STRIDED = (16, 32, 64, 96)  # each layer halves the sides: 128 px become 8 x 8 fields
_WIDTHS = Widths(profile=32, hidden=64)


def build(params: TrainParams, start: Floats, prototypes: NDArray[np.float32]) -> Any:
    """The untrained network; see `Recipe.build`."""
    return build_on_fields("small", params, start, prototypes, _fields, _WIDTHS)


def _fields(image: Any) -> Any:
    """Fields of the photo, (n, side / 16, side / 16, 96).

    Each layer halves the sides, so that none takes long.
    """
    x = layers.Rescaling(1 / 64, offset=-2)(image)  # to [-2, 2]
    for depth, width in enumerate(_STRIDED):
        x = convolve(x, width, kernel=5 if depth == 0 else 3, strides=2)
    return convolve(x, _STRIDED[-1], kernel=3, strides=1)


RECIPE = Recipe(
    image_size=lambda params: params.image_size,
    build=build,
    crop_loss=lambda params: losses.crop_loss(params.overlap_weight),
    optimizer=lambda params, steps, _: build_optimizer(params, steps),
)
