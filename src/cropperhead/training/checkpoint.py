"""What an interrupted training needs to resume, in one file."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cropperhead.system import atomic


class Checkpoint:
    """The state of a training in a file.

    Only a training of the same `fingerprint` resumes from it; any other starts from the beginning.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file, self._fingerprint = file, fingerprint
        self._companions: list[Checkpoint] = []

    def write(self, values: Mapping[str, Any], arrays: Mapping[str, Sequence[Any]]) -> None:
        """Replaces the file: `values` are stored as JSON, `arrays` are lists of arrays by name."""
        named = {
            f"{k}/{i:05d}": np.asarray(v) for k, each in arrays.items() for i, v in enumerate(each)
        }
        text = json.dumps({"fingerprint": self._fingerprint, **values})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(self._file, partial(_save_arrays, values=text, arrays=named))

    def read(self) -> tuple[dict[str, Any], dict[str, list[Any]]] | None:
        """The values and arrays; None if the file is missing, cut off or another training's."""
        try:
            # NumPy reads a file that is not an archive as something else
            with zipfile.ZipFile(self._file), np.load(self._file) as archive:
                values = json.loads(str(archive["values"]))
                if values["fingerprint"] != self._fingerprint:
                    return None
                arrays: dict[str, list[Any]] = {}
                for name in sorted(set(archive.files) - {"values"}):
                    arrays.setdefault(name.split("/")[0], []).append(archive[name])
                return values, arrays
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def companion(self, name: str) -> "Checkpoint":
        """The checkpoint of another training, which is removed together with this one."""
        companion = Checkpoint(
            self._file.with_suffix(f".{name}{self._file.suffix}"), f"{self._fingerprint} {name}"
        )
        self._companions.append(companion)
        return companion

    def remove(self) -> None:
        """Removes the files, once the model is written and there is nothing left to resume."""
        for each in (self, *self._companions):
            each._file.unlink(missing_ok=True)


def _save_arrays(file: Path, values: str, arrays: Mapping[str, Any]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, values=np.array(values), **arrays)
