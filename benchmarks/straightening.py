"""How well photos are straightened that the straightener has not seen, by k-fold cross-validation.

python benchmarks/straightening.py LIBRARY [-S train.KEY=VALUE ...] [--turned FILE]

The folds are those of `benchmarks/model.py`. "Level" are photos that the photographer did not turn,
"tilted" those turned by a degree or more. How many level photos are found if they are turned by
known angles shows that leaving photos alone is not blindness. `--turned` draws the level photos
that were turned by a degree or more, which may lean after all.
"""

import io
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folds
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from cropperhead import params
from cropperhead.dataset import shards
from cropperhead.dataset import split as splits
from cropperhead.geometry.crops import Floats
from cropperhead.params import INPUT_SIDE, TrainParams
from cropperhead.photos import drawing

KNOWN_DEG = (-6, -4, -2, 2, 4, 6)
LEAST_DEG = 1.0
BATCH = 64
COLUMNS, PICTURE_PX = 6, 320


@dataclass(frozen=True)
class Straightened:
    """Of each label: the human angle, the angle found, the probability that turning helps.

    `known` (angles, n): what is found in the photos turned by `KNOWN_DEG`.
    """

    labels: pd.DataFrame
    found: Floats
    helps: Floats
    known: Floats
    seconds: float


def main() -> None:
    """Prints the table."""
    parser = folds.library_parser(__doc__)
    parser.add_argument("--folds", type=int, default=5, help="%(default)s")
    parser.add_argument(
        "--photos", type=int, help="how many the photographer has; all if not given"
    )
    parser.add_argument("--turned", type=Path, help="a picture of the turned level photos")
    parser.add_argument("-S", dest="set", action="append", default=[], metavar="train.KEY=VALUE")
    options = parser.parse_args()
    settings = folds.override(params.load(folds.ROOT / "params.yaml"), options.set)
    labels = folds.read_labels(options.library, options.work, settings)
    results = list(_cross_validated(labels, settings.train, options))
    for line in _report(results, settings):
        print(line)
    if options.turned:
        _draw(results, options.turned)


def _cross_validated(
    labels: pd.DataFrame, train: TrainParams, options: Any
) -> Iterator[Straightened]:
    fold = folds.assign(labels, options.folds)
    for held in range(options.folds):
        table = folds.with_split(labels, fold, held, options.photos)
        name = folds.digest((train, options.folds, options.photos, len(labels)))
        kept = options.work / f"straightening-{held}-{name}.npz"
        if not kept.exists():
            np.savez(kept, **_train_and_straighten(table, train))
        with np.load(kept) as stored:
            found = {key: stored[key] for key in stored.files}
        test = table[table["split"] == splits.TEST]
        seconds = float(found.pop("seconds"))
        yield Straightened(test, **found, seconds=seconds)
        print(f"fold {held}: {seconds:.0f} s", file=sys.stderr, flush=True)


def _train_and_straighten(table: pd.DataFrame, train: TrainParams) -> dict[str, Any]:
    from cropperhead.training import batches, straighten  # noqa: PLC0415 - TensorFlow
    from cropperhead.training.repeatable import make_repeatable  # noqa: PLC0415

    make_repeatable(train)
    folder = Path(table["shards"].iloc[0])
    known = table[table["split"] == splits.TRAIN]
    sample = straighten.sample_photos(list(dict.fromkeys(known["photo"])))
    examples = batches.read_examples(folder, known[known["photo"].isin(sample)], INPUT_SIDE)
    start = time.perf_counter()
    habit = straighten.measure_habit(known["crop_angle"].to_numpy(float))
    estimator = straighten.train_estimator(examples, train.seed) if habit.straightens else None
    seconds = time.perf_counter() - start
    held = batches.read_examples(folder, table[table["split"] == splits.TEST], INPUT_SIDE)
    found = [_straighten(estimator, habit, held.photos, turn, train) for turn in (0, *KNOWN_DEG)]
    angles = np.stack([angle for angle, _ in found])[:, held.photo]
    helps = found[0][1][held.photo]
    return {"found": angles[0], "helps": helps, "known": angles[1:], "seconds": seconds}


