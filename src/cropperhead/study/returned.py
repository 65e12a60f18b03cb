"""Votes that came back as JSON files, checked against the study and made rows of the table.

A file holds one person's votes of one session. What cannot be used is left out, counted and told.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cropperhead.errors import RejectedFile
from cropperhead.study import folder as folders
from cropperhead.study.ballots import Ballot
from cropperhead.study.folder import Study
from cropperhead.study.votes import compare, is_answer
from cropperhead.system import atomic, filenames, regular_file

_MOST_BYTES = 1_000_000
_MOST_MS = 24 * 3600 * 1000
_RATER = re.compile(r"[0-9a-f-]{8,64}")
_NAME = "{rater}-{session}.json"


@dataclass(frozen=True)
class ReturnedSession:
    """One person's votes of one session: the answer and the milliseconds of each place."""

    rater: str
    session: int
    votes: Mapping[int, tuple[str, int]]


@dataclass
class Import:
    """What an import did: votes that are new, votes that were there, files that were rejected."""

    new: int = 0
    known: int = 0
    rejected: list[str] = field(default_factory=list)


def parse(content: bytes, study: Study) -> ReturnedSession:
    """Read one returned session. Raises RejectedFile with the reason.

    A ballot has one vote, the first.
    """
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RejectedFile("unreadable", f"it is not JSON: {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("votes"), list):
        raise RejectedFile("unreadable", "expected an object with study, session, rater and votes")
    if given.get("study") != study.id:
        raise RejectedFile("other_study", f"it is of the study {given.get('study')!r}, not of this")
    session, rater = given.get("session"), given.get("rater")
    if type(session) is not int or not 0 <= session < study.sessions:
        raise RejectedFile("session", f"session is {session!r}, expected 0 to {study.sessions - 1}")
    if not isinstance(rater, str) or not _RATER.fullmatch(rater):
        raise RejectedFile("rater", "rater is not what the page made")
    votes = parse_votes(given["votes"], study.ballot_places(session), study.design[session])
    return ReturnedSession(rater, session, votes)


def parse_votes(
    given: Iterable[Any], places: Mapping[str, int], design: Sequence[Ballot]
) -> dict[int, tuple[str, int]]:
    """Check votes: objects of a ballot's token, answer and ms; return them by the ballot's place.

    `places` are those of the tokens in the session's design. Raises RejectedFile with the reason.
    """
    votes: dict[int, tuple[str, int]] = {}
    for vote in given:
        place, answer, ms = _parse_vote(vote, places, design)
        votes.setdefault(place, (answer, ms))
    return votes


def import_files(files: Iterable[Path], folder: Path) -> Import:
    """Add files' votes to the study in a folder. A vote that is there stays as it is."""
    study, done = folders.load(folder), Import()
    for file in files:
        try:
            returned = parse(regular_file.read_bytes(file, _MOST_BYTES), study)
        except RejectedFile as error:
            done.rejected.append(f"{filenames.escape_path(file)}: {error}")
            continue
        except OSError as error:
            done.rejected.append(f"{filenames.escape_path(file)}: {error.strerror}")
            continue
        _add(returned, folder, study, done)
    return done


def read_rows(folder: Path, study: Study) -> tuple[list[dict[str, object]], list[str]]:
    """Read the rows of all votes in a study's folder, and list the files that cannot be used."""
    rows, rejected = [], []
    for file in sorted((folder / folders.VOTES).glob("*.json")):
        try:
            returned = parse(regular_file.read_bytes(file, _MOST_BYTES), study)
        except RejectedFile as error:
            rejected.append(f"{filenames.escape_path(file)}: {error}")
            continue
        rows += list(table_rows(study, returned))
    return rows, rejected


def files_of(rater: str, folder: Path) -> list[Path]:
    """Find the files in a study's folder that an import wrote for a rater."""
    if not _RATER.fullmatch(rater):
        return []
    return sorted((folder / folders.VOTES).glob(_NAME.format(rater=rater, session="*")))


def table_rows(study: Study, returned: ReturnedSession) -> Iterator[dict[str, object]]:
    """Yield the rows of a session's votes, with all that the key knows of their ballots."""
    overlaps = study.human_overlaps
    for place, (answer, ms) in sorted(returned.votes.items()):
        ballot = study.design[returned.session][place]
        photo = study.by_name[ballot.photo]
        for left, right, better in compare(ballot.shown, answer):
            yield {
                "rater": returned.rater,
                "session": returned.session,
                "place": place,
                "mode": ballot.mode,
                "kind": ballot.kind,
                "photo": photo.name,
                "group": photo.group,
                "left": left,
                "right": right,
                "answer": better,
                "ms": ms,
                "left_overlap": round(overlaps[photo.name, left], 6),
                "right_overlap": round(overlaps[photo.name, right], 6),
                "repeats": ballot.repeats,
                "model": study.model,
            }


def _parse_vote(
    vote: Any, places: Mapping[str, int], design: Sequence[Ballot]
) -> tuple[int, str, int]:
    if not isinstance(vote, dict):
        raise RejectedFile("vote", f"a vote is {vote!r}, expected ballot, answer and ms")
    ballot, answer, ms = (vote.get(name) for name in ("ballot", "answer", "ms"))
    if not isinstance(ballot, str) or ballot not in places:
        raise RejectedFile("ballot", f"the ballot {ballot!r} was not made here")
    if not isinstance(answer, str) or not is_answer(len(design[places[ballot]].shown), answer):
        expected = "left, right or neither, or the numbers of three crops, the best first"
        raise RejectedFile("answer", f"the answer is {answer!r}, expected {expected}")
    if type(ms) is not int or not 0 <= ms <= _MOST_MS:
        raise RejectedFile("ms", f"ms is {ms!r}, expected milliseconds")
    return places[ballot], answer, ms


def _add(returned: ReturnedSession, folder: Path, study: Study, done: Import) -> None:
    name = _NAME.format(rater=returned.rater, session=returned.session)
    file = folder / folders.VOTES / name
    known = parse(file.read_bytes(), study).votes if file.exists() else {}
    merged = {**returned.votes, **known}
    done.new += len(merged) - len(known)
    done.known += len(known.keys() & returned.votes.keys())
    content = {
        "study": study.id,
        "session": returned.session,
        "rater": returned.rater,
        "votes": [
            {
                "ballot": study.ballot_token(returned.session, place),
                "answer": answer,
                "ms": ms,
            }
            for place, (answer, ms) in sorted(merged.items())
        ],
    }
    text = json.dumps(content, indent=1)
    atomic.replace(file, lambda path: path.write_text(text, encoding="utf-8"))
