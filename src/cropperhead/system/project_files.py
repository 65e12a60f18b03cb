"""Where dvc.yaml keeps the files that commands read outside the pipeline, relative to its folder.

`tests/test_structure.py` compares them with dvc.yaml.
"""

from pathlib import Path

LOCK = Path("dvc.lock")
EXTRACTED = Path("data/extracted")
LABELS, SPLITS = Path("data/labels.parquet"), Path("data/splits.parquet")
MODELS = Path("models")
MODEL = MODELS / "model.keras"
REPORTS = Path("reports")
HISTORY, SCORES = REPORTS / "history.csv", REPORTS / "scores.csv"
DETAILS = REPORTS / "details.json"
