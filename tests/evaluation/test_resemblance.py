import math

import numpy as np
import pytest
from conftest import ROOT, label_table

from cropperhead import params
from cropperhead.evaluation import croppers, evaluate, resemblance
from cropperhead.evaluation.resemblance import Spread
from cropperhead.geometry.crops import CROP_COLUMNS, Floats
from cropperhead.stats import Interval
from cropperhead.training.batches import PhotoArrays

PARAMS = params.load(ROOT / "params.yaml").evaluate
ABOVE, AROUND = Interval(0.31, 0.1, 0.5), Interval(0.1, -0.1, 0.3)
UNKNOWN = Interval(0.4, math.nan, math.nan)


def compared(human: Floats, network: Floats, constant: Floats) -> evaluate.Evaluation:
    """The evaluation of a network's crops, (n, 5), of square photos with one constant crop."""
    labels = label_table(len(human)).assign(width=600, height=600)
    labels[list(CROP_COLUMNS)] = human
    photos = PhotoArrays(
        labels["photo"].tolist(), np.zeros((len(human), 4, 4, 3), np.uint8), np.ones(len(human))
    )
    methods = [
        croppers.trained_network(lambda _: network, "small"),
        croppers.median_crop(constant[None]),
    ]
    groups = dict(zip(photos.names, photos.names, strict=True))
    return evaluate.compare_croppers(
        evaluate.TestPhotos(labels, photos, groups), methods, {}, PARAMS
    )


def boxes(sides: list[float], across: list[float]) -> Floats:
    """Level square crops, (n, 5), by their sides and the places of their centres across."""
    half, centre = np.array(sides) / 2, np.array(across)
    zero, middle = np.zeros(len(half)), np.full(len(half), 0.5)
    return np.stack([middle - half, centre - half, middle + half, centre + half, zero], axis=1)


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        (
            (AROUND, AROUND, AROUND, AROUND),
            "None of its limits is shown to follow the photographer's from photo to photo.",
        ),
        (
            (AROUND, AROUND, ABOVE, AROUND),
            "Its bottom limit follows the photographer's from photo to photo; for the top, left "
            "and right limits, this is not shown.",
        ),
        (
            (ABOVE, AROUND, ABOVE, ABOVE),
            "Its top, bottom and right limits follow the photographer's from photo to photo; for "
            "the left limit, this is not shown.",
        ),
        (
            (ABOVE, ABOVE, ABOVE, ABOVE),
            "Its top, left, bottom and right limits follow the photographer's from photo to photo.",
        ),
        (
            (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
            "None of its limits is shown to follow the photographer's from photo to photo.",
        ),
    ],
)
def test_only_limits_whose_interval_is_above_zero_are_said_to_follow(shares, sentence):
    named = dict(zip(("top", "left", "bottom", "right"), shares, strict=True))
    assert resemblance.describe_limits(named) == sentence


@pytest.mark.parametrize(
    ("ratio", "claim"),
    [
        (
            Interval(0.27, 0.2, 0.35),
            "The size of the network's crops varies less than that of the photographer's (0.27 ",
        ),
        (
            Interval(1.4, 1.1, 1.7),
            "The size of the network's crops varies more than that of the photographer's (1.40 ",
        ),
        (
            Interval(1.0, 0.9, 1.1),
            "The size of the network's crops varies about as much as the photographer's (1.00 ",
        ),
        (Interval(0.9, 0.5, 1.3), "Whether the size of the network's crops varies as much is not"),
        (UNKNOWN, "Whether the size of the network's crops varies as much is not shown (0.40 "),
        (Interval(math.nan, math.nan, math.nan), "The size of the photographer's crops does not "),
    ],
)
def test_what_is_said_of_sizes_follows_from_the_ratio_of_their_spreads(ratio, claim):
    sentence = resemblance.describe_sizes(Spread((0.32, 0.89), (0.67, 0.82), ratio))
    kept = (
        "Nine of ten of its crops keep 67 to 82 % of the frame, of the photographer's 32 to 89 %."
    )
    assert sentence.startswith(f"{kept} {claim}")
    assert "nan" not in sentence


