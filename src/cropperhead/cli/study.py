"""The command `study`: let people vote on crops without knowing whose they are."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT, PATH

_study = click.option(
    "--study",
    "folder",
    type=PATH,
    metavar="DIR",
    help="The study's folder.  [default: study.folder in params.yaml]",
)


@click.group
def command() -> None:
    """Let people vote on crops of the test photos without knowing who made them."""


@command.command("new", short_help="Cut the crops to vote on.")
@_study
@click.option(
    "--sessions",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    metavar="N",
    help="Design this many sessions, for one person each; more people share them.",
)
def new(folder: Path | None, sessions: int) -> None:
    """Cut the crops of the last evaluation, and design who is asked what."""
    from cropperhead import params
    from cropperhead.errors import DataError
    from cropperhead.evaluation import score_files
    from cropperhead.evaluation.number_text import format_count
    from cropperhead.study import folder as folders
    from cropperhead.system.file_hash import file_sha256
    from cropperhead.system.project_files import EXTRACTED, MODEL, SCORES

    settings = params.load().study
    scores = score_files.read_scores(SCORES)
    if scores is None or not MODEL.exists():
        raise DataError(f"{SCORES} or {MODEL}: not found. Run `dvc repro` first.")
    place = folder or Path(settings.folder)
    study, left_out = folders.create(
        place,
        scores,
        EXTRACTED,
        file_sha256(MODEL),
        settings.croppers,
        seed=settings.seed,
        sessions=sessions,
    )
    ballots = len(study.design[0])
    click.echo(
        f"{place}: a study of {len(study.photos):,} photos and {len(study.croppers)} croppers, "
        f"with {format_count(sessions, 'session')} of {ballots} ballots "
        f"({format_count(left_out, 'photo')} left out)"
    )


@command.command("export", short_help="Write the page on which people vote.")
@click.argument("target", type=OUTPUT, metavar="DIR")
@_study
def export(target: Path, folder: Path | None) -> None:
    """Write the study to the new folder DIR, as a page for people to vote on.

    Nothing in it says whose crop is whose. Put it on any web server, or let people open its
    index.html from the disk. Each saves a file of votes at the end, for `study import`.
    """
    from cropperhead.evaluation.number_text import format_count
    from cropperhead.study import export as static

    sessions = format_count(static.export(_folder(folder), target), "session")
    click.echo(f"{target / 'index.html'}: {sessions}; index.html?session=1 is the first")


@command.command("import", short_help="Add the votes that people sent back.")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@_study
def import_votes(files: tuple[Path, ...], folder: Path | None) -> None:
    """Add the files of votes that came back to the study; `dvc repro` then reports them.

    Votes that were imported before are not counted again.
    """
    from cropperhead.evaluation.number_text import format_count
    from cropperhead.study import returned

    done = returned.import_files(files, _folder(folder))
    for problem in done.rejected:
        click.echo(problem, err=True)
    click.echo(
        f"{format_count(done.new, 'new vote')}; {done.known:,} there before; "
        f"{format_count(len(done.rejected), 'file')} rejected"
    )
    if done.rejected:
        raise click.exceptions.Exit(1)


def _folder(folder: Path | None) -> Path:
    from cropperhead import params

    return folder or Path(params.load().study.folder)
