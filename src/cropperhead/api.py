"""Crops for a photo from a trained model: what a program that uses CropperHead needs.

    cropper = cropperhead.load("models/model.tflite")
    for crop in cropper.suggest("IMG_0412.NEF", aspect="4:5", n=3):
        print(crop.confidence, crop.pixels(6000, 4000))
        crop.apply("IMG_0412.NEF").save("cropped.jpg")

A photo is a path, a Pillow image or an array. A path's photo is shown upright, as its camera says;
an image and an array are taken as they are. An exported model needs no TensorFlow, one of Keras's
does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from cropperhead.editors import lightroom
from cropperhead.errors import ModelError, ParamsError, SetupError
from cropperhead.geometry import crops, orientation
from cropperhead.geometry.crops import Floats
from cropperhead.inference import litert, search
from cropperhead.photos import image as photos
from cropperhead.photos import network_input
from cropperhead.photos import raw as raws

Photo = str | PathLike[str] | Image.Image | NDArray[np.uint8]

EXPORTED, KERAS = ".tflite", ".keras"
_LONG_SIDE = 512  # px; of such copies a model learned, unless params.yaml says other
MAX_MEGAPIXELS = 400  # beyond, a file may be made to fill the memory
_NEEDED = ("limits", "confidence", "shares", "prototypes")


@dataclass(frozen=True)
class Crop(crops.Crop):
    """A suggested crop: `top`, `left`, `bottom`, `right` as fractions of the upright photo's sides.

    They are those of the rectangle before it is turned by `angle` degrees about its centre,
    clockwise above 0. `confidence` is the overlap (intersection over union, 0 to 1) to expect with
    the crop that the photographer would make.
    """

    confidence: float

    def limits(self) -> Floats:
        """Top, left, bottom, right and angle as an array, (5,)."""
        return np.array([self.top, self.left, self.bottom, self.right, self.angle])

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels of the upright photo, before it is turned.

        `width` and `height` are the photo's in pixels. What lies in between is
        `photo.crop(crop.pixels(*photo.size))` of Pillow, where the angle is 0.
        """
        left, top = round(self.left * width), round(self.top * height)
        right, bottom = round(self.right * width), round(self.bottom * height)
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def corners(self, width: float, height: float) -> Floats:
        """The turned corners in pixels, x and y, (4, 2): clockwise from the top left one."""
        return self.in_pixels(width, height).corners()

    def lightroom(
        self, width: int, height: int, shown_as: int = orientation.UPRIGHT
    ) -> dict[str, Any]:
        """The crop as Lightroom and Camera Raw store it: the names and values of its XMP settings.

        They measure in the frame as it lies in the file: `width` and `height` are that frame's in
        pixels, `shown_as` the EXIF orientation (1 to 8) by which it is displayed.
        """
        return lightroom.encode(self, width, height, shown_as)

    def apply(self, photo: Photo) -> Image.Image:
        """The cropped and straightened photo, at its full resolution.

        A path's photo comes in sRGB, a RAW one as the camera developed it or simply developed.
        Raises RejectedFile for a path that is no readable photo.
        """
        image, _ = _upright(photo, None)
        if self.angle == 0:  # no pixel is computed anew
            return image.crop(self.pixels(*image.size))
        return photos.cut(image, self.in_pixels(*image.size))


class Cropper:
    """A loaded model. Several threads may use one at once."""

    def __init__(self, model: "_Model") -> None:
        self._model = model

    @property
    def facts(self) -> Mapping[str, Any]:
        """What an exported model tells of itself, as in `runtime`; nothing of a Keras one."""
        return self._model.facts

    def suggest(self, photo: Photo, aspect: str | float | None = None, n: int = 1) -> list[Crop]:
        """Up to `n` crops, the best first, each further one of use where those before are wrong.

        Fewer than `n` where no other one is half as likely.

        `aspect` is the shape that all of them must have: "4:5" or a number, width / height;
        "original" is the photo's own; None leaves it free. Raises ParamsError for an aspect that is
        none or an array that is no picture, RejectedFile for a path that is no readable photo, and
        SetupError where its format takes a package that is not installed.
        """
        if n < 1:
            raise ParamsError(f"n is {n}, expected at least 1 crop")
        return self.suggest_seen(*_upright(photo, _LONG_SIDE), _ratio(aspect), n)

    def suggest_seen(
        self, image: Image.Image, frame: float, aspect: str = search.FREE, n: int = 1
    ) -> list[Crop]:
        """As `suggest`, for what `seen` gives of a photo."""
        told = self._told(image, frame)
        found = search.suggest(*told, [frame], aspect, n)
        return [_crop(one) for one in found[0]]

    def straighten_seen(self, image: Image.Image, frame: float) -> Crop:
        """The largest crop of the photo's own shape that straightens it, for what `seen` gives."""
        return _crop(search.straightened(*self._told(image, frame), [frame])[0])

    def _told(self, image: Image.Image, frame: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Limits, prototypes, shares and confidence of one photo."""
        seen = np.asarray(network_input.squashed(image, self._model.input_size))
        told = self._model.outputs(seen[None], np.array([frame]))
        return told["limits"], told["prototypes"][0], told["shares"], told["confidence"][:, 0]


def load(path: str | PathLike[str], threads: int = 1) -> Cropper:
    """A trained model, ready to suggest crops.

    `path` is an exported model (.tflite), Keras's (.keras), or a folder that holds one:
    `model.tflite` goes before others. `threads` of the caller's are served at once by an exported
    model. Raises ModelError for what is no model of CropperHead's or tells limits alone, as the
    predecessor's does, and SetupError where Keras's needs a TensorFlow that is not there.
    """
    file = model_file(Path(path))
    model = _keras(file) if file.suffix == KERAS else litert.load(file, threads)
    missing = set(_NEEDED) - set(model.names)
    if missing:
        raise ModelError(
            f"{file}: tells no {', '.join(sorted(missing))}, which suggesting takes. Train with "
            "train.model: small."
        )
    return Cropper(model)


def seen(file: Path, shown_as: int | None = None) -> tuple[Image.Image, float]:
    """What a model sees of a photo: an upright copy in sRGB, and the frame's width / height.

    `shown_as` is the EXIF orientation (1 to 8) by which to show it, None for the camera's own.
    Raises RejectedFile and SetupError as `Cropper.suggest` does.
    """
    return _of_file(file, _LONG_SIDE, shown_as)


class _Model(Protocol):
    """What `runtime.Network` offers."""

    @property
    def facts(self) -> Mapping[str, Any]: ...

    @property
    def names(self) -> list[str]: ...

    @property
    def input_size(self) -> int: ...

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]: ...


class _KerasModel:
    """A model of Keras's in the shape of an exported one."""

    facts: Mapping[str, Any] = {}

    def __init__(self, file: Path) -> None:
        from cropperhead.training.networks import build  # noqa: PLC0415 - TensorFlow, which exported ones do without

        self._model = build.load(file)
        self.names = list(self._model.output)
        self.input_size = build.input_size(self._model)

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]:
        from cropperhead.training.batches import Photos  # noqa: PLC0415
        from cropperhead.training.networks import build  # noqa: PLC0415

        names = [str(place) for place in range(len(images))]
        return build.outputs(self._model, Photos(names, images, np.asarray(aspect, np.float32)))


