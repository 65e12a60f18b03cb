"""The editors' names, for the command line: importing them loads no editor and no package.

A test compares them with the registry.
"""

NAMES = ("lightroom", "darktable", "rawtherapee", "art")
WRITABLE_NAMES = ("lightroom", "darktable", "rawtherapee")
EMBEDDING_NAMES = ("lightroom",)