def _straighten(
    estimator: Any, habit: Any, photos: Any, turn_deg: float, train: TrainParams
) -> tuple[Floats, Floats]:
    """What is found in photos that are turned by an angle before: angles and probabilities."""
    from cropperhead.training import straighten  # noqa: PLC0415

    if estimator is None:
        return np.zeros(len(photos.names)), np.zeros(len(photos.names))
    parts = []
    for start in range(0, len(photos.names), BATCH):
        part = slice(start, start + BATCH)
        aspect = photos.aspect[part].astype(np.float32)
        turned = np.full(len(aspect), turn_deg, np.float32)
        images = straighten.rotate_photos(photos.images[part], turned, aspect)
        logits = estimator(straighten.evidence(images, aspect[:, None]), training=False)
        tilt, helps = straighten.estimate_tilt(logits, habit)
        angle = straighten.angle_to_rotate(tilt, helps, aspect[:, None], train)
        parts.append(np.concatenate([angle, helps], axis=1).astype(float))
    both = np.concatenate(parts)
    return both[:, 0], both[:, 1]


def _report(results: Sequence[Straightened], settings: params.Params) -> Iterator[str]:
    labels = pd.concat([each.labels for each in results])
    found, helps = (
        np.concatenate([getattr(each, name) for each in results]) for name in ("found", "helps")
    )
    known = np.concatenate([each.known for each in results], axis=1)
    truth = labels["crop_angle"].to_numpy(float)
    error, alone = np.abs(found - truth), np.abs(truth)
    apart = folds.interval(labels, error - alone, settings)
    level, tilted = truth == 0, alone >= LEAST_DEG
    yield "| | |\n|---|---|"
    yield f"| angle error over all {len(truth)} photos | {error.mean():.3f}° |"
    yield f"| … if they are left alone | {alone.mean():.3f}° |"
    yield f"| … difference, paired | {apart.mean:+.3f}° ({apart.low:+.3f} to {apart.high:+.3f}) |"
    turned = np.abs(found[level]) >= LEAST_DEG
    yield f"| level photos turned by {LEAST_DEG:g}° or more | {_share(turned)} |"
    ratio = error[tilted].sum() / alone[tilted].sum()
    yield f"| {tilted.sum()} tilted photos: error, times that of leaving alone | {ratio:.3f} |"
    yield f"| … turned | {_share(found[tilted] != 0)} |"
    for angle in sorted(set(map(abs, KNOWN_DEG))):
        rows = [place for place, each in enumerate(KNOWN_DEG) if abs(each) == angle]
        off = np.stack([known[place, level] - KNOWN_DEG[place] for place in rows])
        found_back = _share(np.abs(off) <= 1)
        yield f"| level photos turned by {angle}°: corrected to within 1° | {found_back} |"
    yield f"| training | {np.mean([each.seconds for each in results]):.0f} s |"
    yield "\n| probability that turning helps | photos | it helped |\n|---|---|---|"
    # a photo that was turned counts by its own angle, others by the side alone
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
        rows = (helps >= low) & (helps < high) & (found != 0)
        if rows.any():
            helped = np.mean((error < alone)[rows])
            yield f"| {helps[rows].mean():.2f} | {rows.sum()} | {helped:.2f} |"


def _share(values: Any) -> str:
    return f"{np.mean(values):.1%} ({np.sum(values)} of {np.size(values)})"


def _draw(results: Sequence[Straightened], file: Path) -> None:
    """Draws the level photos that were turned, each with a level line across its middle."""
    pictures, captions = [], []
    for each in results:
        rows = (each.labels["crop_angle"].to_numpy(float) == 0) & (np.abs(each.found) >= LEAST_DEG)
        names = each.labels["photo"][rows].tolist()
        jpegs = dict(shards.iter_images(Path(each.labels["shards"].iloc[0]), set(names)))
        pictures += [_with_level_line(jpegs[name]) for name in names]
        found = zip(names, each.found[rows], each.helps[rows], strict=True)
        captions += [f"{Path(name).stem} {angle:+.1f} ({sure:.2f})" for name, angle, sure in found]
    if pictures:
        drawing.contact_sheet(pictures, COLUMNS, captions, COLUMNS * PICTURE_PX).save(file)


def _with_level_line(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as photo:
        picture = photo.convert("RGB")
    middle = picture.height // 2
    ImageDraw.Draw(picture).line([0, middle, picture.width, middle], fill="red")
    return picture


if __name__ == "__main__":
    main()
