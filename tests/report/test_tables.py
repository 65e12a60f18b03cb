import math

import numpy as np
import pytest

from cropperhead.evaluation.findings import JudgeScore, Measure, Slice
from cropperhead.report import tables
from cropperhead.report.comparison import CropperScores
from cropperhead.report.table import Cell
from cropperhead.stats import Interval

NOTHING = Interval(math.nan, math.nan, math.nan)


def crops_at(*centres: tuple[float, float]) -> np.ndarray:
    """Crops (n, 5) half as wide and high as the frame, by their centres (across, down)."""
    return np.array([[y - 0.25, x - 0.25, y + 0.25, x + 0.25, 0.0] for x, y in centres])


def scores(**values: object) -> CropperScores:
    nothing = dict.fromkeys(("overlap", "displacement", "angle_error", "gain"))
    return CropperScores("cnn", "CNN", **{**nothing, **values})


def test_an_aspect_error_is_shown_as_a_percentage():
    with_error = scores(aspect_error=Interval(0.083, 0.0712, 0.0952))
    first, second = tables.score_table([with_error, scores()]).rows
    assert first.cells[4] == Cell("8.3 %", "7.1 % to 9.5 %")
    assert second.cells[4] == Cell("–")


def test_a_human_without_scores_is_the_reference():
    human = CropperScores("human", "Human", None, None, None, None)
    (row,) = tables.score_table([human]).rows
    assert [cell.text for cell in row.cells] == ["reference", "–", "–", "–", "–", "–"]
    assert row.remark.startswith("The reference: all others are scored against it")


def test_parts_are_grouped_by_property_in_their_order():
    gain = Interval(0.05, 0.03, 0.07)
    parts = [("Tilt", "level"), ("Year", "2009"), ("Tilt", "turned")]
    groups = tables.slice_table([Slice(by, part, 10, gain, gain) for by, part in parts]).groups()
    labels = {by: [row.label for row in rows] for by, rows in groups.items()}
    assert labels == {"Tilt": ["level", "turned"], "Year": ["2009"]}
    assert groups["Tilt"][0].cells[2] == Cell("+0.050", "+0.030 to +0.070")


def test_a_part_of_one_photo_has_no_interval():
    lone = Interval(0.05, math.nan, math.nan)
    (row,) = tables.slice_table([Slice("Tilt", "level", 1, lone, lone)]).rows
    assert row.cells == (Cell("1"), Cell("0.050"), Cell("+0.050"))


@pytest.mark.parametrize(
    ("auc", "explanation"),
    [
        (
            Interval(0.63, 0.58, 0.68),
            "The blind judge can distinguish these crops from a person’s. Of a hundred pairs, it "
            "is right on 63 (58 to 68).",
        ),
        (
            Interval(0.53, 0.48, 0.58),
            "The blind judge cannot reliably distinguish these crops from a person’s on so many "
            "photos.",
        ),
        (
            Interval(0.43, 0.38, 0.48),
            "The blind judge takes these crops for a person’s more often than people’s own.",
        ),
        (NOTHING, "There were too few crops to judge."),
    ],
)
def test_a_judge_s_success_is_explained(auc, explanation):
    (row,) = tables.judge_table([JudgeScore("cnn", auc)], {"cnn": "CNN"}).rows
    assert (row.label, row.note) == ("CNN", explanation)


def test_the_stronger_judge_is_the_one_that_is_explained_and_drawn():
    blind, trained = Interval(0.52, 0.46, 0.58), Interval(0.95, 0.92, 0.98)
    (row,) = tables.judge_table([JudgeScore("cnn", blind, trained)], {}).rows
    assert row.note.startswith("The trained judge can distinguish these crops from a person’s.")
    assert "it is right on 95 (92 to 98)." in row.note
    assert row.bar.mean == 0.95
    assert row.cells == (Cell("0.52", "0.46 to 0.58"), Cell("0.95", "0.92 to 0.98"))
    # a blind judge that is nearly always wrong is further from guessing than a trained one at 0.6
    wrong = JudgeScore("cnn", Interval(0.1, 0.05, 0.15), Interval(0.6, 0.52, 0.68))
    assert wrong.stronger == ("blind", wrong.auc)


