import pandas as pd
import pytest

from cropperhead.dataset import originals

ONE, OTHER = "xmp.did:0a1b2c3d4e5f60718293a4b5c6d7e8f9", "xmp.did:f9e8d7c6b5a493827160f5e4d3c2b1a0"
NOON = "2024-05-06T12:00:00.250000"


def photos(*rows: tuple[str | None, str | None, str]) -> pd.DataFrame:
    """Photos of camera, capture time and document IDs."""
    return pd.DataFrame(rows, columns=["camera", "captured", "document_ids"])


def test_photos_that_name_one_document_are_a_pair():
    table = photos((None, None, ONE), (None, None, OTHER), (None, None, f"{OTHER} {ONE}"))
    assert originals.same_documents(table).tolist() == [[2, 0], [2, 1]]


def test_photos_of_one_batch_that_were_taken_at_different_times_are_no_pair():
    times = [f"2024-05-06T12:{minute:02d}:00.000000" for minute in range(60)]
    table = photos(*(("Eye 1", time, ONE) for time in times))
    assert len(originals.same_documents(table)) == 0


def test_photos_of_different_cameras_are_no_pair():
    table = photos(("Eye 1", None, ONE), ("Lens 2", None, ONE), ("Eye 1 0042", None, ONE))
    assert originals.same_documents(table).tolist() == [[2, 0]]  # the first lacks its serial number


def test_a_document_that_many_photos_name_joins_only_its_first_four():
    table = photos(*[(None, None, ONE)] * 60)
    # 4 photos have 3 + 2 + 1 pairs
    expected = [[1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [3, 2]]
    assert originals.same_documents(table).tolist() == expected


@pytest.mark.parametrize("name", ["", "unknown", "uuid:00000000-0000-0000-0000-000000000000", "0"])
def test_what_is_no_name_joins_nothing(name):
    assert len(originals.same_documents(photos((None, None, name), (None, None, name)))) == 0


def test_labels_without_document_ids_have_no_pairs():
    table = photos((None, None, ONE)).drop(columns="document_ids")
    assert originals.same_documents(table).shape == (0, 2)


def test_one_moment_of_a_camera_with_and_without_its_serial_number_is_a_pair():
    table = photos(("Eye 1 0042", NOON, ""), ("Eye 1", NOON[:19], ""), ("Lens 2", NOON, ""))
    assert originals.same_moments(table).tolist() == [[1, 0]]


def test_without_a_camera_the_fraction_of_the_second_must_be_the_same():
    whole = "2024-05-06T12:00:00.000000"
    table = photos(("Eye 1", NOON, ""), (None, NOON, ""), (None, whole, ""), ("Eye 1", whole, ""))
    # 2 and 3 have whole seconds, which many cameras share; 3 and 0 are of one camera and second
    assert originals.same_moments(table).tolist() == [[1, 0], [3, 0]]


@pytest.mark.parametrize("day", ["1904-01-01", "1970-01-01", "1980-01-01", "2000-01-01"])
def test_a_clock_that_was_never_set_gives_no_moment_and_contradicts_nothing(day):
    start, later = f"{day}T00:00:00.000000", f"{day}T00:07:00.000000"
    table = photos(("Eye 1", start, ONE), ("Eye 1", start, ""), ("Eye 1", later, ONE))
    assert len(originals.same_moments(table)) == 0
    assert originals.same_documents(table).tolist() == [[2, 0]]
