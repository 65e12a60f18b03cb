"""Stores that send other headers than Amazon's: weak ETags, none, no parts of objects."""

import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pandas as pd
import pytest
from conftest import extract_params, save_photo, settings, xmp
from PIL import Image

from cropperhead.dataset import extract
from cropperhead.errors import RejectedFile
from cropperhead.library import scan, store
from cropperhead.library.store import Part, StoredLibrary

BUCKET = "plain"
BLOCK = 1 << 16
CROP = xmp(settings())
STORED = 1_750_000_000  # seconds since 1970
LARGE = Image.effect_noise((900, 600), 60).convert("RGB")


@dataclass
class Headers:
    """What a store says of its objects: "" for nothing."""

    listed: str = '"{}"'  # ETag in the list
    sent: str = '"{}"'  # and with the content
    version: str = ""
    has_time: bool = True
    has_parts: bool = True
    knows_conditions: bool = True


@dataclass
class PlainStore:
    """Objects by their names, and as much of S3 as reading them takes."""

    headers: Headers = field(default_factory=Headers)
    objects: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    sent: int = 0  # bytes of content that its clients have taken

    def put(self, name: str, content: bytes, at: int = STORED) -> None:
        self.objects[name], self.times[name] = content, at

    def listing(self, prefix: str) -> bytes:
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>{self._listed_time(name)}"
            f"</LastModified>{self._listed_etag(name)}<Size>{len(content)}</Size></Contents>"
            for name, content in sorted(self.objects.items())
            if name.startswith(prefix)
        )
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()
        )

    def answer(self, name: str, wanted: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content."""
        content, headers = self.objects[name], {}
        if self.headers.sent:
            headers["ETag"] = self.headers.sent.format(md5(content).hexdigest())
        if self.headers.has_time:
            headers["Last-Modified"] = formatdate(self.times[name], usegmt=True)
        if self.headers.version:
            headers["x-amz-version-id"] = self.headers.version.format(md5(content).hexdigest())
        if wanted is None or not self.headers.has_parts:
            return 200, headers, content
        first, last = wanted.removeprefix("bytes=").split("-")
        if int(first) >= len(content):
            return 416, {}, b""
        part = content[int(first) : int(last) + 1]
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        return 206, headers, part

    def _listed_time(self, name: str) -> str:
        return pd.Timestamp(self.times[name], unit="s").strftime("%Y-%m-%dT%H:%M:%S.678Z")

    def _listed_etag(self, name: str) -> str:
        if not self.headers.listed:
            return ""
        etag = self.headers.listed.format(md5(self.objects[name]).hexdigest())
        return f"<ETag>{escape(etag)}</ETag>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        plain, url = self.server.plain, urlsplit(self.path)
        query = parse_qs(url.query)
        name = unquote(url.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if "list-type" in query:
            self._send(200, {}, plain.listing(query.get("prefix", [""])[0]))
        elif "If-Match" in self.headers and not plain.headers.knows_conditions:
            self._send(400, {}, b"<Error><Message>what is If-Match?</Message></Error>")
        elif name in plain.objects:
            self._send(*plain.answer(name, self.headers["Range"]))
        else:
            self._send(404, {}, b"")

    def do_HEAD(self):
        name = unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")
        plain = self.server.plain
        self._send(*(plain.answer(name, None) if name in plain.objects else (404, {}, b"")))

    def _send(self, status, headers, content):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": len(content)}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for start in range(0, len(content) if self.command == "GET" else 0, BLOCK):
                self.wfile.write(content[start : start + BLOCK])
                self.server.plain.sent += BLOCK
        except OSError:  # the client wants no more
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def plain(monkeypatch):
    store._open.cache_clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.plain = PlainStore()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    yield server.plain
    store._open.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


LIBRARY = StoredLibrary(f"s3://{BUCKET}/photos")
HEADERS = {
    "strong ETags": Headers(),
    "strong ETags, conditions unknown": Headers(knows_conditions=False),
    "weak ETags": Headers('W/"{}"', 'W/"{}"'),
    "listed as strong, sent as weak": Headers(sent='W/"{}"'),
    "no ETags": Headers("", ""),
    "not listed, but sent": Headers(""),
    "weak ETags and versions": Headers('W/"{}"', 'W/"{}"', version="v{}"),
    "no parts": Headers(has_parts=False),
    "no parts, no ETags": Headers("", "", has_parts=False),
}


def run(tmp_path):
    extract.extract_into(tmp_path, LIBRARY, scan.scan(LIBRARY).entries, extract_params("library"))
    return pd.read_parquet(tmp_path / "ledger.parquet").set_index("file")


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_a_store_is_read_whatever_it_says_of_its_objects(plain, headers, tmp_path):
    plain.headers = headers
    content = save_photo(tmp_path / "a.jpg", None, LARGE).read_bytes()
    assert len(content) > 3 * BLOCK
    plain.put("photos/a.jpg", content)
    plain.put("photos/a.xmp", CROP)
    plain.put("photos/empty.jpg", b"")
    ledger = run(tmp_path / "out")
    assert ledger["outcome"].to_dict() == {"a.jpg": "cropped", "empty.jpg": "rejected"}
    assert ledger.loc["a.jpg", "sha256"] == sha256(content).hexdigest()
    assert ledger.loc["empty.jpg", "kind"] == "empty"
    part = LIBRARY.read("a.jpg", BLOCK + 5, 2 * BLOCK)
    assert part.content == content[BLOCK + 5 : 2 * BLOCK]
    assert part.size == len(content)
    # another sidecar of the same size, a second later
    plain.put("photos/a.xmp", CROP.replace(b'CropTop="0.1', b'CropTop="0.2'), STORED + 1)
    assert scan.scan(LIBRARY).entries[0].trace != ledger.loc["a.jpg", "trace"]


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_what_is_replaced_by_as_many_bytes_is_never_mixed(plain, headers):
    plain.headers = headers
    plain.put("photos/a.jpg", b"a" * 3 * BLOCK)
    first = LIBRARY.read("a.jpg", 0, BLOCK)
    assert LIBRARY.read("a.jpg", BLOCK, 2 * BLOCK, first).content == b"a" * BLOCK
    plain.put("photos/a.jpg", b"b" * 3 * BLOCK, STORED + 1)
    for _ in range(2):
        with pytest.raises(RejectedFile, match=r"a\.jpg: it was replaced while it was read"):
            LIBRARY.read("a.jpg", BLOCK, 2 * BLOCK, first)
        plain.put("photos/a.jpg", b"less")  # which has no such part


@pytest.mark.usefixtures("one_process")
def test_without_etag_and_time_a_photo_is_rejected_and_says_so(plain, tmp_path):
    plain.headers = Headers("", "", has_time=False)
    plain.put("photos/a.jpg", save_photo(tmp_path / "a.jpg", CROP).read_bytes())
    ledger = run(tmp_path / "out")
    assert ledger.loc["a.jpg", "kind"] == "unreadable"
    assert "sends neither an ETag nor a time" in ledger.loc["a.jpg", "reason"]


def test_an_escaped_name_is_not_that_of_another_object(plain):
    for name in ("a\nb.jpg", "a\\nb.jpg"):
        plain.put(f"photos/{name}", b"content")
    listed = {one.file: one.kind for one in scan.scan(LIBRARY).entries}
    assert listed == {"a\\nb.jpg": scan.PHOTO, "a\\nb.jpg/": scan.UNREADABLE}


def test_a_store_without_parts_sends_an_object_only_up_to_the_part(plain):
    plain.headers = Headers(has_parts=False)
    plain.put("photos/a.jpg", bytes(24 << 20))
    assert len(LIBRARY.read("a.jpg", 0, BLOCK).content) == BLOCK
    assert plain.sent < 8 << 20  # what buffers hold; the first 10 MB would come at once


@pytest.mark.parametrize("hiding", [[], ["a\tb"]], ids=["by obstore", "by botocore"])
def test_content_under_the_name_of_a_folder_is_rejected_and_hides_nothing(plain, hiding):
    for name in ("", "2024/a.jpg", *hiding):
        plain.put(f"photos/{name}", b"content")
    plain.put("photos/2024/", b"")
    if hiding:  # obstore lists the name without its slash
        plain.put("photos/2025/", b"content")
    listed = {one.file: one.kind for one in scan.scan(LIBRARY).entries}
    odd = dict.fromkeys(["./", *hiding, *(["2025/"] if hiding else [])], scan.UNREADABLE)
    assert listed == {"2024/a.jpg": scan.PHOTO} | odd


STRONG, WEAK, NEWER = '"a"', 'W/"a"', 'W/"b"'
SAME = [  # ETag, time and version of one part, those of another, whether they are of one content
    ((STRONG, 1, None), (STRONG, 2, None), True),  # a strong ETag wins over the time
    ((STRONG, 1, "v1"), (STRONG, 1, "v2"), True),  # and over the version: the same bytes again
    (('"b"', 1, None), (STRONG, 1, None), False),
    ((WEAK, 1, "v1"), (WEAK, 2, "v1"), True),  # then the version
    ((WEAK, 1, "v1"), (WEAK, 1, "v2"), False),
    ((WEAK, 1, None), (WEAK, 1, None), True),  # then both of what is weak
    ((WEAK, 1, None), (WEAK, 2, None), False),
    ((WEAK, 1, None), (NEWER, 1, None), False),
    ((STRONG, 1, None), (WEAK, 1, None), True),
    (("", 1, None), ("", 1, None), True),
    (("", 1, None), ("", 2, None), False),
    (("", 0, None), ("", 0, None), False),  # nothing is known
]


@pytest.mark.parametrize(("one", "other", "are_same"), SAME)
def test_what_tells_that_two_parts_are_of_the_same_content(one, other, are_same):
    parts = [Part(b"", 9, etag, seconds, version) for etag, seconds, version in (one, other)]
    assert parts[0].is_of_same(parts[1]) == are_same
    assert not parts[0].is_of_same(Part(b"", 8, one[0], one[1], one[2]))
