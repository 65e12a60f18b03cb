"""What a base model and a personal step are worth, by how many crops a photographer has.

python benchmarks/personal.py LIBRARY [--work FOLDER] [--draws N] [--people N]

LIBRARY is a library that many people cropped. Its photos are divided into three parts, like photos
together. A base model is trained on two parts; photographers have a few crops of the third, and are
judged on those of its photos that neither they nor the base has seen. There are two kinds:

- draws: random photos with the crops that people made, so a photographer without a style;
- people: the same crops, changed as one person would (size, ratio, and where subjects are placed).
  What the crowd does not agree on stays as noise.

Each row is the mean gain in overlap over the photographer's own median crop.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folds
import numpy as np
import pandas as pd

from cropperhead import params
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import TrainParams
from cropperhead.training import personal
from cropperhead.training.personal import KeptRatio, PersonalStep

PARTS = 3
OWN = (0, 20, 60, 120, 300)
SEED = 7
RATIOS = ((None, 0.35), (0.0, 0.35), (1.25, 0.1), (1.0, 0.1), (16 / 9, 0.1))  # 0: the frame's own
HEADER = (
    "| photographers | own crops | overlap of the median crop | base | **chosen** | standard error "
    "| against the better of median and base, standard error | worst | chosen |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Gain:
    """Overlaps above the own median crop, means over photographers with so many own crops.

    `against_best` is that of the chosen crops less the better of median and base, on average over
    photographers the better; its error is a standard error. `names` says what was chosen how often.
    """

    kind: str
    own: int
    median: float
    base: float
    chosen: float
    chosen_error: float
    against_best: float
    against_best_error: float
    worst: float
    names: str


@dataclass(frozen=True)
class Library:
    """Crops (n, 4) of people and of base models that did not see the photo, and its part."""

    crops: Floats
    base: Floats
    aspect: Floats
    groups: np.ndarray
    part: np.ndarray


@dataclass(frozen=True)
class Style:
    """How a person differs from the crowd: in size, ratio, and place as a share of the crop."""

    size: float = 1.0
    ratio: float | None = None
    down: float = 0.0
    right: float = 0.0

    def crops(self, crowd: Floats, aspect: Floats) -> Floats:
        """The person's crops of the photos."""
        offset = (0.0, 0.0, np.log(self.size), np.log(self.size))
        ratio = None if self.ratio is None else KeptRatio(self.ratio, 1 / (self.ratio or np.inf))
        limits = personal.take_step(crowd, aspect[:, None], PersonalStep(offset, ratio=ratio))
        sides = limits[:, 2:] - limits[:, :2]
        low = limits[:, :2] + sides * np.array([self.down, self.right])
        low = np.clip(low, 0, 1 - sides)
        return np.concatenate([low, low + sides], axis=1)


def main() -> None:
    """Prints the table."""
    parser = folds.library_parser(__doc__)
    parser.add_argument("--draws", type=int, default=30, help="%(default)s, for each size")
    parser.add_argument("--people", type=int, default=30, help="%(default)s")
    options = parser.parse_args()
    settings = params.load(folds.ROOT / "params.yaml")
    labels = folds.read_labels(options.library, options.work, settings)
    gains = measure(labels, options.work, settings.train, options.draws, options.people)
    for line in table(gains):
        print(line, flush=True)


def measure(
    labels: pd.DataFrame, work: Path, train: TrainParams, draws: int = 30, people: int = 30
) -> Iterator[Gain]:
    """The gains of both kinds of photographers, by how many crops they have."""
    library = _library(labels, work, train)
    kinds = {"draws": [Style()] * draws, "people": list(_people(people))}
    for kind, styles in kinds.items():
        for count in OWN:
            yield _gain(kind, count, styles, library)


def table(gains: Iterable[Gain]) -> Iterator[str]:
    """Lines of the table."""
    yield HEADER
    for each in gains:
        yield (
            f"| {each.kind} | {each.own} | {each.median:.4f} | {each.base:+.4f} | "
            f"**{each.chosen:+.4f}** | {each.chosen_error:.4f} | {each.against_best:+.4f} "
            f"({each.against_best_error:.4f}) | {each.worst:+.4f} | {each.names} |"
        )


