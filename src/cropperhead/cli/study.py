"""The command `study`: let people vote on crops without knowing whose they are."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cropperhead.cli.options import OUTPUT, PATH

if TYPE_CHECKING:
    import pandas as pd

    from cropperhead.params import Params

_study = click.option(
    "--study",
    "folder",
    type=OUTPUT,
    metavar="DIR",
    help="The study's folder.  [default: study.folder in params.yaml]",
)


@click.group
def command() -> None:
    """Let people vote on crops without knowing who made them."""


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
@click.option(
    "--training",
    is_flag=True,
    help="Show training photos, to learn from the crops that people prefer (train.preferences); "
    "the folder is then study.training_folder.",
)
def new(folder: Path | None, sessions: int, training: bool) -> None:
    """Cut crops of test photos, or of training photos, and decide who is shown which."""
    from cropperhead import params
    from cropperhead.dataset.split_labels import TEST, TRAIN
    from cropperhead.errors import DataError
    from cropperhead.study import folder as folders
    from cropperhead.system.file_hash import file_sha256
    from cropperhead.system.project_files import EXTRACTED, MODEL, SCORES
    from cropperhead.words import format_count

    loaded = params.load()
    settings = loaded.study
    place = folder or Path(settings.training_folder if training else settings.folder)
    folders.require_none(place)  # before thousands of crops are computed
    scores = _scores(loaded, training)
    if scores is None or not MODEL.exists():
        raise DataError(f"{SCORES} or {MODEL}: not found. Run `dvc repro` first.")
    study, left_out = folders.create(
        place,
        scores,
        EXTRACTED,
        file_sha256(MODEL),
        settings,
        sessions,
        TRAIN if training else TEST,
    )
    ballots = len(study.design[0])
    click.echo(
        f"{place}: a study of {format_count(len(study.photos), 'photo')} and "
        f"{len(study.croppers)} croppers, with {format_count(sessions, 'session')} of "
        f"{ballots} ballots ({format_count(left_out, 'photo')} left out)"
    )


@command.command("export", short_help="Write the page on which people vote.")
@click.argument("target", type=OUTPUT, metavar="DIR")
@_study
def export(target: Path, folder: Path | None) -> None:
    """Write the study to the new folder DIR, as a page for people to vote on.

    Nothing in it says whose crop is whose. Put it on any web server, or let people open its
    index.html from the disk. Each saves a file of votes at the end, for `study import`.
    """
    from cropperhead.study import export as static
    from cropperhead.words import format_count

    sessions = format_count(static.export(_folder(folder), target), "session")
    click.echo(f"{target / 'index.html'}: {sessions}; index.html?session=1 is the first")


@command.command("import", short_help="Add the votes that people sent back.")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@_study
def import_votes(files: tuple[Path, ...], folder: Path | None) -> None:
    """Add the files of votes that came back to the study; `dvc repro` then reports them.

    Votes that were imported before are not counted again.
    """
    from cropperhead.study import returned
    from cropperhead.words import format_count

    done = returned.import_files(files, _folder(folder))
    for problem in done.rejected:
        click.echo(problem, err=True)
    click.echo(
        f"{format_count(done.new, 'new vote')}; {done.known:,} imported before; "
        f"{format_count(len(done.rejected), 'file')} rejected"
    )
    if done.rejected:
        raise click.exceptions.Exit(1)


@command.command("raters", short_help="List the people who voted.")
@_study
def raters(folder: Path | None) -> None:
    """List the numbers of the people who voted, how many votes each has, and who did not look.

    The last column is the probability that the person looked at the pictures, judged by catch
    trials, repeated ballots and haste.
    """
    from cropperhead import params
    from cropperhead.study import collect
    from cropperhead.study import folder as folders
    from cropperhead.study.attention import rater_weights
    from cropperhead.study.votes import BALLOT

    place = _folder(folder)
    folders.load(place)
    table = collect.read_table(place, params.load().study.collected).table
    votes = table.drop_duplicates(BALLOT)["rater"].value_counts()
    for rater, looked in rater_weights(table).sort_values(kind="stable").items():
        click.echo(f"{rater}  {votes[str(rater)]:4}  {looked:.2f}")


@command.command("ban", short_help="Delete people's votes on the server, for good.")
@click.argument("raters", nargs=-1, required=True, metavar="RATER...")
@_study
def ban(raters: tuple[str, ...], folder: Path | None) -> None:
    """Delete the votes of people in the collection that study.collected names.

    A RATER is a number that `cropperhead study raters` lists. Further votes under that number are
    refused, but a person who deletes the page's data in the browser gets a new number. If the
    collection has no such person, the exit status is 1, and the files that hold the person's votes
    are listed: delete those.
    """
    from cropperhead import params
    from cropperhead.study import returned, voting

    place = _folder(folder)
    banned = voting.ban(raters, place, params.load().study.collected)
    for rater in raters:
        files = ", ".join(map(str, returned.files_of(rater, place)))
        absent = f"the votes are in {files}; delete that" if files else "no such person"
        click.echo(f"{rater}: {'banned' if rater in banned else absent}")
    if len(banned) < len(set(raters)):
        raise click.exceptions.Exit(1)


def _scores(loaded: "Params", training: bool) -> "pd.DataFrame | None":
    """The crops to choose from: those of the last evaluation, or the same of training photos."""
    from cropperhead.dataset import split_labels
    from cropperhead.evaluation import score_files
    from cropperhead.system.project_files import EXTRACTED, LABELS, MODEL, SCORES, SPLITS

    if not training or not MODEL.exists():
        return score_files.read_scores(SCORES)
    from cropperhead.evaluation import evaluate

    labels = split_labels.read_labels_with_splits(LABELS, SPLITS)
    return evaluate.score_training_photos(labels, EXTRACTED, MODEL, loaded)


def _folder(folder: Path | None) -> Path:
    from cropperhead import params

    return folder or Path(params.load().study.folder)
