"""A trained model as TFLite files for small runtimes, and the proof that they tell the same.

Only TFLite's own operations are used, so that LiteRT runs them everywhere, in browsers too. With
weights of 16 bits a file has half the size; the computation is that of 32 bits.
"""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from cropperhead.training.batches import Examples, Photos
from cropperhead.training.networks import keras_model

FLOAT32, FLOAT16 = "float32", "float16"
# By how much a limit may differ from Keras's, as a fraction of the frame's side. Rounding alone: of
# sums of 32 bits in another order, and of weights to 11 bits. A pixel of the 256 is 0.004.
TOLERANCES = {FLOAT32: 0.001, FLOAT16: 0.005}
_MOST_TURNED_BY_ONE = 0.001  # of the photos; rounding decides at one angle of all
_SAME_SCORE = 0.0005  # the same mean overlap to three decimals
# Numbers of a tensor, from which on 16 bits do. Nearly all weights are in such; not those that find
# the tilt, where a rounding decides whether a photo just at `train.least_angle_deg` is turned.
_LARGE = 8192
_DECIMALS = 5  # of the report's numbers
_READ_AT_ONCE = 256  # photos; 50 MB
_MOST_BYTES = {FLOAT32: 10_000_000, FLOAT16: 5_000_000}  # what a page can load without a thought

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
}


@dataclass(frozen=True)
class Parity:
    """How far an exported model is from Keras's on the same photos.

    `limits` is the largest difference of a limit as a fraction of the frame's side, `angle_deg` of
    an angle in degrees, `others` of any other output; those without the photos `turned_by_one`
    alone, whose tilt is just the least that is put right. The overlaps are means over all crops.
    """

    photos: int
    turned_by_one: int
    limits: float
    angle_deg: float
    others: float
    overlap: float
    keras_overlap: float

    def problems(self, weights: str) -> list[str]:
        """What makes a model of such weights another one than Keras's."""
        most = TOLERANCES[weights]
        # an angle in radians is, at most, how far it moves a corner in frames
        found = {"a limit": self.limits, "an angle, in radians,": math.radians(self.angle_deg)}
        told = [f"{self.turned_by_one} of {self.photos} photos are turned by one of the two"] * (
            self.turned_by_one > max(1, self.photos * _MOST_TURNED_BY_ONE)
        )
        told += [
            f"{name} differs by {value:.2g}, expected below {most:g}"
            for name, value in found.items()
            if not value < most  # nor NaN
        ]
        if not abs(self.overlap - self.keras_overlap) < _SAME_SCORE:
            told.append(f"mean overlap is {self.overlap:.4f}, expected {self.keras_overlap:.4f}")
        return told


def converted(model: Any) -> bytes:
    """A Keras model as TFLite for one photo at a time, with its names of inputs and outputs."""
    size = keras_model.input_size(model)

    def given(count: int | None) -> list[Any]:
        return [
            tf.TensorSpec((count, size, size, 3), tf.float32, name="image"),
            tf.TensorSpec((count, 1), tf.float32, name="aspect"),
        ]

    # Traced for any number of photos: of one alone Keras takes some sums for biases, and adds along
    # another axis (keras/src/backend/tensorflow/numpy.py, add).
    @tf.function(input_signature=given(None), autograph=False)  # type: ignore[untyped-decorator]
    def many(image: Any, aspect: Any) -> Any:
        return model({"image": image, "aspect": aspect}, training=False)

    frozen = convert_variables_to_constants_v2(many.get_concrete_function())

    @tf.function(input_signature=given(1), autograph=False)  # type: ignore[untyped-decorator]
    def one(image: Any, aspect: Any) -> Any:
        return dict(zip(sorted(model.output), frozen(image=image, aspect=aspect), strict=True))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [one.get_concrete_function()], tf.Module()
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())


