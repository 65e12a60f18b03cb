"""The command `cropperhead`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cropperhead import __version__
from cropperhead.errors import CropperheadError
from cropperhead.params import DEMO_POLICIES


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status. An error is one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except CropperheadError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def command_names() -> list[str]:
    """The names of all commands."""
    return list(_COMMANDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cropperhead",
        description="Learns how a photographer crops, from the crops their editor left behind.",
    )
    parser.add_argument("--version", action="version", version=f"cropperhead {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add in _COMMANDS.items():
        add(commands, name)
    return parser


def _add_demo_library(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="draw a photo library with crops, for a first try without photos",
        description="Draws a library of illustrated scenes with crops, the same bytes every time.",
    )
    command.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    command.add_argument("--photos", type=int, default=300, help="how many (default: %(default)s)")
    command.add_argument(
        "--policy",
        choices=DEMO_POLICIES,
        default="rule",
        help="rule: crops follow the scene; random: crops ignore it (default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=20, help="(default: %(default)s)")
    command.set_defaults(run=_draw_demo_library)


def _draw_demo_library(options: argparse.Namespace) -> None:
    from cropperhead.demo import draw_library  # noqa: PLC0415  (Pillow: not for --help)

    counts = draw_library(options.folder, options.photos, options.policy, options.seed)
    drawn = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"Drew {options.folder}: {drawn}.")


_Commands = argparse._SubParsersAction  # argparse gives its type no public name
_COMMANDS = {"demo-library": _add_demo_library}

if __name__ == "__main__":
    sys.exit(main())
