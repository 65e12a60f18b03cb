"""Exports a trained model as TFLite files for small runtimes, and checks their predictions.

Only TFLite's own operations are used, so that LiteRT runs them everywhere, in browsers too. With
weights of 16 bits a file has half the size; it still computes with 32 bits.
"""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cropperhead import __version__
from cropperhead.errors import ModelError
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.inference import litert
from cropperhead.inference.litert import ExportedModel, Facts
from cropperhead.system import atomic
from cropperhead.training.batches import Examples, PhotoArrays
from cropperhead.training.networks import keras_model
from cropperhead.words import format_count

FLOAT32, FLOAT16 = "float32", "float16"
# By how much a limit may differ from Keras's, as a fraction of the frame's side. Rounding alone
# causes it: of sums of 32 bits in another order, and of weights to 11 bits. One of 256 px is 0.004.
TOLERANCES = {FLOAT32: 0.001, FLOAT16: 0.005}
_MOST_TURNED_BY_ONE = 0.001  # of the photos; rounding decides only at the two thresholds
_SAME_SCORE = 0.0005  # the same mean overlap to three decimals
# Tensors with at least as many numbers are stored in 16 bits. Nearly all weights are in such
# tensors, but not those that find the tilt: there a rounding decides whether a photo at just
# `train.least_angle_deg` or `train.least_straightening` is turned.
_LARGE = 8192
_DECIMALS = 5  # of the report's numbers
_BATCH = 256  # photos; 50 MB
_MOST_BYTES = {FLOAT32: 10_000_000, FLOAT16: 5_000_000}  # what a web page can load at once

_INPUTS = {
    "image": "RGB in [0, 255]: the upright photo in sRGB, squashed to a square",
    "aspect": "the displayed frame's width / height",
}
_OUTPUTS = {
    "limits": f"the crop: {', '.join(CROP_COLUMNS)}; fractions of the displayed frame's height and "
    "width, of the rectangle before it is turned; degrees, above 0 clockwise",
    "confidence": "the overlap (intersection over union) to expect with the photographer's crop",
    "uncropped": "the probability that the photographer would keep (nearly) the whole frame",
    "shares": "the probability that the photographer's crop is like each prototype",
    "prototypes": "typical crops: top, left, bottom, right; the same for every photo",
    "straightening": "the probability that turning the photo brings it nearer to how the "
    "photographer would turn it",
    "unturned": "the crop if the photo is not turned: top, left, bottom, right",
    "unlike": "how unlike all known photos the photo is; above 1, more than nearly all of them",
}


@dataclass(frozen=True)
class Parity:
    """How far an exported model's predictions are from Keras's on the same photos.

    `limits` is the largest difference of a limit as a fraction of the frame's side, `angle_deg` of
    an angle in degrees, `others` of any other output. These leave out the `turned_by_one` photos
    that only one of the two turns, which are just at a threshold. The overlaps are means
    over all crops.
    """

    photos: int
    turned_by_one: int
    limits: float
    angle_deg: float
    others: float
    overlap: float
    keras_overlap: float

    def problems(self, weights: str) -> list[str]:
        """Why a model with such weights does not match Keras's; empty if it does."""
        most = TOLERANCES[weights]
        # an angle in radians is, at most, how far it moves a corner in frames
        differences = {
            "a limit": self.limits,
            "an angle, in radians,": math.radians(self.angle_deg),
        }
        problems = []
        if self.turned_by_one > max(1, self.photos * _MOST_TURNED_BY_ONE):
            problems.append(
                f"{self.turned_by_one} of {format_count(self.photos, 'photo')} turned by only one"
            )
        problems += [
            f"{name} differs by {value:.2g}, expected below {most:g}"
            for name, value in differences.items()
            if not value < most  # nor NaN
        ]
        if not abs(self.overlap - self.keras_overlap) < _SAME_SCORE:
            problems.append(
                f"mean overlap is {self.overlap:.4f}, expected {self.keras_overlap:.4f}"
            )
        return problems


