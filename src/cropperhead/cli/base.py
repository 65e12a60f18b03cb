"""The command `base`: make a base model, which others start from."""

import tempfile
from contextlib import nullcontext
from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT, PATH, catalog_option


@click.group
def command() -> None:
    """Make a base model: what crops look like to many people."""


@command.command(short_help="Train a base model on the crops in a folder.")
@click.argument("library", type=PATH)
@click.option(
    "--out",
    type=OUTPUT,
    default=Path("base-model"),
    show_default=True,
    metavar="DIR",
    help="Write the base model here. It holds no photo.",
)
@click.option(
    "--work",
    type=OUTPUT,
    metavar="DIR",
    help="Keep small copies of the photos here; a second run reads only new ones.",
)
@click.option(
    "--learned-from",
    metavar="NAME",
    help="What suggest calls these photos when it says what the model learned from.",
)
@catalog_option
def build(
    library: Path,
    out: Path,
    work: Path | None,
    learned_from: str | None,
    catalogs: tuple[Path, ...],
) -> None:
    """Train a base model on all crops in the folder LIBRARY, which is opened read-only.

    To start from it, name its folder in train.base of params.yaml; to use it as it is, pass it to
    `suggest --model`. It contains hashes of the photos, so that an evaluation leaves out those that
    it learned from.
    """
    from cropperhead import params
    from cropperhead.training.build_base import build_base

    settings = params.load()
    all_catalogs = [*settings.extract.catalog_files, *catalogs]
    temporary = tempfile.TemporaryDirectory(prefix="cropperhead-") if work is None else None
    with temporary or nullcontext(str(work)) as folder:
        click.echo(build_base(library, all_catalogs, out, Path(folder), settings, learned_from))
