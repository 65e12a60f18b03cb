"""Crops that people sent, as one more source of labels beside a photo library.

Each photo of a collection is an entry of the manifest, with its accepted crops as the library's
photos have Lightroom's edits. So a crop that was accepted or withdrawn changes the manifest, and
what is withdrawn leaves the labels as a photo does that was deleted.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cropperhead.collection import handover
from cropperhead.collection.sent import SUGGESTION
from cropperhead.dataset.columns import (
    COLLECTED,
    NO_SUGGESTION,
    SUGGESTED_BY,
    SUGGESTED_COLUMNS,
)
from cropperhead.dataset.outcome import (
    CROPPED,
    REJECTED,
    SUGGESTED,
    UNCROPPED,
    FileOutcome,
)
from cropperhead.dataset.rows import Reading
from cropperhead.editors.base import LeftOut
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import CROP_COLUMNS, FULL_FRAME, Crop
from cropperhead.library import marks, scan
from cropperhead.library.scan import Entry, Scan
from cropperhead.library.store import find_library
from cropperhead.params import ExtractParams
from cropperhead.photos import image
from cropperhead.system import code_hash

if TYPE_CHECKING:
    import pyarrow as pa

_FOLDER = "collected/"  # as if the photos were in a folder of the library
MISSING = "missing_object"  # kind of a rejection
_MAX_MEGAPIXELS = 2.0  # of a photo that was checked when it was sent


def scan_sources(params: ExtractParams) -> Scan:
    """List the photo library, if there is one, and the collection, if there is one.

    Raises LibraryError as `scan.scan` does, and CollectionError or ParamsError for a collection
    that cannot be read.
    """
    library = Scan((), {}, {})
    if params.library.strip():
        library = scan.scan(find_library(params.library), params.catalog_files, params.tags)
    return scan.with_entries(library, list_entries(params.collected))


def list_entries(place: str) -> list[Entry]:
    """List the photos with accepted crops of a collection or exported folder; none for "".

    Raises CollectionError or ParamsError if it cannot be read.
    """
    if not place:
        return []
    code = _hash_code()
    return [_entry(photo, code) for photo in handover.read_accepted(place)]


def read_rows(
    entries: Sequence[Entry], numbers: Sequence[int], params: ExtractParams
) -> Iterator[Reading]:
    """Read entries of `list_entries`, in order. Raises CollectionError if the store is gone."""
    for entry, number in zip(entries, numbers, strict=True):
        yield _read(FileOutcome(entry.file, number, entry.trace, UNCROPPED), entry, params)


def summarise(manifest: "pa.Table") -> dict[str, Any]:
    """Count what a manifest has of a collection, with the texts that people agreed to.

    Empty without any. The keys are photos, crops, senders, not_anchored (crops of people who saw no
    suggestion first), and consents (text -> crops).
    """
    import pyarrow.compute as pc  # noqa: PLC0415 - which reading does without

    chosen = manifest.filter(pc.equal(manifest["kind"], scan.COLLECTED))
    crops = [json.loads(text) for edits in chosen["edits"].to_pylist() for text in edits]
    if not crops:
        return {}
    return {
        "photos": chosen.num_rows,
        "crops": len(crops),
        "senders": len({crop["author"] for crop in crops}),
        "not_anchored": sum(not _saw_suggestion(crop) for crop in crops),
        "consents": dict(sorted(Counter(crop["consent"] for crop in crops).items())),
    }


def _hash_code() -> str:
    """A hash of the code that reads entries, so that they are read again when it changes."""
    digest = hashlib.sha256()
    for file in code_hash.imported_files(Path(__file__)):
        digest.update(code_hash.package_path(file).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _entry(photo: handover.CollectedPhoto, code: str) -> Entry:
    edits = tuple(json.dumps(dict(crop), sort_keys=True) for crop in photo.crops)
    trace = hashlib.sha256("\0".join([code, photo.sha256, *edits]).encode()).hexdigest()
    return Entry(f"{_FOLDER}{photo.sha256}.jpg", scan.COLLECTED, (), trace, edits)


def _read(outcome: FileOutcome, entry: Entry, params: ExtractParams) -> Reading:
    sha256 = entry.file.removeprefix(_FOLDER).removesuffix(".jpg")
    content = handover.read_photo(params.collected, sha256)
    if content is None:
        return _rejected(outcome, MISSING, "the collection has lost this photo")
    if hashlib.sha256(content).hexdigest() != sha256:
        return _rejected(outcome, MISSING, "the collection's photo has been changed")
    with image.open_picture(io.BytesIO(content), _MAX_MEGAPIXELS) as picture:
        size = picture.size
        copy = image.small_copy(picture, orientation.UPRIGHT, params.long_side, params.jpeg_quality)
    facts = {
        "photo": entry.file,
        "origin": entry.file,
        "number": outcome.number,
        "source": COLLECTED,
        "width": size[0],
        "height": size[1],
        "orientation": orientation.UPRIGHT,
        "camera": None,
        "captured": None,
        "document_ids": "",
        "sha256": sha256,
        "perceptual_hash": copy.perceptual_hash,
        "features": copy.features,
        "image_width": copy.width,
        "image_height": copy.height,
        "image": copy.jpeg,
    }
    facts |= dict(params.tags)  # as of a photo without these tags
    crops = [json.loads(text) for text in entry.edits]
    used = [crop for crop in crops if not _problem(crop, size)]
    left_out = tuple(
        LeftOut(entry.file, kind, f"{crop['author']}: {reason}")
        for crop in crops
        if (problem := _problem(crop, size))
        for kind, reason in [problem]
    )
    rows = tuple(facts | _label(crop) for crop in used)
    return Reading(_outcome(outcome, sha256, bool(rows), left_out), rows)


def _outcome(
    outcome: FileOutcome, sha256: str, has_label: bool, left_out: tuple[LeftOut, ...]
) -> FileOutcome:
    end, digest = UNCROPPED, ""
    if has_label:
        end, digest = CROPPED, sha256
    elif any(one.kind == SUGGESTED for one in left_out):
        end = SUGGESTED
    return replace(outcome, outcome=end, sha256=digest, left_out=left_out)


def _problem(crop: dict[str, Any], size: tuple[int, int]) -> tuple[str, str] | None:
    """Why a crop is no label, as a kind and a sentence; None if it is one."""
    if tuple(crop["crop"]) == FULL_FRAME:
        return UNCROPPED, "the whole photo is kept"
    if not _saw_suggestion(crop):
        return None
    theirs, ours = (Crop(*crop[name]).in_pixels(*size) for name in ("crop", "suggested"))
    if marks.is_same(theirs, ours):
        return SUGGESTED, "the suggestion that was shown is unchanged"
    return None


def _saw_suggestion(crop: dict[str, Any]) -> bool:
    """Whether its author was shown the suggestion first, or started from it later."""
    return SUGGESTION in (crop["shown"], crop["started_from"])


def _label(crop: dict[str, Any]) -> dict[str, Any]:
    """A crop's own columns; a suggestion that its author did not see has not been corrected."""
    limits = dict(zip(CROP_COLUMNS, crop["crop"], strict=True))
    suggestion = dict(NO_SUGGESTION)
    if _saw_suggestion(crop):
        suggestion = dict(zip(SUGGESTED_COLUMNS, crop["suggested"], strict=True))
        suggestion |= {SUGGESTED_BY: crop["suggested_by"]}
    return {"author": crop["author"]} | limits | suggestion


def _rejected(outcome: FileOutcome, kind: str, reason: str) -> Reading:
    # without a trace it is read again by the next run
    return Reading(replace(outcome, outcome=REJECTED, kind=kind, reason=reason, trace=""))
