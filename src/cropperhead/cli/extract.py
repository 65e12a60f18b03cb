"""The command `extract`: read the crops in a photo library."""

from pathlib import Path

import click

from cropperhead.cli.options import LIBRARY, OUTPUT, catalog_option
from cropperhead.errors import LibraryError
from cropperhead.library.store import Library


@click.command
@click.argument("library", type=LIBRARY)
@click.option(
    "--dry-run", is_flag=True, help="Count what is there. No picture is decoded, no file written."
)
@click.option("--out", type=OUTPUT, metavar="DIR", help="Write labels and small copies here.")
@click.option(
    "--shards",
    "url",
    default="",
    metavar="URL",
    help="Store the labels and copies at s3://BUCKET/PREFIX, too, and go on from what is there if "
    "DIR is empty.",
)
@catalog_option
def command(
    library: Library, dry_run: bool, out: Path | None, url: str, catalogs: tuple[Path, ...]
) -> None:
    """Read every crop in the folder LIBRARY, which is opened read-only, or in s3://BUCKET/PREFIX.

    Pass either --dry-run or --out. `dvc repro` reads the library named in params.yaml in the same
    way, and DVC versions the result.
    """
    if dry_run == (out is not None):
        raise click.UsageError("Pass either --dry-run or --out DIR.")
    if url and out is None:
        raise click.UsageError("--shards needs --out DIR.")
    from cropperhead import params
    from cropperhead.dataset import preview
    from cropperhead.library import scan

    settings = params.nearest_extract()
    found = scan.scan(library, [*settings.catalog_files, *catalogs], settings.tags)
    if out is None:
        summary: preview.ExtractionSummary = preview.preview(library, found.entries, settings)
        message = "No picture was decoded, so damaged files and duplicates are counted as photos."
        click.echo(message, err=True)
    else:
        from cropperhead.dataset import extract  # PyArrow, which a preview does without
        from cropperhead.system import arrow

        arrow.leave_out_pandas()
        summary = extract.extract_into(out, library, found.entries, settings, url)
    lines = [library, summary, preview.describe_other_editors(found.other_editors)]
    click.echo("\n".join(str(line) for line in lines if str(line)))
    if not summary.labels:
        raise LibraryError(preview.NO_CROP)
