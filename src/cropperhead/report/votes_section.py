"""The report's section on whose crops people like: its sentence, table and pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cropperhead.evaluation.croppers import CNN, HUMAN
from cropperhead.evaluation.findings import JudgeScore
from cropperhead.evaluation.number_text import format_number, format_percent, format_range
from cropperhead.report import charts
from cropperhead.report.gallery import Picture
from cropperhead.report.table import NO_VALUE, Cell, Column, Row, Table
from cropperhead.stats import Interval
from cropperhead.study.findings import PairFinding, PhotoVotes, StudyFindings, planned_votes
from cropperhead.words import format_count, join_words

_CROPPERS_PLANNED = 3
_NAMES = {HUMAN: "the photographer’s crops", CNN: "the CNN’s crops"}


@dataclass(frozen=True)
class VotesSection:
    """What the report tells of votes; `findings` is None where nobody has voted.

    `pictures` are the photos of `findings.preferred` and `.despised`, where the votes are on the
    crops of this model (`is_current`).
    """

    findings: StudyFindings | None
    is_current: bool = True
    pictures: Sequence[Picture] = ()


def headline(section: VotesSection, labels: Mapping[str, str]) -> str:
    """Say in one or two sentences what the votes show, and no more than they show."""
    found = section.findings
    if found is None:
        return f"Nobody has voted yet. About {planned_votes(_CROPPERS_PLANNED):,} votes are needed."
    cast = (
        f"{format_count(found.votes, 'vote')} by {format_count(found.raters, 'person', 'people')}"
    )
    needed = f"About {found.votes_needed:,} are needed until a difference of ten points shows."
    if not found.says_something:
        return f"{cast}: nothing can be said yet. {needed}"
    if found.decided:
        said = join_words(_describe(pair, labels) for pair in found.decided)
        return f"{cast}: people prefer {said}."
    if found.is_enough:
        return f"{cast} show no preference. A difference of ten points would probably have shown."
    return f"{cast} show no preference yet. {needed}"


def votes_table(
    found: StudyFindings, labels: Mapping[str, str], judges: Sequence[JudgeScore]
) -> Table:
    """Make the table of win shares, with a forest plot, and of who can tell crops apart."""
    told = {each.cropper: each.accuracy for each in found.told}
    judged = {each.cropper: (each.auc, each.trained_auc) for each in judges}
    head = (
        Column("Cropper", is_text=True),
        Column("Preferred", hint="to another’s crop; ties count half", better="higher"),
        Column("All raters alike", hint="careless ones included"),
        Column(
            "Distinguished by people",
            hint="from a human crop; 50\u00a0% is guessing",
            short="By people",
        ),
        Column(
            "Distinguished by the blind judge", hint="AUC; 0.50 is guessing", short="Blind judge"
        ),
        Column(
            "Distinguished by the trained judge",
            hint="AUC; it knows both kinds",
            short="Trained judge",
        ),
    )
    rows = tuple(
        Row(
            _label(key, labels),
            (
                _percent_cell(share),
                _percent_cell(found.unweighted[key]),
                _percent_cell(told.get(key)),
                *(_auc_cell(auc) for auc in judged.get(key, (None, None))),
            ),
            key,
            bar=charts.bar(key, _label(key, labels), _in_percent(share)),
        )
        for key, share in found.shares.items()
    )
    # of one person's votes there are no intervals to be drawn
    bars = [row.bar for row in rows if row.bar and math.isfinite(row.bar.low)]
    return Table(head, rows, charts.forest(bars, 50.0, (40, 60)) if bars else None)


def facts(found: StudyFindings) -> list[str]:
    """List what else the votes say: agreement, ties, overlap, careless raters, telling apart."""
    lines = []
    if found.careless:
        lines.append(
            f"{found.careless} of {format_count(found.raters, 'person', 'people')} voted "
            "carelessly, by their catch trials, repeats and times. Each such vote weighs less "
            "than half."
        )
    lines.append(f"People saw no difference in {format_percent(found.ties)} of the comparisons.")
    if math.isfinite(found.alpha):
        lines.append(
            f"Agreement between people (Krippendorff’s alpha) is {format_number(found.alpha, 2)}: "
            "1 is agreement, 0 what chance gives."
        )
    if found.self_agreement is not None:
        lines.append(
            "Asked again, people gave the same answer in "
            f"{format_percent(found.self_agreement.mean)} of cases."
        )
    if found.overlap_correlation is not None:
        lines.append(
            "Where people chose between two machines’ crops, the correlation of their choice with "
            "the difference in overlap with the human crop is "
            f"{_estimate(found.overlap_correlation)}: 0 means that overlap does not measure what "
            "people like."
        )
    return lines


def explain_photo(votes: PhotoVotes) -> str:
    """Count the votes on a photo."""
    ties = f", {votes.tied} undecided" if votes.tied else ""
    return f"{votes.won} for the CNN’s crop, {votes.lost} against it{ties}"


def metrics(section: VotesSection) -> dict[str, object]:
    """Return the numbers for MLflow and the gate; none where nobody has voted.

    `preferred_to_cnn` are the croppers whose crops people prefer to the network's.
    """
    found = section.findings
    if found is None:
        return {}
    return {
        "votes": found.votes,
        "raters": found.raters,
        "careless": found.careless,
        "votes_needed": found.votes_needed,
        "alpha": _rounded(found.alpha),
        "preferred": {key: _rounded_ends(share) for key, share in found.shares.items()},
        "told": {each.cropper: _rounded_ends(each.accuracy) for each in found.told},
        "is_current": section.is_current,
        "preferred_to_cnn": [
            better for better, worse, _ in map(_in_order, found.decided) if worse == CNN
        ],
    }


def headline_metrics(section: VotesSection) -> dict[str, object]:
    """Return the few numbers for `dvc metrics`: the votes, and how often they prefer the CNN."""
    found = section.findings
    if found is None:
        return {}
    share = found.shares.get(CNN)
    ends = {} if share is None else _rounded_ends(share)
    names = {"mean": "preferred", "low": "preferred_low", "high": "preferred_high"}
    return {"votes": found.votes} | {names[end]: value for end, value in ends.items()}


def _in_order(pair: PairFinding) -> tuple[str, str, Interval]:
    """Return the cropper that is preferred, the other one, and the chance of that."""
    chance = pair.chance
    if chance.mean >= 0.5:
        return pair.first, pair.second, chance
    return pair.second, pair.first, Interval(1 - chance.mean, 1 - chance.high, 1 - chance.low)


def _describe(pair: PairFinding, labels: Mapping[str, str]) -> str:
    better, worse, chance = _in_order(pair)
    names = [_NAMES.get(key, f"“{_label(key, labels)}”") for key in (better, worse)]
    return f"{names[0]} to {names[1]} ({_percent(chance)})"


def _label(key: str, labels: Mapping[str, str]) -> str:
    return labels.get(key, key)


def _in_percent(share: Interval) -> Interval:
    return Interval(share.mean * 100, share.low * 100, share.high * 100)


def _percent_cell(share: Interval | None) -> Cell:
    if share is None:
        return NO_VALUE
    return Cell(format_percent(share.mean), format_range(_in_percent(share), 0, unit=" %"))


def _auc_cell(auc: Interval | None) -> Cell:
    if auc is None or not math.isfinite(auc.mean):
        return NO_VALUE
    return Cell(format_number(auc.mean, 2), format_range(auc, 2))


def _percent(share: Interval) -> str:
    ends = format_range(_in_percent(share), 0)
    return f"{format_percent(share.mean)}, {ends}" if ends else format_percent(share.mean)


def _estimate(value: Interval) -> str:
    ends = format_range(value, 2)
    mean = format_number(value.mean, 2)
    return f"{mean} ({ends})" if ends else mean


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _rounded_ends(share: Interval) -> dict[str, float | None]:
    return {name: _rounded(getattr(share, name)) for name in ("mean", "low", "high")}
