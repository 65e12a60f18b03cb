"""What differs between two versions of the data: photos, their crops, and their splits.

A photo is the same in both versions if its file has the same bytes, in any folder; otherwise if it
has the same path; otherwise if it was first read from the same path (`origin`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from cropperhead.dataset.revisions import DataVersion
from cropperhead.dataset.split_labels import ASIDE, TEST, TRAIN, VALIDATION
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import distribution_shift
from cropperhead.report.distribution_shift import Shift

# The columns that identify a photo, the most reliable first. Bytes and name together come first, so
# that a name given to another photo is not mistaken for a rename.
_IDENTITY = (["sha256", "photo"], ["sha256"], ["photo"], ["origin"])
_SPLITS = (TRAIN, VALIDATION, TEST)
_LATER_COLUMNS = ("sha256", "origin", "source")  # which the first versions lacked
_SAME = 1e-6  # of the frame's side, or degrees: Lightroom writes six decimals

_KIND_NAMES = {  # in the one-line summary
    "added": "added",
    "removed": "removed",
    "renamed": "renamed",
    "rewritten": "rewritten",
    "recropped": "recropped",
    "moved": "moved between splits",
}


class Label(NamedTuple):
    """A crop's photo, its author and the editor."""

    photo: str
    author: str
    source: str


@dataclass(frozen=True)
class Recrop:
    """A crop whose limits changed; `overlap` is that of the old crop with the new one."""

    label: Label
    overlap: float


@dataclass(frozen=True)
class Move:
    """A photo, by its new name, that moved from one split to another."""

    photo: str
    before: str
    after: str


@dataclass(frozen=True)
class Changes:
    """Everything that differs between the versions called `before` and `after`; tuples are sorted.

    `counts` holds the number of photos, crops and so on, before and after. Photos in both versions
    may be `renamed` (old name, new name) or `rewritten` (same name, other bytes), and have crops
    `recropped`, `gained` and `lost`. `divided` names the groups of similar photos that are in
    several splits after.
    """

    before: str
    after: str
    counts: Mapping[str, tuple[int, int]]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    rewritten: tuple[str, ...]
    recropped: tuple[Recrop, ...]
    gained: tuple[Label, ...]
    lost: tuple[Label, ...]
    moved: tuple[Move, ...]
    divided: tuple[str, ...]
    shifts: tuple[Shift, ...]

    @property
    def leaks(self) -> tuple[Move, ...]:
        """Photos that one version trains on and the other tests on."""
        return tuple(move for move in self.moved if is_leak(move))

    def __str__(self) -> str:
        """Summarise the changes in one line."""
        parts = [f"{name} {len(getattr(self, kind)):,}" for kind, name in _KIND_NAMES.items()]
        return f"{self.before} to {self.after}: {', '.join(parts)}."


def compare_versions(before: DataVersion, after: DataVersion) -> Changes:
    """Find what differs from one version of the data to another."""
    old, new = _join_splits(before), _join_splits(after)
    old_photos, new_photos = (table.drop_duplicates("photo") for table in (old, new))
    new_names = _match_photos(old_photos, new_photos)
    common = old[old["photo"].isin(new_names)]
    # by its new name; without a type an empty column would be numeric
    common = common.assign(photo=common["photo"].map(new_names).astype(str))
    old_labels, new_labels = _with_comparable_sources(
        common, new[new["photo"].isin(new_names.values())]
    )
    return Changes(
        before=before.name,
        after=after.name,
        counts=_counts(old, new),
        added=tuple(sorted(set(new_photos["photo"]) - set(new_names.values()))),
        removed=tuple(sorted(set(old_photos["photo"]) - set(new_names))),
        renamed=tuple(sorted(names for names in new_names.items() if names[0] != names[1])),
        rewritten=_find_rewritten(old_photos, new_photos, new_names),
        recropped=tuple(sorted(_find_recropped(old_labels, new_labels), key=lambda r: r.label)),
        gained=tuple(sorted(_label_set(new_labels) - _label_set(old_labels))),
        lost=tuple(sorted(_label_set(old_labels) - _label_set(new_labels))),
        moved=tuple(_find_moves(old_labels, new_labels)),
        divided=_find_divided(new_photos),
        shifts=distribution_shift.measure_shifts(old, new),
    )