def test_places_are_described_by_their_distance_from_the_middle():
    places = Spread((0.013,), (0.0,), Interval(0.1, 0.05, 0.15))
    assert resemblance.describe_places(places) == (
        "Half of its crops are centred within 0.0 % of a side from the frame's middle, half of the "
        "photographer's within 1.3 %. The place of the network's crops varies less than that of "
        "the photographer's (0.10 times as much, 0.05 to 0.15)."
    )


def test_on_how_many_photos_a_constant_is_closer_is_given_with_its_interval():
    assert resemblance.describe_closer(Interval(0.35, 0.29, 0.42)) == (
        "On 35 of a hundred photos (29 to 42), one crop for all photos is closer to the "
        "photographer's than the network's crop is."
    )
    assert "On 35 of a hundred photos, one crop" in resemblance.describe_closer(
        Interval(0.35, math.nan, math.nan)
    )


def test_spreads_are_measured_on_crops():
    # human sides 0.4 and 0.8: areas 0.16 and 0.64, 0.24 from their mean; the network's sides 0.6
    # and 0.8: areas 0.36 and 0.64, 0.14 from theirs: 0.14 / 0.24 = 0.583. Human centres 0.1 off
    # the middle to either side, the network's 0.05 to the right: no spread
    human = boxes([0.4, 0.8] * 10, [0.4, 0.6] * 10)
    network = boxes([0.6, 0.8] * 10, [0.55] * 20)
    result = compared(human, network, human[0])
    sizes, places = resemblance.measure_sizes(result), resemblance.measure_places(result)
    assert (sizes.human, sizes.network) == (
        pytest.approx((0.16, 0.64)),
        pytest.approx((0.36, 0.64)),
    )
    assert sizes.ratio.mean == pytest.approx(0.14 / 0.24)
    assert sizes.ratio.low < 0.14 / 0.24 < sizes.ratio.high < 1
    assert (places.human, places.network) == (pytest.approx((0.1,)), pytest.approx((0.05,)))
    assert places.ratio.mean == pytest.approx(0, abs=1e-9)


def test_photographers_who_always_crop_alike_have_no_spread_to_compare():
    human = boxes([0.5] * 6, [0.5] * 6)
    sizes = resemblance.measure_sizes(compared(human, boxes([0.4, 0.6] * 3, [0.5] * 6), human[0]))
    assert math.isnan(sizes.ratio.mean)


def test_photos_on_which_a_constant_is_closer_are_counted():
    # the constant is exact on 2 photos of 8, as close as the network on 1, and off on 5
    human = boxes([0.5] * 2 + [0.8] * 6, [0.5] * 8)
    network = boxes([0.6] * 2 + [0.5] + [0.8] * 5, [0.5] * 8)
    share = resemblance.share_closer(compared(human, network, boxes([0.5], [0.5])[0]))
    assert share.mean == pytest.approx(0.25)


def test_a_whole_evaluation_is_described_without_missing_numbers():
    human = boxes([0.4, 0.8] * 10, [0.4, 0.6] * 10)
    for count, described in ((1, 0), (2, 0), (9, 0), (10, 4), (20, 4)):
        result = compared(human[:count], human[:count], human[0])
        sentences = resemblance.describe_resemblance(result)
        assert len(sentences) == described
        assert not any("nan" in each for each in sentences)


def test_crops_that_are_not_numbers_are_not_described():
    human = boxes([0.4, 0.8] * 10, [0.4, 0.6] * 10)
    network = human.copy()
    network[0] = np.nan
    (sentence,) = resemblance.describe_resemblance(compared(human, network, human[0]))
    assert sentence == "Not measured: on 1 of 20 photos, the network's crop is not a number."
