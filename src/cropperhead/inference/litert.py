"""The only module that uses LiteRT: an exported model as a function of arrays, without TensorFlow.

An exported model is a TFLite file for one photo at a time, followed by a zip archive, as TFLite
files carry their associated files. A flatbuffer is read from its beginning, an archive from its
end: every TFLite runtime loads the file as it is, and `zipfile` alone reads the facts about it. The
archive's one member is `cropperhead.json`:

- `version`: the version of CropperHead that exported it
- `kind`: the network's name
- `weights`: float32 or float16
- `data_sha256`: the data that it was trained on, as in the model card
- `learned_from`, of a base model: that data in words
- `inputs`, `outputs`: by name a `shape`, and what the numbers mean

A file may come from anybody. Before the model runs, the facts have to agree with it, and neither
may ask for much memory.
"""

import io
import json
import math
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import ArrayLike, NDArray

from cropperhead.errors import ModelError
from cropperhead.geometry.crops import Floats
from cropperhead.system import regular_file

_FACTS = "cropperhead.json"
# An exported model has up to 10 MB, and tensors of 60 MB. It takes photos of 256 or 300 px.
_MOST_BYTES, _MOST_FACTS_BYTES, _MOST_TENSOR_BYTES = 100_000_000, 1_000_000, 1_000_000_000
_MOST_SIDE, _MOST_NUMBERS = 1024, 100_000  # of a photo, in px; in an output
_LONGEST_PROBLEM = 300  # characters of an error, which may quote all of the facts

Facts = Mapping[str, Any]  # of the module's docstring


class Network:
    """A TFLite file of somebody else's: one picture in, several arrays out.

    Threads may share it; it runs on one picture at a time. Raises ValueError, or nearly anything of
    LiteRT's, for bytes that are not such a network.
    """

    def __init__(self, content: bytes) -> None:
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        [self._input] = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self._lock = Lock()

    @property
    def input_size(self) -> int:
        """The side in px of the square pictures that it takes."""
        return int(self._input["shape"][1])

    def run(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Its outputs for one picture (1, side, side, 3), in the order of the file."""
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], picture)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(each["index"]) for each in self._outputs]


class ExportedModel:
    """A loaded model. Threads may share it; it runs on as many photos at once as it has threads.

    Raises ValueError, or nearly anything of LiteRT's, for a model that does not fit its facts.
    """

    def __init__(self, content: bytes, facts: Facts, name: str, threads: int = 1) -> None:
        self.facts, self.name = facts, name
        self._threads = threads
        # Each has memory of its own. One photo is too little work to share between two threads.
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            interpreter = Interpreter(model_content=content, num_threads=1)
            _require_facts(interpreter, facts)
            self._idle.put(interpreter)

    @property
    def names(self) -> list[str]:
        """The names of its outputs."""
        return list(self.facts["outputs"])

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of its outputs for one photo, by name."""
        return {name: tuple(one["shape"][1:]) for name, one in self.facts["outputs"].items()}

    @property
    def input_size(self) -> int:
        """The side in px of the square photos that it takes."""
        return int(self.facts["inputs"]["image"]["shape"][1])

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]:
        """All outputs of the model, by name, each (n, ...).

        `images` (n, side, side, 3), RGB in [0, 255] of any type; `aspect` (n,), the frames' width /
        height. Raises ModelError if the model cannot be run.
        """
        frames = np.asarray(aspect, np.float32)
        if len(images) == 1:
            rows = [self._run(images[0], frames[0])]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                rows = list(pool.map(self._run, images, frames))
        return {name: self._column(name, rows) for name in self.names}

    def _column(self, name: str, rows: list[dict[str, NDArray[np.float32]]]) -> Floats:
        nothing = np.zeros((0, *self.shapes[name]))
        return np.concatenate([nothing, *(row[name] for row in rows)])

    def _run(self, image: NDArray[Any], aspect: np.float32) -> dict[str, NDArray[np.float32]]:
        """The outputs for one photo, by name, each (1, ...)."""
        interpreter = self._idle.get()
        try:
            run = interpreter.get_signature_runner()
            outputs: dict[str, NDArray[np.float32]] = run(
                image=image[None].astype(np.float32), aspect=aspect.reshape(1, 1)
            )
            return outputs
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.name}: LiteRT cannot run it: {error}") from error
        finally:
            self._idle.put(interpreter)


