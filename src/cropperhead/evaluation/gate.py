"""The gate: whether this workspace's results may stand in place of an earlier commit's.

Both are tables of scores (reports/scores.csv). They are paired: the same photo is as hard for both,
so that a small loss shows which would drown in the difference between photos.
"""

import hashlib
import io
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from cropperhead.errors import SetupError
from cropperhead.evaluation import scores
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN
from cropperhead.evaluation.verdict import with_minus
from cropperhead.geometry.crops import Floats
from cropperhead.params import GateParams
from cropperhead.stats import Bootstrap, Interval

SCORES, MODEL = Path("reports/scores.csv"), Path("models/model.keras")  # as in dvc.yaml
LOCK = Path("dvc.lock")
REVISIONS = ("main", "origin/main")  # compared with unless another is named: the first there is

_LIMITS = ["top", "left", "bottom", "right", "angle"]
_NUMBERS = [*_LIMITS, "iou", "invalid"]
_TEXTS = ["photo", "group", "cropper", "reference"]
_ROUNDING = 2e-6  # scores.csv has six decimals: limits that differ by less are the same
_SHOWN = 5  # names of photos in a sentence
_UNKNOWN = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Check:
    """One thing that must hold: its name, whether it does, and the finding in a sentence."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class TestSet:
    """The photos of two tables, each tuple sorted: `kept` are in both with the same human crops."""

    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    recropped: tuple[str, ...] = ()  # in both, with other human crops

    @property
    def changed(self) -> bool:
        """Whether anything but `kept` has photos."""
        return bool(self.removed or self.added or self.recropped)


@dataclass(frozen=True)
class Gate:
    """All checks, and the numbers that they stand on; NaN and no photos where nothing is known."""

    checks: tuple[Check, ...]
    gain: Interval = _UNKNOWN  # of the network's overlap over the constant median crop's
    change: Interval = _UNKNOWN  # of the network's overlap since the earlier results, by photo
    test: TestSet = field(default_factory=TestSet)
    invalid: tuple[str, ...] = ()  # photos for which the network gives no crop that can be made

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that do not hold."""
        return [check.name for check in self.checks if not check.passed]


@dataclass(frozen=True)
class Earlier:
    """The scores at a commit: `told` names it, or says why `table` is None."""

    table: pd.DataFrame | None
    told: str


def compared(
    now: pd.DataFrame | None,
    before: pd.DataFrame | None,
    params: GateParams,
    told: str = "the earlier results",
    accept_changed_test: bool = False,
) -> Gate:
    """Checks the scores of `now`, and compares them with those of `before`, if there are any.

    A table has a row for each photo, author and cropper: photo, author, group, cropper, top, left,
    bottom, right, angle, iou, invalid, reference. `told` names `before`, or says why it is None.
    """
    reason = _unfit(now)
    if now is None or reason:
        return Gate((Check("results", False, f"{SCORES} {reason}. Run `dvc repro`."),))
    interval = _bootstrap(now, params)
    network = scores.by_photo(now, CNN, "iou")
    gain = interval((network - scores.by_photo(now, MEDIAN, "iou")).dropna())
    invalid = _invalid(now)
    checks = [_valid(invalid, len(network)), _better_than_constant(gain, params)]
    told, before = _usable(before, told)
    if before is None:
        checks.append(Check("overlap", True, f"Not compared: {told}."))
        return Gate(tuple(checks), gain, invalid=invalid)
    test = _test_set(now, before)
    pair = [scores.by_photo(table, CNN, "iou").reindex(test.kept) for table in (now, before)]
    change = interval(pair[0] - pair[1])
    checks.append(_same_test(test, told, accept_changed_test))
    checks.append(_no_loss(pair, change, told, params))
    return Gate(tuple(checks), gain, change, test, invalid)


def read(file: Path) -> pd.DataFrame | None:
    """The scores in a file; None where there is no file."""
    return _parsed(file.read_text(encoding="utf-8")) if file.exists() else None


