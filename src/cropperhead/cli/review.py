"""The command `review`: a folder's suggested crops, decided on in the browser."""

from pathlib import Path
from typing import Any

import click

from cropperhead.cli.options import (
    PATH,
    catalog_option,
    crop_size,
    exported_model_option,
    looser_option,
    no_straighten_option,
    tighter_option,
)
from cropperhead.editors.names import WRITABLE_NAMES


@click.command
@click.argument("folder", type=PATH)
@click.option(
    "--write",
    "editor",
    type=click.Choice(WRITABLE_NAMES),
    default="darktable",
    show_default=True,
    help="Write accepted crops to this editor's sidecars.",
)
@exported_model_option
@tighter_option
@looser_option
@no_straighten_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="N",
    help="Listen on this port; 0 chooses a free one.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@catalog_option
def command(
    folder: Path,
    editor: str,
    model: str | None,
    port: int,
    browser: bool,
    catalogs: tuple[Path, ...],
    **wanted: Any,
) -> None:
    """Go through the suggested crops of FOLDER's photos in the browser.

    Accept, adjust or reject each by keyboard. Accepted crops are written when you say so, as
    `suggest --write` does: crops that people made are kept, and `suggest FOLDER --undo` undoes
    everything. Decisions are kept in FOLDER/.cropperhead. Press Ctrl-C to stop
    the server.
    """
    from cropperhead import params
    from cropperhead.errors import LibraryError
    from cropperhead.suggest import run
    from cropperhead.suggest.options import SuggestOptions
    from cropperhead.system import filenames
    from cropperhead.web import app, page_model, server
    from cropperhead.web.review import Review
    from cropperhead.web.review_routes import new_token, review_path, review_router

    wanted["size"] = crop_size(wanted.pop("tighter"), wanted.pop("looser"))
    if not folder.is_dir():
        problem = "it is a file, expected a folder" if folder.exists() else "no such folder"
        raise LibraryError(f"{filenames.escape_path(folder)}: {problem}.")
    configured = params.nearest_extract().catalog_files
    token = new_token()
    with page_model.find_page_model(model) as (file, found):
        options = SuggestOptions(**wanted)
        source = options.crop_source(run.model_fingerprint(file))
        review = Review(folder, editor, file, source, [*configured, *catalogs], options)
        settings = app.PageSettings(model=found, routers=[review_router(review, token)])
        opened = server.listen(server.Address(port=port))
        address = server.url(opened, review_path(token))
        click.echo(f"The review is at {address} (press Ctrl-C to stop).")
        review.start()
        try:
            server.run(app.create_app(settings), opened, address if browser else None)
        finally:
            review.close()
