"""AdamW with a warm-up and a cosine, which all networks but the predecessor's learn by."""

from collections.abc import Sequence
from typing import Any

import keras

from cropperhead.params import TrainParams
from cropperhead.training.networks.precision import MIXED, choose_precision

_LAST_SHARE = 0.01  # of the learning rate, at the end of the cosine
_SLOW_PACE = 1 / 3  # of the learning rate, for pretrained features: they know most already


def build_optimizer(params: TrainParams, steps: int, slow: Sequence[Any] = ()) -> Any:
    """An optimizer for epochs of so many `steps`; `slow` variables learn at a third of the rate."""
    warm_up = min(params.warm_up_epochs, params.epochs - 1) * steps
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm_up else params.learning_rate,
        warmup_target=params.learning_rate if warm_up else None,
        warmup_steps=warm_up,
        decay_steps=params.epochs * steps - warm_up,
        alpha=_LAST_SHARE,
    )
    optimizer = _PacedAdamW(rate, params.weight_decay, slow)
    # The bias of the last layer is the median crop: it must not decay towards another.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if choose_precision(params) == MIXED:
        # Small gradients vanish in half precision. Keras scales the loss automatically only where
        # all layers compute in it.
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class _PacedAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW with a lower learning rate for some variables."""

    def __init__(self, rate: Any, weight_decay: float, slow: Sequence[Any]) -> None:
        super().__init__(rate, weight_decay=weight_decay, name="adamw")
        # Keras passes TensorFlow's variables, which compare elementwise.
        self._slow = {id(variable.value) for variable in slow}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
        pace = _SLOW_PACE if id(variable) in self._slow else 1.0
        return super().update_step(gradient, variable, learning_rate * pace)
