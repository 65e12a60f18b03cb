"""Every cropper on the test photos, and their scores."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead import batches, croppers, models, scores, splits
from cropperhead.batches import Photos
from cropperhead.croppers import CNN, HUMAN, MEDIAN, RANDOM, SHUFFLED, Cropper
from cropperhead.crops import CROP_COLUMNS, Floats
from cropperhead.params import EvaluateParams, Params
from cropperhead.scores import Bootstrap, Interval
from cropperhead.verdicts import outcome

_SCORE_COLUMNS = ["photo", "author", "cropper", *scores.SCORES, "area", "reference"]


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
    """Scores of every cropper on every label, and the crops they are of."""

    test: Test
    croppers: Sequence[Cropper]
    cropped: Mapping[str, Floats]  # by cropper's key, (draws, photos, 5)
    scores: pd.DataFrame
    params: EvaluateParams
    counts: Mapping[str, int]  # photos by split
    hashes: Mapping[str, str] = field(default_factory=dict)  # of data and model, for the record

    def interval(self, cropper: str, column: str) -> Interval:
        """Mean of a score over photos, with its interval."""
        return self._interval(scores.by_photo(self.scores, cropper, column))

    def gain(self, cropper: str, over: str) -> Interval:
        """Mean paired difference in overlap of one cropper to another, with its interval."""
        pair = [scores.by_photo(self.scores, key, "iou") for key in (cropper, over)]
        return self._interval((pair[0] - pair[1]).dropna())

    def limits(self) -> dict[str, Floats]:
        """The human's and the network's limits for every test label, (n, 5)."""
        truth = self.test.labels[list(CROP_COLUMNS)].to_numpy(float)
        return {HUMAN: truth, CNN: self.cropped[CNN][0][self.test.positions()]}

    def photos_of_several(self) -> int:
        """How many test photos several people cropped: the only ones on which people score."""
        return len(scores.by_photo(self.scores, HUMAN, "iou"))

    def _interval(self, values: pd.Series) -> Interval:
        groups = [self.test.groups[photo] for photo in values.index]
        chosen = self.params
        resampled = Bootstrap(groups, chosen.bootstrap_samples, chosen.confidence, chosen.seed)
        return resampled.interval(values.to_numpy(float))


def evaluate(
    folder: Path, labels_file: Path, splits_file: Path, model_file: Path, params: Params
) -> Result:
    """The comparison of a trained network on the test photos of the shards in `folder`."""
    labels = splits.labelled(labels_file, splits_file)
    training = labels.loc[labels["split"] == splits.TRAIN, list(CROP_COLUMNS)].to_numpy(float)
    model = models.load(model_file)
    test = _test(folder, labels[labels["split"] == splits.TEST], models.input_size(model))
    compared = _croppers(partial(models.predict, model), model.name, training, params.evaluate)
    counts = {
        str(name): int(size) for name, size in labels.groupby("split")["photo"].nunique().items()
    }
    hashes = {"labels": _sha256(labels_file), "splits": _sha256(splits_file)}
    hashes |= {"model": _sha256(model_file)}
    return replace(compare(test, compared, counts, params.evaluate), hashes=hashes)


def compare(
    test: Test, compared: Sequence[Cropper], counts: Mapping[str, int], params: EvaluateParams
) -> Result:
    """Crops the test photos in every way and scores each crop against every author's."""
    positions = test.positions()
    cropped = {cropper.key: cropper.crop(test.photos) for cropper in compared}
    tables = [scores.of_humans(test.labels)]
    tables += [scores.of_cropper(k, test.labels, v[:, positions]) for k, v in cropped.items()]
    table = pd.concat(tables, ignore_index=True)[_SCORE_COLUMNS]
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
        "outcome": outcome(gain, shuffled),
        "test_photos": len(result.test.photos.names),
        "gain_over_median": _rounded(gain),
        "gain_over_shuffled": _rounded(shuffled),
        "gain_over_random": _rounded(result.gain(CNN, RANDOM)),
    }
    for key in result.scores["cropper"].unique():
        if key != HUMAN or result.photos_of_several():
            table[key] = _scores(result, key)
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
    photos = batches.read(folder, names, size)
    return Test(labels, photos, dict(zip(labels["photo"], labels["group"], strict=True)))


def _croppers(
    predict: Callable[[Photos], Floats], name: str, training: Floats, params: EvaluateParams
) -> list[Cropper]:
    draws, seed = params.random_draws, params.seed
    return [
        croppers.network(predict, name),
        croppers.random_within_bounds(training, params.random_percentiles, draws, seed),
        croppers.no_crop(),
        croppers.median_crop(training),
        croppers.shuffled(predict, draws, seed),
    ]


def _scores(result: Result, key: str) -> dict[str, float]:
    overlap = result.interval(key, "iou")
    values = {"iou": overlap.mean, "iou_low": overlap.low, "iou_high": overlap.high}
    values |= {name: result.interval(key, name).mean for name in scores.SCORES[1:]}
    return {name: round(value, 5) for name, value in values.items()}


def _sha256(file: Path) -> str:
    return "sha256 " + hashlib.sha256(file.read_bytes()).hexdigest()


def _rounded(interval: Interval) -> dict[str, float]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: round(value, 5) for name, value in values.items()}
