"""The files of the page: HTML, styles, scripts and what they need, in the folder `page`.

They are read once, and kept compressed as they are sent. A file that is stored as `NAME.br` is
served as `NAME`: LiteRT's WebAssembly has 9 MB, and 2 MB compressed.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable

import brotli
from starlette.requests import Request
from starlette.responses import Response

from cropperhead.study import static_files

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
}
_BROTLI = ".br"
# Of what the server compresses as it starts: the best saves another tenth, and takes 30 times as
# long
_QUALITY, _WINDOW_BITS = 9, 24
_GZIP_LEVEL = 6
# The browser asks each time whether a file is still the same; the service worker spares even that
_REVALIDATE = "no-cache"


@dataclass(frozen=True)
class Asset:
    """A file as it is sent: compressed by Brotli, its media type and its content's SHA-256."""

    compressed: bytes
    media_type: str
    sha256: str

    @property
    def content(self) -> bytes:
        """The file as it is."""
        return bytes(brotli.decompress(self.compressed))

    @cached_property
    def gzipped(self) -> bytes:
        """The file for browsers that take Brotli by HTTPS only, as Firefox does."""
        return gzip.compress(self.content, _GZIP_LEVEL, mtime=0)

    def response(self, request: Request) -> Response:
        """Answer a request for it: the file, or that the browser's copy still is the same."""
        tag = f'"{self.sha256[:32]}"'
        headers = {"Cache-Control": _REVALIDATE, "ETag": tag, "Vary": "Accept-Encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        names = _accepted_encodings(request.headers.get("accept-encoding", ""))
        encoding = next((name for name in ("br", "gzip") if name in names), None)
        if encoding is None:
            return Response(self.content, headers=headers, media_type=self.media_type)
        headers["Content-Encoding"] = encoding
        content = self.compressed if encoding == "br" else self.gzipped
        return Response(content, headers=headers, media_type=self.media_type)


def make_asset(content: bytes, suffix: str) -> Asset:
    """Make an asset of a file's content; `suffix` is its name's, without a dot."""
    media_type = _TYPES.get(suffix, "application/octet-stream")
    compressed = brotli.compress(content, quality=_QUALITY, lgwin=_WINDOW_BITS)
    return Asset(compressed, media_type, hashlib.sha256(content).hexdigest())


@cache
def page_assets() -> Mapping[str, Asset]:
    """All files of the page, by their path in its folder, with slashes; and the colours."""
    palette = make_asset(static_files.read(static_files.PALETTE), "css")
    return dict(_read_folder(resources.files(__package__) / "page", "")) | {
        static_files.PALETTE: palette
    }


def page_text(path: str) -> str:
    """The text of a file of the page."""
    return page_assets()[path].content.decode()


def _accepted_encodings(header: str) -> set[str]:
    """Those that `Accept-Encoding` names, without those of weight 0 (RFC 9110, 12.4.2)."""
    weights = [one.replace(" ", "").lower().partition(";q=") for one in header.split(",")]
    return {name for name, _, weight in weights if not weight or weight.strip("0.")}


def _read_folder(folder: Traversable, path: str) -> list[tuple[str, Asset]]:
    found = []
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if one.is_dir():
            found += _read_folder(one, f"{path}{one.name}/")
        elif one.name.rpartition(".")[2] in {*_TYPES, _BROTLI[1:]}:
            found.append((f"{path}{one.name.removesuffix(_BROTLI)}", _read_file(one)))
    return found


def _read_file(file: Traversable) -> Asset:
    content = file.read_bytes()
    suffix = file.name.removesuffix(_BROTLI).rpartition(".")[2]
    if not file.name.endswith(_BROTLI):
        return make_asset(content, suffix)
    digest = hashlib.sha256(content).hexdigest()  # of the compressed file: it is made once
    return Asset(content, _TYPES[suffix], digest)
