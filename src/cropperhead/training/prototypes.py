"""A photographer's typical crops, closed under mirroring.

A network predicts how likely the photographer's crop is like each of them. From that follows how
good any other crop would be.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from cropperhead.geometry import crops
from cropperhead.geometry.crops import FULL_FRAME, Floats

_ROUNDS = 30  # of k-means; centres of 128 hardly move after 20
_NEIGHBOURS = 10  # training crops that count as like a prototype


def find_prototypes(limits: Floats, count: int, seed: int) -> NDArray[np.float32]:
    """Finds up to `count` untilted crops, (K, 4), that represent the training crops, (n, 5).

    The whole frame is the last. Each other one has its mirror image among them. Few training crops
    give fewer prototypes, one for every two.
    """
    pairs = max(1, min(count - 1, len(limits)) // 2)
    on_the_right = limits[:, 1] + limits[:, 3] > 1
    on_the_left = np.where(on_the_right[:, None], crops.mirror(limits), limits)[:, :4]
    centres = np.unique(on_the_left, axis=0)
    if len(centres) > pairs:
        generator = np.random.default_rng(seed)
        centres, _ = kmeans2(on_the_left, pairs, _ROUNDS, minit="++", rng=generator)
    padded = np.concatenate([centres, np.zeros((len(centres), 1))], axis=1)
    prototypes = np.concatenate([centres, crops.mirror(padded)[:, :4], [FULL_FRAME[:4]]])
    return prototypes.astype(np.float32)


def mirror_indices(prototypes: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each prototype the index of its mirror image, (K,)."""
    pairs = len(prototypes) // 2
    return np.concatenate([np.arange(pairs) + pairs, np.arange(pairs), [2 * pairs]])


def uncropped_shares(
    prototypes: NDArray[np.float32], limits: Floats, least_area: float
) -> NDArray[np.float32]:
    """The share of the training crops most like each prototype that keep `least_area`, (K,)."""
    whole = crops.area(limits) >= least_area
    distance = np.abs(prototypes[:, None] - limits[None, :, :4]).mean(axis=2)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS]
    return np.asarray(whole[nearest].mean(axis=1), np.float32)
