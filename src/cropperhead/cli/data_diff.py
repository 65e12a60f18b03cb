"""The command `data-diff`: show what has changed in the data since an earlier commit."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT


@click.command
@click.argument("revision", metavar="REV")
@click.option(
    "--out",
    type=OUTPUT,
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Write the page and its picture here.",
)
def command(revision: str, out: Path) -> None:
    """Compare this workspace's labels and splits with those of a commit.

    REV is a commit, branch or tag. The comparison covers photos, crops, moves between splits, and
    the distribution of the crops.
    """
    from cropperhead.dataset import revisions
    from cropperhead.report import data_diff, data_diff_page
    from cropperhead.words import format_count

    root = Path()
    changes = data_diff.compare_versions(
        revisions.read_revision(root, revision), revisions.read_workspace(root)
    )
    page, picture = data_diff_page.write_changes(changes, out)
    click.echo(f"{changes}\nSee {page} and {picture}.")
    if changes.leaks:
        leaks = format_count(len(changes.leaks), "photo leaks", "photos leak")
        click.echo(f"{leaks} into or out of the test split.", err=True)
