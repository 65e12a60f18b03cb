"""Crops suggested for photos, and given back: told, as JSON, in sidecars, as copies, on a sheet.

Processes read the photos and run the model, this one writes. What goes wrong with one photo is told
and counted, and stops no other.
"""

import io
import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tqdm import tqdm

from cropperhead import api
from cropperhead.errors import LibraryError, WritingError
from cropperhead.library import scan, selection
from cropperhead.library.journal import Journals
from cropperhead.library.scan import Entry
from cropperhead.photos import drawing
from cropperhead.suggest import describe, predict
from cropperhead.suggest import model as model_choice
from cropperhead.suggest.copy_folder import CopyFolder
from cropperhead.suggest.order import Log, Order, Summary
from cropperhead.suggest.plan import Task, Tasks
from cropperhead.suggest.predict import Answer, Asked
from cropperhead.system import atomic, worker_pool

if TYPE_CHECKING:
    from cropperhead.suggest.sidecars import SidecarCrops

_CHUNK = 8  # photos that a process takes at a time, of many
# A JPEG has at most 65,535 px: of portraits, a row is about 600 high
_SHEET_WIDTH, _SHEET_COLUMNS, _SHEET_ROWS = 2000, 5, 100
_SHEET_NOTE = "A sheet of crops that CropperHead suggested"  # by which its own sheets are known


def suggest(
    paths: Sequence[Path], order: Order, model: str | None, catalogs: Collection[Path] = ()
) -> Summary:
    """Suggests crops for photos, folders and patterns, and delivers them as ordered.

    `model` is a path or a name in MLflow's registry, None for the project's. `catalogs` are
    Lightroom's, in which people's crops may stand. Raises ModelError for what is no model,
    LibraryError where no photo is found or the sheet would take a picture's place, SetupError where
    something has to be installed first.
    """
    if order.sheet is not None and not order.dry_run:
        _refuse_other_picture(order.sheet)
    with ExitStack() as stack:
        file = stack.enter_context(model_choice.chosen(model))
        predict.cropper(file)  # a model that is none is told before anything is done
        log = Log(Summary(order), stack.enter_context(tqdm(unit="photo", disable=None)))
        found = _found(paths, log, catalogs)
        model_id, journals = model_choice.fingerprint(file), Journals()
        maker = order.maker(model_id)
        sidecars = _sidecars(order, maker, journals, stack) if order.write else None
        copies = None
        if order.apply is not None:
            copies = CopyFolder(order.apply, f"{maker}, quality {order.quality}", journals)
        tasks = Tasks(order, sidecars, copies, journals, log)
        _Delivery(tasks, model_id).run(found, file)
    return log.summary