def _join_splits(tables: DataVersion) -> pd.DataFrame:
    """Join labels with the group and split of their photos; "" where there is none."""
    labels = tables.labels.assign(
        **{name: "" for name in _LATER_COLUMNS if name not in tables.labels.columns}
    )
    whole = labels.merge(tables.splits, on="photo", how="left", validate="many_to_one")
    texts = [*_LATER_COLUMNS, "group", "split"]
    return whole.assign(**{name: whole[name].fillna("").astype(str) for name in texts})


def _with_comparable_sources(*versions: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Return the labels, without their sources if a version does not have any."""
    if all(version["source"].any() for version in versions):
        return versions
    blank = (version.assign(source="") for version in versions)
    return tuple(version.drop_duplicates(["photo", "author"]) for version in blank)


def _match_photos(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, str]:
    """Return the new name of each photo that is in both versions, by its old name."""
    new_names: dict[str, str] = {}
    for columns in _IDENTITY:
        unmatched = dict(_identity_keys(old[~old["photo"].isin(new_names)], columns))
        for key, photo in _identity_keys(new[~new["photo"].isin(new_names.values())], columns):
            if key in unmatched:
                new_names[unmatched.pop(key)] = photo
    return new_names


def _identity_keys(
    photos: pd.DataFrame, columns: list[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    keys = photos[columns].itertuples(index=False, name=None)
    return ((key, name) for key, name in zip(keys, photos["photo"], strict=True) if all(key))


def _find_rewritten(
    old: pd.DataFrame, new: pd.DataFrame, new_names: Mapping[str, str]
) -> tuple[str, ...]:
    before, after = (
        dict(zip(table["photo"], table["sha256"], strict=True)) for table in (old, new)
    )
    unrenamed = [name for name, new_name in new_names.items() if name == new_name]
    rewritten = (name for name in unrenamed if before[name] and before[name] != after[name])
    return tuple(sorted(rewritten))


def _find_recropped(old: pd.DataFrame, new: pd.DataFrame) -> Iterator[Recrop]:
    both = old.merge(new, on=list(Label._fields), suffixes=("_before", ""))
    before = both[[f"{name}_before" for name in CROP_COLUMNS]].to_numpy(float)
    after = both[list(CROP_COLUMNS)].to_numpy(float)
    differ = np.abs(after - before).max(axis=1) > _SAME
    aspect = (both["width"] / both["height"]).to_numpy(float)
    overlap = crops.overlap(before[differ], after[differ], aspect[differ])
    labels = both.loc[differ, list(Label._fields)].itertuples(index=False, name=None)
    return (Recrop(Label(*label), float(one)) for label, one in zip(labels, overlap, strict=True))


def _label_set(table: pd.DataFrame) -> set[Label]:
    return set(map(Label._make, table[list(Label._fields)].itertuples(index=False, name=None)))


def _find_moves(old: pd.DataFrame, new: pd.DataFrame) -> list[Move]:
    before, after = (dict(zip(table["photo"], table["split"], strict=True)) for table in (old, new))
    return [
        Move(name, before[name], after[name])
        for name in sorted(after)
        if before[name] and after[name] and before[name] != after[name]
    ]


def is_leak(move: Move) -> bool:
    """Whether one version trains on a photo and the other tests on it."""
    splits = {move.before, move.after}
    return TEST in splits and bool(splits & {TRAIN, VALIDATION})


def _find_divided(photos: pd.DataFrame) -> tuple[str, ...]:
    """Find groups with photos in several splits, ignoring those set aside."""
    in_splits = photos[~photos["split"].isin([ASIDE, ""])]
    splits = in_splits.groupby("group")["split"].nunique()
    return tuple(sorted(splits.index[splits > 1]))


def _counts(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, tuple[int, int]]:
    before, after = _count_labels(old), _count_labels(new)
    return {name: (before[name], after[name]) for name in before}


def _count_labels(labels: pd.DataFrame) -> dict[str, int]:
    photos = labels.drop_duplicates("photo")
    splits = Counter(photos["split"])
    return {
        "photos": len(photos),
        "crops": len(labels),
        "people or versions": int(labels["author"].nunique()),
        **{f"photos in {name}": splits[name] for name in _SPLITS},
        "photos set aside": splits[ASIDE],
    }
