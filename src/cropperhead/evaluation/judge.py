"""The blind judge: could a machine tell a cropper's crops from a person's?

A classifier learns, on training photos, people's crops from others. It then scores crops of test
photos, without being told whose they are.

What it learns to see hangs on the others. From crops drawn at random it learns a person's forms,
and takes for a person's whatever has such a form: no crop at all, or one crop for all photos. From
`dealt` ones, which people made of other photos, it can only learn whether a crop fits its photo.

It sees a crop's form, as coarsely as a viewer, and simple statistics of what is inside, outside and
at the border; it knows no things, and lets pass what a person would not. And it does not know the
crops of the one that it judges: these may have a mannerism that it never looked for, or be so
typical that it takes them for a person's more often than it does people's. Of crops unlike any that
it learned from, as no crop at all, it says little.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from cropperhead.evaluation import composition
from cropperhead.evaluation.composition import Fields, Map
from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.stats import Bootstrap, Interval

# What is finer no viewer sees: people's limits lie on the frame's very edge and their angles at 0,
# to the last digit, by which alone evenly drawn crops were told from them with an AUC of 0.999
_STEPS = np.array([0.02, 0.02, 0.02, 0.02, 1.0])  # of the frame's sides; degrees
_ALIKE = 0.1  # frames whose width / height rounds to the same multiple
_SMALLEST = 1e-3  # side of a crop, for its ratio's sake
_BORDER = 0.03  # frame heights, to either side
_NOTHING = -1.0  # where there is nothing to see: less than any measure

# On 1,020 photos, cross-validated: AUCs with 4 to 16 leaves and 100 to 600 trees were all within
# 0.01 of each other, and that of a logistic regression 0.02 below
_TREES, _LEAVES, _RATE, _RIDGE = 300, 8, 0.05, 1.0


@dataclass(frozen=True)
class Judge:
    """A classifier that has learned a photographer's crops from others."""

    classifier: Any

    def probability(self, found: Fields, limits: Floats) -> Floats:
        """How surely each crop (n, 5) is taken for a person's, (n,), in [0, 1]."""
        return np.asarray(self.classifier.predict_proba(_features(found, limits))[:, 1])


def trained(found: Fields, human: Floats, others: Floats, seed: int) -> Judge:
    """A judge of people's crops (n, 5) and others (draws, n, 5) of the same n photos.

    Both sides weigh the same, however many draws there are.
    """
    known = np.concatenate([_features(found, limits) for limits in (human, *others)])
    is_human = np.arange(len(known)) < len(human)
    weight = np.where(is_human, len(others), 1.0)
    classifier = HistGradientBoostingClassifier(
        learning_rate=_RATE,
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        l2_regularization=_RIDGE,
        early_stopping=False,
        random_state=seed,
    )
    return Judge(classifier.fit(known, is_human, weight))


def dealt(human: Floats, aspect: Floats, draws: int, seed: int) -> Floats:
    """People's crops (n, 5), one a photo, each laid on other photos, (draws, n, 5).

    On photos of like shape, as far as there are any, so that a crop's form alone gives nothing
    away. One that leaves its new frame is shrunk into it.
    """
    mixed = np.random.default_rng(seed).random(len(human))
    order = np.lexsort([mixed, np.round(aspect / _ALIKE)])
    place = np.argsort(order)
    shifts = np.arange(1, draws + 1)[:, None] % max(1, len(human) - 1) + 1
    laid = human[order[(place + shifts) % len(human)]]
    return crops.inside_frame(laid, np.broadcast_to(aspect, laid.shape[:-1]))


def auc(human: Floats, others: Floats, bootstrap: Bootstrap) -> Interval:
    """How well scores tell people's crops (n,) from others, (n,) or (draws, n): 0.5 is not at all.

    The chance that of a person's crop and another, each of any photo, the person's has the higher
    score; ties count half (Mann and Whitney 1947). Of draws, the mean. `bootstrap` is of the n
    photos.
    """
    human = np.asarray(human, float)
    draws = np.atleast_2d(np.asarray(others, float))
    once, weights = np.ones((1, len(human))), bootstrap.weights()
    value = np.mean([_above(human, each, once) for each in draws])
    resampled = np.mean([_above(human, each, weights) for each in draws], axis=0)
    return bootstrap.of_weighted(float(value), resampled)


def _above(human: Floats, others: Floats, weights: Floats) -> Floats:
    """The share of pairs in which the human's score is higher, for each row of weights (s, n)."""
    order = np.argsort(others)
    below = np.pad(np.cumsum(weights[:, order], axis=1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(others[order], human, side) for side in ("left", "right"))
    pairs = (weights * (below[:, first] + below[:, last]) / 2).sum(axis=1)
    return np.asarray(pairs / weights.sum(axis=1) ** 2)


def _features(found: Fields, limits: Floats) -> Floats:
    """What the judge sees of each crop, (n, features), all finite."""
    seen = np.round(np.asarray(limits, float) / _STEPS) * _STEPS
    measures = np.column_stack(list(composition.measured(found, seen).values()))
    parts = [_content(found.of(part), seen[part]) for part in found.parts()]
    features = [_form(seen, found.aspect), measures, np.concatenate(parts)]
    return np.nan_to_num(np.concatenate(features, axis=1), nan=_NOTHING)


def _form(limits: Floats, aspect: Floats) -> Floats:
    """Limits, angle, area, ratio by itself and to the frame's, and centre, (n, 11)."""
    top, left, bottom, right, angle = limits.T
    width, height = np.maximum(right - left, _SMALLEST), np.maximum(bottom - top, _SMALLEST)
    ratio, across = np.log(width / height), (left + right) / 2
    shape = [width * height, ratio + np.log(aspect), ratio]
    place = [(top + bottom) / 2, across, np.abs(across - 0.5)]
    return np.column_stack([top, left, bottom, right, np.abs(angle), *shape, *place])


def _content(found: Fields, limits: Floats) -> Floats:
    """Mean and spread of each map inside, and by how much they differ outside and at the border."""
    inside = composition.coverage(limits, found.aspect)
    border = composition.coverage(limits, found.aspect, _BORDER)
    border = border - composition.coverage(limits, found.aspect, -_BORDER)
    columns = []
    for each in (found.brightness, found.detail, found.saliency * composition.GRID**2):
        kept, left_out, cut = (_statistics(each, part) for part in (inside, 1 - inside, border))
        columns += [kept, np.nan_to_num(kept - left_out), cut - kept]  # to nothing, no difference
    return np.concatenate(columns).T


def _statistics(values: Map, weight: Floats) -> Floats:
    """Weighted mean and standard deviation of maps, (2, n); NaN where nothing has weight."""
    total = weight.sum(axis=(1, 2))
    total = np.where(total > 1, total, np.nan)  # of cells
    mean = (values * weight).sum(axis=(1, 2)) / total
    square = (values.astype(float) ** 2 * weight).sum(axis=(1, 2)) / total
    return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0))])