def _keras(file: Path) -> _KerasModel:
    try:
        return _KerasModel(file)
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{file}: a model of Keras's needs {error.name}, which is not installed. Install "
            "cropperhead[pipeline], or use an exported model (.tflite)."
        ) from error
    except ValueError as error:  # Keras's, for a file that is no archive of its own
        raise ModelError(f"{file}: Keras does not take it: {error}") from error


def model_file(path: Path) -> Path:
    """The file that `load` loads for a path. Raises ModelError where there is none."""
    if not path.is_dir():
        if path.suffix not in {EXPORTED, KERAS}:
            raise ModelError(f"{path}: expected a model, {EXPORTED} or {KERAS}, or a folder of one")
        if not path.exists():
            raise ModelError(f"{path}: there is no such model")
        return path
    for suffix in (EXPORTED, KERAS):
        found = sorted(path.glob(f"*{suffix}"))
        if found:
            named = path / f"model{suffix}"
            return named if named in found else found[0]
    raise ModelError(f"{path}: holds no model, expected a file that ends in {EXPORTED} or {KERAS}")


def _upright(photo: Photo, long_side: int | None) -> tuple[Image.Image, float]:
    """The upright picture, or a copy in sRGB of at most that long side, and the frame's aspect."""
    if isinstance(photo, str | PathLike):
        return _of_file(Path(photo), long_side)
    image = photo if isinstance(photo, Image.Image) else _of_array(photo)
    aspect = image.width / image.height
    if long_side is not None:
        image = photos.upright(image.copy(), orientation.UPRIGHT, long_side)
    return image, aspect


def _of_array(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ParamsError(
            f"an array of {pixels.dtype}, {pixels.shape}, expected a picture: uint8, (height, "
            "width, 3), RGB"
        )
    return Image.fromarray(pixels)


def _of_file(
    file: Path, long_side: int | None, wanted: int | None = None
) -> tuple[Image.Image, float]:
    with _formats_installed(file):
        if file.suffix.lower() in raws.SUFFIXES:
            with raws.opened(file, MAX_MEGAPIXELS) as raw:
                side, shown_as = long_side or max(raw.frame), wanted or raw.shown_as
                aspect = _aspect(raw.frame, shown_as)
                return photos.upright(raw.picture(side), shown_as, side), aspect
        with photos.opened(file, MAX_MEGAPIXELS) as image:
            side, shown_as = long_side or max(image.size), wanted or photos.shown_as(image)
            aspect = _aspect(photos.stored_size(image), shown_as)
            return photos.upright(image, shown_as, side), aspect


def _aspect(stored: tuple[int, int], shown_as: int) -> float:
    width, height = orientation.displayed_size(*stored, shown_as)
    return width / height


@contextmanager
def _formats_installed(file: Path) -> Iterator[None]:
    """Names the package that a format takes, where it is missing."""
    try:
        yield
    except Exception as error:
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        if not isinstance(missing, ModuleNotFoundError):
            raise
        raise SetupError(
            f"{file}: this format needs {missing.name}, which is not installed. Install "
            "cropperhead[heic]."
        ) from error


def _ratio(aspect: str | float | None) -> str:
    """A wanted shape in the words of `suggestions`."""
    if aspect is None:
        return search.FREE
    return aspect if isinstance(aspect, str) else f"{aspect:.9f}:1"


def _crop(found: search.Suggestion) -> Crop:
    top, left, bottom, right, angle = (float(value) for value in found.limits)
    return Crop(top, left, bottom, right, angle, float(found.expected_overlap))
