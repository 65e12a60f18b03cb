"""Receives what people send: checks it, keeps it within the quotas, stores it, and counts.

Everything that is refused is counted by its reason, and nothing of it is kept.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping

from cropperhead.collection import sent, uploads
from cropperhead.collection.intake import Collection, Counts, Outcome
from cropperhead.collection.objects import FolderObjects
from cropperhead.collection.settings import CollectionSettings
from cropperhead.collection.tables import ACCEPTED, NEW
from cropperhead.errors import CollectionError, RejectedFile

WITHDRAWN, UNAVAILABLE = "withdrawn_now", "unavailable"
_COUNT_EVERY_S = 30.0  # counting 100,000 rows takes some milliseconds
_GIGABYTE = 1e9


class Reception:
    """The counter of a collection; its methods may be called from several threads."""

    def __init__(self, collection: Collection, settings: CollectionSettings) -> None:
        self.collection, self.settings = collection, settings
        self.consent_sha256 = sent.hash_consent(settings.consent)
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._usage: Counts | None = None
        self._usage_time = 0.0
        self._since = [0, 0]  # crops and bytes stored since they were counted

    def receive(self, photo: bytes, text: bytes) -> Outcome:
        """Store a crop (JSON) with its photo (JPEG).

        Raises RejectedFile for what is refused, CollectionError if nothing can be stored now.
        """
        try:
            crop = sent.parse_crop(text)
            if crop.consent != self.consent_sha256:
                problem = "the text that was agreed to is not this server's. Load the page again"
                raise RejectedFile("consent", problem)
            if len(photo) > self.settings.max_photo_bytes:
                most = self.settings.max_photo_kilobytes
                raise RejectedFile("too_large", f"the photo has more than {most:,} kB")
            self._require_room(len(photo))
            upload = uploads.check_upload(photo)
            sent.check_in_frame(crop, upload.width, upload.height)
            status = ACCEPTED if self.settings.publish == "all" else NEW
            outcome = self.collection.store(upload, crop, self.settings.consent, status)
        except RejectedFile as error:
            self.count(error.kind)
            raise
        except CollectionError:
            self.count(UNAVAILABLE)
            raise
        self.count(outcome.value)
        if outcome is Outcome.STORED:
            with self._lock:
                self._since[0] += 1
                self._since[1] += len(upload.jpeg)
        return outcome

    def withdraw(self, identity: str, receipt: str) -> bool:
        """Delete a crop; False if there is none with this receipt. Raises as `receive` does."""
        try:
            found = self.collection.withdraw(*sent.parse_receipt(identity, receipt))
        except RejectedFile as error:
            self.count(error.kind)
            raise
        except CollectionError:
            self.count(UNAVAILABLE)
            raise
        self.count(WITHDRAWN if found else "unknown_receipt")
        return found

    def check(self) -> None:
        """Raise CollectionError unless the database and the object store can be reached."""
        self.collection.counts()
        objects = self.collection.objects
        if isinstance(objects, FolderObjects):
            objects.free_bytes()
        else:
            objects.exists("0" * 64)

    def count(self, outcome: str) -> None:
        """Count an outcome, such as the reason of a refusal."""
        with self._lock:
            self._outcomes[outcome] += 1

    def outcomes(self) -> Mapping[str, int]:
        """Return how often each outcome was counted since the start."""
        with self._lock:
            return dict(self._outcomes)

    def _require_room(self, size: int) -> None:
        """Raise RejectedFile (`full`) if the collection or its disk has no room for a photo."""
        settings, usage = self.settings, self._current_usage()
        with self._lock:
            crops, stored = usage.all_crops + self._since[0], usage.photo_bytes + self._since[1]
        if crops >= settings.max_crops or stored + size > settings.max_gigabytes * _GIGABYTE:
            raise RejectedFile("full", "this collection is full")
        objects = self.collection.objects
        least = settings.min_free_gigabytes * _GIGABYTE + size
        if isinstance(objects, FolderObjects) and objects.free_bytes() < least:
            raise RejectedFile("full", "this collection's disk is full")

    def _current_usage(self) -> Counts:
        now = time.monotonic()
        with self._lock:
            if self._usage is not None and now - self._usage_time < _COUNT_EVERY_S:
                return self._usage
        usage = self.collection.counts()
        with self._lock:
            self._usage, self._usage_time, self._since = usage, now, [0, 0]
        return usage