def halved(content: bytes) -> bytes:
    """A TFLite model whose large weights take 16 bits; they are widened when it is loaded.

    The converter's own way halves every constant.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    graph = model.subgraphs[0]
    large = _large_weights(model)
    for buffer in {
        tensor.buffer: model.buffers[tensor.buffer] for tensor in large.values()
    }.values():
        buffer.data = np.frombuffer(bytes(buffer.data), "<f4").astype("<f2").view(np.uint8)
    wide = {place: _narrowed(tensor) for place, tensor in large.items()}
    moved = {place: len(graph.tensors) + i for i, place in enumerate(wide)}
    for operator in graph.operators:
        operator.inputs = [moved.get(place, place) for place in operator.inputs]
    graph.tensors += wide.values()
    model.operatorCodes.append(_widening())
    code = len(model.operatorCodes) - 1
    graph.operators[:0] = [_operator(code, narrow, place) for narrow, place in moved.items()]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def facts(model: Any, weights: str, data_sha256: str) -> Facts:
    """What an exported model tells of itself, as in `runtime`."""
    size = keras_model.input_size(model)
    shapes = {"image": [1, size, size, 3], "aspect": [1, 1]}
    return {
        "version": __version__,
        "kind": model.name,
        "weights": weights,
        "data_sha256": data_sha256,
        "inputs": {
            name: {"shape": shapes[name], "meaning": text} for name, text in _INPUTS.items()
        },
        "outputs": {
            name: {"shape": [1, *model.output[name].shape[1:]], "meaning": text}
            for name, text in _OUTPUTS.items()
            if name in model.output
        },
    }


def exported(model: Any, weights: str, data_sha256: str) -> bytes:
    """The whole file: the model and what it tells of itself."""
    content = converted(model)
    content = halved(content) if weights == FLOAT16 else content
    return litert.append_facts(content, facts(model, weights, data_sha256))


def outputs(network: ExportedModel, photos: Photos) -> dict[str, Floats]:
    """All that an exported model gives for photos, by name, each (n, ...), as `models.outputs`."""
    starts = range(0, max(1, len(photos.names)), _READ_AT_ONCE)
    slices = [slice(start, start + _READ_AT_ONCE) for start in starts]
    parts = [network.outputs(photos.images[part], photos.aspect[part]) for part in slices]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def parity(keras: Mapping[str, Floats], lite: Mapping[str, Floats], examples: Examples) -> Parity:
    """Compares what two models give for all photos of the examples, by name, each (n, ...)."""
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


def run(
    model_file: Path,
    examples: Examples,
    data_sha256: str,
    files: Mapping[str, Path],
    report: Path,
) -> None:
    """Exports a model to a file for each kind of weights, and reports how it compares.

    The examples are the test's, at the model's own size. Raises ModelError, with the report
    written, where a file tells something else than Keras does or is too large.
    """
    model = keras_model.load_model(model_file)
    keras = keras_model.predict_outputs(model, examples.photos)
    told, problems = {}, []
    for weights, file in files.items():
        content = exported(model, weights, data_sha256)
        file.write_bytes(content)
        found = parity(keras, outputs(litert.load_model(file), examples.photos), examples)
        told[weights] = {"bytes": len(content), **_rounded(asdict(found))}
        wrong = found.problems(weights)
        if len(content) > _MOST_BYTES[weights]:
            wrong.append(f"{len(content):,} bytes, expected {_MOST_BYTES[weights]:,} at most")
        problems += [f"{file}: {problem}" for problem in wrong]
    report.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    if problems:
        raise ModelError(f"{'; '.join(problems)}. See {report}.")


def _large_weights(model: Any) -> dict[int, Any]:
    """The tensors of a TFLite model that are to take 16 bits, by their places.

    Large ones, and those added to what they make: LiteRT's fast arithmetic (XNNPACK) takes weights
    of 16 bits with such alone, and the rest at two thirds of the speed.
    """
    graph = model.subgraphs[0]

    def numbers(place: int) -> int:
        data = model.buffers[graph.tensors[place].buffer].data
        known = data is not None and graph.tensors[place].type == schema.TensorType.FLOAT32
        return len(data) // 4 if known else 0

    large = {place for place in range(len(graph.tensors)) if numbers(place) >= _LARGE}
    for operator in graph.operators:
        if large.intersection(operator.inputs):
            large.update(place for place in operator.inputs if numbers(place))
    return {place: graph.tensors[place] for place in sorted(large)}


def _narrowed(tensor: Any) -> Any:
    """Makes a tensor one of 16 bits; returns that of 32 bits which it will be widened to."""
    wide = copy.copy(tensor)
    wide.buffer, wide.name = 0, tensor.name + b"_wide"  # buffer 0 is the empty one
    tensor.type = schema.TensorType.FLOAT16
    return wide


def _widening() -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 3  # the first that takes 16 bits
    return code


def _operator(code: int, taken: int, given: int) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [taken], [given]
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    """To what does not depend on the machine."""
    return {name: round(value, _DECIMALS) for name, value in numbers.items()}


def _largest(values: Floats) -> float:
    return float(np.max(values, initial=0.0))  # NaN where one is


def _mean_overlap(limits: Floats, examples: Examples) -> float:
    """Of photos' crops (n, 5) with those of the examples."""
    return float(crops.overlap(limits[examples.photo], examples.limits, examples.aspect).mean())
