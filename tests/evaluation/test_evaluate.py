import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, label_table
from sample_comparison import jpeg
from simulated_votes import simulate

from cropperhead import params
from cropperhead.evaluation import croppers, evaluate, metrics
from cropperhead.evaluation import verdict as verdicts
from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.verdict import Gains
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import comparison_builder, page, votes_section
from cropperhead.stats import Interval
from cropperhead.study import findings as study_findings
from cropperhead.training.batches import PhotoArrays

ALL_PARAMS = params.load(ROOT / "params.yaml")
PARAMS = dataclasses.replace(ALL_PARAMS.evaluate, random_draws=20, gallery_photos=5)
ALL_PARAMS = dataclasses.replace(ALL_PARAMS, evaluate=PARAMS)


def make_evaluation(weight: float, count: int = 60) -> evaluate.Evaluation:
    """A comparison with a network that goes `weight` of the way from the median to the truth."""
    labels = label_table(count)
    truth = labels[list(CROP_COLUMNS)].to_numpy()
    training = label_table(300, seed=9)[list(CROP_COLUMNS)].to_numpy()
    median = np.median(training, axis=0)
    predicted = median + weight * (truth - median)
    photos = PhotoArrays(
        labels["photo"].tolist(),
        np.zeros((count, 4, 4, 3), np.uint8),
        (labels["width"] / labels["height"]).to_numpy(np.float32),
    )
    compared = [
        croppers.trained_network(lambda _: predicted, "small"),
        croppers.random_within_bounds(training, PARAMS.random_percentiles, 20, PARAMS.seed),
        croppers.no_crop(),
        croppers.median_crop(training),
        croppers.shape_crop(training, np.full(300, 1.5)),
        croppers.shuffled_network(lambda _: predicted, 20, PARAMS.seed),
    ]
    groups = dict(zip(photos.names, photos.names, strict=True))
    return evaluate.compare_croppers(
        evaluate.TestPhotos(labels, photos, groups), compared, {"test": count}, PARAMS
    )


ABOVE, AROUND, BELOW = Interval(0.05, 0.02, 0.08), Interval(0.01, -0.02, 0.04), Interval(-1, -1, -1)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((ABOVE, ABOVE, ABOVE), "learned"),
        ((AROUND, ABOVE, ABOVE), "no evidence"),
        ((ABOVE, AROUND, ABOVE), "no evidence"),  # it knows portrait from landscape, no more
        ((ABOVE, ABOVE, AROUND), "no evidence"),  # tighter, but blind
        ((BELOW, BELOW, ABOVE), "worse"),
        ((ABOVE, BELOW, ABOVE), "no evidence"),
        ((Interval(0, 0, 0), Interval(0, 0, 0), Interval(0, 0, 0)), "no evidence"),
    ],
)
def test_the_outcome_follows_from_three_intervals(gains, expected):
    assert verdicts.conclude(Gains(*gains, groups=60)) == expected


@pytest.mark.parametrize("gain", [ABOVE, AROUND, BELOW, Interval(0.05, np.nan, np.nan)])
def test_fewer_than_ten_groups_of_photos_tell_nothing(gain):
    assert verdicts.conclude(Gains(gain, gain, gain, groups=9)) == "too few photos"
    assert verdicts.conclude(Gains(ABOVE, ABOVE, ABOVE, groups=10)) == "learned"


def test_too_few_photos_are_counted_with_how_many_are_needed():
    stated = verdicts.state_verdict(Gains(ABOVE, ABOVE, ABOVE, groups=1), 3, 0.95)
    assert stated.headline == (
        "There are too few test photos to tell whether the model learned to crop"
    )
    assert stated.sentence.startswith(
        "The 3 test photos form 1 group of similar photos, and a verdict takes at least 10 groups"
    )


