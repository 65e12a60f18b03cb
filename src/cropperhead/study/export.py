"""Writes a study as static files, which any web server or a folder on disk can show.

A session's crops are copied under names of the session's own, so that neither names nor how often
one occurs say whose crop is whose. The key stays in the study's folder.
"""

import json
import os
import shutil
from pathlib import Path

from cropperhead.errors import DataError
from cropperhead.study import folder as folders
from cropperhead.study import static_files
from cropperhead.study.folder import Study

_TIME = (978_307_200, 978_307_200)  # of every file: 2001, whatever the order of writing


def export(folder: Path, target: Path) -> int:
    """Write the study in `folder` to the new or empty folder `target`; return its sessions.

    Raises DataError if `target` has files.
    """
    study = folders.load(folder)
    if target.exists() and any(target.iterdir()):
        raise DataError(f"{target}: it is not empty. Choose a new folder.")
    for name in ("crops", "sessions"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for name, content in page_files(study).items():
        (target / name).write_bytes(content)
    for session in range(study.sessions):
        script = _script("session", folders.session_content(study, session))
        (target / "sessions" / f"{session + 1}.js").write_bytes(script)
        for name, file in folders.session_crops(folder, study, session):
            shutil.copyfile(file, target / "crops" / f"{name}.jpg")
    for file in sorted(target.rglob("*")):
        os.utime(file, _TIME)
    return study.sessions


def page_files(study: Study, has_server: bool = False) -> dict[str, bytes]:
    """Return the files of a study's page by their names, without its sessions and crops.

    With `has_server` the page asks a server for its ballots, and sends votes to it.
    """
    facts = {"id": study.id, "sessions": study.sessions, "server": has_server}
    return {name: static_files.read(name) for name in static_files.NAMES} | {
        "sessions.js": _script("study", facts)
    }


def _script(name: str, value: object) -> bytes:
    return f"window.{name} = {json.dumps(value)};\n".encode()
