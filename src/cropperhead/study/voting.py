"""A study that people vote on through a server: their ballots, the crops, and their votes.

Votes stand in a collection's database. Everybody's ballots and crops have names of their own, which
only this study's secret can make: a name says whose vote it is, and nothing of the croppers.
"""

import hmac
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from cropperhead.collection.ballot_box import BallotBox, Rater
from cropperhead.collection.handover import Opened
from cropperhead.collection.sent import parse_id, parse_receipt
from cropperhead.errors import DataError, RejectedFile
from cropperhead.evaluation.croppers import CNN, HUMAN, MEDIAN, NONE, PREDECESSOR, RANDOM
from cropperhead.study import folder as folders
from cropperhead.study.folder import Stamp, Study
from cropperhead.study.returned import ReturnedSession, parse_votes, table_rows
from cropperhead.study.votes import LEFT, LIKE, RIGHT, SPOILED, TELL, compare

_CROP = re.compile(r"([0-9]{1,4})-([0-9]{1,4})-([0-2])-([0-9a-f]{32})")
_KEPT_RATERS = 500  # whose ballots' names are kept in memory
_PROBLEMS = {
    "ended": "this study is over, and another one has taken its place",
    "unknown_crop": "this study has no such crop",
    "no_study": "the study is not there at the moment; try again later",
}
_LABELS = {
    HUMAN: "the photographer’s",
    CNN: "the network’s",
    RANDOM: "random",
    PREDECESSOR: "the former network’s",
    MEDIAN: "constant",
    NONE: "those of “no crop”",
}


class _Comparison(NamedTuple):
    """Two croppers' crops, and which was chosen: left, right or neither."""

    mode: str
    left: str
    right: str
    answer: str

    @property
    def chosen(self) -> str | None:
        """The cropper whose crop was chosen; None for no difference."""
        return {LEFT: self.left, RIGHT: self.right}.get(self.answer)


