import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.errors import ParamsError
from cropperhead.geometry import crops
from cropperhead.inference import search
from cropperhead.inference.aspect_ratio import parse_ratio

WHOLE, LEFT, RIGHT = (0, 0, 1, 1), (0, 0, 1, 0.5), (0, 0.5, 1, 1)


def ratio_in_pixels(limits: np.ndarray, aspect: float) -> float:
    top, left, bottom, right, _ = limits
    return (right - left) * aspect / (bottom - top)


@st.composite
def photos(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A network's prediction for a photo: limits, prototypes, shares, aspect."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = generator.uniform(0, 0.5, (8, 2)), generator.uniform(0.55, 1, (8, 2))
    boxes = np.concatenate([low, high], axis=1)
    aspect, angle = draw(st.floats(0.4, 2.5)), draw(st.one_of(st.just(0.0), st.floats(-20, 20)))
    limits = np.append(boxes[0], angle)
    return limits, np.concatenate([boxes[1:], [WHOLE]]), generator.dirichlet(np.ones(8)), aspect


def test_expected_overlap_is_the_mean_over_prototypes():
    # left half: 0.25 x 1 + 0.75 x 1/2; top half: with the left half it shares 1/4 of 3/4, so
    # 0.25 x 1/3 + 0.75 x 1/2
    candidates = [LEFT, (0, 0, 0.5, 1)]
    found = search.expected_overlap(candidates, [LEFT, WHOLE], [0.25, 0.75])
    assert found == pytest.approx([0.625, 0.458333], abs=1e-6)


def test_boxes_that_are_inside_out_overlap_nothing():
    inside_out = [(0.9, 0.9, 0.1, 0.1), (0.9, 0, 0.1, 1)]
    assert search.expected_overlap(inside_out, [WHOLE], [1]) == pytest.approx([0, 0])


def test_many_candidates_are_expected_to_overlap_as_they_do_one_by_one():
    candidates = np.tile([LEFT, WHOLE], (10_000, 1))
    found = search.expected_overlap(candidates, [RIGHT, WHOLE], [0.5, 0.5])
    # left half: 0 and 1/2; whole: 1/2 and 1
    assert found.reshape(-1, 2) == pytest.approx(np.tile([0.25, 0.75], (10_000, 1)))


def test_the_best_square_about_one_prototype_has_its_area():
    # 1500 x 1000 px, prototype 900 x 600 px: side sqrt(540 000) = 734.847 px; it shares
    # 734.847 x 600 = 440 908 of 2 x 540 000 - 440 908 -> 0.689898; cut to 600 x 600, 0.6667
    prototype = (0.2, 0.2, 0.8, 0.8)
    found = search.best_crop_of_ratio(1.0, (*prototype, 0), [prototype], [1.0], 1.5)
    half = np.array([734.847 / 2 / 1000, 734.847 / 2 / 1500])
    expected = np.concatenate([0.5 - half, 0.5 + half, [0]])
    assert found.limits == pytest.approx(expected, abs=1e-6)
    assert found.expected_overlap == pytest.approx(0.689898, abs=1e-6)


def test_the_best_square_about_the_whole_frame_is_as_high_as_it():
    # 1000 x 1000 of 1500 x 1000
    found = search.best_crop_of_ratio(1.0, (*WHOLE, 0), [WHOLE], [1.0], 1.5)
    assert found.limits == pytest.approx([0, 1 / 6, 1, 5 / 6, 0])
    assert found.expected_overlap == pytest.approx(2 / 3)


def test_a_ratio_is_not_cut_out_of_the_network_s_own_crop_but_goes_where_the_likely_crops_are():
    # the right two thirds of 3:2 are a square: 0.5 x 1 for it, 0.5 x 2/3 for the whole frame
    likely = (0, 1 / 3, 1, 1)
    found = search.best_crop_of_ratio(1.0, (*WHOLE, 0), [likely, WHOLE], [1.0, 0.0], 1.5)
    assert found.limits == pytest.approx([*likely, 0], abs=1e-4)
    assert found.expected_overlap == pytest.approx(5 / 6, abs=1e-4)


@pytest.mark.parametrize(("own_weight", "expected"), [(0.9, LEFT), (0.1, RIGHT)])
def test_the_own_crops_weight_decides_which_crop_is_followed(own_weight, expected):
    found = search.best_crop_of_ratio(1.0, (*LEFT, 0), [RIGHT], [1.0], 2.0, own_weight)
    assert found.limits == pytest.approx([*expected, 0])
    assert found.expected_overlap == pytest.approx(0.9)


def test_a_tilted_crop_of_a_ratio_is_the_largest_that_fits_where_the_whole_frame_is_likely():
    # a square turned by 45 degrees in a square frame: side 1 / sqrt 2. The own crop is shrunk to
    # just that: 0.5 x 1; the whole frame, untilted: 0.5 x 1/2
    found = search.best_crop_of_ratio(1.0, (*WHOLE, 45), [WHOLE], [1.0], 1.0)
    half = 0.5 / np.sqrt(2)
    expected = [0.5 - half, 0.5 - half, 0.5 + half, 0.5 + half, 45]
    assert found.limits == pytest.approx(expected)
    assert found.expected_overlap == pytest.approx(0.75)


def test_a_search_finds_what_trying_all_finds():
    generator = np.random.default_rng(5)
    low, high = generator.uniform(0, 0.5, (30, 2)), generator.uniform(0.5, 1, (30, 2))
    prototypes, shares = np.concatenate([low, high], axis=1), generator.dirichlet(np.ones(30))
    # squares of a frame of 2:1, half as wide as high in fractions, in steps of 1/40
    height, top, left = np.meshgrid(*[np.linspace(0, 1, 41)] * 3, indexing="ij")
    inside = (height > 0) & (top + height <= 1) & (left + height / 2 <= 1)
    height, top, left = height[inside], top[inside], left[inside]
    tried = np.stack([top, left, top + height, left + height / 2], axis=1)
    best = search.expected_overlap(tried, prototypes, shares).max()
    found = search.best_crop_of_ratio(1.0, (*WHOLE, 0), prototypes, shares, 2.0, own_weight=0.0)
    assert found.expected_overlap >= best


@given(photos(), st.floats(0.3, 3))
def test_a_ratio_holds_in_pixels_in_the_frame_at_the_network_s_tilt(photo, ratio):
    limits, *_, aspect = photo
    found = search.best_crop_of_ratio(ratio, *photo)
    assert ratio_in_pixels(found.limits, aspect) == pytest.approx(ratio, rel=1e-9)
    assert crops.outside(found.limits, aspect) < 1e-9
    assert found.limits[4] == limits[4]
    assert 0 < found.expected_overlap <= 1


def test_of_two_equally_likely_crops_the_alternative_is_the_other_one():
    own, other = search.suggest_alternatives((*LEFT, 0), [LEFT, RIGHT], [0.5, 0.5], 1.5)
    # a wider left half would overlap more of what is likely, but is useless to someone who wants
    # the right one
    assert own.limits == pytest.approx([*LEFT, 0])
    assert other.limits == pytest.approx([*RIGHT, 0])
    # left: 0.5 as the own crop, and 0.5 x 0.5; right: 0.5 x 0.5
    assert (own.expected_overlap, other.expected_overlap) == pytest.approx((0.75, 0.25))


def test_next_to_an_own_crop_between_two_likely_ones_both_are_suggested():
    middle = (0, 0.25, 1, 0.75)
    found = search.suggest_alternatives((*middle, 0), [LEFT, RIGHT], [0.5, 0.5], 1.5)
    assert found[0].limits == pytest.approx([*middle, 0])
    assert sorted(one.limits[1] for one in found[1:]) == pytest.approx([0, 0.5], abs=1e-4)


def test_where_one_crop_is_certain_there_is_no_alternative():
    assert len(search.suggest_alternatives((*LEFT, 0), [LEFT, RIGHT], [1.0, 0.0], 1.5)) == 1


def test_a_crop_that_is_not_half_as_likely_as_the_likeliest_is_not_suggested():
    # corner: 0.05 x 1 + 0.95 x 0.04; whole: 0.95 x 1 + 0.05 x 0.04
    prototypes, shares = [WHOLE, (0, 0, 0.2, 0.2)], [0.95, 0.05]
    assert len(search.suggest_alternatives((*WHOLE, 0), prototypes, shares, 1.5)) == 1


@given(photos(), st.integers(1, 4), st.floats(0.3, 0.95))
def test_alternatives_are_distinct_in_the_frame_and_tilted_alike(photo, count, distinct):
    limits, *_, aspect = photo
    found = [one.limits for one in search.suggest_alternatives(*photo, count, distinct)]
    assert 1 <= len(found) <= count
    assert found[0] == pytest.approx(crops.inside_frame(limits, aspect))
    assert {one[4] for one in found} == {limits[4]}
    assert max(crops.outside(one, aspect) for one in found) < 1e-9
    for i, one in enumerate(found):
        # `overlap` counts corners as inside that are 1e-9 out
        assert all(crops.overlap(one, other, aspect) < distinct + 1e-6 for other in found[:i])


@pytest.mark.parametrize(
    ("text", "aspect", "expected"),
    [
        ("free", 1.5, None),
        ("original", 1.5, 1.5),
        ("3:2", 0.75, 1.5),
        ("4:5", 1.5, 0.8),  # as it is written, in a landscape photo
        ("4:5", 0.75, 0.8),
        ("1.91:1", 1.5, 1.91),
    ],
)
def test_a_ratio_is_read_as_it_is_written(text, aspect, expected):
    assert parse_ratio(text, aspect) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "Free", "4/5", "4:0", "0:5", "-4:5", "4:5:6", "4:", "nan:1", "1e3:1", "٤:٥", "4:5\n"),
        *(f"{'9' * 400}:1", f"1:{'9' * 400}"),  # beyond what a float holds
    ],
)
def test_text_that_is_not_a_ratio_is_rejected_with_what_is_expected(text):
    with pytest.raises(ParamsError) as error:
        parse_ratio(text, 1.5)
    assert str(error.value) == (
        f"aspect ratio is {text!r}, expected free, original, or width:height in numbers above 0, "
        "such as 4:5 or 1.91:1"
    )


