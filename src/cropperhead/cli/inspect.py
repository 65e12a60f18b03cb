"""The command `inspect`: show the crops found in a photo."""

from pathlib import Path

import click

from cropperhead.cli.options import PATH, catalog_option
from cropperhead.errors import LibraryError


@click.command
@click.argument("photos", type=PATH, nargs=-1, required=True, metavar="PHOTO...")
@click.option("--draw", type=PATH, metavar="DIR", help="Draw each photo's crops into this folder.")
@catalog_option
def command(photos: tuple[Path, ...], draw: Path | None, catalogs: tuple[Path, ...]) -> None:
    """Show each photo's crops: who made them, in which editor, and their position.

    PHOTO is a photo or a folder of photos.
    """
    from cropperhead import params
    from cropperhead.dataset import inspect

    if draw and draw.exists() and not draw.is_dir():
        raise LibraryError(f"--draw: {draw} is a file, expected a folder for the pictures")
    settings = params.load_nearest().extract
    all_catalogs = [*settings.catalog_files, *catalogs]
    drawn_files: set[Path] = set()
    is_missing = False
    for file, reading in inspect.read(photos, settings, all_catalogs, pixels=draw is not None):
        click.echo(inspect.told(file, reading))
        is_missing |= reading.outcome.kind == "no_photo"
        if draw and reading.rows:
            click.echo(f"  drawn in {inspect.draw(file, reading, draw, drawn_files)}")
    if is_missing:
        raise LibraryError("Some of the files are not photos.")
