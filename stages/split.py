"""Assigns the photos of the sound labels to the training, validation and test splits.

python stages/split.py LABELS SPLITS COUNTS
"""

import json
import sys
from pathlib import Path

import pandas as pd

from cropperhead import params
from cropperhead.dataset import split
from cropperhead.system import stage


def main() -> None:
    labels, splits_file, counts_file = map(Path, sys.argv[1:])
    splits = split.assign_splits(pd.read_parquet(labels), params.load().split)
    splits.to_parquet(splits_file, index=False)
    text = json.dumps(split.count_by_split(splits), indent=2) + "\n"
    counts_file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)
