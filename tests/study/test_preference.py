import numpy as np
import pytest

from cropperhead.study import preference
from cropperhead.study.preference import Pairs


def test_a_strength_is_the_odds_of_winning():
    counts = np.array([[30_000.0, 10_000, 0]])  # first, second, tie: so many that no prior matters
    first, second, _ = preference.fit(Pairs.of(2), counts)
    assert first - second == pytest.approx(np.log(3), abs=1e-3)
    assert first + second == pytest.approx(0)


def test_ties_between_equals_show_in_their_own_parameter():
    # of equals, a share v / (2 + v) are ties: 1/5 = v / (2 + v) where v is 1/2
    *strengths, ties = preference.fit(Pairs.of(2), np.array([[40_000.0, 40_000, 20_000]]))
    assert strengths == pytest.approx([0, 0])
    assert np.exp(ties) == pytest.approx(0.5, abs=1e-3)


def test_an_indirect_comparison_counts():
    # the first beats the second 2 to 1, the second the third 3 to 1: the first the third 6 to 1
    pairs = Pairs.of(3)
    counts = 1e5 * np.array([[2 / 3, 1 / 3, 0], [0, 0, 0], [0.75, 0.25, 0]])  # 01, 02, 12
    chances = preference.win_chances(pairs, preference.fit(pairs, counts))
    assert chances[0, 2] == pytest.approx(6 / 7, abs=1e-3)
    assert chances[2, 0] == pytest.approx(1 / 7, abs=1e-3)


def test_a_cropper_that_always_wins_has_a_finite_strength():
    parameters = preference.fit(Pairs.of(2), np.array([[12.0, 0, 0]]))
    assert np.isfinite(parameters).all()
    assert preference.win_shares(Pairs.of(2), parameters)[0] > 0.9


def test_many_weightings_are_fitted_as_one_after_another():
    counts = np.random.default_rng(0).integers(1, 50, (7, 3, 3)).astype(float)
    pairs = Pairs.of(3)
    together = preference.fit(pairs, counts)
    assert together == pytest.approx(np.stack([preference.fit(pairs, each) for each in counts]))


def test_win_shares_average_to_a_half():
    pairs = Pairs.of(4)
    counts = np.random.default_rng(1).integers(1, 50, (6, 3)).astype(float)
    assert preference.win_shares(pairs, preference.fit(pairs, counts)).mean() == pytest.approx(0.5)
