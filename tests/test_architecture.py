"""docs/architecture.md shows the code as it is."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import grimp
import networkx
import pytest
from conftest import ROOT, extract_params, save_photo, settings, xmp

from cropperhead.dataset import rows
from cropperhead.library import scan
from cropperhead.photos import exiftool

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "cropperhead"


def parts() -> set[str]:
    """The packages and modules of the top level."""
    found = {path.name for path in PACKAGE.glob("*.py")}
    return found | {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}


def imports() -> set[tuple[str, str]]:
    """Which part of the top level imports which, without `__init__.py`."""
    graph = grimp.build_graph("cropperhead", exclude_type_checking_imports=True)
    pairs = {
        (module.split(".")[1], imported.split(".")[1])
        for module in graph.modules - {"cropperhead"}
        for imported in graph.find_modules_directly_imported_by(module) - {"cropperhead"}
    }
    return {(one, other) for one, other in pairs if one != other}


def test_the_tree_names_every_part():
    tree = re.search(r"```\nsrc/cropperhead/\n(.*?)```", PAGE, re.DOTALL)
    assert tree
    named = set(re.findall(r"^(?:├──|└──) (\S+)", tree[1], re.MULTILINE))
    assert named == parts()


def test_the_picture_shows_who_imports_whom():
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", PAGE, re.MULTILINE))
    assert drawn == set(networkx.transitive_reduction(networkx.DiGraph(imports())).edges)


def test_the_import_rule_is_that_which_is_checked():
    stated = re.search(r"layers = \[\n(.*?)\]", PAGE, re.DOTALL)
    assert stated
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [rule] = [one for one in contracts["contracts"] if one["type"] == "layers"]
    assert re.findall(r'"(.+?)"', stated[1]) == rule["layers"]


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:src|docs|tests|stages|benchmarks)/[\w./-]+)`", PAGE))
    files = {name for name in named if "NAME" not in name}
    assert files
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []


def walk(heading: str) -> list[tuple[str, str]]:
    """The modules and functions of a walk."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`: `([\w.]+)`", section, re.MULTILINE)


@pytest.mark.parametrize("heading", ["From a photo to a label", "From a photo to a sidecar"])
def test_a_walk_names_real_functions_and_visits_no_module_twice(heading):
    steps = walk(heading)
    assert 1 < len(steps) <= 10
    modules = [module for module, _ in steps]
    assert sorted(set(modules)) == sorted(modules)
    for module, name in steps:
        assert name in functions(module), f"{module} has no {name}"


def test_a_cropped_photo_takes_the_walk_to_a_label_in_this_order(tmp_path):
    save_photo(tmp_path / "a.jpg", xmp(settings()))
    entries, params = scan.scan(tmp_path).entries, extract_params(tmp_path)
    with exiftool.tag_reader() as reader:
        called = trace(lambda: list(rows.read_rows(tmp_path, entries, [0], reader, params)))
    first = [called.index(step) for step in walk("From a photo to a label")]
    assert first == sorted(first)


def trace(work: Callable[[], object]) -> list[tuple[str, str]]:
    """The functions of the package that some work calls, each with its module, in order."""
    called = []

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(PACKAGE):
            module = file.relative_to(PACKAGE).as_posix()
            called.append((module, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return called


def functions(module: str) -> set[str]:
    """The functions and methods of a module, methods as `Class.method`."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {
        f"{one.name}.{node.name}"
        for one in classes
        for node in one.body
        if isinstance(node, ast.FunctionDef)
    }
    return methods | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
