"""Every cropper on the test photos, and their scores."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead import stats
from cropperhead.dataset import split
from cropperhead.evaluation import croppers, scores
from cropperhead.evaluation import reference_free as unaided
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, RANDOM, SHUFFLED, Cropper
from cropperhead.evaluation.reference_free import Unaided
from cropperhead.evaluation.third_party import rivals
from cropperhead.evaluation.verdict import conclude
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.params import INPUT_SIDE, EvaluateParams
from cropperhead.stats import Bootstrap, Interval
from cropperhead.training import batches
from cropperhead.training.batches import Photos
from cropperhead.training.networks import build

_SCORE_COLUMNS = [
    *("photo", "author", "group", "cropper", *scores.LIMITS, *scores.SCORES),
    *("iou_best", "area", "invalid", "reference"),
]
_COMPARED_SIDE = 32  # px of the training photos, among which the most similar one is looked for


@dataclass(frozen=True)
class Test:
    """The test photos: their labels in order, their pictures, and the group of each photo."""

    labels: pd.DataFrame
    photos: Photos
    groups: Mapping[str, str]

    def positions(self) -> NDArray[np.int64]:
        """For each label, the place of its photo in `photos`, (n,)."""
        return np.asarray(pd.Index(self.photos.names).get_indexer(pd.Index(self.labels["photo"])))


@dataclass(frozen=True)
class Result:
    """Scores of every cropper on every label, and the crops they are of.

    `cropped`: by cropper's key, (draws, photos, 5). `counts`: photos by split. `hashes`: of data
    and model, for the record. `unaided`: what needs no human crop, where it was measured.
    """

    test: Test
    croppers: Sequence[Cropper]
    cropped: Mapping[str, Floats]
    scores: pd.DataFrame
    params: EvaluateParams
    counts: Mapping[str, int]
    hashes: Mapping[str, str] = field(default_factory=dict)
    unaided: Unaided | None = None

    def interval(self, cropper: str, column: str) -> Interval:
        """Mean of a score over photos, with its interval."""
        return self.mean(self.by_photo(cropper, column))

    def gain(self, cropper: str, over: str) -> Interval:
        """Mean paired difference in overlap of one cropper to another, with its interval."""
        return self.mean(self.differences(cropper, over))

    def chance(self, cropper: str, over: str) -> float:
        """How often luck alone makes so large a gain; of a comparison that was planned."""
        differences, chosen = self.differences(cropper, over), self.params
        groups = self._groups(differences.index)
        return stats.chance(differences.to_numpy(float), groups, chosen.permutations, chosen.seed)

    def chances(self, over: str) -> dict[str, float]:
        """The chances of all other croppers' gains, corrected for their number."""
        others = [key for key in self.cropped if key != over]
        return stats.corrected({key: self.chance(key, over) for key in others})

    def detectable(self, cropper: str, over: str) -> float:
        """The smallest true gain that so many photos show four times in five."""
        differences = self.differences(cropper, over)
        groups = self._groups(differences.index)
        return stats.detectable(differences.to_numpy(float), groups, self.params.confidence)

    def differences(self, cropper: str, over: str) -> pd.Series:
        """The difference in overlap of one cropper to another, by photo."""
        return (self.by_photo(cropper, "iou") - self.by_photo(over, "iou")).dropna()

    def mean(self, values: pd.Series) -> Interval:
        """The mean of values by photo, of those there are, with its interval."""
        known = values.dropna()
        return self.bootstrap(known.index).interval(known.to_numpy(float))

    def bootstrap(self, photos: "pd.Index[str]") -> Bootstrap:
        """What resamples these photos by their groups."""
        chosen = self.params
        return Bootstrap(
            self._groups(photos), chosen.bootstrap_samples, chosen.confidence, chosen.seed
        )

    def limits(self) -> dict[str, Floats]:
        """The human's and the network's limits for every test label, (n, 5)."""
        truth = self.test.labels[list(CROP_COLUMNS)].to_numpy(float)
        return {HUMAN: truth, CNN: self.cropped[CNN][0][self.test.positions()]}

    def photos_of_several(self) -> int:
        """How many test photos several people cropped: the only ones on which people score."""
        return len(self.by_photo(HUMAN, "iou"))

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        columns = [*scores.SCORES, "iou_best", "invalid"]
        keys = self.scores["cropper"].unique()
        return {key: scores.means_by_photo(self.scores, key, columns) for key in keys}

    def by_photo(self, cropper: str, column: str) -> pd.Series:
        """A score of one cropper, as `scores.by_photo` gives it."""
        return self._tables[cropper][column]

    def _groups(self, photos: "pd.Index[str]") -> list[str]:
        return [self.test.groups[photo] for photo in photos]


