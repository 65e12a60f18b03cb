"""The elements of an XMP packet, each with its place in the packet's text."""

import codecs
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from cropperhead.errors import RejectedFile

_ATTRIBUTE = re.compile(rb"""(\s+)([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_TAG_NAME, _TAG_END = re.compile(rb"<([^\s/>]+)"), re.compile(rb"\s*(/?)>")
_DECLARED = re.compile(rb"""^<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
# The longest first: UTF-32's begins as UTF-16's does
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATOR = "\f"  # of a name's namespace for expat: no XML can hold it


@dataclass
class Element:
    """An element, and its place in the text: offsets in bytes."""

    raw: str  # the name with its prefix, as written
    start: int
    opened: int  # the end of the start tag
    scope: Mapping[str, str]  # prefix -> namespace
    attributes: dict[str, tuple[int, int, int, str]]  # by raw name: blanks', value's ends, value
    is_empty: bool  # a tag of its own, `<name/>`
    closing: int = 0  # the start of the end tag
    end: int = 0
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def is_named(self, namespace: str, local: str) -> bool:
        """Whether this is its name."""
        return resolve_name(self.raw, self.scope) == (namespace, local)

    def child(self, namespace: str, local: str) -> "Element | None":
        """The first child of this name."""
        return next((one for one in self.children if one.is_named(namespace, local)), None)

    def attribute(self, namespace: str, local: str) -> str | None:
        """The raw name of the attribute of this name."""
        wanted = (namespace, local)
        return next(
            (raw for raw in self.attributes if resolve_name(raw, self.scope) == wanted), None
        )

    def properties(self, namespace: str) -> dict[str, str]:
        """The plain values of one namespace: attributes, and children that hold only text."""
        named = {
            resolve_name(raw, self.scope): attribute[3]
            for raw, attribute in self.attributes.items()
        }
        plain = [one for one in self.children if not one.children]
        named |= {resolve_name(one.raw, one.scope): one.text for one in plain}
        return {local: value for (uri, local), value in named.items() if uri == namespace}


def resolve_name(raw: str, scope: Mapping[str, str]) -> tuple[str, str]:
    """The namespace and the name of a raw name with a prefix; "" for no namespace."""
    prefix, colon, local = raw.rpartition(":")
    if prefix == "xmlns" or not colon:
        return "", raw
    return scope.get(prefix, ""), local


def decode_packet(data: bytes) -> tuple[bytes, str, bytes]:
    """The byte order mark, the encoding, and the text after the mark in UTF-8."""
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    declared = _DECLARED.match(data)
    if declared and not mark:
        encoding = declared[1].decode()
    try:
        encoding = codecs.lookup(encoding).name
        text = data[len(mark) :].decode(encoding)
        exact = text.encode(encoding) == data[len(mark) :]
    except (LookupError, UnicodeError):
        exact, text = False, ""
    if not exact:
        raise broken_xmp(f"it is not in {encoding}, which it declares")
    return mark, encoding, text.encode()


def parse_elements(text: bytes) -> Element:
    """The root element. Only the references that every XML has are expanded."""
    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    found: list[Element] = []
    open_ones: list[Element] = []

    def start(*_: Any) -> None:
        scope = open_ones[-1].scope if open_ones else {}
        element = _tag(text, parser.CurrentByteIndex, scope)
        if open_ones:
            open_ones[-1].children.append(element)
        open_ones.append(element)
        found.append(element)

    def end(_: str) -> None:
        element, at = open_ones.pop(), parser.CurrentByteIndex
        element.closing = element.opened if element.is_empty else at
        element.end = element.opened if element.is_empty else text.index(b">", at) + 1

    def characters(data: str) -> None:
        if open_ones:
            open_ones[-1].text += data

    def refuse(*_: Any) -> None:
        raise broken_xmp("it has a document type, which XMP never needs")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise broken_xmp(str(error)) from error
    return found[0]


def _tag(text: bytes, at: int, outer: Mapping[str, str]) -> Element:
    """The element whose start tag is there; expat has checked that it is well-formed."""
    named = _TAG_NAME.match(text, at)
    assert named is not None
    attributes, place = {}, named.end()
    while found := _ATTRIBUTE.match(text, place):
        value = html.unescape(found[3][1:-1].decode())
        attributes[found[2].decode()] = (found.start(), found.start(3), found.end(), value)
        place = found.end()
    closed = _TAG_END.match(text, place)
    assert closed is not None
    declared = {
        raw.removeprefix("xmlns:"): attribute[3]
        for raw, attribute in attributes.items()
        if raw.startswith("xmlns:")
    }
    scope = {**outer, **declared} if declared else outer
    return Element(named[1].decode(), at, closed.end(), scope, attributes, bool(closed[1]))


def broken_xmp(problem: str) -> RejectedFile:
    """The reason why a packet is not changed."""
    return RejectedFile("broken_xmp", f"the XMP cannot be changed: {problem}")