def earlier(revision: str | None = None, folder: Path = Path()) -> Earlier:
    """The scores as they stand in a git revision (without one: in the first of REVISIONS there is).

    `folder` is the project's root, wherever in the repository it lies. Raises SetupError where git
    cannot be asked, as outside of a repository.
    """
    wanted = [revision] if revision else list(REVISIONS)
    for name in wanted:
        # a name that is not there ends with status 1; 128 is git's own trouble
        found = _git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", allowed=(1,))
        if found:
            return _at(name, found.strip(), folder)
    told = f"git knows no {' or '.join(wanted)} here"
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        told += ", in a shallow clone: `git fetch --depth=1 origin BRANCH` gets a branch"
    return Earlier(None, told)


def is_evaluated(model: Path, scores: Path, lock: Path) -> bool:
    """Whether scores are those of a model as it lies here, by the hashes in dvc.lock."""
    if not lock.exists() or not model.exists():
        return False
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    stage = stages.get("evaluate", {})
    known = {
        each["path"]: each.get("md5") for each in (*stage.get("deps", ()), *stage.get("outs", ()))
    }
    return all(known.get(file.as_posix()) == _md5(file) for file in (model, scores))


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()  # DVC's choice


def markdown(gate: Gate) -> str:
    """The checks as a table for a pull request."""
    failed = len(gate.failed)
    of_all = "1 check" if len(gate.checks) == 1 else f"{len(gate.checks)} checks"
    head = "passed" if gate.passed else f"{failed} of {of_all} failed"
    rows = [
        f"| {check.name} | {'passed' if check.passed else '**failed**'} | {_cell(check.sentence)} |"
        for check in gate.checks
    ]
    return "\n".join([f"## Gate: {head}", "", "| check | | finding |", "|---|---|---|", *rows, ""])


def _unfit(table: pd.DataFrame | None) -> str:
    """Why no gate can be held over these scores, to follow their name; empty where it can."""
    if table is None:
        return "is not there"
    lacking = [name for name in (*_TEXTS, *_NUMBERS) if name not in table]
    if lacking:
        return f"lacks {', '.join(lacking)}: an older format, or no table of scores"
    if (table[_TEXTS].fillna("") == "").any(axis=None):
        return "has broken rows, as a merge with conflicts leaves them"
    return "" if (table["cropper"] == CNN).any() else f"has no rows of {CNN}"


def _usable(before: pd.DataFrame | None, told: str) -> tuple[str, pd.DataFrame | None]:
    reason = "" if before is None else _unfit(before)
    return (f"{SCORES} of {told} {reason}", None) if reason else (told, before)


def _bootstrap(now: pd.DataFrame, params: GateParams) -> Callable[[pd.Series], Interval]:
    """What gives the interval of values that are indexed by photo."""
    groups = now.drop_duplicates("photo").set_index("photo")["group"]

    def interval(values: pd.Series) -> Interval:
        of_photos = list(groups[values.index])
        samples, seed = params.bootstrap_samples, params.seed
        return Bootstrap(of_photos, samples, params.confidence, seed).interval(values.to_numpy())

    return interval


def _invalid(now: pd.DataFrame) -> tuple[str, ...]:
    rows = now[now["cropper"] == CNN]
    # a network whose weights are NaN gives neither limits nor overlap
    unsound = (rows["invalid"] != 0) | rows[_NUMBERS].isna().any(axis=1)
    return tuple(sorted(set(rows.loc[unsound, "photo"])))


def _test_set(now: pd.DataFrame, before: pd.DataFrame) -> TestSet:
    new, old = (set(table.loc[table["cropper"] == CNN, "photo"]) for table in (now, before))
    new_crops, old_crops = _human_crops(now), _human_crops(before)
    none: Floats = np.empty((0, len(_LIMITS)))
    recropped = {
        photo
        for photo in new & old
        if not _alike(new_crops.get(photo, none), old_crops.get(photo, none))
    }
    parts = ((new & old) - recropped, old - new, new - old, recropped)
    return TestSet(*(tuple(sorted(part)) for part in parts))