def _library(labels: pd.DataFrame, work: Path, train: TrainParams) -> Library:
    """The library with base models' crops, which are stored in the work folder."""
    part = folds.assign(labels, PARTS)
    kept = work / f"base-{folds.digest((train, len(labels)))}.npz"
    if not kept.exists():
        base, aspect = _train_bases(labels, part, train)
        np.savez(kept, base=base, aspect=aspect)
    with np.load(kept) as archive:
        base, aspect = archive["base"], archive["aspect"]
    crops = labels[list(CROP_COLUMNS[:4])].to_numpy(float)
    return Library(crops, base, aspect, labels["group"].to_numpy(), part)


def _train_bases(
    labels: pd.DataFrame, part: np.ndarray, train: TrainParams
) -> tuple[Floats, Floats]:
    """For each part the crops of a head that was trained on the others, and the frames' aspect."""
    from cropperhead.training import batches  # noqa: PLC0415 - TensorFlow: not for --help
    from cropperhead.training.fields import read_fields, update_fields_of  # noqa: PLC0415
    from cropperhead.training.fit import Beginning, train_head  # noqa: PLC0415
    from cropperhead.training.networks import finished, keras_model  # noqa: PLC0415
    from cropperhead.training.prototypes import find_prototypes  # noqa: PLC0415
    from cropperhead.training.repeatable import make_repeatable  # noqa: PLC0415

    make_repeatable(train)
    shards, fields = Path(labels["shards"].iloc[0]), folds.fields_folder(labels)
    fields.mkdir(parents=True, exist_ok=True)
    update_fields_of(shards, fields, train.features)

    def examples(rows: pd.DataFrame) -> Any:
        return batches.join_crops(
            rows, lambda photos: read_fields(shards, fields, photos, train.features)
        )

    crops, aspect = np.zeros((len(labels), 4)), np.zeros(len(labels))
    for held in range(PARTS):
        print(f"base model {held + 1} of {PARTS}", file=sys.stderr, flush=True)
        seen = examples(labels[part != held])
        known = seen.limits.astype(float)
        prototypes = find_prototypes(known, train.prototypes, train.seed)
        head = train_head(train, seen, Beginning(np.median(known, axis=0), prototypes))
        unseen = examples(labels[part == held])
        both = finished.average_with_mirror_image(head, prototypes)
        predicted = keras_model.predict_limits(both, unseen.photos)
        crops[part == held] = predicted[unseen.photo, :4]
        aspect[part == held] = unseen.aspect
    return crops, aspect


def _people(count: int) -> Iterator[Style]:
    generator = np.random.default_rng(SEED)
    ratios, shares = zip(*RATIOS, strict=True)
    for _ in range(count):
        size = float(np.clip(np.exp(generator.normal(-0.05, 0.15)), 0.6, 1.25))
        ratio = ratios[generator.choice(len(ratios), p=shares)]
        down, right = generator.normal(0, [0.04, 0.03])
        yield Style(size, ratio, float(down), float(right))


def _gain(kind: str, count: int, styles: Sequence[Style], library: Library) -> Gain:
    found = [_measure(style, count, seed, library) for seed, style in enumerate(styles)]
    median, base, chosen = np.array([each[:3] for each in found]).T
    names = [each[3] for each in found]
    gain = chosen - median
    # the better on average, known in advance: the better for each would profit from chance
    against = chosen - (median if median.mean() > base.mean() else base)
    return Gain(
        kind,
        count,
        float(median.mean()),
        float((base - median).mean()),
        float(gain.mean()),
        _standard_error(gain),
        float(against.mean()),
        _standard_error(against),
        float((chosen - np.maximum(median, base)).min()),
        ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names))),
    )


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _measure(
    style: Style, count: int, seed: int, library: Library
) -> tuple[float, float, float, str]:
    """Overlap of the median crop, the base and the chosen step on unseen photos; its name."""
    part = seed % PARTS
    crops = style.crops(library.crops, library.aspect)
    order = np.random.default_rng([SEED, seed, count]).permutation(
        np.flatnonzero(library.part == part)
    )
    own, groups = order[:count], library.groups
    test = order[count:][~np.isin(groups[order[count:]], groups[own])]
    choice = personal.choose_step(
        library.base[own], crops[own], library.aspect[own], groups[own].tolist()
    )
    # Without own crops, the crowd's median is what is left
    known = crops[own] if count else library.crops[library.part != part]
    median = np.tile(np.median(known, axis=0), (len(test), 1))
    taken = personal.take_step(library.base[test], library.aspect[test, None], choice.step)
    scores = [
        float(personal.overlaps(each, crops[test]).mean())
        for each in (median, library.base[test], taken)
    ]
    return scores[0], scores[1], scores[2], choice.name


if __name__ == "__main__":
    main()
