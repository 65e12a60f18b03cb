"""How a stage runs and ends: an error raised on purpose is one sentence, without a traceback."""

import argparse
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from cropperhead.errors import CropperheadError, disk_problem
from cropperhead.system import termination

Paths = TypeVar("Paths")
MorePaths = TypeVar("MorePaths")


def run(main: Callable[[], object]) -> None:
    """Run a stage; exit with status 1 and a sentence where it cannot go on."""
    try:
        with termination.raise_when_terminated():
            main()
    except CropperheadError as error:
        sys.exit(str(error))
    except OSError as error:  # no space left, read-only, unplugged
        sys.exit(f"{disk_problem(error)}. Run `dvc repro` again to resume, once this is solved.")
    except MemoryError:
        sys.exit("This needs more memory than there is.")
    except KeyboardInterrupt:
        sys.exit("Interrupted. Run `dvc repro` again to resume.")


def run_script(script: str, arguments: Sequence[str]) -> None:
    """Run a stage's script as `run` does, so that its imports, which take seconds, end so too."""
    sys.argv = [script, *arguments]
    run(lambda: runpy.run_path(script, run_name="__main__"))


def parse_paths(inputs: type[Paths], outputs: type[MorePaths]) -> tuple[Paths, MorePaths]:
    """Parse a stage's arguments, `--name PATH` for each field of two dataclasses of paths."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for kind in (inputs, outputs):
        for each in fields(kind):  # type: ignore[arg-type]
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=Path, required=True)
    paths = vars(parser.parse_args())
    return _select(inputs, paths), _select(outputs, paths)


def _select(kind: type[Paths], paths: dict[str, Path]) -> Paths:
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: paths[name] for name in names})


if __name__ == "__main__":
    run_script(sys.argv[1], sys.argv[2:])
