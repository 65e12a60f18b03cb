"""Measures how fast a photo library is extracted, compared with a floor and a plain loop.

python benchmarks/extract.py [--photos N] [--growth N N N] [--folder DIR]

It makes its own libraries in a temporary folder: cropped JPEGs of a camera's size (24 megapixels),
with the crop embedded or in a sidecar, and many small files for costs that do not depend on a
photo's size. Each measurement runs in its own process, on files that have been read once before, so
that it compares work and not disks. Peak memory is that of its largest process.
"""

import argparse
import functools
import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
from PIL import Image

from cropperhead import params
from cropperhead.dataset import extract
from cropperhead.dataset.ledger import Ledger
from cropperhead.library import scan
from cropperhead.system import worker_pool

SEED = 11
CAMERA_SIZE = (6000, 4000)
CAMERA_QUALITIES = (80, 93)  # with the grain below, the sizes of cameras' "normal" and "fine"
SCENES = 6  # different pictures; the metadata of every file is different
PLAIN_LOOP_FILES = 12  # enough, because only its time for each photo counts, and it is slow
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmp:Label="{number}" {settings}/>'
    "</rdf:RDF></x:xmpmeta>"
)
CROPPED = (
    'crs:HasCrop="True" crs:CropTop="0.1" crs:CropLeft="0.12" crs:CropBottom="0.83" '
    'crs:CropRight="0.91" crs:CropAngle="0.7" crs:AlreadyApplied="False"'
)
UNCROPPED = 'crs:HasCrop="False" crs:AlreadyApplied="False"'


def main() -> None:
    """Print the tables."""
    options = _options()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.folder, options.out, options.workers)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        folder = Path(scratch)
        for quality in CAMERA_QUALITIES if options.photos else ():
            _camera_sized(folder / str(quality), options.photos, quality)
        if options.uncropped:
            _uncropped(folder, options.uncropped)
        _growth(folder, options.growth)


def _camera_sized(folder: Path, count: int, quality: int) -> None:
    print(f"Drawing {count} photos of 24 megapixels ...", file=sys.stderr)
    photos = folder / "photos"
    _in_another_process(draw_camera_library, photos, count, quality)
    size = sum(file.stat().st_size for file in photos.glob("*.jpg"))
    many = worker_pool.worker_count(0)
    names = ("floor", "ours", "plain")
    runs = {name: _run(name, photos, folder / "out", many) for name in names}
    serial = _run("ours", photos, folder / "serial", 1)
    per_photo = {name: run["seconds"] / run["photos"] for name, run in runs.items()}
    print(f"\n{count} cropped JPEGs of 24 megapixels, {size / count / 1e6:.1f} MB each\n")
    print("(peak memory of the largest process)\n")
    print("| | processes | ms a photo | photos a second | peak memory | time, floor = 1 |")
    print("|---|---|---|---|---|---|")
    titles = {
        "floor": ("floor: Pillow's draft decoding, encoded again", many),
        "ours": ("CropperHead", many),
        "plain": ("plain loop: one ExifTool a file, full decode, resize", 1),
    }
    for name, (title, processes) in titles.items():
        _print_row(title, processes, runs[name], per_photo["floor"])
    _print_row("CropperHead", 1, serial, per_photo["floor"])
    print(f"\nThe plain loop takes {per_photo['plain'] / per_photo['ours']:.1f} times as long.")


def _print_row(title: str, processes: int, run: dict[str, float], floor: float) -> None:
    seconds = run["seconds"] / run["photos"]
    print(
        f"| {title} | {processes} | {seconds * 1e3:.1f} | {1 / seconds:.1f} | "
        f"{run['peak_mb']:.0f} MB | {seconds / floor:.2f} |"
    )


