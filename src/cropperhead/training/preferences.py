"""Crops that people like better than the photographer's own, as a table of weighed labels (CSV).

The table has a row for each: the photo, the crop's limits, a weight from 0 to 1 beside the
photographer's own crop, which has 1, and that crop's limits as people saw it. A study on training
photos gives them (`study.training_folder`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cropperhead.dataset.split_labels import TRAIN
from cropperhead.geometry.crops import CROP_COLUMNS

WEIGHT = "weight"
BEATEN = [f"beaten_{name}" for name in CROP_COLUMNS]  # of the photographer's crop
COLUMNS = ["photo", *CROP_COLUMNS, WEIGHT, *BEATEN]
_SAME = 1e-6  # of a limit: less is rounding


class Preferred(NamedTuple):
    """Crops to learn from, with `COLUMNS`, and the photos whose crops are left out, sorted."""

    table: pd.DataFrame
    left_out: list[str]


def write(table: pd.DataFrame, file: Path) -> None:
    """Write the table; the same rows give the same bytes, whatever their order."""
    ordered = table[COLUMNS].sort_values(COLUMNS)
    ordered.to_csv(file, index=False, lineterminator="\n")


def read(file: Path, labels: pd.DataFrame) -> Preferred:
    """Read those of photos whose labels are of the training split: of others none may be learned.

    A photo may have moved to another split, or be gone, since people voted on it. The photographer
    may have cropped it anew: then nobody has compared the two, and it is left out, too.
    """
    table = pd.read_csv(file, dtype={"photo": str}, keep_default_na=False)
    elsewhere = labels.loc[labels["split"] != TRAIN, "photo"]
    known = labels.loc[~labels["photo"].isin(elsewhere), ["photo", *CROP_COLUMNS]]
    pairs = table.reset_index().merge(known, on="photo", suffixes=("", "_now"))
    seen, now = (
        pairs[list(names)].to_numpy(float)
        for names in (BEATEN, [f"{name}_now" for name in CROP_COLUMNS])
    )
    same = np.isclose(seen, now, rtol=0, atol=_SAME).all(axis=1)
    learned = table.index.isin(pairs.loc[same, "index"])
    return Preferred(table[learned], sorted(set(table.loc[~learned, "photo"])))
