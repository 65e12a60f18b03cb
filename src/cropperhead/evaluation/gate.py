"""The gate: whether this workspace's results may replace an earlier commit's.

Both are tables of scores (reports/scores.csv), compared photo by photo: the same photo is as hard
for both, so that a small loss shows which the differences between photos would hide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cropperhead.evaluation import scores
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, RANDOM, SHAPE
from cropperhead.evaluation.number_text import (
    NO_INTERVAL,
    format_confidence,
    format_number,
    format_range,
)
from cropperhead.evaluation.score_files import NUMBERS, Baseline
from cropperhead.evaluation.scores import LIMITS
from cropperhead.evaluation.verdict import LEAST_GROUPS
from cropperhead.geometry.crops import Floats
from cropperhead.params import GateParams
from cropperhead.stats import Interval, Jackknife
from cropperhead.system.project_files import SCORES
from cropperhead.words import format_count

_TEXTS = ["photo", "group", "cropper", "reference"]
_ROUNDING = 2e-6  # scores.csv has six decimals: limits that differ by less are equal
_MOST_NAMES = 5  # of photos in a sentence
_NAMES = {MEDIAN: "the constant median crop", SHAPE: "the constant crop by frame shape"}
_NOT_MEASURED = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Check:
    """One condition of the gate: its name, whether it holds, and the finding in a sentence."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class TestSetChange:
    """The test photos of two tables, each tuple sorted.

    `kept` are in both tables with the same human crops.
    """

    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    recropped: tuple[str, ...] = ()  # in both, with other human crops

    @property
    def is_change(self) -> bool:
        """Whether the two tables differ in any test photo."""
        return bool(self.removed or self.added or self.recropped)


@dataclass(frozen=True)
class Gate:
    """All checks and the numbers behind them; NaN and no photos where nothing was measured."""

    checks: tuple[Check, ...]
    gain: Interval = _NOT_MEASURED  # of the network's overlap over the constant median crop's
    change: Interval = _NOT_MEASURED  # of the network's overlap since the baseline, by photo
    test: TestSetChange = field(default_factory=TestSetChange)
    invalid: tuple[str, ...] = ()  # photos whose predicted crop is invalid

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def failed_checks(self) -> list[str]:
        """The names of the checks that do not hold."""
        return [check.name for check in self.checks if not check.passed]


def check_scores(
    current: pd.DataFrame | None,
    baseline: Baseline,
    params: GateParams,
    accept_changed_test: bool = False,
    votes: Mapping[str, Any] | None = None,
) -> Gate:
    """Check the current scores, and compare them with the baseline's where it has any.

    `votes` are what details.json has of people's votes on crops, if there are any.

    A table has a row for each photo, author and cropper: photo, author, group, cropper, top, left,
    bottom, right, angle, iou, invalid, reference.
    """
    defect = _find_defect(current)
    if current is None or defect:
        return Gate((Check("results", False, f"{SCORES} {defect}. Run `dvc repro`."),))
    interval = _photo_interval(current, params)
    network = scores.score_by_photo(current, CNN, "iou")
    gains = {
        key: interval((network - scores.score_by_photo(current, key, "iou")).dropna())
        for key in (MEDIAN, SHAPE)
        if key == MEDIAN or (current["cropper"] == SHAPE).any()  # older tables have no such rows
    }
    gain, invalid = gains[MEDIAN], _invalid_photos(current)
    groups = current.loc[current["cropper"] == CNN, "group"].nunique()
    checks = [_check_valid(invalid, len(network)), _check_gain(gains, groups, params)]
    if votes:
        checks.append(_check_votes(votes))
    baseline = _usable_baseline(baseline)
    if baseline.scores is None:
        checks.append(Check("overlap", True, f"Not compared: {baseline.description}."))
        return Gate(tuple(checks), gain, invalid=invalid)
    test, name = _compare_test_sets(current, baseline.scores), baseline.description
    overlaps = _network_overlaps(test.kept, current, baseline.scores)
    change = interval(overlaps[0] - overlaps[1])
    checks.append(_check_test_set(test, name, accept_changed_test))
    checks.append(_check_loss(overlaps, change, name, params))
    return Gate(tuple(checks), gain, change, test, invalid)


def _find_defect(table: pd.DataFrame | None) -> str:
    """Explain why scores cannot be checked, to follow their name; empty where they can."""
    if table is None:
        return "does not exist"
    missing = [name for name in (*_TEXTS, *NUMBERS) if name not in table]
    if missing:
        return f"has no {', '.join(missing)}: it has an older format, or is not a table of scores"
    if (table[_TEXTS].fillna("") == "").any(axis=None):
        return "has broken rows, such as a merge with conflicts leaves"
    return "" if (table["cropper"] == CNN).any() else f"has no rows of {CNN}"


def _usable_baseline(baseline: Baseline) -> Baseline:
    defect = "" if baseline.scores is None else _find_defect(baseline.scores)
    if not defect:
        return baseline
    return Baseline(None, f"{SCORES} of {baseline.description} {defect}")


def _photo_interval(table: pd.DataFrame, params: GateParams) -> Callable[[pd.Series], Interval]:
    """Return the function that computes the interval of values indexed by photo."""
    groups = table.drop_duplicates("photo").set_index("photo")["group"]

    def interval(values: pd.Series) -> Interval:
        groups_of_photos = list(groups[values.index])
        return Jackknife(groups_of_photos, params.confidence).interval(
            values.to_numpy(), scores.GAIN_BOUNDS
        )

    return interval


def _invalid_photos(table: pd.DataFrame) -> tuple[str, ...]:
    rows = table[table["cropper"] == CNN]
    # a network whose weights are NaN predicts no limits
    is_invalid = (rows["invalid"] != 0) | rows[NUMBERS].isna().any(axis=1)
    return tuple(sorted(set(rows.loc[is_invalid, "photo"])))


