"""A model card and a datasheet: what to know before using a model or its data.

The model card follows Mitchell et al. (Model Cards for Model Reporting, 2019), the datasheet Gebru
et al. (Datasheets for Datasets, 2021). Both state what the numbers show, and mark everything else
as not known to the program. The same input gives the same text; the wording is in `templates`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cropperhead.dataset.inventory import Inventory, Quartiles, SplitSize
from cropperhead.dataset.split_labels import TEST, TRAIN, VALIDATION
from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.number_text import DASH, format_number, format_share
from cropperhead.params import Params
from cropperhead.report import page, tables, votes_section
from cropperhead.report.comparison import Comparison
from cropperhead.report.rendering import render_template
from cropperhead.report.table import Column, Table, plain_table
from cropperhead.report.votes_section import VotesSection
from cropperhead.system.file_hash import file_sha256
from cropperhead.training.networks import keras_model
from cropperhead.words import format_count, join_words

_MOST_VALUES = 8  # of one kind with a row of their own; the others share one
_ALL_VALUES = 100
_EMPTY_SPLIT = SplitSize(0, 0, 0)
# Blocks of params.yaml whose settings the card lists; those of extraction are in the datasheet
_OWN_SETTINGS = ("train.", "split.", "evaluate.")


@dataclass(frozen=True)
class ModelFacts:
    """What a trained model consists of.

    `name` is small, frozen-features, fine-tuned or predecessor, `input_size` the side in px of the
    square photos that it takes, `data_sha256` the hash of everything that it was trained on.
    """

    name: str
    weights: int
    input_size: int
    file_bytes: int
    sha256: str
    data_sha256: str


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card: the model, its comparison, and the labels it learned from.

    `preferred` are sentences on crops that people preferred to the photographer's.
    """

    model: ModelFacts
    comparison: Comparison
    inventory: Inventory
    preferred: Sequence[str] = ()


@dataclass(frozen=True)
class Datasheet:
    """The content of a datasheet.

    `extract_report` and `validate_report` are the contents of reports/extract.json and
    reports/validate.json; `corrections` summarises how suggestions were corrected, if any were.
    """

    inventory: Inventory
    extract_report: Mapping[str, Any]
    validate_report: Mapping[str, Any]
    params: Params
    corrections: Corrections | None = None


def read_model_facts(file: Path, data_sha256: str) -> ModelFacts:
    """Read the facts of a saved model; `data_sha256` as in `ModelFacts`."""
    model = keras_model.load_model(file)
    return ModelFacts(
        name=model.name,
        weights=int(model.count_params()),
        input_size=keras_model.input_size(model),
        file_bytes=file.stat().st_size,
        sha256=file_sha256(file),
        data_sha256=data_sha256,
    )


def render_model_card(card: ModelCard) -> str:
    """Render the model card as Markdown."""
    comparison = card.comparison
    labels = {row.cropper: row.label for row in comparison.rows}
    settings = [fact for fact in comparison.facts if fact[0].startswith(_OWN_SETTINGS)]
    return render_template(
        "model_card.md.j2",
        card=card,
        comparison=comparison,
        scores=page.render_scores(comparison).strip(),
        slices=tables.slice_table(comparison.slices),
        measures=tables.measure_table(comparison.measures, labels),
        judge_scores=tables.judge_table(comparison.judge_scores, labels),
        agreements=tables.agreement_table(comparison.agreements, labels),
        votes=_vote_facts(comparison.votes),
        versions=_fact_table([fact for fact in comparison.facts if "." not in fact[0]]),
        settings=_fact_table(settings),
        properties=join_words(dict.fromkeys(each.by.lower() for each in comparison.slices)),
        training=_split_size(card.inventory, TRAIN),
        validation=_split_size(card.inventory, VALIDATION),
        test=_split_size(card.inventory, TEST),
    )


