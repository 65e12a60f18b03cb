"""What is ordered of `suggesting`, and what came of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cropperhead.api import Crop
from cropperhead.errors import WritingError
from cropperhead.inference.search import FREE
from cropperhead.suggest.predict import Wish

_NAMED = 3  # files for each reason


@dataclass(frozen=True)
class Order:
    """What is wanted of the crops, and where they go.

    `write` is one of `editors.names.WRITABLE_NAMES`, `apply` the folder of copies, `sheet` a
    picture file. `aspect` as in `suggestions.parse_ratio`; `alternatives` are the crops beside the
    best.
    """

    write: str | None = None
    overwrite: bool = False
    json: bool = False
    apply: Path | None = None
    quality: int = 95
    sheet: Path | None = None
    aspect: str = FREE
    least_confidence: float = 0.0
    straighten_only: bool = False
    alternatives: int = 0
    dry_run: bool = False

    @property
    def tells_every_photo(self) -> bool:
        """Whether nothing but telling is wanted."""
        return not (self.json or self.write or self.apply or self.sheet)

    @property
    def asks_for_every_photo(self) -> bool:
        """Whether a photo whose crop is delivered is to be looked at all the same."""
        return self.json or self.sheet is not None or self.tells_every_photo

    def maker(self, model_id: str) -> str:
        """By what the crops are made: a model, and how they are taken from it."""
        ways = [self.aspect] * (self.aspect != FREE) + ["straightened"] * self.straighten_only
        return ", ".join([model_id, *ways])

    def wish(self, model: Path) -> Wish:
        """What every photo is asked for."""
        return Wish(
            model,
            self.aspect,
            1 + self.alternatives,
            self.straighten_only,
            self.least_confidence,
            self.sheet is not None,
            None if self.apply is None else self.quality,
        )

    def trusts(self, crop: Crop) -> bool:
        """Whether a crop is sure enough."""
        return crop.confidence >= self.least_confidence


@dataclass
class Summary:
    """What became of the photos: counts, and the files by the reason why not."""

    order: Order
    suggested: int = 0
    written: int = 0
    copied: int = 0
    skipped: dict[str, list[Path]] = field(default_factory=dict)
    failed: dict[str, list[Path]] = field(default_factory=dict)

    def __str__(self) -> str:
        would = "to be " if self.order.dry_run else ""
        parts = [f"{self.suggested:,} suggested"]
        if self.order.write:
            parts.append(f"{self.written:,} {would}written for {self.order.write}")
        if self.order.apply is not None:
            parts.append(f"{self.copied:,} {would}copied to {self.order.apply}")
        parts += [f"{_count(self.skipped):,} skipped", f"{_count(self.failed):,} failed"]
        lines = [*_lines("skipped", self.skipped), *_lines("failed", self.failed)]
        return "\n".join([", ".join(parts), *lines])


@dataclass(frozen=True)
class Log:
    """Notes what becomes of the photos, and tells it beside the progress bar (tqdm's)."""

    summary: Summary
    progress: Any

    def fail(self, file: Path, reason: str) -> None:
        """A photo, or what was to be one, with which something went wrong."""
        self._fail(file, reason, f"{file}: {reason}")

    def fail_writing(self, file: Path, error: WritingError) -> None:
        """A photo whose crop could not be delivered; the error names the file that is meant."""
        where, _, what = str(error).partition(": ")
        self._fail(file, what or where, str(error))

    def skip(self, file: Path, reason: str) -> None:
        """A photo with which something is not to be done."""
        self.summary.skipped.setdefault(reason, []).append(file)

    def say(self, line: str) -> None:
        """A line on standard output."""
        self.progress.write(line, file=sys.stdout)
        sys.stdout.flush()

    def expect(self, photos: int) -> None:
        """How many photos there will be."""
        self.progress.reset(photos)

    def advance(self) -> None:
        """One photo more is done with."""
        self.progress.update()

    def _fail(self, file: Path, reason: str, line: str) -> None:
        self.summary.failed.setdefault(reason, []).append(file)
        self.progress.write(line, file=sys.stderr)


def _count(by_reason: Mapping[str, list[Path]]) -> int:
    return sum(map(len, by_reason.values()))


def _lines(what: str, by_reason: Mapping[str, list[Path]]) -> list[str]:
    """A line for each reason, the most frequent first, with the first few files named."""
    reasons = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [f"  {what}: {len(files):,}: {reason} ({_few(files)})" for reason, files in reasons]


def _few(files: list[Path]) -> str:
    named = ", ".join(file.name for file in files[:_NAMED])
    return named + ", ..." * (len(files) > _NAMED)
