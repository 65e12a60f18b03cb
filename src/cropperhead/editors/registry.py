"""The editors that CropperHead knows. A new one is a module of this package and a line here.

`names` repeats their names for the command line, which must not load this module.
"""

from functools import cache
from typing import TypeVar

from cropperhead.editors import art, darktable, lightroom, rawtherapee
from cropperhead.editors.base import Editor, EmbeddingEditor, WritableEditor

Kind = TypeVar("Kind", bound=Editor)

# In order of precedence: the first that has a crop decides how a photo is displayed
EDITORS: tuple[Editor, ...] = (lightroom, darktable, rawtherapee, art)


def find_editor(name: str) -> Editor:
    """The editor of a name, one of `names.NAMES`."""
    return next(editor for editor in EDITORS if editor.name == name)


def find_writable(name: str) -> WritableEditor:
    """The editor of a name whose sidecars can be written, one of `names.WRITABLE_NAMES`."""
    return next(editor for editor in writable() if editor.name == name)


def find_embedding(name: str, photo_suffix: str) -> EmbeddingEditor | None:
    """The editor of a name, if it keeps its settings inside photos with this suffix."""
    editor = find_editor(name)
    is_inside = photo_suffix in editor.sidecars.unread_for
    return editor if is_inside and isinstance(editor, EmbeddingEditor) else None


def embedding() -> list[EmbeddingEditor]:
    """The editors whose settings can be written into photos."""
    return list(_with_interface(EDITORS, EmbeddingEditor))


def writable() -> list[WritableEditor]:
    """The editors whose sidecars can be written."""
    return list(_with_interface(EDITORS, WritableEditor))


@cache
def _with_interface(editors: tuple[Editor, ...], interface: type[Kind]) -> tuple[Kind, ...]:
    """The editors that have an interface; to ask for each photo takes a millisecond."""
    return tuple(editor for editor in editors if isinstance(editor, interface))


def with_sidecars(suffix: str) -> list[Editor]:
    """The editors whose sidecars have this suffix."""
    return [editor for editor in EDITORS if editor.sidecars.suffix == suffix]


def sidecar_suffixes() -> set[str]:
    """The suffixes of all editors' sidecars."""
    return {editor.sidecars.suffix for editor in EDITORS}


def rank(editor: Editor) -> int:
    """An editor's place in the order of `EDITORS`."""
    return [one.name for one in EDITORS].index(editor.name)
