"""A base model on disk: a head that learned from many people's crops, and what it learned from.

A folder holds `head.npz` (the head's weights, its prototypes and calibration), `hashes.npz` (the
perceptual hashes of the photos it learned from) and `base.tflite` (the finished model, with the
facts in `inference.litert`). The package cropperhead-base has such files; `cropperhead base build`
makes others.
"""

import importlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.dataset.likeness import Hashes, known_hashes
from cropperhead.dataset.split_labels import TEST
from cropperhead.errors import DataError, ParamsError
from cropperhead.params import PACKAGED, Params
from cropperhead.system import atomic

HEAD, HASHES, MODEL = "head.npz", "hashes.npz", "base.tflite"
# The names of finished models that know something from a base model, and so must not be scored on
# the photos that it learned from
ADAPTED = ("base", "personal", "tuned")
_MOSTLY = 0.5  # of a library's photos: more known ones leave too few to compare with
_WEIGHT, _CALIBRATION = "weight_", "calibration_"


@dataclass(frozen=True)
class BaseModel:
    """What a base model's folder holds, apart from the exported model.

    `weights` are the head's in the order of Keras's `get_weights`, `crop` (5,) is the median crop
    that it learned from, `prototypes` (K, 4) and `calibration` are as in `networks.finished`.
    `features` is the SHA-256 of the features whose fields it takes, `image_size` their side in px.
    `hashes` (n,) are of the photos it learned from.
    """

    weights: tuple[NDArray[np.float32], ...]
    crop: NDArray[np.float64]
    prototypes: NDArray[np.float32]
    calibration: dict[str, Any]
    features: str
    image_size: int
    hashes: Hashes


def find_base(source: str) -> Path | None:
    """The folder that `train.base` names; None for none, or where the package is not installed.

    Raises ParamsError for a folder without a base model.
    """
    if source == "none":
        return None
    if source != PACKAGED:
        folder = Path(source).expanduser()
        if not (folder / HEAD).is_file():
            raise ParamsError(
                f"params.yaml: train.base: {folder} has no {HEAD}, expected {PACKAGED}, none or a "
                "folder that `cropperhead base build` wrote"
            )
        return folder
    try:
        package = importlib.import_module("cropperhead_base")
    except ModuleNotFoundError:
        return None
    return Path(package.head_file()).parent


def read_base(folder: Path) -> BaseModel:
    """Read a base model. Raises ParamsError for files that are not one's."""
    head, hashes = (_read_arrays(folder / name) for name in (HEAD, HASHES))
    try:
        names = sorted(name for name in head if name.startswith(_WEIGHT))
        return BaseModel(
            weights=tuple(head[name].astype(np.float32) for name in names),
            crop=head["crop"],
            prototypes=head["prototypes"],
            calibration={
                name.removeprefix(_CALIBRATION): value if value.ndim else value.item()
                for name, value in head.items()
                if name.startswith(_CALIBRATION)
            },
            features=str(head["features"]),
            image_size=int(head["image_size"]),
            hashes=hashes["hashes"].astype(np.uint64),
        )
    except (KeyError, ValueError) as error:
        raise ParamsError(f"{folder / HEAD}: not a base model's: {error}") from error


def write_base(base: BaseModel, folder: Path) -> None:
    """Write a base model, with weights of 16 bits; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        f"{_WEIGHT}{place:02}": np.asarray(value, np.float16)
        for place, value in enumerate(base.weights)
    }
    known = {name: value for name, value in base.calibration.items() if value is not None}
    arrays |= {f"{_CALIBRATION}{name}": np.asarray(value) for name, value in known.items()}
    arrays |= {
        "crop": base.crop,
        "prototypes": base.prototypes,
        "features": np.asarray(base.features),
        "image_size": np.asarray(base.image_size),
    }
    _write_arrays(folder / HEAD, arrays)
    _write_arrays(folder / HASHES, {"hashes": np.unique(base.hashes)})


@dataclass(frozen=True)
class BaseStart:
    """What a library can start from: a base model, unless it learned from most of the photos.

    `source` is what `train.base` names, `known` are the library's photos that it learned from.
    """

    source: str
    model: BaseModel | None = None
    known: frozenset[str] = frozenset()


def start_from(labels: pd.DataFrame, params: Params) -> BaseStart:
    """The base model that params name, for the photos of `labels`.

    `labels` has the columns photo and perceptual_hash. Raises ParamsError where a base model cannot
    be read.
    """
    train = params.train
    folder = find_base(train.base) if train.uses_features else None
    if folder is None:
        return BaseStart("none")
    base = read_base(folder)
    known = known_photos(labels, base.hashes, params.split.near_duplicate_bits)
    knows_most = len(known) > _MOSTLY * labels["photo"].nunique()
    return BaseStart(train.base, None if knows_most else base, known)


def known_photos(labels: pd.DataFrame, learned: Hashes, max_bits: int) -> frozenset[str]:
    """The photos of labels of which a base model learned one like it, by its `learned` hashes.

    Like photos' hashes differ in at most `max_bits` of 64 bits.
    """
    photos = labels.drop_duplicates("photo")
    hashes = np.array([int(text, 16) for text in photos["perceptual_hash"]], np.uint64)
    return frozenset(photos["photo"][known_hashes(hashes, learned, max_bits)])


def without_known(labels: pd.DataFrame, model: str, params: Params) -> pd.DataFrame:
    """The labels by which a model of this name may be scored.

    A model that took something from a base model is not scored on photos that this learned from.
    Raises DataError if the base model is not there to tell them, or if none is left to test on.
    """
    if model not in ADAPTED:
        return labels
    start = start_from(labels, params)
    if start.source == "none":
        raise DataError(
            "This model started from a base model, and without that one it is not known which "
            f"photos it has seen. Install {PACKAGED}, or name the base model in train.base."
        )
    left = labels[~labels["photo"].isin(start.known)]
    if not (left["split"] == TEST).any():
        raise DataError(
            "The base model, from which this model started, learned from every test photo: there "
            "is nothing to judge it by. Train with train.base none."
        )
    return left


def _read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(file), np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ParamsError(f"{file}: not readable: {error}") from error


def _write_arrays(file: Path, arrays: dict[str, NDArray[Any]]) -> None:
    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    atomic.replace(file, write)
