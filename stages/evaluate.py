"""Compares every cropper on the test photos: scores, metrics, plots and the report.

python stages/evaluate.py SHARDS LABELS SPLITS MODEL HISTORY METRICS SCORES REPORT SUMMARY PLOTS
"""

import sys
from pathlib import Path

from cropperhead import comparison, evaluation, params, stage, tracking

LOCK = Path("dvc.lock")


def main() -> None:
    folder, labels, splits_file, model, history = map(Path, sys.argv[1:6])
    metrics, scores, page, summary, plots = map(Path, sys.argv[6:])
    settings = params.load()
    found = evaluation.evaluate(folder, labels, splits_file, model, settings)
    evaluation.write_numbers(found, metrics, scores, plots)
    comparison.write_report(found, folder, history, page, summary, settings)
    numbers = evaluation.flat(evaluation.metrics(found))
    chosen = params.as_dict(settings.evaluate)
    tracking.log_evaluation(model, LOCK, chosen, numbers, [page, metrics, scores, summary])


if __name__ == "__main__":
    stage.run(main)
