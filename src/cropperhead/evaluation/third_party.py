"""The cropping of other libraries that people would use instead.

Smartcrop is installed with the pipeline, libvips by `pip install 'cropperhead[rivals]'`. They are
made for thumbnails: they choose the place of a crop of a given size. So each is asked for the
median size of the training crops, level.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.errors import ParamsError
from cropperhead.evaluation.croppers import CropMethod
from cropperhead.geometry.crops import Floats
from cropperhead.params import Rival

if TYPE_CHECKING:
    from cropperhead.training.batches import PhotoArrays

Pixels = NDArray[np.uint8]
# Top and left of the crop in px, and its height and width, from a picture and the requested height
# and width
_PlaceCrop = Callable[[Pixels, int, int], tuple[int, int, int, int]]

_MODULES = {"smartcrop": "smartcrop", "attention": "pyvips", "entropy": "pyvips"}
_EXTRAS = {"smartcrop": "pipeline", "pyvips": "rivals"}
_NAMES = {
    "smartcrop": ("smartcrop.py", "detail, skin and saturation, by smartcrop.js's rules"),
    "attention": ("libvips, attention", "edges, skin and saturated colours"),
    "entropy": ("libvips, entropy", "strips of little information are cut off"),
}


def rival_croppers(names: Sequence[Rival], training: Floats) -> list[CropMethod]:
    """Return the croppers of other libraries, at the median size of the crops (n, 5).

    Raises ParamsError where a library is not installed.
    """
    for name in names:
        if find_spec(_MODULES[name]) is None:
            raise ParamsError(
                f"params.yaml: evaluate.rivals has {name}, which needs {_MODULES[name]}. "
                f"Install it: pip install 'cropperhead[{_EXTRAS[_MODULES[name]]}]'"
            )
    size = np.median(training[:, 2:4] - training[:, :2], axis=0)
    return [_rival_cropper(name, size) for name in names]


def _rival_cropper(name: Rival, size: Floats) -> CropMethod:
    label, how = _NAMES[name]
    place_crop: _PlaceCrop = _place_smartcrop if name == "smartcrop" else _libvips_placer(name)

    def crop(photos: "PhotoArrays") -> Floats:
        limits = [
            _crop_limits(_restore_shape(image, float(aspect)), size, place_crop)
            for image, aspect in zip(photos.images, photos.aspect, strict=True)
        ]
        return np.array(limits, dtype=float).reshape(1, -1, 5)

    return CropMethod(name, label, f"{how}; of the training crops' median size", crop)


def _restore_shape(image: Pixels, aspect: float) -> Pixels:
    """Resize the squashed picture (side, side, 3) to the photo's own shape; keep its long side."""
    side = image.shape[0]
    width, height = (side, round(side / aspect)) if aspect > 1 else (round(side * aspect), side)
    picture = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _crop_limits(picture: Pixels, size: Floats, place_crop: _PlaceCrop) -> list[float]:
    height, width = picture.shape[:2]
    requested = max(1, round(size[0] * height)), max(1, round(size[1] * width))
    top, left, tall, wide = place_crop(picture, *requested)
    return [top / height, left / width, (top + tall) / height, (left + wide) / width, 0.0]


def _place_smartcrop(picture: Pixels, height: int, width: int) -> tuple[int, int, int, int]:
    import smartcrop  # noqa: PLC0415 - wanted only by evaluate.rivals

    # its scale is relative to the largest crop of that shape; this one gives the requested size
    scale = 1 / min(picture.shape[1] / width, picture.shape[0] / height)
    best = smartcrop.SmartCrop().crop(
        Image.fromarray(picture), width, height, prescale=False, min_scale=scale, max_scale=scale
    )["top_crop"]
    tall, wide = min(best["height"], height), min(best["width"], width)
    return best["y"], best["x"], tall, wide


def _libvips_placer(interesting: str) -> _PlaceCrop:
    def place_crop(picture: Pixels, height: int, width: int) -> tuple[int, int, int, int]:
        import pyvips  # noqa: PLC0415 - optional

        whole = pyvips.Image.new_from_array(picture)
        cut = whole.smartcrop(width, height, interesting=interesting)
        return -cut.yoffset, -cut.xoffset, cut.height, cut.width

    return place_crop
