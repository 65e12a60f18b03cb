"""What training has to know of a network, whichever it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import TrainParams
from cropperhead.training.losses import Loss


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained. `params` are those of `TrainParams.for_network`.

    - `image_size(params)`: the side in px of the square photos that it is trained on.
    - `build(params, start, prototypes)`: the untrained network. It takes `image` (n, side, side, 3)
      and `aspect` (n, 1). It gives `limits` (n, 5) and, unless it is `limits_only`, `likeness`
      (n, K), a logit for each prototype. `start` (5,) is the crop that it gives before training,
      `prototypes` (K, 4) are typical crops. Raises ParamsError where it needs features that cannot
      be read or downloaded.
    - `crop_loss(params)`: the loss of the limits, for training and for validation.
    - `optimizer(params, steps, network)`: a new optimizer for epochs of so many steps.
    - `on_fields`: it takes `fields` of features, computed beforehand, in place of `image`.
    - `from_head`: before it is trained, it gets the weights of a head on the same features.
    - `limits_only`: its limits are the final answer. They are not averaged with those of the mirror
      image, straightened or calibrated, and the network is not refitted.
    """

    image_size: Callable[[TrainParams], int]
    build: Callable[[TrainParams, Floats, NDArray[np.float32]], Any]
    crop_loss: Callable[[TrainParams], Loss]
    optimizer: Callable[[TrainParams, int, Any], Any]
    on_fields: bool = False
    from_head: bool = False
    limits_only: bool = False


def network_inputs(side: int) -> tuple[Any, Any]:
    """Keras inputs for `image` (n, side, side, 3) and `aspect` (n, 1)."""
    return keras.Input((side, side, 3), name="image"), keras.Input((1,), name="aspect")