def of_pipeline(
    folder: Path, labels_file: Path, splits_file: Path, model_file: Path, params: EvaluateParams
) -> Result:
    """The comparison on the pipeline's test photos, with the hashes of what it is of."""
    result = evaluate(split.labelled(labels_file, splits_file), folder, model_file, params)
    files = {"labels": labels_file, "splits": splits_file, "model": model_file}
    return replace(result, hashes={name: _sha256(file) for name, file in files.items()})


def evaluate(
    labels: pd.DataFrame,
    folder: Path,
    model_file: Path,
    params: EvaluateParams,
    learnt_in: Path | None = None,
) -> Result:
    """The comparison of a trained network on the test photos of dealt labels.

    Photos are in the shards of `folder`, those for training in `learnt_in` where that is another.
    """
    tested, learnt = (labels[labels["split"] == name] for name in (split.TEST, split.TRAIN))
    counts = {
        str(name): int(size) for name, size in labels.groupby("split")["photo"].nunique().items()
    }
    model, known = build.load(model_file), learnt_in or folder
    test = _test(folder, tested, build.input_size(model))
    predict = partial(build.predict, model)
    compared = _croppers(predict, model.name, learnt, params)
    compared.append(_similar(known, learnt))
    if params.predecessor:
        compared.insert(1, _predecessor(folder, tested, params.predecessor))
    result = compare(test, compared, counts, params)
    return replace(result, unaided=_unaided(result, predict, known, learnt))


def compare(
    test: Test, compared: Sequence[Cropper], counts: Mapping[str, int], params: EvaluateParams
) -> Result:
    """Crops the test photos in every way and scores each crop against every author's."""
    positions = test.positions()
    cropped = {cropper.key: cropper.crop(test.photos) for cropper in compared}
    tables = [scores.of_humans(test.labels)]
    tables += [scores.of_cropper(k, test.labels, v[:, positions]) for k, v in cropped.items()]
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(group=table["photo"].map(dict(test.groups)))[_SCORE_COLUMNS]
    return Result(test, compared, cropped, table, params, counts)


def write_numbers(result: Result, metrics_file: Path, scores_file: Path, plots: Path) -> None:
    """Writes the metrics (JSON), the scores (CSV) and the tables behind the plots (CSV)."""
    metrics_file.write_text(json.dumps(metrics(result), indent=2) + "\n", encoding="utf-8")
    plots.mkdir(parents=True, exist_ok=True)
    tables = {scores_file: result.scores, plots / "limits.csv": limits_table(result)}
    tables |= {plots / "overlap.csv": overlap_table(result)}
    for file, table in tables.items():
        table.round(6).to_csv(file, index=False, lineterminator="\n")


def metrics(result: Result) -> dict[str, object]:
    """The numbers that `dvc metrics` and MLflow keep: the gains, and each cropper's scores."""
    gain, shuffled = result.gain(CNN, MEDIAN), result.gain(CNN, SHUFFLED)
    table: dict[str, object] = {
        "outcome": conclude(gain, shuffled),
        "test_photos": len(result.test.photos.names),
        "gain_over_median": _rounded(gain),
        "gain_over_shuffled": _rounded(shuffled),
        "gain_over_random": _rounded(result.gain(CNN, RANDOM)),
        "chance_of_gain": round(result.chance(CNN, MEDIAN), 5),
        "detectable_gain": round(result.detectable(CNN, MEDIAN), 5),
    }
    for key in result.scores["cropper"].unique():
        if key != HUMAN or result.photos_of_several():
            table[key] = _scores(result, key)
    if result.unaided is not None:
        table["judge_auc"] = {each.cropper: _rounded(each.auc) for each in result.unaided.judged}
    return table