def load_model(file: Path, threads: int = 1) -> ExportedModel:
    """Loads an exported model that runs on up to `threads` photos at once. Raises ModelError."""
    try:
        content = regular_file.read_bytes(file, _MOST_BYTES)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    return parse_model(content, str(file), threads)


def parse_model(content: bytes, name: str, threads: int = 1) -> ExportedModel:
    """As `load_model`, from a file's bytes; `name` is for error messages."""
    facts = read_facts(content, name)
    try:
        return ExportedModel(content, facts, name, threads)
    except Exception as error:  # LiteRT raises nearly anything on damaged files
        problem = str(error)[:_LONGEST_PROBLEM]
        raise ModelError(f"{name}: LiteRT cannot load it: {problem}") from error


def read_facts(content: bytes, name: str) -> Facts:
    """Reads the facts in an exported model's bytes. Raises ModelError for any other file."""
    try:
        facts: Facts = json.loads(_read_member(content))
    except Exception as error:  # zipfile raises nearly anything on damaged archives
        is_absent = isinstance(error, zipfile.BadZipFile | KeyError)
        problem = f"it contains no {_FACTS}" if is_absent else f"its {_FACTS} cannot be read"
        raise _foreign(name, problem) from error
    if not _describe_model(facts):
        raise _foreign(
            name, f"its {_FACTS} does not describe a model for one photo of up to {_MOST_SIDE} px"
        )
    return facts


def append_facts(content: bytes, facts: Facts) -> bytes:
    """Appends facts to a TFLite model's bytes; the same input gives the same bytes."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(_FACTS), text)  # dated 1980: the same bytes at any time
    return buffer.getvalue()


def _foreign(name: str, problem: str) -> ModelError:
    return ModelError(
        f"{name}: not a model that CropperHead exported: {problem}. `dvc repro export` exports a "
        "model."
    )


def _read_member(content: bytes) -> bytes:
    """The archive's member. Raises ValueError for one that is too large, and zipfile's errors."""
    # an archive of a few members is at the end, and one of millions takes all memory
    with (
        zipfile.ZipFile(io.BytesIO(content[-_MOST_FACTS_BYTES:])) as archive,
        archive.open(_FACTS) as member,
    ):
        text = member.read(_MOST_FACTS_BYTES + 1)
    if len(text) > _MOST_FACTS_BYTES:
        raise ValueError(f"{_FACTS} has more than {_MOST_FACTS_BYTES:,} bytes")
    return text


def _describe_model(facts: Any) -> bool:
    """Whether facts have the inputs and outputs of a model for one photo."""
    try:
        inputs, outputs = facts["inputs"], facts["outputs"]
        side = inputs["image"]["shape"][1]
        shapes = [one["shape"] for one in (*inputs.values(), *outputs.values())]
        is_for_one = all(_is_shape(shape) and shape[0] == 1 for shape in shapes)
        takes = {name: one["shape"] for name, one in inputs.items()}
        return (
            is_for_one
            and takes == {"image": [1, side, side, 3], "aspect": [1, 1]}
            and side <= _MOST_SIDE
            and all(math.prod(one["shape"]) <= _MOST_NUMBERS for one in outputs.values())
        )
    except (TypeError, KeyError, IndexError, AttributeError):
        return False


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)


def _require_facts(interpreter: Any, facts: Facts) -> None:
    """Raises ValueError for a model that differs from its facts or takes too much memory."""
    runner = interpreter.get_signature_runner()
    found = {"inputs": runner.get_input_details(), "outputs": runner.get_output_details()}
    for part, details in found.items():
        wanted = {name: one["shape"] for name, one in facts[part].items()}
        actual = {name: one["shape"].tolist() for name, one in details.items()}
        kinds = {one["dtype"] for one in details.values()}
        if actual != wanted or kinds != {np.float32}:
            raise ValueError(f"its {part} are {actual}, expected {wanted}, as {_FACTS} describes")
    total = sum(map(_tensor_bytes, interpreter.get_tensor_details()))
    if total > _MOST_TENSOR_BYTES:
        raise ValueError(f"its tensors take {total:,} bytes, expected {_MOST_TENSOR_BYTES:,}")


def _tensor_bytes(tensor: Mapping[str, Any]) -> int:
    bytes_each: int = np.dtype(tensor["dtype"]).itemsize
    return math.prod(map(int, tensor["shape"])) * bytes_each
