"""Who goes where: training, validation or test, by the hash of a group's name.

A group is what would leak if it were divided: near-duplicates (perceptual hashes that differ in a
few bits) and bursts (photos of one camera within seconds). Photos are taken in the order in which
they came in, and each joins the group of the first photo it is like; so photos that come in later
move no earlier one. A newcomer that is like photos of two splits can go into neither without
leaking, and is set aside.

Photos of one hash, or of one camera and moment, are one node, and a node tells its neighbours once
where it went; so that a thousand black frames are not a million pairs.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.errors import DataError
from cropperhead.params import SplitParams

TRAIN, VALIDATION, TEST, ASIDE = "train", "validation", "test", "aside"
_BITS = {TRAIN: 1, VALIDATION: 2, TEST: 4}
_SPLIT_OF_BITS = {bits: name for name, bits in _BITS.items()}  # of two splits or more: aside

_HASH_BITS = 64
# Hashes are compared where they agree in three bands. With 6 bits there are 9 bands of 7, and
# 21 bits that agree by chance are rare; two bands would be 13 times the candidates.
_AGREEING = 3
_MOST_BITS_IN_BANDS = 12  # beyond, bands are so narrow that to compare with all is quicker
# A hash that shares three bands with more is compared with all: a time-lapse would fill the memory
# with pairs. Among a million as alike as those of real photos, chance makes no such crowd.
_CROWD = 128
_LINK_BITS = 32  # of a link's two nodes, each
_LOW_BITS = (1 << _LINK_BITS) - 1

Hashes = NDArray[np.uint64]
Nodes = NDArray[np.int64]


class Likeness:
    """What the photos placed so far mean to those that are like them, in one respect.

    `node` (photos,) is each photo's node, -1 where it is like none; `reach` gives the nodes that
    are like a node, itself among them, and `reached` (nodes,) how many.
    """

    def __init__(self, node: Nodes, reach: Callable[[int], slice | Nodes], reached: Nodes) -> None:
        self.node: list[int] = node.tolist()
        self.reach = reach
        # One entry more than nodes, at -1, which no photo reaches
        self._first = np.full(len(reached) + 1, len(node))
        self._splits = np.zeros(len(reached) + 1, dtype=np.uint8)
        photos = np.bincount(node + 1, minlength=len(reached) + 1)[1:]
        self._told = bytearray((reached == 1) & (photos == 1)) + b"\1"  # those have none to tell

    def found(self, photo: int) -> tuple[int, int]:
        """The first placed photo that a photo is like, and the bits of the splits of all such."""
        node = self.node[photo]
        return int(self._first[node]), int(self._splits[node])

    def place(self, photo: int, split_bits: int) -> None:
        """Tells all that are like a photo where it is placed; photos come in order.

        Only the first placed of a node has news: a later one is like it, and so of its split.
        """
        node = self.node[photo]
        if not self._told[node]:
            self._told[node] = True
            reach = self.reach(node)
            known = self._splits[reach]
            if not (known & split_bits).all():
                self._first[reach] = np.minimum(self._first[reach], photo)
                self._splits[reach] = known | split_bits


def split(labels: pd.DataFrame, params: SplitParams) -> pd.DataFrame:
    """Deals photos: columns photo, group (its first photo's origin) and split, by number.

    `labels` has a row for each label, with the columns photo, origin (the name by which it came in:
    a photo that moves stays where it was dealt), number, perceptual_hash, camera and captured.
    Raises DataError when a split is left without a photo.
    """
    photos = labels.drop_duplicates("photo").sort_values("number", ignore_index=True)
    picture = near_duplicates(_hashes(photos), params.near_duplicate_bits)
    moment = bursts(photos["camera"], photos["captured"], params.burst_seconds)
    names = photos["origin"].tolist()

    def choose(photo: int) -> str:
        return split_of(names[photo], params.fractions, params.salt)

    groups, splits = deal(names, picture, moment, choose)
    dealt = pd.DataFrame({"photo": photos["photo"], "group": groups, "split": splits})
    _require_photos(dealt)
    return dealt


def strangers(labels: pd.DataFrame, known: pd.DataFrame, params: SplitParams) -> pd.DataFrame:
    """Deals another library's photos to the test, but for those that are like `known` ones.

    Columns photo, group and split, by number; what a network has seen, if only nearly, is in no
    split for it to be tested on, but in training or aside. Both tables are labels, as `split`'s.
    """
    own = labels.drop_duplicates("photo").sort_values("number", ignore_index=True)
    seen = known.drop_duplicates("photo")
    both = pd.concat([seen, own], ignore_index=True)
    picture = near_duplicates(_hashes(both), params.near_duplicate_bits)
    moment = bursts(both["camera"], both["captured"], params.burst_seconds)

    def choose(photo: int) -> str:
        return TRAIN if photo < len(seen) else TEST

    groups, splits = deal(both["origin"].tolist(), picture, moment, choose)
    dealt = pd.DataFrame({"photo": both["photo"], "group": groups, "split": splits})
    return dealt.iloc[len(seen) :].reset_index(drop=True)


def deal(
    names: list[str], picture: Likeness, moment: Likeness, choose: Callable[[int], str]
) -> tuple[list[str], list[str]]:
    """Each photo's group and split, in order of arrival.

    `choose` gives the split of a photo that is like none before it.
    """
    groups: list[str] = []
    splits: list[str] = []
    for photo, name in enumerate(names):
        (first, alike), (other_first, other_alike) = picture.found(photo), moment.found(photo)
        alike |= other_alike
        groups.append(groups[min(first, other_first)] if alike else name)
        ends = alike or _BITS[choose(photo)]
        splits.append(_SPLIT_OF_BITS.get(ends, ASIDE))
        if splits[-1] != ASIDE:
            picture.place(photo, ends)
            moment.place(photo, ends)
    return groups, splits


def split_of(group: str, fractions: Mapping[str, float], salt: str) -> str:
    """The split that a group's name falls into; depends on nothing else."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < fractions[TRAIN]:
        return TRAIN
    return VALIDATION if place < fractions[TRAIN] + fractions[VALIDATION] else TEST


def near_duplicates(hashes: Hashes, max_bits: int) -> Likeness:
    """Photos whose 64-bit hashes differ in at most `max_bits` bits."""
    distinct, node = np.unique(hashes, return_inverse=True)
    links, crowded = _links(distinct, max_bits)
    starts = np.searchsorted(links, np.arange(len(distinct) + 1) << _LINK_BITS)
    reached = np.where(crowded, len(distinct), np.diff(starts))

    def reach(one: int) -> Nodes:
        if crowded[one]:
            return np.flatnonzero(np.bitwise_count(distinct ^ distinct[one]) <= max_bits)
        return links[starts[one] : starts[one + 1]] & _LOW_BITS

    return Likeness(node, reach, reached)


def bursts(camera: pd.Series, captured: pd.Series, seconds: float) -> Likeness:
    """Photos that one camera took within `seconds`, neighbours in time or not.

    Were neighbours alone alike, a photo that comes in later between two would part them.
    """
    time = pd.to_datetime(captured, format="ISO8601")
    window = pd.Timedelta(seconds=seconds) // pd.Timedelta(1, unit=time.dt.unit)
    photos = pd.DataFrame({"camera": camera, "time": time}).groupby(["camera", "time"])
    node = np.asarray(photos.ngroup().fillna(-1), dtype=np.int64)
    cameras, times = (photos.size().index.get_level_values(name) for name in ("camera", "time"))
    reach_back = _starts(cameras.tolist(), times.astype("int64").tolist(), window)
    starts = np.fromiter(reach_back, np.int64, len(times))
    # A moment reaches as far forward as the last that reaches back to it
    stops = np.searchsorted(starts, np.arange(len(starts)), side="right")
    return Likeness(node, lambda one: slice(starts[one], stops[one]), stops - starts)


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


def _hashes(photos: pd.DataFrame) -> Hashes:
    return np.array([int(text, 16) for text in photos["perceptual_hash"]], dtype=np.uint64)


def _links(hashes: Hashes, max_bits: int) -> tuple[Nodes, NDArray[np.bool_]]:
    """Which of distinct hashes are within `max_bits`, and which of them are in a crowd.

    A link is node << 32 | other, so that they sort in place; each hash is linked to itself too. A
    crowd's own links may be missing. Of max_bits + 3 bands, two hashes that close agree in three at
    least (pigeonhole), and are linked by the first three.
    """
    crowded = np.full(len(hashes), max_bits > _MOST_BITS_IN_BANDS)
    bands = _bands(0 if crowded.all() else max_bits + _AGREEING)
    found = [np.arange(len(hashes)) * (1 + (1 << _LINK_BITS))]
    for chosen in itertools.combinations(bands, _AGREEING):
        others = bands[(bands < chosen[-1]) & ~np.isin(bands, chosen)]
        for pairs in _equals(hashes & np.bitwise_or.reduce(chosen), crowded):
            different = hashes[pairs[0]] ^ hashes[pairs[1]]
            close = np.flatnonzero(np.bitwise_count(different) <= max_bits)
            first_three = (different[close] & others[:, None] != 0).all(axis=0)
            one, other = pairs[:, close[first_three]]
            found += [one << _LINK_BITS | other, other << _LINK_BITS | one]
    links = np.concatenate(found)
    links.sort()
    return links, crowded


def _bands(count: int) -> Hashes:
    """Masks that cut 64 bits into bands of nearly one width, the lowest first."""
    edges = np.linspace(0, _HASH_BITS, count + 1).astype(int)
    masks = [(1 << int(high)) - (1 << int(low)) for low, high in itertools.pairwise(edges)]
    return np.array(masks, dtype=np.uint64)


def _equals(values: Hashes, crowded: NDArray[np.bool_]) -> Iterator[Nodes]:
    """Pairs (2, m) of places of equal values; where too many are equal none, marked as crowded."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]))
    lengths = np.diff(starts, append=len(order))
    crowds = lengths > _CROWD
    crowded[order[np.repeat(crowds, lengths)]] = True
    stops = np.repeat(np.where(crowds, 0, starts + lengths), lengths)
    places = np.arange(len(order))
    for step in itertools.count(1):
        places = places[places + step < stops[places]]
        if not len(places):
            return
        yield np.stack([order[places], order[places + step]])


def _starts(cameras: list[str], times: list[int], window: int) -> Iterator[int]:
    """For each moment, sorted by camera and time: the first that its window reaches back to."""
    start = 0
    for camera, time in zip(cameras, times, strict=True):
        while cameras[start] != camera or time - times[start] > window:
            start += 1
        yield start


def _require_photos(dealt: pd.DataFrame) -> None:
    sizes = Counter(dealt["split"])
    for name in (TRAIN, VALIDATION, TEST):
        if not sizes[name]:
            raise DataError(
                f"split: no photo fell to {name}, got {dict(sizes)} from {len(dealt)} photos. "
                "More cropped photos are needed, at least a few dozen."
            )
