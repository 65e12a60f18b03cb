"""Compares this build with an earlier one, on files such as cameras and editors leave them.

python benchmarks/earlier.py FOLDER [--model MODEL] [--photos N] [--uncropped N] [--rounds N]

FOLDER is a worktree of the earlier build with an environment of its own in `.venv`. The files are
made in a temporary folder and read once before, and the modules of both builds are compiled. The
builds and the floor, which only decodes the previews, take turns in each round; what counts is the
median of the rounds. Processor time is that of all processes, ExifTool's included. What else the
machine does makes it longer, for both alike: the load when a row ends is shown.
"""

import argparse
import ctypes
import io
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

import extract as drawing
from PIL import Image

from cropperhead.photos import image as photos
from cropperhead.system import worker_pool

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import camera_files
import raw_files

SIZE, PREVIEW_SIZE = (6000, 4000), (1620, 1080)
QUALITY, PREVIEW_QUALITY = 93, 85
SCENES = 3  # that differ; the files differ each by their metadata
START_PHOTOS = 300
# Imports nothing but the decoder, which processes that are copies share
FLOOR = """
import multiprocessing, pathlib, sys
from PIL import Image

def load(file):
    with Image.open(file) as image:
        image.draft(None, (int(sys.argv[2]), 1))  # all are wider than high
        image.load()

with multiprocessing.get_context("fork").Pool(int(sys.argv[3])) as pool:
    pool.map(load, sorted(pathlib.Path(sys.argv[1]).iterdir()), chunksize=4)
"""
# Each process would compile all that it imports, which nobody's installation does
_WITHOUT_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_BECOME_PARENT_OF_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
LONG_SIDE = 512  # px, of copies and of what a model sees
_IMAGE_NUMBER = 0x9211  # EXIF's ImageNumber


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of all processors, and the peak memory of the largest process."""

    seconds: float
    work: float
    peak_mb: float


def main() -> None:
    """Print the table."""
    options = _options()
    # or what a build's process of processes has used would not be counted
    ctypes.CDLL(None).prctl(_BECOME_PARENT_OF_ORPHANS, 1, 0, 0, 0)
    print("| work | floor | earlier | now | earlier / now | by the clock | now / floor | load |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        drawing._in_another_process(_draw_scenes, Path(scratch))
        for kind in options.kinds:
            title, draw = KINDS[kind]
            folder = Path(tempfile.mkdtemp(dir=scratch))
            drawing._in_another_process(draw, folder, options)
            resource_tracker._resource_tracker._stop()  # or `_timed` would wait for it, too
            suggests = kind.startswith("suggest")
            if not suggests or options.model:
                counts = {"photos": options.photos, "half": options.photos // 2}
                title = title.format(**counts, uncropped=options.uncropped)
                _compare(title, folder, options, suggests)
            shutil.rmtree(folder)


def _compare(title: str, folder: Path, options: argparse.Namespace, suggests: bool) -> None:
    """Print the row of one kind of work."""
    library, previews = folder / "photos", folder / "previews"
    commands = {
        "earlier": _command(options.earlier, library, suggests and options.model),
        "now": _command(Path(__file__).parents[1], library, suggests and options.model),
    }
    if previews.exists():
        enough, workers = str(photos.draft_side(LONG_SIDE)), str(worker_pool.worker_count(0))
        commands |= {"floor": [sys.executable, "-c", FLOOR, str(previews), enough, workers]}
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for turn, name in itertools.product(range(options.rounds + 1), commands):
        with tempfile.TemporaryDirectory(dir=options.folder) as out:
            build = options.earlier if name == "earlier" else Path(__file__).parents[1]
            run = _timed([one.replace("OUT", out) for one in commands[name]], build)
        if turn:  # the first only fills the system's cache
            runs[name].append(run)
    works = {name: statistics.median(one.work for one in several) for name, several in runs.items()}
    clock = {name: statistics.median(one.seconds for one in each) for name, each in runs.items()}
    floor = works.get("floor")
    least, over = ("", "") if floor is None else (f"{floor:.1f} s", f"{works['now'] / floor:.1f}")
    faster, by_clock = (one["earlier"] / one["now"] for one in (works, clock))
    print(
        f"| {title} | {least} | {works['earlier']:.1f} s | {works['now']:.1f} s | "
        f"**{faster:.2f}** | {by_clock:.2f} | {over} | {os.getloadavg()[0]:.0f} |",
        flush=True,
    )


def _command(build: Path, library: Path, model: Path | None) -> list[str]:
    python = build / ".venv" / "bin" / "python"
    start = [str(python if python.exists() else sys.executable)]
    if model:
        return [
            *start,
            "-m",
            "cropperhead.cli",
            "suggest",
            str(library),
            "--json",
            "--model",
            str(model),
        ]
    measuring = ["--measure", "ours", "--folder", str(library), "--out", "OUT", "--workers"]
    count = str(worker_pool.worker_count(0))
    return [*start, str(build / "benchmarks" / "extract.py"), *measuring, count]


def _timed(command: Sequence[str], build: Path) -> Run:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": f"{build / 'src'}:{build / 'base' / 'src'}"}
    environment.pop(_WITHOUT_BYTECODE, None)
    done = subprocess.run(
        command, cwd=build, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    with suppress(ChildProcessError):
        while True:
            os.wait()  # for what its processes leave
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = json.loads(done.stdout).get("peak_mb", 0.0) if "--measure" in command else 0.0
    return Run(time.perf_counter() - start, work, peak)


def _draw_scenes(folder: Path) -> None:
    """JPEGs of a camera's size, and their previews."""
    for number in range(SCENES):
        scene = drawing.draw_scene(number, *SIZE)
        small = scene.resize(PREVIEW_SIZE, Image.Resampling.LANCZOS)
        scene.save(folder / f"large-{number}.jpg", quality=QUALITY)
        small.save(folder / f"small-{number}.jpg", quality=PREVIEW_QUALITY)