def test_only_two_judges_that_guess_cannot_distinguish_crops():
    guess = Interval(0.52, 0.46, 0.58)
    (row,) = tables.judge_table([JudgeScore("cnn", guess, guess)], {}).rows
    assert row.note.startswith("Neither judge can reliably distinguish these crops")
    (row,) = tables.judge_table([JudgeScore("cnn", guess, NOTHING)], {}).rows
    assert row.note.startswith("There were too few crops")


def test_a_measure_has_a_cell_for_every_cropper_and_digits_that_fit_its_size():
    some = Interval(81.23, 80.0, 82.0)
    measures = [
        Measure("Kept", "%", "higher", {"human": some, "cnn": some}, ""),
        Measure("Thirds", "", "neither", {"cnn": Interval(0.1234, 0.1, 0.2)}, ""),
    ]
    table = tables.measure_table(measures, {"cnn": "CNN"})
    human, cnn = table.rows
    assert (human.label, cnn.label) == ("human", "CNN")
    assert human.cells == (Cell("81.2", "80.0 to 82.0"), Cell("–"))
    assert cnn.cells == (Cell("81.2", "80.0 to 82.0"), Cell("0.123", "0.100 to 0.200"))
    assert [column.arrow for column in table.head] == ["", "↑", ""]


def test_limits_are_compared_by_their_means_and_spreads():
    human, cnn = crops_at((0.4, 0.5), (0.6, 0.5)), crops_at((0.55, 0.5), (0.55, 0.5))
    left = tables.limit_table({"human": human, "cnn": cnn}).rows[1]
    # human 0.15 and 0.35: mean 0.25, each 0.1 off it; the CNN 0.3 both times
    assert left.cells == (Cell("0.250", "± 0.100"), Cell("0.300", "± 0.000"), Cell("+0.050"))
    assert tables.limit_table({"human": human}) is None


def test_an_offset_that_the_network_shares_in_part_is_shown_with_its_size():
    human = crops_at((0.44, 0.46), (0.46, 0.48))  # on average 5 % left of and 3 % above the middle
    cnn = crops_at((0.475, 0.485), (0.475, 0.485))  # half of that
    text = tables.explain_habit({"human": human, "cnn": cnn})
    assert "is 5.0 % of the frame’s width left of the middle and 3.0 % of its height above" in text
    assert "The centre of the CNN’s crops is 2.5 % left and 1.5 % above." in text
    assert "has part of this habit: its offset in that direction is 50 % of the phot" in text


@pytest.mark.parametrize(
    ("across", "text"),
    [
        (0.52, "does not have this habit: its offset in that direction is −40 % of"),
        (0.45, "has this habit: its offset in that direction is 100 % of"),
        (0.40, "exaggerates this habit: its offset in that direction is 200 % of"),
    ],
)
def test_a_network_may_lack_the_photographer_s_habit_or_exaggerate_it(across, text):
    human, cnn = crops_at((0.45, 0.5), (0.45, 0.5)), crops_at((across, 0.5), (across, 0.5))
    assert text in tables.explain_habit({"human": human, "cnn": cnn})


def test_an_offset_within_chance_is_not_a_habit():
    # across 0.4 and 0.59 -> mean -0.005, spread 0.095, standard error 0.067
    limits = crops_at((0.4, 0.5), (0.59, 0.5))
    assert "Chance alone could explain" in tables.explain_habit({"human": limits, "cnn": limits})
    assert tables.explain_habit({"human": limits}) == ""
    assert tables.explain_habit({"human": limits[:0], "cnn": limits[:0]}) == ""