def in_groups(evaluation: evaluate.Evaluation, *sizes: int) -> evaluate.Evaluation:
    """The evaluation on the first photos, which are near-duplicates in groups of these sizes."""
    test, count = evaluation.test, sum(sizes)
    names = np.repeat([f"group {i}" for i in range(len(sizes))], sizes)
    photos = test.photos.first(count)
    known = dataclasses.replace(
        test,
        labels=test.labels.iloc[:count],
        photos=photos,
        groups=dict(zip(photos.names, names, strict=True)),
    )
    methods = [
        dataclasses.replace(each, crop=lambda _, key=each.key: evaluation.cropped[key][:, :count])
        for each in evaluation.croppers
    ]
    return evaluate.compare_croppers(known, methods, {"test": count}, PARAMS)


@pytest.mark.parametrize("sizes", [(1,), (3,), (2, 1), (1,) * 9])
def test_a_few_photos_give_no_verdict_and_no_number_that_is_none(sizes):
    evaluation = in_groups(make_evaluation(0.5), *sizes)
    images = dict.fromkeys(comparison_builder.gallery_photos(evaluation, PARAMS), jpeg())
    history = pd.DataFrame({"epoch": [1], "loss": [0.1], "validation_loss": [0.1]})
    built = comparison_builder.build_comparison(evaluation, history, images, ALL_PARAMS)
    assert built.verdict.outcome == "too few photos"
    assert {check.passed for check in built.learning_checks} == {None}
    numbers = "".join(
        json.dumps(part(evaluation), allow_nan=False)
        for part in (metrics.headline_metrics, metrics.detailed_metrics)
    )
    html = re.sub(r"<(script|style)>.*?</\1>", "", page.render_page(built), flags=re.DOTALL)
    for text in (numbers, page.render_summary(built), html):
        assert re.findall(r"(?i)\bnan\b|\( *\)| [,.)]", text) == []


def verdict(weight: float) -> verdicts.Verdict:
    return verdicts.state_verdict(make_evaluation(weight).gains(), 60, 0.95)


def test_a_network_that_looks_has_learned():
    stated = verdict(0.5)
    assert stated.headline == "The model has learned to crop"
    assert stated.sentence.startswith("On 60 photos it never saw, its crops overlap")
    assert stated.sentence.endswith(" more than the constant median crop does.")


def test_a_network_that_repeats_the_constant_crop_shows_no_evidence():
    stated = verdict(0.0)
    assert stated.headline == "There is no evidence that the model learned to crop"
    assert stated.sentence.endswith(", which chance alone can explain.")


def test_a_network_that_goes_the_wrong_way_is_worse():
    stated = verdict(-0.5)
    assert stated.headline == "The model crops worse than a constant crop"
    assert stated.sentence.endswith(" less than the constant median crop does.")


def test_scores_have_a_row_for_each_photo_author_and_cropper():
    evaluation = make_evaluation(0.5)
    assert evaluation.scores.groupby("cropper").size().to_dict() == dict.fromkeys(
        ["human", "cnn", "random", "none", "median", "shape", "shuffled"], 60
    )
    limits = ["top", "left", "bottom", "right", "angle"]
    assert list(evaluation.scores.columns[:9]) == ["photo", "author", "group", "cropper", *limits]
    human = evaluation.scores[evaluation.scores["cropper"] == "human"]
    assert human[limits].to_numpy() == pytest.approx(
        evaluation.test.labels[list(CROP_COLUMNS)].to_numpy()
    )


def test_a_test_set_is_known_by_its_photos_and_crops_in_any_order():
    test = make_evaluation(0.5).test
    mixed = dataclasses.replace(test, labels=test.labels.iloc[::-1])
    assert mixed.sha256() == test.sha256()
    other = test.labels.assign(crop_top=test.labels["crop_top"] + 0.01)
    assert dataclasses.replace(test, labels=other).sha256() != test.sha256()


def test_rounding_is_no_gain():
    evaluation = make_evaluation(0.0)
    higher = evaluation.scores["iou"].where(
        evaluation.scores["cropper"] != "cnn", evaluation.scores["iou"] + 2e-16
    )
    nearly = dataclasses.replace(evaluation, scores=evaluation.scores.assign(iou=higher))
    assert (nearly.gain("cnn", "median").low, nearly.gain("cnn", "median").high) == (0, 0)


