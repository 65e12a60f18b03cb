"""Learns how a photographer crops, from the crops their editor left in their photos' metadata.

    cropper = cropperhead.load("models/model.tflite")
    best = cropper.suggest("IMG_0412.jpg")[0]

`load`, `Crop` and `Cropper` are those of `cropperhead.api`, which is loaded when one is asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_OF_THE_API = ("Crop", "Cropper", "load")


def __getattr__(name: str) -> Any:
    if name in _OF_THE_API:
        return getattr(import_module("cropperhead.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_OF_THE_API])
