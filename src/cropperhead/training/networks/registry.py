"""The networks that can be trained, by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats
from cropperhead.params import Quality, TrainParams
from cropperhead.training.networks import fine_tuned, frozen, predecessor, small
from cropperhead.training.networks.recipe import Recipe

# A network is one file in this folder, one line here and one name in `params.Quality`.
RECIPES: Mapping[Quality, Recipe] = {
    "fast": small.RECIPE,
    "standard": frozen.RECIPE,
    "best": fine_tuned.RECIPE,
    "predecessor": predecessor.RECIPE,
}


def recipe_for(params: TrainParams) -> Recipe:
    """The recipe of the network that `train.quality` chooses."""
    return RECIPES[params.quality]


def build_network(params: TrainParams, start: Floats, prototypes: NDArray[np.float32]) -> Any:
    """Builds the chosen network, untrained; see `Recipe.build`."""
    return recipe_for(params).build(params.for_network(), start, prototypes)
