"""Every error that CropperHead raises on purpose.

CropperheadError                 caught once, where a program ends, and printed as one sentence
├── ParamsError                  a value in params.yaml, or an argument, that cannot be used
├── LibraryError                 a photo library that is missing, empty or without crops
│   └── NoPhotosError           it is not there, or holds no photo
├── SetupError                   a program or package that has to be installed first
├── DataError                    too many invalid labels, or too few valid ones, to continue
├── WritingError                 one file that could not be written and is unchanged; listed
├── StoreError                   an object store for shards that cannot be used now
├── TrackingError                MLflow's store of runs cannot be used; nothing else is lost
├── BusyError                    a folder in which another run is working
├── ModelError                   a trained model that is missing or cannot be used
├── CollectionError              a collection whose database or object store cannot be used now
└── RejectedFile                 one file that cannot be used; counted and listed
"""

import os

_MAX_CHARACTERS = 1000  # of a rejected file's reason


class CropperheadError(Exception):
    """The base class. Messages read `where: what, expected, got. What to do.`"""


class ParamsError(CropperheadError):
    """A value in params.yaml, or an argument, that cannot be used."""


class LibraryError(CropperheadError):
    """A photo library that is missing, empty or without crops."""


class NoPhotosError(LibraryError):
    """A photo library that is not there, or holds no photo."""


class SetupError(CropperheadError):
    """A program or package that has to be installed first."""


class DataError(CropperheadError):
    """Too many invalid labels, or too few valid ones, to continue."""


class WritingError(CropperheadError):
    """One sidecar that cannot be written, or a backup that cannot be restored: it is unchanged."""


class StoreError(CropperheadError):
    """An object store for shards that cannot be used now; what is on this machine is kept."""


class TrackingError(CropperheadError):
    """MLflow's store of runs cannot be used; nothing else is lost by it."""


class BusyError(CropperheadError):
    """A folder in which another run is working."""


class ModelError(CropperheadError):
    """A trained model that is missing or cannot be used."""


class CollectionError(CropperheadError):
    """A collection whose database or object store cannot be used now; nothing was stored."""


def disk_problem(error: OSError) -> str:
    """Describe an error of the disk or the network: the file, if it is known, and the reason."""
    reason = os.strerror(error.errno) if error.errno else error.strerror or str(error)
    lines = reason.strip().splitlines() or [type(error).__name__]
    return f"{error.filename or 'disk'}: {lines[0].rstrip('.')}"


class RejectedFile(CropperheadError):
    """One file that cannot be used.

    `kind` is a short name for the reason, by which files are counted; the message is the reason in
    full. It may quote the file, and so be as long as the file: a long one is cut off at the end.
    """

    def __init__(self, kind: str, message: str) -> None:
        is_short = len(message) <= _MAX_CHARACTERS
        super().__init__(message if is_short else f"{message[:_MAX_CHARACTERS]}...")
        self.kind = kind