def test_the_gain_is_paired_per_photo():
    evaluation = make_evaluation(0.5)
    values = evaluation.scores.pivot(index="photo", columns="cropper", values="iou")
    expected = (values["cnn"] - values["median"]).mean()
    assert evaluation.gain("cnn", "median").mean == pytest.approx(expected)


def test_metrics_are_plain_numbers_with_their_intervals():
    evaluation = make_evaluation(0.5)
    headline, numbers = metrics.headline_metrics(evaluation), metrics.detailed_metrics(evaluation)
    assert headline["outcome"] == "learned"
    gain = evaluation.gains().over_median
    found = (headline["gain"], headline["gain_low"], headline["gain_high"])
    assert found == pytest.approx((gain.mean, gain.low, gain.high), abs=1e-5)
    assert (headline["overlap"], headline["random"]) == (
        numbers["cnn"]["iou"],
        numbers["random"]["iou"],
    )
    assert all(not isinstance(value, dict) for value in headline.values())  # one column each
    assert "human" not in numbers  # the reference has no score of its own
    cnn, interval = numbers["cnn"], evaluation.interval("cnn", "iou")
    limits = (interval.mean, interval.low, interval.high)
    assert (cnn["iou"], cnn["iou_low"], cnn["iou_high"]) == pytest.approx(limits, abs=1e-5)
    flat = metrics.flatten_metrics(numbers)
    assert flat["cnn.iou"] == cnn["iou"]
    assert "outcome" not in flat


def test_the_report_shows_the_same_numbers_as_the_metrics():
    evaluation = make_evaluation(0.5)
    images = dict.fromkeys(comparison_builder.gallery_photos(evaluation, PARAMS), b"jpeg")
    history = pd.DataFrame({"epoch": [1], "loss": [0.1], "validation_loss": [0.1]})
    built = comparison_builder.build_comparison(evaluation, history, images, ALL_PARAMS)
    rows = {row.cropper: row for row in built.rows}
    assert list(rows)[:3] == ["human", "cnn", "random"]
    assert rows["human"].overlap is None
    assert rows["cnn"].overlap.mean == evaluation.interval("cnn", "iou").mean
    assert rows["median"].gain is None
    assert [len(built.pictures), len(built.limits["human"])] == [5, 60]
    assert page.render_summary(built).startswith("**The model has learned to crop.** On 60 photos")


def test_several_people_are_scored_against_each_other():
    base = make_evaluation(0.5)
    labels = pd.concat([base.test.labels, base.test.labels.assign(author="duplicate 01")])
    test = dataclasses.replace(base.test, labels=labels.sort_values("number", ignore_index=True))
    evaluation = evaluate.compare_croppers(test, base.croppers, base.counts, PARAMS)
    assert metrics.detailed_metrics(evaluation)["human"]["iou"] == pytest.approx(1)  # they agree


def test_only_photos_of_several_people_count_for_the_human_row():
    base = make_evaluation(0.5)
    second = base.test.labels.iloc[[0]].assign(author="duplicate 01", crop_top=0.5)
    labels = pd.concat([base.test.labels, second]).sort_values("number", ignore_index=True)
    evaluation = evaluate.compare_croppers(
        dataclasses.replace(base.test, labels=labels), base.croppers, base.counts, PARAMS
    )
    assert evaluation.shared_photos() == 1
    first, other = labels.iloc[:2][list(CROP_COLUMNS)].to_numpy()
    agreed = crops.overlap(first, other, 1.5)
    assert evaluation.interval("human", "iou").mean == pytest.approx(agreed)


def test_a_gain_that_shuffled_crops_share_is_no_evidence():
    stated = verdicts.state_verdict(Gains(ABOVE, ABOVE, AROUND, groups=60), 60, 0.95)
    assert "no evidence that the model learned to crop" in stated.headline
    assert stated.sentence == (
        "On 60 photos it never saw, its crops overlap the photographer's by 0.050 (95 % interval "
        "+0.020 to +0.080) more than the constant median crop does, but not reliably more than its "
        "own crops do when placed on other photos."
    )


