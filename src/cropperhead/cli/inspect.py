"""The command `inspect`: show the crops found in a photo."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT, PATH, catalog_option
from cropperhead.errors import LibraryError, RejectedFile


@click.command
@click.argument("photos", type=PATH, nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--draw", type=OUTPUT, metavar="DIR", help="Draw each photo's crops into this folder."
)
@catalog_option
def command(photos: tuple[Path, ...], draw: Path | None, catalogs: tuple[Path, ...]) -> None:
    """Show each photo's crops: who made them, in which editor, and their position.

    PHOTO is a photo, a folder of photos or a pattern.
    """
    from cropperhead import params
    from cropperhead.dataset import inspect
    from cropperhead.library.edited_photo import NO_PHOTO, EditedPhoto

    if draw and draw.exists() and not draw.is_dir():
        raise LibraryError(f"--draw: {draw} is a file, expected a folder for the pictures")
    settings = params.nearest_extract()
    all_catalogs = [*settings.catalog_files, *catalogs]
    drawn_files: set[Path] = set()
    is_missing = False
    for file, photo in inspect.read_photos(photos, settings, all_catalogs, draw is not None):
        click.echo(inspect.describe(file, photo))
        is_missing |= isinstance(photo, RejectedFile) and photo.kind == NO_PHOTO
        if draw and isinstance(photo, EditedPhoto) and photo.person_crops:
            click.echo(f"  drawn in {inspect.draw(file, photo, draw, drawn_files)}")
    if is_missing:
        raise LibraryError("No photo was found at some of the paths.")
