"""Summarizes what a library holds, as the extraction would read it; decodes and writes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from cropperhead.dataset import reading
from cropperhead.dataset.outcome import AUTOMATIC, CROPPED, SUGGESTED, UNCROPPED
from cropperhead.library.scan import Entry
from cropperhead.library.store import Library
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.words import format_count

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
        files, crops, left_out = self.outcomes.total(), self.labels.total(), self.left_out.total()
        lines = [
            format_count(files, "file", width=9),
            f"{self.outcomes[CROPPED]:>9,} cropped, {format_count(crops, 'crop')}",
            *_indented(self.labels),
            f"{self.outcomes[UNCROPPED]:>9,} not cropped",
            *([f"{suggested:>9,} cropped as CropperHead suggested"] if suggested else []),
            *([f"{automatic:>9,} cropped by the camera or a preset alone"] if automatic else []),
            f"{sum(rejected.values()):>9,} rejected",
            *_indented(rejected),
        ]
        if self.left_out:
            what = ("crop that does not count", "crops that do not count")
            lines.append(f"{format_count(left_out, *what, width=9)}, of photos that are read")
            lines += _indented(self.left_out)
        return "\n".join(lines)


def describe_other_editors(counts: Mapping[str, int]) -> str:
    """Format the counts of files of editors that are not supported; empty without any."""
    if not counts:
        return ""
    files = format_count(sum(counts.values()), "file", width=9)
    head = f"{files} of editors whose crops are not read (other_editor)"
    return "\n".join([head, *_indented(counts)])


def _indented(counts: Mapping[str, int]) -> list[str]:
    return [f"{'':>9} {number:>9,} {name}" for name, number in sorted(counts.items())]


def preview(library: Library, entries: Sequence[Entry], params: ExtractParams) -> ExtractionSummary:
    """Summarize the metadata of a whole library; decodes no picture and writes no file."""
    exiftool.require()
    summary = ExtractionSummary(Counter(), Counter(), Counter())
    tasks = ((entry, 0) for entry in entries)
    bar: tqdm[Any]
    with tqdm(total=len(entries), desc="preview", unit="photo") as bar:
        for one in reading.read_files(library, tasks, params, bar, pixels=False):
            outcome = one.outcome
            summary.outcomes[outcome.kind or outcome.outcome] += 1
            summary.left_out.update(version.kind for version in outcome.left_out)
            summary.labels.update(row["source"] for row in one.rows)
    return summary
