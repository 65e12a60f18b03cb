"""Which of the project's own files a module is made of, itself and all that it imports."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = "cropperhead"


def of(module: ModuleType) -> list[Path]:
    """The source files of a module and of every module of the project below it, sorted."""
    return imported_by(Path(str(module.__file__)))


def imported_by(file: Path) -> list[Path]:
    """A source file and every file of the project that it imports, transitively, sorted."""
    found: set[Path] = set()
    pending = [file.resolve()]
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending += _imports(current)
    return sorted(found)


def _imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (path for name in names for path in _files(name))


def _files(name: str) -> Iterator[Path]:
    """The file of a module of the project, if the name is one, and of the packages around it."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]))
        if spec is not None and spec.origin:
            yield Path(spec.origin).resolve()


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # the name of a function, not of a module
        return None
