"""The command `gate`: fail if the results are worse than earlier ones."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT
from cropperhead.errors import CropperheadError


@click.command
@click.option(
    "--against",
    metavar="REV",
    help="Compare with this git revision, or with a model in MLflow's registry, such as "
    "models:/cropperhead@champion.  [default: main, or else origin/main]",
)
@click.option(
    "--out",
    type=OUTPUT,
    default=Path("reports/gate.md"),
    show_default=True,
    metavar="FILE",
    help="Write the findings here, as Markdown.",
)
@click.option(
    "--accept-changed-test",
    is_flag=True,
    help="Accept other test photos or human crops, and compare on those that are left.",
)
def command(against: str | None, out: Path, accept_changed_test: bool) -> None:
    """Compare this workspace's results with earlier ones, on the photos that both tested.

    If the gate passes, the model becomes the champion in MLflow's registry.
    """
    from cropperhead import params
    from cropperhead.evaluation import gate, score_files
    from cropperhead.report import gate_report
    from cropperhead.system import model_files
    from cropperhead.system.project_files import DETAILS, SCORES

    settings, scores = params.load().gate, score_files.read_scores(SCORES)
    votes = score_files.read_votes(DETAILS)
    if against and model_files.is_registered(against):
        baseline = score_files.read_registered(against)
    else:
        baseline = score_files.read_baseline(against)
    result = gate.check_scores(scores, baseline, settings, accept_changed_test, votes)
    findings = gate_report.gate_markdown(result)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(findings, encoding="utf-8")
    click.echo(findings)
    if not result.passed:
        raise CropperheadError(f"The gate failed: {', '.join(result.failed_checks)}. See {out}.")
    _promote()


def _promote() -> None:
    """Make the model the champion, if the scores are its own."""
    from cropperhead.evaluation.score_files import is_model_evaluated
    from cropperhead.system.project_files import LOCK, MODEL, SCORES

    if MODEL.exists() and not is_model_evaluated(MODEL, SCORES, LOCK):
        click.echo(f"MLflow: {MODEL} was not promoted, because {SCORES} is not of this model.")
        return
    from cropperhead.training import tracking

    click.echo(tracking.promote(MODEL))
