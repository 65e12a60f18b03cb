"""The demo library as the default photo library of a fresh clone."""

from pathlib import Path

from cropperhead.demo.library import draw_library
from cropperhead.params import DemoParams


def ensure_library(library: Path, demo: DemoParams) -> None:
    """Draw the demo library if `library` is its folder and it does not exist yet."""
    if library == Path(demo.folder):
        draw_library(library, demo.photos, demo.policy, demo.seed)
