"""Reads the parts of a form that is in memory; names of files are not looked at.

Starlette's own parser writes large parts to the temporary folder, and leaves its files open after
some errors. Source: RFC 7578.
"""

from collections.abc import Collection

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

_MOST_HEADER_BYTES = 2048  # of a part


class FormError(Exception):
    """What is no form, or has other parts than expected."""


def parse_form(content_type: str, body: bytes, names: Collection[str]) -> dict[str, bytes]:
    """Return the content of each part of a form that has exactly these parts, each once.

    Raises FormError.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise FormError("expected multipart/form-data with a boundary")
    reader = _Reader(names)
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError, LookupError) as error:
        raise FormError("the form cannot be read") from error
    if not reader.is_complete or set(reader.parts) != set(names):
        raise FormError(f"expected the parts {' and '.join(sorted(names))}")
    return {name: b"".join(chunks) for name, chunks in reader.parts.items()}


class _Reader:
    """Collects the parts that the parser finds."""

    def __init__(self, names: Collection[str]) -> None:
        self.parts: dict[str, list[bytes]] = {}
        self.is_complete = False
        self._names = names
        self._field, self._value, self._headers = bytearray(), bytearray(), 0
        self._disposition = b""
        self._chunks: list[bytes] = []

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(self._field, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(self._value, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": lambda data, start, end: self._chunks.append(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition, self._headers = b"", 0

    def _add(self, text: bytearray, data: bytes) -> None:
        self._headers += len(data)
        if self._headers > _MOST_HEADER_BYTES:
            raise ValueError("a part has too many headers")
        text += data

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode()
        if name not in self._names or name in self.parts:
            raise ValueError("a part has an unexpected name, or comes twice")
        self._chunks = self.parts[name] = []

    def _end(self) -> None:
        self.is_complete = True
