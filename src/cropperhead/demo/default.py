"""The library that a fresh clone starts with."""

from pathlib import Path

from cropperhead.demo.library import draw_library
from cropperhead.params import DemoParams


def ensure_library(library: Path, demo: DemoParams) -> None:
    """Draws the demo library where the library in use is the demo's folder, unless it is there."""
    if library == Path(demo.folder):
        draw_library(library, demo.photos, demo.policy, demo.seed)
