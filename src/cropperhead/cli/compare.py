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
    import pandas  # noqa: F401 - a bare installation says what it lacks before it misses files

    from cropperhead import params
    from cropperhead.errors import DataError
    from cropperhead.system.project_files import HISTORY, LABELS, MODEL, SPLITS

    settings = params.load()
    for file in (MODEL, LABELS, SPLITS, HISTORY):  # before TensorFlow is imported
        if not file.exists():
            raise DataError(f"{file}: not found. Run `dvc repro` first, from the project's root.")
    from cropperhead.report import other_library

    all_catalogs = [*settings.extract.catalog_files, *catalogs]
    click.echo(other_library.evaluate_on_library(library, all_catalogs, out, settings))
