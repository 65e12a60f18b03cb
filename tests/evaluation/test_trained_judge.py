import numpy as np
import pytest

from cropperhead.evaluation import trained_judge
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Jackknife

COUNT = 60


def judged(human: Floats, others: Floats, groups: list[str] | None = None, seed: int = 1):
    groups = groups or [str(i) for i in range(len(human))]
    aspect = np.full(len(human), 1.5)
    return trained_judge.trained_auc(human, others, aspect, groups, Jackknife(groups, 0.95), seed)


def centred(area: Floats) -> Floats:
    """Level crops of the frame's shape around its middle, (n, 5), by their area."""
    side = np.sqrt(area)
    low, high = (1 - side) / 2, (1 + side) / 2
    return np.stack([low, low, high, high, np.zeros(len(area))], axis=1)


def areas(seed: int, low: float, high: float) -> Floats:
    return np.random.default_rng(seed).uniform(low, high, COUNT)


def test_crops_of_nearly_one_size_are_distinguished_from_crops_of_many():
    human, network = centred(areas(1, 0.32, 0.89)), centred(areas(2, 0.67, 0.82))
    # 0.15 of 0.57, or 26 %, of human areas are in the network's range: 1 - 0.26 / 2 = 0.87
    auc = judged(human, network[None])
    assert auc.mean == pytest.approx(0.87, abs=0.08)
    assert auc.low > 0.6


def test_crops_of_one_kind_are_not_distinguished():
    human, others = centred(areas(1, 0.32, 0.89)), centred(areas(2, 0.32, 0.89))
    auc = judged(human, others[None])
    assert auc.low < 0.5 < auc.high


def test_what_a_judge_learned_from_one_photo_of_a_burst_does_not_help_with_the_next():
    # ten bursts of six photos, each with one human crop and one other, both of chance sizes
    human, others = (np.repeat(centred(areas(s, 0.2, 0.95)[:10]), 6, axis=0) for s in (1, 2))
    bursts = [str(i // 6) for i in range(COUNT)]
    assert judged(human, others[None]).low > 0.7
    auc = judged(human, others[None], bursts)
    assert auc.low < 0.5 < auc.high


def test_several_draws_count_as_much_as_the_human_crops_and_broken_ones_are_judged_too():
    human = centred(areas(1, 0.32, 0.89))
    draws = np.stack([centred(areas(seed, 0.32, 0.89)) for seed in (2, 3, 4)])
    auc = judged(human, draws)
    assert auc.low < 0.5 < auc.high
    broken = np.full((1, COUNT, 5), np.nan)
    assert judged(human, broken).mean == 1


@pytest.mark.parametrize("groups", [1, 2, 9])
def test_fewer_groups_than_a_verdict_takes_are_not_judged(groups):
    human = centred(areas(1, 0.32, 0.89))
    auc = judged(human, human[None], [str(i % groups) for i in range(COUNT)])
    assert all(np.isnan([auc.mean, auc.low, auc.high]))


def test_as_many_groups_as_a_verdict_takes_are_judged():
    human, others = centred(areas(1, 0.32, 0.6)), centred(areas(2, 0.7, 0.89))
    auc = judged(human, others[None], [str(i % 10) for i in range(COUNT)])
    assert auc.mean == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_judge():
    human, others = centred(areas(1, 0.32, 0.89)), centred(areas(2, 0.5, 0.82))
    assert judged(human, others[None], seed=5) == judged(human, others[None], seed=5)
