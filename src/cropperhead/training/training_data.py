"""The examples that a network is trained on, and those that it is validated on."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cropperhead.dataset.split_labels import TRAIN, VALIDATION
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.training import batches, straighten
from cropperhead.training.batches import Examples
from cropperhead.training.networks.registry import recipe_for


@dataclass(frozen=True)
class TrainingData:
    """Examples with photos of the network's own size (`Recipe.image_size`).

    `upright` are training examples with photos of `INPUT_SIDE` px, from which straightening is
    learned. Without them nothing is straightened.
    """

    training: Examples
    validation: Examples
    upright: Examples | None = None


def read_training_data(folder: Path, labels: pd.DataFrame, params: TrainParams) -> TrainingData:
    """Reads the photos of labels that have a column `split` from the shards in `folder`.

    Raises DataError where a split has no label or a photo is missing.
    """
    recipe = recipe_for(params)
    size = recipe.image_size(params)
    rows = {name: labels[labels["split"] == name] for name in (TRAIN, VALIDATION)}
    training, validation = (batches.read_examples(folder, each, size) for each in rows.values())
    if recipe.limits_only:
        return TrainingData(training, validation)
    sample = straighten.sample_photos(training.photos.names)
    train = rows[TRAIN]
    upright = batches.read_examples(folder, train[train["photo"].isin(sample)], INPUT_SIDE)
    return TrainingData(training, validation, upright)
