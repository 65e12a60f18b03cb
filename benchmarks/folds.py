"""A library's crops, divided into folds: what the benchmarks of models have in common."""

import argparse
import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cropperhead import params
from cropperhead.dataset import extract, shards
from cropperhead.dataset import split as splits
from cropperhead.geometry.crops import Floats
from cropperhead.library import scan
from cropperhead.params import Params
from cropperhead.stats import Interval, Jackknife
from cropperhead.system import code_hash

ROOT = Path(__file__).parent.parent
SALT = "fold"
VALIDATION = 0.1  # of the photos that are not held out
OF_FEW = 0.85  # of a small library, what the pipeline's fractions leave after the test
VALIDATION_OF_FEW = 0.15 / 0.85


def library_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser for a benchmark on a library; the first line of `description` introduces it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("library", type=Path, help="a photo library with crops")
    parser.add_argument("--work", type=Path, default=Path("data/benchmark"), help="%(default)s")
    return parser


def override(settings: Params, overrides: Sequence[str]) -> Params:
    """The settings with other values of `train`, each `train.KEY=VALUE`; exits if one is not."""
    train = settings.train
    for override in overrides:
        name, value = override.split("=", 1)
        block, key = name.split(".", 1)
        if block != "train" or key not in {f.name for f in dataclasses.fields(train)}:
            sys.exit(f"-S {override}: expected train.KEY=VALUE with a key of params.yaml")
        train = replace(train, **{key: params.parse_yaml(value)})
    return replace(settings, train=train)


def read_labels(folder: Path, work: Path, settings: Params) -> pd.DataFrame:
    """The library's labels, in the order of arrival, with group and fold."""
    out = work / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    library = scan.scan(folder, [], settings.extract.tags)
    extract.extract_into(out, folder, library.entries, settings.extract)
    labels = shards.read_labels(out / "extracted")
    features = shards.read_features(out / "extracted", labels["photo"])
    groups = splits.assign_splits(labels, settings.split, features)[["photo", "group"]]
    labels = labels.merge(groups, on="photo", validate="many_to_one")
    return labels.assign(shards=str((out / "extracted").absolute()))


def fields_folder(labels: pd.DataFrame) -> Path:
    """Where the fields of the labels' photos are kept."""
    return Path(labels["shards"].iloc[0]).parent / "fields"


def _place(name: str, salt: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(f"{salt}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(labels: pd.DataFrame, count: int) -> np.ndarray:
    """The fold of each label, of nearly equally many groups each."""
    groups = sorted(labels["group"].unique(), key=lambda group: _place(group, SALT))
    fold = {group: place % count for place, group in enumerate(groups)}
    return labels["group"].map(fold).to_numpy()


def with_split(
    labels: pd.DataFrame, fold: np.ndarray, held: int, photos: int | None
) -> pd.DataFrame:
    """Labels with their split: the held-out fold is the test."""
    rest = sorted(
        set(labels.loc[fold != held, "group"]), key=lambda group: _place(group, f"few {held}")
    )
    used = set(rest if photos is None else rest[: round(photos * OF_FEW)])
    share = VALIDATION if photos is None else VALIDATION_OF_FEW
    validation = sorted(used, key=lambda group: _place(group, "validation"))
    validation = set(validation[: max(1, round(len(used) * share))])
    split = np.where(labels["group"].isin(used), splits.TRAIN, splits.ASIDE)
    split = np.where(labels["group"].isin(validation), splits.VALIDATION, split)
    return labels.assign(split=np.where(fold == held, splits.TEST, split))


def digest(settings: object) -> str:
    """Changes with what is trained: its settings, and the code that trains."""
    content = hashlib.sha256(repr(settings).encode())
    for file in code_hash.imported_files(ROOT / "src" / "cropperhead" / "training" / "fit.py"):
        content.update(file.read_bytes())
    return content.hexdigest()[:12]


def interval(labels: pd.DataFrame, values: Floats, settings: Params) -> Interval:
    """The mean of values (n,), one for each label, and its interval over groups."""
    return Jackknife(labels["group"].tolist(), settings.evaluate.confidence).interval(values)
