import math

import numpy as np
import pytest

from cropperhead.evaluation.findings import JudgeScore, Measure, Slice
from cropperhead.report import tables
from cropperhead.stats import Interval

NOTHING = Interval(math.nan, math.nan, math.nan)


def crops_at(*centres: tuple[float, float]) -> np.ndarray:
    """Crops (n, 5) half as wide and high as the frame, by their centres (across, down)."""
    return np.array([[y - 0.25, x - 0.25, y + 0.25, x + 0.25, 0.0] for x, y in centres])


@pytest.mark.parametrize(
    ("chance", "said"),
    [
        (0.00042, "p < 0.001"),
        (0.0312, "p = 0.031"),
        (0.71, "p = 0.71"),
        (1.0, "p = 1.00"),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_a_chance_has_as_many_digits_as_matter(chance, said):
    assert tables.said_chance(chance) == said


def test_a_share_is_told_in_per_cent():
    assert tables.said_share(Interval(0.083, 0.0712, 0.0952)) == ("8.3 %", "7.1 % to 9.5 %")
    assert tables.said_share(None) == ("–", "")


def test_parts_are_grouped_by_what_tells_them_apart_in_their_order():
    gain = Interval(0.05, 0.03, 0.07)
    parts = [("Tilt", "level"), ("Year", "2009"), ("Tilt", "turned")]
    grouped = tables.of_slices([Slice(by, part, 10, gain, gain) for by, part in parts])
    labels = {by: [line.label for line in lines] for by, lines in grouped.items()}
    assert labels == {"Tilt": ["level", "turned"], "Year": ["2009"]}
    assert grouped["Tilt"][0].cells[2] == ("+0.050", "+0.030 to +0.070")


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (Interval(0.63, 0.58, 0.68), "A machine can tell these crops from a person’s."),
        (Interval(0.53, 0.48, 0.58), "A machine cannot tell these crops from a person’s."),
        (
            Interval(0.43, 0.38, 0.48),
            "A machine takes these crops for a person’s more often than a person’s own.",
        ),
        (NOTHING, "The judge had too few crops to tell."),
    ],
)
def test_the_judge_s_success_is_told_in_words(auc, said):
    (line,) = tables.of_judged([JudgeScore("cnn", auc)], {"cnn": "CNN"})
    assert (line.label, line.note) == ("CNN", said)


def test_a_measure_has_a_cell_for_every_cropper_and_digits_that_fit_its_size():
    some = Interval(81.23, 80.0, 82.0)
    measures = [
        Measure("Kept", "%", "higher", {"human": some, "cnn": some}, ""),
        Measure("Thirds", "", "neither", {"cnn": Interval(0.1234, 0.1, 0.2)}, ""),
    ]
    croppers, (kept, thirds) = tables.of_measures(measures)
    assert croppers == ("human", "cnn")
    assert kept.cells[0] == ("81.2", "80.0 to 82.0")
    assert thirds.cells == (("–", ""), ("0.123", "0.100 to 0.200"))
    assert (kept.arrow, thirds.arrow) == ("↑", "")


def test_limits_are_compared_by_their_means_and_spreads():
    human, cnn = crops_at((0.4, 0.5), (0.6, 0.5)), crops_at((0.55, 0.5), (0.55, 0.5))
    left = tables.of_limits({"human": human, "cnn": cnn})[1]
    # human 0.15 and 0.35: mean 0.25, each 0.1 off it; the CNN 0.3 both times
    assert left.cells == (("0.250", "± 0.100"), ("0.300", "± 0.000"), ("+0.050", ""))
    assert tables.of_limits({"human": human}) == []


def test_a_lean_that_the_network_shares_in_part_is_told_with_its_size():
    human = crops_at((0.44, 0.46), (0.46, 0.48))  # on average 5 % left of and 3 % above the middle
    cnn = crops_at((0.475, 0.485), (0.475, 0.485))  # half of that
    words = tables.leaning({"human": human, "cnn": cnn})
    assert "lies 5.0 % of the frame’s width left of its middle and 3.0 % of its height" in words
    assert "that of the CNN’s lies 2.5 % left and 1.5 % above" in words
    assert "has part of this habit: towards that side it leans 50 % as far" in words


@pytest.mark.parametrize(
    ("across", "said"),
    [
        (0.52, "does not have this habit: towards that side it leans −40 % as far"),
        (0.45, "has this habit: towards that side it leans 100 % as far"),
        (0.40, "overdoes this habit: towards that side it leans 200 % as far"),
    ],
)
def test_a_network_may_lack_the_photographer_s_habit_or_overdo_it(across, said):
    human, cnn = crops_at((0.45, 0.5), (0.45, 0.5)), crops_at((across, 0.5), (across, 0.5))
    assert said in tables.leaning({"human": human, "cnn": cnn})


def test_a_lean_within_chance_is_no_habit():
    # across 0.4 and 0.59 -> mean -0.005, spread 0.095, standard error 0.067
    limits = crops_at((0.4, 0.5), (0.59, 0.5))
    assert "could be chance" in tables.leaning({"human": limits, "cnn": limits})
    assert tables.leaning({"human": limits}) == ""
    assert tables.leaning({"human": limits[:0], "cnn": limits[:0]}) == ""
