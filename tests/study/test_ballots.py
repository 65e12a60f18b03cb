from collections import Counter

from simulated_votes import CROPPERS, LIMITS, photos

from cropperhead.study.ballots import Plan, StudyPhoto, design_sessions, spoiled_crop
from cropperhead.study.votes import CATCH, LIKE, PLAIN, REPEAT, TELL


def _pair(ballot):
    return frozenset((ballot.left, ballot.right))


def test_a_session_has_what_is_planned():
    (session,) = design_sessions(photos(40), CROPPERS, 1, Plan(), 0)
    assert Counter((b.mode, b.kind) for b in session) == {
        (LIKE, PLAIN): 36,
        (LIKE, REPEAT): 6,
        (LIKE, CATCH): 6,
        (TELL, PLAIN): 12,
    }
    assert [b.mode for b in session] == [LIKE] * 48 + [TELL] * 12


def test_nothing_is_shown_twice_but_the_planned_repeats():
    for session in design_sessions(photos(20), CROPPERS, 5, Plan(), 0):
        shown = [(b.photo, _pair(b)) for b in session if b.kind != REPEAT]
        assert len(shown) == len(set(shown))


def test_a_repeat_swaps_the_sides_and_comes_later():
    for session in design_sessions(photos(40), CROPPERS, 5, Plan(), 3):
        repeats = [(i, b) for i, b in enumerate(session) if b.kind == REPEAT]
        assert len(repeats) == 6
        for place, ballot in repeats:
            first = session[ballot.repeats]
            assert (first.photo, first.left, first.right) == (
                ballot.photo,
                ballot.right,
                ballot.left,
            )
            assert place - ballot.repeats >= 8


def test_pairs_and_photos_are_balanced():
    sessions = design_sessions(photos(40), CROPPERS, 20, Plan(), 0)
    asked = [b for s in sessions for b in s if (b.mode, b.kind) == (LIKE, PLAIN)]
    pairs, both = Counter(map(_pair, asked)), Counter((b.photo, _pair(b)) for b in asked)
    assert max(pairs.values()) - min(pairs.values()) <= 0.05 * len(asked)
    assert len(both) == 40 * 3
    assert max(both.values()) - min(both.values()) <= 2


def test_sides_are_drawn():
    sessions = design_sessions(photos(40), CROPPERS, 20, Plan(), 0)
    left = sum(b.left == "human" for s in sessions for b in s)
    right = sum(b.right == "human" for s in sessions for b in s)
    assert 0.4 < left / (left + right) < 0.6


def test_crops_that_are_nearly_the_same_are_not_compared():
    alike = {**LIMITS, "cnn": (0.3, 0.3, 0.8, 0.79, 0.0)}  # overlap 0.49 / 0.5 with the human one
    one = [StudyPhoto("a.jpg", "a", 1.5, alike)]
    (session,) = design_sessions(one, CROPPERS, 1, Plan(), 0)
    asked = {_pair(b) for b in session if b.kind == PLAIN}
    assert asked == {frozenset(("human", "random")), frozenset(("cnn", "random"))}


def test_sessions_follow_from_seed_and_number_alone():
    one, two = (design_sessions(photos(10), CROPPERS, n, Plan(), 5) for n in (2, 4))
    assert one == two[:2]
    assert design_sessions(photos(10)[::-1], CROPPERS, 2, Plan(), 5) == one
    assert design_sessions(photos(10), CROPPERS, 2, Plan(), 6) != one


def test_the_spoiled_crop_is_in_the_corner_away_from_the_subject():
    # the human crop is low and to the left: half the sides, of which 0.45 are 0.225
    assert spoiled_crop((0.4, 0.0, 0.9, 0.5, 3.0)) == (0.0, 0.775, 0.225, 1.0, 0.0)
