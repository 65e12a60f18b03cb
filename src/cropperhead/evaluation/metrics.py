"""The numbers of an evaluation on disk: metrics, scores, and the tables behind the plots."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from cropperhead.evaluation import scores
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, RANDOM
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.evaluation.verdict import conclude
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.stats import Interval


def write_numbers(
    evaluation: Evaluation,
    metrics_file: Path,
    details_file: Path,
    scores_file: Path,
    plots: Path,
    more: Mapping[str, object] = MappingProxyType({}),
    more_headline: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Write the metrics and their details (JSON), the scores and the plots' tables (CSV).

    `more` are further details, and `more_headline` further metrics.
    """
    for file, numbers in (
        (metrics_file, headline_metrics(evaluation) | dict(more_headline)),
        (details_file, detailed_metrics(evaluation) | dict(more)),
    ):
        text = json.dumps(numbers, indent=2, allow_nan=False)
        file.write_text(text + "\n", encoding="utf-8")
    plots.mkdir(parents=True, exist_ok=True)
    tables = {scores_file: evaluation.scores, plots / "limits.csv": limits_table(evaluation)}
    tables |= {plots / "overlap.csv": overlap_table(evaluation)}
    for file, table in tables.items():
        table.round(6).to_csv(file, index=False, lineterminator="\n")


def headline_metrics(evaluation: Evaluation) -> dict[str, object]:
    """Return the few numbers that answer whether the model has learned, for `dvc metrics`.

    `gain` is the overlap gained over the median crop, with its interval; `angle` the mean error of
    the angle in degrees.
    """
    gains, network = evaluation.gains(), _scores(evaluation, CNN)
    gain = _rounded(gains.over_median)
    return {
        "outcome": conclude(gains),
        "groups": gains.groups,
        "overlap": network["iou"],
        "gain": gain["mean"],
        "gain_low": gain["low"],
        "gain_high": gain["high"],
        "random": _scores(evaluation, RANDOM)["iou"],
        "angle": network["angle_error"],
    }


def detailed_metrics(evaluation: Evaluation) -> dict[str, object]:
    """Return the gains over other croppers, each cropper's scores, and those of the judges."""
    gains = evaluation.gains()
    table: dict[str, object] = {
        "test_photos": len(evaluation.test.photos.names),
        "test_groups": gains.groups,
        "gain_over_median": _rounded(gains.over_median),
        "gain_over_shape": _rounded(gains.over_shape),
        "gain_over_shuffled": _rounded(gains.over_shuffled),
        "gain_over_random": _rounded(evaluation.gain(CNN, RANDOM)),
        "chance_of_gain": _rounded_number(evaluation.p_value(CNN, MEDIAN)),
        "detectable_gain": _rounded_number(evaluation.detectable_gain(CNN, MEDIAN)),
    }
    for key in evaluation.scores["cropper"].unique():
        if key != HUMAN or evaluation.shared_photos():
            table[key] = _scores(evaluation, key)
    if evaluation.reference_free is not None:
        judge_scores = evaluation.reference_free.judge_scores
        table["judge_auc"] = {each.cropper: _rounded(each.auc) for each in judge_scores}
        table["trained_judge_auc"] = {
            each.cropper: _rounded(each.trained_auc) for each in judge_scores if each.trained_auc
        }
    return table


def limits_table(evaluation: Evaluation) -> pd.DataFrame:
    """List the human and predicted value of every test label's four limits, for a plot.

    The angle is none of them: in degrees, it would squeeze the others into one point.
    """
    limits = evaluation.limits()
    tables = [
        pd.DataFrame(
            {
                "limit": name.removeprefix("crop_"),
                HUMAN: limits[HUMAN][:, i],
                CNN: limits[CNN][:, i],
            }
        )
        for i, name in enumerate(CROP_COLUMNS[:4])
    ]
    return pd.concat(tables, ignore_index=True)


def overlap_table(evaluation: Evaluation) -> pd.DataFrame:
    """List overlaps by cropper from the worst photo (share 0) to the best (share 1), for plots."""
    keys = [cropper.key for cropper in evaluation.croppers]
    columns = {key: np.sort(scores.score_by_photo(evaluation.scores, key, "iou")) for key in keys}
    table = pd.DataFrame(columns)
    table.insert(0, "share", np.linspace(0, 1, len(table)))
    return table


def flatten_metrics(nested: Mapping[str, object], prefix: str = "") -> dict[str, float]:
    """Return the numbers of nested metrics by dotted name, for MLflow, without texts."""
    flat: dict[str, float] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= flatten_metrics(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            flat[prefix + name] = float(value)
    return flat


def _scores(evaluation: Evaluation, key: str) -> dict[str, float | None]:
    overlap = evaluation.interval(key, "iou")
    values = {"iou": overlap.mean, "iou_low": overlap.low, "iou_high": overlap.high}
    further = (*scores.SCORES[1:], "invalid")
    values |= {name: float(evaluation.by_photo(key, name).mean()) for name in further}
    return {name: _rounded_number(value) for name, value in values.items()}


def _rounded(interval: Interval) -> dict[str, float | None]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: _rounded_number(value) for name, value in values.items()}


def _rounded_number(value: float) -> float | None:
    """Round to five decimals; None for what JSON has no number for."""
    return round(value, 5) if math.isfinite(value) else None
