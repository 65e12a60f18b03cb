import numpy as np

from cropperhead.evaluation import composition, occlusion
from cropperhead.evaluation.composition import GRID
from cropperhead.training.batches import PhotoArrays, PixelFile

SIZE = 64


def photos(count=3, seed=1):
    """Dark grainy photos with a bright disc each, and the discs' centres as fractions, (n, 2)."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0.25, 0.75, (count, 2))
    place = (np.arange(SIZE) + 0.5) / SIZE
    images = generator.integers(40, 50, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for image, (y, x) in zip(images, centres, strict=True):
        image[np.hypot(place[:, None] - y, place - x) < 0.07] = 250
    names = [f"{i}.jpg" for i in range(count)]
    return PhotoArrays(names, images, np.full(count, 1.5, np.float32)), centres


def centred_on_bright(seen):
    """A cropper: half the frame about what is bright, or about the middle where nothing is."""
    limits = []
    for image in seen.images[:]:
        bright = np.argwhere(image[..., 0] > 200)
        y, x = (bright.mean(axis=0) + 0.5) / SIZE if len(bright) else (0.5, 0.5)
        limits.append([y - 0.25, x - 0.25, y + 0.25, x + 0.25, 0])
    return np.array(limits)


def test_the_most_and_least_salient_squares_are_found():
    saliency = np.ones((1, GRID, GRID), np.float32)
    saliency[0, 10:18, 20:28] = 3  # a quarter of each side: 8 cells
    saliency[0, 24:, :8] = 0
    subject, background = occlusion.salient_squares(saliency)
    assert subject.tolist() == [[10, 20]]
    assert background.tolist() == [[24, 0]]


def test_the_background_does_not_overlap_the_subject():
    # the emptiest square has the subject at its corner
    saliency = np.ones((1, GRID, GRID), np.float32)
    saliency[0, 8:24, 8:24] = 0
    saliency[0, 15, 15] = 1000
    subject, background = occlusion.salient_squares(saliency)
    assert np.abs(subject - background).max() >= occlusion.SIDE


def test_a_square_is_painted_in_the_photo_s_mean_colour_and_nothing_else_changes():
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    image[0, : SIZE // 2] = (200, 100, 40)  # the mean is half of it
    before = PhotoArrays(["a.jpg"], image, np.ones(1, np.float32))
    painted = occlusion.hide_squares(before, np.array([[4, 16]])).images[0]
    assert (painted[8:24, 32:48] == (100, 50, 20)).all()  # cells of 2 px, 8 of them
    painted[8:24, 32:48] = image[0, 8:24, 32:48]
    np.testing.assert_array_equal(painted, image[0])
    assert image[0, 10, 40].tolist() == [200, 100, 40]


def test_hiding_the_disc_moves_a_crop_that_is_centred_on_it_and_hiding_the_rest_does_not():
    shown, centres = photos()
    subject, background = occlusion.crop_shifts(
        centred_on_bright, shown, composition.photo_maps(shown)
    )
    # all four limits go with the centre, up and down for two of them: to the middle
    expected = np.abs(centres - 0.5).mean(axis=1)
    np.testing.assert_allclose(subject, expected, atol=0.01)  # a disc of pixels is a little off
    assert background.tolist() == [0, 0, 0]


def test_a_crop_that_ignores_the_photo_never_moves():
    shown, _ = photos()
    constant = np.tile([0.1, 0.1, 0.9, 0.9, 0.0], (3, 1))
    moves = occlusion.crop_shifts(
        lambda seen: constant[: len(seen.names)], shown, composition.photo_maps(shown)
    )
    assert np.array(moves).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_many_photos_on_disk_are_hidden_a_few_at_a_time():
    shown, _ = photos(count=70)
    disk = PixelFile(70, SIZE)
    for place, image in enumerate(shown.images):
        disk[place] = image
    sizes = []

    def predict(seen):
        sizes.append(len(seen.names))
        return centred_on_bright(seen)

    maps = composition.photo_maps(shown)
    moves = occlusion.crop_shifts(predict, PhotoArrays(shown.names, disk, shown.aspect), maps)
    np.testing.assert_array_equal(moves, occlusion.crop_shifts(centred_on_bright, shown, maps))
    assert max(sizes) < 70
