"""Every error that CropperHead raises on purpose.

CropperheadError                 caught once, at the rim of a program, and printed as one sentence
├── ParamsError                  a value in params.yaml that cannot be used
├── LibraryError                 a photo library that is missing, empty or holds no crop
├── SetupError                   a program that has to be installed first
├── DataError                    too many unsound labels, or too few sound ones, to go on
├── WritingError                 one sidecar that is left as it was; caught per file, and listed
├── ModelError                   a trained model that is missing or cannot be used
└── RejectedFile                 one file that cannot be used; caught per file, counted and listed
"""

_LONGEST = 1000  # characters of a rejected file's reason


class CropperheadError(Exception):
    """The root: `where: what, expected, got. What to do.`"""


class ParamsError(CropperheadError):
    """A value in params.yaml that cannot be used."""


class LibraryError(CropperheadError):
    """A photo library that is missing, empty or holds no crop."""


class SetupError(CropperheadError):
    """A program that has to be installed first."""


class DataError(CropperheadError):
    """Too many unsound labels, or too few sound ones, to go on."""


class WritingError(CropperheadError):
    """One sidecar that cannot be written, or a backup that cannot be put back: left as it was."""


class ModelError(CropperheadError):
    """A trained model that is missing or cannot be used."""


class RejectedFile(CropperheadError):
    """One file that cannot be used.

    `kind` is the short, countable name of the reason, the message the full one. It may quote what a
    file says, which may be as long as the file: the end of a long one is left out.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message if len(message) <= _LONGEST else f"{message[:_LONGEST]}...")
        self.kind = kind
