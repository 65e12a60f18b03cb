import dataclasses
import math

import pytest
import sample_comparison
from sample_comparison import FINDINGS, comparison, picture
from simulated_votes import simulate

from cropperhead.evaluation import number_text
from cropperhead.evaluation.findings import JudgeScore
from cropperhead.report import page, votes_section
from cropperhead.report.votes_section import VotesSection
from cropperhead.stats import Interval
from cropperhead.study import findings, votes

ORDERED = {"human": 1.0, "cnn": 0.4, "random": -1.2}
LABELS = {"human": "Human", "cnn": "CNN", "random": "Random within bounds"}


@pytest.fixture(scope="module")
def many():
    return findings.summarise(simulate(12, ORDERED, seed=1, careless=2), 0.95)


def _page(section: VotesSection) -> str:
    random = dataclasses.replace(sample_comparison.CNN, cropper="random", label="Random")
    rows = [sample_comparison.REFERENCE, sample_comparison.CNN, random, sample_comparison.MEDIAN]
    return page.render_page(comparison(**FINDINGS, rows=rows, votes=section))


def test_without_votes_the_report_says_how_to_get_them():
    shown = _page(VotesSection(None))
    assert "Nobody has voted yet. About 480 votes are needed." in shown
    assert "cropperhead study new" in shown


def test_without_votes_the_summary_does_not_change():
    nobody = comparison(votes=VotesSection(None))
    assert page.render_summary(nobody) == page.render_summary(comparison())


def test_of_few_votes_nothing_is_said_but_how_many_are_needed():
    table = simulate(2, ORDERED)
    few = findings.summarise(table[table["kind"] == "plain"].iloc[:37], 0.95)
    sentence = votes_section.headline(VotesSection(few), LABELS)
    people = "1 person" if few.raters == 1 else f"{few.raters} people"
    assert sentence == (
        f"{few.votes} votes by {people}: nothing can be said yet. About 480 are needed until a "
        "difference of ten points shows."
    )


def test_of_too_few_people_s_votes_the_report_shows_neither_shares_nor_photos():
    few = findings.summarise(simulate(4, ORDERED), 0.95)
    assert few.preferred
    shown = _page(VotesSection(few, pictures=[picture(each.photo) for each in few.preferred]))
    assert "144 votes by 4 people: nothing can be said yet." in shown  # 36 plain likes of each
    assert "Shares are shown once 5 attentive people have voted." in shown
    assert "percent preferred" not in shown
    assert "Where people preferred" not in shown


def test_what_one_person_s_votes_cannot_say_is_left_out():
    one = findings.summarise(simulate(1, ORDERED), 0.95)
    assert votes_section.votes_table(one, LABELS, ()).forest is None
    assert not any("alpha" in line for line in votes_section.facts(one))


def test_preferences_are_told_with_their_chances(many):
    sentence = votes_section.headline(VotesSection(many), LABELS)
    assert sentence.startswith("432 votes by 12 people: people prefer ")
    assert "the CNN’s crops to “Random within bounds” (" in sentence


def test_a_preference_for_the_second_of_a_pair_is_told_the_right_way_round(many):
    swapped = [
        dataclasses.replace(pair, first=pair.second, second=pair.first, chance=_against(pair))
        for pair in many.pairs
    ]
    turned = dataclasses.replace(many, pairs=swapped)
    one, two = (votes_section.headline(VotesSection(f), LABELS) for f in (many, turned))
    assert one == two


def _against(pair: findings.PairFinding) -> findings.Interval:
    chance = pair.chance
    return findings.Interval(1 - chance.mean, 1 - chance.high, 1 - chance.low)


def test_the_page_shows_shares_and_the_photos_that_people_liked(many):
    names = [each.photo for each in (*many.preferred, *many.despised)]
    section = VotesSection(many, pictures=[picture(name) for name in names])
    shown = _page(section)
    assert "Where people preferred the CNN’s crop" in shown
    assert "Where people preferred another crop" in shown
    assert all(name in shown for name in names)
    assert "2 of 12 people voted carelessly" in shown
    assert "percent preferred" in shown


def test_what_both_judges_can_tell_apart_stands_beside_what_people_can(many):
    judges = [
        JudgeScore("cnn", Interval(0.52, 0.45, 0.6), Interval(0.95, 0.91, 0.98)),
        JudgeScore("random", Interval(0.7, 0.6, 0.8), Interval(math.nan, math.nan, math.nan)),
    ]
    rows = {row.key: row for row in votes_section.votes_table(many, LABELS, judges).rows}
    told = {each.cropper: each.accuracy.mean for each in many.told}
    assert [cell.text for cell in rows["cnn"].cells[2:]] == [
        number_text.format_percent(told["cnn"]),
        "0.52",
        "0.95",
    ]
    assert [cell.text for cell in rows["random"].cells[3:]] == ["0.70", number_text.DASH]
    assert [cell.text for cell in rows["human"].cells[2:]] == [number_text.DASH] * 3


def test_votes_on_an_earlier_models_crops_are_told_as_such(many):
    words = "These votes are on the crops of an earlier model."
    assert words in _page(VotesSection(many, is_current=False))
    assert words not in _page(VotesSection(many))


def test_metrics_hold_the_shares(many):
    numbers = votes_section.metrics(VotesSection(many))
    assert numbers["preferred"]["cnn"]["mean"] == pytest.approx(many.shares["cnn"].mean, abs=1e-6)
    assert numbers["votes"] == 432
    assert numbers["preferred_to_cnn"] == []  # human over CNN is not decided
    strong = findings.summarise(simulate(12, {"human": 3.0, "cnn": -1.0, "random": 1.0}), 0.95)
    assert votes_section.metrics(VotesSection(strong))["preferred_to_cnn"] == ["human", "random"]
    headline = votes_section.headline_metrics(VotesSection(many))
    assert list(headline) == ["votes", "preferred", "preferred_low", "preferred_high"]
    assert headline["preferred_low"] < headline["preferred"] == numbers["preferred"]["cnn"]["mean"]


def test_without_votes_there_are_no_metrics():
    assert votes_section.metrics(VotesSection(None)) == {}
    assert votes_section.headline_metrics(VotesSection(None)) == {}


def test_one_question_alone_is_enough_for_a_section():
    table = simulate(6, ORDERED)
    told = findings.summarise(table[table["mode"] == votes.TELL], 0.95)
    assert "nothing can be said yet" in _page(VotesSection(told))
