"""Options that several commands share."""

import os
from pathlib import Path
from typing import Any

import click

from cropperhead.errors import ParamsError
from cropperhead.system import filenames, object_store
from cropperhead.system.engine import ENGINES, LOCAL


class _HomePath(click.Path):
    """A path; a leading ~, which shells leave alone in quotes, is the user's home."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if object_store.is_url(os.fsdecode(value)):
            object_store.refuse_secrets(os.fsdecode(value), ParamsError)
            self.fail(f"{value} is a URL, expected a path on this machine.", param, ctx)
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


class _Library(_HomePath):
    """The path of a photo library, or its URL in an object store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from cropperhead.library.store import find_library

        if isinstance(value, str) and object_store.is_url(value):
            return find_library(value)
        return super().convert(value, param, ctx)


TIGHTER, LOOSER = 0.9, 1.12  # times the sides: 0.81 and 1.25 of the area
PATH, OUTPUT = _HomePath(path_type=Path), _OutputPath(path_type=Path)
LIBRARY = _Library(path_type=Path)

catalog_option = click.option(
    "--catalog",
    "catalogs",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Read this Lightroom catalog (.lrcat) in addition to those in params.yaml. May be "
    "repeated.",
)

exported_model_option = click.option(
    "--model",
    help="An exported model's file or folder, or its name in MLflow's registry, such as "
    "models:/cropperhead@champion.  [default: the model in models/, else the base model]",
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
    help="The Ray cluster's address, or auto.  [default: a Ray on this machine alone]",
)

into_photos_option = click.option(
    "--into-photos",
    is_flag=True,
    help="For lightroom: write into JPEG, TIFF and DNG files themselves, where Lightroom reads no "
    "sidecar. Only their XMP changes, and the whole photos are kept for --undo.",
)

tighter_option = click.option(
    "--tighter", is_flag=True, help="Keep a fifth less of each photo than suggested."
)
looser_option = click.option(
    "--looser", is_flag=True, help="Keep up to a quarter more of each photo than suggested."
)
no_straighten_option = click.option("--no-straighten", is_flag=True, help="Do not turn any photo.")


def crop_size(tighter: bool, looser: bool) -> float:
    """What to multiply the sides of crops by."""
    if tighter and looser:
        raise click.UsageError("--tighter excludes --looser.")
    return TIGHTER if tighter else LOOSER if looser else 1.0
