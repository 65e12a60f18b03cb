import numpy as np
import pytest
from conftest import label_table

from cropperhead.evaluation import croppers
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.training.batches import PhotoArrays

TRAINING = label_table(200)[list(CROP_COLUMNS)].to_numpy()


def photos(count: int = 12, first: int = 0) -> PhotoArrays:
    names = [f"{i}.jpg" for i in range(first, first + count)]
    aspect = np.linspace(0.6, 1.8, count).astype(np.float32)
    return PhotoArrays(names, np.zeros((count, 8, 8, 3), np.uint8), aspect)


def test_no_crop_is_the_whole_frame_of_every_photo():
    assert croppers.no_crop().crop(photos(2)).tolist() == [[[0, 0, 1, 1, 0]] * 2]


def test_the_median_crop_is_the_median_of_each_limit():
    training = np.array([[0, 0.1, 1, 0.9, 0], [0.2, 0.1, 0.8, 0.9, 1], [0.1, 0.3, 0.9, 1, 0]])
    cropped = croppers.median_crop(training).crop(photos(1))
    assert cropped[0, 0] == pytest.approx([0.1, 0.1, 0.9, 0.9, 0])


def framed(*aspect: float) -> PhotoArrays:
    """Photos of these shapes, of which nothing can be seen."""
    count = len(aspect)
    names, black = [f"{i}.jpg" for i in range(count)], np.zeros((count, 8, 8, 3), np.uint8)
    return PhotoArrays(names, black, np.array(aspect, np.float32))


def test_each_orientation_has_a_median_crop_of_its_own():
    training = np.array([[0, 0.1, 1, 0.9, 0], [0.2, 0, 0.8, 1, 0], [0.1, 0, 0.7, 1, 0]])
    cropper = croppers.shape_crop(training, np.array([1.5, 0.67, 0.75]))
    cropped = cropper.crop(framed(1.33, 0.67))[0]
    assert cropped[0] == pytest.approx([0, 0.1, 1, 0.9, 0])
    assert cropped[1] == pytest.approx([0.15, 0, 0.75, 1, 0])  # between the two portraits


def test_a_photo_of_an_orientation_that_is_new_gets_the_median_of_all():
    training = np.array([[0, 0.1, 1, 0.9, 0], [0.2, 0.1, 0.8, 0.9, 0], [0.1, 0.3, 0.9, 1, 0]])
    cropped = croppers.shape_crop(training, np.array([1.5, 1.5, 0.67])).crop(framed(1.0))
    assert cropped[0, 0] == pytest.approx([0.1, 0.1, 0.9, 0.9, 0])


def test_frames_of_one_orientation_that_differ_have_crops_of_their_own():
    wide, narrow = [0.1, 0, 0.9, 1, 0], [0, 0.2, 1, 0.8, 0]
    cropper = croppers.shape_crop(np.array([wide] * 40 + [narrow] * 40), np.repeat([1.33, 1.5], 40))
    assert cropper.crop(framed(1.34, 1.5))[0] == pytest.approx(np.array([wide, narrow]))


def test_random_crops_keep_to_the_percentiles_and_to_the_frame():
    cropper = croppers.random_within_bounds(TRAINING, (5, 95), 50, seed=1)
    drawn = cropper.crop(photos())
    low, high = np.percentile(TRAINING, (5, 95), axis=0)
    assert drawn.shape == (50, 12, 5)
    assert crops.outside(drawn, np.broadcast_to(photos().aspect, drawn.shape[:2])).max() < 1e-9
    level = np.abs(drawn[..., 4]) < 0.05  # hardly tilted, so hardly shrunk into the frame
    assert (drawn[level] >= low - 0.01).all()
    assert (drawn[level] <= high + 0.01).all()
    assert f"top {low[0]:.2f} to {high[0]:.2f}" in cropper.sampler
    assert "means over 50 draws" in cropper.sampler