def _human_crops(table: pd.DataFrame) -> dict[str, Floats]:
    """The human crops of each photo, (authors, 5), in an order of their own."""
    rows = table[table["cropper"] == HUMAN].sort_values(_LIMITS)
    return {str(photo): part[_LIMITS].to_numpy(float) for photo, part in rows.groupby("photo")}


def _alike(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=_ROUNDING)


def _valid(invalid: Sequence[str], photos: int) -> Check:
    if not invalid:
        finding = "Every crop of the network has an area and lies inside its frame."
    else:
        finding = (
            f"{len(invalid)} of {photos} photos got a crop without an area, or one that leaves the "
            f"frame: {_some(invalid)}."
        )
    return Check("valid crops", not invalid, finding)


def _better_than_constant(gain: Interval, params: GateParams) -> Check:
    passed = gain.low > 0
    finding = f"Mean overlap less that of the constant median crop: {_told(gain, params)}."
    if np.isnan(gain.mean):
        finding = f"There is no overlap to compare: {SCORES} has no number for {CNN} and {MEDIAN}."
    return Check("better than a constant crop", passed, finding)


def _same_test(test: TestSet, told: str, accepted: bool) -> Check:
    if not test.changed:
        finding = f"The same {len(test.kept)} photos with the same human crops as {told}."
        return Check("test set", True, finding)
    parts = {"removed": test.removed, "added": test.added, "with other human crops": test.recropped}
    listed = "; ".join(f"{len(p)} {what}: {_some(p)}" for what, p in parts.items() if p)
    finding = f"The test photos are not those of {told}: {listed}."
    if not test.kept:
        return Check("test set", False, f"{finding} No photo is left to compare on.")
    left = f"the {len(test.kept)} photos that both have with the same human crops"
    if accepted:
        return Check("test set", True, f"{finding} Accepted: compared on {left}.")
    hint = f"If that is meant, `--accept-changed-test` compares on {left}."
    return Check("test set", False, f"{finding} {hint}")


def _no_loss(pair: Sequence[pd.Series], change: Interval, told: str, params: GateParams) -> Check:
    if np.isnan(change.mean):
        return Check("overlap", False, f"There is no overlap to compare with that of {told}.")
    lost = change.mean < -params.tolerance and change.high < 0
    finding = (
        f"Mean overlap {pair[0].mean():.3f}, of {pair[1].mean():.3f} in {told}: "
        f"{_told(change, params)}, on {len(pair[0])} photos. "
        f"A loss counts when it is above {params.tolerance:g} and the whole interval is below 0."
    )
    return Check("overlap", not lost, finding)


def _told(interval: Interval, params: GateParams) -> str:
    span = f"{params.confidence * 100:g} % interval {interval.low:+z.3f} to {interval.high:+z.3f}"
    return with_minus(f"{interval.mean:+z.3f} ({span})")


def _some(photos: Sequence[str]) -> str:
    """The first few names."""
    named = ", ".join(f"`{photo}`" for photo in photos[:_SHOWN])
    return named if len(photos) <= _SHOWN else f"{named} and {len(photos) - _SHOWN} more"


def _cell(sentence: str) -> str:
    """A sentence that stays in its cell, whatever the names of photos hold."""
    return " ".join(sentence.replace("|", "\\|").split())


def _parsed(text: str) -> pd.DataFrame:
    """A table of scores from CSV; without columns where it is none. A wrong number becomes NaN."""
    try:  # as text first: a photo may be called 007, or NA
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        return pd.DataFrame()
    numbers = [name for name in _NUMBERS if name in table]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table


def _at(name: str, commit: str, folder: Path) -> Earlier:
    told = f"{name} ({commit[:7]})"
    if not _git(folder, "ls-tree", "--name-only", commit, "--", SCORES.as_posix()):
        return Earlier(None, f"{told} has no {SCORES}")
    return Earlier(_parsed(_git(folder, "show", f"{commit}:./{SCORES.as_posix()}")), told)


def _git(folder: Path, *arguments: str, allowed: Sequence[int] = ()) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode not in (0, *allowed):
        raise SetupError(f"git {arguments[0]}: {done.stderr.strip()}. Nothing was compared.")
    return done.stdout
