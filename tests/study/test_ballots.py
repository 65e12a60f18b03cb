from collections import Counter
from itertools import combinations

from simulated_votes import CROPPERS, LIMITS, photos

from cropperhead.study.ballots import Plan, StudyPhoto, design_sessions, spoiled_crop
from cropperhead.study.votes import CATCH, LIKE, PLAIN, REPEAT, TELL


def _pairs(ballot):
    return [frozenset(pair) for pair in combinations(ballot.shown, 2)]


def test_a_session_has_what_is_planned():
    (session,) = design_sessions(photos(40), CROPPERS, 1, Plan(), 0)
    assert Counter((b.mode, b.kind) for b in session) == {
        (LIKE, PLAIN): 36,
        (LIKE, REPEAT): 6,
        (LIKE, CATCH): 6,
        (TELL, PLAIN): 12,
    }
    assert [b.mode for b in session] == [LIKE] * 48 + [TELL] * 12
    threes = [b for b in session if b.middle]
    assert len(threes) == 6
    assert all(set(b.shown) == set(CROPPERS) for b in threes)


def test_of_two_croppers_pairs_take_the_place_of_threes():
    (session,) = design_sessions(photos(60), CROPPERS[:2], 1, Plan(), 0)
    assert not any(b.middle for b in session)
    assert Counter(b.kind for b in session)[PLAIN] == 48  # 36 on likes, 12 to tell


def test_nothing_is_shown_twice_but_the_planned_repeats():
    for session in design_sessions(photos(20), CROPPERS, 5, Plan(), 0):
        shown = [(b.photo, pair) for b in session if b.kind != REPEAT for pair in _pairs(b)]
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
    pairs = Counter(pair for b in asked for pair in _pairs(b))
    both = Counter((b.photo, pair) for b in asked for pair in _pairs(b))
    assert max(pairs.values()) - min(pairs.values()) <= 0.05 * len(asked)
    assert len(both) == 40 * 3
    assert max(both.values()) - min(both.values()) <= 3


def test_sides_are_drawn():
    sessions = design_sessions(photos(40), CROPPERS, 20, Plan(), 0)
    left = sum(b.left == "human" for s in sessions for b in s)
    right = sum(b.right == "human" for s in sessions for b in s)
    assert 0.4 < left / (left + right) < 0.6
    threes = [b.shown.index("human") for s in sessions for b in s if b.middle]
    assert min(Counter(threes).values()) > 0.2 * len(threes)


def test_crops_that_are_nearly_the_same_are_not_compared():
    alike = {**LIMITS, "cnn": (0.3, 0.3, 0.8, 0.79, 0.0)}  # overlap 0.49 / 0.5 with the human one
    one = [StudyPhoto("a.jpg", "a", 1.5, alike)]
    (session,) = design_sessions(one, CROPPERS, 1, Plan(), 0)
    asked = {pair for b in session if b.kind == PLAIN for pair in _pairs(b)}
    assert asked == {frozenset(("human", "random")), frozenset(("cnn", "random"))}


def test_sessions_follow_from_seed_and_number_alone():
    one, two = (design_sessions(photos(10), CROPPERS, n, Plan(), 5) for n in (2, 4))
    assert one == two[:2]
    assert design_sessions(photos(10)[::-1], CROPPERS, 2, Plan(), 5) == one
    assert design_sessions(photos(10), CROPPERS, 2, Plan(), 6) != one


def test_the_spoiled_crop_is_in_the_corner_away_from_the_subject():
    # the human crop is low and to the left: half the sides, of which 0.45 are 0.225
    assert spoiled_crop((0.4, 0.0, 0.9, 0.5, 3.0)) == (0.0, 0.775, 0.225, 1.0, 0.0)
