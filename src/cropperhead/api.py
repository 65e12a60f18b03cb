"""The public Python API: crops for a photo from a trained model.

    cropper = cropperhead.load("models/model.tflite")
    for crop in cropper.suggest("IMG_0412.NEF", aspect="4:5", n=3):
        print(crop.confidence, crop.pixels(6000, 4000))
        crop.apply("IMG_0412.NEF").save("cropped.jpg")

A photo is a path, a Pillow image or an array. A photo that is read from a path is shown upright, as
the camera says; an image or an array is used as it is. An exported model needs no TensorFlow, a
Keras model does.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from cropperhead.inference import borders, boxes, faces, litert, search
from cropperhead.inference.aspect_ratio import FREE, ORIGINAL
from cropperhead.photos import network_input, photo_file
from cropperhead.photos.image import cut, upright_copy
from cropperhead.system import model_files

Photo = str | PathLike[str] | Image.Image | NDArray[np.uint8]

LONG_SIDE = 512  # px of the copies that a model learns from, unless params.yaml says otherwise
_ROUNDING = 1e-3  # of a fraction, in files with weights of 16 bits too
_REQUIRED_OUTPUTS = ("limits", "confidence", "shares", "prototypes")
_FURTHER_OUTPUTS = ("straightening", "unturned")  # which older models lack


@dataclass(frozen=True)
class Crop(crops.Crop):
    """A suggested crop: `top`, `left`, `bottom`, `right` as fractions of the upright photo's sides.

    They describe the rectangle before it is turned about its centre by `angle` degrees, clockwise
    if positive. `confidence` is the expected overlap (intersection over union, 0 to 1) with the
    crop that the photographer would make. `straightening` is the probability (0 to 1) that turning
    the photo by its estimated tilt brings it nearer to how the photographer would turn it, whether
    it is turned or not; None if the model, an older one, does not say. If the photo is `unlike`
    those that the model learned from, the crop is timid.
    """

    confidence: float
    straightening: float | None = None
    unlike: bool = field(default=False, kw_only=True)

    def limits(self) -> Floats:
        """Return top, left, bottom, right and angle as an array, (5,)."""
        return np.array([self.top, self.left, self.bottom, self.right, self.angle])

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in pixels of the upright photo, before it is turned.

        `width` and `height` are the photo's in pixels. If the angle is 0, Pillow's
        `photo.crop(crop.pixels(*photo.size))` is the cropped photo.
        """
        left, top = round(self.left * width), round(self.top * height)
        right, bottom = round(self.right * width), round(self.bottom * height)
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def corners(self, width: float, height: float) -> Floats:
        """Return the turned corners in pixels, x and y, (4, 2), clockwise from the top left."""
        return self.in_pixels(width, height).corners()

    def lightroom(
        self, width: int, height: int, shown_as: int = orientation.UPRIGHT
    ) -> dict[str, Any]:
        """Return the crop as Lightroom and Camera Raw store it: names and values of XMP settings.

        They refer to the frame as it is stored: `width` and `height` are that frame's in pixels,
        `shown_as` is the EXIF orientation (1 to 8) by which it is displayed.
        """
        return lightroom.encode(self, width, height, shown_as)

    def apply(self, photo: Photo) -> Image.Image:
        """Crop and straighten the photo at its full resolution.

        A photo that is read from a path is returned in sRGB. Of a RAW photo, that is the camera's
        own preview where it is large enough, otherwise a plain development. Raises RejectedFile
        for a path that is not a readable photo.
        """
        image, _ = _read_upright(photo, None)
        if self.angle == 0:  # no resampling
            return image.crop(self.pixels(*image.size))
        return cut(image, self.in_pixels(*image.size))


