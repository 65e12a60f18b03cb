"""The trained judge: can a machine that knows a cropper's crops distinguish them from a person's?

The blind judge (`judge`) never sees the crops of the cropper it judges, and so misses whatever is
peculiar to them: a network's crops may all have one size. This judge learns from both kinds, as a
classifier two-sample test does (Lopez-Paz and Oquab, ICLR 2017). It sees the crop's numbers alone,
and nothing of the photo.

It learns from test photos, and judges only crops of photos whose group it has not learned from.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from cropperhead.evaluation import judge
from cropperhead.evaluation.verdict import LEAST_GROUPS
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval, Jackknife

_FOLDS = 5
_TREES, _LEAST_LEAF = 60, 3
# The forests of two folds share most of their photos, so their scores are not independent, as an
# interval takes them to be (Nadeau and Bengio 2003). For crops of one kind on 40 and on 120 photos,
# 8 and 7 % of the intervals were above 0.5 without this factor, and none of 60 and of 40 with it
_WIDER = np.sqrt(1 + _FOLDS / (_FOLDS - 1))  # 1.5
_NOT_MEASURED = Interval(np.nan, np.nan, np.nan)


def trained_auc(
    human: Floats,
    others: Floats,
    aspect: Floats,
    groups: Sequence[str],
    jackknife: Jackknife,
    seed: int,
) -> Interval:
    """Measure how well a judge that learned from both distinguishes people's crops from others.

    `human` (n, 5) and `others` (draws, n, 5) are crops of the same n photos, whose width / height
    is `aspect` and whose near-duplicates and bursts share a group. Gives the AUC of cross-validated
    scores, as `judge.auc` does, with an interval that is wide enough for them; NaN for fewer groups
    than a verdict takes.
    """
    if len(set(groups)) < LEAST_GROUPS:
        return _NOT_MEASURED
    features = np.stack([judge.shape_features(each, aspect) for each in (human, *others)])
    scores = np.zeros(features.shape[:2])
    for learned, judged in _folds(groups, seed):
        forest = _train(features[:, learned], seed)
        for row, crops in zip(scores, features, strict=True):
            row[judged] = forest.predict_proba(crops[judged])[:, 1]
    return _widen(judge.auc(scores[0], scores[1:], jackknife))


def _widen(auc: Interval) -> Interval:
    low, high = (auc.mean + _WIDER * (end - auc.mean) for end in (auc.low, auc.high))
    return Interval(auc.mean, float(max(low, 0.0)), float(min(high, 1.0)))


def _train(features: Floats, seed: int) -> RandomForestClassifier:
    """Train on features (1 + draws, n, k), of which the first are those of human crops."""
    is_human = np.repeat(np.arange(len(features)) == 0, features.shape[1])
    forest = RandomForestClassifier(
        _TREES, min_samples_leaf=_LEAST_LEAF, class_weight="balanced", random_state=seed
    )
    return forest.fit(features.reshape(len(is_human), -1), is_human)


def _folds(
    groups: Sequence[str], seed: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Divide photos by their groups, at random; yield which to learn from and which to judge."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[member] % _FOLDS
    for number in range(_FOLDS):
        yield fold != number, fold == number
