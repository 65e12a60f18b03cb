import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, label_table

from cropperhead import params
from cropperhead.evaluation import croppers, evaluate, learning_checks, subgroups
from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.reference_free import ReferenceFreeScores
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.training.batches import PhotoArrays

PARAMS = dataclasses.replace(params.load(ROOT / "params.yaml").evaluate, random_draws=5)


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
        croppers.shape_crop(training, np.full(300, 1.5)),
        croppers.shuffled_network(lambda _: predicted, 5, PARAMS.seed),
    ]
    groups = dict(zip(photos.names, photos.names, strict=True))
    return evaluate.compare_croppers(evaluate.TestPhotos(labels, photos, groups), known, {}, PARAMS)


def truth(labels: pd.DataFrame) -> Floats:
    return labels[list(CROP_COLUMNS)].to_numpy()


def half_way(labels: pd.DataFrame) -> Floats:
    median = np.median(truth(labels), axis=0)
    return median + 0.5 * (truth(labels) - median)


def centred(labels: pd.DataFrame, weight: float) -> Floats:
    """Predictions that go `weight` of the way from the human mean to the human crop."""
    mean = truth(labels).mean(axis=0)
    return mean + weight * (truth(labels) - mean)


def test_r_squared_is_that_of_the_predictions_and_not_of_a_line_through_them():
    labels = label_table(80)
    labels["crop_angle"] = 0.0
    for weight, expected in ((1.0, 1.0), (0.5, 0.75), (0.0, 0.0), (2.0, 0.0), (-1.0, -3.0)):
        # 1 - (1 - weight)^2, though all of them lie on a line, and correlate by 1 or -1
        result = compared(labels, centred(labels, weight))
        shares = learning_checks.explained_variance(result)
        assert list(shares) == ["top", "left", "bottom", "right"]  # the angle does not vary
        assert [each.mean for each in shares.values()] == pytest.approx([expected] * 4)
        mean = learning_checks.mean_explained_variance(result)
        assert mean.mean == pytest.approx(expected)


def test_noise_as_large_as_the_photographers_spread_predicts_nothing():
    labels = label_table(200)
    noise = np.random.default_rng(2).normal(0, 1, (200, 5)) * truth(labels).std(axis=0)
    result = compared(labels, truth(labels) + noise)
    for each in learning_checks.explained_variance(result).values():
        # as much error as variance: 0, where the squared correlation is 0.5
        assert each.low < 0 < each.high < 0.5
    check = learning_checks.check_learning(result)[2]
    assert check.passed is False
    assert "Below 0 %, taking the photographer's mean for every photo is closer." in check.finding


def test_one_limit_that_follows_is_not_enough_where_the_mean_of_four_does_not():
    labels = label_table(100)
    predicted = centred(labels, 0.0)
    predicted[:, 2] = centred(labels, 1 - 0.69**0.5)[:, 2]  # R² 0.31
    for i, share in ((0, 0.08), (1, -0.21), (3, -0.35)):
        predicted[:, i] = centred(labels, 1 - (1 - share) ** 0.5)[:, i]
    check = learning_checks.check_learning(compared(labels, predicted))[2]
    # (8 - 21 + 31 - 35) / 4 = -4.25
    assert "it predicts −4 % (" in check.finding
    assert "top +8 %, left −21 %, bottom +31 %, right −35 %, angle " in check.finding
    assert check.passed is False
    predicted[:, 3] = truth(labels)[:, 3]
    check = learning_checks.check_learning(compared(labels, predicted))[2]
    # (8 - 21 + 31 + 100) / 4 = 29.5
    assert re.search(r"it predicts \+(29|30) % \(\+\d+ to \+\d+\)", check.finding)
    assert check.passed is True


def test_crops_that_are_all_alike_leave_nothing_to_follow():
    labels = label_table(40)
    labels[list(CROP_COLUMNS)] = [0.1, 0.1, 0.9, 0.9, 0.0]
    result = compared(labels, centred(labels, 0.5))
    assert learning_checks.explained_variance(result) == {}
    assert learning_checks.check_learning(result)[2].passed is None


def turned(human: list[float], network: list[float]) -> evaluate.Evaluation:
    """The evaluation of crops that differ in their angles alone."""
    labels = label_table(len(human)).assign(crop_angle=human)
    predicted = truth(labels)
    predicted[:, 4] = network
    return compared(labels, predicted)


