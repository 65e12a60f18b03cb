import pytest
from sent_photos import crop, jpeg, text

from cropperhead.collection import migrate
from cropperhead.collection.intake import Outcome
from cropperhead.collection.reception import Reception
from cropperhead.collection.settings import CollectionSettings, open_collection
from cropperhead.errors import CollectionError, RejectedFile


@pytest.fixture
def receive_with(tmp_path):
    opened = open_collection(str(tmp_path))
    migrate.prepare(opened)
    yield lambda **changes: Reception(opened, CollectionSettings(str(tmp_path), **changes))
    opened.database.close()


def send(reception, photo=None, **changes):
    return reception.receive(photo or jpeg(), text(**changes).encode())


def refusal(reception, photo=None, **changes):
    with pytest.raises(RejectedFile) as caught:
        send(reception, photo, **changes)
    return caught.value.kind


def test_crops_wait_for_a_moderator_unless_all_are_published(receive_with):
    assert send(receive_with()) == Outcome.STORED
    assert send(receive_with(publish="all")) == Outcome.STORED
    assert receive_with().collection.counts().crops == {"new": 1, "accepted": 1, "rejected": 0}


def test_refusals_are_counted_by_reason_and_nothing_of_them_is_kept(receive_with):
    reception = receive_with()
    assert refusal(reception, b"GIF89a") == "not_jpeg"
    assert refusal(reception, consent="0" * 64) == "consent"
    assert refusal(reception, crop=crop(0, 0, 1, 1, 20)) == "crop"
    assert refusal(reception, jpeg(progressive=True)) == "not_baseline"
    assert reception.outcomes() == {"not_jpeg": 1, "consent": 1, "crop": 1, "not_baseline": 1}
    assert reception.collection.counts().all_crops == 0
    assert list(reception.collection.objects.names(0)) == []


def test_a_collection_takes_no_more_crops_than_it_may(receive_with):
    reception = receive_with(max_crops=2)
    send(reception)
    send(reception)
    assert refusal(reception) == "full"


def test_a_collection_takes_no_more_bytes_than_it_may(receive_with):
    photo = jpeg()
    reception = receive_with(max_gigabytes=len(photo) * 1.5 / 1e9)
    send(reception, photo)
    assert refusal(reception) == "full"


def test_a_disk_with_too_little_room_takes_nothing(receive_with):
    assert refusal(receive_with(min_free_gigabytes=1e9)) == "full"


def test_a_photo_of_too_many_bytes_is_refused(receive_with):
    big = jpeg(1200, 1200, quality=100)
    padded = big + b"\0" * (16 * 1024)
    assert refusal(receive_with(max_photo_kilobytes=16), padded) == "too_large"


def test_what_was_sent_is_withdrawn_by_its_receipt(receive_with):
    reception = receive_with()
    send(reception, id="01" * 16, receipt="02" * 16)
    assert not reception.withdraw("01" * 16, "03" * 16)
    assert reception.withdraw("01" * 16, "02" * 16)
    with pytest.raises(RejectedFile):
        reception.withdraw("01" * 16, None)
    assert reception.outcomes() == {
        "stored": 1,
        "unknown_receipt": 1,
        "withdrawn_now": 1,
        "field": 1,
    }


def test_a_database_that_goes_away_is_an_error_that_is_counted(receive_with):
    reception = receive_with()
    with reception.collection.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE crops")
    with pytest.raises(CollectionError, match="no such table"):
        send(reception)
    assert reception.outcomes() == {"unavailable": 1}
