"""What differs between two versions of the data: photos, their crops, and who is trained on.

A photo is the same in both versions where its file has the same bytes, wherever it lies; else where
it has the same path; else where it came in by the same path (`origin`).
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
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.report import distribution_shift, markdown
from cropperhead.report.distribution_shift import Shift

PICTURE, PAGE = "data-diff.png", "data-diff.md"

# By what a photo is known again, the surest first. A name that is given to another photo must not
# make a rename of it, so that bytes and name together go before either.
_KNOWN_BY = (["sha256", "photo"], ["sha256"], ["photo"], ["origin"])
_SPLITS = (TRAIN, VALIDATION, TEST, ASIDE)
_ONCE = ("sha256", "origin", "source")  # columns that the first versions lacked
_SAME = 1e-6  # of the frame's side, or degrees: Lightroom writes six decimals
_NAMED = 20  # photos that the page names of each kind

# How the one line tells each kind
_WORDS = {
    "added": "added",
    "removed": "removed",
    "renamed": "renamed",
    "rewritten": "rewritten",
    "recropped": "cropped anew",
    "moved": "moved between splits",
}


class Label(NamedTuple):
    """Whose crop of which photo, in which editor."""

    photo: str
    author: str
    source: str


@dataclass(frozen=True)
class Recrop:
    """A crop whose limits differ; `overlap` is that of the crop before with the crop after."""

    label: Label
    overlap: float


@dataclass(frozen=True)
class Move:
    """A photo, by its name after, that went from one split to another."""

    photo: str
    was: str
    now: str


@dataclass(frozen=True)
class Changes:
    """All that differs between the versions called `before` and `after`; tuples are sorted.

    `counts` gives what there is of each kind before and after. Photos that stay may be `renamed`
    (name before, name after) or `rewritten` (same name, other bytes), and have crops `recropped`,
    `gained` and `lost`. `divided` names the groups of like photos that lie in several splits after.
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
        """Photos that one version learns from and the other tests on."""
        return tuple(move for move in self.moved if TEST in (move.was, move.now) and _learnt(move))

    def __str__(self) -> str:
        """One line for a person."""
        parts = [f"{words} {len(getattr(self, kind)):,}" for kind, words in _WORDS.items()]
        return f"{self.before} to {self.after}: {', '.join(parts)}."


def between(before: DataVersion, after: DataVersion) -> Changes:
    """What differs from one version of the data to another."""
    old, new = _whole(before), _whole(after)
    was, now = (table.drop_duplicates("photo") for table in (old, new))
    same = _same_photos(was, now)
    stayed = old[old["photo"].isin(same)]
    # by its name now; without a type an empty column would be one of numbers
    stayed = stayed.assign(photo=stayed["photo"].map(same).astype(str))
    stayed, here = _alike_in_source(stayed, new[new["photo"].isin(same.values())])
    return Changes(
        before=before.name,
        after=after.name,
        counts=_counts(old, new),
        added=tuple(sorted(set(now["photo"]) - set(same.values()))),
        removed=tuple(sorted(set(was["photo"]) - set(same))),
        renamed=tuple(
            sorted((old_name, name) for old_name, name in same.items() if old_name != name)
        ),
        rewritten=_rewritten(was, now, same),
        recropped=tuple(sorted(_recropped(stayed, here), key=lambda one: one.label)),
        gained=tuple(sorted(_labels(here) - _labels(stayed))),
        lost=tuple(sorted(_labels(stayed) - _labels(here))),
        moved=tuple(_moved(stayed, here)),
        divided=_divided(now),
        shifts=distribution_shift.shifts(old, new),
    )


