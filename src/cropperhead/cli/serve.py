"""The command `serve`: the page in the browser."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cropperhead.cli.options import PATH, exported_model_option

if TYPE_CHECKING:
    from fastapi import APIRouter

    from cropperhead.collection.settings import CollectionSettings

_PORT = click.IntRange(0, 65535)


@click.command
@exported_model_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen on this address. Any other than the default can be reached from the network.",
)
@click.option(
    "--port",
    type=_PORT,
    default=0,
    show_default=True,
    metavar="N",
    help="Listen on this port; 0 chooses a free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A host name by which the page may be addressed, if it is not the loopback address. May "
    "be repeated.",
)
@click.option(
    "--read-photos",
    is_flag=True,
    help="Let the server read photos that browsers do not show: HEIC, TIFF and RAW. The page sends "
    "them to it.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@click.option(
    "--collect",
    "place",
    is_flag=False,
    flag_value="",
    metavar="[PLACE]",
    help="Let people send their crops, and keep them in this folder, or in the database at this "
    "URL.  [default: data/collection]",
)
@click.option(
    "--study",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Let people vote on the study in this folder, at /study. Votes are kept in the "
    "collection's database.  [default: study.folder in params.yaml]",
)
@click.option(
    "-S",
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a setting of the collection, such as publish=all. May be repeated.",
)
@click.option(
    "--settings",
    "file",
    type=PATH,
    metavar="FILE",
    help="Read settings of the collection from this YAML file.",
)
@click.option("--describe", is_flag=True, help="Print the collection's settings and exit.")
def command(
    model: str | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    read_photos: bool,
    browser: bool,
    **collecting: Any,
) -> None:
    """Show predicted crops of your photos in the browser, and correct them there.

    The browser reads and crops the photos. They stay in it, unless --collect lets people send small
    copies of them, or --read-photos sends those that the browser cannot show. Press Ctrl-C to stop
    the server.
    """
    study = collecting.pop("study")
    if collecting.pop("describe"):
        from cropperhead.collection import settings

        click.echo(settings.describe(_collection_settings(**collecting)), nl=False)
        return
    from cropperhead.web import app, page_model, server

    routers = _routers(host in app.LOOPBACK_NAMES, study, **collecting)
    with page_model.find_page_model(model) as (_, found):
        hosts = (*app.LOOPBACK_NAMES, host, *names)
        application = app.create_app(app.PageSettings(found, hosts, routers, read_photos))
        opened = server.listen(server.Address(host, port))
        address = server.url(opened)
        click.echo(f"The page is at {address} (press Ctrl-C to stop).")
        if study is not None:
            address = server.url(opened, "/study/")
            click.echo(f"The study is at {address}")
        server.run(application, opened, address if browser else None)


def _routers(
    is_local: bool,
    study: str | None,
    place: str | None,
    assignments: tuple[str, ...],
    file: Path | None,
) -> "list[APIRouter]":
    """Make the routes of a collection and of a study; none without --collect and --study."""
    if place is None and study is None:
        if assignments or file:
            raise click.UsageError("-S and --settings are for a collection: pass --collect, too.")
        return []
    from cropperhead import params
    from cropperhead.web import service

    settings, routers = _collection_settings(place, assignments, file), []
    if place is not None:
        routers += service.collection_routers(settings, is_local)
    if study is not None:
        folder = Path(study or params.load().study.folder)
        routers.append(service.study_router(folder, settings))
    return routers


def _collection_settings(
    place: str | None, assignments: tuple[str, ...], file: Path | None
) -> "CollectionSettings":
    from cropperhead.collection import settings

    given = settings.parse_assignments(assignments) | ({"place": place} if place else {})
    return settings.load_settings(given, os.environ, file)
