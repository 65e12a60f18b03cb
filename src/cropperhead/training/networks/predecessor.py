"""CropperHead's network of 2020, trained as it was then.

958,789 weights at 300 x 300 px and five free outputs; it ignores the aspect. Its crops can leave
the frame and even be inside out. Source: PebbleBonk/CropperHeadUI on GitHub, models/model.json, the
network that its page served.
"""

from typing import Any

import keras
from keras import layers

from cropperhead.training import losses
from cropperhead.training.networks.recipe import Recipe, network_inputs

_SIDE = 300  # px
_LEARNING_RATE = 0.001  # Adam's, from the published network's training_config


def build(*_: object) -> Any:
    """The untrained network; see `Recipe.build`. It starts at random, whatever the arguments."""
    image, aspect = network_inputs(_SIDE)
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


RECIPE = Recipe(
    image_size=lambda _: _SIDE,
    build=build,
    crop_loss=lambda params: losses.predecessor_loss(params.predecessor_loss),
    optimizer=lambda _, _steps, _network: keras.optimizers.Adam(_LEARNING_RATE),
    limits_only=True,
)
