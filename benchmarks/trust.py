"""How far intervals and verdicts can be trusted: simulations whose truth is known.

python benchmarks/trust.py                  intervals and verdicts by score tables, 3 minutes
python benchmarks/trust.py --libraries 10   also verdicts on trained networks, a minute each

Intervals: how often 95 % intervals contain the true mean, for gains of several distributions, and
how often they are above it. Verdicts: how often models are called "learned" that know nothing of
the photos they crop. Libraries: with crops by the demo's rule, the verdict on a small network must
be "learned", and with crops by chance it must not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cropperhead import params
from cropperhead.dataset import extract, shards, split
from cropperhead.evaluation import croppers
from cropperhead.evaluation.croppers import CropMethod
from cropperhead.evaluation.verdict import Gains, conclude
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.library import scan
from cropperhead.params import DEMO_POLICIES, Params
from cropperhead.stats import Jackknife
from cropperhead.training.batches import PhotoArrays

ROOT = Path(__file__).parent.parent
CONFIDENCE = 0.95
GROUPS = (5, 10, 20, 40, 100, 200)
SIZES = {"equal": (1,), "unequal": (1, 2, 6)}  # photos in a group
TEST_GROUPS = (9, 10, 20, 50)
TRAINING_PHOTOS, DRAWS = 120, 5
FRAMES = np.array([1.5, 1.5, 1.333, 0.667])  # width / height
SMALL_LIBRARY = 300  # photos
EXPECTED = {"rule": ["learned"], "random": ["no evidence", "worse"]}

Generator = np.random.Generator


def normal(generator: Generator, count: int) -> Floats:
    """Draw gains for which Student's t is exact."""
    return generator.normal(size=count)


def laplace(generator: Generator, count: int) -> Floats:
    """Draw gains with long tails."""
    return generator.laplace(size=count)


def zero_inflated(generator: Generator, count: int) -> Floats:
    """Draw gains, half of which are zero."""
    return generator.normal(size=count) * (generator.random(count) < 0.5)


def skewed(generator: Generator, count: int) -> Floats:
    """Draw many small wins and few large losses, of skewness -2."""
    return 1 - generator.exponential(size=count)


def nine_to_one(generator: Generator, count: int) -> Floats:
    """Draw nine equal wins for each loss, which is nine times as large: the worst case here."""
    return np.where(generator.random(count) < 0.1, -9.0, 1.0) + generator.normal(0, 0.3, count)


DISTRIBUTIONS = (normal, laplace, zero_inflated, skewed, nine_to_one)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="of each interval, %(default)s")
    parser.add_argument("--models", type=int, default=100, help="of each kind, %(default)s")
    parser.add_argument("--libraries", type=int, default=0, help="of each policy, %(default)s")
    options = parser.parse_args()
    print_intervals(options.trials)
    print_verdicts(options.models)
    if options.libraries:
        print_libraries(options.libraries)


def print_intervals(trials: int) -> None:
    """Print how often intervals are right, and how often wrongly above 0."""
    print(f"95 % intervals that contain the true mean, and that are above it, {trials:,} each")
    print_row("gains", "groups of photos", *GROUPS)
    print_row(*["---"] * (2 + len(GROUPS)))
    for draw in DISTRIBUTIONS:
        for name, sizes in SIZES.items():
            shares = [measure_interval(draw, sizes, groups, trials) for groups in GROUPS]
            cells = (f"{inside:.1%}, {above:.1%}" for inside, above in shares)
            print_row(draw.__name__.replace("_", " "), name, *cells)


def measure_interval(
    draw: Callable[[Generator, int], Floats], sizes: tuple[int, ...], groups: int, trials: int
) -> tuple[float, float]:
    """Return the shares of intervals that contain 0, the true mean, and that are above it.

    All photos of a group have one gain.
    """
    generator, ends = np.random.default_rng(groups), []
    for _ in range(trials):
        count = generator.choice(sizes, groups)
        interval = jackknife(count).interval(np.repeat(draw(generator, groups), count))
        ends.append((interval.low, interval.high))
    low, high = np.array(ends).T
    return float(np.mean((low <= 0) & (high >= 0))), float(np.mean(low > 0))


