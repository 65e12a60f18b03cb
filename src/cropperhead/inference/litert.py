"""The only door to LiteRT: an exported model as a function of arrays, without TensorFlow.

An exported model is a TFLite file for one photo at a time, after which lies a zip archive, as
TFLite files carry their associated files: a flatbuffer is read from its beginning, an archive from
its end, so that every TFLite runtime takes the file as it is and `zipfile` alone reads what it
tells of itself. Its one member is `cropperhead.json`:

- `version`: CropperHead's that exported it
- `kind`: the network's name
- `weights`: float32 or float16
- `data_sha256`: the data that it was trained on, as the model card names it
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

FACTS = "cropperhead.json"

Facts = Mapping[str, Any]  # of the module's docstring


class Network:
    """A loaded model. Threads may share it: as many photos are looked at at once as it has threads.

    `facts` are what the file tells of itself.
    """

    def __init__(self, content: bytes, facts: Facts, threads: int = 1) -> None:
        self.facts = facts
        self._threads = threads
        # Each has its memory for itself. One photo is too little work to be shared by two threads.
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
        """All that the model gives, by name, each (n, ...).

        `images` (n, side, side, 3), RGB in [0, 255] of any type; `aspect` (n,), the frames' width /
        height.
        """
        frames = np.asarray(aspect, np.float32)
        if len(images) == 1:
            told = [self._told(images[0], frames[0])]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                told = list(pool.map(self._told, images, frames))
        return {name: self._column(name, told) for name in self.names}

    def _column(self, name: str, told: list[dict[str, NDArray[np.float32]]]) -> Floats:
        nothing = np.zeros((0, *self.facts["outputs"][name]["shape"][1:]))
        return np.concatenate([nothing, *(one[name] for one in told)])

    def _told(self, image: NDArray[Any], aspect: np.float32) -> dict[str, NDArray[np.float32]]:
        """What is given for one photo, by name, each (1, ...)."""
        interpreter = self._idle.get()
        try:
            run = interpreter.get_signature_runner()
            told: dict[str, NDArray[np.float32]] = run(
                image=image[None].astype(np.float32), aspect=aspect.reshape(1, 1)
            )
            return told
        finally:
            self._idle.put(interpreter)


def load(file: Path, threads: int = 1) -> Network:
    """An exported model that looks at up to `threads` photos at once. Raises ModelError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    return opened(content, str(file), threads)


def opened(content: bytes, name: str, threads: int = 1) -> Network:
    """As `load`, from a file's bytes; `name` stands in errors."""
    told = facts(content, name)
    try:
        return Network(content, told, threads)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{name}: LiteRT does not take it: {error}") from error


def facts(content: bytes, name: str) -> Facts:
    """What an exported model's bytes tell of it. Raises ModelError for any other file's."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            told: Facts = json.loads(archive.read(FACTS))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelError(
            f"{name}: no model that CropperHead exported: it carries no {FACTS}. Models are "
            "exported by `dvc repro export`."
        ) from error
    return told


def with_facts(content: bytes, facts: Facts) -> bytes:
    """A TFLite model's bytes with what is to be told of it; the same for the same input."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(FACTS), text)  # of 1980: the same bytes at any time
    return buffer.getvalue()
