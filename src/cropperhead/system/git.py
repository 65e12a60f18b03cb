"""The only door to git."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cropperhead.errors import SetupError


def run_git(*arguments: str, folder: Path = Path(), allowed: Sequence[int] = ()) -> str:
    """Run git in a folder and return its output.

    Raises SetupError if git is not installed, or exits with a status other than 0 and those in
    `allowed`.
    """
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", check=False
        )
    except OSError as error:
        raise SetupError(f"git: cannot be run. Install it, and try again: {error}") from error
    if done.returncode not in (0, *allowed):
        raise SetupError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
