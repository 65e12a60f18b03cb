"""Reference-free metrics: scores that need no human crop of the same photo."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.evaluation import composition, heads, judge, occlusion, trained_judge
from cropperhead.evaluation.composition import MEASURES, PhotoMaps
from cropperhead.evaluation.croppers import CNN, HUMAN, OTHER, RANDOM
from cropperhead.evaluation.findings import JudgeScore, Measure
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval, Jackknife
from cropperhead.training.batches import PhotoArrays

_JUDGE_PHOTOS = 1000  # that a judge trains on: more make it no better, and take longer
_JUDGED_CROPPERS = (RANDOM, OTHER, CNN)
_TRAINING_DRAWS = 4  # crops of other photos, for each human one
_MEASURED_DRAWS = 5  # of a random cropper's: their mean over many photos is precise enough


@dataclass(frozen=True)
class JudgeTraining:
    """What a judge trains on: n photos and their human crops (n, 5)."""

    photos: PhotoArrays
    human: Floats
    seed: int


@dataclass(frozen=True)
class ReferenceFreeScores:
    """Reference-free metrics of all croppers on the photos called `names`.

    `composition`: by cropper and measure, one value a photo, (n,). `crop_shifts`: how far the
    network's crops move when the most salient part is hidden, and when as much of the background
    is, (n,) each. `salient_cuts`: the share of what is salient in the human crop that the network's
    crop cuts away, (n,). `lost_heads`: how many heads are whole in the human crop, and not in the
    network's, (n,).
    """

    names: Sequence[str]
    composition: Mapping[str, Mapping[str, Floats]]
    judge_scores: Sequence[JudgeScore]
    crop_shifts: tuple[Floats, Floats]
    salient_cuts: Floats | None = None
    lost_heads: NDArray[np.int64] | None = None

    def measures(self, mean: Callable[[pd.Series], Interval]) -> list[Measure]:
        """Return the measures of composition; `mean` gives the interval of values by photo."""
        return [
            Measure(
                described.name,
                described.unit,
                described.better,
                self._by_cropper(described.key, mean),
                described.meaning,
            )
            for described in MEASURES
        ]

    def _by_cropper(self, key: str, mean: Callable[[pd.Series], Interval]) -> dict[str, Interval]:
        names = list(self.names)
        return {k: mean(pd.Series(values[key], names)) for k, values in self.composition.items()}


def sample_for_judge(labels: pd.DataFrame) -> pd.DataFrame:
    """Choose the training labels for a judge: one a photo, drawn by the hash of its name."""
    first = labels.drop_duplicates("photo")
    place = first["photo"].map(lambda name: hashlib.sha256(f"judge\0{name}".encode()).hexdigest())
    return first.loc[place.sort_values().index[:_JUDGE_PHOTOS]]


def score_without_reference(
    photos: PhotoArrays,
    cropped: Mapping[str, Floats],
    predict: Callable[[PhotoArrays], Floats],
    training: JudgeTraining,
    groups: Sequence[str],
    jackknife: Jackknife,
) -> ReferenceFreeScores:
    """Compute all metrics of crops (draws, n, 5) by cropper, people's own included.

    `groups` names each photo's group, which `jackknife` leaves out in turn.
    """
    maps = composition.photo_maps(photos)
    measures = {key: _mean_over_draws(maps, limits) for key, limits in cropped.items()}
    shifts = occlusion.crop_shifts(predict, photos, maps)
    judge_scores = _judge_scores(maps, cropped, training, groups, jackknife)
    cuts = composition.salient_cuts(maps, cropped[HUMAN][0], cropped[CNN][0])
    lost = heads.count_lost_heads(photos, cropped[HUMAN][0], cropped[CNN][0])
    return ReferenceFreeScores(photos.names, measures, judge_scores, shifts, cuts, lost)


def _mean_over_draws(maps: PhotoMaps, limits: Floats) -> dict[str, Floats]:
    draws = [composition.measure_crops(maps, each) for each in limits[:_MEASURED_DRAWS]]
    return {m.key: np.mean([each[m.key] for each in draws], axis=0) for m in MEASURES}


def _judge_scores(
    maps: PhotoMaps,
    cropped: Mapping[str, Floats],
    training: JudgeTraining,
    groups: Sequence[str],
    jackknife: Jackknife,
) -> list[JudgeScore]:
    training_maps = composition.photo_maps(training.photos)
    others = judge.swap_crops(training.human, training_maps.aspect, _TRAINING_DRAWS, training.seed)
    blind = judge.train_judge(training_maps, training.human, others, training.seed)
    human = cropped[HUMAN][0]
    human_scores, scores = blind.human_probability(maps, human), []
    for key in _JUDGED_CROPPERS:
        draws = cropped[key][:_MEASURED_DRAWS]
        draw_scores = np.stack([blind.human_probability(maps, each) for each in draws])
        trained_auc = trained_judge.trained_auc(
            human, draws, maps.aspect, groups, jackknife, training.seed
        )
        auc = judge.auc(human_scores, draw_scores, jackknife)
        scores.append(JudgeScore(key, auc, trained_auc))
    return scores
