"""The project's own source files that a module consists of: itself and all that it imports."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = "cropperhead"
_ROOT = Path(__file__).resolve().parents[1]


def module_files(module: ModuleType) -> list[Path]:
    """List the source files of a module and of all project modules that it imports, sorted."""
    return imported_files(Path(str(module.__file__)))


def imported_files(file: Path) -> list[Path]:
    """List a source file and all files of the project that it imports, transitively, sorted."""
    files: set[Path] = set()
    pending = [file.resolve()]
    while pending:
        current = pending.pop()
        if current not in files:
            files.add(current)
            pending += _direct_imports(current)
    return sorted(files)


def package_path(file: Path) -> str:
    """A source file's path in the package, with forward slashes; its name if it is elsewhere."""
    return file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name


def _direct_imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (path for name in names for path in _module_and_packages(name))


def _module_and_packages(name: str) -> Iterator[Path]:
    """The file of a module of the project, if the name is one, and of the packages around it.

    They are found by path, because Python's own finder would import the packages.
    """
    package, *inner = name.split(".")
    if package != PACKAGE:
        return
    folder = _ROOT
    yield folder / "__init__.py"
    for part in inner:
        folder = folder / part
        candidates = [folder.with_suffix(".py"), folder / "__init__.py"]
        yield from (file for file in candidates if file.is_file())
