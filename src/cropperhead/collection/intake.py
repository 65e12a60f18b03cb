"""Takes crops in, and gives them back: the one place that writes a collection.

What always holds, whenever a process is killed or the store or the database goes away:

- No row without its object. A photo's object is stored before its row, and deleted after it.
- No acknowledged crop is lost: rows are committed before anybody is told so.
- No id twice: a repeat is recognised by its id, one after a withdrawal, too.

Whoever inserts or deletes a photo's row, or deletes its object, holds a lock of this photo
meanwhile (`Database.writing`). An object without a row is an orphan, which `sweep` deletes.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa

from cropperhead.collection import tables
from cropperhead.collection.objects import Objects
from cropperhead.collection.sent import SentCrop
from cropperhead.collection.tables import NEW, REJECTED, Database
from cropperhead.collection.uploads import Upload
from cropperhead.errors import RejectedFile

_ORPHAN_AGE_S = 3600.0  # a photo's object is stored shortly before its row
# What is known of a crop's id and its sender. One statement, made once: each costs as much as the
# rows, and making one as much as running it
_KNOWN = (
    sa.select(tables.crops.c.photo, tables.crops.c.receipt, tables.withdrawals.c.id)
    .add_columns(tables.bans.c.author)
    .select_from(sa.select(sa.literal(1)).subquery())
    .outerjoin(tables.crops, tables.crops.c.id == sa.bindparam("crop"))
    .outerjoin(tables.withdrawals, tables.withdrawals.c.id == sa.bindparam("crop"))
    .outerjoin(tables.bans, tables.bans.c.author == sa.bindparam("sender"))
)


class Outcome(Enum):
    """What became of a crop that was sent."""

    STORED = "stored"
    REPEATED = "repeated"  # it is stored already


@dataclass(frozen=True)
class Counts:
    """How much a collection holds."""

    photos: int
    photo_bytes: int
    crops: Mapping[str, int]  # by status
    withdrawn: int
    raters: int  # of all studies
    votes: int

    @property
    def all_crops(self) -> int:
        """Return the number of crops of any status."""
        return sum(self.crops.values())


StoredCrop = Mapping[str, Any]  # columns of `tables.crops`, and those that `list_crops` adds


class Collection:
    """A database with the photos' object store."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self.database, self.objects = database, objects

    def store(self, photo: Upload, sent: SentCrop, consent: str, status: str = NEW) -> Outcome:
        """Store a crop with its photo and the text that was agreed to.

        Raises RejectedFile (`banned`, `withdrawn`, `id_taken`), and CollectionError if the store or
        the database cannot be used: then sending it again is safe.
        """
        now = int(time.time())
        self.objects.put(photo.sha256, photo.jpeg)
        with self.database.writing(photo.sha256) as connection:
            if self._is_repeat(connection, photo, sent):
                return Outcome.REPEATED
            # a withdrawal of another crop may have deleted it since
            if not self.objects.exists(photo.sha256):
                self.objects.put(photo.sha256, photo.jpeg)
            insert = self.database.insert_new
            insert(connection, tables.photos, _photo_row(photo, now))
            row = {"sha256": sent.consent, "text": consent, "received": now}
            insert(connection, tables.consents, row)
            values = _crop_row(photo, sent) | {"status": status, "received": now}
            if not insert(connection, tables.crops, values):  # another process was faster
                raise _id_taken()
        return Outcome.STORED

    def _is_repeat(self, connection: sa.Connection, photo: Upload, sent: SentCrop) -> bool:
        """Return whether a crop is stored already. Raises RejectedFile if it may not be."""
        found = connection.execute(_KNOWN, {"crop": sent.id, "sender": sent.author}).one()
        stored_photo, receipt, withdrawn, banned = found
        if stored_photo is not None:
            if (stored_photo, receipt) != (photo.sha256, sent.receipt):
                raise _id_taken()
            return True
        if withdrawn is not None:
            raise RejectedFile("withdrawn", "this crop was withdrawn")
        if banned is not None:
            raise RejectedFile("banned", "crops of this sender are not accepted")
        return False

    def withdraw(self, identity: str, receipt: str) -> bool:
        """Delete a crop, and its photo if no other crop has it; False if there is no such crop.

        `receipt` is the hash of the sender's receipt; with another one, there is no such crop.
        """
        crops = tables.crops.c
        with self.database.reading() as connection:
            past = tables.withdrawals.c
            if connection.execute(
                sa.select(past.id).where(past.id == identity, past.receipt == receipt)
            ).first():
                return True
            photo = connection.execute(
                sa.select(crops.photo).where(crops.id == identity, crops.receipt == receipt)
            ).scalar()
        if photo is None:
            return False
        with self.database.writing(photo) as connection:
            row = {"id": identity, "receipt": receipt, "withdrawn": int(time.time())}
            self.database.insert_new(connection, tables.withdrawals, row)
            connection.execute(sa.delete(tables.crops).where(crops.id == identity))
            _delete_unused_photo(connection, photo)
        self._delete_orphan(photo)
        return True

    def moderate(self, identities: Sequence[str], status: str) -> int:
        """Accept or reject crops; return how many there were of these ids."""
        values = {"status": status, "moderated": int(time.time())}
        with self.database.writing() as connection:
            chosen = sa.update(tables.crops).where(tables.crops.c.id.in_(list(identities)))
            return connection.execute(chosen.values(values)).rowcount

    def ban(self, identity: str) -> int:
        """Ban the sender of a crop and reject all their crops; return how many these are."""
        crops, now = tables.crops.c, int(time.time())
        with self.database.writing() as connection:
            author = connection.execute(
                sa.select(crops.author).where(crops.id == identity)
            ).scalar()
            if author is None:
                return 0
            self.database.insert_new(connection, tables.bans, {"author": author, "banned": now})
            theirs = sa.update(tables.crops).where(crops.author == author)
            return connection.execute(theirs.values(status=REJECTED, moderated=now)).rowcount

    def list_crops(self, status: str | None = None, limit: int | None = None) -> list[StoredCrop]:
        """List crops, the earliest first.

        Besides their own columns they have `width` and `height` of the photo, and the `text` of the
        consent.
        """
        photos, crops = tables.photos.c, tables.crops.c
        chosen = (
            sa.select(tables.crops, photos.width, photos.height, tables.consents.c.text)
            .join(tables.photos, crops.photo == photos.sha256)
            .join(tables.consents, crops.consent == tables.consents.c.sha256)
            .order_by(crops.received, crops.id)
        )
        if status is not None:
            chosen = chosen.where(crops.status == status)
        if limit is not None:
            chosen = chosen.limit(limit)
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(chosen).mappings()]

    def has_photo(self, photo: str) -> bool:
        """Return whether the collection has a photo of this SHA-256."""
        column = tables.photos.c.sha256
        with self.database.reading() as connection:
            return connection.execute(sa.select(column).where(column == photo)).first() is not None

    def counts(self) -> Counts:
        """Count what the collection holds."""
        status = tables.crops.c.status
        with self.database.reading() as connection:
            photos, size = connection.execute(
                sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(tables.photos.c.bytes), 0))
            ).one()
            by_status = connection.execute(sa.select(status, sa.func.count()).group_by(status))
            crops = dict.fromkeys(tables.STATUSES, 0) | dict(tuple(row) for row in by_status)
            further = [
                connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in (tables.withdrawals, tables.raters, tables.votes)
            ]
            return Counts(photos, int(size), crops, *further)

    def sweep(self, least_age_s: float = _ORPHAN_AGE_S) -> int:
        """Delete objects without a row that are at least so old; return how many there were."""
        return sum(map(self._delete_orphan, list(self._orphans(least_age_s))))

    def missing_objects(self) -> list[str]:
        """List the photos whose object is gone: by the disk's loss, or in a backup."""
        with self.database.reading() as connection:
            names = connection.execute(sa.select(tables.photos.c.sha256)).scalars().all()
        return [name for name in sorted(names) if not self.objects.exists(name)]

    def _orphans(self, least_age_s: float) -> Iterator[str]:
        with self.database.reading() as connection:
            known = set(connection.execute(sa.select(tables.photos.c.sha256)).scalars())
        return (name for name in self.objects.names(least_age_s) if name not in known)

    def _delete_orphan(self, photo: str) -> bool:
        """Delete an object unless its photo has a row; return whether it had none."""
        with self.database.writing(photo) as connection:
            column = tables.photos.c.sha256
            if connection.execute(sa.select(column).where(column == photo)).first():
                return False
            self.objects.delete(photo)
        return True


