"""The demo library as the default photo library of a fresh clone."""

from pathlib import Path

from cropperhead.demo.library import draw_library
from cropperhead.params import DemoParams
from cropperhead.system import object_store


def ensure_library(library: str, demo: DemoParams) -> None:
    """Draw the demo library if `library`, a folder or a URL, is its folder and does not exist."""
    folder = Path(demo.folder)
    if not object_store.is_url(library) and Path(library).expanduser() == folder:
        draw_library(folder, demo.photos, demo.policy, demo.seed)
