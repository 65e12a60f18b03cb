import numpy as np

from cropperhead.evaluation import judge
from cropperhead.evaluation.composition import GRID, PhotoMaps
from cropperhead.geometry import crops
from cropperhead.stats import Jackknife

COUNT = 120


def jackknife(count):
    return Jackknife([str(i) for i in range(count)], 0.95)


def maps_with_spots(rows, columns):
    """Square photos that are salient and bright at one place each."""
    maps = np.full((len(rows), GRID, GRID), 0.2, np.float32)
    for each, row, column in zip(maps, rows, columns, strict=True):
        each[row - 2 : row + 2, column - 2 : column + 2] = 1
    saliency = maps / maps.sum(axis=(1, 2), keepdims=True)
    unknown = np.full(len(rows), np.nan)
    return PhotoMaps(np.ones(len(rows)), saliency, maps, np.zeros_like(maps), unknown)


def spotted(seed, count=COUNT):
    """Photos with a spot anywhere, and the crops that a person centres on it, half a frame wide."""
    rows, columns = np.random.default_rng(seed).integers(9, GRID - 8, (2, count))
    middle = np.stack([rows, columns], axis=1) / GRID
    limits = np.concatenate([middle - 0.25, middle + 0.25, np.zeros((count, 1))], axis=1)
    return maps_with_spots(rows, columns), limits


def random_crops(seed, count=COUNT):
    """Crops of any size and place, (count, 5)."""
    generator = np.random.default_rng(seed)
    low, high = generator.uniform(0, 0.4, (count, 2)), generator.uniform(0.6, 1, (count, 2))
    return np.concatenate([low, high, generator.normal(0, 1, (count, 1))], axis=1)


def test_the_auc_is_the_share_of_pairs_in_which_the_person_s_crop_scores_higher():
    # 3 > 1, 3 > 2, 2 > 1, and 2 = 2 counts half: 3.5 of 4
    assert judge.auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]), jackknife(2)).mean == 0.875
    # of draws the mean: 0.875, and 0 where all others score higher
    draws = np.array([[1.0, 2.0], [4.0, 5.0]])
    assert judge.auc(np.array([3.0, 2.0]), draws, jackknife(2)).mean == 0.4375


def test_the_interval_of_the_auc_comes_from_leaving_out_groups_of_photos():
    generator = np.random.default_rng(1)
    human, others = generator.integers(0, 6, (2, 20)).astype(float)
    left_out, groups = [], Jackknife([str(i // 2) for i in range(20)], 0.9)
    for pair in range(0, 20, 2):
        first, second = (np.delete(each, [pair, pair + 1]) for each in (human[:, None], others))
        first = first[:, None]
        left_out.append(np.mean((first > second) + (first == second) / 2))
    score = judge.auc(human, others, groups)
    assert score == groups.statistic_interval(score.mean, np.array(left_out), (0.0, 1.0))
    assert score.low < score.mean < score.high


def test_a_judge_distinguishes_crops_of_one_shape_from_crops_of_any():
    photos, human = spotted(seed=1)
    learned = judge.train_judge(photos, human, random_crops(2)[None], seed=1)
    unseen, theirs = spotted(seed=3)
    scores = [learned.human_probability(unseen, limits) for limits in (theirs, random_crops(4))]
    assert all(((each >= 0) & (each <= 1)).all() for each in scores)
    assert judge.auc(*scores, jackknife(COUNT)).low > 0.95


def test_a_judge_distinguishes_crops_of_the_same_shapes_by_their_content():
    photos, human = spotted(seed=1)
    learned = judge.train_judge(
        photos, human, judge.swap_crops(human, photos.aspect, 4, seed=1), seed=1
    )
    unseen, theirs = spotted(seed=3)
    swapped = judge.swap_crops(theirs, unseen.aspect, 3, seed=2)
    scores = np.array([learned.human_probability(unseen, limits) for limits in swapped])
    score = judge.auc(learned.human_probability(unseen, theirs), scores, jackknife(COUNT))
    assert score.low > 0.9


def test_a_judge_cannot_distinguish_crops_from_one_distribution():
    photos, _ = spotted(seed=1)
    learned = judge.train_judge(photos, random_crops(1), random_crops(2)[None], seed=1)
    unseen, _ = spotted(seed=3)
    first, second = (learned.human_probability(unseen, random_crops(seed)) for seed in (5, 6))
    score = judge.auc(first, second, jackknife(COUNT))
    assert score.low < 0.5 < score.high


def test_a_judge_ignores_the_last_digits():
    photos, human = spotted(seed=1)
    learned = judge.train_judge(photos, human, random_crops(2)[None], seed=1)
    rounded = np.round(human / 0.02) * 0.02  # to what the judge sees, except the angle, which is 0
    nudged = rounded + np.array([0.009, -0.009, 0.009, -0.009, 0.4])
    seen = [learned.human_probability(photos, limits) for limits in (rounded, nudged)]
    np.testing.assert_array_equal(*seen)


def test_the_same_seed_gives_the_same_judge():
    photos, human = spotted(seed=1)
    first, second = (
        judge.train_judge(photos, human, random_crops(2)[None], seed=7).human_probability(
            photos, human
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_crops_are_placed_on_other_photos_of_similar_shape():
    limits = np.zeros((20, 5))
    limits[:, 0], limits[:, 2:4] = np.arange(20) / 100, 1  # the top names the photo
    aspect = np.where(np.arange(20) % 2, 1.5, 0.67)
    swapped = judge.swap_crops(limits, aspect, draws=3, seed=1)
    givers = np.round(swapped[..., 0] * 100).astype(int)
    assert givers.shape == (3, 20)
    assert (givers != np.arange(20)).all()
    for given in givers:
        assert sorted(given) == list(range(20))
    # the order is by shape: with a shift by k, k of 20 photos at each end have one of the other
    assert (aspect[givers] != aspect).sum() <= 2 * (2 + 3 + 4)


def test_a_swapped_crop_is_inside_its_new_frame():
    limits = random_crops(1, 30)
    limits[:, 4] = 8
    aspect = np.random.default_rng(1).uniform(0.6, 1.8, 30)
    swapped = judge.swap_crops(limits, aspect, draws=2, seed=1)
    assert crops.outside(swapped, np.broadcast_to(aspect, (2, 30))).max() < 1e-9
