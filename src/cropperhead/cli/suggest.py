"""The command `suggest`: suggest crops for photos, and write them to an editor's sidecars."""

import math
from pathlib import Path
from typing import Any

import click

from cropperhead.cli.options import (
    OUTPUT,
    PATH,
    address_option,
    catalog_option,
    crop_size,
    engine_option,
    into_photos_option,
    looser_option,
    no_straighten_option,
    tighter_option,
)
from cropperhead.editors.names import EMBEDDING_NAMES, WRITABLE_NAMES
from cropperhead.errors import CropperheadError
from cropperhead.inference.aspect_ratio import FREE, parse_ratio
from cropperhead.system.engine import RAY, Engine

_STANDARD_OUTPUT = Path("-")  # the same as --json
_WORK = "cropperhead.suggest.predict"  # the module of what is done in processes
_SHEET_SUFFIXES = (".jpg", ".jpeg", ".png")


def _check_aspect(_: click.Context, __: click.Parameter, aspect: str) -> str:
    try:
        parse_ratio(aspect, 1.0)
    except CropperheadError as error:
        raise click.BadParameter(f"{error}.") from None
    return aspect


def _check_confidence(_: click.Context, __: click.Parameter, confidence: float) -> float:
    if math.isnan(confidence):  # which a range of click's lets through
        raise click.BadParameter("nan is not in the range 0<=x<=1.")
    return confidence


def _check_sheet(_: click.Context, __: click.Parameter, sheet: Path | None) -> Path | None:
    if sheet is not None and not sheet.name.lower().endswith(_SHEET_SUFFIXES):
        raise click.BadParameter(f"'{sheet}' does not end in .jpg or .png.")
    return sheet


@click.command
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--write",
    type=click.Choice(WRITABLE_NAMES),
    help="Write the crops to this editor's sidecars.",
)
@into_photos_option
@click.option("--overwrite", is_flag=True, help="With --write: replace crops that people made.")
@click.option("--json", is_flag=True, help="Print a JSON object for each photo.")
@click.option("--apply", type=OUTPUT, metavar="DIR", help="Save cropped, straightened copies here.")
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    metavar="N",
    help="The quality of JPEG and WebP copies.",
)
@click.option(
    "--strip-location", is_flag=True, help="Save copies that do not say where they were taken."
)
@click.option(
    "--strip-all", is_flag=True, help="Save copies without metadata, except for the colour profile."
)
@click.option(
    "--sheet",
    type=OUTPUT,
    callback=_check_sheet,
    metavar="FILE",
    help="Draw all photos with their crops on one picture, .jpg or .png.",
)
@click.option(
    "--aspect",
    default=FREE,
    show_default=True,
    callback=_check_aspect,
    metavar="RATIO",
    help="The crops' aspect ratio: free, original, or width:height such as 4:5.",
)
@tighter_option
@looser_option
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    callback=_check_confidence,
    metavar="X",
    help="Skip photos whose crop has a confidence below X: the overlap to expect with your own.",
)
@click.option(
    "--straighten-only",
    is_flag=True,
    help="Straighten only; crop no more than the rotation requires.",
)
@no_straighten_option
@click.option(
    "--alternatives",
    type=click.IntRange(0, 20),
    default=0,
    show_default=True,
    metavar="N",
    help="Print up to N further crops of each photo.",
)
@click.option(
    "--model",
    help="A model's file or folder, or its name in MLflow's registry, such as "
    "models:/cropperhead@champion.  [default: the model in models/, else the base model]",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option(
    "--undo", is_flag=True, help="Undo everything CropperHead wrote in these folders, and exit."
)
@catalog_option
@engine_option
@address_option
def command(
    paths: tuple[Path, ...],
    model: str | None,
    undo: bool,
    catalogs: tuple[Path, ...],
    engine: str,
    address: str,
    **options: Any,
) -> None:
    """Suggest crops with the trained model.

    PATH is a photo, a folder of photos or a pattern; - is the same as --json. Photos are never
    changed, unless you pass --into-photos. Crops that people made, in any editor, are kept unless
    you pass --overwrite. Lightroom reads sidecars of RAW photos, but none of JPEG, TIFF and DNG
    files: it needs --into-photos for those. Without --write, --json, --apply or --sheet, each
    photo's crop is printed. The exit status is 1 if anything failed or no photo was found.
    """
    files = [path for path in paths if path != _STANDARD_OUTPUT]
    if not files:
        raise click.UsageError("Pass a photo, a folder or a pattern.")
    if undo:
        if options["dry_run"]:
            raise click.UsageError("--undo excludes --dry-run.")
        _undo(files)
        return
    options["size"] = crop_size(options.pop("tighter"), options.pop("looser"))
    excluded = options["aspect"] != FREE or options["alternatives"] or options["size"] != 1
    if options["straighten_only"] and excluded:
        raise click.UsageError(
            "--straighten-only excludes --aspect, --alternatives, --tighter and --looser."
        )
    if options["into_photos"] and options["write"] not in EMBEDDING_NAMES:
        raise click.UsageError("--into-photos needs --write lightroom.")
    if options["straighten_only"] and options["no_straighten"]:
        raise click.UsageError("--straighten-only excludes --no-straighten.")
    _refuse_without_effect(options)
    options["json"] |= _STANDARD_OUTPUT in paths
    on_cluster = Engine(RAY, address=address) if engine == RAY else None
    _suggest(files, model, catalogs, options, on_cluster)


def _refuse_without_effect(options: dict[str, Any]) -> None:
    """Raise UsageError for options that change nothing without another one."""
    is_writing = bool(options["write"])
    is_output = is_writing or options["apply"] or options["sheet"]
    needs = [
        ("--overwrite", is_writing, "--write"),
        ("--strip-location", options["apply"], "--apply"),
        ("--strip-all", options["apply"], "--apply"),
        ("--dry-run", is_output, "--write, --apply or --sheet"),
    ]
    for name, has_effect, needed in needs:
        if options[name.removeprefix("--").replace("-", "_")] and not has_effect:
            raise click.UsageError(f"{name} needs {needed}.")


def _suggest(
    files: list[Path],
    model: str | None,
    catalogs: tuple[Path, ...],
    options: dict[str, Any],
    engine: Engine | None,
) -> None:
    from cropperhead.system import model_files, worker_pool

    if engine is None and model_files.runs_in_processes(model):
        worker_pool.start_early(_WORK)  # while this process imports much the same
    from cropperhead import params
    from cropperhead.suggest import run
    from cropperhead.suggest.options import SuggestOptions

    configured = params.nearest_extract().catalog_files
    log = run.suggest(files, SuggestOptions(**options), model, [*configured, *catalogs], engine)
    click.echo(log, err=options["json"])
    if log.failed:
        raise CropperheadError("Some photos failed.")


def _undo(folders: list[Path]) -> None:
    from cropperhead.library import journal
    from cropperhead.system import filenames

    for folder in folders:
        if not folder.is_dir():
            raise click.UsageError(f"--undo: {filenames.escape_path(folder)} is not a folder.")
    is_complete = True
    for folder in folders:
        result = journal.undo(folder)
        click.echo(f"{filenames.escape_path(folder)}: {result}")
        is_complete &= not result.kept
    if not is_complete:
        raise CropperheadError("Some files were not restored.")
