"""The files that every study's page has; the other pages use their colours.

Importing this needs no package but the standard library, unlike the rest of a study.
"""

from importlib import resources

PALETTE = "palette.css"
NAMES = ("index.html", PALETTE, "study.css", "study.js")


def read(name: str) -> bytes:
    """Return a file's content."""
    return (resources.files(__package__) / "page" / name).read_bytes()
