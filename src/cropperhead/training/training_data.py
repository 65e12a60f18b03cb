"""The examples that a network is trained on, and those that it is validated on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cropperhead.dataset.shards import shard_files
from cropperhead.dataset.split_labels import TRAIN, VALIDATION
from cropperhead.errors import DataError
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import batches, straighten
from cropperhead.training.batches import CropExamples, Examples, FieldExamples, PhotoArrays
from cropperhead.training.fields import read_fields
from cropperhead.training.networks.registry import recipe_for
from cropperhead.training.preferences import WEIGHT
from cropperhead.training.tensorboard import SHOWN


@dataclass(frozen=True)
class TrainingData:
    """Examples with photos as the network sees them: pictures of its own size, or fields.

    `upright` are training examples with photos of `INPUT_SIDE` px, from which straightening is
    learned. Without them nothing is straightened. `pictures` are the first validation photos, to
    show them, where those of `validation` are fields. `head` is what a head is trained on that the
    network begins with, if it begins with one. `groups` has the group of each photo that is in one
    with others; `known` are the photos that the base model learned from. `preferred` are crops of
    training photos that people like better than the photographer's, with `preferences.COLUMNS`.
    """

    training: CropExamples[Any]
    validation: CropExamples[Any]
    upright: Examples | None = None
    pictures: PhotoArrays | None = None
    head: "TrainingData | None" = None
    groups: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    preferred: pd.DataFrame | None = None

    @property
    def learned(self) -> CropExamples[Any]:
        """What networks learn from: the training crops, and the preferred ones by their weights.

        What a photographer is like, such as the median crop, is told by the training crops alone.
        """
        if self.preferred is None:
            return self.training
        return _add_crops(self.training, self.preferred)

    def with_preferred(self, preferred: pd.DataFrame) -> "TrainingData":
        """The same data with preferred crops; they are to be of training photos."""
        if preferred.empty:
            return self
        head = self.head.with_preferred(preferred) if self.head else None
        return replace(self, preferred=preferred, head=head)

    @property
    def of_fields(self) -> list[FieldExamples]:
        """Training and validation examples whose photos are fields."""
        data = self.head or self
        return [data.training, data.validation]

    def group(self, photo: str) -> str:
        """The group of a photo: its own name, if it is in none with others."""
        return self.groups.get(photo, photo)


def read_training_data(
    folder: Path,
    labels: pd.DataFrame,
    params: TrainParams,
    fields: Path,
    known: frozenset[str] = frozenset(),
) -> TrainingData:
    """Reads the photos of labels that have a column `split` from the shards in `folder`.

    `fields` is the folder of `fields.update_fields`, which only networks on features need; reading
    features uses TensorFlow, so that `make_repeatable` must come first. `known` as in
    `TrainingData`. Raises DataError where a split has no label, or a photo or its fields are
    missing.
    """
    recipe = recipe_for(params)
    size = recipe.image_size(params)
    rows = [labels[labels["split"] == name] for name in (TRAIN, VALIDATION)]
    if recipe.on_fields:
        data = _read_fields(folder, rows, params, fields)
    else:
        training, validation = (batches.read_examples(folder, each, size) for each in rows)
        data = TrainingData(training, validation)
    if recipe.limits_only:
        return data
    sample = straighten.sample_photos(data.training.photos.names)
    upright = batches.read_examples(folder, rows[0][rows[0]["photo"].isin(sample)], INPUT_SIDE)
    shown = data.validation.photos.names[:SHOWN]
    return replace(
        data,
        upright=upright,
        pictures=batches.read_photos(folder, shown, INPUT_SIDE) if recipe.on_fields else None,
        head=_read_fields(folder, rows, params, fields) if recipe.from_head else None,
        groups=dict(zip(labels["photo"], labels.get("group", labels["photo"]), strict=True)),
        known=known,
    )


def training_data_sha256(
    labels_file: Path, splits_file: Path, preferred_file: Path, folder: Path
) -> str:
    """Hash all files that a network is trained on; `folder` has the shards."""
    return file_sha256(labels_file, splits_file, preferred_file, *shard_files(folder))


def _read_fields(
    folder: Path, rows: list[pd.DataFrame], params: TrainParams, fields: Path
) -> TrainingData:
    read = partial(read_fields, folder, fields, params=params.features)
    training, validation = (batches.join_crops(each, read) for each in rows)
    return TrainingData(training, validation)


def _add_crops(examples: CropExamples[Any], labels: pd.DataFrame) -> CropExamples[Any]:
    """The examples and weighed crops of their photos, with `preferences.COLUMNS`."""
    places = pd.Index(examples.photos.names).get_indexer(labels["photo"]).astype(np.int64)
    if (places < 0).any():
        unknown = sorted(set(labels.loc[places < 0, "photo"]))
        raise DataError(
            f"preferred crops: expected those of training photos, got those of {unknown[:3]}. "
            "Run `dvc repro`."
        )
    more = labels[list(CROP_COLUMNS)].to_numpy(np.float32)
    weight = labels[WEIGHT].to_numpy(np.float32)
    return CropExamples(
        examples.photos,
        np.concatenate([examples.photo, places]),
        np.concatenate([examples.limits, more]),
        np.concatenate([examples.weights, weight]),
    )
