"""Compares every cropper on the test photos: scores, metrics, plots, the report and two cards.

python stages/evaluate.py SHARDS LABELS SPLITS MODEL HISTORY EXTRACTED VALIDATED METRICS SCORES
REPORT SUMMARY MODEL_CARD DATASHEET PLOTS
"""

import json
import sys
from pathlib import Path

from cropperhead import params
from cropperhead.dataset import inventory, shards, split
from cropperhead.evaluation import corrections, evaluate
from cropperhead.report import cards, chart_images, comparison
from cropperhead.system import stage
from cropperhead.system.project_files import LOCK
from cropperhead.training import tracking


def main() -> None:
    folder, labels, splits_file, model, history, extracted, validated = map(Path, sys.argv[1:8])
    metrics, scores, page, summary, card, sheet, plots = map(Path, sys.argv[8:])
    settings = params.load()
    found = evaluate.evaluate_pipeline(folder, labels, splits_file, model, settings.evaluate)
    evaluate.write_numbers(found, metrics, scores, plots)
    read, checked = (json.loads(file.read_text("utf-8")) for file in (extracted, validated))
    known = split.read_labels_with_splits(labels, splits_file)
    changed = corrections.summarise_corrections(known, read, settings.evaluate)
    told = comparison.write_report(found, folder, history, page, summary, settings, changed)
    chart_images.write(told, plots)
    held = inventory.take_inventory(known, settings.train.uncropped_area)
    facts = cards.facts(model, tracking.file_hash(labels, splits_file, *shards.shard_files(folder)))
    data = cards.Datasheet(held, read, checked, settings, changed)
    cards.write(cards.ModelCard(facts, told, held), data, card, sheet)
    measured = evaluate.summary_metrics(found)
    numbers = evaluate.flatten_metrics(measured)
    chosen = params.as_dict(settings.evaluate) | {"outcome": measured["outcome"]}
    artifacts = [page, metrics, scores, summary, card, sheet]
    tracking.log_evaluation(model, LOCK, chosen, numbers, artifacts)


if __name__ == "__main__":
    stage.run(main)
