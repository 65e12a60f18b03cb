"""What people would use instead: the cropping of other libraries, an optional extra.

`pip install 'cropperhead[rivals]'` installs them. They are made for thumbnails: the size is given,
they choose the place. So each is asked for the median size of the training crops, level.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.errors import ParamsError
from cropperhead.evaluation.croppers import Cropper
from cropperhead.geometry.crops import Floats
from cropperhead.params import Rival

if TYPE_CHECKING:
    from cropperhead.training.batches import Photos

Pixels = NDArray[np.uint8]
# Top and left of the crop in px, and its height and width, of a picture and the wanted size
_Place = Callable[[Pixels, int, int], tuple[int, int, int, int]]

_MODULES = {"smartcrop": "smartcrop", "attention": "pyvips", "entropy": "pyvips"}
_NAMES = {
    "smartcrop": ("smartcrop.py", "detail, skin and saturation, by smartcrop.js's rules"),
    "attention": ("libvips, attention", "edges, skin and saturated colours"),
    "entropy": ("libvips, entropy", "strips of little information cut off"),
}


def rivals(chosen: Sequence[Rival], training: Floats) -> list[Cropper]:
    """The croppers of other libraries that are chosen, at the median size of the crops (n, 5).

    Raises ParamsError where a library is not installed.
    """
    for name in chosen:
        if find_spec(_MODULES[name]) is None:
            raise ParamsError(
                f"params.yaml: evaluate.rivals has {name}, which needs {_MODULES[name]}. "
                "Install it: pip install 'cropperhead[rivals]'"
            )
    size = np.median(training[:, 2:4] - training[:, :2], axis=0)
    return [_rival(name, size) for name in chosen]


def _rival(name: Rival, size: Floats) -> Cropper:
    label, how = _NAMES[name]
    place: _Place = _smartcrop if name == "smartcrop" else _libvips(name)

    def crop(photos: "Photos") -> Floats:
        found = [
            _limits(_unsquashed(image, float(aspect)), size, place)
            for image, aspect in zip(photos.images, photos.aspect, strict=True)
        ]
        return np.array(found, dtype=float).reshape(1, -1, 5)

    return Cropper(name, label, f"{how}; of the training crops' median size", crop)


def _unsquashed(image: Pixels, aspect: float) -> Pixels:
    """The picture (side, side, 3) in its own shape, its long side kept."""
    side = image.shape[0]
    width, height = (side, round(side / aspect)) if aspect > 1 else (round(side * aspect), side)
    picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _limits(picture: Pixels, size: Floats, place: _Place) -> list[float]:
    height, width = picture.shape[:2]
    wanted = max(1, round(size[0] * height)), max(1, round(size[1] * width))
    top, left, tall, wide = place(picture, *wanted)
    return [top / height, left / width, (top + tall) / height, (left + wide) / width, 0.0]


def _smartcrop(picture: Pixels, height: int, width: int) -> tuple[int, int, int, int]:
    import smartcrop  # noqa: PLC0415 - optional

    # its own scale is of the largest crop of that shape; this one is of the wanted size
    scale = 1 / min(picture.shape[1] / width, picture.shape[0] / height)
    found = smartcrop.SmartCrop().crop(
        Image.fromarray(picture), width, height, prescale=False, min_scale=scale, max_scale=scale
    )["top_crop"]
    tall, wide = min(found["height"], height), min(found["width"], width)
    return found["y"], found["x"], tall, wide


def _libvips(interesting: str) -> _Place:
    def place(picture: Pixels, height: int, width: int) -> tuple[int, int, int, int]:
        import pyvips  # noqa: PLC0415 - optional

        whole = pyvips.Image.new_from_array(picture)
        cut = whole.smartcrop(width, height, interesting=interesting)
        return -cut.yoffset, -cut.xoffset, cut.height, cut.width

    return place
