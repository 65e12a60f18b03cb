"""What crops that people prefer are worth to training, by simulated voters.

python benchmarks/preferences.py LIBRARY [--work FOLDER] [--parts N] [--people N]

LIBRARY is a photo library with crops. Its photos are divided into three parts, like photos
together; `--parts` of them are held out in turn. A head is trained on the crops of the others, and
people vote on its crops of the photos that it has seen, against the photographer's, in a study as
`study new --training` makes it. A second head is trained on the photographer's crops
and those that people preferred, by their weights. Both crop the photos that were held out.

There are two kinds of people: those whose ideal is the photographer's crop, and those who like
crops of 0.85 times its sides best. A crop appeals to them by its overlap with their ideal.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folds
import numpy as np
import pandas as pd

from cropperhead import params
from cropperhead.evaluation.croppers import CNN, HUMAN
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import Params
from cropperhead.study.ballots import StudyPhoto
from cropperhead.study.folder import Study
from cropperhead.study.preferences import preferred_crops
from cropperhead.study.returned import ReturnedSession, table_rows
from cropperhead.study.votes import LEFT, NEITHER, RIGHT, make_table
from cropperhead.training.preferences import WEIGHT

PARTS = 3
KINDS = {"like the photographer": 1.0, "tighter": 0.85}  # the ideal's sides over the crop's
_SHARPNESS = 8.0  # of taste: 0.1 of overlap is preferred by 69 to 31
_TIE = 0.4  # as in study.py
HEADER = (
    "| people | preferred crops, mean weight | overlap with the photographer | "
    "difference, paired | overlap with people's ideal | difference, paired | "
    "people prefer the new crop |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Outcome:
    """Held-out labels, and the crops (n, 5) of the head without and with preferred crops."""

    labels: pd.DataFrame
    before: Floats
    after: Floats
    weights: Floats


def main() -> None:
    """Prints the table."""
    parser = folds.library_parser(__doc__)
    parser.add_argument("--parts", type=int, default=PARTS, help="%(default)s")
    parser.add_argument("--people", type=int, default=60, help="%(default)s, of a study")
    options = parser.parse_args()
    settings = params.load(folds.ROOT / "params.yaml")
    labels = folds.read_labels(options.library, options.work, settings)
    heads, outcomes = Heads(labels, settings), {kind: [] for kind in KINDS}
    part = folds.assign(labels, PARTS)
    for held in range(options.parts):
        for kind, outcome in measure(heads, part != held, options.people):
            outcomes[kind].append(outcome)
            print(kind, held, len(outcome.weights), file=sys.stderr, flush=True)
    print(HEADER)
    for kind, found in outcomes.items():
        print(_row(kind, found, settings))


class Heads:
    """Heads on the library's features, trained on some of its labels."""

    def __init__(self, labels: pd.DataFrame, settings: Params) -> None:
        from cropperhead.training.fields import update_fields_of  # noqa: PLC0415 - TensorFlow
        from cropperhead.training.repeatable import make_repeatable  # noqa: PLC0415

        self.labels, self._train = labels, settings.train
        self._shards, self._fields = Path(labels["shards"].iloc[0]), folds.fields_folder(labels)
        make_repeatable(self._train)
        self._fields.mkdir(parents=True, exist_ok=True)
        update_fields_of(self._shards, self._fields, self._train.features)

    def examples(self, rows: pd.DataFrame) -> Any:
        """Crops with the fields of their photos."""
        from cropperhead.training import batches, fields  # noqa: PLC0415

        return batches.join_crops(
            rows,
            lambda names: fields.read_fields(
                self._shards, self._fields, names, self._train.features
            ),
        )

    def train(self, seen: Any, preferred: pd.DataFrame | None = None) -> Any:
        """A head that averages over a photo and its mirror image."""
        from cropperhead.training.fit import Beginning, train_head  # noqa: PLC0415
        from cropperhead.training.networks import finished  # noqa: PLC0415
        from cropperhead.training.prototypes import find_prototypes  # noqa: PLC0415
        from cropperhead.training.training_data import TrainingData  # noqa: PLC0415

        known = seen.limits.astype(float)
        prototypes = find_prototypes(known, self._train.prototypes, self._train.seed)
        data = TrainingData(seen, seen, preferred=preferred)
        beginning = Beginning(np.median(known, axis=0), prototypes)
        head = train_head(self._train, data.learned, beginning)
        return finished.average_with_mirror_image(head, prototypes)


