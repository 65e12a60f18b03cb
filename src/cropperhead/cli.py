"""The command `cropperhead`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cropperhead import __version__
from cropperhead.errors import CropperheadError, LibraryError
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
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the flush at the end
        return 141
    except OSError as error:
        print(f"{error.filename or 'disk'}: {error.strerror or error}", file=sys.stderr)
        return 1
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


def _add_extract(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="read the crops of a photo library, or look what would be found",
        description="Reads every crop of a photo library. `dvc repro` does the same for that of "
        "params.yaml, and keeps versions of what it found.",
    )
    command.add_argument("library", type=Path, metavar="LIBRARY", help="a folder; only ever read")
    target = command.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--dry-run", action="store_true", help="count what is there; decode and write nothing"
    )
    target.add_argument("--out", type=Path, metavar="DIR", help="where labels and copies go")
    _add_catalogs(command)
    command.set_defaults(run=_extract)


def _extract(options: argparse.Namespace) -> None:
    from cropperhead import extraction, library, params  # noqa: PLC0415  (not for --help)

    chosen = params.load_nearest().extract
    catalogs = [*chosen.catalog_files, *options.catalog]
    found = library.scan(options.library, catalogs, chosen.tags)
    if options.dry_run:
        summary = extraction.preview(options.library, found.entries, chosen)
        print("No picture was decoded: damaged ones and copies count too.", file=sys.stderr)
    else:
        summary = extraction.extract_into(options.out, options.library, found.entries, chosen)
    print(f"{options.library}\n{summary}")


def _add_inspect(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="tell what is understood of photos' crops",
        description="Tells each photo's crops: whose, in which editor, where they lie.",
    )
    command.add_argument(
        "photos", type=Path, nargs="+", metavar="PHOTO", help="a photo, or a folder of them"
    )
    command.add_argument("--draw", type=Path, metavar="DIR", help="draw crops, into this folder")
    _add_catalogs(command)
    command.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> None:
    from cropperhead import inspection, params  # noqa: PLC0415  (not for --help)

    chosen = params.load_nearest().extract
    catalogs = [*chosen.catalog_files, *options.catalog]
    if options.draw and options.draw.exists() and not options.draw.is_dir():
        raise LibraryError(f"--draw: {options.draw} is a file, expected a folder for the pictures")
    taken: set[Path] = set()
    lost = False
    for file, reading in inspection.read(
        options.photos, chosen, catalogs, pixels=options.draw is not None
    ):
        print(inspection.told(file, reading))
        lost |= reading.outcome.kind == "no_photo"
        if options.draw and reading.rows:
            print(f"  drawn in {inspection.draw(file, reading, options.draw, taken)}")
    if lost:
        raise LibraryError("Not every name is that of a photo.")


def _add_catalogs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--catalog",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a Lightroom catalog (.lrcat) beside those in params.yaml; may be given several times",
    )


_Commands = argparse._SubParsersAction  # argparse gives its type no public name
_COMMANDS = {
    "extract": _add_extract,
    "inspect": _add_inspect,
    "demo-library": _add_demo_library,
}

if __name__ == "__main__":
    sys.exit(main())
