"""Makes a base model from a library: a head of all its crops, which anybody can start from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from cropperhead.dataset import extract, shards, split
from cropperhead.dataset.split_labels import TEST, TRAIN
from cropperhead.library import scan
from cropperhead.params import Params
from cropperhead.system import atomic
from cropperhead.system.file_hash import file_sha256
from cropperhead.training import adapt, base_model, export
from cropperhead.training.base_model import BaseModel
from cropperhead.training.fields import update_fields
from cropperhead.training.fit import TrainingResult, train_network
from cropperhead.training.networks.features import read_features
from cropperhead.training.repeatable import make_repeatable
from cropperhead.training.training_data import read_training_data
from cropperhead.words import format_count


def build_base(
    folder: Path,
    catalogs: Sequence[Path],
    out: Path,
    work: Path,
    params: Params,
    learned_from: str | None = None,
) -> str:
    """Train a base model on a library's crops, write it into `out`, and say so in one line.

    `work` holds the photos' small copies and fields; what is there is not computed again. `out`
    gets no photo. `learned_from` names the photos for users. Raises DataError where they are too
    few.
    """
    train = dataclasses.replace(params.train, quality="standard")
    labels = _labels(folder, catalogs, work, params)
    make_repeatable(train)  # before TensorFlow's first use
    extracted, fields = work / "extracted", work / "fields"
    update_fields(extracted, fields, train)
    data = read_training_data(extracted, labels, train, fields)
    result = train_network(train, data)
    base_model.write_base(_base(result, labels, params), out)
    photos = labels["photo"].nunique()
    about = f"{format_count(photos, 'photo')}{f' of {learned_from}' if learned_from else ''}"
    model = keras.Model(result.model.input, result.model.output, name=adapt.BASE)
    digest = file_sha256(*shards.shard_files(extracted))
    content = export.export_model(model, export.FLOAT16, digest, about)
    atomic.replace(out / base_model.MODEL, lambda unfinished: unfinished.write_bytes(content))
    return f"Built {out}: learned from {about}, {format_count(len(labels), 'crop')}."


def _labels(folder: Path, catalogs: Sequence[Path], work: Path, params: Params) -> pd.DataFrame:
    """The library's labels with group and split; none is held out for a test."""
    library = scan.scan(folder, catalogs, params.extract.tags)
    extract.extract_into(work, folder, library.entries, params.extract)
    labels = shards.read_labels(work / "extracted")
    features = shards.read_features(work / "extracted", labels["photo"])
    splits = split.assign_splits(labels, params.split, features)
    splits = splits.assign(split=splits["split"].replace({TEST: TRAIN}))
    return labels.merge(splits[["photo", "group", "split"]], on="photo", validate="many_to_one")


def _base(result: TrainingResult, labels: pd.DataFrame, params: Params) -> BaseModel:
    parts = result.parts
    if parts is None:
        raise TypeError("a network on features has parts")
    hashes = [int(text, 16) for text in labels["perceptual_hash"]]
    return BaseModel(
        weights=tuple(parts.network.get_weights()),
        crop=parts.crop,
        prototypes=parts.prototypes,
        calibration=dict(vars(parts.calibration)),
        features=read_features(params.train.features).sha256,
        image_size=params.train.features.image_size,
        hashes=np.array(hashes, np.uint64),
    )
