"""A model card and a datasheet: what to know before a model or its data are used.

The model card follows Mitchell et al. (Model Cards for Model Reporting, 2019), the datasheet Gebru
et al. (Datasheets for Datasets, 2021). Both hold what the numbers tell, and say of the rest that
the program does not know it. The same input gives the same text; wording is in `templates`.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cropperhead.dataset.inventory import Inventory, Quartiles, SplitSize
from cropperhead.dataset.split import TEST, TRAIN, VALIDATION
from cropperhead.evaluation.corrections import Corrections
from cropperhead.params import Params
from cropperhead.report import markdown, page
from cropperhead.report.page import Comparison
from cropperhead.stats import Interval
from cropperhead.training.networks import build

_MOST = 8  # values of one kind that are named; the others go together
_NOT_A_PART = SplitSize(0, 0, 0)
_BETTER = {"higher": " ↑", "lower": " ↓", "neither": ""}
# What the settings that the report tells are called, without those of reading photos
_OWN_SETTINGS = ("train.", "split.", "evaluate.")


@dataclass(frozen=True)
class ModelFacts:
    """What a finished model is made of.

    `name` is small, fine-tuned or predecessor, `input_size` the side in px of the square photos
    that it takes, `data_sha256` the hash of all that it was trained on (`tracking.file_hash`).
    """

    name: str
    weights: int
    input_size: int
    file_bytes: int
    sha256: str
    data_sha256: str


@dataclass(frozen=True)
class ModelCard:
    """All that a model card tells: the model, how it compares, and the labels it learned from."""

    model: ModelFacts
    comparison: Comparison
    inventory: Inventory


@dataclass(frozen=True)
class Datasheet:
    """All that a datasheet tells.

    `extracted` and `validated` are what reports/extract.json and reports/validate.json hold;
    `corrections` tells what became of suggestions, where there were any.
    """

    inventory: Inventory
    extracted: Mapping[str, Any]
    validated: Mapping[str, Any]
    params: Params
    corrections: Corrections | None = None


def facts(file: Path, data_sha256: str) -> ModelFacts:
    """What a saved model is made of; `data_sha256` as in `ModelFacts`."""
    model, content = build.load(file), file.read_bytes()
    return ModelFacts(
        name=model.name,
        weights=int(model.count_params()),
        input_size=build.input_size(model),
        file_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        data_sha256=data_sha256,
    )


def write(card: ModelCard, sheet: Datasheet, card_file: Path, sheet_file: Path) -> None:
    """Writes both, UTF-8."""
    card_file.write_text(model_card(card), encoding="utf-8")
    sheet_file.write_text(datasheet(sheet), encoding="utf-8")


def model_card(card: ModelCard) -> str:
    """The model card as Markdown."""
    comparison = card.comparison
    labels = {row.cropper: row.label for row in comparison.rows}
    settings = [fact for fact in comparison.facts if fact[0].startswith(_OWN_SETTINGS)]
    return _rendered(
        "model_card.md.j2",
        card=card,
        comparison=comparison,
        scores=page.summary(comparison).strip(),
        slices=_slices(comparison),
        measures=_measures(comparison, labels),
        judged=_judged(comparison, labels),
        agreements=_agreements(comparison, labels),
        versions=_facts([fact for fact in comparison.facts if "." not in fact[0]]),
        settings=_facts(settings),
        factors=_factors(comparison),
        learning=_part(card.inventory, TRAIN),
        choosing=_part(card.inventory, VALIDATION),
        test=_part(card.inventory, TEST),
    )


def datasheet(sheet: Datasheet) -> str:
    """The datasheet as Markdown."""
    held, failures = sheet.inventory, sheet.validated["failures"]
    return _rendered(
        "datasheet.md.j2",
        held=held,
        extracted=sheet.extracted,
        validated=sheet.validated,
        params=sheet.params,
        parts=_parts(held),
        limits=_limits(held.limits),
        counts={
            "Person or version": _counts("person or version", "crops", held.authors),
            "Source": _counts("source", "crops", held.sources),
            "Shape of the photo": _counts("shape", "photos", held.shapes),
            "Width / height of the photo": _counts("width / height", "photos", held.photo_aspects),
            "Width / height of the crop": _counts("width / height", "crops", held.crop_aspects),
            "Year of capture": _counts("year", "photos", _with_undated(held), most=100),
        },
        rejected=_counts("kind", "files", _ordered(sheet.extracted["rejected"]), most=100),
        left_out=_counts("kind", "crops", _ordered(sheet.extracted["versions_left_out"]), most=100),
        suggested=sheet.extracted.get("suggested", 0),  # an earlier release's report lacks it
        corrected=_corrected(sheet.corrections),
        quarantined=_counts("expectation broken", "crops", _ordered(failures), most=100),
    )


def _rendered(template: str, **values: Any) -> str:
    environment = Environment(  # Markdown, in which the values are escaped where they are texts
        loader=PackageLoader("cropperhead.report"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "text": markdown.text,
        "number": markdown.number,
        "count": "{:,}".format,
        "megabytes": lambda size: f"{size / 1e6:.2f} MB",
    }
    environment.globals |= {"share": _share, "plural": _plural, "code": markdown.code}
    return environment.get_template(template).render(**values)


def _share(part: int, whole: int) -> str:
    return f"{part / whole * 100:.1f} %" if whole else "0 %"


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _part(held: Inventory, name: str) -> SplitSize:
    return held.splits.get(name, _NOT_A_PART)


def _facts(facts: list[tuple[str, str]]) -> str:
    rows = [(markdown.text(name), markdown.text(value) or markdown.NONE) for name, value in facts]
    return markdown.table(("fact", "value"), rows, words=2)


def _interval(interval: Interval, digits: int = 3, signed: bool = False) -> str:
    mean = markdown.number(interval.mean, digits, signed)
    if not all(map(math.isfinite, (interval.mean, interval.low, interval.high))):
        return mean
    low, high = (markdown.number(end, digits, signed) for end in (interval.low, interval.high))
    return f"{mean} ({low} to {high})"


def _factors(comparison: Comparison) -> str:
    """What the slices are told apart by."""
    names = dict.fromkeys(markdown.text(each.by).lower() for each in comparison.slices)
    return ", ".join(names) or "nothing, as no parts were told apart"


def _slices(comparison: Comparison) -> str:
    head = ("part of the test photos", "photos", "overlap", "gain over the constant crop")
    return markdown.table(
        head,
        [
            (
                f"{markdown.text(each.by)}: {markdown.text(each.part)}",
                f"{each.photos:,}",
                _interval(each.overlap),
                _interval(each.gain, signed=True),
            )
            for each in comparison.slices
        ],
    )


def _measures(comparison: Comparison, labels: Mapping[str, str]) -> str:
    """A row for each cropper, a column for each measure."""
    measures = comparison.measures
    croppers = list(dict.fromkeys(key for measure in measures for key in measure.values))
    nothing = Interval(math.nan, math.nan, math.nan)
    head = [f"{m.name}{f', {m.unit}' if m.unit else ''}{_BETTER[m.better]}" for m in measures]
    rows = [
        (_label(key, labels), *(_interval(m.values.get(key, nothing)) for m in measures))
        for key in croppers
    ]
    return markdown.table(("cropper", *map(markdown.text, head)), rows)


def _judged(comparison: Comparison, labels: Mapping[str, str]) -> str:
    rows = [(_label(each.cropper, labels), _interval(each.auc)) for each in comparison.judged]
    return markdown.table(("cropper", "told apart (AUC)"), rows)


def _agreements(comparison: Comparison, labels: Mapping[str, str]) -> str:
    head = ("cropper", "overlap with all people", "with the closest")
    rows = [
        (_label(each.cropper, labels), _interval(each.mean), _interval(each.best))
        for each in comparison.agreements
    ]
    return markdown.table(head, rows)


def _label(cropper: str, labels: Mapping[str, str]) -> str:
    return markdown.text(labels.get(cropper, cropper))


def _corrected(found: Corrections | None) -> str:
    """How far corrections lie from suggestions; empty where there were none."""
    if found is None or not found.corrected:
        return ""
    head = ("corrected photos", "overlap", "boundary displacement", "angle, degrees")
    means = (_interval(each) for each in (found.overlap, found.displacement, found.angle))
    return markdown.table(head, [(f"{found.corrected:,}", *means)])


def _parts(held: Inventory) -> str:
    rows = [
        (name, f"{part.photos:,}", f"{part.groups:,}", f"{part.crops:,}")
        for name, part in held.splits.items()
    ]
    return markdown.table(("split", "photos", "groups", "crops"), rows)


def _limits(limits: Mapping[str, Quartiles]) -> str:
    rows = []
    for name, spread in limits.items():
        digits, unit = (2, "°") if name == "angle" else (3, "")
        values = (spread.low, spread.median, spread.high)
        rows.append((name, *(markdown.number(value, digits) + unit for value in values)))
    return markdown.table(("limit", "a quarter below", "median", "a quarter above"), rows)


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts above 0, the highest first."""
    found = {name: count for name, count in counts.items() if count}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _with_undated(held: Inventory) -> dict[str, int]:
    return {**held.years, **({"unknown": held.without_date} if held.without_date else {})}


def _counts(kind: str, what: str, counts: Mapping[str, int], most: int = _MOST) -> str:
    """A table of the first `most` counts, and the rest together; empty where there is none."""
    whole = sum(counts.values())
    shown = [(markdown.text(name), count) for name, count in list(counts.items())[:most]]
    rest = list(counts.values())[most:]
    if rest:
        shown.append((f"{len(rest):,} others", sum(rest)))
    rows = [(name, f"{count:,}", _share(count, whole)) for name, count in shown]
    return markdown.table((kind, what, "share"), rows)
