"""Features learned from ImageNet: MobileNetV2 (Sandler et al. 2018) up to the fields used here."""

import hashlib
import importlib
import warnings
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from cropperhead.errors import ParamsError
from cropperhead.params import DOWNLOADED, PACKAGED, FeaturesParams

NAME = "mobilenet_v2"
# Fields of 1/16 tell places best; the layers after them, which hold three quarters of all weights,
# add nothing to the crop.
_FIELDS = "block_12_add"
_CHANNELS = 96
_VERSION = "version"  # of the package's archive, an array that holds no weights


@dataclass(frozen=True)
class Features:
    """The weights of MobileNetV2 up to its fields, in the order of Keras's `get_weights`."""

    weights: tuple[NDArray[np.float32], ...] = field(compare=False)
    sha256: str = field(init=False)  # fields of other weights are not comparable

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for array in self.weights:
            digest.update(np.ascontiguousarray(array).data)
        object.__setattr__(self, "sha256", digest.hexdigest())


def field_shape(params: FeaturesParams) -> tuple[int, int, int]:
    """Rows, columns and channels of a photo's fields."""
    return params.image_size // 16, params.image_size // 16, _CHANNELS


def read_features(params: FeaturesParams) -> Features:
    """Reads the features that `train.features.source` names. Raises ParamsError if it cannot."""
    if params.source == DOWNLOADED:
        return Features(tuple(_downloaded().get_weights()))
    if params.source == PACKAGED:
        return _read_archive(_packaged_file())
    return _read_archive(Path(params.source).expanduser())


def build_features(features: Features, side: int) -> Any:
    """The network from pictures (n, side, side, 3) in [0, 255] to fields (n, rows, columns, 96)."""
    whole = _mobile_net(side)
    network = keras.Model(whole.input, whole.get_layer(_FIELDS).output, name=NAME)
    network.set_weights(features.weights)
    return network


def fields_of(image: Any, network: Any) -> Any:
    """The fields that a network of `build_features` gives for pictures in [0, 255]."""
    return network(layers.Rescaling(1 / 127.5, offset=-1)(image))  # to [-1, 1]


def _mobile_net(side: int) -> Any:
    return keras.applications.MobileNetV2(
        include_top=False, input_shape=(side, side, 3), weights=None
    )


def _downloaded() -> Any:
    try:
        # Keras warns where the size is not one of ImageNet's; any size works
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = keras.applications.MobileNetV2(include_top=False, input_shape=(224, 224, 3))
    except Exception as error:  # Keras lets all kinds of network errors through
        raise ParamsError(
            f"params.yaml: train.features.source is {DOWNLOADED}, and the download failed: {error}."
            f" Choose {PACKAGED} or a file of features, or set train.quality to fast."
        ) from error
    return keras.Model(whole.input, whole.get_layer(_FIELDS).output)


def _packaged_file() -> Path:
    try:
        package = importlib.import_module("cropperhead_base")
    except ModuleNotFoundError as error:
        raise ParamsError(
            f"params.yaml: train.features.source is {PACKAGED}, which is not installed: run "
            f"`pip install {PACKAGED}`, or set train.quality to fast."
        ) from error
    return Path(package.features_file())


def _read_archive(file: Path) -> Features:
    """Reads a .npz archive's arrays in the order of their names: all of MobileNetV2, or up to here.

    Raises ParamsError for any other file.
    """
    try:
        # NumPy's error for a file that is not an archive only says how to trust it
        with zipfile.ZipFile(file), np.load(file) as archive:
            names = sorted(set(archive.files) - {_VERSION})
            arrays = [archive[name].astype(np.float32) for name in names]
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ParamsError(
            f"params.yaml: train.features.source: {file}: not readable: {error}"
        ) from error
    shapes = [array.shape for array in arrays]
    expected, most = _weight_shapes()
    if shapes not in (expected, most):
        raise ParamsError(
            f"params.yaml: train.features.source: {file}: {len(arrays)} arrays that are not those "
            f"of MobileNetV2 without its top, expected {len(most)} in the order of get_weights(), "
            f"or the first {len(expected)}"
        )
    return Features(tuple(arrays[: len(expected)]))


@cache
def _weight_shapes() -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The shapes of the weights up to the fields, and of all of them."""
    whole = _mobile_net(32)
    part = keras.Model(whole.input, whole.get_layer(_FIELDS).output)
    upto, every = ([each.shape for each in one.get_weights()] for one in (part, whole))
    return upto, every
