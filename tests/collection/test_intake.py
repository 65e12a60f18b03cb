import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sent_photos import crop, fields, jpeg, text

from cropperhead.collection import migrate, sent, uploads
from cropperhead.collection.intake import Outcome
from cropperhead.collection.objects import FolderObjects
from cropperhead.collection.settings import CONSENT, open_collection
from cropperhead.errors import CollectionError, RejectedFile


def photo(seed=None):
    return uploads.check_upload(jpeg(seed=seed))


def parsed(**changes):
    return sent.parse_crop(text(**changes))


def send(collection, upload, **changes):
    one = parsed(**changes)
    return one, collection.store(upload, one, CONSENT)


def stored_objects(collection):
    return list(collection.objects.names(0))


def test_a_crop_is_stored_with_its_photo_and_what_was_agreed_to(collection):
    upload = photo()
    one, outcome = send(collection, upload, crop=crop(0.1, 0.2, 0.8, 0.9, -1.5))
    assert outcome == Outcome.STORED
    (row,) = collection.list_crops()
    assert [row[f"crop_{side}"] for side in crop()] == [0.1, 0.2, 0.8, 0.9, -1.5]
    assert (row["id"], row["status"], row["text"]) == (one.id, "new", CONSENT)
    assert (row["width"], row["height"]) == (96, 64)
    assert collection.objects.get(upload.sha256) == upload.jpeg
    assert collection.missing_objects() == []


def test_a_repeat_stores_nothing(collection):
    upload, changes = photo(), fields()
    assert send(collection, upload, **changes)[1] == Outcome.STORED
    assert send(collection, upload, **changes)[1] == Outcome.REPEATED
    assert collection.counts().all_crops == 1


@pytest.mark.parametrize("changes", [{"receipt": "00" * 16}, {}])
def test_another_crop_cannot_take_an_id(collection, changes):
    upload, first = photo(), fields()
    send(collection, upload, **first)
    other = upload if changes else photo()
    with pytest.raises(RejectedFile) as caught:
        send(collection, other, **(first | changes))
    assert caught.value.kind == "id_taken"
    assert collection.counts().all_crops == 1


def test_a_photo_that_two_people_send_is_stored_once(collection):
    upload = photo()
    send(collection, upload, sender="01" * 16)
    send(collection, upload, sender="02" * 16)
    counts = collection.counts()
    assert (counts.photos, counts.all_crops, counts.photo_bytes) == (1, 2, len(upload.jpeg))


def test_withdrawing_deletes_the_row_and_then_the_photo_that_nobody_else_sent(collection):
    upload = photo()
    mine, _ = send(collection, upload, receipt="01" * 16)
    theirs, _ = send(collection, upload, receipt="02" * 16)
    assert collection.withdraw(mine.id, mine.receipt)
    assert [row["id"] for row in collection.list_crops()] == [theirs.id]
    assert stored_objects(collection) == [upload.sha256]
    assert collection.withdraw(theirs.id, theirs.receipt)
    assert (collection.counts().photos, stored_objects(collection)) == (0, [])


def test_only_the_receipt_withdraws(collection):
    one, _ = send(collection, photo())
    assert not collection.withdraw(one.id, sent.hash_key("receipt", "00" * 16))
    assert not collection.withdraw("00" * 16, one.receipt)
    assert collection.counts().all_crops == 1


def test_withdrawing_twice_is_no_error_and_a_late_repeat_brings_nothing_back(collection):
    upload, changes = photo(), fields()
    one, _ = send(collection, upload, **changes)
    assert collection.withdraw(one.id, one.receipt)
    assert collection.withdraw(one.id, one.receipt)
    with pytest.raises(RejectedFile) as caught:
        send(collection, upload, **changes)
    assert caught.value.kind == "withdrawn"
    assert collection.sweep(0) == 1  # the object that the repeat stored
    assert stored_objects(collection) == []


def test_a_banned_sender_s_crops_are_rejected_and_no_more_are_taken(collection):
    one, _ = send(collection, photo(), sender="01" * 16)
    send(collection, photo(), sender="01" * 16)
    send(collection, photo(), sender="02" * 16)
    assert collection.ban(one.id) == 2
    assert collection.counts().crops == {"new": 1, "accepted": 0, "rejected": 2}
    with pytest.raises(RejectedFile) as caught:
        send(collection, photo(), sender="01" * 16)
    assert caught.value.kind == "banned"
    assert collection.ban("00" * 16) == 0


def test_moderators_accept_and_reject(collection):
    ids = [send(collection, photo())[0].id for _ in range(3)]
    assert collection.moderate(ids[:2], "accepted") == 2
    assert collection.moderate(["00" * 16], "accepted") == 0
    assert collection.counts().crops == {"new": 1, "accepted": 2, "rejected": 0}
    assert {row["id"] for row in collection.list_crops("accepted")} == set(ids[:2])


def test_orphans_are_swept_once_they_are_old_enough(collection):
    upload = photo()
    collection.objects.put(upload.sha256, upload.jpeg)
    send(collection, photo())
    assert collection.sweep(3600) == 0
    assert collection.sweep(0) == 1
    assert collection.counts().photos == len(stored_objects(collection)) == 1


def test_a_photo_whose_object_was_deleted_meanwhile_is_stored_again(collection, monkeypatch):
    upload, put = photo(), collection.objects.put

    def put_and_lose(name, content):
        put(name, content)
        collection.objects.delete(name)
        monkeypatch.undo()

    monkeypatch.setattr(collection.objects, "put", put_and_lose)
    send(collection, upload)
    assert collection.missing_objects() == []


def test_people_who_send_and_withdraw_one_photo_at_a_time_leave_no_row_without_its_object(
    collection,
):
    upload, start = photo(), threading.Barrier(4)

    def come_and_go(person):
        start.wait()
        for _ in range(8):
            one, _ = send(collection, upload, receipt=f"{person:02}" * 16)
            assert collection.missing_objects() == []
            assert collection.withdraw(one.id, one.receipt)
            collection.sweep(0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert (collection.counts().all_crops, stored_objects(collection)) == (0, [])


def test_the_same_crop_sent_four_times_at_once_is_one_row(collection):
    upload, changes = photo(), fields()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: send(collection, upload, **changes)[1], range(4)))
    assert sorted(outcome.value for outcome in outcomes) == ["repeated"] * 3 + ["stored"]
    assert collection.counts().all_crops == 1


def test_without_its_store_a_collection_takes_nothing(collection, tmp_path):
    collection.objects = FolderObjects(tmp_path / "elsewhere")
    with pytest.raises(CollectionError, match="the collection's photos are not there"):
        send(collection, photo())
    assert collection.counts().all_crops == 0


def test_an_empty_folder_in_place_of_the_photos_disk_is_not_filled(tmp_path):
    opened = open_collection(str(tmp_path))
    migrate.prepare(opened)
    one, _ = send(opened, photo())
    (tmp_path / "objects").rename(tmp_path / "disk")
    (tmp_path / "objects").mkdir()  # where it was mounted
    for use in (lambda: migrate.prepare(opened), lambda: opened.withdraw(one.id, one.receipt)):
        with pytest.raises(CollectionError, match="the collection's photos are not there"):
            use()
    opened.database.close()