def _vote_facts(section: VotesSection | None) -> list[str]:
    """List what people's votes show besides the scores; nothing where they say nothing yet."""
    if section is None or section.findings is None or not section.findings.says_something:
        return []
    return votes_section.facts(section.findings)


def render_datasheet(sheet: Datasheet) -> str:
    """Render the datasheet as Markdown."""
    inventory, extract_report = sheet.inventory, sheet.extract_report
    return render_template(
        "datasheet.md.j2",
        inventory=inventory,
        extract_report=extract_report,
        validate_report=sheet.validate_report,
        params=sheet.params,
        splits=_split_table(inventory),
        joined_groups=[
            f"{format_count(groups, 'group')} by {reason}"
            for reason, groups in inventory.joined_groups.items()
        ],
        limits=_limit_table(inventory.limits),
        counts={
            "Person or version": _count_table("person or version", "crops", inventory.authors),
            "Source": _count_table("source", "crops", inventory.sources),
            "Shape of the photo": _count_table("shape", "photos", inventory.shapes),
            "Aspect ratio of the photo": _count_table(
                "width / height", "photos", inventory.photo_aspects
            ),
            "Aspect ratio of the crop": _count_table(
                "width / height", "crops", inventory.crop_aspects
            ),
            "Year of capture": _count_table("year", "photos", _years(inventory), _ALL_VALUES),
        },
        rejected=_descending("kind", "files", extract_report["rejected"]),
        left_out=_descending("kind", "crops", extract_report["versions_left_out"]),
        suggested=extract_report.get("suggested", 0),  # missing in an earlier release's report
        automatic=extract_report.get("automatic", 0),  # also missing there
        collected=extract_report.get("collected", {}),  # missing without any
        corrections=tables.correction_table(sheet.corrections),
        quarantined=_descending("broken expectation", "crops", sheet.validate_report["failures"]),
    )


def _split_size(inventory: Inventory, name: str) -> SplitSize:
    return inventory.splits.get(name, _EMPTY_SPLIT)


def _fact_table(facts: Sequence[tuple[str, str]]) -> Table:
    rows = [(name, value or DASH) for name, value in facts]
    return plain_table(("name", Column("value", is_text=True)), rows)


def _split_table(inventory: Inventory) -> Table:
    rows = [
        (name, f"{size.photos:,}", f"{size.groups:,}", f"{size.crops:,}")
        for name, size in inventory.splits.items()
    ]
    return plain_table(("split", "photos", "groups", "crops"), rows)


def _limit_table(limits: Mapping[str, Quartiles]) -> Table:
    head = ("limit", "lower quartile", "median", "upper quartile")
    return plain_table(head, [_limit_row(name, spread) for name, spread in limits.items()])


def _limit_row(name: str, spread: Quartiles) -> tuple[str, ...]:
    digits, unit = (2, "°") if name == "angle" else (3, "")
    values = (spread.low, spread.median, spread.high)
    return (name, *(format_number(value, digits, unit=unit) for value in values))


def _years(inventory: Inventory) -> dict[str, int]:
    unknown = {"unknown": inventory.without_date} if inventory.without_date else {}
    return {**inventory.years, **unknown}


def _descending(kind: str, what: str, counts: Mapping[str, int]) -> Table:
    """Make the table of all counts above 0, the highest first."""
    positive = {name: count for name, count in counts.items() if count}
    order = sorted(positive.items(), key=lambda item: (-item[1], item[0]))
    return _count_table(kind, what, dict(order), _ALL_VALUES)


def _count_table(
    kind: str, what: str, counts: Mapping[str, int], most: int = _MOST_VALUES
) -> Table:
    """Make the table of the first `most` counts, and the sum of the others."""
    whole = sum(counts.values())
    rows = list(counts.items())[:most]
    rest = list(counts.values())[most:]
    if rest:
        rows.append((f"{len(rest):,} others", sum(rest)))
    head = (kind, what, "share")
    return plain_table(head, [(name, f"{n:,}", format_share(n, whole)) for name, n in rows])
