import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, label_table

from cropperhead import params
from cropperhead.evaluation import croppers, evaluate, learning_checks, subgroups
from cropperhead.evaluation.reference_free import ReferenceFreeScores
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.training.batches import PhotoArrays

PARAMS = dataclasses.replace(
    params.load(ROOT / "params.yaml").evaluate,
    random_draws=5,
    bootstrap_samples=400,
    permutations=400,
)


def compared(labels: pd.DataFrame, predicted: Floats) -> evaluate.Evaluation:
    """The evaluation of crops, one for each photo of the labels, beside the constant median."""
    first = labels.drop_duplicates("photo")
    photos = PhotoArrays(
        first["photo"].tolist(),
        np.zeros((len(first), 4, 4, 3), np.uint8),
        (first["width"] / first["height"]).to_numpy(np.float32),
    )
    training = label_table(300, seed=9)[list(CROP_COLUMNS)].to_numpy()
    known = [
        croppers.trained_network(lambda _: predicted, "small"),
        croppers.median_crop(training),
        croppers.shuffled_network(lambda _: predicted, 5, PARAMS.seed),
    ]
    groups = dict(zip(photos.names, photos.names, strict=True))
    return evaluate.compare_croppers(evaluate.TestPhotos(labels, photos, groups), known, {}, PARAMS)


def truth(labels: pd.DataFrame) -> Floats:
    return labels[list(CROP_COLUMNS)].to_numpy()


def half_way(labels: pd.DataFrame) -> Floats:
    median = np.median(truth(labels), axis=0)
    return median + 0.5 * (truth(labels) - median)


def test_predictions_on_a_line_explain_all_variance_and_noisy_ones_half():
    labels = label_table(400)
    labels["crop_angle"] = 0.0
    whole = learning_checks.explained_variance(compared(labels, half_way(labels)))
    assert list(whole) == ["top", "left", "bottom", "right"]  # the angle has no variance
    assert [each.mean for each in whole.values()] == pytest.approx([1] * 4)
    noise = np.random.default_rng(2).normal(0, 1, (400, 5)) * truth(labels).std(axis=0)
    noisy = learning_checks.explained_variance(compared(labels, truth(labels) + noise))
    # as much variance of noise as of the truth: a correlation of 1 / sqrt(2)
    for each in noisy.values():
        assert each.low < 0.5 < each.high
        assert each.high - each.low < 0.2


def test_predictions_that_go_the_wrong_way_explain_less_than_nothing():
    labels = label_table(80)
    shares = learning_checks.explained_variance(
        compared(labels, 2 * truth(labels).mean(axis=0) - truth(labels))
    )
    assert [each.mean for each in shares.values()] == pytest.approx([-1] * 5)


def test_a_network_that_looks_passes_the_checks_that_can_be_made():
    labels = label_table(80)
    checks = learning_checks.check_learning(compared(labels, half_way(labels)))
    assert [each.passed for each in checks] == [True, True, True, None]
    assert "p = 0.002" in checks[0].finding  # 1 of 401 draws
    assert re.search(r"a true difference of 0\.\d{3} would be detected 80 % of", checks[0].finding)


def test_a_constant_passes_none():
    labels = label_table(80)
    constant = np.tile(np.median(truth(labels), axis=0), (80, 1))
    checks = learning_checks.check_learning(compared(labels, constant))
    assert [each.passed for each in checks] == [False, False, False, None]


def test_hiding_the_subject_must_move_crops_more_than_hiding_background():
    labels = label_table(60)
    result = compared(labels, half_way(labels))
    generator = np.random.default_rng(1)
    still = np.abs(generator.normal(0, 0.01, 60))
    for subject, passed in ((still + 0.02, True), (still, False)):
        moved = ReferenceFreeScores(result.test.photos.names, {}, [], (subject, still))
        check = learning_checks.check_learning(dataclasses.replace(result, reference_free=moved))[3]
        assert check.passed is passed
    assert f"moves them by {still.mean():.4f}." in check.finding
    assert check.finding.endswith("The interval of the difference is 0.0000 to 0.0000.")


def test_slices_count_every_photo_once_by_each_property():
    labels = label_table(80)
    labels.loc[:29, ["width", "height"]] = [400, 600]
    labels.loc[:9, "crop_angle"] = 0.0
    slices = subgroups.score_slices(compared(labels, half_way(labels)))
    counts = {}
    for each in slices:
        counts.setdefault(each.by, {})[each.part] = each.photos
    assert counts["Orientation"] == {"landscape": 50, "portrait": 30}
    assert counts["Tilt of the human crop"] == {"level": 10, "tilted": 70}
    assert all(sum(parts.values()) == 80 for parts in counts.values())
    assert all(each.gain.mean > 0 for each in slices if each.photos > 20)


def test_people_agree_or_not_where_several_cropped_a_photo():
    halves = [(0, 0, 1, 0.5, 0), (0, 0.25, 1, 0.75, 0), (0, 0, 1, 0.5, 0)]
    labels = label_table(1)
    labels = pd.concat([labels] * 3, ignore_index=True).assign(author=["x", "y", "z"])
    labels[list(CROP_COLUMNS)] = np.array(halves, float)
    agreements = subgroups.score_agreement(compared(labels, np.array([halves[0]], float)))
    by_key = {each.cropper: each for each in agreements}
    # x and z agree, y overlaps either by a third: (2/3 + 1/3 + 2/3) / 3, and (1 + 1/3 + 1) / 3
    assert by_key["human"].mean.mean == pytest.approx(5 / 9)
    assert by_key["human"].best.mean == pytest.approx(7 / 9)
    # x's crop: 1, 1/3, 1; whoever is left out, someone else is alike
    assert by_key["cnn"].mean.mean == pytest.approx(7 / 9)
    assert by_key["cnn"].best.mean == pytest.approx(1)


def test_without_photos_that_several_people_cropped_there_is_no_agreement():
    labels = label_table(20)
    assert subgroups.score_agreement(compared(labels, half_way(labels))) == []
