"""Options that several commands share."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)

catalog_option = click.option(
    "--catalog",
    "catalogs",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Read this Lightroom catalog (.lrcat) in addition to those in params.yaml. May be "
    "repeated.",
)
