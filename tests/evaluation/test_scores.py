import numpy as np
import pandas as pd
import pytest
from conftest import label_table

from cropperhead.evaluation import scores
from cropperhead.geometry.crops import CROP_COLUMNS


def labelled(*crops: tuple, photos: list[str], authors: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"photo": photos, "author": authors, "width": 600, "height": 400})
    table[list(CROP_COLUMNS)] = np.array(crops, dtype=float)
    return table


def test_a_cropper_s_scores_are_worked_by_hand():
    labels = labelled((0, 0, 1, 0.5, 2), photos=["a"], authors=["x"])
    cropped = np.array([[[0, 0.25, 1, 0.75, 0]], [[0, 0, 1, 0.5, 2]]])  # two draws
    row = scores.score_cropper("random", labels, cropped).iloc[0]
    # draw 1: limits off by 0, 0.25, 0, 0.25 -> 0.125 and 2 degrees; draw 2: exact
    assert row["bde"] == pytest.approx(0.0625)
    assert row["angle_error"] == pytest.approx(1.0)
    assert row["area"] == pytest.approx(0.5)
    one = scores.score_cropper("random", labels, cropped[:1])["iou"].item()
    assert row["iou"] == pytest.approx((one + 1) / 2)
    assert row["reference"] == "the author"


def test_people_are_scored_against_each_other_and_a_lone_one_is_the_reference():
    halves = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0), (0.1, 0.1, 0.9, 0.9, 0)]
    labels = labelled(*halves, photos=["a", "a", "a", "b"], authors=["x", "y", "z", "x"])
    human = scores.score_humans(labels).set_index(["photo", "author"])
    # x and z agree (1), each overlaps y by a third: x (1/3 + 1) / 2, y (1/3 + 1/3) / 2
    assert human.loc[("a", "x"), "iou"] == pytest.approx(2 / 3)
    assert human.loc[("a", "y"), "iou"] == pytest.approx(1 / 3)
    assert human.loc[("b", "x"), "iou"] == pytest.approx(1)
    assert human["reference"].tolist() == ["the other authors"] * 3 + ["itself"]
    # photo a: (2/3 + 1/3 + 2/3) / 3; photo b has no other crop to be scored against
    means = scores.score_by_photo(human.reset_index(), "human", "iou")
    assert means.to_dict() == pytest.approx({"a": 5 / 9})


def test_what_a_person_did_in_another_editor_is_no_other_opinion():
    crops = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0), (0.1, 0.1, 0.9, 0.9, 0)]
    labels = labelled(*crops, photos=["a", "a", "a", "b"], authors=["x", "x", "y", "x"])
    human = scores.score_humans(pd.concat([labels, labels.iloc[[3]]], ignore_index=True))
    # x's two crops against y's one: 1 and 1/3; y's against both of x's: (1 + 1/3) / 2
    assert human["iou"].tolist() == pytest.approx([1, 1 / 3, 2 / 3, 1, 1])
    assert human["reference"].tolist() == ["the other authors"] * 3 + ["itself"] * 2


def test_a_photo_s_score_is_the_mean_over_its_authors():
    table = pd.DataFrame({"photo": ["b", "a", "a"], "cropper": "cnn", "iou": [0.2, 0.4, 0.8]})
    table["reference"] = "the author"
    assert scores.score_by_photo(table, "cnn", "iou").to_dict() == pytest.approx(
        {"a": 0.6, "b": 0.2}
    )


def test_every_label_has_a_row_for_each_cropper():
    labels = label_table(7)
    table = scores.score_cropper("none", labels, np.tile([0.0, 0, 1, 1, 0], (1, 7, 1)))
    assert table["photo"].tolist() == labels["photo"].tolist()


def test_shapes_and_crops_that_nobody_could_use_are_counted():
    labels = labelled((0.25, 0, 0.75, 1, 0), photos=["a"], authors=["x"])
    drawn = [[[0, 0, 1, 1, 0]], [[0.2, 0.2, 1.2, 0.8, 0]], [[0.6, 0.1, 0.4, 0.9, 0]]]
    row = scores.score_cropper("random", labels, np.array(drawn)).iloc[0]
    # the true shape is 1 / 0.5 = 2 frames long; 1 / 1: twice as long, 1.0; 0.6 / 1: 3.33 times,
    # 2.33; the third, inside out, has no shape
    assert row["aspect_error"] == pytest.approx((1 + 7 / 3) / 2)
    assert row["invalid"] == pytest.approx(2 / 3)  # the second leaves the frame
    assert row[["top", "left", "bottom", "right", "angle"]].tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("limit", range(5))
def test_a_crop_that_is_no_number_counts_as_invalid_with_the_worst_scores(value, limit):
    labels = labelled((0.25, 0, 0.75, 1, 0), photos=["a"], authors=["x"])
    sound, broken = [0.25, 0, 0.75, 1, 0], [0.25, 0, 0.75, 1, 0]
    broken[limit] = value
    row = scores.score_cropper("cnn", labels, np.array([[sound], [broken]])).iloc[0]
    # each a mean of the sound crop's and of the broken one's: overlap (1 + 0) / 2, displacement
    # (0 + 1) / 2, angle (0 + 90) / 2, area (0.5 + 0) / 2
    assert row[["iou", "bde", "angle_error", "area", "invalid"]].tolist() == [
        *(0.5, 0.5, 45, 0.25, 0.5),
    ]
    assert row["aspect_error"] == 0  # the broken one has no shape


def test_the_closest_of_several_people_is_found_with_each_left_out_in_turn():
    halves = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0)]
    labels = labelled(*halves, photos=["a"] * 3, authors=["x", "y", "z"])
    human = scores.score_humans(labels).set_index("author")["iou_best"]
    # x and z are alike; y overlaps either by a third
    assert human.to_dict() == pytest.approx({"x": 1, "y": 1 / 3, "z": 1})
    whole = scores.score_cropper("cnn", labels, np.array([[halves[0]] * 3], float))
    # x's crop again: without x the closest is z, 1; without y x or z, 1; without z x, 1
    assert whole["iou_best"].tolist() == pytest.approx([1, 1, 1])
    other = scores.score_cropper("cnn", labels, np.array([[halves[1]] * 3], float))
    # y's crop again: without y the closest is x or z, 1/3
    assert other["iou_best"].tolist() == pytest.approx([1, 1 / 3, 1])


def test_a_lone_author_has_no_closest_other():
    labels = labelled((0, 0, 1, 0.5, 2), photos=["a"], authors=["x"])
    assert np.isnan(scores.score_humans(labels)["iou_best"].item())
    assert np.isnan(
        scores.score_cropper("none", labels, np.array([[[0, 0, 1, 1, 0.0]]]))["iou_best"].item()
    )
