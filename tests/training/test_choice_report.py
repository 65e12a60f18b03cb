"""The choice between a base model and own networks, in words."""

import pandas as pd

from cropperhead.training.adapt import Choice
from cropperhead.training.base_model import BaseStart
from cropperhead.training.choice_report import describe_choice, explain_choice, explain_preferred
from cropperhead.training.preferences import Preferred

NONE = Preferred(pd.DataFrame(), [])


def sentences(choice, known=(), photos=100, source="cropperhead-base"):
    start = BaseStart(source, None, frozenset(known))
    return explain_choice(describe_choice(choice, start, photos, NONE))


def test_a_personal_step_is_explained_with_its_scores_and_in_words():
    scores = {"base": 0.65, "personal": 0.7012}
    choice = Choice("personal", scores, 20, "crop 12 % tighter than most, keep 4:5")
    assert sentences(choice) == [
        "Chosen: the base model with a personal step. Overlap on 20 crops that it was not fitted "
        "to: 0.701 for the base model with a personal step, 0.650 for the base model as it is.",
        "You crop 12 % tighter than most, keep 4:5.",
    ]


def test_one_crop_is_not_several():
    said = sentences(Choice("base", {"base": 0.7}, 1), known=["a.jpg"], photos=1)
    assert "Overlap on 1 crop that" in said[0]
    assert "from 1 of the 1 photo, which" in said[-1]


def test_without_crops_to_compare_it_says_so():
    assert sentences(Choice("base")) == [
        "Chosen: the base model as it is, as there are too few crops to compare."
    ]


def test_photos_that_the_base_knows_are_told():
    choice = Choice("base", {"base": 0.7, "personal": 0.69}, 30)
    assert sentences(choice, known=["a.jpg", "b.jpg"])[-1] == (
        "The base model learned from 2 of the 100 photos, which count in no score."
    )
    assert len(sentences(Choice("own", {"base": 0.7, "own": 0.71}, 30), known=["a.jpg"])) == 1


def test_a_base_that_learned_from_the_library_is_no_candidate():
    assert sentences(None, known=[str(n) for n in range(90)]) == [
        "The base model learned from 90 of these 100 photos, so it was not a candidate: the "
        "network was trained from scratch."
    ]


def test_without_a_base_nothing_is_said():
    assert sentences(None, source="none") == []


def test_crops_that_people_prefer_are_counted_and_those_left_out_listed():
    preferred = Preferred(pd.DataFrame({"photo": ["a.jpg", "a.jpg", "b.jpg"]}), ["c.jpg"])
    record = describe_choice(Choice("own"), BaseStart("none", None, frozenset()), 4, preferred)
    assert (record["preferred_crops"], record["preferred_left_out"]) == (3, ["c.jpg"])


def preferred_sentences(name, crops, left_out=()):
    preferred = Preferred(pd.DataFrame({"photo": crops}), list(left_out))
    choice = None if name is None else Choice(name)
    return explain_preferred(
        describe_choice(choice, BaseStart("none", None, frozenset()), 9, preferred)
    )


def test_preferred_crops_are_said_to_teach_what_learns_from_them():
    used = (
        "Training also used 2 crops that people preferred to the photographer's own, weighted by "
        "the votes."
    )
    for name in (None, "own", "tuned"):
        assert preferred_sentences(name, ["a", "b"]) == [used]
    assert preferred_sentences("personal", ["a"]) == [
        "Not learned from: 1 crop that people preferred to the photographer's own, because the "
        "base model with a personal step does not learn from votes."
    ]


def test_preferred_crops_that_are_left_out_are_counted_by_photos():
    assert preferred_sentences("own", [], ["a.jpg", "b.jpg"]) == [
        "Preferred crops of 2 photos were left out, because these photos left the training split "
        "or were cropped again after the vote."
    ]
    assert preferred_sentences("own", []) == []