class _Delivery:
    """Brings what the processes answer to where it was ordered."""

    def __init__(self, tasks: Tasks, model_id: str) -> None:
        self._tasks, self._order, self._log = tasks, tasks.order, tasks.log
        self._model_id = model_id
        self._waiting: deque[Task] = deque()
        self._drawn: list[tuple[str, bytes]] = []  # captions and JPEGs

    def run(self, found: Sequence[tuple[Path, list[Entry]]], model: Path) -> None:
        """Does all tasks for the photos of some folders."""
        total = sum(len(entries) for _, entries in found)
        many = 1 if model.suffix == api.KERAS else worker_pool.count(0)
        size = 1 if self._order.apply else max(1, min(_CHUNK, total // (4 * many)))
        chunks = self._chunks(self._tasks.of(found), size)
        work = partial(predict.answers, self._order.wish(model))
        for answers in worker_pool.results(work, chunks, many, predict.failed_answer):
            for answer in answers:
                self._deliver(self._waiting.popleft(), answer)
                self._log.advance()
        if self._order.sheet is not None and self._drawn and not self._order.dry_run:
            self._lay_sheet(self._order.sheet)

    def _chunks(self, tasks: Iterable[Task], size: int) -> Iterator[list[Asked]]:
        """What the processes are asked; the tasks wait for the answers in the same order."""
        chunk: list[Asked] = []
        for task in tasks:
            self._waiting.append(task)
            chunk.append(task.asked)
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _deliver(self, task: Task, answer: Answer) -> None:
        if answer.failure:
            self._log.fail(task.file, answer.failure)
            return
        best = answer.crops[0]
        if answer.drawn:
            self._drawn.append((describe.caption(task.file, best), answer.drawn))
        if not self._order.trusts(best):
            self._log.skip(task.file, "its confidence is below --min-confidence")
            return
        self._log.summary.suggested += 1
        self._tell(task, answer)
        if predict.is_whole(best):
            if task.photo is not None or task.target is not None:
                self._log.skip(task.file, "the whole frame is best")
            return
        try:
            self._write(task, answer)
            self._copy(task, answer)
        except WritingError as error:
            self._log.fail_writing(task.file, error)

    def _tell(self, task: Task, answer: Answer) -> None:
        if self._order.json:
            self._log.say(json.dumps(describe.as_json(task.file, answer.crops, self._model_id)))
        elif self._order.tells_every_photo:
            self._log.say(f"{task.file}: {'; or '.join(map(describe.told, answer.crops))}")

    def _write(self, task: Task, answer: Answer) -> None:
        if task.photo is None or self._tasks.sidecars is None:
            return
        reason = self._tasks.sidecars.write(task.photo, answer.crops[0], task.asked.shown_as)
        if reason:
            self._log.skip(task.file, reason)
        else:
            self._log.summary.written += 1

    def _copy(self, task: Task, answer: Answer) -> None:
        if task.target is None or self._tasks.copies is None:
            return
        if not self._order.dry_run:
            self._tasks.copies.put(task.target, task.file, answer.trace, answer.copy)
        self._log.summary.copied += 1

    def _lay_sheet(self, file: Path) -> None:
        columns = max(_SHEET_COLUMNS, -(-len(self._drawn) // _SHEET_ROWS))
        images = [Image.open(io.BytesIO(jpeg)) for _, jpeg in self._drawn]
        captions = [caption for caption, _ in self._drawn]
        columns = min(columns, len(images))
        sheet = drawing.contact_sheet(images, columns, captions, _SHEET_WIDTH)
        try:
            atomic.replace(file, partial(_save_sheet, sheet, file.suffix.lower() == ".png"))
        except OSError as error:
            with suppress(OSError):
                file.with_suffix(atomic.UNFINISHED).unlink(missing_ok=True)
            self._log.fail(file, f"cannot be written: {error.strerror or error}")


def _save_sheet(sheet: Image.Image, as_png: bool, file: Path) -> None:
    if as_png:
        note = PngInfo()
        note.add_text("Comment", _SHEET_NOTE)
        sheet.save(file, "PNG", pnginfo=note)
    else:
        sheet.save(file, "JPEG", quality=90, comment=_SHEET_NOTE.encode())


def _is_sheet(file: Path) -> bool:
    """Whether a picture is a sheet of ours."""
    try:
        with Image.open(file) as image:
            said = image.info.get("comment") or image.info.get("Comment") or ""
    except OSError:
        return False
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said) == _SHEET_NOTE


def _refuse_other_picture(file: Path) -> None:
    """Raises where a sheet would take another file's place: a forgotten name is a photo's."""
    if file.exists() and not _is_sheet(file):
        raise LibraryError(
            f"--sheet: {file} is there already, and is no sheet of CropperHead's. Name a new file."
        )


def _sidecars(order: Order, maker: str, journals: Journals, stack: ExitStack) -> "SidecarCrops":
    """What writes into sidecars. Raises SetupError where ExifTool is not installed."""
    from cropperhead.photos import exiftool  # noqa: PLC0415 - not for every order
    from cropperhead.suggest.sidecars import SidecarCrops  # noqa: PLC0415

    reader = stack.enter_context(exiftool.tag_reader())
    return SidecarCrops(str(order.write), maker, order.overwrite, order.dry_run, reader, journals)


def _found(
    paths: Sequence[Path], log: Log, catalogs: Collection[Path]
) -> list[tuple[Path, list[Entry]]]:
    """The photos by folder; what cannot be listed is noted, and stops nothing else."""
    found = []
    for folder, names in selection.by_folder(selection.expanded(paths)).items():
        try:
            found.append((folder, selection.entries(folder, names, catalogs)))
        except LibraryError as error:
            log.fail(folder, "no photo is in it" if folder.is_dir() else str(error))
    log.expect(sum(len(entries) for _, entries in found))
    entries = [entry for _, listed in found for entry in listed]
    if not log.summary.failed and not any(entry.kind == scan.PHOTO for entry in entries):
        raise LibraryError("No photo was found.")
    return found