def levelling(human: list[float], network: list[float]) -> LearningCheck:
    return learning_checks.check_learning(turned(human, network))[4]


def test_turning_level_photos_is_worse_than_leaving_them_alone():
    check = levelling([0.0] * 12 + [2.0] * 8, [2.0] * 12 + [1.0] * 4 + [0.0] * 4)
    # errors: 12 x 2, 4 x 1, 4 x 2 = 36, of 20 photos 1.8; without a turn 8 x 2 = 16, 0.8
    assert check.question == "Does it level photos better than leaving them alone?"
    assert check.passed is False
    assert check.finding == (
        "Its angle is 1.80° off the photographer's on average. Without turning any photo, it would "
        "be 0.80°. Of 20 photos, its angle is closer to the photographer's than no turn is on 4, "
        "and further off on 12."
    )
    assert check.small_print.startswith(
        "Closer than no turn by −1.00° photo by photo, interval −1."
    )


def test_levelling_must_be_reliably_closer_than_no_turn():
    assert levelling([2.0] * 20, [1.5] * 20).passed is True
    assert levelling([2.0] * 20, [0.0] * 20).passed is False  # never turns: no closer
    assert levelling([2.0] * 10 + [0.0] * 10, [2.0] * 10 + [2.0] * 10).passed is False  # even
    assert levelling([2.0] * 20, [-0.5] * 20).passed is False  # the wrong way


def test_level_photos_that_stay_level_answer_nothing():
    check = levelling([0.0] * 5, [0.0] * 5)
    assert check.passed is None
    assert check.finding.startswith("Neither the photographer nor the network turned any")


def test_a_network_that_looks_passes_the_checks_that_can_be_made():
    labels = label_table(80)
    checks = learning_checks.check_learning(compared(labels, half_way(labels)))
    assert [each.passed for each in checks] == [True, True, True, None, True]
    assert checks[0].small_print == "p < 0.001."
    assert re.search(r"a true difference of 0\.\d{3} would be detected 80 % of", checks[0].finding)


def test_a_constant_passes_none():
    labels = label_table(80)
    constant = np.tile(np.median(truth(labels), axis=0), (80, 1))
    checks = learning_checks.check_learning(compared(labels, constant))
    assert [each.passed for each in checks] == [False, False, False, None, False]


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
    assert check.finding.endswith("The difference is 0.0000 (0.0000 to 0.0000).")


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


def test_crops_that_people_sent_have_slices_of_their_own():
    labels = label_table(80)
    labels.loc[:29, "source"] = "collected"
    labels["suggested_by"] = ["small-1a2b"] * 10 + [""] * 70
    slices = subgroups.score_slices(compared(labels, half_way(labels)))
    by = "Where the crop comes from"
    assert {each.part: each.photos for each in slices if each.by == by} == {
        "photo library": 50,
        "sent, after a suggestion": 10,
        "sent, without a suggestion": 20,
    }


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


def test_a_network_whose_crops_are_not_numbers_does_not_follow_the_photographer():
    labels = label_table(40)
    predicted = half_way(labels)
    predicted[:3] = np.nan
    result = compared(labels, predicted)
    shifts = (np.full(40, np.nan), np.zeros(40))
    metrics = ReferenceFreeScores(result.test.photos.names, {}, [], shifts)
    checks = learning_checks.check_learning(dataclasses.replace(result, reference_free=metrics))
    for check in checks[2:4]:
        assert check.passed is False
        assert check.finding == (
            "Not measured: on 3 of 40 photos, the network's crop is not a number."
        )
    assert not any("nan" in check.finding for check in checks)


def test_nothing_to_follow_and_nothing_to_level_are_told_apart_by_their_claims():
    labels = label_table(40)
    labels[list(CROP_COLUMNS)] = [0.1, 0.1, 0.9, 0.9, 0.0]
    same = np.tile([0.1, 0.1, 0.9, 0.9, 0.0], (40, 1))
    checks = learning_checks.check_learning(compared(labels, same))
    assert [check.passed for check in checks[2:]] == [None, None, None]
    # a headline may not claim to follow, but whether level photos are levelled does not matter
    assert [bool(check.claim) for check in checks[2:]] == [True, False, False]