def _uncropped(folder: Path, count: int) -> None:
    kinds = {"header": "not touched by an editor", "packet": "Lightroom's XMP without a crop"}
    print(f"\n{count:,} uncropped photos, metadata only\n")
    print("| | ms a photo | peak memory | rescan, nothing changed |\n|---|---|---|---|")
    for kind, title in kinds.items():
        photos = folder / kind
        _in_another_process(draw_small_library, photos, count, 0, kind == "packet")
        first = _run("ours", photos, folder / f"out-{kind}", worker_pool.worker_count(0))
        second = _run("ours", photos, folder / f"out-{kind}", worker_pool.worker_count(0))
        each = first["seconds"] / count * 1e3
        print(f"| {title} | {each:.2f} | {first['peak_mb']:.0f} MB | {second['seconds']:.1f} s |")
        shutil.rmtree(photos)


def _growth(folder: Path, counts: Sequence[int]) -> None:
    print("\nGrowth: small photos, every tenth cropped, half of these by a sidecar\n")
    print(
        "| photos | first run | ms a photo | peak memory | rescan, nothing changed | its memory |"
    )
    print("|---|---|---|---|---|---|")
    for count in counts:
        photos, out = folder / f"small-{count}", folder / f"out-{count}"
        _in_another_process(draw_small_library, photos, count, 10, True)
        first = _run("ours", photos, out, worker_pool.worker_count(0))
        second = _run("ours", photos, out, worker_pool.worker_count(0))
        print(
            f"| {count:,} | {first['seconds']:.1f} s | {first['seconds'] / count * 1e3:.2f} | "
            f"{first['peak_mb']:.0f} MB | {second['seconds']:.1f} s | {second['peak_mb']:.0f} MB |"
        )
        shutil.rmtree(photos)


