"""The only module that uses LiteRT: an exported model as a function of arrays, without TensorFlow.

An exported model is a TFLite file for one photo at a time, followed by a zip archive, as TFLite
files carry their associated files. A flatbuffer is read from its beginning, an archive from its
end: every TFLite runtime loads the file as it is, and `zipfile` alone reads the facts about it. The
archive's one member is `cropperhead.json`:

- `version`: the version of CropperHead that exported it
- `kind`: the network's name
- `weights`: float32 or float16
- `data_sha256`: the data that it was trained on, as in the model card
- `inputs`, `outputs`: by name a `shape`, and what the numbers mean
"""

import io
import json
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import ArrayLike, NDArray

from cropperhead.errors import ModelError
from cropperhead.geometry.crops import Floats

_FACTS = "cropperhead.json"

Facts = Mapping[str, Any]  # of the module's docstring


class ExportedModel:
    """A loaded model. Threads may share it; it runs on as many photos at once as it has threads."""

    def __init__(self, content: bytes, facts: Facts, threads: int = 1) -> None:
        self.facts = facts
        self._threads = threads
        # Each has memory of its own. One photo is too little work to share between two threads.
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            self._idle.put(Interpreter(model_content=content, num_threads=1))

    @property
    def names(self) -> list[str]:
        """The names of its outputs."""
        return list(self.facts["outputs"])

    @property
    def input_size(self) -> int:
        """The side in px of the square photos that it takes."""
        return int(self.facts["inputs"]["image"]["shape"][1])

    def outputs(self, images: NDArray[Any], aspect: ArrayLike) -> dict[str, Floats]:
        """All outputs of the model, by name, each (n, ...).

        `images` (n, side, side, 3), RGB in [0, 255] of any type; `aspect` (n,), the frames' width /
        height.
        """
        frames = np.asarray(aspect, np.float32)
        if len(images) == 1:
            rows = [self._run(images[0], frames[0])]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                rows = list(pool.map(self._run, images, frames))
        return {name: self._column(name, rows) for name in self.names}

    def _column(self, name: str, rows: list[dict[str, NDArray[np.float32]]]) -> Floats:
        nothing = np.zeros((0, *self.facts["outputs"][name]["shape"][1:]))
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
        finally:
            self._idle.put(interpreter)


def load_model(file: Path, threads: int = 1) -> ExportedModel:
    """Loads an exported model that runs on up to `threads` photos at once. Raises ModelError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    return parse_model(content, str(file), threads)


def parse_model(content: bytes, name: str, threads: int = 1) -> ExportedModel:
    """As `load_model`, from a file's bytes; `name` is for error messages."""
    facts = read_facts(content, name)
    try:
        return ExportedModel(content, facts, threads)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{name}: LiteRT cannot load it: {error}") from error


def read_facts(content: bytes, name: str) -> Facts:
    """Reads the facts in an exported model's bytes. Raises ModelError for any other file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            facts: Facts = json.loads(archive.read(_FACTS))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelError(
            f"{name}: not a model that CropperHead exported: it contains no {_FACTS}. "
            "`dvc repro export` exports a model."
        ) from error
    return facts


def append_facts(content: bytes, facts: Facts) -> bytes:
    """Appends facts to a TFLite model's bytes; the same input gives the same bytes."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(_FACTS), text)  # dated 1980: the same bytes at any time
    return buffer.getvalue()
