"""A look-up that has learned nothing must not pass for a network that has."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, label_table, scene
from PIL import Image

from cropperhead import params
from cropperhead.dataset import split
from cropperhead.dataset.split_labels import TEST, TRAIN
from cropperhead.evaluation.verdict import Gains, conclude
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import SplitParams
from cropperhead.photos import local_features
from cropperhead.stats import Jackknife

COUNT = 70
CUT = 0.05  # of each side, at all four sides: the export shows 90 % of the photo
SIDE = 0.45  # of a crop, as a share of the frame's side
ASPECT = 1.5
SPLIT = SplitParams(
    **{**vars(params.load(ROOT / "params.yaml").split)}
    | {"fractions": {"train": 0.7, "validation": 0.02, "test": 0.28}}
)


@pytest.fixture(scope="module")
def library() -> tuple[pd.DataFrame, list[Image.Image]]:
    """Photos with random crops, and an export of each, which has what it shows of that crop."""
    labels = label_table(2 * COUNT)
    originals = [scene(seed, 288, 192) for seed in range(COUNT)]
    box = (round(CUT * 288), round(CUT * 192), round((1 - CUT) * 288), round((1 - CUT) * 192))
    start = np.random.default_rng(9).uniform(CUT, 1 - CUT - SIDE, (COUNT, 2))
    limits = np.concatenate([start, start + SIDE], axis=1)
    exported = (limits - CUT) / (1 - 2 * CUT)
    labels[list(CROP_COLUMNS[:4])] = np.concatenate([limits, exported])
    labels[CROP_COLUMNS[4]] = 0.0
    pictures = [*originals, *(original.crop(box) for original in originals)]
    return labels, pictures


def conclusion(labels: pd.DataFrame, pictures: list[Image.Image]) -> str:
    """The verdict on the crop of the training photo that looks most like the test photo."""
    views = np.stack([np.asarray(each.convert("L").resize((24, 16)), float) for each in pictures])
    views = views.reshape(len(views), -1)
    limits = labels[list(CROP_COLUMNS)].to_numpy(float)
    train, test = (np.flatnonzero(labels["split"] == name) for name in (TRAIN, TEST))
    apart = np.abs(views[test, None] - views[train]).sum(axis=2)
    found, human = limits[train[apart.argmin(axis=1)]], limits[test]
    scores = crops.overlap(found, human, ASPECT)
    median = np.broadcast_to(np.median(limits[train], axis=0), human.shape)
    over_median = scores - crops.overlap(median, human, ASPECT)
    over_shuffled = scores - crops.overlap(np.roll(found, 1, axis=0), human, ASPECT)
    jackknife = Jackknife(labels["group"].iloc[test].tolist(), 0.95)
    over_median, over_shuffled = map(jackknife.interval, (over_median, over_shuffled))
    return conclude(Gains(over_median, over_median, over_shuffled, jackknife.groups))


def test_looking_up_the_most_similar_photo_passes_for_learning_only_where_exports_are_divided(
    library,
):
    labels, pictures = library
    features = {
        photo: local_features.find_features(picture).to_bytes()
        for photo, picture in zip(labels["photo"], pictures, strict=True)
    }
    divided = labels.merge(split.assign_splits(labels, SPLIT), on="photo")
    together = labels.merge(split.assign_splits(labels, SPLIT, features), on="photo")
    assert conclusion(divided, pictures) == "learned"
    assert conclusion(together, pictures) != "learned"
    groups = together["group"].to_numpy()
    assert (groups[:COUNT] == groups[COUNT:]).mean() >= 0.95
