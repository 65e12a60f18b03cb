"""How fast crops are suggested for camera-sized photos, compared with only decoding them.

python benchmarks/suggest.py [--photos N] [--model MODEL] [--venv DIR] [--folder DIR]

It makes its own photos, in a temporary folder: JPEGs of 24 megapixels, read once before, so that
what is compared is work and not the disk. Each measurement is the command as one would type it, its
start included; the floor is Pillow's draft decoding by as many processes, and nothing else.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cropperhead.photos import image as photos
from cropperhead.suggest.run import find_model
from cropperhead.system import worker_pool

SEED = 12
CAMERA_SIZE = (6000, 4000)
QUALITY = 90  # with the grain below as large as a camera's "normal" files
SCENES = 4  # that differ; the files differ each by a comment
LONG_SIDE = 512  # as a model sees


def main() -> None:
    """Prints the table."""
    options = _options()
    if options.floor:
        _decode(options.floor)
        return
    with (
        find_model(options.model) as model,
        tempfile.TemporaryDirectory(dir=options.folder) as scratch,
    ):
        folder = Path(scratch, "photos")
        size = draw(folder, options.photos)
        for file in folder.iterdir():
            file.read_bytes()  # into the system's cache
        print(f"{options.photos} JPEGs of 24 megapixels, {size / options.photos / 1e6:.1f} MB each")
        print(
            f"{worker_pool.worker_count(0)} processes; model {model.name}, "
            f"{model.stat().st_size:,} bytes\n"
        )
        _print_speeds(folder, model)
    if options.venv:
        print(f"\n{options.venv}: {_size(options.venv) / 1e6:.0f} MB installed")


def _print_speeds(folder: Path, model: Path) -> None:
    command = [sys.executable, "-m", "cropperhead.cli", "suggest", str(folder)]
    command += ["--model", str(model)]
    floor = [sys.executable, __file__, "--floor", str(folder)]
    writing = [*command, "--write", "lightroom"]
    shaped = "--json --aspect 4:5 --alternatives 2"
    runs = {
        "floor: decoding in draft mode": floor,
        "--json": [*command, "--json"],
        shaped: [*command, *shaped.split()],
        "--write lightroom": writing,
        "--write lightroom, again: all is there": writing,
    }
    count = sum(1 for _ in folder.glob("*.jpg"))
    first, least, floor_work = 0.0, 0.0, 0.0
    print(
        "| | seconds | photos a second | 1,000 photos | time, floor = 1 | CPU ms a photo | "
        "CPU, floor = 1 |\n|---|---|---|---|---|---|---|"
    )
    for name, each in runs.items():
        started, seconds, work = _timed(each)
        least, floor_work = least or seconds, floor_work or work
        first = started if name == "--json" else first
        print(
            f"| {name} | {seconds:.1f} | {count / seconds:.1f} | {seconds / count * 1000:.0f} s | "
            f"{seconds / least:.2f} | {work / count * 1e3:.0f} | {work / floor_work:.2f} |",
            flush=True,
        )
    print(f"\nFrom the start to the first photo: {first:.1f} s")


def _timed(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds until the first line on standard output and until the end, and of all processors."""
    start, first, work = time.perf_counter(), 0.0, _work()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            first = first or time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return first, time.perf_counter() - start, _work() - work


def _work() -> float:
    """Processor time in seconds of all processes started here that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _decode(folder: Path) -> None:
    files = sorted(folder.glob("*.jpg"))
    with multiprocessing.get_context("spawn").Pool(worker_pool.worker_count(0)) as pool:
        pool.map(_load, files, chunksize=4)


def _load(file: Path) -> None:
    with Image.open(file) as image:
        photos.load_pixels(image, LONG_SIDE)


def draw(folder: Path, count: int) -> int:
    """Photos of 24 megapixels; gives their size in bytes."""
    folder.mkdir(parents=True)
    scenes = []
    for number in range(min(SCENES, count)):
        file = folder.parent / "scene.jpg"
        _scene(number).save(file, quality=QUALITY)
        scenes.append(file.read_bytes())
    for i in range(count):
        comment = f"{i:05d}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        jpeg = scenes[i % len(scenes)]
        (folder / f"IMG_{i:05d}.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    return sum(file.stat().st_size for file in folder.iterdir())


def _scene(number: int) -> Image.Image:
    """Clouds and a sensor's grain, which no photo is without."""
    generator = np.random.default_rng([SEED, number])
    coarse = Image.fromarray(generator.integers(0, 256, (24, 36, 3), dtype=np.uint8))
    clouds = np.asarray(coarse.resize(CAMERA_SIZE, Image.Resampling.BICUBIC), np.float32)
    grain = generator.normal(0, 5, (*CAMERA_SIZE[::-1], 1)).astype(np.float32)
    return Image.fromarray(np.clip(clouds + grain, 0, 255).astype(np.uint8))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if not file.is_symlink())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=200, help="of 24 megapixels")
    parser.add_argument("--model", help="as of the command (default: the one in models/)")
    parser.add_argument("--venv", type=Path, help="an environment whose size is printed")
    parser.add_argument("--folder", type=Path, help="where to make photos (2 GB)")
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
