"""The command `collected`: use the crops that people sent."""

from pathlib import Path

import click

from cropperhead.cli.options import OUTPUT, PATH
from cropperhead.words import format_count

_place = click.option(
    "--from",
    "place",
    metavar="PLACE",
    help="The folder or URL of a collection.  [default: extract.collected in params.yaml]",
)


@click.group
def command() -> None:
    """Use the crops that people sent to a collection (`cropperhead serve --collect`)."""


@command.command("export", short_help="Write accepted crops and photos to a folder.")
@click.argument("folder", type=OUTPUT, metavar="DIR")
@_place
def export(folder: Path, place: str | None) -> None:
    """Write the accepted crops and their photos to the folder DIR.

    `extract.collected` can name that folder in place of the collection. Exporting again deletes
    what was withdrawn.
    """
    from cropperhead.collection import handover

    photos, crops = handover.export(_chosen(place), folder)
    verb = "is" if crops == 1 else "are"
    of_photos = f"{format_count(crops, 'crop')} of {format_count(photos, 'photo')}"
    click.echo(f"{of_photos} {verb} in {folder}")


@command.command("check", short_help="Check that no photo is missing.")
@_place
@click.option("--sweep", is_flag=True, help="Delete photos that no crop belongs to.")
def check(place: str | None, sweep: bool) -> None:
    """Count a collection's crops and check that every photo is there.

    Exits with status 1 if a photo is missing.
    """
    from cropperhead.collection import migrate, settings

    collection = settings.open_collection(_chosen(place))
    migrate.require_current(collection.database)
    counts, missing = collection.counts(), collection.missing_objects()
    for status, number in counts.crops.items():
        click.echo(f"{number:>9,} {status}")
    click.echo(f"{counts.withdrawn:>9,} withdrawn")
    photos = format_count(counts.photos, "photo", width=9)
    click.echo(f"{photos}, {counts.photo_bytes / 1e6:,.1f} MB")
    if sweep:
        click.echo(f"{format_count(collection.sweep(), 'photo', width=9)} without a crop deleted")
    for name in missing:
        click.echo(f"missing: {name}", err=True)
    if missing:
        raise click.exceptions.Exit(1)


@command.command("import-photos", short_help="Take over an earlier service's photos.")
@click.argument("documents", type=PATH, metavar="FILE")
@click.argument("photos", type=PATH, metavar="PHOTOS")
@click.argument("out", type=OUTPUT, metavar="DIR")
def import_photos(documents: Path, photos: Path, out: Path) -> None:
    """Take over the photos of the first CropperHead's service, DataLibrarian.

    FILE is a collection that mongoexport wrote, PHOTOS a folder with a copy of the bucket. The
    photos are written to the folder DIR, checked and without metadata; their crops are not, since
    they cannot be repaired.
    """
    from cropperhead.collection import former

    taken = former.take_over(documents, photos, out)
    for name, reason in taken.refused:
        click.echo(f"{name}: {reason}", err=True)
    click.echo(
        f"{format_count(taken.photos, 'photo')} of {format_count(taken.documents, 'document')} "
        f"{'is' if taken.photos == 1 else 'are'} in {out}, "
        f"{len(taken.refused):,} left out"
    )


@command.command("hash-password", short_help="Hash the moderation password.")
@click.password_option(help="The password. Without it, you are asked for it.")
def hash_password(password: str) -> None:
    """Print the hash of a moderation password, for CROPPERHEAD_MODERATION_PASSWORD_HASH."""
    from cropperhead.web import moderation

    click.echo(moderation.hash_password(password))


def _chosen(place: str | None) -> str:
    from cropperhead import params

    chosen = place or params.nearest_extract().collected
    if not chosen:
        raise click.UsageError("Pass --from PLACE, or set extract.collected in params.yaml.")
    return chosen
