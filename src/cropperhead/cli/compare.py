"""The command `compare`: compare the trained model with other croppers on another library."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT, PATH, catalog_option


@click.command
@click.argument("library", type=PATH)
@click.option(
    "--out",
    type=OUTPUT,
    required=True,
    metavar="DIR",
    help="Write small copies and the report here.",
)
@catalog_option
def command(library: Path, out: Path, catalogs: tuple[Path, ...]) -> None:
    """Score every cropper on the photos in the folder LIBRARY, which is opened read-only.

    Writes the same scores and report as the pipeline does for its test photos. Photos that the
    model was trained on are skipped.
    """
    from cropperhead import params
    from cropperhead.report import other_library

    settings = params.load()
    all_catalogs = [*settings.extract.catalog_files, *catalogs]
    click.echo(other_library.evaluate_on_library(library, all_catalogs, out, settings))