def _scenes(folder: Path) -> list[tuple[bytes, bytes]]:
    return [
        ((folder / f"large-{i}.jpg").read_bytes(), (folder / f"small-{i}.jpg").read_bytes())
        for i in range(SCENES)
    ]


def _draw_jpegs(folder: Path, options: argparse.Namespace, has_previews: bool = True) -> None:
    library, previews = folder / "photos", folder / "previews"
    library.mkdir(exist_ok=True)
    previews.mkdir(exist_ok=True)
    for number, (jpeg, small) in zip(
        range(options.photos), itertools.cycle(_scenes(folder.parent)), strict=False
    ):
        behind = [(camera_files.FULL_HD, small)] if has_previews else []
        inner = {_IMAGE_NUMBER: number}
        photo = camera_files.camera_jpeg(jpeg, behind, inner=inner)
        (library / f"IMG_{number:05d}.jpg").write_bytes(photo)
        _write_sidecar(library / f"IMG_{number:05d}.xmp", number)
        (previews / f"{number:05d}.jpg").write_bytes(small if has_previews else jpeg)


def _draw_bare_jpegs(folder: Path, options: argparse.Namespace) -> None:
    _draw_jpegs(folder, options, has_previews=False)


def _draw_dngs(folder: Path, options: argparse.Namespace) -> None:
    """DNGs of a camera's size with previews of full size and of 1,620 px.

    Their RAW pixels are left out, which neither build reads where a preview may be used.
    """
    library, previews = folder / "photos", folder / "previews"
    library.mkdir(exist_ok=True)
    previews.mkdir(exist_ok=True)
    claimed = {256: [SIZE[0]], 257: [SIZE[1]], 50829: [0, 0, SIZE[1], SIZE[0]], 50720: SIZE}
    raw_tags = {tag: (raw_files.LONG, value) for tag, value in claimed.items()}
    raw_tags[50719] = (raw_files.LONG, [0, 0])
    scenes = [[Image.open(io.BytesIO(one)) for one in pair] for pair in _scenes(folder.parent)]
    for number in range(options.photos // 2):
        large, small = scenes[number % SCENES]
        name = f"IMG_{number:05d}"
        raw_files.save_dng(
            library / f"{name}.dng",
            Image.new("RGB", (8, 8)),
            large,
            smaller=[small],
            raw_tags=raw_tags,
            tags={_IMAGE_NUMBER: (raw_files.LONG, [number])},
        )
        _write_sidecar(library / f"{name}.xmp", number)
        small.save(previews / f"{number:05d}.jpg", quality=95)


def _draw_pairs(folder: Path, options: argparse.Namespace) -> None:
    """RAW photos with the camera's JPEGs beside them; the floor decodes a preview of each pair."""
    _draw_dngs(folder, options)
    _draw_jpegs(folder, argparse.Namespace(photos=options.photos // 2))


def _draw_uncropped(folder: Path, options: argparse.Namespace) -> None:
    drawing.draw_small_library(folder / "photos", options.uncropped, 0, True)


def _draw_small(folder: Path, options: argparse.Namespace) -> None:
    del options
    drawing.draw_small_library(folder / "photos", START_PHOTOS, 10, True)


def _write_sidecar(file: Path, number: int) -> None:
    file.write_text(drawing.XMP.format(number=number, settings=drawing.CROPPED))


KINDS = {
    "previews": ("extract {photos} JPEGs with a preview", _draw_jpegs),
    "suggest": ("suggest --json for {photos} such JPEGs", _draw_jpegs),
    "suggest-pairs": ("suggest --json for {half} RAW photos with such JPEGs", _draw_pairs),
    "bare": ("extract {photos} JPEGs without", _draw_bare_jpegs),
    "dng": ("extract {half} DNGs with two previews", _draw_dngs),
    "uncropped": ("extract {uncropped} photos that nobody cropped", _draw_uncropped),
    "small": (f"extract {START_PHOTOS} small photos", _draw_small),
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("earlier", type=Path, help="a worktree of the earlier build")
    parser.add_argument("--model", type=Path, help="the earlier build's model, for suggest")
    parser.add_argument("--photos", type=int, default=200, help="of 24 megapixels")
    parser.add_argument("--uncropped", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, help="where to make libraries (4 GB)")
    options = parser.parse_args()
    options.earlier = options.earlier.resolve()
    return options


if __name__ == "__main__":
    main()
