"""Counts the requests and the bytes that a library in an object store takes.

python benchmarks/store.py [--photos N] [--new N] [--dvc DVC] [--folder DIR]

It draws a mixed library, most of it uncropped as most libraries are, puts it into moto's S3 server,
and extracts it, again unchanged, and again with new photos. Finished shards go to the same server.
With the path of a DVC that has S3 (`pip install 'dvc[s3]'`), it also runs `dvc push` to the same
place, after the first and the last run. Bytes are those of bodies, without headers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from extract import CAMERA_SIZE, CROPPED, UNCROPPED, XMP, draw_scene, encode, with_packet
from PIL.PngImagePlugin import PngInfo

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import maker_files
import raw_files
from png_files import one_piece
from servers import BUCKET, ObjectStore, StoreRequest

from cropperhead import params
from cropperhead.dataset import extract, shard_store
from cropperhead.library import scan
from cropperhead.library.store import StoredLibrary

SCENES = 3  # different pictures; the bytes of every file are different
QUALITY = 80
RAW_SIZE, PREVIEW_SIZE, OTHER_SIZE = (3000, 2000), (1620, 1080), (1500, 1000)
KINDS = {  # kind -> photos of it among 48
    "JPEG without settings": 12,
    "JPEG whose settings have no crop": 12,
    "JPEG, cropped": 6,
    "JPEG, cropped in a sidecar": 2,
    "DNG, uncropped": 4,
    "DNG, cropped in a sidecar": 2,
    "TIFF, uncropped": 1,
    "PNG, cropped": 1,
    "PNG in one piece, uncropped": 1,
    "WebP, uncropped": 1,
    "CR3, uncropped": 2,
    "CR3, cropped": 1,
    "RAF, uncropped": 2,
    "RAF, cropped": 1,
}
_CAMERAS = {"CR3": maker_files.save_cr3, "RAF": maker_files.save_raf}
PREFIX, SHARDS = "photos", "dvc"


def main() -> None:
    """Print the tables."""
    options = _options()
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = "65536"  # larger objects are on the disk
    server = ObjectStore(page=1000)
    os.environ |= server.environment
    try:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            _measure(server, Path(scratch), options)
    finally:
        server.stop()


def _measure(server: ObjectStore, scratch: Path, options: argparse.Namespace) -> None:
    drawer = _Drawer(scratch)
    kinds = drawer.draw(server, range(options.photos))
    work = scratch / "work"
    _run(server, work, f"{options.photos:,} photos, first run", kinds)
    _push(server, work, options.dvc)
    _run(server, work, "unchanged", kinds)
    kinds |= drawer.draw(server, range(options.photos, options.photos + options.new))
    _run(server, work, f"with {options.new:,} new photos", kinds)
    _push(server, work, options.dvc)


def _run(server: ObjectStore, work: Path, title: str, kinds: dict[str, tuple[str, int]]) -> None:
    """Extract the library as far as it is new, and print what that took."""
    library = StoredLibrary(f"s3://{BUCKET}/{PREFIX}")
    server.requests()
    entries, url = scan.scan(library).entries, f"s3://{BUCKET}/{SHARDS}"
    extract.extract_into(work, library, entries, params.nearest_extract(), url)
    requests = server.requests()
    of_shards = [one for one in requests if _is_of_shards(one)]
    requests = [one for one in requests if not _is_of_shards(one)]
    print(f"\n{title}: {_sum(requests)}\n")
    _print_stored(of_shards, work)
    by_kind: dict[str, list[list[StoreRequest]]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for name, own in _by_object(requests).items():
        kind, size = kinds.get(name, (_other_kind(name), 0))
        by_kind[kind].append(own)
        sizes[kind] += size
    print("| | objects | requests each | KB each | most KB | MB of their files | fetched |")
    print("|---|---|---|---|---|---|---|")
    for kind, objects in sorted(by_kind.items()):
        sent = [sum(one.sent for one in own) for own in objects]
        whole = sizes[kind]
        share = f"{sum(sent) / whole:.1%}" if whole else ""
        print(
            f"| {kind} | {len(objects):,} | {sum(map(len, objects)) / len(objects):.1f} | "
            f"{sum(sent) / len(sent) / 1024:.0f} | {max(sent) / 1024:.0f} | {whole / 1e6:.0f} | "
            f"{share} |"
        )


def _push(server: ObjectStore, work: Path, dvc: str | None) -> None:
    """Push the shards to the store, and print what that took."""
    if dvc is None:
        return
    server.requests()
    steps = [["add", "extracted", "ledger.parquet"], ["push"]]
    if not (work / ".dvc").exists():
        remote = ["remote", "add", "--default", "team", f"s3://{BUCKET}/{SHARDS}"]
        steps = [["init", "--no-scm"], ["config", "core.analytics", "false"], remote, *steps]
    for step in steps:
        subprocess.run([dvc, *step], cwd=work, check=True, capture_output=True)
    puts = [one for one in server.requests() if one.method in {"PUT", "POST"} and one.received]
    print(f"\n`dvc push`: {sum(one.received for one in puts):,} bytes in {len(puts)} requests")


def _print_stored(requests: Sequence[StoreRequest], work: Path) -> None:
    """Print what went to the store of the shards."""
    shards = [file.stat().st_size for file in sorted((work / "extracted").iterdir())]
    index = [one for one in requests if shard_store.INDEX in one.path]
    received, of_index = (sum(one.received for one in each) for each in (requests, index))
    print(
        f"shards of {' + '.join(f'{size:,}' for size in shards)} bytes, and a ledger of "
        f"{(work / 'ledger.parquet').stat().st_size:,}: {len(requests)} requests, {received:,} "
        f"bytes sent, {of_index:,} of them for the index\n"
    )


def _is_of_shards(request: StoreRequest) -> bool:
    return request.path.startswith(f"/{BUCKET}/{SHARDS}") or f"prefix={SHARDS}" in request.path


def _sum(requests: Sequence[StoreRequest]) -> str:
    listings = sum("list-type" in one.path for one in requests)
    sent = sum(one.sent for one in requests) / 1e6
    return f"{len(requests):,} requests, {listings} of them listings; {sent:,.1f} MB"


def _by_object(requests: Iterable[StoreRequest]) -> dict[str, list[StoreRequest]]:
    by_object: dict[str, list[StoreRequest]] = defaultdict(list)
    for one in requests:
        name = one.path.partition("?")[0].removeprefix(f"/{BUCKET}").removeprefix(f"/{PREFIX}/")
        by_object[name].append(one)
    return by_object


def _other_kind(name: str) -> str:
    if name.endswith(".xmp"):
        return "sidecar"
    return "journal" if "/" in name.lstrip("/") else "listing"


class _Drawer:
    """Draws photos of each kind into a store; one drawing serves many of them."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._jpegs = [encode(draw_scene(i, *CAMERA_SIZE), QUALITY) for i in range(SCENES)]
        raw = draw_scene(SCENES, *RAW_SIZE)
        file = raw_files.save_dng(scratch / "raw.dng", raw, raw.resize(PREVIEW_SIZE))
        self._raw, self._other = file.read_bytes(), draw_scene(SCENES, *OTHER_SIZE)
        self._shown = self._other.resize(PREVIEW_SIZE)

    def draw(self, server: ObjectStore, numbers: range) -> dict[str, tuple[str, int]]:
        """Draw photos, and return the kind and the size in bytes of each by its name."""
        kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
        with ThreadPoolExecutor(4) as pool:
            chosen = [kinds[7 * number % len(kinds)] for number in numbers]  # mixed everywhere
            named = pool.map(lambda one: self._put(server, *one), zip(numbers, chosen, strict=True))
            return {name: (kind, size) for kind, (name, size) in zip(chosen, named, strict=True)}

    def _put(self, server: ObjectStore, number: int, kind: str) -> tuple[str, int]:
        stem = f"{number // 100:03d}/{number:06d}"
        cropped = XMP.format(number=number, settings=CROPPED)
        files = {f"{stem}.xmp": cropped.encode()} if "sidecar" in kind else {}
        suffix, content = self._photo(number, kind, cropped)
        files[f"{stem}{suffix}"] = content
        for name, each in files.items():
            server.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=each)
        return f"{stem}{suffix}", len(content)

    def _photo(self, number: int, kind: str, cropped: str) -> tuple[str, bytes]:
        if kind.startswith("DNG"):
            return ".dng", self._raw + number.to_bytes(8)
        if kind.startswith("JPEG"):
            settings = {"JPEG, cropped": CROPPED, "JPEG whose settings have no crop": UNCROPPED}
            text = XMP.format(number=number, settings=settings.get(kind, ""))
            if kind not in settings:
                text = text.replace("camera-raw-settings", "unknown")
            return ".jpg", with_packet(self._jpegs[number % SCENES], text)
        suffix = f".{kind[:4].strip(' ,').lower()}"
        file = self._scratch / f"{number}{suffix}"
        uncropped = XMP.format(number=number, settings=UNCROPPED)
        text = uncropped if kind.endswith("uncropped") else cropped
        if kind[:3] in _CAMERAS:
            _CAMERAS[kind[:3]](file, self._shown, text.encode())
        else:
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", text)
            webp = {"xmp": text.encode(), "method": 0, "lossless": True}
            extra = {".png": {"pnginfo": info}, ".webp": webp}
            # a copy: saving changes the picture, and other threads save it at the same time
            self._other.copy().save(file, **extra.get(suffix, {"tiffinfo": {270: str(number)}}))
        content = file.read_bytes()
        file.unlink()
        return suffix, one_piece(content) if "piece" in kind else content


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--new", type=int, default=500)
    parser.add_argument("--dvc", help="a DVC that has S3")
    parser.add_argument("--folder", type=Path, help="where to work (1 GB; the store needs 5 GB)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
