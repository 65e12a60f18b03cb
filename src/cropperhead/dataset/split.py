"""Assigns photos to the training, validation and test splits, by the hash of a group's name.

A group must not be divided, or test photos would leak into training. It consists of photos of one
original, near-duplicates (perceptual hashes that differ in a few bits), edited copies and bursts
(photos of one camera within seconds), and of photos of one scene that one person sent to a
collection. Photos are processed in the order in which they arrived, and
each joins the group of the first photo that it resembles. Photos that arrive later therefore never
change the split of an earlier one. A newcomer that resembles photos of two splits would leak in
either, and is set aside. Groups are never merged: a wrong link moves one photo, and those that
resemble it.
"""

import functools
import hashlib
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from cropperhead.dataset import originals, picture_copies
from cropperhead.dataset.likeness import (
    Hashes,
    Likeness,
    Nodes,
    bursts,
    linked,
    near_duplicates,
)
from cropperhead.dataset.split_labels import ASIDE, TEST, TRAIN, VALIDATION
from cropperhead.errors import DataError
from cropperhead.params import SplitParams

_BITS = {TRAIN: 1, VALIDATION: 2, TEST: 4}
_SPLIT_OF_BITS = {bits: name for name, bits in _BITS.items()}  # bits of several splits: aside

# What joins a photo to a group
DOCUMENT_ID, CAPTURE_TIME = "document ID", "capture time"
NEAR_DUPLICATE, EDITED_COPY = "near-duplicate", "edited copy"
SAME_SENDER = "same sender's scene"
REASONS = (DOCUMENT_ID, CAPTURE_TIME, NEAR_DUPLICATE, EDITED_COPY, SAME_SENDER)


def assign_splits(
    labels: pd.DataFrame, params: SplitParams, features: Mapping[str, bytes] = MappingProxyType({})
) -> pd.DataFrame:
    """Assign photos to splits: columns photo, group, split and joined_by.

    `group` is the origin of its first photo, `joined_by` has the REASONS why the photo is in it,
    joined by "; ", and is empty for the first. `labels` has a row for each label, with the columns
    photo, origin (the path at which the photo arrived, so that a photo that moves keeps its split),
    number, perceptual_hash, camera, captured, document_ids, author and source. `features` are
    photos' local features, as `shards.read_features` gives them. The rows are sorted by number.
    Raises DataError if a split gets no photo.
    """
    photos = labels.drop_duplicates("photo").sort_values("number", ignore_index=True)
    names = photos["origin"].tolist()

    def choose(photo: int) -> str:
        return choose_split(names[photo], params.fractions, params.salt)

    scenes = originals.same_senders_scenes(labels, photos)
    splits = _split_table(photos, params, choose, _contents(photos, features), scenes)
    _require_photos(splits)
    return splits


def assign_unseen(
    labels: pd.DataFrame,
    seen: pd.DataFrame,
    params: SplitParams,
    features: Mapping[str, bytes] = MappingProxyType({}),
    seen_features: Mapping[str, bytes] = MappingProxyType({}),
) -> pd.DataFrame:
    """Assign another library's photos to the test split, except those that resemble `seen` ones.

    Returns the columns of `assign_splits`, sorted by number. A photo that resembles one a network
    has seen is in the training split or aside. Both tables are labels, and both mappings features,
    as `assign_splits` needs them.
    """
    own = labels.drop_duplicates("photo").sort_values("number", ignore_index=True)
    before = seen.drop_duplicates("photo")
    both = pd.concat([before, own], ignore_index=True)

    def choose(photo: int) -> str:
        return TRAIN if photo < len(before) else TEST

    contents = _contents(before, seen_features) + _contents(own, features)
    no_scenes = np.empty((0, 2), np.int64)  # the other library is nobody's collection
    table = _split_table(both, params, choose, contents, no_scenes, len(before))
    return table.iloc[len(before) :].reset_index(drop=True)


def _contents(photos: pd.DataFrame, features: Mapping[str, bytes]) -> list[bytes]:
    return [features.get(photo) or b"" for photo in photos["photo"]]


