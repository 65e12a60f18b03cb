"""The report of an evaluation on disk: page, summary, plots, model card and datasheet."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cropperhead.dataset import shards, split_labels
from cropperhead.dataset.inventory import take_inventory
from cropperhead.evaluation import corrections, evaluate, metrics
from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.evaluate import Evaluation
from cropperhead.params import Params, as_dict
from cropperhead.report import cards, chart_images, page, votes_section
from cropperhead.report.cards import Datasheet, ModelCard
from cropperhead.report.comparison import Comparison
from cropperhead.report.comparison_builder import build_comparison, gallery_photos
from cropperhead.report.votes_section import VotesSection
from cropperhead.study import findings as study_findings
from cropperhead.study import votes as study_votes
from cropperhead.system import atomic
from cropperhead.system.file_hash import file_sha256
from cropperhead.system.project_files import LOCK
from cropperhead.training import tracking
from cropperhead.training.choice_report import explain_choice, explain_preferred
from cropperhead.training.training_data import training_data_sha256


@dataclass(frozen=True)
class Inputs:
    """The pipeline's files that an evaluation reads.

    `extracted` is the folder of shards, `history` the training's log and `choice` what it chose
    between; `extract_report` and `validate_report` are the JSON reports of those stages.
    """

    extracted: Path
    labels: Path
    splits: Path
    preferred: Path
    model: Path
    history: Path
    choice: Path
    extract_report: Path
    validate_report: Path
    votes: Path


@dataclass(frozen=True)
class LibraryNotes:
    """What the report tells besides scores, of the library and of votes."""

    corrections: Corrections | None = None
    automatic: int = 0  # photos with only a crop that nobody made
    votes: VotesSection | None = None
    choice: Sequence[str] = ()  # sentences on what was chosen, and on preferred crops


@dataclass(frozen=True)
class Outputs:
    """The files that an evaluation writes; `plots` is a folder."""

    metrics: Path
    details: Path
    scores: Path
    page: Path
    summary: Path
    model_card: Path
    datasheet: Path
    plots: Path


def evaluate_and_report(inputs: Inputs, outputs: Outputs, params: Params) -> None:
    """Evaluate the pipeline's model, write all outputs, and log the evaluation in MLflow.

    Whatever ends it early, the outputs are those of the last evaluation, or new ones, all of them.
    """
    evaluation = evaluate.evaluate_pipeline(
        inputs.extracted, inputs.labels, inputs.splits, inputs.model, params
    )
    with replace_together(outputs) as drafts:
        _write_all(evaluation, inputs, drafts, params)
    _log_evaluation(evaluation, inputs, outputs, params)


def _write_all(evaluation: Evaluation, inputs: Inputs, outputs: Outputs, params: Params) -> None:
    votes = _read_votes(inputs, params)
    files = (outputs.metrics, outputs.details, outputs.scores, outputs.plots)
    numbers = votes_section.metrics(votes)
    more = {"votes": numbers} if numbers else {}
    metrics.write_numbers(evaluation, *files, more, votes_section.headline_metrics(votes))
    labels = split_labels.read_labels_with_splits(inputs.labels, inputs.splits)
    extract_report = _read_json(inputs.extract_report)
    changes = corrections.summarise_corrections(labels, extract_report, params.evaluate)
    choice = _read_json(inputs.choice)
    preferred = explain_preferred(choice)
    comparison = write_report(
        evaluation,
        inputs.extracted,
        inputs.history,
        outputs.page,
        outputs.summary,
        params,
        LibraryNotes(
            changes,
            int(extract_report.get("automatic", 0)),
            votes,
            [*explain_choice(choice), *preferred],
        ),
    )
    chart_images.write_plots(comparison, outputs.plots)
    inventory = take_inventory(labels, params.train.uncropped_area)
    validate_report = _read_json(inputs.validate_report)
    sheet = Datasheet(inventory, extract_report, validate_report, params, changes)
    outputs.datasheet.write_text(cards.render_datasheet(sheet), encoding="utf-8")
    learned_from = training_data_sha256(
        inputs.labels, inputs.splits, inputs.preferred, inputs.extracted
    )
    facts = cards.read_model_facts(inputs.model, learned_from)
    card = ModelCard(facts, comparison, inventory, preferred)
    outputs.model_card.write_text(cards.render_model_card(card), encoding="utf-8")


@contextmanager
def replace_together(outputs: Outputs) -> Iterator[Outputs]:
    """Give places for drafts of the outputs, which are moved there at the end of the block.

    If the block ends with an error, the outputs stay as they are.
    """
    folder = outputs.page.parent
    with tempfile.TemporaryDirectory(suffix=atomic.UNFINISHED, dir=folder) as unfinished:
        drafts = Outputs(**{one.name: Path(unfinished, one.name) for one in fields(Outputs)})
        yield drafts
        for one in fields(Outputs):
            _move(getattr(drafts, one.name), getattr(outputs, one.name))


def _move(draft: Path, target: Path) -> None:
    """Move a file, or a folder's files, over those that are there."""
    if draft.is_dir():
        for file in sorted(draft.iterdir()):
            _move(file, target / file.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)


def write_report(
    evaluation: Evaluation,
    folder: Path,
    history_file: Path,
    page_file: Path,
    summary_file: Path,
    params: Params,
    notes: LibraryNotes | None = None,
) -> Comparison:
    """Write the comparison as a page (HTML) and as a summary for a pull request (Markdown).

    Photos are read from the shards in `folder`.
    """
    notes = notes or LibraryNotes()
    photos = gallery_photos(evaluation, params.evaluate, notes.votes)
    images = dict(shards.iter_images(folder, photos))
    history = pd.read_csv(history_file)
    built = build_comparison(evaluation, history, images, params, notes.corrections, notes.votes)
    evidence = [*notes.choice, *built.evidence]
    comparison = replace(built, automatic=notes.automatic, evidence=evidence)
    page_file.write_text(page.render_page(comparison), encoding="utf-8")
    summary_file.write_text(page.render_summary(comparison), encoding="utf-8")
    return comparison


def _read_votes(inputs: Inputs, params: Params) -> VotesSection:
    """Read the votes on crops, and compute what they say; there may be none."""
    table = study_votes.read_votes(inputs.votes)
    if table.empty:
        return VotesSection(None)
    found = study_findings.summarise(table, params.evaluate.confidence)
    is_current = set(table["model"]) == {file_sha256(inputs.model)}
    return VotesSection(found, is_current)


def _log_evaluation(
    evaluation: Evaluation, inputs: Inputs, outputs: Outputs, params: Params
) -> None:
    headline = _read_json(outputs.metrics)
    evaluated = tracking.Evaluated(
        params=as_dict(params.evaluate) | {"outcome": headline["outcome"]},
        metrics=metrics.flatten_metrics(headline, "test.")
        | metrics.flatten_metrics(_read_json(outputs.details), "test_details/"),
        test_set=evaluation.test.sha256(),
        # without the table, which MLflow has as metrics
        description=outputs.summary.read_text(encoding="utf-8").partition("\n|")[0],
    )
    artifacts = [
        *(outputs.page, outputs.metrics, outputs.details, outputs.scores, outputs.summary),
        *(outputs.model_card, outputs.datasheet),
        *(outputs.plots / name for name in chart_images.PICTURES),
    ]
    tracking.log_evaluation(inputs.model, LOCK, evaluated, artifacts)


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))
