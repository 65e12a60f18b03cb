"""The command `serve`: the page in the browser."""

import click

_PORT = click.IntRange(0, 65535)


@click.command
@click.option(
    "--model",
    help="An exported model's file or its folder.  [default: the model in models/]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen at this address; others than the default can be reached from the network.",
)
@click.option("--port", type=_PORT, default=0, metavar="N", help="Listen at this port.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A host name by which the page may be addressed, if it is not the loopback address. May "
    "be repeated.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
def command(model: str | None, host: str, port: int, names: tuple[str, ...], browser: bool) -> None:
    """Show predicted crops of your photos in the browser, and correct them there.

    Photos are read and cropped by the browser: none leaves it. Ctrl-C ends the page.
    """
    from cropperhead.web import app, page_model, server

    with page_model.find_page_model(model) as (_, found):
        hosts = (*app.LOOPBACK_NAMES, host, *names)
        application = app.create_app(app.PageSettings(model=found, hosts=hosts))
        opened = server.listen(server.Address(host, port))
        address = server.url(opened)
        click.echo(f"The page is at {address} (Ctrl-C ends it).")
        server.run(application, opened, address if browser else None)