def jackknife(sizes: Floats) -> Jackknife:
    """Return the jackknife of groups of these sizes."""
    return Jackknife(np.repeat(np.arange(len(sizes)), sizes).astype(str).tolist(), CONFIDENCE)


def photographer(generator: Generator, aspect: Floats, is_partial: bool) -> Floats:
    """Draw crops (n, 5) that ignore the photo; a partial photographer crops portraits tighter."""
    count = len(aspect)
    size = 1 - 0.7 * generator.beta(2, 4, (count, 1)) + generator.normal(0, 0.05, (count, 2))
    size = np.clip(size * np.where(is_partial & (aspect < 1), 0.7, 1)[:, None], 0.2, 1)
    low = generator.random((count, 2)) * (1 - size)
    angle = np.where(generator.random(count) < 0.3, generator.normal(0, 1.5, count), 0)
    return crops.inside_frame(np.column_stack([low, low + size, angle]), aspect)


@dataclass(frozen=True)
class Library:
    """What models crop from: training crops (n, 5), and m test photos.

    `by_shape` are the constant crops by the shape of each photo's frame, (m, 5), `human` the
    photographer's, and `member` the group of each photo, (m,).
    """

    generator: Generator
    training: Floats
    by_shape: Floats
    human: Floats
    member: NDArray[np.int64]


def noise(library: Library) -> Floats:
    """Scatter crops around the constant crop, photo by photo."""
    scattered = scatter(library.generator, 0.03, len(library.member))
    return np.median(library.training, axis=0) + scattered


def noise_by_group(library: Library) -> Floats:
    """Scatter crops around the constant crop, alike for similar photos."""
    scattered = scatter(library.generator, 0.05, library.member.max() + 1)
    return np.median(library.training, axis=0) + scattered[library.member]


def copies(library: Library) -> Floats:
    """Copy the crop of any training photo."""
    return library.generator.choice(library.training, len(library.member))


def frame_shape(library: Library) -> Floats:
    """Know the frame's shape and nothing else."""
    return library.by_shape + scatter(library.generator, 0.01, len(library.member))


def better_constant(library: Library) -> Floats:
    """Give all photos the crop that overlaps most, which the median of the limits does not."""
    return best_constant() + scatter(library.generator, 0.005, len(library.member))


def some_of_the_way(library: Library) -> Floats:
    """Follow the photographer for 40 % of the way from the constant crop, with noise."""
    constant = np.median(library.training, axis=0)
    scattered = scatter(library.generator, 0.03, len(library.member))
    return constant + 0.4 * (library.human - constant) + scattered


MODELS = (noise, noise_by_group, copies, frame_shape, better_constant, some_of_the_way)


def scatter(generator: Generator, spread: float, count: int) -> Floats:
    """Draw small changes of limits, (count, 5), without a turn."""
    return np.pad(generator.normal(0, spread, (count, 4)), ((0, 0), (0, 1)))


@cache
def best_constant() -> Floats:
    """Search the constant crop with the highest overlap, (5,), on 400 crops."""
    generator = np.random.default_rng(1)
    aspect = generator.choice(FRAMES, 400)
    human = photographer(generator, aspect, is_partial=False)
    best, overlap = np.median(human, axis=0), 0.0
    for _ in range(300):
        tried = best + scatter(generator, 0.03, 1)[0]
        found = float(np.mean(crops.overlap(repeated(tried, aspect), human, aspect)))
        if found > overlap:
            best, overlap = tried, found
    return best


def repeated(limits: Floats, aspect: Floats) -> Floats:
    """Give all photos one crop, inside their frames, (n, 5)."""
    return crops.inside_frame(np.tile(limits, (len(aspect), 1)), aspect)


def print_verdicts(models: int) -> None:
    """Print how often models are called "learned"; only the last of them has."""
    print(f'\n"learned" of {models:,} models each, groups of 1, 2 or 6 photos')
    print_row("model", *(f"{groups} groups" for groups in TEST_GROUPS))
    print_row(*["---"] * (1 + len(TEST_GROUPS)))
    for crop in MODELS:
        shares = [measure_verdict(crop, groups, models) for groups in TEST_GROUPS]
        print_row(crop.__name__.replace("_", " "), *(f"{share:.1%}" for share in shares))


