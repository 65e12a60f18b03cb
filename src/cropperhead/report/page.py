"""The comparison report: one HTML page, and a summary in Markdown for a pull request.

The page is a single file and requests nothing from the network. The same comparison gives the same
bytes. Wording and looks are in `templates/`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.number_text import format_confidence
from cropperhead.evaluation.verdict import Verdict
from cropperhead.geometry.crops import Floats
from cropperhead.photos import drawing
from cropperhead.report import charts, gallery, markdown, tables, votes_section
from cropperhead.report.comparison import COUNT_NAMES, Comparison
from cropperhead.report.rendering import render_template
from cropperhead.report.table import Table, without_details
from cropperhead.study.findings import LEAST_RATERS

ANSWERS = {True: "yes", False: "no", None: "unknown"}
_FIRST_PHOTOS = 24  # of the gallery, until all are requested


def render_page(comparison: Comparison) -> str:
    """Render the report as one HTML page, UTF-8."""
    exhibits = gallery.make_exhibits(comparison.pictures, repeats=len(comparison.failures))
    typical = gallery.typical_exhibit(exhibits)
    return render_template(
        "comparison.html.j2",
        comparison=comparison,
        answers=ANSWERS,
        percent=format_confidence(comparison.confidence),
        counts=_named_counts(comparison.counts),
        labels={row.cropper: row.label for row in comparison.rows},
        drawing=drawing,
        drawn_height=gallery.DRAWN_HEIGHT,
        overlap_examples=_overlap_examples(),
        typical=gallery.enlarge_exhibit(typical, comparison.pictures) if typical else None,
        **_table_values(comparison),
        **_vote_values(comparison),
        **_photo_values(exhibits, comparison),
        **_chart_values(comparison),
    )


def render_summary(comparison: Comparison) -> str:
    """Render the verdict, its evidence and the scores as Markdown, for a pull request."""
    return f"{_format_verdict(comparison.verdict)}\n\n{render_scores(comparison)}"


def render_scores(comparison: Comparison) -> str:
    """Render the evidence, the learning checks and the scores as Markdown.

    Only the first two scores have their intervals: the others are on the page.
    """
    scores = without_details(tables.score_table(comparison.rows), first=2)
    blocks = [
        "\n".join(f"- {markdown.escape_text(line)}" for line in comparison.evidence),
        "\n".join(_format_check(check) for check in comparison.learning_checks),
        markdown.format_table(scores),
        _format_votes(comparison),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _format_votes(comparison: Comparison) -> str:
    """Say what people like; nothing where nobody has voted."""
    if comparison.votes is None or comparison.votes.findings is None:
        return ""
    labels = {row.cropper: row.label for row in comparison.rows}
    sentence = markdown.escape_text(votes_section.headline(comparison.votes, labels))
    return f"Whose crop do people like? {sentence}"


def _format_verdict(verdict: Verdict) -> str:
    headline, sentence = map(markdown.escape_text, (verdict.headline, verdict.sentence))
    return f"**{headline}.** {sentence}"


def _format_check(check: LearningCheck) -> str:
    question, finding = map(markdown.escape_text, (check.question, check.finding))
    line = f"- {question} **{ANSWERS[check.passed].capitalize()}.** {finding}"
    small = markdown.escape_text(check.small_print)
    return f"{line} <small>{small}</small>" if small else line


def _table_values(comparison: Comparison) -> dict[str, Table | None]:
    labels = {row.cropper: row.label for row in comparison.rows}
    return {
        "scores": tables.score_table(comparison.rows),
        "slices": tables.slice_table(comparison.slices),
        "measures": tables.measure_table(comparison.measures, labels),
        "judge_scores": tables.judge_table(comparison.judge_scores, labels),
        "agreements": tables.agreement_table(comparison.agreements, labels),
        "corrections": tables.correction_table(comparison.corrections),
        "limits": tables.limit_table(comparison.limits),
    }


def _vote_values(comparison: Comparison) -> dict[str, Any]:
    """The values of the section on votes; none of them where there can be no votes."""
    section, labels = comparison.votes, {row.cropper: row.label for row in comparison.rows}
    if section is None:
        return {"votes": None}
    found = section.findings
    values = {
        "votes": section,
        "votes_headline": votes_section.headline(section, labels),
        "least_raters": LEAST_RATERS,
    }
    if found is None or not found.says_something:
        return values | {"votes_table": None}
    pictures = section.pictures
    exhibits = gallery.make_exhibits(pictures, repeats=len(comparison.pictures))
    by_name = {exhibit.photo: exhibit for exhibit in exhibits}
    liked, despised = (
        [
            (by_name[each.photo], votes_section.explain_photo(each))
            for each in part
            if each.photo in by_name
        ]
        for part in (found.preferred, found.despised)
    )
    return values | {
        "votes_table": votes_section.votes_table(found, labels, comparison.judge_scores),
        "votes_facts": votes_section.facts(found),
        "votes_liked": liked,
        "votes_despised": despised,
    }


def _photo_values(exhibits: Sequence[gallery.Exhibit], comparison: Comparison) -> dict[str, Any]:
    others = gallery.make_exhibits(comparison.failure_pictures, repeats=len(comparison.pictures))
    by_name = {exhibit.photo: exhibit for exhibit in (*exhibits, *others)}
    outlined = {key for exhibit in exhibits for key, _ in exhibit.outlines}
    return {
        "exhibits": exhibits,
        "failures": [(by_name[each.photo], each.explanation) for each in comparison.failures],
        "outlined": [key for key in drawing.STYLES if key in outlined],
        "first": _FIRST_PHOTOS,
        "names": {key: style.name for key, style in drawing.STYLES.items()} | charts.CURVE_NAMES,
    }


def _chart_values(comparison: Comparison) -> dict[str, Any]:
    return {
        "histograms": charts.histograms(_in_drawing_order(comparison.limits)),
        "habit": tables.explain_habit(comparison.limits),
        "curves": charts.curves(comparison.history),
        "best_epoch": charts.best_epoch(comparison.history),
    }


def _in_drawing_order(limits: Mapping[str, Floats]) -> dict[str, Floats]:
    return {key: np.asarray(limits[key]) for key in drawing.STYLES if key in limits}


def _named_counts(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """List counts with their descriptions: those of `COUNT_NAMES` first, then the others."""
    others = {key: key.replace("_", " ") for key in sorted(set(counts) - set(COUNT_NAMES))}
    names = {**COUNT_NAMES, **others}
    return [(f"{counts[key]:,}", name) for key, name in names.items() if key in counts]


def _overlap_examples() -> list[tuple[str, str]]:
    """List overlaps, and how far to shift a square by its side to have that overlap with itself.

    Shifted by d, the shared area is 1 - d and the union 1 + d, so d = (1 - o) / (1 + o).
    """
    return [(f"{o:.2f}", f"{(1 - o) / (1 + o):.4f}") for o in (0.95, 0.85, 0.7, 0.5)]
