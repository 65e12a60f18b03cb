"""The splits, and labels with the split of their photo."""

from pathlib import Path

import pandas as pd

TRAIN, VALIDATION, TEST, ASIDE = "train", "validation", "test", "aside"


def read_labels_with_splits(labels_file: Path, splits_file: Path) -> pd.DataFrame:
    """Read the sound labels, with the columns group, split and joined_by of their photos."""
    labels, splits = pd.read_parquet(labels_file), pd.read_parquet(splits_file)
    return labels.merge(splits, on="photo", how="inner", validate="many_to_one")