def limits_table(result: Result) -> pd.DataFrame:
    """For plots: human and predicted value of every limit of every test label."""
    limits = result.limits()
    tables = [
        pd.DataFrame(
            {
                "limit": name.removeprefix("crop_"),
                HUMAN: limits[HUMAN][:, i],
                CNN: limits[CNN][:, i],
            }
        )
        for i, name in enumerate(CROP_COLUMNS)
    ]
    return pd.concat(tables, ignore_index=True)


def overlap_table(result: Result) -> pd.DataFrame:
    """For plots: overlap by cropper, from the worst photo (share 0) to the best (share 1)."""
    keys = [cropper.key for cropper in result.croppers]
    columns = {key: np.sort(scores.by_photo(result.scores, key, "iou")) for key in keys}
    table = pd.DataFrame(columns)
    table.insert(0, "share", np.linspace(0, 1, len(table)))
    return table


def flat(nested: Mapping[str, object], prefix: str = "") -> dict[str, float]:
    """Numbers of nested metrics by dotted name, for MLflow; texts are left out."""
    found: dict[str, float] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def _test(folder: Path, labels: pd.DataFrame, size: int) -> Test:
    labels = labels.sort_values(["number", "author", "source"], ignore_index=True)
    names = list(dict.fromkeys(labels["photo"]))
    # the small copy's sides are rounded: the photo's own tell whether a crop lies within it
    aspect = scores.aspects(labels.drop_duplicates("photo")).astype(np.float32)
    photos = replace(batches.read(folder, names, size), aspect=aspect)
    return Test(labels, photos, dict(zip(labels["photo"], labels["group"], strict=True)))


def _croppers(
    predict: Callable[[Photos], Floats], name: str, learnt: pd.DataFrame, params: EvaluateParams
) -> list[Cropper]:
    training = learnt[list(CROP_COLUMNS)].to_numpy(float)
    draws, seed = params.random_draws, params.seed
    return [
        croppers.network(predict, name),
        croppers.random_within_bounds(training, params.random_percentiles, draws, seed),
        croppers.other_crop(training, draws, seed),
        croppers.no_crop(),
        croppers.median_crop(training),
        croppers.centred_crop(training),
        croppers.shuffled(predict, draws, seed),
        *rivals(params.rivals, training),
    ]


def _similar(folder: Path, learnt: pd.DataFrame) -> Cropper:
    """What looks up the most similar training photo; of several crops of it, the first."""
    first = learnt.drop_duplicates("photo")
    known = batches.read(folder, first["photo"].tolist(), _COMPARED_SIDE)
    return croppers.similar_crop(known, first[list(CROP_COLUMNS)].to_numpy(float))


def _predecessor(folder: Path, tested: pd.DataFrame, file: str) -> Cropper:
    """The predecessor's network, which sees the photos at a size of its own."""
    model = build.load(Path(file).expanduser())
    photos = _test(folder, tested, build.input_size(model)).photos
    return croppers.predecessor(lambda _: build.predict(model, photos))


def _unaided(
    result: Result, predict: Callable[[Photos], Floats], folder: Path, learnt: pd.DataFrame
) -> Unaided:
    """What needs no human crop, with a judge that learns from some of the training photos."""
    some = unaided.chosen(learnt)
    known = batches.read(folder, some["photo"].tolist(), INPUT_SIDE)
    human = some[list(CROP_COLUMNS)].to_numpy(float)
    judging = unaided.Judging(known, human, result.params.seed)
    photos = result.test.photos
    first = result.test.labels.drop_duplicates("photo")[list(CROP_COLUMNS)].to_numpy(float)
    cropped = {HUMAN: first[None], **result.cropped}
    resampled = result.bootstrap(pd.Index(photos.names))
    return unaided.measured(photos, cropped, predict, judging, resampled)


def _scores(result: Result, key: str) -> dict[str, float]:
    overlap = result.interval(key, "iou")
    values = {"iou": overlap.mean, "iou_low": overlap.low, "iou_high": overlap.high}
    further = (*scores.SCORES[1:], "invalid")
    values |= {name: float(result.by_photo(key, name).mean()) for name in further}
    return {name: round(value, 5) for name, value in values.items()}


def _sha256(file: Path) -> str:
    return "sha256 " + hashlib.sha256(file.read_bytes()).hexdigest()


def _rounded(interval: Interval) -> dict[str, float]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: round(value, 5) for name, value in values.items()}
