"""Options that several commands share."""

import os
from pathlib import Path
from typing import Any

import click

from cropperhead.system import filenames
from cropperhead.system.engine import ENGINES, LOCAL


class _HomePath(click.Path):
    """A path; a leading ~, which shells leave alone in quotes, is the user's home."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            return path.expanduser()
        except RuntimeError:  # the home of a user who does not exist
            return path


class _OutputPath(_HomePath):
    """A path to write to, which the writers of tables can take."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path: Path = super().convert(value, param, ctx)
        if not filenames.is_safe_path(path):
            name = filenames.escape_path(path)
            self.fail(f"'{name}' holds a line break or is not valid UTF-8.", param, ctx)
        return path


TIGHTER, LOOSER = 0.9, 1.12  # times the sides: 0.81 and 1.25 of the area
PATH, OUTPUT = _HomePath(path_type=Path), _OutputPath(path_type=Path)

catalog_option = click.option(
    "--catalog",
    "catalogs",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Read this Lightroom catalog (.lrcat) in addition to those in params.yaml. May be "
    "repeated.",
)

engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=LOCAL,
    show_default=True,
    help="Where the model runs: in processes of this machine, or on a Ray cluster.",
)

address_option = click.option(
    "--address",
    default="",
    metavar="HOST:PORT",
    help="Of the Ray cluster, or auto.  [default: a Ray on this machine alone]",
)

into_photos_option = click.option(
    "--into-photos",
    is_flag=True,
    help="For lightroom: write into JPEG, TIFF and DNG files themselves, where Lightroom reads no "
    "sidecar. Only their XMP changes, and the whole photos are kept for --undo.",
)

tighter_option = click.option(
    "--tighter",
    "size",
    flag_value=TIGHTER,
    type=float,
    default=1.0,
    help="Keep a fifth less of each photo than suggested.",
)
looser_option = click.option(
    "--looser",
    "size",
    flag_value=LOOSER,
    type=float,
    help="Keep a fourth more of each photo than suggested.",
)
no_straighten_option = click.option("--no-straighten", is_flag=True, help="Turn no photo.")
