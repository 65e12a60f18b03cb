"""Deals the photos of the sound labels to training, validation and test.

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
    labels, dealt_file, counts = map(Path, sys.argv[1:])
    dealt = split.split(pd.read_parquet(labels), params.load().split)
    dealt.to_parquet(dealt_file, index=False)
    counts.write_text(json.dumps(split.counts(dealt), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)