def measure(heads: Heads, known: np.ndarray, people: int) -> Iterator[tuple[str, Outcome]]:
    """The outcome for each kind of people; labels for which `known` is true are training."""
    from cropperhead.training.networks import keras_model  # noqa: PLC0415

    rows = heads.labels[known].drop_duplicates("photo")
    seen, held = heads.examples(rows), heads.examples(heads.labels[~known])
    first = heads.train(seen)
    before = keras_model.predict_limits(first, held.photos)[held.photo]
    shown = keras_model.predict_limits(first, seen.photos)
    for kind, sides in KINDS.items():
        preferred = _vote(_study(rows, shown, seen.aspect, people), sides)
        second = heads.train(seen, preferred)
        after = keras_model.predict_limits(second, held.photos)[held.photo]
        weights = preferred[WEIGHT].to_numpy(float)
        yield kind, Outcome(heads.labels[~known], before, after, weights)


def _study(rows: pd.DataFrame, shown: Floats, aspect: Floats, people: int) -> Study:
    human = rows[list(CROP_COLUMNS)].to_numpy(float)
    photos = tuple(
        StudyPhoto(name, group, float(ratio), {HUMAN: tuple(own), CNN: tuple(crop)})
        for name, group, ratio, own, crop in zip(
            rows["photo"], rows["group"], aspect, human, shown.astype(float), strict=True
        )
    )
    return Study("simulated", "00" * 32, 1, people, "", (HUMAN, CNN), photos, "train")


def _vote(study: Study, sides: float) -> pd.DataFrame:
    """The crops that people prefer once each has voted on a session."""
    generator = np.random.default_rng(3)
    rows = []
    for session, ballots in enumerate(study.design):
        votes = {}
        for place, ballot in enumerate(ballots):
            photo = study.by_name[ballot.photo]
            best = _ideal(np.array([photo.limits[HUMAN]]), sides)[0]
            appeal = [
                _SHARPNESS * float(crops.overlap(photo.limits[side], best, photo.aspect))
                + generator.gumbel()
                for side in (ballot.left, ballot.right)
            ]
            better = LEFT if appeal[0] > appeal[1] else RIGHT
            votes[place] = (NEITHER if abs(appeal[0] - appeal[1]) < _TIE else better, 1500)
        rows += table_rows(study, ReturnedSession(f"{session:032x}", session, votes))
    return preferred_crops(study, make_table(rows))


def _ideal(limits: Floats, sides: float) -> Floats:
    """Crops (n, 5) with so many times the sides, about the same centres."""
    centre, half = (limits[:, :2] + limits[:, 2:4]) / 2, (limits[:, 2:4] - limits[:, :2]) / 2
    return np.concatenate([centre - half * sides, centre + half * sides, limits[:, 4:]], axis=1)


def _row(kind: str, found: list[Outcome], settings: Params) -> str:
    labels = pd.concat([each.labels for each in found])
    before, after = (
        np.concatenate([getattr(each, name) for each in found]) for name in ("before", "after")
    )
    weights = np.concatenate([each.weights for each in found])
    aspect = (labels["width"] / labels["height"]).to_numpy(float)
    human = labels[list(CROP_COLUMNS)].to_numpy(float)
    cells = [kind, f"{len(weights):,}, {weights.mean():.2f}"]
    for truth in (human, _ideal(human, KINDS[kind])):
        old, new = (crops.overlap(each, truth, aspect) for each in (before, after))
        gain = folds.interval(labels, new - old, settings)
        cells += [
            f"{old.mean():.4f} → {new.mean():.4f}",
            f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
        ]
    cells.append(f"{np.mean(1 / (1 + np.exp(-_SHARPNESS * (new - old)))):.1%}")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
