"""The command `suggest`: suggest crops for photos, and deliver them in the ways that are wanted.

Worker processes read the photos and run the model; this process writes. What goes wrong with one
photo is printed and counted, and stops no other.
"""

import tempfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from tqdm import tqdm

from cropperhead.errors import LibraryError, SetupError
from cropperhead.library import scan, selection
from cropperhead.library.journal_records import Journals
from cropperhead.library.scan import Entry
from cropperhead.photos import exiftool
from cropperhead.suggest import pairs, predict
from cropperhead.suggest.copies import CopyFolder
from cropperhead.suggest.deliver import Delivery, refuse_other_picture
from cropperhead.suggest.jobs import JobFinder
from cropperhead.suggest.options import SuggestLog, SuggestOptions
from cropperhead.suggest.predict import Job
from cropperhead.system import filenames, folder_lock, model_files, worker_pool
from cropperhead.system.engine import Engine
from cropperhead.system.file_hash import file_sha256

_CHUNK = 8  # photos that a process takes at a time, of many
_ID_DIGITS = 12  # of a SHA-256
_ABOUT_BASE = "You have no model of your own yet: this one learned from {}."


def suggest(
    paths: Sequence[Path],
    options: SuggestOptions,
    model: str | None,
    catalogs: Collection[Path] = (),
    engine: Engine | None = None,
) -> SuggestLog:
    """Suggest crops for photos, folders and patterns, and deliver them as the options say.

    `model` is a path or a name in MLflow's registry, None for the project's or the base model.
    `catalogs` are Lightroom's, in which people's crops may be; `engine` is where the model runs,
    None for processes of this machine. Raises ModelError for what is not a
    model, LibraryError where no photo is found or the sheet would replace another picture,
    BusyError where another run is writing in one of the folders, and SetupError where something has
    to be installed first.
    """
    if options.sheet is not None and not options.dry_run:
        refuse_other_picture(options.sheet)
    with ExitStack() as stack:
        model_file = stack.enter_context(find_model(model))
        # An unusable model is reported before anything is done
        facts = predict.load_cropper(model_file).facts
        log = SuggestLog(options, stack.enter_context(tqdm(unit="photo", disable=None)))
        folders = _list_photos(paths, log, catalogs)
        if model is None and "learned_from" in facts:
            log.remark(_ABOUT_BASE.format(facts["learned_from"]))
        stack.enter_context(_locked(folders, options))
        model_id, journals, copies = model_fingerprint(model_file), Journals(), None
        source = options.crop_source(model_id)
        reader = stack.enter_context(exiftool.tag_reader()) if options.write else None
        if options.apply is not None:
            copies = CopyFolder(options.apply, f"{source}, {options.copy_settings}", journals)
        jobs = JobFinder(options, source, journals, log, reader, copies).find(folders)
        delivery = Delivery(log, model_id, source, reader, copies)
        photos = sum(len(entries) for _, entries in folders)
        _run_jobs(jobs, delivery, log, model_file, photos, engine or _local_engine(model_file))
        delivery.finish()
        log.damaged |= journals.damage
    return log


@contextmanager
def find_model(name: str | None) -> Iterator[Path]:
    """Find a model's file by its path, its folder or its name in MLflow's registry.

    None stands for the project's model, or else for the base model. Raises ModelError where there
    is none, SetupError where MLflow is needed and not installed.
    """
    if name is not None and model_files.is_registered(name):
        with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
            yield _downloaded_model(name, Path(folder))
    else:
        yield model_files.find_named(name)


def model_fingerprint(file: Path) -> str:
    """Identify a model by the beginning of its file's SHA-256."""
    return file_sha256(file)[:_ID_DIGITS]


def _downloaded_model(name: str, folder: Path) -> Path:
    try:
        from cropperhead.training import tracking  # noqa: PLC0415 - MLflow and TensorFlow
    except ModuleNotFoundError as error:
        raise SetupError(
            f"{name}: MLflow's registry needs {error.name}, which is not installed. Install "
            "cropperhead[pipeline], or name a file with --model."
        ) from error
    return tracking.download_model(name, folder)


def _list_photos(
    paths: Sequence[Path], log: SuggestLog, catalogs: Collection[Path]
) -> list[tuple[Path, list[Entry]]]:
    """List the photos by folder; a folder that cannot be listed is logged as failed."""
    selected = selection.select(paths, selection.in_folder(catalogs))
    entries = selected.entries
    if not selected.without_photos and not any(entry.kind == scan.PHOTO for entry in entries):
        raise LibraryError(f"{selection.name_paths(paths)}: no photo.")
    log.expect(len(entries))
    for folder, reason in selected.without_photos.items():
        log.fail(Path(filenames.escape_path(folder)), reason)
    return [(group.folder, group.entries) for group in selected.groups]


def _locked(
    folders: Sequence[tuple[Path, list[Entry]]], options: SuggestOptions
) -> AbstractContextManager[None]:
    """Lock the folders in which files may be written, links' included."""
    written = selection.folders_of_photos(folders) if options.write else set()
    if options.apply is not None and not options.dry_run:
        with suppress(OSError):  # reported for each copy
            options.apply.mkdir(parents=True, exist_ok=True)
        written.add(options.apply)
    return folder_lock.hold_trees(() if options.dry_run else written)


def _local_engine(model: Path) -> Engine:
    return Engine(workers=0 if model_files.runs_in_processes(str(model)) else 1)


def _run_jobs(
    jobs: Iterable[Job],
    delivery: Delivery,
    log: SuggestLog,
    model: Path,
    photos: int,
    engine: Engine,
) -> None:
    """Predict where the engine says and deliver each prediction, in the order of the jobs."""
    workers = worker_pool.worker_count(engine.workers)
    size = 1 if log.options.apply else max(1, min(_CHUNK, photos // (4 * workers)))
    work = partial(predict.predict_photos, model, log.options)
    pending: deque[Job] = deque()
    chunks = _chunks(jobs, size, pending)
    for predictions in engine.map_chunks(work, chunks, predict.failed_prediction):
        for prediction in predictions:
            delivery.deliver(pending.popleft(), prediction)
            log.advance()


def _chunks(jobs: Iterable[Job], size: int, pending: deque[Job]) -> Iterator[list[Job]]:
    """Group jobs for the workers; `pending` keeps each job until its prediction is there.

    The two files of one exposure stay together.
    """
    chunk: list[Job] = []
    for job in jobs:
        if len(chunk) >= size and not pairs.are_named_alike(chunk[-1].file, job.file):
            yield chunk
            chunk = []
        pending.append(job)
        chunk.append(job.for_worker())
    if chunk:
        yield chunk
