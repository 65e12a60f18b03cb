"""Imports TensorFlow without the lines that it logs before it has read how much to log.

Two of its libraries log about oneDNN and CUDA as they are loaded, whatever `TF_CPP_MIN_LOG_LEVEL`
says, and on the file descriptor itself, where neither Python's nor absl's logging sees it.
"""

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_STANDARD_ERROR = 2
_INFORMATION = re.compile(rb"I\d{4} |WARNING: All log messages before absl::InitializeLog\(\)")


def arrange() -> None:
    """Have TensorFlow start quietly, once it is imported by whichever module needs it."""
    if "tensorflow" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def without_information() -> Iterator[None]:
    """Leave out lines of information that libraries write to standard error meanwhile.

    All other lines come at the end, also if an error ends it.
    """
    try:
        terminal = os.dup(_STANDARD_ERROR)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as written, os.fdopen(terminal, "wb") as stream:
        os.dup2(written.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(terminal, _STANDARD_ERROR)
            written.seek(0)
            stream.writelines(line for line in written if not _INFORMATION.match(line))


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with without_information():
            self._loader.exec_module(module)
