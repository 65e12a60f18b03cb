"""Which photos could leak into another split: by their hashes, their times, or links between them.

Photos with the same hash, or of the same camera and moment, are one node. A node passes its split
on to its neighbours once, so a thousand black frames do not become a million pairs.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.dataset.originals import MOST_OF_A_MOMENT, is_clock_set

_HASH_BITS = 64
# Only hashes that agree in three bands are compared. With 6 bits there are 9 bands of 7 bits each,
# and 21 bits rarely agree by chance; two bands would give 13 times the candidates. Among many
# millions, 21 bits do agree: then they are 26, in four of 10 bands, which takes longer.
_AGREEING_BANDS, _OF_MANY, _MANY_HASHES = 3, 4, 2_000_000
_MOST_BITS_IN_BANDS = 12  # above, bands are so narrow that comparing with all hashes is faster
# A hash that shares these bands with more hashes is compared with all of them: the pairs of a
# time-lapse would fill the memory. Chance makes no such crowd among a million hashes as similar as
# those of real photos.
_CROWD = 128
_LINK_BITS = 32  # for each of a link's two nodes
_LOW_BITS = (1 << _LINK_BITS) - 1

Hashes = NDArray[np.uint64]
Nodes = NDArray[np.int64]


class Likeness:
    """Which photos resemble each other in one respect, and the splits of those assigned so far.

    `node` (photos,) is each photo's node, -1 if it resembles none. `neighbours` returns the nodes
    that resemble a node, including itself; `neighbour_counts` (nodes,) is their number.
    """

    def __init__(
        self, node: Nodes, neighbours: Callable[[int], slice | Nodes], neighbour_counts: Nodes
    ) -> None:
        self.node: list[int] = node.tolist()
        self.neighbours = neighbours
        # One entry more than there are nodes, at -1, which is nobody's neighbour
        self._first = np.full(len(neighbour_counts) + 1, len(node))
        self._splits = np.zeros(len(neighbour_counts) + 1, dtype=np.uint8)
        photos = np.bincount(node + 1, minlength=len(neighbour_counts) + 1)[1:]
        is_alone = (neighbour_counts == 1) & (photos == 1)
        self._is_done = bytearray(is_alone) + b"\1"  # whether neighbours have the node's split

    def match(self, photo: int) -> tuple[int, int]:
        """Return the first assigned photo that resembles one, and the bits of all such splits."""
        node = self.node[photo]
        return int(self._first[node]), int(self._splits[node])

    def assign(self, photo: int, split_bits: int) -> None:
        """Pass a photo's split on to all that resemble it. Photos must come in order.

        Only the first photo of a node matters: later ones resemble it and so share its split.
        """
        node = self.node[photo]
        if not self._is_done[node]:
            self._is_done[node] = True
            neighbours = self.neighbours(node)
            before = self._splits[neighbours]
            if not (before & split_bits).all():
                self._first[neighbours] = np.minimum(self._first[neighbours], photo)
                self._splits[neighbours] = before | split_bits


def near_duplicates(hashes: Hashes, max_bits: int) -> Likeness:
    """Return the likeness of photos whose 64-bit hashes differ in at most `max_bits` bits."""
    distinct, node = np.unique(hashes, return_inverse=True)
    links, crowded = _links(distinct, max_bits)
    starts = np.searchsorted(links, np.arange(len(distinct) + 1) << _LINK_BITS)
    counts = np.where(crowded, len(distinct), np.diff(starts))

    def neighbours(one: int) -> Nodes:
        if crowded[one]:
            return np.flatnonzero(np.bitwise_count(distinct ^ distinct[one]) <= max_bits)
        return links[starts[one] : starts[one + 1]] & _LOW_BITS

    return Likeness(node, neighbours, counts)


def known_hashes(hashes: Hashes, known: Hashes, max_bits: int) -> NDArray[np.bool_]:
    """Return which hashes (n,) differ from a known one (k,) in at most `max_bits` bits, (n,)."""
    found = np.zeros(len(hashes), bool)
    for place, one in enumerate(hashes):
        found[place] = (np.bitwise_count(known ^ one) <= max_bits).any()
    return found


def linked(pairs: Nodes, photos: int) -> Likeness:
    """Return the likeness of photos that are linked by pairs (n, 2) of their places."""
    loops = np.repeat(np.arange(photos, dtype=np.int64), 2).reshape(-1, 2)
    one, other = np.concatenate([pairs, pairs[:, ::-1], loops]).T
    links = np.unique(one << _LINK_BITS | other)
    starts = np.searchsorted(links, np.arange(photos + 1) << _LINK_BITS)

    def neighbours(photo: int) -> Nodes:
        return links[starts[photo] : starts[photo + 1]] & _LOW_BITS

    return Likeness(loops[:, 0], neighbours, np.diff(starts))


def bursts(camera: pd.Series, captured: pd.Series, seconds: float) -> Likeness:
    """Return the likeness of photos that one camera took within `seconds`.

    There may be others between them: if only neighbours in time were alike, a photo that arrives
    later would separate the two around it. A time at which a clock starts that was never set is no
    time, nor is one that more photos have than a camera can take: only the first of them are alike.
    """
    time = pd.to_datetime(captured.where(captured.map(is_clock_set)), format="ISO8601")
    moments = pd.DataFrame({"camera": camera, "time": time}).groupby(["camera", "time"])
    time = time.where(moments.cumcount() < MOST_OF_A_MOMENT)
    window = pd.Timedelta(seconds=seconds) // pd.Timedelta(1, unit=time.dt.unit)
    photos = pd.DataFrame({"camera": camera, "time": time}).groupby(["camera", "time"])
    node = np.asarray(photos.ngroup().fillna(-1), dtype=np.int64)
    cameras, times = (photos.size().index.get_level_values(name) for name in ("camera", "time"))
    window_starts = _window_starts(cameras.tolist(), times.astype("int64").tolist(), window)
    starts = np.fromiter(window_starts, np.int64, len(times))
    # A moment's window ends with the last moment whose window starts at it or before
    stops = np.searchsorted(starts, np.arange(len(starts)), side="right")
    return Likeness(node, lambda one: slice(starts[one], stops[one]), stops - starts)


def _links(hashes: Hashes, max_bits: int) -> tuple[Nodes, NDArray[np.bool_]]:
    """Return links between distinct hashes within `max_bits`, and which hashes are in a crowd.

    A link is node << 32 | other, so that links sort in place; each hash is also linked to itself.
    Links within a crowd may be missing. Two hashes within `max_bits` agree in at least n of
    max_bits + n bands (pigeonhole), and are linked by the first n.
    """
    agreeing = _AGREEING_BANDS if len(hashes) <= _MANY_HASHES else _OF_MANY
    crowded = np.full(len(hashes), max_bits > _MOST_BITS_IN_BANDS)
    bands = _bands(0 if crowded.all() else max_bits + agreeing)
    parts = [np.arange(len(hashes)) * (1 + (1 << _LINK_BITS))]
    for chosen in itertools.combinations(bands, agreeing):
        others = bands[(bands < chosen[-1]) & ~np.isin(bands, chosen)]
        for pairs in _equal_pairs(hashes & np.bitwise_or.reduce(chosen), crowded):
            different = hashes[pairs[0]] ^ hashes[pairs[1]]
            close = np.flatnonzero(np.bitwise_count(different) <= max_bits)
            are_first = (different[close] & others[:, None] != 0).all(axis=0)
            one, other = pairs[:, close[are_first]]
            parts += [one << _LINK_BITS | other, other << _LINK_BITS | one]
    links = np.concatenate(parts)
    links.sort()
    return links, crowded


def _bands(count: int) -> Hashes:
    """Return masks that divide 64 bits into bands of nearly equal width, the lowest first."""
    edges = np.linspace(0, _HASH_BITS, count + 1).astype(int)
    masks = [(1 << int(high)) - (1 << int(low)) for low, high in itertools.pairwise(edges)]
    return np.array(masks, dtype=np.uint64)


def _equal_pairs(values: Hashes, crowded: NDArray[np.bool_]) -> Iterator[Nodes]:
    """Yield pairs (2, m) of places of equal values; if too many are equal, mark them as crowded."""
    order = np.argsort(values)
    in_order = values[order]
    starts = np.flatnonzero(np.diff(in_order, prepend=~in_order[:1]))
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


def _window_starts(cameras: list[str], times: list[int], window: int) -> Iterator[int]:
    """Yield the first moment in each moment's window; moments are sorted by camera and time."""
    start = 0
    for camera, time in zip(cameras, times, strict=True):
        while cameras[start] != camera or time - times[start] > window:
            start += 1
        yield start
