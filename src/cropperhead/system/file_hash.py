"""The SHA-256 of files, by which data and models are recognised."""

import hashlib
from pathlib import Path

from cropperhead.system.regular_file import open_regular


def file_sha256(*files: Path) -> str:
    """Hash the contents of files in the order given, as hex digits; a missing file is empty.

    Raises OSError.
    """
    digest = hashlib.sha256()
    for file in files:
        if file.exists():
            with open_regular(file) as stream:
                hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()