class Voting:
    """The study in a folder, with its votes in a ballot box; `most_raters` may vote.

    `stamp` is the folder's from before the study was read, so that none can replace it unnoticed.

    Its methods raise RejectedFile for what is refused, CollectionError if nothing can be stored.
    While its folder is gone, or once it holds another study, votes and crops would not belong
    together: both are refused.
    """

    def __init__(
        self, folder: Path, stamp: Stamp | None, study: Study, box: BallotBox, most_raters: int
    ) -> None:
        self.study, self._folder, self._box, self._most = study, folder, box, most_raters
        self._judged: tuple[Stamp | None, str | None] = stamp, None  # with what was wrong then
        self._most_ballots = max(map(len, study.design))
        # signing 60 ballots for each vote would cost as much as storing it
        self._places = lru_cache(_KEPT_RATERS)(study.ballot_places)

    def find(self, identity: Any, receipt: Any) -> dict[str, Any] | None:
        """Return the session and the ballots of a rater who has begun; None for one who has not."""
        self._require_folder()
        rater = self._box.find(*parse_receipt(identity, receipt))
        return None if rater is None else self._content(rater)

    def begin(self, identity: Any, receipt: Any) -> dict[str, Any]:
        """Add a rater, and return the ballots as `find` does."""
        self._require_folder()
        key = parse_receipt(identity, receipt)
        return self._content(self._box.add(*key, self.study.sessions, self._most))

    def crop(self, rater: str, name: str) -> bytes:
        """Read the JPEG of a crop by the name that a rater was given."""
        parts = _CROP.fullmatch(name)
        if parts is None:
            raise _refusal("unknown_crop")
        session, place, number = map(int, parts.groups()[:3])
        # the secret's part is compared first: without it, nothing is looked up
        if not hmac.compare_digest(name, self._crop_name(Rater(rater, session), place, number)):
            raise _refusal("unknown_crop")
        self._require_folder()
        ballot = self.study.design[session][place]
        try:
            return folders.crop_file(self._folder, ballot.photo, ballot.shown[number]).read_bytes()
        except FileNotFoundError:  # somebody is deleting the folder
            raise _refusal("no_study") from None

    def cast(self, rater: Any, session: Any, votes: Any) -> int:
        """Store a rater's votes, and return how many are new: of two on a ballot, the first counts.

        Votes are objects of a ballot's token, an answer and ms. One that is not what this rater
        was given to vote on rejects all of them.
        """
        self._require_folder()
        voter = self._voter(rater, session)
        if not isinstance(votes, list) or not 0 < len(votes) <= self._most_ballots:
            raise RejectedFile("vote", f"expected a list of 1 to {self._most_ballots} votes")
        places, design = self._places(voter.session, voter.id), self.study.design[voter.session]
        return self._box.cast(voter, parse_votes(votes, places, design))

    def result(self, identity: Any, receipt: Any) -> dict[str, Any]:
        """Say what a rater liked and told apart. Raises RejectedFile before the last vote.

        The receipt is asked for, because the id is in the address of every crop.
        """
        voter = self._box.find(*parse_receipt(identity, receipt))
        if voter is None:
            raise RejectedFile("unknown_receipt", "there are no votes with this receipt")
        votes = self._box.votes(voter.id).get(voter, {})
        design = self.study.design[voter.session]
        if len(votes) < len(design):
            raise RejectedFile("unfinished", "whose crops they are is shown after the last vote")
        comparisons = [
            _Comparison(design[place].mode, *each)
            for place, (answer, _) in votes.items()
            for each in compare(design[place].shown, answer)
        ]
        return {"liked": _liked(comparisons), "told": _told(comparisons)}

    def withdraw(self, identity: Any, receipt: Any) -> bool:
        """Delete a rater's votes; False if there is no such rater with this receipt."""
        return self._box.withdraw(*parse_receipt(identity, receipt))

    def _require_folder(self) -> None:
        """Raise RejectedFile if the folder does not hold this study; read it only if it changed."""
        stamp = folders.stamp(self._folder)
        judged, kind = self._judged
        if stamp is None or stamp != judged:
            kind = self._problem()
            self._judged = stamp, kind
        if kind is not None:
            raise _refusal(kind)

    def _problem(self) -> str | None:
        try:
            return None if folders.holds(self._folder, self.study) else "ended"
        except DataError:
            return "no_study"

    def _voter(self, rater: Any, session: Any) -> Rater:
        if type(session) is not int or not 0 <= session < self.study.sessions:
            raise RejectedFile("session", f"session is {session!r}, which is none of this study's")
        return Rater(parse_id(rater), session)

    def _content(self, rater: Rater) -> dict[str, Any]:
        ballots = [
            {
                "ballot": self.study.ballot_token(rater.session, place, rater.id),
                "mode": ballot.mode,
                "crops": [self._crop_name(rater, place, i) for i in range(len(ballot.shown))],
            }
            for place, ballot in enumerate(self.study.design[rater.session])
        ]
        return {"session": rater.session, "ballots": ballots}

    def _crop_name(self, rater: Rater, place: int, number: int) -> str:
        token = self.study.token("shown", rater.id, rater.session, place, number)
        return f"{rater.session}-{place}-{number}-{token}"


def read_rows(study: Study, place: str) -> Iterator[dict[str, object]]:
    """Yield the rows of the votes on a study in the collection at a place, a folder or a URL.

    Raises CollectionError if it cannot be read, ParamsError for a place that is none.
    """
    with Opened(place) as collection:
        found = BallotBox(collection.database, study.id).votes()
    for rater, votes in found.items():
        yield from table_rows(study, ReturnedSession(rater.id, rater.session, votes))


def ban(raters: Sequence[str], folder: Path, place: str) -> set[str]:
    """Delete the votes of these people on the study in a folder; return who was there.

    `place` is as in `read_rows`; empty: nobody was. Raises DataError if there is no study.
    """
    study = folders.load(folder)
    if not place:
        return set()
    with Opened(place) as collection:
        box = BallotBox(collection.database, study.id)
        return {rater for rater in raters if box.ban(rater)}


def _refusal(kind: str) -> RejectedFile:
    return RejectedFile(kind, _PROBLEMS[kind])


def _liked(comparisons: list[_Comparison]) -> list[dict[str, object]]:
    """Count how often each cropper's crop was preferred; catch trials do not count."""
    won, asked = Counter[str](), Counter[str]()
    for each in comparisons:
        if each.mode != LIKE or SPOILED in (each.left, each.right):
            continue
        asked.update((each.left, each.right))
        if each.chosen is not None:
            won[each.chosen] += 1
    return [
        {"cropper": _LABELS.get(key, f"those of “{key}”"), "won": won[key], "of": asked[key]}
        for key in sorted(asked, key=lambda key: (-won[key] / asked[key], key))
    ]


def _told(comparisons: list[_Comparison]) -> dict[str, int]:
    told = [each for each in comparisons if each.mode == TELL]
    return {"right": sum(each.chosen == HUMAN for each in told), "of": len(told)}