def test_each_photo_has_its_suggestions_and_the_own_crop_s_overlap_is_its_confidence():
    first, second = search.suggest_crops(
        limits=[(*LEFT, 0), (*RIGHT, 2)],
        prototypes=[LEFT, RIGHT],
        shares=[(0.5, 0.5), (0, 1)],
        confidence=[0.6, 0.9],
        aspect=[1.5, 0.75],
        count=3,
    )
    assert [one.limits[1] for one in first] == pytest.approx([0, 0.5])
    # 0.75 and 0.25, of which the own crop's is 0.6: all by 0.8
    assert [one.expected_overlap for one in first] == pytest.approx([0.6, 0.2])
    assert [one.limits[4] for one in second] == [2] * len(second)
    assert second[0].expected_overlap == pytest.approx(0.9)


def test_one_crop_is_suggested_unless_more_are_asked_for():
    (found,) = search.suggest_crops([(*LEFT, 0)], [LEFT, RIGHT], [(0.5, 0.5)], [0.6], [1.5])
    assert len(found) == 1


def test_suggestions_of_a_ratio_are_the_best_one_and_then_the_other():
    # in a frame of 2:1, the halves are squares
    (found,) = search.suggest_crops(
        [(*LEFT, 0)], [LEFT, RIGHT], [(0.5, 0.5)], [0.6], [2.0], "1:1", count=3
    )
    assert [one.limits for one in found] == [
        pytest.approx([*LEFT, 0]),
        pytest.approx([*RIGHT, 0]),
    ]


@given(photos(), st.sampled_from(["original", "1:1", "4:5", "16:9"]))
def test_all_suggestions_of_a_ratio_have_it_and_are_distinct(photo, text):
    limits, prototypes, shares, aspect = photo
    (found,) = search.suggest_crops(
        limits[None], prototypes, shares[None], [0.7], [aspect], text, count=3
    )
    ratio = parse_ratio(text, aspect)
    assert 1 <= len(found) <= 3
    for i, one in enumerate(found):
        assert ratio_in_pixels(one.limits, aspect) == pytest.approx(ratio, rel=1e-9)
        assert crops.outside(one.limits, aspect) < 1e-9
        assert 0 < one.expected_overlap <= 1
        others = [other.limits for other in found[:i]]
        # as above
        assert all(crops.overlap(one.limits, other, aspect) < 0.75 + 1e-6 for other in others)


def test_suggesting_rejects_text_that_is_not_a_ratio():
    with pytest.raises(ParamsError, match="aspect ratio is 'wide'"):
        search.suggest_crops([(*WHOLE, 0)], [WHOLE], [[1.0]], [0.5], [1.5], "wide")
