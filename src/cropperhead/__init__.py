"""Learn how a photographer crops, from the crops that photo editors store.

    cropper = cropperhead.load("models/model.tflite")
    best = cropper.suggest("IMG_0412.jpg")[0]

`load`, `Crop` and `Cropper` come from `cropperhead.api`, which is imported on first use.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_API_NAMES = ("Crop", "Cropper", "load")


def __getattr__(name: str) -> Any:
    if name in _API_NAMES:
        return getattr(import_module("cropperhead.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_API_NAMES])
