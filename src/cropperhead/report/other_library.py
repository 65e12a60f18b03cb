"""The pipeline's model on a library that it was not trained on: scores and a report."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cropperhead.dataset import extract, shards, split, split_labels
from cropperhead.errors import DataError
from cropperhead.evaluation import evaluate, metrics
from cropperhead.library import scan
from cropperhead.params import Params
from cropperhead.report import publish
from cropperhead.system.project_files import EXTRACTED, HISTORY, LABELS, MODEL, SPLITS
from cropperhead.words import format_count


def evaluate_on_library(folder: Path, catalogs: Sequence[Path], out: Path, params: Params) -> str:
    """Extract a library into `out`, score every cropper on it, and return where the report is.

    Raises DataError where the model was trained on every photo.
    """
    entries = scan.scan(folder, catalogs, params.extract.tags).entries
    extract.extract_into(out, folder, entries, params.extract)
    labels, pipeline_labels = _split_labels(out / "extracted", params)
    test_labels = labels[labels["split"] == split_labels.TEST]
    if test_labels.empty:
        raise DataError(f"{folder}: the model was trained on every photo that has a crop.")
    training_labels = pipeline_labels[pipeline_labels["split"] == split_labels.TRAIN]
    evaluation = evaluate.evaluate_model(
        pd.concat([training_labels, test_labels], ignore_index=True),
        out / "extracted",
        MODEL,
        params,
        training_folder=EXTRACTED,
    )
    numbers = (out / "metrics.json", out / "details.json", out / "scores.csv", out / "plots")
    metrics.write_numbers(evaluation, *numbers)
    page, summary = out / "comparison.html", out / "summary.md"
    publish.write_report(evaluation, out / "extracted", HISTORY, page, summary, params)
    return _describe_report(labels, test_labels, page)


def _split_labels(extracted: Path, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the library's labels, with photos new to the model as test split, and the pipeline's."""
    labels, pipeline_labels = (
        shards.read_labels(extracted),
        split_labels.read_labels_with_splits(LABELS, SPLITS),
    )
    unseen = split.assign_unseen(
        labels,
        pipeline_labels,
        params.split,
        shards.read_features(extracted, labels["photo"]),
        shards.read_features(EXTRACTED, pipeline_labels["photo"]),
    )
    return labels.merge(unseen, on="photo"), pipeline_labels


def _describe_report(labels: pd.DataFrame, test_labels: pd.DataFrame, page: Path) -> str:
    tested, skipped = test_labels["photo"].nunique(), labels["photo"].nunique()
    skipped -= tested
    without = f", skipped {skipped:,} that the model was trained on" if skipped else ""
    return f"Evaluated {format_count(tested, 'photo')}{without}. See {page}."