def _split_table(
    photos: pd.DataFrame,
    params: SplitParams,
    choose: Callable[[int], str],
    features: Sequence[bytes],
    scenes: originals.Pairs,
    seen: int = 0,
) -> pd.DataFrame:
    """Assign photos; the `seen` first ones are not compared with each other by their features."""
    copies = picture_copies.find_copies(features, seen)
    likenesses = _likenesses(photos, params, copies)
    likenesses.append((SAME_SENDER, linked(scenes, len(photos))))
    names = photos["origin"].tolist()
    groups, splits, matches = assign_in_order(names, [one for _, one in likenesses], choose)
    reasons = [dict.fromkeys(likenesses[place][0] for place in match) for match in matches]
    columns = {"photo": photos["photo"], "group": groups, "split": splits}
    return pd.DataFrame(columns | {"joined_by": ["; ".join(each) for each in reasons]})


def _likenesses(
    photos: pd.DataFrame, params: SplitParams, copies: Nodes
) -> list[tuple[str, Likeness]]:
    """Return in which respects photos can be alike, each with its reason."""
    count, camera, captured = len(photos), photos["camera"], photos["captured"]
    return [
        (DOCUMENT_ID, linked(originals.same_documents(photos), count)),
        (CAPTURE_TIME, bursts(camera, captured, params.burst_seconds)),
        (CAPTURE_TIME, linked(originals.same_moments(photos), count)),
        (NEAR_DUPLICATE, near_duplicates(_hashes(photos), params.near_duplicate_bits)),
        (EDITED_COPY, linked(copies, count)),
    ]


def assign_in_order(
    names: list[str], likenesses: Sequence[Likeness], choose: Callable[[int], str]
) -> tuple[list[str], list[str], list[list[int]]]:
    """Return each photo's group, split and places of the likenesses that joined it to the group.

    Photos are in order of arrival. `choose` returns the split of a photo that resembles no earlier
    one.
    """
    groups: list[str] = []
    splits: list[str] = []
    joined_by: list[list[int]] = []
    for photo, name in enumerate(names):
        matches = [likeness.match(photo) for likeness in likenesses]
        bits = functools.reduce(operator.or_, (split_bits for _, split_bits in matches), 0)
        groups.append(groups[min(first for first, _ in matches)] if bits else name)
        joined_by.append([place for place, (_, split_bits) in enumerate(matches) if split_bits])
        bits = bits or _BITS[choose(photo)]
        splits.append(_SPLIT_OF_BITS.get(bits, ASIDE))
        if splits[-1] != ASIDE:
            for likeness in likenesses:
                likeness.assign(photo, bits)
    return groups, splits, joined_by


def choose_split(group: str, fractions: Mapping[str, float], salt: str) -> str:
    """Choose a group's split by its name; nothing else matters."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < fractions[TRAIN]:
        return TRAIN
    return VALIDATION if place < fractions[TRAIN] + fractions[VALIDATION] else TEST


def count_by_split(splits: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the photos and groups of each split."""
    return {
        str(name): {"photos": len(part), "groups": int(part["group"].nunique())}
        for name, part in splits.groupby("split")
    }


def describe_splits(splits: pd.DataFrame) -> dict[str, Any]:
    """Count the photos and groups of each split, and those that each reason joined.

    The keys are the splits' names, "joined_by" (photos and groups by reason) and "largest_group"
    (photos).
    """
    by_reason = {reason: splits[splits["joined_by"].str.contains(reason)] for reason in REASONS}
    joined = {
        reason: {"photos": len(part), "groups": int(part["group"].nunique())}
        for reason, part in by_reason.items()
    }
    largest = int(splits["group"].value_counts().max())
    return count_by_split(splits) | {"joined_by": joined, "largest_group": largest}


def list_groups(splits: pd.DataFrame) -> pd.DataFrame:
    """List the photos of groups that have several: group, photo, split and joined_by."""
    several = splits[splits["group"].duplicated(keep=False)]
    columns = ["group", "photo", "split", "joined_by"]
    return several.sort_values("group", kind="stable", ignore_index=True)[columns]


def _hashes(photos: pd.DataFrame) -> Hashes:
    return np.array([int(text, 16) for text in photos["perceptual_hash"]], dtype=np.uint64)


def _require_photos(splits: pd.DataFrame) -> None:
    sizes = Counter(splits["split"])
    for name in (TRAIN, VALIDATION, TEST):
        if not sizes[name]:
            raise DataError(
                f"split: the {name} split has no photo, got {dict(sizes)} from {len(splits)} "
                "photos. More cropped photos are needed, at least a few dozen."
            )
