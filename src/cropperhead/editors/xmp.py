"""Changes an XMP packet, and keeps every other byte of its text as it was.

A property is in one of the top-level `rdf:Description`s, as an attribute or as an element. An
existing one keeps its form; a new one has the form of its neighbours. Keywords, masks, unknown
namespaces, comments, order, line ends, byte order mark and encoding stay.
"""

from typing import NamedTuple

from cropperhead.editors.xml_text import escape, quoteattr
from cropperhead.editors.xmp_elements import (
    Element,
    broken_xmp,
    decode_packet,
    parse_elements,
    resolve_name,
)

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
EMPTY = f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="CropperHead">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>
""".encode()
# The beginning and the end of a packet inside a photo (XMP specification, part 1, 7.3.2), where no
# declaration of XML may be, and room for the next program
_HEAD = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = b'<?xpacket end="w"?>'
_ROOM = (b" " * 99 + b"\n") * 20
EMPTY_INSIDE = _HEAD + EMPTY.partition(b"\n")[2] + _ROOM + _TAIL


class Name(NamedTuple):
    """A property: its namespace, the prefix to declare where there is none, and its name there."""

    namespace: str
    prefix: str
    local: str


class Packet:
    """An XMP packet, and the changes to be made to its text.

    Raises RejectedFile (`broken_xmp`) for XMP that is not well-formed, and for a document type:
    with one, entities could expand without end.
    """

    def __init__(self, data: bytes) -> None:
        self._mark, self._encoding, self.text = decode_packet(data)
        self._edits: list[tuple[int, int, bytes]] = []
        self._new: dict[Name, str] = {}
        root = parse_elements(self.text)
        rdf = root if root.is_named(RDF, "RDF") else root.child(RDF, "RDF")
        children = [] if rdf is None else rdf.children
        self.descriptions = [one for one in children if one.is_named(RDF, "Description")]
        if not self.descriptions:
            raise broken_xmp("it holds no rdf:Description")
        self.line_end = b"\r\n" if b"\r\n" in self.text else b"\n"

    def get(self, name: Name) -> str | None:
        """The plain value of a property; None for none, and for one that is not plain."""
        for one in self.descriptions:
            value = one.properties(name.namespace).get(name.local)
            if value is not None:
                return value
        return None

    def set(self, name: Name, value: str) -> None:
        """Sets a property to this plain value: in its place and form, or next to its neighbours.

        Raises RejectedFile (`broken_xmp`) if it holds more than a plain value now.
        """
        places = self._places(name)
        for host, place in places:
            if isinstance(place, str):
                self.set_attribute(host, place, value)
            else:
                self.set_text(place, value)
        if not places:
            self._new[name] = value

    def remove(self, name: Name) -> None:
        """Removes a property, with the blanks before it."""
        for host, place in self._places(name):
            if isinstance(place, str):
                blank, _, end, _ = host.attributes[place]
                self.edit(blank, end, b"")
            else:
                self.edit(place.start - len(self.blanks_before(place.start)), place.end, b"")

    def set_attribute(self, host: Element, raw: str, value: str) -> None:
        """Sets an attribute to another value; the quotes stay."""
        _, start, end, before = host.attributes[raw]
        if value != before:
            quote = self.text[start : start + 1]
            entity = {'"': "&quot;"} if quote == b'"' else {"'": "&apos;"}
            self.edit(start, end, quote + _ascii(escape(value, entity)) + quote)

    def set_text(self, element: Element, value: str) -> None:
        """Sets the text of an element that holds only text."""
        if element.children:
            raise broken_xmp(f"{element.raw} holds more than a plain value")
        if element.text == value:
            return
        text = _ascii(escape(value))
        if element.is_empty:
            start = self.text.rindex(b"/", element.start, element.opened)
            self.edit(start, element.opened, b">" + text + f"</{element.raw}>".encode())
        else:
            self.edit(element.opened, element.closing, text)

    def edit(self, start: int, end: int, text: bytes) -> None:
        """Replaces the bytes from `start` to `end` by `text`, in `to_bytes`."""
        self._edits.append((start, end, text))

    def prefix(self, host: Element, name: Name) -> str:
        """The prefix of a namespace at an element; declares one there if it has none."""
        for prefix, uri in host.scope.items():
            if prefix and uri == name.namespace:
                return prefix
        free = name.prefix
        while free in host.scope:
            free += "1"
        host.scope = {**host.scope, free: name.namespace}
        at, blank = self._after_attributes(host)
        self.edit(at, at, blank + f"xmlns:{free}={quoteattr(name.namespace)}".encode())
        return free

    def host(self, namespace: str) -> Element:
        """The description to which to add new properties of a namespace."""
        used = [one for one in self.descriptions if _uses(one, namespace)]
        declared = [one for one in self.descriptions if namespace in one.scope.values()]
        return (used or declared or self.descriptions)[0]

    def blanks_before(self, place: int) -> bytes:
        """The blanks that end at a place of the text."""
        before = self.text[:place]
        return before[len(before.rstrip()) :]

    def blanks_of_attributes(self, one: Element) -> bytes:
        """The blanks before the first attribute of an element."""
        blank, start, _, _ = next(iter(one.attributes.values()), (0, 0, 0, ""))
        text = self.text[blank:start]
        return text[: len(text) - len(text.lstrip())] or b" "

    def append(self, host: Element, child: bytes, after: Element | None = None) -> None:
        """Adds a child element, written as text, after another or as the last."""
        last = after or (host.children[-1] if host.children else None)
        if last is not None:
            self.edit(last.end, last.end, self.blanks_before(last.start) + child)
        elif host.is_empty:
            start = self.text.rindex(b"/", host.start, host.opened)
            inner = self.indent(host, 1) + child + self.indent(host)
            self.edit(start, host.opened, b">" + inner + f"</{host.raw}>".encode())
        else:
            self.edit(host.opened, host.opened, self.indent(host, 1) + child)

    def indent(self, host: Element, deeper: int = 0) -> bytes:
        """A new line, indented as an element is or deeper."""
        blanks = self.blanks_before(host.start)
        return (blanks if b"\n" in blanks else self.line_end) + b" " * deeper

    def to_bytes(self) -> bytes:
        """The packet with all changes."""
        for name, value in self._new.items():
            self._insert(name, value)
        self._new = {}
        parts, place = [], 0
        # at one place, insertions come first, in the order of the calls
        for start, end, new in sorted(self._edits, key=lambda one: (one[0], one[1] > one[0])):
            parts += [self.text[place:start], new]
            place = max(place, end)
        text = b"".join([*parts, self.text[place:]])
        if self._encoding == "utf-8":
            return self._mark + text
        return self._mark + text.decode().encode(self._encoding)

    def _places(self, name: Name) -> list[tuple[Element, str | Element]]:
        places: list[tuple[Element, str | Element]] = []
        for one in self.descriptions:
            raw = one.attribute(name.namespace, name.local)
            places += [(one, raw)] if raw else []
            named = [c for c in one.children if c.is_named(name.namespace, name.local)]
            places += [(one, child) for child in named]
        return places

    def _insert(self, name: Name, value: str) -> None:
        host = self.host(name.namespace)
        prefix = self.prefix(host, name)
        neighbours = [c for c in host.children if resolve_name(c.raw, c.scope)[0] == name.namespace]
        plain = [one for one in neighbours if not one.children]
        if plain and not _attributes_of(host, name.namespace):
            tag = f"{prefix}:{name.local}"
            self.append(host, f"<{tag}>".encode() + _ascii(escape(value)) + f"</{tag}>".encode())
            return
        at, blank = self._after_attributes(host, name.namespace)
        quoted = _ascii(quoteattr(value))
        self.edit(at, at, blank + f"{prefix}:{name.local}=".encode() + quoted)

    def _after_attributes(self, host: Element, namespace: str = "") -> tuple[int, bytes]:
        """After which byte of a start tag to add an attribute, and the blanks to start with."""
        if not host.attributes:
            return host.start + 1 + len(host.raw.encode()), b" "
        raw = (_attributes_of(host, namespace) or list(host.attributes))[-1]
        blank, start, end, _ = host.attributes[raw]
        text = self.text[blank:start]
        return end, text[: len(text) - len(text.lstrip())]


def _uses(one: Element, namespace: str) -> bool:
    names = [resolve_name(child.raw, child.scope)[0] for child in one.children]
    return namespace in names or bool(_attributes_of(one, namespace))


def _attributes_of(one: Element, namespace: str) -> list[str]:
    return [raw for raw in one.attributes if resolve_name(raw, one.scope)[0] == namespace]


def _ascii(text: str) -> bytes:
    """Text in any encoding of XML: characters beyond ASCII become references."""
    return text.encode("ascii", "xmlcharrefreplace")
