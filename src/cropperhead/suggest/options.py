"""What the command `suggest` is asked to do, and the log of what it did."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cropperhead.api import Crop
from cropperhead.errors import WritingError
from cropperhead.inference.aspect_ratio import FREE

_LISTED_FILES = 3  # for each reason
_UNREAD_BYTES = re.compile(r" \(\d+ bytes not processed\)")  # how far Pillow got, not why


@dataclass(frozen=True)
class CopySettings:
    """How copies are saved: the quality, 1 to 100, of JPEG and WebP, and what is left out.

    `strip_location` leaves out where the photo was taken, `strip_all` everything that is not needed
    to show the picture.
    """

    quality: int = 95
    strip_location: bool = False
    strip_all: bool = False

    def __str__(self) -> str:
        """The settings in words, by which a copy that was made with others is recognised."""
        if self.strip_all:
            return f"quality {self.quality}, without metadata"
        location = "without location" if self.strip_location else "with location"
        return f"quality {self.quality}, metadata of the copy {location}"


@dataclass(frozen=True)
class SuggestOptions:
    """Which crops are wanted, and where they go.

    `write` is one of `editors.names.WRITABLE_NAMES`; `into_photos`, for `EMBEDDING_NAMES` there,
    writes into those photos of which that editor reads no sidecar. `apply` is the folder for
    copies, `sheet` a picture file and `aspect` a ratio as in `aspect_ratio.parse_ratio`.
    `alternatives` is the number of crops wanted in addition to the best one, and `size` multiplies
    the crops' sides. `quality`, `strip_location` and `strip_all` are those of `CopySettings`.
    """

    write: str | None = None
    into_photos: bool = False
    overwrite: bool = False
    json: bool = False
    apply: Path | None = None
    quality: int = 95
    strip_location: bool = False
    strip_all: bool = False
    sheet: Path | None = None
    aspect: str = FREE
    min_confidence: float = 0.0
    straighten_only: bool = False
    no_straighten: bool = False
    alternatives: int = 0
    dry_run: bool = False
    size: float = 1.0

    @property
    def copy_settings(self) -> CopySettings:
        """How copies are saved."""
        return CopySettings(self.quality, self.strip_location, self.strip_all)

    @property
    def prints_text(self) -> bool:
        """Whether each photo's crop is printed as text, which no other output replaces."""
        return not (self.json or self.write or self.apply or self.sheet)

    @property
    def needs_every_crop(self) -> bool:
        """Whether crops are wanted even of photos for which nothing is to be written."""
        return self.json or self.sheet is not None or self.prints_text

    def crop_source(self, model_id: str) -> str:
        """Name what the crops are made by: the model, and what is asked of it."""
        requests = [self.aspect] * (self.aspect != FREE) + ["straightened"] * self.straighten_only
        requests += ["not straightened"] * self.no_straighten
        requests += [f"size {self.size:g}"] * (self.size != 1)
        return ", ".join([model_id, *requests])

    def accepts(self, crop: Crop) -> bool:
        """Whether a crop's confidence is high enough."""
        return crop.confidence >= self.min_confidence


@dataclass
class SuggestLog:
    """Counts the photos, and lists those that were skipped or failed by the reason.

    `progress` is a bar of tqdm's, next to which lines are printed.
    """

    options: SuggestOptions
    progress: Any
    suggested: int = 0
    written: int = 0
    copied: int = 0
    drawn: int = 0  # on the sheet
    skipped: dict[str, list[Path]] = field(default_factory=dict)
    failed: dict[str, list[Path]] = field(default_factory=dict)
    damaged: dict[Path, str] = field(default_factory=dict)  # journals of which lines were skipped

    def __str__(self) -> str:
        """The counts in one line, and a line for each reason."""
        future = "to be " if self.options.dry_run else ""
        parts = [f"{self.suggested:,} suggested"]
        if self.options.write:
            parts.append(f"{self.written:,} {future}written for {self.options.write}")
        if self.options.apply is not None:
            parts.append(f"{self.copied:,} {future}copied to {self.options.apply}")
        if self.options.sheet is not None:
            parts.append(f"{self.drawn:,} {future}drawn in {self.options.sheet}")
        parts += [f"{_count(self.skipped):,} skipped", f"{_count(self.failed):,} failed"]
        lines = [*_lines("skipped", self.skipped), *_lines("failed", self.failed)]
        lines += [f"  damaged: {file}: {why}" for file, why in self.damaged.items()]
        return "\n".join([", ".join(parts), *lines])

    def expect(self, photos: int) -> None:
        """Set the number of photos that the progress bar counts to."""
        self.progress.reset(photos)

    def advance(self) -> None:
        """Count one more photo as done."""
        self.progress.update()

    def print(self, line: str) -> None:
        """Print a line on standard output."""
        self.progress.write(line, file=sys.stdout)
        sys.stdout.flush()

    def remark(self, line: str) -> None:
        """Print a line for people on standard error."""
        self.progress.write(line, file=sys.stderr)

    def skip(self, file: Path, reason: str) -> None:
        """Note a photo for which something is not done."""
        self.skipped.setdefault(reason, []).append(file)

    def caution(self, file: Path, reason: str) -> None:
        """Print why what was written for a photo has no effect, or what it takes the effect of."""
        self.progress.write(f"{file}: {reason}", file=sys.stderr)

    def fail(self, file: Path, reason: str) -> None:
        """Note and print a photo, or what should have been one, that failed."""
        self._fail(file, reason, f"{file}: {reason}")

    def fail_writing(self, file: Path, error: WritingError) -> None:
        """Note and print a photo whose crop could not be written; the error names the target."""
        target, _, reason = str(error).partition(": ")
        self._fail(file, reason or target, str(error))

    def _fail(self, file: Path, reason: str, line: str) -> None:
        self.failed.setdefault(_UNREAD_BYTES.sub("", reason), []).append(file)
        self.progress.write(line, file=sys.stderr)


def _count(files_by_reason: Mapping[str, list[Path]]) -> int:
    return sum(map(len, files_by_reason.values()))


def _lines(outcome: str, files_by_reason: Mapping[str, list[Path]]) -> list[str]:
    """A line for each reason, the most frequent first, with the first few files."""
    reasons = sorted(files_by_reason.items(), key=lambda item: -len(item[1]))
    return [
        f"  {outcome} {len(files):,}: {reason} ({_first_names(files)})" for reason, files in reasons
    ]


def _first_names(files: list[Path]) -> str:
    names = ", ".join(file.name for file in files[:_LISTED_FILES])
    return names + ", ..." * (len(files) > _LISTED_FILES)
