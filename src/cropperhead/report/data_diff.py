"""What differs between two versions of the data: photos, their crops, and their splits.

A photo is the same in both versions if its file has the same bytes, in any folder; otherwise if it
has the same path; otherwise if it was first read from the same path (`origin`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from cropperhead.dataset.revisions import DataVersion
from cropperhead.dataset.split import ASIDE, TEST, TRAIN, VALIDATION
from cropperhead.evaluation.number_text import format_number
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import chart_images, distribution_shift, markdown
from cropperhead.report.distribution_shift import Shift, p_value_text
from cropperhead.report.table import Table, plain_table

PICTURE, PAGE = "data-diff.png", "data-diff.md"

# The columns that identify a photo, the most reliable first. Bytes and name together come first, so
# that a name given to another photo is not mistaken for a rename.
_IDENTITY = (["sha256", "photo"], ["sha256"], ["photo"], ["origin"])
_SPLITS = (TRAIN, VALIDATION, TEST, ASIDE)
_LATER_COLUMNS = ("sha256", "origin", "source")  # which the first versions lacked
_SAME = 1e-6  # of the frame's side, or degrees: Lightroom writes six decimals
_MOST_NAMES = 20  # of photos in each list of the page

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
        return tuple(move for move in self.moved if _is_leak(move))

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


def write_changes(changes: Changes, folder: Path) -> tuple[Path, Path]:
    """Write the page (Markdown) and its picture (PNG); return both files."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / PAGE, folder / PICTURE
    chart_images.draw_shifts(changes.shifts, changes.before, changes.after, picture)
    page.write_text(render_changes(changes, PICTURE), encoding="utf-8")
    return page, picture


def render_changes(changes: Changes, picture: str) -> str:
    """Render the changes as Markdown; `picture` is the path of its picture, from the page."""
    before, after = map(markdown.escape_text, (changes.before, changes.after))
    parts = [
        f"# Changes in the data: {before} to {after}",
        *_split_section(changes),
        "## Counts",
        markdown.format_table(_count_table(changes)),
        "## Distribution of the crops",
        *_distribution_section(changes),
        f"![Histograms of each limit, of the angle and of the area, before and after]({picture})",
        *_photo_sections(changes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _is_leak(move: Move) -> bool:
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
    }


def _split_section(changes: Changes) -> list[str]:
    """Report first what decides whether scores can be trusted and compared."""
    return [*_leak_warning(changes), *_divided_warning(changes), *_move_section(changes)]


def _leak_warning(changes: Changes) -> list[str]:
    if not changes.leaks:
        return []
    return [
        f"**Photos that leak between the versions: {len(changes.leaks):,}.** One version trains on "
        f"them, the other tests on them. A model of {markdown.escape_text(changes.before)} scores "
        "too high on the current test photos, and a current model on the earlier ones."
    ]


def _divided_warning(changes: Changes) -> list[str]:
    if not changes.divided:
        return []
    groups = [markdown.code_span(name) for name in changes.divided]
    return [
        f"**Groups of similar photos in several splits now: {len(changes.divided):,}.** The test "
        "split has photos that are nearly the same as training photos.",
        markdown.format_list(groups, _MOST_NAMES),
    ]


def _move_section(changes: Changes) -> list[str]:
    if not changes.moved:
        return ["No photo in both versions has moved to another split."]
    ways = Counter((move.before, move.after) for move in changes.moved)
    rows = [(f"{before} to {after}", f"{n:,}") for (before, after), n in sorted(ways.items())]
    # leaks first, because the list may be cut
    moves = sorted(changes.moved, key=lambda move: not _is_leak(move))
    names = [f"{markdown.code_span(m.photo)}: {m.before} to {m.after}" for m in moves]
    return [
        "## Moved between splits",
        markdown.format_table(plain_table(("move", "photos"), rows)),
        markdown.format_list(names, _MOST_NAMES),
    ]


def _count_table(changes: Changes) -> Table:
    rows = [(name, f"{old:,}", f"{new:,}") for name, (old, new) in changes.counts.items()]
    return plain_table(("", changes.before, changes.after), rows)


def _distribution_section(changes: Changes) -> list[str]:
    head = ("measure", "mean", "change", "median", "change", "KS", "p")
    caption = (
        "Means and medians are those of the later version. KS is the two-sample "
        "Kolmogorov–Smirnov statistic, the largest distance between the two cumulative "
        "distributions. p is how often chance alone makes it as large, corrected for the number "
        "of rows (Holm). Versions that share photos are more alike than independent samples, so "
        "p is too high rather than too low."
    )
    table = plain_table(head, map(_shift_row, changes.shifts))
    return [_shift_conclusion(changes), markdown.format_table(table), caption]


def _shift_conclusion(changes: Changes) -> str:
    shifted = [shift.measure for shift in changes.shifts if shift.p_value < 0.05]
    if shifted:
        return f"**Shifted by more than chance explains** (p below 0.05): {', '.join(shifted)}."
    return "No measure has shifted by more than chance explains (p below 0.05)."


def _shift_row(shift: Shift) -> tuple[str, ...]:
    unit = distribution_shift.UNITS[shift.measure]
    digits = 2 if unit else 3
    cells = []
    for before, after in (shift.means, shift.medians):
        cells.append(format_number(after, digits, unit=unit))
        cells.append(format_number(after - before, digits, signed=True, unit=unit))
    return (shift.measure, *cells, format_number(shift.statistic, 3), p_value_text(shift.p_value))


def _photo_sections(changes: Changes) -> list[str]:
    """List the photos of each kind of change."""
    code = markdown.code_span
    kinds = {
        "Added": [code(name) for name in changes.added],
        "Removed": [code(name) for name in changes.removed],
        "Renamed, the same file": [f"{code(old)} to {code(new)}" for old, new in changes.renamed],
        "Rewritten: the same name, other bytes": [code(name) for name in changes.rewritten],
        "Recropped": [
            f"{_describe_label(each.label)}: overlap {format_number(each.overlap, 3)} with the "
            "earlier crop"
            for each in sorted(changes.recropped, key=lambda each: (each.overlap, each.label))
        ],
        "New crops of photos in both versions": list(map(_describe_label, changes.gained)),
        "Removed crops of photos in both versions": list(map(_describe_label, changes.lost)),
    }
    sections = []
    for title, items in kinds.items():
        if items:
            sections += [f"## {title}: {len(items):,}", markdown.format_list(items, _MOST_NAMES)]
    return sections or ["The photos and their crops are the same."]


def _describe_label(label: Label) -> str:
    who = ", ".join(markdown.escape_text(part) for part in (label.author, label.source) if part)
    return f"{markdown.code_span(label.photo)} ({who})"
