"""What can be told of crops without a person's crop of the same photo to compare them with."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cropperhead.evaluation import composition, judge, occlusion
from cropperhead.evaluation.composition import DESCRIPTIONS
from cropperhead.evaluation.croppers import CNN, HUMAN, OTHER, RANDOM
from cropperhead.evaluation.results import Judged, Measure
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Bootstrap, Interval
from cropperhead.training.batches import Photos

_JUDGE_LEARNS_FROM = 1000  # photos: more make it no better, and take longer
_JUDGED = (RANDOM, OTHER, CNN)
_DRAWS_LEARNED = 4  # crops of other photos, for each human one
_DRAWS_MEASURED = 5  # of a random cropper's: their mean over many photos is sharp enough


@dataclass(frozen=True)
class Judging:
    """What a judge learns from: n photos and their human crops (n, 5)."""

    photos: Photos
    human: Floats
    seed: int


@dataclass(frozen=True)
class Unaided:
    """`composed`: by cropper and measure, (n,), a value for each of the `names`, photos.

    `moved`: how far crops move when the most salient part is hidden, and when as much of the
    background is, (n,) each.
    """

    names: Sequence[str]
    composed: Mapping[str, Mapping[str, Floats]]
    judged: Sequence[Judged]
    moved: tuple[Floats, Floats]

    def measures(self, mean: Callable[[pd.Series], Interval]) -> list[Measure]:
        """The measures of composition; `mean` gives the interval of values by photo."""
        return [
            Measure(
                described.name,
                described.unit,
                described.better,
                self._by_cropper(described.key, mean),
                described.meaning,
            )
            for described in DESCRIPTIONS
        ]

    def _by_cropper(self, key: str, mean: Callable[[pd.Series], Interval]) -> dict[str, Interval]:
        names = list(self.names)
        return {k: mean(pd.Series(values[key], names)) for k, values in self.composed.items()}


def chosen(labels: pd.DataFrame) -> pd.DataFrame:
    """The training labels from which a judge learns: one a photo, drawn by the photos' names."""
    first = labels.drop_duplicates("photo")
    place = first["photo"].map(lambda name: hashlib.sha256(f"judge\0{name}".encode()).hexdigest())
    return first.loc[place.sort_values().index[:_JUDGE_LEARNS_FROM]]


def measured(
    photos: Photos,
    cropped: Mapping[str, Floats],
    predict: Callable[[Photos], Floats],
    judging: Judging,
    resampled: Bootstrap,
) -> Unaided:
    """All of it for crops (draws, n, 5) by cropper, the people's own among them."""
    fields = composition.fields(photos)
    composed = {key: _mean_over_draws(fields, limits) for key, limits in cropped.items()}
    moved = occlusion.moved(predict, photos, fields)
    return Unaided(photos.names, composed, _judged(fields, cropped, judging, resampled), moved)


def _mean_over_draws(fields: composition.Fields, limits: Floats) -> dict[str, Floats]:
    drawn = [composition.measured(fields, each) for each in limits[:_DRAWS_MEASURED]]
    return {d.key: np.mean([each[d.key] for each in drawn], axis=0) for d in DESCRIPTIONS}


def _judged(
    fields: composition.Fields,
    cropped: Mapping[str, Floats],
    judging: Judging,
    resampled: Bootstrap,
) -> list[Judged]:
    seen = composition.fields(judging.photos)
    others = judge.dealt(judging.human, seen.aspect, _DRAWS_LEARNED, judging.seed)
    trained = judge.trained(seen, judging.human, others, judging.seed)
    human = trained.probability(fields, cropped[HUMAN][0])
    found = []
    for key in _JUDGED:
        drawn = [trained.probability(fields, each) for each in cropped[key][:_DRAWS_MEASURED]]
        found.append(Judged(key, judge.auc(human, np.stack(drawn), resampled)))
    return found
