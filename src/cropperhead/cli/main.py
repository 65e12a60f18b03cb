"""The command `cropperhead`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
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
    try:
        from cropperhead.demo import draw_library  # noqa: PLC0415  (Pillow: not for --help)
    except ModuleNotFoundError as error:
        if error.name != "cropperhead.demo":
            raise
        raise CropperheadError(
            "The demo library is not part of the installed package: "
            "run `make setup` in a checkout of CropperHead's repository."
        ) from None

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
    from cropperhead import params  # noqa: PLC0415  (not for --help)
    from cropperhead.dataset import extract  # noqa: PLC0415  (not for --help)
    from cropperhead.library import scan  # noqa: PLC0415  (not for --help)

    chosen = params.load_nearest().extract
    catalogs = [*chosen.catalog_files, *options.catalog]
    found = scan.scan(options.library, catalogs, chosen.tags)
    if options.dry_run:
        summary = extract.preview(options.library, found.entries, chosen)
        print("No picture was decoded: damaged ones and copies count too.", file=sys.stderr)
    else:
        summary = extract.extract_into(options.out, options.library, found.entries, chosen)
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
    from cropperhead import params  # noqa: PLC0415  (not for --help)
    from cropperhead.dataset import inspect  # noqa: PLC0415  (not for --help)

    chosen = params.load_nearest().extract
    catalogs = [*chosen.catalog_files, *options.catalog]
    if options.draw and options.draw.exists() and not options.draw.is_dir():
        raise LibraryError(f"--draw: {options.draw} is a file, expected a folder for the pictures")
    taken: set[Path] = set()
    lost = False
    for file, reading in inspect.read(
        options.photos, chosen, catalogs, pixels=options.draw is not None
    ):
        print(inspect.told(file, reading))
        lost |= reading.outcome.kind == "no_photo"
        if options.draw and reading.rows:
            print(f"  drawn in {inspect.draw(file, reading, options.draw, taken)}")
    if lost:
        raise LibraryError("Not every name is that of a photo.")


def _add_convert(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="carry crops from one editor into another",
        description="Writes the crops that you made in other editors into an editor's sidecars, "
        "beside what stands there. Photos are never changed. Where several other editors have a "
        "crop, that of the first of lightroom, darktable, rawtherapee and art is taken.",
    )
    command.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="a photo, or a folder of them"
    )
    command.add_argument(
        "--to", required=True, choices=("darktable", "rawtherapee", "lightroom"), help="the editor"
    )
    command.add_argument(
        "--from",
        dest="source",
        choices=("lightroom", "darktable", "rawtherapee", "art"),
        help="take that editor's crops alone",
    )
    command.add_argument("--dry-run", action="store_true", help="tell what would be written")
    command.add_argument(
        "--overwrite", action="store_true", help="replace crops that you made in that editor"
    )
    _add_catalogs(command)
    command.set_defaults(run=_convert)


def _convert(options: argparse.Namespace) -> None:
    from cropperhead import params  # noqa: PLC0415  (ExifTool: not for --help)
    from cropperhead.writeback import convert  # noqa: PLC0415  (ExifTool: not for --help)

    if options.source == options.to:
        raise CropperheadError(f"--from and --to are both {options.to}, expected two editors.")
    chosen = params.load_nearest().extract
    order = convert.Order(options.to, options.source, options.overwrite, options.dry_run)
    catalogs = [*chosen.catalog_files, *options.catalog]
    summary = convert.convert(options.paths, order, chosen, catalogs)
    print(summary)
    if summary.failed:
        raise CropperheadError("Not every crop was converted.")


def _add_suggest(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="suggest crops for photos, and write them into an editor's sidecars",
        description="Suggests crops with the trained model. Photos are never changed, nor is a "
        "person's crop, in any editor. Without --write, --json, --apply or --sheet it tells each "
        "photo's crop. The exit status is 1 where something failed or no photo was found.",
    )
    command.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a photo, a folder of them or a pattern; - does what --json does",
    )
    _add_outputs(command)
    _add_ways(command)
    command.add_argument(
        "--model",
        help="a model's file or folder, or its name in MLflow's registry, such as "
        "models:/cropperhead@champion (default: the one in models/)",
    )
    command.add_argument("--dry-run", action="store_true", help="write nothing")
    command.add_argument(
        "--undo", action="store_true", help="bring back all that was written in these folders"
    )
    _add_catalogs(command)
    command.set_defaults(run=_suggest, usage_error=command.error)


def _add_outputs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--write",
        choices=("lightroom", "darktable", "rawtherapee"),
        help="write the crops into this editor's sidecars",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="with --write, also where a person has cropped"
    )
    command.add_argument("--json", action="store_true", help="print a JSON object for each photo")
    command.add_argument(
        "--apply", type=Path, metavar="DIR", help="put cropped, straightened copies there"
    )
    command.add_argument(
        "--quality",
        type=_whole_number(1, 100),
        default=95,
        help="of copies in JPEG and WebP, 1 to 100 (default: %(default)s)",
    )
    command.add_argument(
        "--sheet", type=_picture_file, metavar="FILE", help="draw the crops on a .jpg or .png"
    )


def _add_ways(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--aspect",
        type=_aspect,
        default="free",
        help="the crops' shape: free, original, or width:height such as 4:5 (default: %(default)s)",
    )
    command.add_argument(
        "--min-confidence",
        type=_share,
        default=0.0,
        metavar="X",
        help="leave photos whose crop has a lower one, 0 to 1 (default: %(default)s)",
    )
    command.add_argument(
        "--straighten-only",
        action="store_true",
        help="level photos, and crop no more than that takes",
    )
    command.add_argument(
        "--alternatives",
        type=_whole_number(0, 20),
        default=0,
        metavar="N",
        help="tell up to N further crops of each photo (default: %(default)s)",
    )


def _suggest(options: argparse.Namespace) -> None:
    from cropperhead.suggest import run  # noqa: PLC0415  (Pillow and the runtime: not for --help)
    from cropperhead.suggest.order import Order  # noqa: PLC0415

    paths = [Path(path).expanduser() for path in options.paths if path != "-"]
    if not paths:
        options.usage_error("expected a photo, a folder or a pattern")
    if options.undo:
        _undo(options, paths)
        return
    if options.straighten_only and (options.aspect != "free" or options.alternatives):
        options.usage_error("--straighten-only goes with neither --aspect nor --alternatives")
    is_json = options.json or "-" in options.paths
    order = Order(
        write=options.write,
        overwrite=options.overwrite,
        json=is_json,
        apply=options.apply,
        quality=options.quality,
        sheet=options.sheet,
        aspect=options.aspect,
        least_confidence=options.min_confidence,
        straighten_only=options.straighten_only,
        alternatives=options.alternatives,
        dry_run=options.dry_run,
    )
    catalogs = [*_catalogs_of_params(), *options.catalog]
    summary = run.suggest(paths, order, options.model, catalogs)
    print(summary, file=sys.stderr if is_json else sys.stdout)
    if summary.failed:
        raise CropperheadError("Not every photo could be done.")


def _undo(options: argparse.Namespace, folders: Sequence[Path]) -> None:
    from cropperhead.library import journal  # noqa: PLC0415

    for folder in folders:
        if not folder.is_dir():
            options.usage_error(f"--undo: {folder} is no folder, and undoing goes by folder")
    undone = [journal.undo(folder) for folder in folders]
    for folder, done in zip(folders, undone, strict=True):
        print(f"{folder}: {done}")
    if any(done.left for done in undone):
        raise CropperheadError("Not everything was brought back.")


def _catalogs_of_params() -> list[Path]:
    """The catalogs that params.yaml names, where there is one: a small install has none."""
    from cropperhead import params  # noqa: PLC0415

    return params.load_nearest().extract.catalog_files if params.is_near() else []


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r}, expected a number in {least} to {most}")
        return int(text)

    return number


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a number in 0 to 1")
    return value


def _aspect(text: str) -> str:
    from cropperhead.inference import search  # noqa: PLC0415  (NumPy: not for --help)

    try:
        search.parse_ratio(text, 1.0)
    except CropperheadError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _picture_file(text: str) -> Path:
    if not text.lower().endswith((".jpg", ".jpeg", ".png")):
        raise argparse.ArgumentTypeError(f"{text!r}, expected a name that ends in .jpg or .png")
    return Path(text)


def _add_catalogs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--catalog",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a Lightroom catalog (.lrcat) beside those in params.yaml; may be given several times",
    )


def _add_data_diff(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="tell what has changed in the data since an earlier commit",
        description="Compares this workspace's labels and splits with those of a commit: photos, "
        "crops, moves between splits, and how the crops are spread.",
    )
    command.add_argument("revision", metavar="REV", help="a commit, branch or tag")
    command.add_argument(
        "--out",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where the page and its picture go (default: %(default)s)",
    )
    command.set_defaults(run=_data_diff)


def _data_diff(options: argparse.Namespace) -> None:
    from cropperhead.dataset import revisions  # noqa: PLC0415  (pandas, Matplotlib: not for --help)
    from cropperhead.report import data_diff  # noqa: PLC0415  (pandas, Matplotlib: not for --help)

    root = Path()
    found = data_diff.between(revisions.at(root, options.revision), revisions.workspace(root))
    page, picture = data_diff.write(found, options.out)
    print(f"{found}\nSee {page} and {picture}.")
    if found.leaks:
        print(f"Photos that leak into or out of the test: {len(found.leaks):,}.", file=sys.stderr)


def _add_compare(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="compare the trained model with other croppers on another library",
        description="Scores every cropper on the photos of a library that the model has not "
        "learned from, as the pipeline does on its test photos. What it has seen is left out.",
    )
    command.add_argument("library", type=Path, metavar="LIBRARY", help="a folder; only ever read")
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where copies and the report go"
    )
    _add_catalogs(command)
    command.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    from cropperhead import params  # noqa: PLC0415  (TensorFlow: not for --help)
    from cropperhead.report import other_library  # noqa: PLC0415  (TensorFlow: not for --help)

    chosen = params.load()
    catalogs = [*chosen.extract.catalog_files, *options.catalog]
    print(other_library.compare(options.library, catalogs, options.out, chosen))


def _add_gate(commands: "_Commands[argparse.ArgumentParser]", name: str) -> None:
    command = commands.add_parser(
        name,
        help="fail where the results are worse than an earlier commit's",
        description="Compares this workspace's results with those of a commit, on the photos that "
        "both have. When the gate passes, the model becomes MLflow's champion.",
    )
    command.add_argument(
        "--against", metavar="REV", help="a git revision (default: main, or else origin/main)"
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("reports/gate.md"),
        metavar="FILE",
        help="where the findings go, as Markdown (default: %(default)s)",
    )
    command.add_argument(
        "--accept-changed-test",
        action="store_true",
        help="let other test photos or human crops pass; compare on what is left of them",
    )
    command.set_defaults(run=_gate)


def _gate(options: argparse.Namespace) -> None:
    from cropperhead import params  # noqa: PLC0415  (pandas: not for --help)
    from cropperhead.evaluation import gate as regression  # noqa: PLC0415  (pandas: not for --help)

    chosen, now = params.load().gate, regression.read(regression.SCORES)
    before = regression.earlier(options.against)
    gate = regression.compared(
        now, before.table, chosen, before.told, accept_changed_test=options.accept_changed_test
    )
    findings = regression.markdown(gate)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(findings, encoding="utf-8")
    print(findings)
    if not gate.passed:
        raise CropperheadError(f"The gate failed: {', '.join(gate.failed)}. See {options.out}.")
    model, scored = regression.MODEL, regression.SCORES
    if model.exists() and not regression.is_evaluated(model, scored, regression.LOCK):
        print(f"MLflow: {model} is not what {scored} is of, and becomes no champion.")
        return
    from cropperhead.training import tracking  # noqa: PLC0415  (MLflow and TensorFlow: only when passed)

    print(tracking.promote(regression.MODEL))


_Commands = argparse._SubParsersAction  # argparse gives its type no public name
_COMMANDS = {
    "extract": _add_extract,
    "inspect": _add_inspect,
    "convert": _add_convert,
    "suggest": _add_suggest,
    "compare": _add_compare,
    "data-diff": _add_data_diff,
    "gate": _add_gate,
    "demo-library": _add_demo_library,
}
