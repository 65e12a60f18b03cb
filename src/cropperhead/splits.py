"""Who goes where: training, validation or test, by the hash of a group's name.

A group is what would leak if it were divided: near-duplicates (perceptual hashes that differ in a
few bits) and bursts (photos of one camera within seconds). Photos are taken in the order in which
they came in, and each joins the group of the first photo it is like; so photos that come in later
move no earlier one. A newcomer that is like photos of two splits can go into neither without
leaking, and is set aside.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.errors import DataError
from cropperhead.params import SplitParams

TRAIN, VALIDATION, TEST, ASIDE = "train", "validation", "test", "aside"
_HASH_BITS = 64
_PAIRS_AT_ONCE = 4_000_000  # 100 MB of candidate pairs

Positions = NDArray[np.int64]
Pairs = NDArray[np.int64]  # (m, 2) positions, the earlier photo first


def split(labels: pd.DataFrame, params: SplitParams) -> pd.DataFrame:
    """Deals photos: columns photo, group (its first photo's name) and split, by number.

    `labels` has a row for each label, with the columns photo, number, perceptual_hash, camera and
    captured. Raises DataError when a split is left without a photo.
    """
    photos = labels.drop_duplicates("photo").sort_values("number", ignore_index=True)
    pairs = np.concatenate(
        [
            near_duplicates(_hashes(photos), params.near_duplicate_bits),
            bursts(photos["camera"], photos["captured"], params.burst_seconds),
        ]
    )
    groups, splits = _deal(photos["photo"].tolist(), pairs, params)
    dealt = pd.DataFrame({"photo": photos["photo"], "group": groups, "split": splits})
    _require_photos(dealt)
    return dealt


def split_of(group: str, fractions: Mapping[str, float], salt: str) -> str:
    """The split that a group's name falls into; depends on nothing else."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    bounds = np.cumsum([fractions[name] for name in (TRAIN, VALIDATION, TEST)])
    return (TRAIN, VALIDATION, TEST)[int(np.searchsorted(bounds[:2], place, side="right"))]


def near_duplicates(hashes: NDArray[np.uint64], max_bits: int) -> Pairs:
    """Pairs of 64-bit hashes that differ in at most `max_bits` bits.

    Two such hashes agree in at least one of max_bits + 1 bands (pigeonhole), so that only photos
    that share a band are compared.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for band in _bands(hashes, max_bits + 1):
        for pairs in _pairs_within_runs(band):
            different = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
            found.append(pairs[different <= max_bits])
    return np.unique(np.concatenate(found), axis=0)


def bursts(camera: pd.Series, captured: pd.Series, seconds: float) -> Pairs:
    """Pairs of photos that one camera took within `seconds`, neighbours in time or not.

    Were neighbours alone paired, a photo that comes in later between two would part them.
    """
    time = pd.to_datetime(captured, format="ISO8601")
    known = pd.DataFrame({"camera": camera, "time": time}).dropna().sort_values(["camera", "time"])
    window = pd.Timedelta(seconds=seconds).to_timedelta64()
    found = [np.empty((0, 2), dtype=np.int64)]
    for _, one in known.groupby("camera", sort=False):
        times, position = one["time"].to_numpy(), one.index.to_numpy()
        first, second = _followed(np.searchsorted(times, times + window, side="right"))
        found.append(np.sort(np.stack([position[first], position[second]], axis=-1), axis=-1))
    return np.concatenate(found)


def labelled(labels_file: Path, splits_file: Path) -> pd.DataFrame:
    """The sound labels with the group and the split of their photos."""
    labels, dealt = pd.read_parquet(labels_file), pd.read_parquet(splits_file)
    return labels.merge(dealt, on="photo", how="inner", validate="many_to_one")


def counts(dealt: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many photos and groups each split holds."""
    return {
        str(name): {"photos": len(part), "groups": int(part["group"].nunique())}
        for name, part in dealt.groupby("split")
    }


def _hashes(photos: pd.DataFrame) -> NDArray[np.uint64]:
    return np.array([int(text, 16) for text in photos["perceptual_hash"]], dtype=np.uint64)


def _bands(hashes: NDArray[np.uint64], count: int) -> Iterator[NDArray[np.uint64]]:
    edges = np.linspace(0, _HASH_BITS, count + 1).astype(int)
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        yield (hashes >> np.uint64(low)) & mask


def _pairs_within_runs(values: NDArray[np.uint64]) -> Iterator[Pairs]:
    """All pairs of equal values, a bounded number at a time."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ends = np.searchsorted(ordered, ordered, side="right")
    total = np.cumsum(ends - np.arange(len(order)) - 1)
    start = 0
    while start < len(order):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _PAIRS_AT_ONCE)))
        first, second = _followed(ends[start:stop], start)
        yield np.sort(np.stack([order[first], order[second]], axis=-1), axis=-1)
        start = stop


def _followed(ends: NDArray[np.int64], start: int = 0) -> tuple[Positions, Positions]:
    """Each of the places from `start` on, paired with every later one before its end."""
    places = np.arange(start, start + len(ends))
    first = np.repeat(places, ends - places - 1)
    return first, first + np.arange(len(first)) - np.searchsorted(first, first) + 1


def _deal(names: list[str], pairs: Pairs, params: SplitParams) -> tuple[list[str], list[str]]:
    """Each photo's group and split, in order of arrival."""
    earlier: dict[int, list[int]] = {}
    for first, second in np.unique(pairs, axis=0):
        earlier.setdefault(int(second), []).append(int(first))
    groups: list[str] = []
    splits: list[str] = []
    for position, name in enumerate(names):
        like = [i for i in earlier.get(position, []) if splits[i] != ASIDE]
        group = groups[like[0]] if like else name
        ends = {splits[i] for i in like}
        groups.append(group)
        splits.append(split_of(group, params.fractions, params.salt) if len(ends) < 2 else ASIDE)
    return groups, splits


def _require_photos(dealt: pd.DataFrame) -> None:
    sizes = Counter(dealt["split"])
    for name in (TRAIN, VALIDATION, TEST):
        if not sizes[name]:
            raise DataError(
                f"split: no photo fell to {name}, got {dict(sizes)} from {len(dealt)} photos. "
                "More cropped photos are needed, at least a few dozen."
            )
