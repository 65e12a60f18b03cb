"""The pipeline's model on another library than it learned from: its own test, and a report."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cropperhead.dataset import extract, shards, split
from cropperhead.errors import DataError
from cropperhead.evaluation import evaluate
from cropperhead.library import scan
from cropperhead.params import Params
from cropperhead.report import comparison
from cropperhead.system.project_files import EXTRACTED, HISTORY, LABELS, MODEL, SPLITS


def compare(folder: Path, catalogs: Sequence[Path], out: Path, params: Params) -> str:
    """Extracts a library into `out`, scores every cropper on it, and says where the report is.

    Raises DataError where the pipeline has left no model, or no photo is new to it.
    """
    for file in (MODEL, LABELS, SPLITS, HISTORY):
        if not file.exists():
            raise DataError(f"{file}: not found. Run `dvc repro` first, from the project's root.")
    found = scan.scan(folder, catalogs, params.extract.tags)
    extract.extract_into(out, folder, found.entries, params.extract)
    labels, known = (
        shards.read_labels(out / "extracted"),
        split.read_labels_with_splits(LABELS, SPLITS),
    )
    dealt = labels.merge(split.assign_unseen(labels, known, params.split), on="photo")
    tested = dealt[dealt["split"] == split.TEST]
    if tested.empty:
        raise DataError(f"{folder}: no photo with a crop that the model has not learned from.")
    together = pd.concat([known[known["split"] == split.TRAIN], tested], ignore_index=True)
    chosen = params.evaluate
    result = evaluate.evaluate_model(together, out / "extracted", MODEL, chosen, EXTRACTED)
    evaluate.write_numbers(result, out / "metrics.json", out / "scores.csv", out / "plots")
    page, summary = out / "comparison.html", out / "summary.md"
    comparison.write_report(result, out / "extracted", HISTORY, page, summary, params)
    seen = dealt["photo"].nunique() - tested["photo"].nunique()
    without = f", without {seen} that it knows" if seen else ""
    return f"{tested['photo'].nunique()} photos{without}: see {page}"
