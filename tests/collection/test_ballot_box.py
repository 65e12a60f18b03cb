import pytest

from cropperhead.collection.ballot_box import BallotBox
from cropperhead.errors import RejectedFile

ONE, TWO, RECEIPT, OTHER = "01" * 16, "02" * 16, "a" * 64, "b" * 64


@pytest.fixture
def box(collection):
    return BallotBox(collection.database, "study")


def test_people_get_the_sessions_that_fewest_have(box):
    raters = [box.add(f"{i:032}", RECEIPT, sessions=3, most=9) for i in range(4)]
    assert [rater.session for rater in raters] == [0, 1, 2, 0]
    assert box.withdraw(f"{1:032}", RECEIPT)
    assert box.add(ONE, RECEIPT, sessions=3, most=9).session == 1


def test_who_comes_back_is_found_with_the_receipt_alone(box):
    rater = box.add(ONE, RECEIPT, sessions=3, most=9)
    assert box.find(ONE, RECEIPT) == box.add(ONE, RECEIPT, sessions=3, most=9) == rater
    assert box.find(TWO, RECEIPT) is None
    for meddle in (lambda: box.find(ONE, OTHER), lambda: box.add(ONE, OTHER, 3, 9)):
        with pytest.raises(RejectedFile, match="another person"):
            meddle()


def test_of_two_votes_on_a_ballot_the_first_counts(box):
    rater = box.add(ONE, RECEIPT, sessions=1, most=9)
    assert box.cast(rater, {0: ("left", 900)}) == 1
    assert box.cast(rater, {0: ("right", 800), 1: ("132", 700)}) == 1
    assert box.votes() == {rater: {0: ("left", 900), 1: ("132", 700)}}


def test_who_withdraws_has_no_votes_and_none_that_come_late(box):
    rater = box.add(ONE, RECEIPT, sessions=1, most=9)
    box.cast(rater, {0: ("left", 900)})
    assert not box.withdraw(ONE, OTHER)
    assert box.withdraw(ONE, RECEIPT)
    assert box.withdraw(ONE, RECEIPT)  # a repeat
    assert box.votes() == {}
    with pytest.raises(RejectedFile, match="there is no such person"):
        box.cast(rater, {1: ("left", 900)})
    for again in (lambda: box.find(ONE, RECEIPT), lambda: box.add(ONE, RECEIPT, 1, 9)):
        with pytest.raises(RejectedFile, match="were withdrawn"):
            again()


def test_who_is_banned_has_no_votes_and_casts_no_more(box, collection):
    rater, kept = (box.add(one, RECEIPT, sessions=1, most=9) for one in (ONE, TWO))
    for each in (rater, kept):
        box.cast(each, {0: ("left", 900)})
    assert not BallotBox(collection.database, "other").ban(ONE)
    assert box.ban(ONE)
    assert box.ban(ONE)  # a repeat
    assert not box.ban("03" * 16)
    assert box.votes() == {kept: {0: ("left", 900)}}
    assert (collection.counts().raters, collection.counts().votes) == (1, 1)
    with pytest.raises(RejectedFile, match="no more votes are taken"):
        box.add(ONE, RECEIPT, sessions=1, most=9)
    assert box.withdraw(ONE, RECEIPT)  # of what is no longer there
    with pytest.raises(RejectedFile, match="no more votes are taken"):
        box.add(ONE, RECEIPT, sessions=1, most=9)


def test_votes_of_another_study_are_not_this_one_s(box, collection):
    other = BallotBox(collection.database, "other")
    rater = other.add(ONE, RECEIPT, sessions=1, most=9)
    other.cast(rater, {0: ("left", 900)})
    assert box.votes() == {}
    with pytest.raises(RejectedFile, match="there is no such person"):
        box.cast(rater, {1: ("left", 900)})


def test_a_study_can_be_full(box):
    box.add(ONE, RECEIPT, sessions=1, most=1)
    with pytest.raises(RejectedFile, match="takes no more people"):
        box.add(TWO, RECEIPT, sessions=1, most=1)