def test_a_gain_that_the_frame_s_shape_explains_is_no_evidence():
    stated = verdicts.state_verdict(Gains(ABOVE, AROUND, ABOVE, groups=60), 60, 0.95)
    assert stated.sentence.endswith(
        " than the constant median crop does, but not reliably more than a constant crop for each "
        "shape of frame does."
    )


def stated(*answers: bool | None) -> verdicts.Verdict:
    claims = ("follows the photographer", "looks at the subject", "levels photos")
    checks = [
        LearningCheck("", "", answer, claim=claim)
        for answer, claim in zip(answers, claims, strict=True)
    ]
    return verdicts.state_verdict(Gains(ABOVE, ABOVE, ABOVE, groups=60), 60, 0.95, checks)


@pytest.mark.parametrize(
    ("answers", "shortfall"),
    [
        ((True, False, True), "looks at the subject"),
        ((True, True, False), "levels photos"),
        ((False, True, False), "follows the photographer or levels photos"),
        ((None, True, True), "follows the photographer"),
        (
            (False, False, False),
            "follows the photographer, looks at the subject or levels photos",
        ),
    ],
)
def test_the_headline_claims_no_more_than_the_weakest_answer(answers, shortfall):
    verdict = stated(*answers)
    assert verdict.outcome == "learned"
    assert verdict.headline == "The model crops better than one crop for all photos"
    assert verdict.sentence == (
        "On 60 photos it never saw, its crops overlap the photographer's by 0.050 (95 % interval "
        "+0.020 to +0.080) more than the constant median crop does. The test does not show that it "
        f"{shortfall}."
    )


def test_with_every_answer_yes_it_has_learned_to_crop():
    verdict = stated(True, True, True)
    assert verdict.headline == "The model has learned to crop"
    assert "does not show" not in verdict.sentence


def test_a_network_that_has_not_learned_is_not_called_better_by_its_other_answers():
    checks = [LearningCheck("", "", False, claim="levels photos")]
    gains = Gains(AROUND, AROUND, ABOVE, groups=60)
    verdict = verdicts.state_verdict(gains, 60, 0.95, checks)
    assert verdict.headline == "There is no evidence that the model learned to crop"


def test_plots_tables_hold_every_limit_and_every_photo():
    evaluation = make_evaluation(0.5)
    limits = metrics.limits_table(evaluation)
    assert len(limits) == 4 * 60  # without the angle, which is no share of a side
    assert limits["limit"].unique().tolist() == ["top", "left", "bottom", "right"]
    overlap = metrics.overlap_table(evaluation)
    assert overlap["share"].tolist() == pytest.approx(np.linspace(0, 1, 60))
    assert (np.diff(overlap["cnn"]) >= 0).all()


def test_photos_that_people_liked_are_shown_if_the_votes_are_on_this_model(tmp_path):
    evaluation = make_evaluation(0.5)
    names = evaluation.test.photos.names
    table = simulate(6, {"human": 0.5, "cnn": 0.0, "random": -1.0})
    table["photo"] = table["photo"].map(lambda name: names[int(name.removesuffix(".jpg"))])
    found = study_findings.summarise(table, 0.95)
    voted = [each.photo for each in (*found.preferred, *found.despised)]
    history = pd.DataFrame({"epoch": [1], "loss": [1.0], "validation_loss": [1.0]})
    for is_current, shown in ((True, voted), (False, [])):
        section = votes_section.VotesSection(found, is_current)
        photos = comparison_builder.gallery_photos(evaluation, PARAMS, section)
        assert set(photos) >= set(shown)
        images = dict.fromkeys(photos, jpeg())
        built = comparison_builder.build_comparison(
            evaluation, history, images, ALL_PARAMS, votes=section
        )
        assert [each.photo for each in built.votes.pictures] == shown
        assert ("preferred another crop" in page.render_page(built)) == bool(shown)
    files = [tmp_path / name for name in ("metrics", "details", "scores")]
    numbers = {"votes": votes_section.metrics(votes_section.VotesSection(found, True))}
    metrics.write_numbers(evaluation, *files, tmp_path / "plots", numbers)
    assert json.loads(files[1].read_text())["votes"]["votes"] == 6 * 36