def test_a_photo_s_random_crops_do_not_depend_on_the_other_photos():
    cropper = croppers.random_within_bounds(TRAINING, (5, 95), 3, seed=1)
    many, few = cropper.crop(photos(12)), cropper.crop(photos(12).first(4))
    assert (many[:, :4] == few).all()
    other = croppers.random_within_bounds(TRAINING, (5, 95), 3, seed=2).crop(photos(12))
    assert (many != other).all(axis=-1).any()


def test_shuffled_crops_are_the_network_s_own_on_other_photos():
    predicted = np.linspace(0, 0.4, 12)[:, None] * [1, 1, 0, 0, 0] + [0, 0, 1, 1, 0]
    shuffled = croppers.shuffled_network(lambda _: predicted, draws=100, seed=1).crop(photos())
    assert shuffled.shape == (11, 12, 5)  # each photo gets every other photo's crop once
    for column in range(12):
        others = np.delete(predicted[:, 0], column)
        assert np.sort(shuffled[:, column, 0]) == pytest.approx(others)


def test_the_predecessor_s_network_is_named_in_its_row():
    rows = {
        name: croppers.trained_network(lambda _: None, name).label
        for name in ("small", "predecessor")
    }
    assert rows == {"small": "CNN", "predecessor": "Predecessor's CNN"}


def test_a_network_is_one_draw():
    limits = np.tile([0.1, 0.1, 0.9, 0.9, 0], (12, 1))
    assert croppers.trained_network(lambda _: limits, "small").crop(photos()).shape == (1, 12, 5)


def looking(*pixels: np.ndarray, aspect: float = 1.5) -> PhotoArrays:
    names = [f"{i}.jpg" for i in range(len(pixels))]
    return PhotoArrays(names, np.stack(pixels), np.full(len(pixels), aspect, np.float32))


def halves(left: int, right: int, side: int = 32) -> np.ndarray:
    image = np.full((side, side, 3), left, np.uint8)
    image[:, side // 2 :] = right
    return image


def test_the_most_similar_photo_lends_its_crop():
    dark_left, dark_right = halves(10, 200), halves(200, 10)
    limits = np.array([[0, 0, 1, 0.5, 0], [0, 0.5, 1, 1, 0]])
    cropper = croppers.similar_crop(looking(dark_left, dark_right), limits)
    # brighter, of less contrast and of another size, but dark on the same side
    copied = cropper.crop(looking(halves(120, 60, 64), halves(60, 120, 64)))
    assert copied[0].tolist() == [limits[1].tolist(), limits[0].tolist()]


def test_a_photo_of_the_same_shape_is_more_similar_than_one_of_another():
    image = halves(10, 200)
    known = PhotoArrays(["a", "b"], np.stack([image, image]), np.array([0.7, 1.5], np.float32))
    limits = np.array([[0, 0, 1, 0.5, 0], [0, 0.5, 1, 1, 0]])
    copied = croppers.similar_crop(known, limits).crop(looking(image, aspect=1.4))
    assert copied[0, 0].tolist() == limits[1].tolist()


def test_another_photo_s_crop_is_one_of_the_human_crops():
    training = np.array([[0.1, 0.1, 0.9, 0.9, 0], [0.2, 0, 1, 0.5, 0]])
    drawn = croppers.other_crop(training, 40, seed=1).crop(photos())
    assert drawn.shape == (40, 12, 5)
    kinds = (np.abs(drawn[:, :, None] - training) < 1e-12).all(axis=-1)
    assert kinds.any(axis=-1).all()
    assert 0.4 < kinds[..., 0].mean() < 0.6  # each as often: sd 0.5 / sqrt(480) = 0.023
    few = croppers.other_crop(training, 40, seed=1).crop(photos(12).first(4))
    assert (drawn[:, :4] == few).all()


def test_the_centred_crop_has_the_median_size():
    training = np.array([[0, 0.1, 0.5, 0.9, 1], [0.2, 0.1, 0.8, 0.7, 0], [0.1, 0, 1, 0.4, 0]])
    # heights 0.5, 0.6, 0.9; widths 0.8, 0.6, 0.4
    copied = croppers.centred_crop(training).crop(photos(1))[0, 0]
    assert copied == pytest.approx([0.2, 0.2, 0.8, 0.8, 0])
