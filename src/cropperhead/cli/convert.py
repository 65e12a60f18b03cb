"""The command `convert`: copy crops from one editor to another."""

from pathlib import Path

import click

from cropperhead.cli.options import PATH, catalog_option, into_photos_option
from cropperhead.editors.names import EMBEDDING_NAMES, NAMES, WRITABLE_NAMES
from cropperhead.errors import CropperheadError


@click.command
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--to", required=True, type=click.Choice(WRITABLE_NAMES), help="The editor to write for."
)
@click.option(
    "--from", "source", type=click.Choice(NAMES), help="Use only the crops made in this editor."
)
@into_photos_option
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace crops you already made in that editor.")
@catalog_option
def command(
    paths: tuple[Path, ...],
    to: str,
    source: str | None,
    into_photos: bool,
    dry_run: bool,
    overwrite: bool,
    catalogs: tuple[Path, ...],
) -> None:
    """Copy your crops from other editors into one editor's sidecars.

    PATH is a photo, a folder of photos or a pattern. Photos are never changed, unless you pass
    --into-photos, and everything else in a file is kept. Crops you already made in that editor are
    kept unless you pass --overwrite. Where several other editors have a crop, the first of those
    listed at --from is used. Lightroom reads sidecars of RAW photos, but none of JPEG, TIFF and DNG
    files: these are listed, unless you pass --into-photos.
    """
    from cropperhead import params
    from cropperhead.writeback import convert

    if source == to:
        raise CropperheadError(f"--from and --to are both {to}, expected two editors.")
    if into_photos and to not in EMBEDDING_NAMES:
        raise click.UsageError("--into-photos needs --to lightroom.")
    settings = params.nearest_extract()
    order = convert.ConversionOptions(to, source, overwrite, dry_run, into_photos)
    summary = convert.convert(paths, order, settings, [*settings.catalog_files, *catalogs])
    click.echo(summary)
    if summary.failed:
        raise CropperheadError("Some crops were not converted.")
