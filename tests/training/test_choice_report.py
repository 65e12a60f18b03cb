"""The choice between a base model and own networks, in words."""

from cropperhead.training.adapt import Choice
from cropperhead.training.base_model import BaseStart
from cropperhead.training.choice_report import describe_choice, explain_choice


def sentences(choice, known=(), photos=100, source="cropperhead-base"):
    return explain_choice(
        describe_choice(choice, BaseStart(source, None, frozenset(known)), photos)
    )


def test_a_personal_step_is_explained_with_its_scores_and_in_words():
    scores = {"base": 0.65, "fitted": 0.7012}
    choice = Choice("personal", scores, 20, "crop 12 % tighter than most, keep 4:5")
    assert sentences(choice) == [
        "Chosen: the base model with a personal step (overlap on 20 crops that it was not fitted "
        "to: fitted 0.701, base 0.650).",
        "You crop 12 % tighter than most, keep 4:5.",
    ]


def test_without_crops_to_compare_it_says_so():
    assert sentences(Choice("base")) == [
        "Chosen: the base model as it is, as there are too few crops to compare."
    ]


def test_photos_that_the_base_knows_are_told():
    choice = Choice("base", {"base": 0.7, "fitted": 0.69}, 30)
    assert sentences(choice, known=["a.jpg", "b.jpg"])[-1] == (
        "The base model learned from 2 of the 100 photos, which count in no score."
    )
    assert len(sentences(Choice("own", {"base": 0.7, "own": 0.71}, 30), known=["a.jpg"])) == 1


def test_a_base_that_learned_from_the_library_is_no_candidate():
    assert sentences(None, known=[str(n) for n in range(90)]) == [
        "The base model learned from 90 of these 100 photos, and so was no candidate: the network "
        "was trained from scratch."
    ]


def test_without_a_base_nothing_is_said():
    assert sentences(None, source="none") == []
