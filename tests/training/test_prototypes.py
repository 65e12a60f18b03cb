import numpy as np
import pytest

from cropperhead.geometry import crops
from cropperhead.training import prototypes

LEFT, RIGHT = [0.1, 0.0, 0.9, 0.5, 0.0], [0.1, 0.5, 0.9, 1.0, 0.0]
TALL = [0.0, 0.25, 1.0, 0.75, 0.0]  # its own mirror image


def spread(count, seed=1):
    generator = np.random.default_rng(seed)
    low, high = generator.uniform(0, 0.3, (count, 2)), generator.uniform(0.7, 1, (count, 2))
    return np.concatenate([low, high, np.zeros((count, 1))], axis=1)


def test_two_kinds_of_crops_give_themselves_their_mirror_images_and_the_whole_frame():
    found = prototypes.find_prototypes(np.array([LEFT] * 3 + [RIGHT] * 2 + [TALL] * 5), 5, seed=1)
    rows = {tuple(np.round(row.astype(float), 6).tolist()) for row in found}
    assert found.shape == (5, 4)
    assert {(0.1, 0.0, 0.9, 0.5), (0.1, 0.5, 0.9, 1.0), (0.0, 0.25, 1.0, 0.75)} <= rows
    assert found[-1].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("crops_known", "expected"), [(400, 127), (60, 61), (2, 3), (1, 3)])
def test_few_crops_give_few_prototypes(crops_known, expected):
    assert len(prototypes.find_prototypes(spread(crops_known), 128, seed=1)) == expected


def test_crops_that_are_all_alike_give_themselves():
    assert len(prototypes.find_prototypes(np.array([LEFT] * 200), 128, seed=1)) == 3


def test_each_has_its_mirror_image_where_it_is_said_to_be():
    found = prototypes.find_prototypes(spread(100), 33, seed=1)
    padded = np.concatenate([found, np.zeros((len(found), 1))], axis=1)
    mirrored = crops.mirror(padded)[:, :4]
    assert found[prototypes.mirror_indices(found)] == pytest.approx(mirrored, abs=1e-6)


def test_the_same_crops_and_seed_give_the_same_bytes():
    one, two = (prototypes.find_prototypes(spread(100), 33, seed=3) for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_prototypes_near_uncropped_photos_are_uncropped():
    # twenty crops of 0.64 of the frame and twenty of 0.95: ten neighbours are all of one kind
    small, large = [0.1, 0.1, 0.9, 0.9, 0.0], [0.0, 0.0, 0.95, 1.0, 0.0]
    limits = np.array([small] * 20 + [large] * 20)
    found = np.array([small[:4], [0, 0, 1, 1]], np.float32)
    assert prototypes.uncropped_shares(found, limits, 0.9).tolist() == [0, 1]