def convert_model(model: Any) -> bytes:
    """Converts a Keras model to TFLite for one photo at a time; inputs and outputs keep names."""
    size = keras_model.input_size(model)

    def specification(count: int | None) -> list[Any]:
        return [
            tf.TensorSpec((count, size, size, 3), tf.float32, name="image"),
            tf.TensorSpec((count, 1), tf.float32, name="aspect"),
        ]

    # Traced for any number of photos: for one alone Keras treats some sums as biases, and adds
    # along another axis (keras/src/backend/tensorflow/numpy.py, add).
    @tf.function(input_signature=specification(None), autograph=False)  # type: ignore[untyped-decorator]
    def many(image: Any, aspect: Any) -> Any:
        return model({"image": image, "aspect": aspect}, training=False)

    frozen = convert_variables_to_constants_v2(many.get_concrete_function())

    @tf.function(input_signature=specification(1), autograph=False)  # type: ignore[untyped-decorator]
    def one(image: Any, aspect: Any) -> Any:
        return dict(zip(sorted(model.output), frozen(image=image, aspect=aspect), strict=True))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [one.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())


def halve_weights(content: bytes) -> bytes:
    """Stores a TFLite model's large weights in 16 bits; they are widened when it is loaded.

    The converter's own option halves every constant.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    graph = model.subgraphs[0]
    large = _large_weights(model)
    _unshare_buffers(model, large)
    for buffer in {
        tensor.buffer: model.buffers[tensor.buffer] for tensor in large.values()
    }.values():
        buffer.data = np.frombuffer(bytes(buffer.data), "<f4").astype("<f2").view(np.uint8)
    wide = {place: _narrow(tensor) for place, tensor in large.items()}
    moved = {place: len(graph.tensors) + i for i, place in enumerate(wide)}
    for operator in graph.operators:
        operator.inputs = [moved.get(place, place) for place in operator.inputs]
    graph.tensors += wide.values()
    model.operatorCodes.append(_widening())
    code = len(model.operatorCodes) - 1
    graph.operators[:0] = [_operator(code, narrow, place) for narrow, place in moved.items()]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def model_facts(
    model: Any, weights: str, data_sha256: str, learned_from: str | None = None
) -> Facts:
    """The facts that an exported model carries, as in `litert`."""
    size = keras_model.input_size(model)
    shapes = {"image": [1, size, size, 3], "aspect": [1, 1]}
    return {
        "version": __version__,
        "kind": model.name,
        "weights": weights,
        "data_sha256": data_sha256,
        **({"learned_from": learned_from} if learned_from else {}),
        "inputs": {
            name: {"shape": shapes[name], "meaning": text} for name, text in _INPUTS.items()
        },
        "outputs": {
            name: {"shape": [1, *model.output[name].shape[1:]], "meaning": text}
            for name, text in _OUTPUTS.items()
            if name in model.output
        },
    }


def export_model(
    model: Any, weights: str, data_sha256: str, learned_from: str | None = None
) -> bytes:
    """The bytes of an exported file: the model and the facts about it."""
    facts = model_facts(model, weights, data_sha256, learned_from)
    return _with_facts(convert_model(model), weights, facts)


def predict_outputs(model: ExportedModel, photos: PhotoArrays) -> dict[str, Floats]:
    """All outputs of an exported model for photos, by name, each (n, ...).

    As `keras_model.predict_outputs`.
    """
    starts = range(0, max(1, len(photos.names)), _BATCH)
    slices = [slice(start, start + _BATCH) for start in starts]
    parts = [model.outputs(photos.images[part], photos.aspect[part]) for part in slices]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def compare_outputs(
    keras: Mapping[str, Floats], lite: Mapping[str, Floats], examples: Examples
) -> Parity:
    """Compares the outputs of two models for all photos of the examples, by name, each (n, ...)."""
    turned = [each["limits"][:, 4] != 0 for each in (lite, keras)]
    both = turned[0] == turned[1]
    apart = {name: np.abs(lite[name] - values)[both] for name, values in keras.items()}
    scores = [_mean_overlap(each["limits"], examples) for each in (lite, keras)]
    return Parity(
        photos=len(both),
        turned_by_one=int((~both).sum()),
        limits=_largest(apart["limits"][:, :4]),
        angle_deg=_largest(apart["limits"][:, 4]),
        others=max((_largest(apart[name]) for name in apart if name != "limits"), default=0.0),
        overlap=scores[0],
        keras_overlap=scores[1],
    )


def export_files(
    model_file: Path,
    examples: Examples,
    data_sha256: str,
    files: Mapping[str, Path],
    report: Path,
) -> None:
    """Exports a model to a file for each kind of weights, and writes a report of their parity.

    The examples are those of the test split, at the model's own size. Raises ModelError, after
    writing the report, if a file's predictions differ from Keras's or it is too large.
    """
    model = keras_model.load_model(model_file)
    keras = keras_model.predict_outputs(model, examples.photos)
    converted = convert_model(model)
    rows, problems = {}, []
    for weights, file in files.items():
        content = _with_facts(converted, weights, model_facts(model, weights, data_sha256))
        atomic.replace(file, partial(Path.write_bytes, data=content))
        lite = predict_outputs(litert.load_model(file), examples.photos)
        parity = compare_outputs(keras, lite, examples)
        rows[weights] = {"bytes": len(content), **_round(asdict(parity))}
        wrong = parity.problems(weights)
        if len(content) > _MOST_BYTES[weights]:
            wrong.append(f"{len(content):,} bytes, expected {_MOST_BYTES[weights]:,} at most")
        problems += [f"{file}: {problem}" for problem in wrong]
    report.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if problems:
        raise ModelError(f"{'; '.join(problems)}. See {report}.")


def _with_facts(converted: bytes, weights: str, facts: Facts) -> bytes:
    content = halve_weights(converted) if weights == FLOAT16 else converted
    return litert.append_facts(content, facts)


def _large_weights(model: Any) -> dict[int, Any]:
    """The tensors of a TFLite model to store in 16 bits, by index.

    Large ones, unless 16 bits cannot hold them, and those added to their products: LiteRT's fast
    arithmetic (XNNPACK) accepts weights of 16 bits only with such biases, and runs the rest at two
    thirds of the speed.
    """
    graph = model.subgraphs[0]

    def count_constants(index: int) -> int:
        data = model.buffers[graph.tensors[index].buffer].data
        constant = data is not None and graph.tensors[index].type == schema.TensorType.FLOAT32
        return len(data) // 4 if constant else 0

    def fits(index: int) -> bool:
        data = bytes(model.buffers[graph.tensors[index].buffer].data)
        return bool(np.abs(np.frombuffer(data, "<f4")).max() <= np.finfo(np.float16).max)

    places = range(len(graph.tensors))
    large = {place for place in places if count_constants(place) >= _LARGE and fits(place)}
    for operator in graph.operators:
        if large.intersection(operator.inputs):
            large.update(place for place in operator.inputs if count_constants(place))
    return {place: graph.tensors[place] for place in sorted(large)}


def _unshare_buffers(model: Any, large: Mapping[int, Any]) -> None:
    """Gives large tensors buffers of their own where they share one with a tensor of 32 bits.

    The converter stores equal contents once, such as biases of zeros.
    """
    tensors = enumerate(model.subgraphs[0].tensors)
    wide = {tensor.buffer for place, tensor in tensors if place not in large}
    copies: dict[int, int] = {}
    for tensor in large.values():
        if tensor.buffer in wide and tensor.buffer not in copies:
            copies[tensor.buffer] = len(model.buffers)
            model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
        tensor.buffer = copies.get(tensor.buffer, tensor.buffer)


def _narrow(tensor: Any) -> Any:
    """Makes a tensor one of 16 bits; returns the tensor of 32 bits that it is widened to."""
    wide = copy.copy(tensor)
    wide.buffer, wide.name = 0, tensor.name + b"_wide"  # buffer 0 is the empty one
    tensor.type = schema.TensorType.FLOAT16
    return wide


def _widening() -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first for 16 bits
    return code


def _operator(code: int, source: int, target: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _round(numbers: Mapping[str, float]) -> dict[str, float]:
    """Rounded to the digits that do not depend on the machine."""
    return {name: round(value, _DECIMALS) for name, value in numbers.items()}


def _largest(values: Floats) -> float:
    return float(np.max(values, initial=0.0))  # NaN where one is


def _mean_overlap(limits: Floats, examples: Examples) -> float:
    """The mean overlap of photos' crops (n, 5) with those of the examples."""
    return float(crops.overlap(limits[examples.photo], examples.limits, examples.aspect).mean())
