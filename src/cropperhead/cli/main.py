"""The command `cropperhead`: its group of commands, its exit statuses and its error messages."""

import difflib
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click
from click.shell_completion import shell_complete

from cropperhead import __version__
from cropperhead.errors import CropperheadError, disk_problem
from cropperhead.system import termination

PROGRAM = "cropperhead"
# Each command is `command` in the module of its name, which is imported only to run or describe it
COMMANDS = {
    "extract": "Read the crops in a photo library, or preview what would be read.",
    "inspect": "Show the crops found in a photo.",
    "convert": "Copy crops from one editor to another.",
    "suggest": "Suggest crops and write them to an editor's sidecars.",
    "serve": "Show predicted crops in the browser, and correct them there.",
    "review": "Go through a folder's suggested crops in the browser.",
    "compare": "Compare the trained model with other croppers on another library.",
    "collected": "Export or check the crops that people sent.",
    "study": "Let people vote on crops without knowing who made them.",
    "base": "Make a base model from a photo library, for others to start from.",
    "data-diff": "Show what has changed in the data since an earlier commit.",
    "gate": "Fail if the results are worse than an earlier commit's.",
    "demo-library": "Draw a photo library with crops, for a first try without photos.",
}
_COMPLETION = "_CROPPERHEAD_COMPLETE"  # a shell asks for completions by this variable
_ERROR, _INTERRUPTED, _BROKEN_PIPE = 1, 130, 141
_MISSING_PACKAGE = (
    "This command needs {}, which is not installed. Install it: pip install 'cropperhead[{}]'"
)
_EXTRAS = {  # by the package that it brings; all others come with the pipeline
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "python_multipart"), "web"),
    **dict.fromkeys(("sqlalchemy", "alembic", "obstore", "psycopg", "argon2", "jinja2"), "web"),
}


class _LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cropperhead.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        close = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if close and args[0] not in COMMANDS and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup)
@click.version_option(__version__, message=f"{PROGRAM} %(version)s")
def group() -> None:
    """Learn how a photographer crops, from the crops that photo editors store."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    0 for success, 1 for an error, 2 for wrong usage, 130 for Ctrl-C, 143 if the program was told to
    end (`kill`), and 141 for a closed pipe. An error is printed as one sentence on standard error.
    """
    _print_any_text()
    if instruction := os.environ.get(_COMPLETION):
        return shell_complete(group, {}, PROGRAM, _COMPLETION, instruction)
    try:
        # `group.main` would do this too, but it prints on Ctrl-C and exits with 1 on a closed pipe
        with (
            termination.raise_when_terminated(),
            group.make_context(
                PROGRAM, list(sys.argv[1:] if arguments is None else arguments)
            ) as context,
        ):
            group.invoke(context)
    except click.exceptions.Exit as end:  # of --help and --version
        return end.exit_code
    except (click.UsageError, CropperheadError, KeyboardInterrupt, OSError) as error:
        return _report(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == PROGRAM:
            raise
        package = error.name.partition(".")[0]
        extra = _EXTRAS.get(package, "pipeline")
        print(_MISSING_PACKAGE.format(package, extra), file=sys.stderr)
        return _ERROR
    return 0


def _print_any_text() -> None:
    """Let names that are not valid UTF-8, or not of the terminal's alphabet, be printed escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: BaseException) -> int:
    """Print an error and return the exit status for it."""
    match error:
        case click.UsageError():
            error.show()
            return error.exit_code
        case termination.Terminated():
            return error.status
        case KeyboardInterrupt():
            return _INTERRUPTED
        case BrokenPipeError():  # the reader, such as `head`, closed the pipe
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - Python flushes it at exit
            return _BROKEN_PIPE
        case OSError():
            print(disk_problem(error), file=sys.stderr)
        case _:
            print(error, file=sys.stderr)
    return _ERROR