def write(changes: Changes, folder: Path) -> tuple[Path, Path]:
    """Writes the page (Markdown) and the picture (PNG) that it shows; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / PAGE, folder / PICTURE
    distribution_shift.draw(changes.shifts, changes.before, changes.after, picture)
    page.write_text(in_markdown(changes, PICTURE), encoding="utf-8")
    return page, picture


def in_markdown(changes: Changes, picture: str) -> str:
    """The changes as a page; `picture` is where its picture lies, seen from the page."""
    names = markdown.text(changes.before), markdown.text(changes.after)
    parts = [
        f"# What changed in the data: {names[0]} to {names[1]}",
        *_about_splits(changes),
        "## What there is",
        markdown.table(("", *names), _count_rows(changes)),
        "## How the crops are spread",
        *_about_spread(changes),
        f"![Histograms of each limit, of the angle and of the area, before and after]({picture})",
        *_about_photos(changes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _whole(tables: DataVersion) -> pd.DataFrame:
    """Labels with the group and split of their photos, "" where there is none."""
    labels = tables.labels.assign(
        **{name: "" for name in _ONCE if name not in tables.labels.columns}
    )
    whole = labels.merge(tables.splits, on="photo", how="left", validate="many_to_one")
    texts = [*_ONCE, "group", "split"]
    return whole.assign(**{name: whole[name].fillna("").astype(str) for name in texts})


def _alike_in_source(*versions: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """The labels; without their sources where a version has not told any."""
    if all(version["source"].any() for version in versions):
        return versions
    blank = (version.assign(source="") for version in versions)
    return tuple(version.drop_duplicates(["photo", "author"]) for version in blank)


def _same_photos(was: pd.DataFrame, now: pd.DataFrame) -> dict[str, str]:
    """The name after of each photo that is in both versions, by its name before."""
    same: dict[str, str] = {}
    for columns in _KNOWN_BY:
        known = dict(_keys(was[~was["photo"].isin(same)], columns))
        for key, photo in _keys(now[~now["photo"].isin(same.values())], columns):
            if key in known:
                same[known.pop(key)] = photo
    return same


def _keys(photos: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    keys = photos[columns].itertuples(index=False, name=None)
    return ((key, name) for key, name in zip(keys, photos["photo"], strict=True) if all(key))


def _rewritten(was: pd.DataFrame, now: pd.DataFrame, same: Mapping[str, str]) -> tuple[str, ...]:
    old, new = (dict(zip(table["photo"], table["sha256"], strict=True)) for table in (was, now))
    both = ((old[name], new[name], name) for name, name_now in same.items() if name == name_now)
    return tuple(sorted(name for before, after, name in both if before and before != after))


def _recropped(stayed: pd.DataFrame, here: pd.DataFrame) -> Iterator[Recrop]:
    both = stayed.merge(here, on=list(Label._fields), suffixes=("_was", ""))
    before = both[[f"{name}_was" for name in CROP_COLUMNS]].to_numpy(float)
    after = both[list(CROP_COLUMNS)].to_numpy(float)
    differ = np.abs(after - before).max(axis=1) > _SAME
    aspect = (both["width"] / both["height"]).to_numpy(float)
    overlap = crops.overlap(before[differ], after[differ], aspect[differ])
    labels = both.loc[differ, list(Label._fields)].itertuples(index=False, name=None)
    return (Recrop(Label(*label), float(one)) for label, one in zip(labels, overlap, strict=True))


def _labels(table: pd.DataFrame) -> set[Label]:
    return set(map(Label._make, table[list(Label._fields)].itertuples(index=False, name=None)))


def _moved(stayed: pd.DataFrame, here: pd.DataFrame) -> list[Move]:
    old, new = (dict(zip(table["photo"], table["split"], strict=True)) for table in (stayed, here))
    return [
        Move(name, old[name], new[name])
        for name in sorted(new)
        if old[name] and new[name] and old[name] != new[name]
    ]


def _learnt(move: Move) -> bool:
    return bool({move.was, move.now} & {TRAIN, VALIDATION})


def _divided(photos: pd.DataFrame) -> tuple[str, ...]:
    """Groups with photos in several splits, but for those set aside."""
    dealt = photos[~photos["split"].isin([ASIDE, ""])]
    splits = dealt.groupby("group")["split"].nunique()
    return tuple(sorted(splits.index[splits > 1]))


def _counts(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, tuple[int, int]]:
    before, after = _counted(old), _counted(new)
    return {name: (before[name], after[name]) for name in before}


def _counted(labels: pd.DataFrame) -> dict[str, int]:
    photos = labels.drop_duplicates("photo")
    splits = Counter(photos["split"])
    return {
        "photos": len(photos),
        "crops": len(labels),
        "people or versions": int(labels["author"].nunique()),
        **{f"photos in {name}": splits[name] for name in _SPLITS},
    }


def _about_splits(changes: Changes) -> list[str]:
    """What bears on whether scores can be believed and compared, before all else."""
    parts = []
    if changes.leaks:
        parts.append(
            f"**Photos that leak between the versions: {len(changes.leaks):,}.** One learns from "
            "them, the other tests on them. Scores of a model of "
            f"{markdown.text(changes.before)} on the test photos of now, and the other way round, "
            "are better than they should be."
        )
    if changes.divided:
        parts += [
            f"**Groups of like photos that are divided among splits now: {len(changes.divided):,}."
            "** The test is on pictures that training has nearly seen.",
            markdown.listed([markdown.code(name) for name in changes.divided], _NAMED),
        ]
    if not changes.moved:
        parts.append("No photo that is in both versions has moved to another split.")
        return parts
    ways = Counter((move.was, move.now) for move in changes.moved)
    rows = [(f"{was} to {now}", f"{count:,}") for (was, now), count in sorted(ways.items())]
    parts += ["## Moved between splits", markdown.table(("way", "photos"), rows)]
    # leaks before the others, for the list may be cut
    order = sorted(changes.moved, key=lambda move: move not in changes.leaks)
    named = [f"{markdown.code(move.photo)}: {move.was} to {move.now}" for move in order]
    return [*parts, markdown.listed(named, _NAMED)]


def _count_rows(changes: Changes) -> list[tuple[str, str, str]]:
    return [(name, f"{was:,}", f"{now:,}") for name, (was, now) in changes.counts.items()]


def _about_spread(changes: Changes) -> list[str]:
    head = ("", "mean", "change", "median", "change", "KS", "p")
    caption = (
        "Means and medians are those of now, beside their change. KS is the two-sample "
        "Kolmogorov–Smirnov statistic, the largest distance between the two cumulative "
        "distributions; p is how often chance alone makes it as large, corrected for the number "
        "of rows (Holm). Versions that share photos are more alike than chance would have them, so "
        "p is too high rather than too low."
    )
    return [_found(changes), markdown.table(head, map(_shift_row, changes.shifts)), caption]


def _found(changes: Changes) -> str:
    apart = [shift.measure for shift in changes.shifts if shift.chance < 0.05]
    if apart:
        return f"**Shifted more than chance explains** (p below 0.05): {', '.join(apart)}."
    return "No measure has shifted by more than chance explains (p below 0.05)."


def _shift_row(shift: Shift) -> tuple[str, ...]:
    unit = distribution_shift.UNITS[shift.measure]
    digits = 2 if unit else 3
    cells = []
    for was, now in (shift.means, shift.medians):
        cells.append(_with_unit(markdown.number(now, digits), unit))
        cells.append(_with_unit(markdown.number(now - was, digits, signed=True), unit))
    statistic, chance = shift.statistic, distribution_shift.in_words(shift.chance)
    return (shift.measure, *cells, markdown.number(statistic, 3), chance)


def _with_unit(number: str, unit: str) -> str:
    return number + unit if number != markdown.NONE else number


def _about_photos(changes: Changes) -> list[str]:
    """A list of photos for each kind of change that there is."""
    code = markdown.code
    kinds = {
        "Added": [code(name) for name in changes.added],
        "Removed": [code(name) for name in changes.removed],
        "Renamed, the same file": [f"{code(was)} to {code(now)}" for was, now in changes.renamed],
        "Rewritten: the same name, other bytes": [code(name) for name in changes.rewritten],
        "Cropped anew": [
            f"{_named(one.label)}: overlap {one.overlap:.3f} with the crop before"
            for one in sorted(changes.recropped, key=lambda one: (one.overlap, one.label))
        ],
        "Further crops of photos that stayed": [_named(label) for label in changes.gained],
        "Crops gone from photos that stayed": [_named(label) for label in changes.lost],
    }
    parts = []
    for title, items in kinds.items():
        if items:
            parts += [f"## {title}: {len(items):,}", markdown.listed(items, _NAMED)]
    return parts or ["The photos and their crops are the same."]


def _named(label: Label) -> str:
    who = ", ".join(markdown.text(part) for part in (label.author, label.source) if part)
    return f"{markdown.code(label.photo)} ({who})"
