import sys

import numpy as np
import pytest
from faces import draw_face
from PIL import Image

from cropperhead.geometry import crops
from cropperhead.inference import faces

UPRIGHT = 0.0
# A face of a fifth of a frame's sides; its head is 0.4 x 0.2 = 0.08 higher, 0.02 wider and lower
FACE = np.array([[0.4, 0.4, 0.6, 0.6]])
HEAD = [0.32, 0.38, 0.62, 0.62]


def crop(top, left, bottom, right, angle=UPRIGHT):
    return np.array([top, left, bottom, right, angle])


@pytest.mark.parametrize("place", [(150, 150, 60), (380, 120, 45), (100, 290, 40)])
def test_a_face_is_found_where_it_is(place):
    x, y, radius = place
    [face] = faces.find_faces(draw_face((512, 384), x, y, radius))
    top, left, bottom, right = face * (384, 512, 384, 512)
    # from the brows to the chin: 0.4 above to 1.13 below the face's middle, 0.8 to each side
    assert left + right == pytest.approx(2 * x, abs=0.3 * radius)
    assert (top + bottom) / 2 == pytest.approx(y + 0.3 * radius, abs=0.3 * radius)
    assert right - left == pytest.approx(1.6 * radius, rel=0.25)


def test_faces_of_portraits_keep_their_proportions():
    [face] = faces.find_faces(draw_face((300, 512), 150, 200, 50))
    assert (face[2] - face[0]) * 512 == pytest.approx((face[3] - face[1]) * 300, rel=0.05)


def test_two_faces_are_two_and_one_face_is_one():
    pair = Image.new("RGB", (512, 384))
    pair.paste(draw_face((256, 384), 120, 150, 50), (0, 0))
    pair.paste(draw_face((256, 384), 130, 180, 50), (256, 0))
    found = faces.find_faces(pair)
    assert len(found) == 2
    assert sorted(found[:, 1] > 0.5) == [False, True]


@pytest.mark.parametrize("size", [(512, 384), (3, 500), (1, 1)])
def test_an_empty_picture_has_no_face(size):
    assert faces.find_faces(Image.new("L", size, 120)).shape == (0, 4)


def test_without_the_package_no_face_is_found(monkeypatch):
    monkeypatch.setitem(sys.modules, "cropperhead_base", None)
    faces._network.cache_clear()
    try:
        assert faces.find_faces(draw_face((512, 384), 150, 150, 60)).shape == (0, 4)
    finally:
        faces._network.cache_clear()


def test_a_face_counts_as_cut_if_part_of_it_is_inside():
    assert faces.are_cut(crop(0.5, 0, 1, 1), FACE, 1.5).all()
    assert not faces.are_cut(crop(0.3, 0.3, 0.7, 0.7), FACE, 1.5).any()  # inside
    assert not faces.are_cut(crop(0.7, 0, 1, 1), FACE, 1.5).any()  # outside


def test_a_crop_that_cuts_nothing_is_left_as_it_is():
    own = crop(0.3, 0.1, 0.9, 0.8)
    assert faces.keep_whole(own, FACE, 1.5) is own
    assert faces.keep_whole(own, np.zeros((0, 4)), 1.5) is own


def test_a_cut_head_is_taken_in_by_the_side_that_cuts_it():
    # The top moves from 0.45 to that of the head
    moved = faces.keep_whole(crop(0.45, 0.1, 0.93, 0.82), FACE, 1.5)
    assert moved == pytest.approx([HEAD[0], 0.1, 0.93, 0.82, 0])


def test_a_face_of_which_little_is_inside_is_left_out():
    # The left side moves from 0.58 to 0.62, past the head, and not to 0.38, before it
    moved = faces.keep_whole(crop(0.1, 0.58, 0.9, 0.97), FACE, 1.5)
    assert moved == pytest.approx([0.1, HEAD[3], 0.9, 0.97, 0])


def test_a_crop_of_the_frames_shape_keeps_it():
    own = crop(0.35, 0.15, 0.85, 0.65)
    moved = faces.keep_whole(own, FACE, 1.5)
    assert moved[2] - moved[0] == pytest.approx(moved[3] - moved[1])
    assert not faces.are_cut(moved, faces.heads(FACE), 1.5).any()
    assert crops.overlap(moved, own, 1.5) > 0.85  # 0.5 grows to 0.53


def test_a_crop_is_level_where_a_tilted_one_has_to_cut_a_face():
    # a tilted crop cannot reach the frame's corner
    corner = np.array([[0.0, 0.0, 0.3, 0.2]])
    tilted = crops.inside_frame(crop(0.02, 0.02, 0.8, 0.8, 8.0), 1.5)
    moved = faces.keep_whole(tilted, corner, 1.5)
    assert moved[4] == 0
    assert not faces.are_cut(moved, corner, 1.5).any()


@pytest.mark.parametrize("aspect", [0.67, 1.5])
@pytest.mark.parametrize("keeps_shape", [False, True])
def test_crops_stay_in_the_frame_and_keep_what_is_asked_for(aspect, keeps_shape):
    generator = np.random.default_rng(3)
    for _ in range(60):
        low, size = generator.uniform(0, 0.4, 2), generator.uniform(0.4, 0.6, 2)
        tilted = np.append([*low, *(low + size)], generator.uniform(-6, 6))
        own = crops.inside_frame(tilted, aspect)
        corner = generator.uniform(0, 0.8, (3, 2))
        found = np.concatenate([corner, corner + np.array([0.1, 0.1 / aspect])], axis=1)
        moved = faces.keep_whole(own, found, aspect, keeps_shape)
        assert crops.outside(moved[None], [aspect])[0] < 1e-9
        assert moved[4] in (own[4], 0)
        assert faces.are_cut(moved, found, aspect).sum() <= faces.are_cut(own, found, aspect).sum()
        if keeps_shape:
            (height, width), (own_height, own_width) = moved[2:4] - moved[:2], own[2:4] - own[:2]
            assert width / height == pytest.approx(own_width / own_height)
