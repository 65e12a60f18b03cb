"""Measures how the time of splitting grows with the library, and which copies it recognises.

python benchmarks/splits.py [--photos N [N ...]]
python benchmarks/splits.py --library FOLDER [--sample N]

The labels are made from a seed, and the baseline only sorts their hashes. Each measurement runs in
its own process, whose peak memory includes the labels; the difference from the baseline is what
splitting needs.

With a folder of photos, some of them are edited as photographers do, and the table shows how many
of these copies are recognised among all photos of the folder: by the perceptual hash alone, and
with local features. Cropping "to 80 %" keeps that share of each side.
"""

import argparse
import io
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from cropperhead import params
from cropperhead.dataset import picture_copies, split
from cropperhead.errors import RejectedFile
from cropperhead.photos import image

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
Edit = Callable[[Image.Image, np.random.Generator], Image.Image]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    counts = (1_000, 10_000, 100_000, 1_000_000)
    parser.add_argument("--photos", type=int, nargs="+", default=counts, metavar="N")
    parser.add_argument("--library", type=Path, metavar="FOLDER")
    parser.add_argument("--sample", type=int, default=200, metavar="N")
    options = parser.parse_args()
    if options.library:
        recognise(options.library, options.sample)
        return
    print("| | photos | seconds | times the line before | peak memory | groups |")
    print("|---|---|---|---|---|---|")
    for name in ("sorting the hashes (baseline)", *CASES):
        before = None
        for count in options.photos:
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
    labels["author"], labels["source"] = "photographer", "lightroom embedded"
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


@dataclass(frozen=True)
class Content:
    """What is known of a picture."""

    perceptual_hash: int
    features: bytes


def recognise(folder: Path, sample: int) -> None:
    """Print which copies of a sample of photos are recognised."""
    generator = np.random.default_rng(SEED)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in image.SUFFIXES)
    photos = {
        file: content for file in files if (content := read_content(file, EDITS["encoded again"]))
    }
    names = list(photos)
    chosen = sorted(generator.choice(len(names), min(sample, len(names)), replace=False).tolist())
    start = time.process_time()
    pairs = picture_copies.find_copies([one.features for one in photos.values()])
    each_ms = (time.process_time() - start) / len(names) * 1000
    print(f"{len(names):,} photos, {len(pairs):,} pairs of copies, {each_ms:.1f} ms a photo")
    print(f"\n| {len(chosen)} copies | perceptual hash | with local features | joined wrongly |")
    print("|---|---|---|---|")
    for name, edit in EDITS.items():
        copies = [read_content(names[place], edit, generator) for place in chosen]
        by_hash, found, wrong = count_found([*photos.values()], pairs, chosen, copies)
        shares = " | ".join(f"{part / len(chosen):.0%}" for part in (by_hash, found))
        print(f"| {name} | {shares} | {wrong} |", flush=True)


def count_found(
    photos: list[Content], known: np.ndarray, originals: list[int], copies: list[Content]
) -> tuple[int, int, int]:
    """Count the copies that are recognised by their hash, and by either, and wrong pairs.

    `known` are pairs of photos that are copies themselves.
    """
    contents = [one.features for one in (*photos, *copies)]
    pairs = {(a - len(photos), b) for a, b in picture_copies.find_copies(contents, len(photos))}
    limit = PARAMS.near_duplicate_bits
    by_hash = {
        (place, original)
        for place, (original, copy) in enumerate(zip(originals, copies, strict=True))
        if (photos[original].perceptual_hash ^ copy.perceptual_hash).bit_count() <= limit
    }
    right = {*enumerate(originals)}
    same = {tuple(pair) for each in (known, known[:, ::-1]) for pair in each.tolist()}
    wrong = [(a, b) for a, b in pairs - right if (originals[a], b) not in same]
    return len(by_hash), len(right & (pairs | by_hash)), len(wrong)


def read_content(file: Path, edit: Edit, generator: np.random.Generator) -> Content | None:
    """Edit a photo and read its copy as the extraction does; None if it cannot be read."""
    try:
        with image.open_picture(file, 400) as picture:
            edited = edit(image.upright_copy(picture, 1, 2048), generator)
    except RejectedFile:
        return None
    buffer = io.BytesIO()
    edited.convert("RGB").save(buffer, "JPEG", quality=85)
    with Image.open(buffer) as picture:
        copy = image.small_copy(picture, 1, 512, 90)
    return Content(int(copy.perceptual_hash, 16), copy.features)


