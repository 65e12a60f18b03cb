"""The SHA-256 of files, by which data and models are recognised."""

import hashlib
from pathlib import Path


def file_sha256(*files: Path) -> str:
    """Hash the contents of files in the order given, as hex digits; a missing file is empty."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()
