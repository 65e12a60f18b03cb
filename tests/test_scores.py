import numpy as np
import pandas as pd
import pytest
from conftest import label_table

from cropperhead import scores
from cropperhead.crops import CROP_COLUMNS


def labelled(*crops: tuple, photos: list[str], authors: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"photo": photos, "author": authors, "width": 600, "height": 400})
    table[list(CROP_COLUMNS)] = np.array(crops, dtype=float)
    return table


def test_a_cropper_s_scores_are_worked_by_hand():
    labels = labelled((0, 0, 1, 0.5, 2), photos=["a"], authors=["x"])
    cropped = np.array([[[0, 0.25, 1, 0.75, 0]], [[0, 0, 1, 0.5, 2]]])  # two draws
    row = scores.of_cropper("random", labels, cropped).iloc[0]
    # draw 1: limits off by 0, 0.25, 0, 0.25 -> 0.125 and 2 degrees; draw 2: exact
    assert row["bde"] == pytest.approx(0.0625)
    assert row["angle_error"] == pytest.approx(1.0)
    assert row["area"] == pytest.approx(0.5)
    one = scores.of_cropper("random", labels, cropped[:1])["iou"].item()
    assert row["iou"] == pytest.approx((one + 1) / 2)
    assert row["reference"] == "the author"


def test_people_are_scored_against_each_other_and_a_lone_one_is_the_reference():
    halves = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0), (0.1, 0.1, 0.9, 0.9, 0)]
    labels = labelled(*halves, photos=["a", "a", "a", "b"], authors=["x", "y", "z", "x"])
    human = scores.of_humans(labels).set_index(["photo", "author"])
    # x and z agree (1), each overlaps y by a third: x (1/3 + 1) / 2, y (1/3 + 1/3) / 2
    assert human.loc[("a", "x"), "iou"] == pytest.approx(2 / 3)
    assert human.loc[("a", "y"), "iou"] == pytest.approx(1 / 3)
    assert human.loc[("b", "x"), "iou"] == pytest.approx(1)
    assert human["reference"].tolist() == ["the other authors"] * 3 + ["itself"]
    # photo a: (2/3 + 1/3 + 2/3) / 3; photo b has no other crop to be scored against
    means = scores.by_photo(human.reset_index(), "human", "iou")
    assert means.to_dict() == pytest.approx({"a": 5 / 9})


def test_what_a_person_did_in_another_editor_is_no_other_opinion():
    crops = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0), (0.1, 0.1, 0.9, 0.9, 0)]
    labels = labelled(*crops, photos=["a", "a", "a", "b"], authors=["x", "x", "y", "x"])
    human = scores.of_humans(pd.concat([labels, labels.iloc[[3]]], ignore_index=True))
    # x's two crops against y's one: 1 and 1/3; y's against both of x's: (1 + 1/3) / 2
    assert human["iou"].tolist() == pytest.approx([1, 1 / 3, 2 / 3, 1, 1])
    assert human["reference"].tolist() == ["the other authors"] * 3 + ["itself"] * 2


def test_a_photo_s_score_is_the_mean_over_its_authors():
    table = pd.DataFrame({"photo": ["b", "a", "a"], "cropper": "cnn", "iou": [0.2, 0.4, 0.8]})
    table["reference"] = "the author"
    assert scores.by_photo(table, "cnn", "iou").to_dict() == pytest.approx({"a": 0.6, "b": 0.2})


def test_every_label_has_a_row_for_each_cropper():
    labels = label_table(7)
    table = scores.of_cropper("none", labels, np.tile([0.0, 0, 1, 1, 0], (1, 7, 1)))
    assert table["photo"].tolist() == labels["photo"].tolist()


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        values = generator.normal(0.03, 0.1, 150)
        interval = scores.Bootstrap([str(i) for i in range(150)], 400, 0.95, seed).interval(values)
        covered += interval.low <= 0.03 <= interval.high
    # 300 trials at 0.95: standard deviation sqrt(0.95 x 0.05 / 300) = 0.0126, three of them
    assert covered / 300 == pytest.approx(0.95, abs=0.038)


def test_photos_of_one_group_are_no_independent_evidence():
    values = np.repeat(np.random.default_rng(1).normal(0, 1, 20), 10)
    alone = scores.Bootstrap([str(i) for i in range(200)], 1000, 0.95, 1).interval(values)
    grouped = scores.Bootstrap([str(i // 10) for i in range(200)], 1000, 0.95, 1).interval(values)
    # the same 20 values ten times over: sqrt(10) = 3.2 times as wide
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(3.2, rel=0.2)
    assert grouped.mean == alone.mean


def test_groups_of_other_sizes_keep_their_weight():
    interval = scores.Bootstrap(["a", "a", "a", "b"], 200, 0.95, 1).interval(
        np.array([1.0, 1, 1, 0])
    )
    assert interval.mean == 0.75
    assert (interval.low, interval.high) == (0, 1)  # both groups alike, drawn twice


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(10.0)
    groups = list("abcdefghij")
    assert scores.Bootstrap(groups, 200, 0.9, 1).interval(values) == scores.Bootstrap(
        groups, 200, 0.9, 1
    ).interval(values)