def crop(share: float) -> Edit:
    """Crop to a share of each side, anywhere."""

    def edit(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
        width, height = (round(share * side) for side in picture.size)
        left = generator.integers(0, picture.width - width + 1)
        top = generator.integers(0, picture.height - height + 1)
        return picture.crop((left, top, left + width, top + height))

    return edit


def turn(angle_deg: float) -> Edit:
    """Straighten, without the empty corners."""

    def edit(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        long, short = max(picture.size), min(picture.size)
        angle = np.deg2rad(abs(angle_deg))
        share = 1 / (np.cos(angle) + np.sin(angle) * long / short)
        width, height = (share * side for side in picture.size)
        left, top = (picture.width - width) / 2, (picture.height - height) / 2
        turned = picture.rotate(angle_deg, Image.Resampling.BICUBIC)
        return turned.crop((round(left), round(top), round(left + width), round(top + height)))

    return edit


def expose(stops: float) -> Edit:
    """Multiply the light, in a gamma of 2.2."""
    factor = 2 ** (stops / 2.2)
    return lambda picture, _: picture.point(lambda value: min(255, round(factor * value)))


def border(share: float, colour: str) -> Edit:
    """Add a border, a share of the long side."""
    return lambda picture, _: ImageOps.expand(picture, round(share * max(picture.size)), colour)


def mark(size: float, x: float, y: float, opacity: int) -> Edit:
    """Write a name, in letters of a share of the width."""

    def edit(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        marked, font = picture.convert("RGB"), ImageFont.load_default(size * picture.width)
        place = (x * picture.width, y * picture.height)
        draw = ImageDraw.Draw(marked, "RGBA")
        draw.text(place, "(c) A. Person", font=font, fill=(255, 255, 255, opacity))
        return marked

    return edit


def transpose(method: Image.Transpose) -> Edit:
    """Mirror, or turn by 90 degrees."""
    return lambda picture, _: picture.transpose(method)


def both(first: Edit, second: Edit) -> Edit:
    """Edit twice."""
    return lambda picture, generator: second(first(picture, generator), generator)


def more_contrast(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Raise the contrast by half."""
    return ImageEnhance.Contrast(picture).enhance(1.5)


MIRROR, TURN = transpose(Image.Transpose.FLIP_LEFT_RIGHT), transpose(Image.Transpose.ROTATE_90)
EDITS: dict[str, Edit] = {
    "encoded again": lambda picture, _: picture,
    "half the size": lambda picture, _: picture.resize((picture.width // 2, picture.height // 2)),
    "black and white": lambda picture, _: ImageOps.grayscale(picture),
    "contrast raised": more_contrast,
    "a stop brighter": expose(1),
    "a stop darker": expose(-1),
    **{f"cropped to {share:.0%}": crop(share) for share in (0.95, 0.9, 0.8, 0.6, 0.5)},
    **{f"turned by {angle} degrees": turn(angle) for angle in (2, 5, 8)},
    "mirrored": MIRROR,
    "turned by 90 degrees": TURN,
    "white border": border(0.08, "white"),
    "black border": border(0.15, "black"),
    "mark in a corner": mark(0.06, 0.55, 0.88, 220),
    "mark across the photo": mark(0.14, 0.05, 0.4, 120),
    "cropped to 80 %, mirrored": both(crop(0.8), MIRROR),
    "cropped to 60 %, turned by 90 degrees": both(crop(0.6), TURN),
    "cropped to 80 %, a stop brighter": both(crop(0.8), expose(1)),
    "cropped to 60 %, contrast raised": both(crop(0.6), more_contrast),
    "cropped to 80 %, turned by 5 degrees": both(turn(5), crop(0.8)),
    "cropped to 80 %, white border": both(crop(0.8), border(0.08, "white")),
    "mirrored, white border": both(MIRROR, border(0.08, "white")),
}


if __name__ == "__main__":
    main()
