"""Assigns the photos of the sound labels to the training, validation and test splits.

python stages/split.py EXTRACTED LABELS SPLITS COUNTS GROUPS
"""

import json
import sys
from pathlib import Path

import pandas as pd

from cropperhead import params
from cropperhead.dataset import shards, split
from cropperhead.system import stage


def main() -> None:
    extracted, labels_file, splits_file, counts_file, groups_file = map(Path, sys.argv[1:])
    labels = pd.read_parquet(labels_file)
    features = shards.read_features(extracted, labels["photo"].unique())
    splits = split.assign_splits(labels, params.load().split, features)
    splits.to_parquet(splits_file, index=False)
    text = json.dumps(split.describe_splits(splits), indent=2) + "\n"
    counts_file.write_text(text, encoding="utf-8")
    split.list_groups(splits).to_csv(groups_file, index=False, lineterminator="\n")


if __name__ == "__main__":
    stage.run(main)
