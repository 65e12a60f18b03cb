"""Summarizes what a library holds, as the extraction would read it; decodes and writes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cropperhead.dataset import reading
from cropperhead.dataset.outcome import AUTOMATIC, CROPPED, SUGGESTED, UNCROPPED
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool

NO_CROP = (
    "No photo has a usable crop. In Lightroom, select your cropped photos and save their metadata "
    "to file (Ctrl+S or Cmd+S), or name your catalog with --catalog or in extract.catalogs, then "
    "run again."
)


@dataclass(frozen=True)
class ExtractionSummary:
    """The files and crops of a library, counted."""

    outcomes: Counter[str]  # of the ledger, but the kind of a rejection
    labels: Counter[str]  # by source
    left_out: Counter[str]  # versions that are not used, of photos that are not rejected, by kind

    def __str__(self) -> str:
        """Format the counts as a few lines of text."""
        valid = (CROPPED, UNCROPPED, SUGGESTED, AUTOMATIC)
        rejected = {k: n for k, n in self.outcomes.items() if k not in valid}
        suggested, automatic = self.outcomes[SUGGESTED], self.outcomes[AUTOMATIC]
        lines = [
            f"{self.outcomes.total():>9,} files",
            f"{self.outcomes[CROPPED]:>9,} cropped, {self.labels.total():,} crops",
            *_indented(self.labels),
            f"{self.outcomes[UNCROPPED]:>9,} not cropped",
            *([f"{suggested:>9,} cropped as CropperHead suggested"] if suggested else []),
            *([f"{automatic:>9,} cropped by the camera or a preset alone"] if automatic else []),
            f"{sum(rejected.values()):>9,} rejected",
            *_indented(rejected),
        ]
        if self.left_out:
            lines += [
                f"{self.left_out.total():>9,} crops that do not count, of photos that are read"
            ]
            lines += _indented(self.left_out)
        return "\n".join(lines)


def describe_other_editors(counts: Mapping[str, int]) -> str:
    """Format the counts of files of editors that are not supported; empty without any."""
    if not counts:
        return ""
    total = sum(counts.values())
    head = f"{total:>9,} files of editors whose crops are not read (other_editor)"
    return "\n".join([head, *_indented(counts)])


def _indented(counts: Mapping[str, int]) -> list[str]:
    return [f"{'':>9} {number:>9,} {name}" for name, number in sorted(counts.items())]


def preview(folder: Path, entries: Sequence[Entry], params: ExtractParams) -> ExtractionSummary:
    """Summarize the metadata of a whole library; decodes no picture and writes no file."""
    exiftool.require()
    summary = ExtractionSummary(Counter(), Counter(), Counter())
    tasks = ((entry, 0) for entry in entries)
    bar: tqdm[Any]
    with tqdm(total=len(entries), desc="preview", unit="photo") as bar:
        for one in reading.read_files(folder, tasks, params, bar, pixels=False):
            outcome = one.outcome
            summary.outcomes[outcome.kind or outcome.outcome] += 1
            summary.left_out.update(version.kind for version in outcome.left_out)
            summary.labels.update(row["source"] for row in one.rows)
    return summary