class Cropper:
    """A loaded model. Several threads may use it at once."""

    def __init__(self, model: "_Model") -> None:
        self._model = model

    @property
    def facts(self) -> Mapping[str, Any]:
        """The metadata of an exported model, as in `litert`; empty for a Keras model."""
        return self._model.facts

    def suggest(
        self,
        photo: Photo,
        aspect: str | float | None = None,
        n: int = 1,
        straighten: bool = True,
        size: float = 1.0,
    ) -> list[Crop]:
        """Return up to `n` crops, the best first, each next one useful if those before are wrong.

        There are fewer than `n` if no other crop is at least half as likely. A crop leaves out
        uniform borders around the picture, and cuts no face if another crop can be found close to
        it; faces are found if the package cropperhead-base is installed.

        `aspect` is the aspect ratio of all of them: "4:5" or a number, width / height; "original"
        is the photo's own; None leaves it free. Without `straighten` the photo is not turned.
        `size` multiplies the crops' sides: below 1 for tighter ones, above 1 for looser ones.
        Raises ParamsError for an invalid aspect or size or an array that is not a picture,
        RejectedFile for a path that is not a readable photo, SetupError if its format needs a
        package that is not installed, and ModelError if the model gives no crop within the photo.
        """
        if n < 1:
            raise ParamsError(f"n is {n}, expected at least 1 crop")
        if not 0 < size < math.inf:
            raise ParamsError(f"size is {size}, expected a factor above 0, such as 0.9")
        seen_photo = _read_upright(photo, LONG_SIDE)
        return self.suggest_seen(*seen_photo, _ratio(aspect), n, straighten, size)

    def suggest_seen(
        self,
        image: Image.Image,
        frame: float,
        aspect: str = FREE,
        n: int = 1,
        straighten: bool = True,
        size: float = 1.0,
    ) -> list[Crop]:
        """Return crops as `suggest` does, for a photo as returned by `seen`."""
        content = borders.find_content(image)
        height, width = content[2:] - content[:2]
        inner = frame * float(width / height)
        if aspect == ORIGINAL and inner != frame:
            aspect = _ratio(frame)  # the photo's own, not that of what its borders leave
        part = borders.cut_out(image, content)
        found = faces.find_faces(part)
        outputs = self._outputs(part, inner)
        limits = outputs["limits"] if straighten else _unturned(outputs)
        [suggestions] = search.suggest_crops(limits, *_for_search(outputs), [inner], aspect, n)

        def adjust(limits: Floats) -> Floats:
            if size != 1:
                limits = boxes.resize(limits, size, inner)
            whole = faces.keep_whole(limits, found, inner, keeps_shape=aspect != FREE)
            return borders.place_back(whole, content)

        return [_crop(replace(each, limits=adjust(each.limits)), outputs) for each in suggestions]

    def straighten_seen(self, image: Image.Image, frame: float) -> Crop:
        """Return the largest crop of the photo's own aspect ratio that straightens it.

        The arguments are a photo as returned by `seen`. Borders stay.
        """
        outputs = self._outputs(image, frame)
        limits = outputs["limits"]
        [suggestion] = search.straighten_only(limits, *_for_search(outputs), [frame])
        return _crop(suggestion, outputs)

    def _outputs(self, image: Image.Image, frame: float) -> dict[str, Floats]:
        """The model's outputs for one photo, by name, each (1, ...)."""
        pixels = np.asarray(network_input.squash(image, self._model.input_size))
        outputs = self._model.outputs(pixels[None], np.array([frame]))
        _refuse_impossible(self._model.name, outputs, frame)
        return outputs


def load(path: str | PathLike[str] | None = None, threads: int = 1) -> Cropper:
    """Load a trained model, ready to suggest crops.

    `path` is an exported model (.tflite), a Keras model (.keras), or a folder with one of them;
    `model.tflite` is preferred. Without a path, it is the model of `model_files.find_default`. An
    exported model serves up to `threads` threads of the caller's at once. Raises ModelError for
    what is not a model of CropperHead's, or has no other output than limits, as the predecessor's,
    and SetupError if a Keras model needs a TensorFlow that is not installed.
    """
    file = model_files.find_default() if path is None else model_files.find(Path(path))
    model = _keras(file) if file.suffix == model_files.KERAS else litert.load_model(file, threads)
    _require_outputs(file, model.shapes)
    return Cropper(model)


def seen(file: Path, shown_as: int | None = None) -> tuple[Image.Image, float]:
    """Read a photo as a model sees it: an upright copy in sRGB, and the frame's width / height.

    `shown_as` is the EXIF orientation (1 to 8) to show it by, None for the camera's own. Raises
    RejectedFile and SetupError as `Cropper.suggest` does.
    """
    return _read_file(file, LONG_SIDE, shown_as)


class _Model(Protocol):
    """A trained model, as `litert.ExportedModel` is one."""

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> Mapping[str, Any]: ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    @property
    def input_size(self) -> int: ...

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]: ...


class _KerasModel:
    """A Keras model with the interface of an exported one."""

    facts: Mapping[str, Any] = {}

    def __init__(self, file: Path) -> None:
        from cropperhead.training.networks import keras_model  # noqa: PLC0415 - TensorFlow, which exported ones do without

        self.name, self._model = str(file), keras_model.load_model(file)
        self.shapes = {name: tuple(each.shape[1:]) for name, each in self._model.output.items()}
        self.input_size = keras_model.input_size(self._model)

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]:
        from cropperhead.training.batches import PhotoArrays  # noqa: PLC0415
        from cropperhead.training.networks import keras_model  # noqa: PLC0415

        names = [str(place) for place in range(len(images))]
        return keras_model.predict_outputs(
            self._model, PhotoArrays(names, images, np.asarray(aspect, np.float32))
        )


def _keras(file: Path) -> _KerasModel:
    try:
        return _KerasModel(file)
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{file}: a Keras model needs {error.name}, which is not installed. Install "
            "cropperhead[pipeline], or use an exported model (.tflite)."
        ) from error


