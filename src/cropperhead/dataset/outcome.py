"""What became of a file of a library: its state, and the reason if it is not used."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from cropperhead.editors.base import LeftOut

CROPPED, UNCROPPED, REJECTED = "cropped", "uncropped", "rejected"
SUGGESTED = "suggested"  # cropped only by a model, exactly as it suggested
AUTOMATIC = "automatic"  # cropped only by the camera or a preset
UNREAD = "unread"  # changed, and not yet read again
GONE = "gone"  # no longer at its path; the run may still find it at another one


@dataclass(frozen=True)
class FileOutcome:
    """The outcome of one file: a row of the ledger."""

    file: str
    number: int
    trace: str
    outcome: str
    kind: str = ""  # of a rejection: one word, to be counted
    reason: str = ""  # of a rejection: the full sentence
    sha256: str = ""  # of a cropped photo or a duplicate
    same_as: str = ""  # of a duplicate: the photo it is a copy of
    left_out: tuple[LeftOut, ...] = ()
    origin: str = ""  # the path at which it arrived, if it has moved since

    def to_row(self) -> dict[str, Any]:
        """Return the values of the ledger's columns."""
        return asdict(self) | {"left_out": json.dumps(self.left_out) if self.left_out else ""}
