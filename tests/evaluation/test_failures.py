import dataclasses
import math

import numpy as np
import pytest
from faces import draw_face
from test_resemblance import boxes, compared

from cropperhead.evaluation import failures, heads
from cropperhead.evaluation.reference_free import ReferenceFreeScores
from cropperhead.training.batches import PhotoArrays

NO_SHIFT = (np.zeros(1), np.zeros(1))


def evaluation(network_sides, cuts=None, lost=None):
    """Photos that the photographer crops to half of each side, and the network to these sides."""
    count = len(network_sides)
    human, network = boxes([0.5] * count, [0.5] * count), boxes(network_sides, [0.5] * count)
    result = compared(human, network, human[0])
    if cuts is None:
        return result
    lost = None if lost is None else np.array(lost)
    metrics = ReferenceFreeScores(result.test.photos.names, {}, [], NO_SHIFT, np.array(cuts), lost)
    return dataclasses.replace(result, reference_free=metrics)


def chosen(result) -> list[int]:
    """The numbers of the photos that are chosen."""
    names = list(result.test.photos.names)
    return [names.index(each.photo) for each in failures.find_failures(result)]


def test_ten_photos_are_chosen_half_by_overlap_and_half_by_what_is_cut_away():
    sides = [0.5 + i / 100 for i in range(48)]  # the larger, the less they overlap the half
    cuts = [0.0] * 48
    # photos 2 to 6 lose most, 47 as well, which overlaps least, and 9 less
    for photo, cut in ((2, 0.5), (3, 0.6), (4, 0.7), (5, 0.8), (6, 0.9), (47, 0.95), (9, 0.4)):
        cuts[photo] = cut
    # in the order of their overlap, the least first
    assert chosen(evaluation(sides, cuts)) == [47, 46, 45, 44, 43, 6, 5, 4, 3, 2]


def test_where_little_is_cut_or_it_was_not_measured_overlap_chooses():
    sides = [0.5 + i / 100 for i in range(48)]
    least = [47, 46, 45, 44, 43, 42, 41, 40, 39, 38]
    assert chosen(evaluation(sides)) == least
    assert chosen(evaluation(sides, [0.02] * 48)) == least


@pytest.mark.parametrize(("photos", "count"), [(1, 1), (4, 1), (5, 2), (20, 5), (40, 10), (48, 10)])
def test_of_few_photos_at_most_a_quarter_are_called_failures(photos, count):
    assert len(chosen(evaluation([0.6] * photos))) == count


def test_a_crop_without_an_overlap_is_the_worst():
    result = evaluation([0.6] * 8)
    result.scores.loc[result.scores["photo"] == result.test.photos.names[3], "iou"] = math.nan
    assert chosen(result)[0] == 3


def test_a_failure_is_explained_by_size_by_what_is_cut_and_by_place():
    result = evaluation([0.8], [0.43])
    result.cropped["cnn"][0, 0, [1, 3]] += 0.1
    (failure,) = failures.find_failures(result)
    assert failure.explanation == (
        "The photographer kept 25 % of the frame, the network 64 %. The network’s crop cuts away "
        "43 % of what stands out in the photographer’s. It is centred 0.10 of a side further right."
    )
    (failure,) = failures.find_failures(evaluation([0.8], [0.01]))
    assert failure.explanation == "The photographer kept 25 % of the frame, the network 64 %."


def test_heads_that_are_cut_off_are_chosen_before_other_cuts():
    sides = [0.5 + i / 100 for i in range(48)]
    cuts, lost = [0.0] * 48, [0] * 48
    for photo in range(2, 10):
        cuts[photo] = photo / 10
    lost[0], lost[1] = 1, 3
    # five that overlap least, the two photos of heads, and of the others the three most cut
    assert chosen(evaluation(sides, cuts, lost)) == [47, 46, 45, 44, 43, 9, 8, 7, 1, 0]
    (failure,) = failures.find_failures(evaluation([0.8], [0.43], [2]))
    assert (
        "the network 64 %. It cuts off 2 heads that the photographer kept." in failure.explanation
    )


def test_a_head_is_cut_off_if_the_photographer_kept_it_whole_and_the_network_does_not():
    portrait = draw_face((600, 400), 300, 150, 60)  # the head is from 80 to 220 px, or 0.2 to 0.55
    image = np.asarray(portrait.resize((256, 256)))
    photos = PhotoArrays(["a.jpg"] * 4, np.stack([image] * 4), np.full(4, 1.5, np.float32))
    whole, below, through = ((top, 0.1, 1.0, 0.9, 0.0) for top in (0.05, 0.7, 0.4))
    kept, others = (whole, whole, whole, through), (whole, below, through, below)
    lost = heads.count_lost_heads(photos, np.array(kept), np.array(others))
    assert lost.tolist() == [0, 1, 1, 0]