def _require_outputs(file: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelError for a model without the outputs of `_Model.outputs`."""
    missing = set(_REQUIRED_OUTPUTS) - set(shapes)
    if missing:
        raise ModelError(
            f"{file}: has no output {', '.join(sorted(missing))}, which suggesting needs. Set "
            "train.quality to fast, standard or best."
        )
    count = shapes["shares"][:1]
    expected = {"limits": (5,), "confidence": (1,), "shares": count, "prototypes": (*count, 4)}
    expected |= {"straightening": (1,), "unturned": (4,)}
    wrong = [name for name in expected if shapes.get(name, expected[name]) != expected[name]]
    if wrong:
        name = wrong[0]
        raise ModelError(
            f"{file}: its output {name} is {shapes[name]} for a photo, expected {expected[name]}. "
            "Use a model that CropperHead trained."
        )


def _read_upright(photo: Photo, long_side: int | None) -> tuple[Image.Image, float]:
    """The upright picture or, with a long side, a copy in sRGB of at most that; and its aspect."""
    if isinstance(photo, str | PathLike):
        return _read_file(Path(photo), long_side)
    image = photo if isinstance(photo, Image.Image) else _image_from_array(photo)
    aspect = image.width / image.height
    if long_side is not None:
        image = upright_copy(image.copy(), orientation.UPRIGHT, long_side)
    return image, aspect


def _image_from_array(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ParamsError(
            f"the array is {pixels.dtype} {pixels.shape}, expected a picture in RGB: uint8 "
            "(height, width, 3)"
        )
    return Image.fromarray(pixels)


def _read_file(
    file: Path, long_side: int | None, shown_as: int | None = None
) -> tuple[Image.Image, float]:
    with _require_format(file), photo_file.open_photo(file) as photo:
        side, shown_as = long_side or max(photo.frame), shown_as or photo.shown_as
        aspect = _displayed_aspect(photo.frame, shown_as)
        return upright_copy(photo.picture(side), shown_as, side), aspect


def _displayed_aspect(stored: tuple[int, int], shown_as: int) -> float:
    width, height = orientation.displayed_size(*stored, shown_as)
    return width / height


@contextmanager
def _require_format(file: Path) -> Iterator[None]:
    """Raise SetupError, with its name, if the package that reads this format is missing."""
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
    """An aspect ratio in the notation of `aspect_ratio.parse_ratio`."""
    if aspect is None:
        return FREE
    return aspect if isinstance(aspect, str) else f"{aspect:.9f}:1"


def _refuse_impossible(model: str, outputs: Mapping[str, Floats], frame: float) -> None:
    """Raise ModelError for a crop outside the photo, and for shares that are none."""
    names = [*_REQUIRED_OUTPUTS, *_FURTHER_OUTPUTS]
    shares = {name: outputs[name] for name in names if name in outputs and name != "limits"}
    wrong = [name for name, values in shares.items() if not _are_within(values, 0, 1)]
    if wrong:
        problem = f"its output {wrong[0]} has other values than 0 to 1"
    else:
        problem = _crop_problem(outputs["limits"], frame)
        if not problem and "unturned" in outputs:
            problem = _crop_problem(_unturned(outputs), frame)
    if problem:
        raise ModelError(f"{model}: {problem}. Use another model, or train this one again.")


def _crop_problem(limits: Floats, frame: float) -> str:
    """What is wrong with a crop (1, 5) of a photo; empty if nothing is."""
    if not _are_within(limits, -math.inf, math.inf) or not crops.area(limits)[0] > 0:
        return f"its crop is {limits[0].tolist()}, expected one with an area"
    if crops.outside(limits, [frame])[0] > _ROUNDING:
        return f"its crop is {limits[0].tolist()}, expected one within the photo"
    return ""


def _are_within(values: Floats, least: float, most: float) -> bool:
    low, high = least - _ROUNDING, most + _ROUNDING
    return bool(((values >= low) & (values <= high) & np.isfinite(values)).all())


def _unturned(outputs: Mapping[str, Floats]) -> Floats:
    """The limits (1, 5) of the model's crop if the photo is not turned."""
    box = outputs.get("unturned", outputs["limits"][:, :4])
    return np.concatenate([box, np.zeros((1, 1))], axis=1)


def _for_search(outputs: Mapping[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Prototypes, shares and confidence, as the functions of `search` take them."""
    return outputs["prototypes"][0], outputs["shares"], outputs["confidence"][:, 0]


def _crop(suggestion: search.Suggestion, outputs: Mapping[str, Floats]) -> Crop:
    top, left, bottom, right, angle = (float(value) for value in suggestion.limits)
    sure = float(outputs["straightening"][0, 0]) if "straightening" in outputs else None
    unlike = "unlike" in outputs and bool(outputs["unlike"].max() > 1)
    overlap = float(suggestion.expected_overlap)
    return Crop(top, left, bottom, right, angle, overlap, sure, unlike=unlike)
