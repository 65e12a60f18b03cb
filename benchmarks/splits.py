"""Measures how the time and memory of splitting grow with the number of photos.

python benchmarks/splits.py [--photos N [N ...]]

The labels are made from a seed, and the baseline only sorts their hashes. Each measurement runs in
its own process, whose peak memory includes the labels; the difference from the baseline is what
splitting needs.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead import params
from cropperhead.dataset import split

SEED = 17
MANY = 20_000
SINGLES = 200  # photos outside the one large group, which alone would leave splits empty
PARAMS = params.load(Path(__file__).parent.parent / "params.yaml").split
# Perceptual hashes of photos are not uniform: 1,275 measured ones differ in 31.3 of 64 bits, with a
# standard deviation of 4.1 (uniform: 4.0), and share three of nine bands 2.4 times as often as by
# chance. Six common causes of this weight give 4.7 and 3.5 times.
CAUSES, WEIGHT = 6, 0.28

Hashes = NDArray[np.uint64]
Case = Callable[[pd.DataFrame, np.random.Generator], None]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    counts = (1_000, 10_000, 100_000, 1_000_000)
    parser.add_argument("--photos", type=int, nargs="+", default=counts, metavar="N")
    print("| | photos | seconds | times the line before | peak memory | groups |")
    print("|---|---|---|---|---|---|")
    for name in ("sorting the hashes (baseline)", *CASES):
        before = None
        for count in parser.parse_args().photos:
            seconds, peak_mb, groups = _in_its_own_process(name, count)
            times = f"{seconds / before:.1f}" if before else ""
            shown = f"{seconds:.4f}" if seconds < 0.1 else f"{seconds:.2f}"
            print(f"| {name} | {count:,} | {shown} | {times} | {peak_mb:.0f} MB | {groups:,} |")
            before = seconds


def _in_its_own_process(name: str, count: int) -> tuple[float, float, int]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, name, count).result()


def measure(name: str, count: int) -> tuple[float, float, int]:
    """Return seconds, peak memory in MB and the number of groups."""
    labels = make_labels(CASES.get(name, unlike), count)
    start = time.perf_counter()
    if name in CASES:
        groups = split.assign_splits(labels, PARAMS)["group"].nunique()
    else:
        hashes = [int(text, 16) for text in labels["perceptual_hash"]]
        groups = len(np.sort(np.array(hashes, dtype=np.uint64)))
    seconds = time.perf_counter() - start
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, groups


def make_labels(case: Case, count: int) -> pd.DataFrame:
    """Return the labels of a case."""
    generator = np.random.default_rng(SEED)
    labels = pd.DataFrame({"hash": realistic(generator, count)})
    labels["camera"], labels["second"] = generator.choice(["A", "B", "C"], count), np.nan
    case(labels, generator)
    labels["origin"] = labels["photo"] = [
        f"{number % 100:02d}/{number:07d}.jpg" for number in range(count)
    ]
    labels["number"] = np.arange(count)
    labels["perceptual_hash"] = [f"{value:016x}" for value in labels.pop("hash").tolist()]
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(labels.pop("second"), unit="s")
    labels["captured"] = times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return labels


def uniform(generator: np.random.Generator, count: int) -> Hashes:
    """Return hashes of independent bits."""
    return generator.integers(0, 2**64, count, dtype=np.uint64)


def realistic(generator: np.random.Generator, count: int) -> Hashes:
    """Return hashes whose bits have common causes, like those of photos."""
    weights = np.random.default_rng(SEED).normal(0, WEIGHT, (CAUSES, 64))
    parts = []
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        causes, own = generator.normal(size=(size, CAUSES)), generator.normal(size=(size, 64))
        parts.append(np.packbits(causes @ weights + own > 0, axis=1).view(np.uint64).ravel())
    return np.concatenate(parts)


def flip_bits(generator: np.random.Generator, hashes: Hashes, bits: int) -> Hashes:
    """Flip up to `bits` bits of each hash."""
    for places in generator.integers(0, 64, (bits, len(hashes)), dtype=np.uint64):
        hashes = hashes ^ (np.uint64(1) << places)
    return hashes


def unlike(labels: pd.DataFrame, generator: np.random.Generator) -> None:
    """Some seconds between photos, every fifth a near-duplicate of another."""
    count = len(labels)
    labels["second"] = np.sort(generator.uniform(0, 20.0 * count, count)).round(2)
    copies, copied = generator.permutation(count)[: 2 * (count // 5)].reshape(2, -1)
    labels.loc[copies, "hash"] = flip_bits(generator, labels["hash"].to_numpy()[copied], 3)


def unlike_and_uniform(labels: pd.DataFrame, generator: np.random.Generator) -> None:
    """The same with uniform hashes."""
    labels["hash"] = uniform(generator, len(labels))
    unlike(labels, generator)


def one_hash(labels: pd.DataFrame, _: np.random.Generator) -> None:
    """Black frames."""
    labels.loc[: _most(labels), "hash"] = np.uint64(0)


def one_moment(labels: pd.DataFrame, _: np.random.Generator) -> None:
    """A scanner, or a camera whose clock was never set."""
    labels.loc[: _most(labels), "camera"] = "Scanner"
    labels.loc[: _most(labels), "second"] = 0.0


def five_a_second(labels: pd.DataFrame, _: np.random.Generator) -> None:
    """One camera for hours, with its times in whole seconds."""
    labels["camera"] = "A"
    labels["second"] = np.arange(len(labels)) // 5.0
    labels.loc[: SINGLES - 1, "second"] = np.nan


def short_time_lapses(labels: pd.DataFrame, generator: np.random.Generator) -> None:
    """All photos except the singles are frames, 100 of each scene, up to 6 bits apart."""
    frames = np.arange(len(labels) - SINGLES)
    scenes = labels["hash"].to_numpy()[frames // 100]
    labels.loc[frames, "hash"] = flip_bits(generator, scenes, 3)


def long_time_lapse(labels: pd.DataFrame, generator: np.random.Generator) -> None:
    """One scene of thousands of frames, up to 6 bits apart."""
    frames = labels["hash"].to_numpy()[: _most(labels) + 1]
    labels.loc[: _most(labels), "hash"] = flip_bits(generator, np.full_like(frames, frames[0]), 3)


def _most(labels: pd.DataFrame) -> int:
    """Return the place of the last of MANY photos, or of all except the singles if fewer."""
    return min(MANY, len(labels) - SINGLES) - 1


CASES: dict[str, Case] = {
    "a fifth near-duplicates, uniform hashes": unlike_and_uniform,
    "a fifth near-duplicates, hashes as skewed as real ones": unlike,
    f"{MANY:,} photos of one hash": one_hash,
    f"{MANY:,} photos of one camera and moment": one_moment,
    "one camera, five photos a second": five_a_second,
    "time-lapses of 100 frames": short_time_lapses,
    f"a time-lapse of {MANY:,} frames": long_time_lapse,
}


if __name__ == "__main__":
    main()