def measure_verdict(crop: Callable[[Library], Floats], groups: int, models: int) -> float:
    """Return the share of such models whose verdict is "learned"."""
    generator = np.random.default_rng(groups)
    outcomes = [conclude(draw_gains(crop, groups, generator)) for _ in range(models)]
    return outcomes.count("learned") / models


def draw_gains(crop: Callable[[Library], Floats], groups: int, generator: Generator) -> Gains:
    """Draw a library whose photos tell nothing, and return the gains of a model on it."""
    count = generator.choice(SIZES["unequal"], groups)
    member = np.repeat(np.arange(groups), count)
    aspect, training_aspect = (generator.choice(FRAMES, n) for n in (groups, TRAINING_PHOTOS))
    is_partial = crop is frame_shape
    training = photographer(generator, training_aspect, is_partial)
    human = photographer(generator, aspect, is_partial)[member]
    photos, frames = blank_photos(aspect[member]), aspect[member]
    by_shape = croppers.shape_crop(training, training_aspect)
    library = Library(generator, training, by_shape.crop(photos)[0], human, member)
    cropped = crops.inside_frame(crop(library), frames)

    def gain(over: CropMethod) -> Floats:
        others = over.crop(photos)
        overlaps = crops.overlap(others, np.broadcast_to(human, others.shape), frames)
        return crops.overlap(cropped, human, frames) - overlaps.mean(axis=0)

    shuffled = croppers.shuffled_network(lambda _: cropped, DRAWS, 1)
    rivals = (croppers.median_crop(training), by_shape, shuffled)
    return Gains(*(jackknife(count).interval(gain(rival)) for rival in rivals), groups)


def blank_photos(aspect: Floats) -> PhotoArrays:
    """Make photos without content of these shapes."""
    count = len(aspect)
    names, black = [str(i) for i in range(count)], np.zeros((count, 1, 1, 3), np.uint8)
    return PhotoArrays(names, black, aspect.astype(np.float32))


def print_libraries(count: int) -> None:
    """Train a small network on each of `count` drawn libraries of each policy; print verdicts."""
    settings = params.load(ROOT / "params.yaml")
    print()
    print_row("crops", "seed", "verdict", "over median", "over shape", "over shuffled", "s")
    print_row(*["---"] * 7)
    for policy in DEMO_POLICIES:
        outcomes = []
        for seed in range(1, count + 1):
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as work:
                gains = train_and_evaluate(policy, seed, Path(work), settings)
            outcomes.append(conclude(gains))
            means = (gains.over_median, gains.over_shape, gains.over_shuffled)
            cells = (f"{each.mean:+.3f} ({each.low:+.3f} to {each.high:+.3f})" for each in means)
            seconds = f"{time.perf_counter() - start:.0f}"
            print_row(policy, seed, outcomes[-1], *cells, seconds)
        right = sum(outcome in EXPECTED[policy] for outcome in outcomes)
        print(f"\n{policy}: {' or '.join(EXPECTED[policy])} in {right} of {count}\n", flush=True)


def train_and_evaluate(policy: str, seed: int, work: Path, settings: Params) -> Gains:
    """Draw a library, train a small network on it, and return its gains on a third of it."""
    from cropperhead.demo import draw_library  # noqa: PLC0415
    from cropperhead.evaluation import evaluate  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.fit import train_network  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.networks import keras_model  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.training_data import read_training_data  # noqa: PLC0415

    library, extracted = work / "library", work / "extracted"
    draw_library(library, SMALL_LIBRARY, policy, seed)
    entries = scan.scan(library, [], settings.extract.tags).entries
    extract.extract_into(work, library, entries, replace(settings.extract, long_side=256))
    labels = shards.read_labels(extracted)
    fractions = {"train": 0.55, "validation": 0.12, "test": 0.33}
    features = shards.read_features(extracted, labels["photo"])
    splits = split.assign_splits(labels, replace(settings.split, fractions=fractions), features)
    labels = labels.merge(splits, on="photo")
    small = replace(settings.train, quality="fast", image_size=64, epochs=14, seed=seed)
    data = read_training_data(extracted, labels, small, work / "fields")
    model = train_network(small, data).model
    keras_model.save_model(model, work / "model.keras")
    chosen = replace(settings, evaluate=replace(settings.evaluate, random_draws=10))
    return evaluate.evaluate_model(labels, extracted, work / "model.keras", chosen).gains()


def print_row(*cells: object) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
