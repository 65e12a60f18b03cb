"""Which of the project's own files a module is made of, itself and all that it imports."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = "cropperhead"
_ROOT = Path(__file__).resolve().parents[1]


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


def relative(file: Path) -> str:
    """A source file's path in the package, with forward slashes; of one elsewhere its name."""
    return file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name


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
    """The file of a module of the project, if the name is one, and of the packages around it.

    Found by path: asking Python's own finder would import the packages on the way.
    """
    package, *inner = name.split(".")
    if package != PACKAGE:
        return
    place = _ROOT
    yield place / "__init__.py"
    for part in inner:
        place = place / part
        found = [place.with_suffix(".py"), place / "__init__.py"]
        yield from (file for file in found if file.is_file())
