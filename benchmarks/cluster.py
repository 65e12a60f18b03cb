"""What Ray costs on one machine, and what a second worker process is worth, by alternating runs.

python benchmarks/cluster.py [--photos N] [--rounds N] [--folder DIR]

It draws a library of cropped photos of a camera's size, and extracts it with each engine in turn.
Ray's time includes starting it. Each row is the best of its rounds; ratios are within one round.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from extract import draw_camera_library

from cropperhead import params
from cropperhead.dataset import extract
from cropperhead.library import scan

QUALITY = 80
CASES = {  # name -> engine and worker processes
    "local pool, 1 process": ("local", 1),
    "local pool, 2 processes": ("local", 2),
    "Ray, 1 process": ("ray", 1),
    "Ray, 2 processes": ("ray", 2),
}


def main() -> None:
    """Print the table."""
    options = _options()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.folder, options.out)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        photos = Path(scratch, "photos")
        draw_camera_library(photos, options.photos, QUALITY)
        seconds: dict[str, list[float]] = {name: [] for name in CASES}
        for number in range(options.rounds):
            for name in CASES:
                seconds[name].append(_run(name, photos, Path(scratch, f"{name} {number}")))
        _require_same_bytes(Path(scratch))
    print(f"{options.photos} JPEGs of 24 megapixels, {options.rounds} rounds\n")
    print("| | seconds | times the local pool's with as many processes | times 1 process |")
    print("|---|---|---|---|")
    for name, own in seconds.items():
        count = name.partition(", ")[2]
        print(
            f"| {name} | {min(own):.1f} | {_ratio(own, seconds[f'local pool, {count}'])} | "
            f"{_ratio(own, seconds[name.partition(',')[0] + ', 1 process'])} |"
        )


def _ratio(own: list[float], other: list[float]) -> str:
    """The median of the ratios within each round."""
    return f"{statistics.median(a / b for a, b in zip(own, other, strict=True)):.2f}"


def _run(name: str, photos: Path, out: Path) -> float:
    command = [sys.executable, __file__, "--measure", name, "--folder", photos, "--out", out]
    return float(json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL)))


def _measure(name: str, photos: Path, out: Path) -> float:
    engine, workers = CASES[name]
    values = params.as_dict(params.nearest_extract())
    chosen = params.ExtractParams(**(values | {"engine": engine, "workers": workers}))
    entries = scan.scan(photos).entries
    start = time.perf_counter()
    extract.extract_into(out, photos, entries, chosen)
    return time.perf_counter() - start


def _require_same_bytes(folder: Path) -> None:
    """Every run must have written the same shards and the same ledger."""
    results = [
        {file.relative_to(out).as_posix(): file.read_bytes() for file in out.rglob("*.parquet")}
        for out in sorted(folder.iterdir())
        if out.name != "photos"
    ]
    if any(result != results[0] for result in results):
        raise SystemExit("the engines do not give the same bytes")
    for out in folder.iterdir():
        shutil.rmtree(out)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000, help="of 24 megapixels, 3 MB each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to draw the library")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
