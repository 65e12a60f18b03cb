"""Which votes become labels, and how much they weigh."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT
from simulated_votes import LIMITS
from test_returned import _file, own, write  # noqa: F401 - own is a fixture

from cropperhead import params
from cropperhead.errors import DataError
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.study import collect, returned
from cropperhead.study.preferences import preferred_crops, write_preferred
from cropperhead.study.votes import make_table
from cropperhead.training import preferences


def row(rater, photo, right, answer, **changes):
    """A vote on the human crop, on the left, and another one."""
    return {
        **{"rater": rater, "session": 0, "place": 0, "mode": "like", "kind": "plain"},
        **{"photo": photo, "group": photo, "left": "human", "right": right, "answer": answer},
        **{"ms": 1500, "left_overlap": 1.0, "right_overlap": 0.5, "repeats": -1, "model": ""},
    } | changes


@pytest.fixture
def training_study(study_made):
    return replace(study_made[1], split="train")


def test_a_crop_that_more_people_like_than_the_human_one_is_a_label_of_that_weight(training_study):
    name = training_study.photos[0].name
    answers = {"a": "right", "b": "right", "c": "right", "d": "left", "e": "neither"}
    votes = make_table([row(rater, name, "cnn", answer) for rater, answer in answers.items()])
    (label,) = preferred_crops(training_study, votes).to_dict("records")
    assert label["photo"] == name
    assert tuple(label[side] for side in CROP_COLUMNS) == LIMITS["cnn"]
    # who is not hasty looked with odds of 0.85 / 0.15 x 0.98 / 0.6 = 9.2556: 0.90249 of a vote
    # 3 won and 1 lost of 5, and 2 votes without a majority: 2 x 0.90249 / (5 x 0.90249 + 2)
    assert label["weight"] == pytest.approx(0.27716, abs=1e-5)
    assert tuple(label[side] for side in preferences.BEATEN) == LIMITS["human"]


def test_nothing_is_learned_from_a_crop_that_lost_or_was_compared_with_no_human_one(training_study):
    first, second, third = (photo.name for photo in training_study.photos[:3])
    votes = make_table(
        [
            row("a", first, "cnn", "left"),
            row("a", second, "cnn", "neither", place=1),
            row("a", third, "cnn", "right", left="random", place=2),
        ]
    )
    assert preferred_crops(training_study, votes).empty


@pytest.mark.parametrize("changes", [{"kind": "repeat"}, {"mode": "tell"}, {"ms": 299}])
def test_only_votes_that_the_report_would_count_are_learned_from(training_study, changes):
    name = training_study.photos[0].name
    votes = make_table([row("a", name, "cnn", "right", **changes)])
    assert preferred_crops(training_study, votes).empty


def test_who_did_not_look_counts_less(training_study):
    first, *others = (photo.name for photo in training_study.photos[:4])
    catch = {"kind": "catch"}
    caught = [row("b", each, "spoiled", "right", place=i, **catch) for i, each in enumerate(others)]
    passed = [row("a", each, "spoiled", "left", place=i, **catch) for i, each in enumerate(others)]
    votes = [row("a", first, "cnn", "right", place=9), row("b", first, "cnn", "left", place=9)]
    (label,) = preferred_crops(training_study, make_table([*votes, *passed, *caught])).to_dict(
        "records"
    )
    # the odds of having looked begin with 9.2556, see above. Each catch trial that was passed is
    # x 0.95 / 0.4, each failed one x 0.05 / 0.6: 124.00 or 0.0053563, so 0.99200 and 0.0053278
    # (0.99200 - 0.0053278) / (0.99200 + 0.0053278 + 2)
    assert label["weight"] == pytest.approx(0.32918, abs=1e-5)


def test_votes_on_test_photos_are_reported_and_never_learned_from(study_made):
    name = study_made[1].photos[0].name
    votes = make_table([row("a", name, "cnn", "right")])
    assert study_made[1].split == "test"
    assert preferred_crops(study_made[1], votes).empty


@pytest.fixture
def voted(own):  # noqa: F811
    """The folder of a study of training photos, with votes on them."""
    place, study = own
    _change_key(place, split="train")
    returned.import_files([_file(place, study)], place)
    assert len(collect.read_table(place).table)
    return place


def _change_key(place, **changes):
    key = json.loads((place / "key.json").read_text())
    (place / "key.json").write_text(json.dumps(key | changes))


def write_liked(place, out, asked):
    """The stage preferred, which writes into the folder `out`: the crops, and their counts."""
    loaded = params.load(ROOT / "params.yaml")
    settings = replace(
        loaded,
        study=replace(loaded.study, training_folder=str(place)),
        train=replace(loaded.train, preferences=asked),
    )
    write_preferred(settings, out / "liked.csv", out / "liked.json")
    counts = json.loads((out / "liked.json").read_text())
    return pd.read_csv(out / "liked.csv"), counts


def test_votes_on_training_photos_are_learned_from_if_they_are_asked_for(voted):
    liked, counts = write_liked(voted, voted, "on")
    assert 0 < len(liked) == counts["preferred_crops"]
    assert counts["votes"] == len(
        json.loads(next((voted / "votes").iterdir()).read_text())["votes"]
    )
    liked, counts = write_liked(voted, voted, "off")
    assert (len(liked), counts["preferred_crops"], counts["votes"]) == (0, 0, 0)


def test_votes_on_training_photos_are_never_reported(voted):
    with pytest.raises(DataError, match=r"got one of training photos.*study\.training_folder"):
        write(voted)


def test_without_a_study_to_learn_from_nothing_is_trained_in_silence(own, tmp_path):  # noqa: F811
    with pytest.raises(DataError, match=r"preferences is on, got none\. Copy the study's folder"):
        write_liked(tmp_path / "nowhere", tmp_path, "on")
    with pytest.raises(DataError, match=r"preferences is on, got one of test photos\."):
        write_liked(own[0], tmp_path, "on")
    assert not (tmp_path / "liked.csv").exists()


def test_a_study_of_an_earlier_release_is_on_test_photos(own):  # noqa: F811
    place, study = own
    key = json.loads((place / "key.json").read_text())
    del key["split"]
    (place / "key.json").write_text(json.dumps(key))
    assert collect.folders.load(place) == study
