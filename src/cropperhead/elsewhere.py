"""The pipeline's model on another library than it learned from: its own test, and a report."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cropperhead import comparison, evaluation, extraction, library, shards, splits
from cropperhead.errors import DataError
from cropperhead.params import Params

# What the pipeline leaves (dvc.yaml)
_LABELS, _SPLITS = Path("data/labels.parquet"), Path("data/splits.parquet")
_EXTRACTED, _MODEL = Path("data/extracted"), Path("models/model.keras")
_HISTORY = Path("reports/history.csv")


def compare(folder: Path, catalogs: Sequence[Path], out: Path, params: Params) -> str:
    """Extracts a library into `out`, scores every cropper on it, and says where the report is.

    Raises DataError where the pipeline has left no model, or no photo is new to it.
    """
    for file in (_MODEL, _LABELS, _SPLITS, _HISTORY):
        if not file.exists():
            raise DataError(f"{file}: not found. Run `dvc repro` first, from the project's root.")
    found = library.scan(folder, catalogs, params.extract.tags)
    extraction.extract_into(out, folder, found.entries, params.extract)
    labels, known = shards.read_labels(out / "extracted"), splits.labelled(_LABELS, _SPLITS)
    dealt = labels.merge(splits.strangers(labels, known, params.split), on="photo")
    tested = dealt[dealt["split"] == splits.TEST]
    if tested.empty:
        raise DataError(f"{folder}: no photo with a crop that the model has not learned from.")
    together = pd.concat([known[known["split"] == splits.TRAIN], tested], ignore_index=True)
    chosen = params.evaluate
    result = evaluation.evaluate(together, out / "extracted", _MODEL, chosen, _EXTRACTED)
    evaluation.write_numbers(result, out / "metrics.json", out / "scores.csv", out / "plots")
    page, summary = out / "comparison.html", out / "summary.md"
    comparison.write_report(result, out / "extracted", _HISTORY, page, summary, params)
    seen = dealt["photo"].nunique() - tested["photo"].nunique()
    without = f", without {seen} that it knows" if seen else ""
    return f"{tested['photo'].nunique()} photos{without}: see {page}"
