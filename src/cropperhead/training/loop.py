"""One network's training: how it is compiled, and its epochs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.params import TrainParams
from cropperhead.training import batches, losses
from cropperhead.training.averaging import WeightAverager
from cropperhead.training.batches import CropExamples
from cropperhead.training.networks.registry import recipe_for

_LIKENESS_WEIGHT = 0.3  # of its loss; its layers are its own, so this only changes their pace


def compile_network(
    network: Any, params: TrainParams, prototypes: NDArray[np.float32], training: CropExamples[Any]
) -> None:
    """Compiles a built network, in place, with its losses and its optimizer.

    `params` are those of `TrainParams.for_network`, `prototypes` (K, 4) typical crops.
    """
    recipe = recipe_for(params)
    loss, weights = {"limits": recipe.crop_loss(params)}, {"limits": 1.0}
    if not recipe.limits_only:
        loss["likeness"] = losses.likeness_loss(prototypes)
        weights["likeness"] = _LIKENESS_WEIGHT
    optimizer = recipe.optimizer(params, _steps_per_epoch(params, training), network)
    # Keras refuses XLA where results must repeat
    network.compile(optimizer, loss=loss, loss_weights=weights, jit_compile=False)


def train_epochs(
    network: Any,
    params: TrainParams,
    training: CropExamples[Any],
    averager: WeightAverager,
    callbacks: Sequence[Any] = (),
) -> None:
    """Trains a compiled network in place; it ends with the averager's best weights.

    It starts from the averager's checkpoint, if there is one.
    """
    steps, first = _steps_per_epoch(params, training), averager.restore(network)
    size, jitter = params.batch_size, params.colour_jitter
    dataset = batches.training_batches(training, size, jitter, params.seed, start=first * steps)
    names = list(network.output)
    if not averager.is_last(first):
        network.fit(
            dataset.map(
                lambda inputs, crop, *weight: (inputs, dict.fromkeys(names, crop), *weight)
            ),
            initial_epoch=first,
            epochs=params.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the batches are shuffled already
            callbacks=[averager, *callbacks],
            verbose=0,
        )
    network.set_weights(averager.best)


def _steps_per_epoch(params: TrainParams, training: CropExamples[Any]) -> int:
    return max(params.least_steps, batches.count_batches(training, params.batch_size))
