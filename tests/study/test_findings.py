import math

import pandas as pd
import pytest
from simulated_votes import CROPPERS, simulate

from cropperhead.study import attention, findings, votes

EQUAL = dict.fromkeys(CROPPERS, 0.0)
ORDERED = {"human": 1.0, "cnn": 0.3, "random": -1.3}


def test_preferences_are_found_in_their_order():
    found = findings.summarise(simulate(12, ORDERED), 0.95)
    shares = [found.shares[key].mean for key in CROPPERS]
    assert shares == sorted(shares, reverse=True)
    assert {(pair.first, pair.second) for pair in found.decided} >= {
        ("human", "random"),
        ("cnn", "random"),
    }


def test_where_none_is_preferred_nothing_is_decided():
    found = findings.summarise(simulate(12, EQUAL, seed=2), 0.95)
    assert not found.decided
    for share in found.shares.values():
        assert share.low < 0.5 < share.high


def test_few_people_decide_nothing_however_much_they_agree():
    found = findings.summarise(simulate(2, {"human": 6.0, "cnn": 0.0, "random": -6.0}), 0.95)
    assert not found.has_enough_raters
    assert not found.decided
    assert not found.is_enough


def test_careless_raters_are_weighed_down_and_move_no_estimate_by_more_than_its_interval():
    honest = findings.summarise(simulate(15, ORDERED, seed=1), 0.95)
    mixed = findings.summarise(simulate(15, ORDERED, seed=1, careless=3), 0.95)
    assert mixed.careless == 3
    for key in CROPPERS:
        half = (honest.shares[key].high - honest.shares[key].low) / 2
        assert abs(mixed.shares[key].mean - honest.shares[key].mean) < half
    random = mixed.unweighted["random"].mean  # and without weights, they pull towards a half
    assert mixed.shares["random"].mean < random < 0.5


def test_the_order_of_votes_and_of_sides_does_not_matter():
    table = simulate(6, ORDERED)
    sides = {"left": "right", "right": "left", "neither": "neither"}
    swapped = table.assign(
        left=table["right"],
        right=table["left"],
        left_overlap=table["right_overlap"],
        right_overlap=table["left_overlap"],
        answer=table["answer"].map(sides),
    )
    one, two = (findings.summarise(each, 0.95) for each in (table, swapped[::-1]))
    for key in CROPPERS:
        assert one.shares[key].mean == pytest.approx(two.shares[key].mean)
        assert one.shares[key].low == pytest.approx(two.shares[key].low)
    assert one.alpha == pytest.approx(two.alpha)
    assert one.overlap_correlation.mean == pytest.approx(two.overlap_correlation.mean)


def test_people_who_cannot_tell_are_right_half_the_time():
    found = findings.summarise(simulate(15, EQUAL, seed=4), 0.95)
    assert [each.cropper for each in found.told] == ["cnn", "random"]
    for each in found.told:
        assert each.accuracy.low < 0.5 < each.accuracy.high


def test_people_who_always_know_the_human_crop_are_right():
    found = findings.summarise(simulate(8, {"human": 9.0, "cnn": 0.0, "random": 0.0}), 0.95)
    assert all(each.accuracy.mean > 0.95 for each in found.told)


def test_alpha_of_a_worked_example():
    # two units agree, one does not: of its 2 ordered pairs each differs by 2² = 4, over 1: 8. All
    # 6 values: 3 ones and 3 minus ones, 18 ordered pairs of 4, over 5: 14.4. 1 - 8 / 14.4
    ratings = pd.DataFrame({"unit": list("aabbcc"), "value": [1, 1, -1, -1, 1, -1]})
    assert findings.krippendorff_alpha(ratings) == pytest.approx(0.4444, abs=1e-4)


def test_alpha_needs_two_ratings_of_something():
    assert math.isnan(findings.krippendorff_alpha(pd.DataFrame({"unit": ["a"], "value": [1]})))


def test_without_votes_there_are_no_findings():
    found = findings.summarise(votes.make_table([]), 0.95)
    assert (found.votes, found.raters, found.shares, found.told) == (0, 0, {}, [])
    assert found.votes_needed == 480  # 2 (n - 1) * 1.5 * 0.8 / 4 * (2.8 / 0.1)² / 2 = 470.4


def test_more_votes_are_needed_than_there_are_until_ten_points_show():
    few, many = (findings.summarise(simulate(n, ORDERED), 0.95) for n in (6, 40))
    assert few.votes_needed > few.votes
    assert many.is_enough


def test_one_person_s_votes_make_no_example():
    one, many = (findings.summarise(simulate(n, ORDERED), 0.95) for n in (1, 12))
    assert (one.preferred, one.despised) == ([], [])
    assert many.preferred
    assert all(each.won > each.lost for each in many.preferred)


def test_hasty_votes_do_not_count():
    table = simulate(6, ORDERED)
    weight = attention.rater_weights(table)["rater 00"]
    table.loc[table["rater"] == "rater 00", "ms"] = 120
    found = findings.summarise(table, 0.95)
    assert found.votes == 5 * 36
    assert attention.rater_weights(table)["rater 00"] < weight


def test_a_repeat_with_swapped_sides_is_the_same_answer():
    row = {
        **{"rater": "a", "session": 0, "mode": "like", "photo": "p", "group": "p", "ms": 900},
        **{"left_overlap": 1.0, "right_overlap": 0.5, "model": ""},
    }
    first = {"place": 0, "kind": "plain", "left": "human", "right": "cnn", "repeats": -1}
    again = {"place": 9, "kind": "repeat", "left": "cnn", "right": "human", "repeats": 0}
    for answer, same in (("right", True), ("left", False), ("neither", False)):
        table = votes.make_table(
            [row | first | {"answer": "left"}, row | again | {"answer": answer}]
        )
        assert attention.repeat_agreements(table)["same"].tolist() == [same]


def test_votes_survive_a_file(tmp_path):
    table = simulate(2, ORDERED).replace({"photo": {"000.jpg": "NA"}})
    votes.write_votes(table, tmp_path / "votes.csv")
    pd.testing.assert_frame_equal(votes.read_votes(tmp_path / "votes.csv"), table)
