"""The votes of studies in a collection's database: the one place that reads and writes them.

A ballot has one vote, the first; who withdraws has none, and gets no new ones under the same id.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cropperhead.collection import tables
from cropperhead.collection.tables import Database
from cropperhead.errors import RejectedFile

Votes = Mapping[int, tuple[str, int]]  # the answer and the milliseconds of each ballot's place
# Made once: making a statement takes as long as running it
_RATER = sa.select(tables.raters.c.id).where(
    tables.raters.c.id == sa.bindparam("rater"),
    tables.raters.c.session == sa.bindparam("session"),
    tables.raters.c.study == sa.bindparam("study"),
)
_BANNED = "banned"  # in place of a receipt's hash: who withdrew may begin anew, who is banned not


@dataclass(frozen=True)
class Rater:
    """A person who votes: an id made by the page, and the session that the person was given."""

    id: str
    session: int


class BallotBox:
    """The votes of one study, named by its id, in a database.

    Its methods raise CollectionError if the database cannot be used: then a repeat is safe.
    """

    def __init__(self, database: Database, study: str) -> None:
        self.database, self._study = database, study

    def find(self, identity: str, receipt: str) -> Rater | None:
        """Find a rater by the id and the receipt's hash; None for one that is new.

        Raises RejectedFile: `withdrawn` after a withdrawal, `banned`, or `id_taken` for another
        receipt.
        """
        with self.database.reading() as connection:
            return self._find(connection, identity, receipt)

    def add(self, identity: str, receipt: str, sessions: int, most: int) -> Rater:
        """Add a rater, who gets the session with the fewest; `most` is of all studies' raters.

        Raises RejectedFile: `full`, or as `find` does.
        """
        raters = tables.raters.c
        counts = sa.select(raters.session, sa.func.count()).where(raters.study == self._study)
        # SQLite serialises writers; two on PostgreSQL may get the same session, which does no harm
        with self.database.writing(identity) as connection:
            known = self._find(connection, identity, receipt)
            if known is not None:
                return known
            everybody = sa.select(sa.func.count()).select_from(tables.raters)
            if connection.execute(everybody).scalar_one() >= most:
                raise RejectedFile("full", "this study takes no more people")
            used = {row[0]: row[1] for row in connection.execute(counts.group_by(raters.session))}
            session = min(range(sessions), key=lambda number: (used.get(number, 0), number))
            row = {"id": identity, "receipt": receipt, "study": self._study, "session": session}
            row["received"] = int(time.time())
            connection.execute(sa.insert(tables.raters).values(row))
        return Rater(identity, session)

    def cast(self, rater: Rater, votes: Votes) -> int:
        """Store votes; return how many are new. Raises RejectedFile for an unknown rater."""
        now = int(time.time())
        theirs = {"rater": rater.id, "session": rater.session, "study": self._study}
        with self.database.writing(rater.id) as connection:
            if connection.execute(_RATER, theirs).first() is None:
                raise RejectedFile(
                    "unknown_rater", "there is no such person, or their votes were deleted"
                )
            return sum(
                self.database.insert_new(
                    connection,
                    tables.votes,
                    {
                        **{"rater": rater.id, "place": place, "answer": answer},
                        **{"ms": ms, "received": now},
                    },
                )
                for place, (answer, ms) in votes.items()
            )

    def withdraw(self, identity: str, receipt: str) -> bool:
        """Delete a rater with all votes; False if there is none with this receipt's hash."""
        raters, withdrawals = tables.raters.c, tables.withdrawals.c
        with self.database.writing(identity) as connection:
            past = sa.select(withdrawals.id).where(
                withdrawals.id == identity, withdrawals.receipt.in_([receipt, _BANNED])
            )
            if connection.execute(past).first():
                return True
            theirs = sa.select(raters.id).where(raters.id == identity, raters.receipt == receipt)
            if connection.execute(theirs).first() is None:
                return False
            self._delete(connection, identity, receipt)
        return True

    def ban(self, identity: str) -> bool:
        """Delete a rater with all votes, and take none under this id again; False for no such one.

        Nothing is kept but the id. Who was banned or has withdrawn before counts as banned, too.
        """
        raters, withdrawals = tables.raters.c, tables.withdrawals.c
        with self.database.writing(identity) as connection:
            past = sa.select(withdrawals.id).where(withdrawals.id == identity)
            if connection.execute(past).first():
                return True
            theirs = sa.select(raters.id).where(raters.id == identity, raters.study == self._study)
            if connection.execute(theirs).first() is None:
                return False
            self._delete(connection, identity, _BANNED)
        return True

    def _delete(self, connection: sa.Connection, identity: str, receipt: str) -> None:
        row = {"id": identity, "receipt": receipt, "withdrawn": int(time.time())}
        self.database.insert_new(connection, tables.withdrawals, row)
        connection.execute(sa.delete(tables.votes).where(tables.votes.c.rater == identity))
        connection.execute(sa.delete(tables.raters).where(tables.raters.c.id == identity))

    def votes(self, identity: str | None = None) -> dict[Rater, dict[int, tuple[str, int]]]:
        """Return the votes of everybody in the study, or of one rater, sorted."""
        raters, votes = tables.raters.c, tables.votes.c
        chosen = (
            sa.select(raters.id, raters.session, votes.place, votes.answer, votes.ms)
            .join(tables.votes, votes.rater == raters.id)
            .where(raters.study == self._study)
            .order_by(raters.id, votes.place)
        )
        if identity is not None:
            chosen = chosen.where(raters.id == identity)
        found: dict[Rater, dict[int, tuple[str, int]]] = {}
        with self.database.reading() as connection:
            for name, session, place, answer, ms in connection.execute(chosen):
                found.setdefault(Rater(name, session), {})[place] = (answer, ms)
        return found

    def _find(self, connection: sa.Connection, identity: str, receipt: str) -> Rater | None:
        raters, withdrawals = tables.raters.c, tables.withdrawals.c
        past = sa.select(withdrawals.receipt).where(withdrawals.id == identity)
        gone = connection.execute(past).scalar()
        if gone == _BANNED:
            raise RejectedFile("banned", "no more votes are taken from this person")
        if gone is not None:
            raise RejectedFile("withdrawn", "these votes were withdrawn")
        columns = sa.select(raters.session, raters.receipt, raters.study)
        row = connection.execute(columns.where(raters.id == identity)).first()
        if row is None:
            return None
        if (row.receipt, row.study) != (receipt, self._study):
            raise RejectedFile("id_taken", "another person has this id")
        return Rater(identity, row.session)
