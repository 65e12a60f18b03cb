"""Writes text into XML.

Python's own functions come with urllib and its TLS, which take a tenth of the time in which a
worker process starts. So they are imported where something is written.
"""

from collections.abc import Mapping
from types import MappingProxyType


def escape(text: str, entities: Mapping[str, str] = MappingProxyType({})) -> str:
    """The text of an element; `entities` are further characters to replace."""
    from xml.sax import saxutils  # noqa: PLC0415

    return saxutils.escape(text, dict(entities))


def quoteattr(text: str) -> str:
    """The value of an attribute, in quotes."""
    from xml.sax import saxutils  # noqa: PLC0415

    return saxutils.quoteattr(text)