def _network_overlaps(photos: Sequence[str], *tables: pd.DataFrame) -> list[pd.Series]:
    return [scores.score_by_photo(table, CNN, "iou").reindex(list(photos)) for table in tables]


def _compare_test_sets(current: pd.DataFrame, baseline: pd.DataFrame) -> TestSetChange:
    new, old = (set(table.loc[table["cropper"] == CNN, "photo"]) for table in (current, baseline))
    new_crops, old_crops = _human_crops(current), _human_crops(baseline)
    none: Floats = np.empty((0, len(LIMITS)))
    recropped = {
        photo
        for photo in new & old
        if not _are_equal(new_crops.get(photo, none), old_crops.get(photo, none))
    }
    parts = ((new & old) - recropped, old - new, new - old, recropped)
    return TestSetChange(*(tuple(sorted(part)) for part in parts))


def _human_crops(table: pd.DataFrame) -> dict[str, Floats]:
    """Return the human crops of each photo, (authors, 5), sorted by their limits."""
    rows = table[table["cropper"] == HUMAN].sort_values([*LIMITS])
    return {str(photo): part[[*LIMITS]].to_numpy(float) for photo, part in rows.groupby("photo")}


def _are_equal(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=_ROUNDING)


def _check_valid(invalid: Sequence[str], photos: int) -> Check:
    if not invalid:
        finding = "Every crop of the network has an area and is inside its frame."
    else:
        finding = (
            f"On {len(invalid)} of {format_count(photos, 'photo')}, the network's crop is not a "
            f"number, has no area or leaves the frame: {_list_photos(invalid)}."
        )
    return Check("valid crops", not invalid, finding)


def _check_gain(gains: Mapping[str, Interval], groups: int, params: GateParams) -> Check:
    changes = "; ".join(f"over {_NAMES[k]}: {_format_change(v, params)}" for k, v in gains.items())
    finding = f"Gain in mean overlap {changes}."
    if np.isnan(gains[MEDIAN].mean):
        finding = f"There is no overlap to compare: {SCORES} has no number for {CNN} and {MEDIAN}."
    elif groups < LEAST_GROUPS:
        finding += (
            f" The test photos form {format_count(groups, 'group')} of similar photos, and fewer "
            f"than {LEAST_GROUPS} cannot show that the network is better."
        )
    is_better = groups >= LEAST_GROUPS and all(gain.low > 0 for gain in gains.values())
    return Check("better than a constant crop", is_better, finding)


def _check_votes(votes: Mapping[str, Any]) -> Check:
    """People may not prefer random crops to the network's; few votes show nothing."""
    people = format_count(int(votes["raters"]), "person", "people")
    cast = f"{format_count(int(votes['votes']), 'vote')} by {people}"
    is_one = votes["votes"] == 1
    if not votes["is_current"]:
        verb = "is" if is_one else "are"
        return Check("votes", True, f"{cast} {verb} on the crops of an earlier model.")
    is_worse = RANDOM in votes["preferred_to_cnn"]
    if is_worse:
        verb = "shows" if is_one else "show"
    else:
        verb = "does not show" if is_one else "do not show"
    finding = f"{cast} {verb} that people prefer random crops to the network's."
    return Check("votes", not is_worse, finding)


def _check_test_set(test: TestSetChange, baseline: str, is_accepted: bool) -> Check:
    if not test.is_change:
        photos = format_count(len(test.kept), "photo")
        finding = f"The same {photos} with the same human crops as in {baseline}."
        return Check("test set", True, finding)
    parts = {"removed": test.removed, "added": test.added, "with other human crops": test.recropped}
    listed = "; ".join(f"{len(p)} {what}: {_list_photos(p)}" for what, p in parts.items() if p)
    finding = f"The test photos differ from those in {baseline}: {listed}."
    if not test.kept:
        return Check("test set", False, f"{finding} No photo is left to compare.")
    kept = f"the {format_count(len(test.kept), 'photo')} that both have with the same human crops"
    if is_accepted:
        return Check("test set", True, f"{finding} Accepted: compared on {kept}.")
    hint = f"If this is intended, pass `--accept-changed-test` to compare on {kept}."
    return Check("test set", False, f"{finding} {hint}")


def _check_loss(
    overlaps: Sequence[pd.Series], change: Interval, baseline: str, params: GateParams
) -> Check:
    if np.isnan(change.mean):
        return Check("overlap", False, f"There is no overlap to compare with {baseline}.")
    is_loss = change.mean < -params.tolerance and change.high < 0
    current, before = (format_number(each.mean(), 3) for each in overlaps)
    finding = (
        f"Mean overlap {current}, was {before} in {baseline}: {_format_change(change, params)}, on "
        f"{format_count(len(overlaps[0]), 'photo')}. A loss fails the gate when it exceeds "
        f"{params.tolerance:g} and its whole interval is below 0."
    )
    return Check("overlap", not is_loss, finding)


def _format_change(change: Interval, params: GateParams) -> str:
    mean = format_number(change.mean, 3, signed=True)
    if not change.has_ends:
        return f"{mean} ({NO_INTERVAL})"
    ends = format_range(change, 3, signed=True)
    return f"{mean} ({format_confidence(params.confidence)} interval {ends})"


def _list_photos(photos: Sequence[str]) -> str:
    """List the first few names, and count the rest."""
    names = ", ".join(f"`{photo}`" for photo in photos[:_MOST_NAMES])
    rest = len(photos) - _MOST_NAMES
    return f"{names} and {rest} more" if rest > 0 else names
