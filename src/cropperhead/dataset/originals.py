"""Finds photos that were made from one original by what their metadata say of it.

XMP Media Management names a document and those that it was made from (ISO 16684-2, 5.8). But some
software gives one name to all photos of a batch or a template, and some clocks were never set, so
photos that contradict each other are not joined, and a name or a moment joins few others.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.dataset.columns import COLLECTED

Pairs = NDArray[np.int64]

# Photos that a document's name joins; a template's is in many more
_MOST_OF_A_DOCUMENT = 4
# Photos of one camera and moment: the fastest cameras take 120 in a second, and many cameras give
# whole seconds only
MOST_OF_A_MOMENT = 120
_SAME_CAPTURE_S = 1.0  # between the times of two versions: some software drops the fraction
_LEAST_LETTERS = 4  # different ones in a name: "0000-0000" and "unknown" are none
_LEAST_LENGTH = 16
# The days on which clocks and software begin to count when nobody has set them
_FIRST_DAYS = ("1904-01-01", "1970-01-01", "1980-01-01", "2000-01-01")

# Of 64. Of 79,800 pairs of photos by many people 26 are closer than that by chance
_SCENE_BITS = 16

Facts = tuple[str, str]  # a photo's camera and its capture time, "" if unknown


def is_clock_set(captured: str | None) -> bool:
    """Return whether there is a capture time (ISO 8601), and not on a day on which clocks begin."""
    return isinstance(captured, str) and not captured.startswith(_FIRST_DAYS)


def same_senders_scenes(labels: pd.DataFrame, photos: pd.DataFrame) -> Pairs:
    """Find pairs (n, 2) of a photo and an earlier one that one person sent, of one scene.

    Photos that are sent to a collection have no time, by which bursts are found. So those of one
    sender are one scene at a larger distance of their perceptual hashes than strangers' are
    near-duplicates. `labels` has the columns photo, author and source, `photos` is their photos in
    order of arrival, with the column perceptual_hash; the pairs are places in it.
    """
    place = pd.Series(np.arange(len(photos)), photos["photo"])
    hashes = np.array([int(text, 16) for text in photos["perceptual_hash"]], dtype=np.uint64)
    pairs = []
    sent = labels[labels["source"] == COLLECTED]
    for _, theirs in sent.groupby("author"):
        places = np.unique(place[theirs["photo"]].to_numpy())
        for count, later in enumerate(places):
            earlier = places[:count]
            differing = np.bitwise_count(hashes[earlier] ^ hashes[later])
            close = earlier[differing <= _SCENE_BITS]
            pairs.append(np.stack([np.full(len(close), later), close], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def same_documents(photos: pd.DataFrame) -> Pairs:
    """Find pairs (n, 2) of a photo and an earlier one that name the same document.

    `photos` are in order of arrival, with the columns camera, captured and document_ids (separated
    by spaces). A document joins its first photos only.
    """
    names = photos.get("document_ids", pd.Series("", photos.index)).fillna("")
    keys = [list(filter(_is_name, text.split())) for text in names]
    return _pairs(keys, _facts(photos), _MOST_OF_A_DOCUMENT, _may_be_one_capture)


def same_moments(photos: pd.DataFrame) -> Pairs:
    """Find pairs (n, 2) of a photo and an earlier one of one moment and what may be one camera.

    One of them may lack the camera's serial number, as exports do. If it lacks the camera, the
    fractions of the seconds must be the same. `photos` as in `same_documents`.
    """
    facts = _facts(photos)
    keys = [[time[:19]] if time else [] for _, time in facts]
    return _pairs(keys, facts, MOST_OF_A_MOMENT, _is_same_moment)


def _facts(photos: pd.DataFrame) -> list[Facts]:
    cameras = photos["camera"].astype(object).where(photos["camera"].notna(), "")
    times = photos["captured"].astype(object).where(photos["captured"].map(is_clock_set), "")
    return list(zip(cameras, times, strict=True))


def _pairs(
    keys: Sequence[Sequence[Hashable]],
    facts: Sequence[Facts],
    most: int,
    agree: Callable[[Facts, Facts], bool],
) -> Pairs:
    """Pair photos with the first `most` of each of their keys, if their facts agree."""
    photos_of: defaultdict[Hashable, list[int]] = defaultdict(list)
    pairs = set()
    for photo, own in enumerate(keys):
        for key in own:
            earlier = photos_of[key]
            if len(earlier) < most:
                pairs |= {(photo, other) for other in earlier if agree(facts[photo], facts[other])}
                earlier.append(photo)
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _is_name(text: str) -> bool:
    return len(text) >= _LEAST_LENGTH and len(set(text.rpartition(":")[2])) >= _LEAST_LETTERS


def _may_be_one_capture(one: Facts, other: Facts) -> bool:
    """Return whether nothing contradicts that two photos come from one capture."""
    (camera, time), (other_camera, other_time) = one, other
    if camera and other_camera and not _may_be_one_camera(camera, other_camera):
        return False
    return not (time and other_time) or _seconds_apart(time, other_time) <= _SAME_CAPTURE_S


def _is_same_moment(one: Facts, other: Facts) -> bool:
    (camera, time), (other_camera, other_time) = one, other
    if camera and other_camera:
        return _may_be_one_camera(camera, other_camera)
    return time == other_time and time[19:].strip(".0") != ""


def _may_be_one_camera(one: str, other: str) -> bool:
    """Return whether two names are the same, except that one may lack the serial number."""
    short, long = sorted([one, other], key=len)
    return long == short or long.startswith(f"{short} ")


def _seconds_apart(one: str, other: str) -> float:
    return abs((datetime.fromisoformat(one) - datetime.fromisoformat(other)).total_seconds())
