"""The command `demo-library`: draw a photo library with crops."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT
from cropperhead.errors import CropperheadError
from cropperhead.params import DEMO_POLICIES, DemoPolicy
from cropperhead.words import format_count


@click.command
@click.argument("folder", type=OUTPUT, metavar="DIR")
@click.option(
    "--photos",
    type=int,
    default=300,
    show_default=True,
    metavar="N",
    help="The number of photos.",
)
@click.option(
    "--policy",
    type=click.Choice(DEMO_POLICIES),
    default="rule",
    show_default=True,
    help="With rule, crops follow the scene; with random, they ignore it.",
)
@click.option(
    "--seed", type=int, default=20, show_default=True, metavar="N", help="The random seed."
)
def command(folder: Path, photos: int, policy: DemoPolicy, seed: int) -> None:
    """Draw illustrated scenes with crops into DIR, a new or empty folder.

    The same options always give the same bytes.
    """
    try:
        from cropperhead.demo import draw_library
    except ModuleNotFoundError as error:
        if error.name != "cropperhead.demo":
            raise
        raise CropperheadError(
            "The demo library is not part of the installed package: "
            "run `make setup` in a checkout of CropperHead's repository."
        ) from None

    counts = draw_library(folder, photos, policy, seed)
    nouns = {"photos": "photo", "sidecars": "sidecar", "exports": "export"}
    parts = [format_count(n, nouns.get(name, name), name) for name, n in counts.items()]
    click.echo(f"Drew {folder}: {', '.join(parts)}.")