def _id_taken() -> RejectedFile:
    return RejectedFile("id_taken", "another crop has this id")


def _delete_unused_photo(connection: sa.Connection, photo: str) -> None:
    used = sa.select(tables.crops.c.id).where(tables.crops.c.photo == photo)
    connection.execute(
        sa.delete(tables.photos).where(tables.photos.c.sha256 == photo, ~used.exists())
    )


def _photo_row(photo: Upload, now: int) -> dict[str, Any]:
    return {
        "sha256": photo.sha256,
        "bytes": len(photo.jpeg),
        "width": photo.width,
        "height": photo.height,
        "received": now,
    }


def _crop_row(photo: Upload, sent: SentCrop) -> dict[str, Any]:
    suggested = sent.suggested.limits().tolist() if sent.suggested else [None] * 5
    limits = {
        **dict(zip(tables.CROP, sent.crop.limits().tolist(), strict=True)),
        **dict(zip(tables.STARTED, sent.started.limits().tolist(), strict=True)),
        **dict(zip(tables.SUGGESTED, suggested, strict=True)),
    }
    return limits | {
        "id": sent.id,
        "photo": photo.sha256,
        "author": sent.author,
        "receipt": sent.receipt,
        "consent": sent.consent,
        "shown": sent.shown,
        "started_from": sent.started_from,
        "suggested_by": sent.model,
        "confidence": sent.confidence,
    }
