"""The Bradley-Terry model with ties (Davidson 1970), fitted to many weightings of votes at once.

Cropper i is preferred to j with probability s_i / (s_i + s_j + v sqrt(s_i s_j)), and the vote is a
tie with probability v sqrt(s_i s_j) / (the same). The parameters are the logarithms of the
strengths s, which sum to 0, and of v. choix 0.4 and crowd-kit 1.4 fit the model without ties, and
one data set at a time; the intervals here take hundreds of fits.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats

FIRST, SECOND, TIE = 0, 1, 2  # what a vote on a pair says
OUTCOMES = 3
# Of a normal prior around 0: without it, a cropper that always wins has no finite strength. Three
# is a preference of 20 to 1
_PRIOR_DEVIATION = 3.0
_STEPS, _PRECISE = 60, 1e-9  # of Newton's method
_LONGEST_STEP = 2.0  # keeps it from leaping where the first guess is bad


@dataclass(frozen=True)
class Pairs:
    """The pairs of n croppers, in order, and what an outcome says of the parameters.

    `features` are (pairs, 3, n + 1): the derivative of an outcome's logarithmic weight.
    """

    members: NDArray[np.int64]
    features: Floats

    @classmethod
    def of(cls, croppers: int) -> "Pairs":
        """Make the pairs of this many croppers."""
        members = np.array(list(combinations(range(croppers), 2)), dtype=np.int64).reshape(-1, 2)
        features = np.zeros((len(members), OUTCOMES, croppers + 1))
        for pair, (first, second) in enumerate(members):
            features[pair, FIRST, first] = features[pair, SECOND, second] = 1.0
            features[pair, TIE, [first, second]] = 0.5
            features[pair, TIE, croppers] = 1.0
        return cls(members, features)

    @property
    def croppers(self) -> int:
        """The number of croppers."""
        return int(self.features.shape[2]) - 1


def probabilities(pairs: Pairs, parameters: Floats) -> Floats:
    """Return the probability of each outcome of each pair, (..., pairs, 3).

    `parameters` are (..., n + 1), as `fit` gives them.
    """
    scores = np.einsum("pof,...f->...po", pairs.features, parameters)
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def fit(pairs: Pairs, counts: Floats, start: Floats | None = None) -> Floats:
    """Fit the model to (weighted) counts of outcomes, (..., pairs, 3).

    Returns (..., n + 1): the logarithms of the strengths, which sum to 0, and of the ties' v. The
    likelihood is concave, and with the prior its maximum is unique; Newton's method finds it.
    """
    size = pairs.croppers + 1
    flat = counts.reshape(-1, len(pairs.members), OUTCOMES)
    parameters = np.zeros((len(flat), size))
    if start is not None:
        parameters += start
    for _ in range(_STEPS):
        gradient, information = _derivatives(pairs, flat, parameters)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        parameters += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if not len(flat) or np.abs(step).max() < _PRECISE:
            break
    parameters[:, :-1] -= parameters[:, :-1].mean(axis=1, keepdims=True)
    return parameters.reshape(*counts.shape[:-2], size)


def win_chances(pairs: Pairs, parameters: Floats) -> Floats:
    """Return the chance that each cropper is preferred to each other one, ties as half.

    (..., n, n), with 0.5 on the diagonal.
    """
    chances = probabilities(pairs, parameters)
    first = chances[..., FIRST] + chances[..., TIE] / 2
    table = np.full((*first.shape[:-1], pairs.croppers, pairs.croppers), 0.5)
    table[..., pairs.members[:, 0], pairs.members[:, 1]] = first
    table[..., pairs.members[:, 1], pairs.members[:, 0]] = 1 - first
    return table


def win_shares(pairs: Pairs, parameters: Floats) -> Floats:
    """Return each cropper's mean chance to be preferred to another, ties as half, (..., n)."""
    others = pairs.croppers - 1
    return np.asarray((win_chances(pairs, parameters).sum(axis=-1) - 0.5) / others)


def _derivatives(pairs: Pairs, counts: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Return the gradient (b, f) of the log posterior, and its negative second derivative."""
    chances = probabilities(pairs, parameters)
    votes = counts.sum(axis=-1)
    expected = np.einsum("bpo,pof->bpf", chances, pairs.features)
    prior = _PRIOR_DEVIATION**-2
    gradient = np.einsum("bpo,pof->bf", counts, pairs.features)
    gradient -= np.einsum("bp,bpf->bf", votes, expected) + prior * parameters
    square = np.einsum("bpo,pof,pog->bpfg", chances, pairs.features, pairs.features, optimize=True)
    spread = square - expected[..., :, None] * expected[..., None, :]
    information = np.einsum("bp,bpfg->bfg", votes, spread)
    return gradient, information + prior * np.eye(parameters.shape[1])