def _in_another_process(draw: Callable[..., None], *arguments: object) -> None:
    """Draw in another process, whose memory does not count as that of the measured ones."""
    process = multiprocessing.get_context("spawn").Process(target=draw, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the library could not be drawn")


def _run(name: str, photos: Path, out: Path, processes: int) -> dict[str, float]:
    for file in filter(Path.is_file, photos.rglob("*")):
        with file.open("rb") as stream:
            while stream.read(1 << 20):  # to fill the system's cache
                pass
    command = [sys.executable, __file__, "--measure", name, "--folder", str(photos)]
    command += ["--out", str(out), "--workers", str(processes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _measure(name: str, photos: Path, out: Path, processes: int) -> dict[str, float]:
    measurements: dict[str, Callable[[Path, Path, int], int]] = {
        "ours": _ours,
        "floor": _floor,
        "plain": _plain_loop,
    }
    start = time.perf_counter()
    count = measurements[name](photos, out, processes)
    seconds = time.perf_counter() - start
    forkserver._forkserver._stop()  # workers are its children, and counted once it has ended
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KiB here
    peak = max(resource.getrusage(kind).ru_maxrss for kind in kinds) / unit
    return {"seconds": seconds, "photos": count, "peak_mb": peak}


def _ours(photos: Path, out: Path, processes: int) -> int:
    """Scan and extract as the pipeline does."""
    chosen = params.ExtractParams(
        **(params.as_dict(params.nearest_extract()) | {"workers": processes})
    )
    out.mkdir(parents=True, exist_ok=True)
    scan.write_manifest(scan.scan(photos).entries, out / "manifest.parquet")
    manifest = scan.read_manifest(out / "manifest.parquet")
    ledger = Ledger.load(out / "ledger.parquet", "benchmark")
    return len(extract.update_shards(photos, manifest, out / "shards", ledger, chosen))


def _floor(photos: Path, out: Path, processes: int) -> int:
    """Only decode as small as libjpeg can, and encode again."""
    del out
    chosen = params.nearest_extract()
    encode = functools.partial(_encode_again, long_side=chosen.long_side, q=chosen.jpeg_quality)
    files = sorted(photos.glob("*.jpg"))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return len(pool.map(encode, files, chunksize=4))


def _encode_again(file: Path, long_side: int, q: int) -> int:
    with Image.open(file) as image, tempfile.TemporaryFile() as stream:
        image.draft("RGB", (long_side, long_side))
        image.save(stream, "JPEG", quality=q)
        return stream.tell()


def _plain_loop(photos: Path, out: Path, processes: int) -> int:
    """Do what most scripts do."""
    del processes
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(photos.glob("*.jpg"))[:PLAIN_LOOP_FILES]
    for file in files:
        sidecar = file.with_suffix(".xmp")
        metadata = sidecar if sidecar.exists() else file
        subprocess.run(["exiftool", "-json", metadata], capture_output=True, check=True)
        with Image.open(file) as image:
            small = image.resize((512, 512 * image.height // image.width), Image.Resampling.LANCZOS)
            small.save(out / file.name, quality=90)
    return len(files)


def draw_camera_library(folder: Path, count: int, quality: int) -> None:
    """Draw cropped photos of 24 megapixels, every third with a sidecar."""
    folder.mkdir(parents=True)
    scenes = [encode(draw_scene(i, *CAMERA_SIZE), quality) for i in range(SCENES)]
    for i in range(count):
        cropped = XMP.format(number=i, settings=CROPPED)
        bare = XMP.format(number=i, settings="")
        photo = with_packet(scenes[i % SCENES], bare if i % 3 == 0 else cropped)
        (folder / f"IMG_{i:05d}.jpg").write_bytes(photo)
        if i % 3 == 0:
            (folder / f"IMG_{i:05d}.xmp").write_text(cropped)


def draw_small_library(folder: Path, count: int, cropped_every: int, packet: bool) -> None:
    """Draw small photos in rolls of 500; uncropped ones have a packet that says so, or none."""
    scene = encode(draw_scene(0, 120, 80), 80)
    for i in range(count):
        roll = folder / f"{i // 500:04d}"
        roll.mkdir(parents=True, exist_ok=True)
        cropped = bool(cropped_every) and i % cropped_every == 0
        sidecar = cropped and i % (2 * cropped_every) == 0
        settings = CROPPED if cropped and not sidecar else UNCROPPED if packet else ""
        text = XMP.format(number=i, settings=settings)
        if not packet:
            text = text.replace("camera-raw-settings", "unknown")
        (roll / f"IMG_{i:06d}.jpg").write_bytes(with_packet(scene, text))
        if sidecar:
            (roll / f"IMG_{i:06d}.xmp").write_text(XMP.format(number=i, settings=CROPPED))


def draw_scene(number: int, width: int, height: int) -> Image.Image:
    """Draw clouds of every size and the grain of a sensor, which every photo has."""
    generator = np.random.default_rng([SEED, number])
    clouds = np.zeros((height, width, 3), np.float32)
    for octave in _octaves(width):
        coarse = generator.random((max(2, octave * height // width), octave, 3), np.float32)
        pixels = Image.fromarray((coarse * 255).astype(np.uint8))
        smooth = np.asarray(pixels.resize((width, height), Image.Resampling.BICUBIC), np.float32)
        clouds += (smooth - 127) / octave**0.4
    grain = generator.normal(0, 4, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(127 + clouds + grain, 0, 255).astype(np.uint8))


def _octaves(width: int) -> Iterator[int]:
    octave = 3
    while octave < width / 4:
        yield octave
        octave *= 3


def encode(image: Image.Image, quality: int) -> bytes:
    """Return the picture as a JPEG."""
    with tempfile.TemporaryFile() as stream:
        image.save(stream, "JPEG", quality=quality)
        stream.seek(0)
        return stream.read()


def with_packet(jpeg: bytes, xmp: str) -> bytes:
    """Insert an XMP segment after a JPEG's start (XMP specification, part 3, 1.1.3)."""
    content = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=150, help="of 24 megapixels")
    parser.add_argument("--uncropped", type=int, default=100_000)
    parser.add_argument("--growth", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="where to draw libraries (3 GB)")
    parser.add_argument("--measure", choices=["ours", "floor", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
