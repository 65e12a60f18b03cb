"""Compares every cropper on the test photos: scores, metrics, plots, the report and two cards.

python stages/evaluate.py SHARDS LABELS SPLITS MODEL HISTORY EXTRACTED VALIDATED METRICS SCORES
REPORT SUMMARY MODEL_CARD DATASHEET PLOTS
"""

import json
import sys
from pathlib import Path

from cropperhead import (
    cards,
    charts,
    comparison,
    corrections,
    evaluation,
    inventory,
    params,
    shards,
    splits,
    stage,
    tracking,
)

LOCK = Path("dvc.lock")


def main() -> None:
    folder, labels, splits_file, model, history, extracted, validated = map(Path, sys.argv[1:8])
    metrics, scores, page, summary, card, sheet, plots = map(Path, sys.argv[8:])
    settings = params.load()
    found = evaluation.of_pipeline(folder, labels, splits_file, model, settings.evaluate)
    evaluation.write_numbers(found, metrics, scores, plots)
    read, checked = (json.loads(file.read_text("utf-8")) for file in (extracted, validated))
    known = splits.labelled(labels, splits_file)
    changed = corrections.of(known, read, settings.evaluate)
    told = comparison.write_report(found, folder, history, page, summary, settings, changed)
    charts.write(told, plots)
    held = inventory.of(known, settings.train.uncropped_area)
    facts = cards.facts(model, tracking.file_hash(labels, splits_file, *shards.files(folder)))
    data = cards.Datasheet(held, read, checked, settings, changed)
    cards.write(cards.ModelCard(facts, told, held), data, card, sheet)
    measured = evaluation.metrics(found)
    numbers = evaluation.flat(measured)
    chosen = params.as_dict(settings.evaluate) | {"outcome": measured["outcome"]}
    artifacts = [page, metrics, scores, summary, card, sheet]
    tracking.log_evaluation(model, LOCK, chosen, numbers, artifacts)


if __name__ == "__main__":
    stage.run(main)
