import numpy as np
import pytest

from cropperhead.evaluation import composition
from cropperhead.evaluation.composition import GRID, MEASURES, PhotoMaps
from cropperhead.training.batches import PhotoArrays, PixelFile

SIDE = 128


def maps_of(saliency, aspect=1.0, direction=np.nan):
    """Make the maps of one photo from a saliency map, which need not sum to 1."""
    maps = np.zeros((1, GRID, GRID), np.float32)
    share = (np.asarray(saliency) / np.sum(saliency))[None].astype(np.float32)
    return PhotoMaps(np.array([aspect]), share, maps, maps, np.array([direction]))


def measure(saliency, *limits, aspect=1.0, direction=np.nan):
    values = composition.measure_crops(
        maps_of(saliency, aspect, direction), np.array([limits], dtype=float)
    )
    return {name: float(each[0]) for name, each in values.items()}


def spot(row, column):
    """Put all saliency in the four cells about the corner of cells (row, column)."""
    saliency = np.zeros((GRID, GRID))
    saliency[row - 1 : row + 1, column - 1 : column + 1] = 1
    return saliency


def photos_of(*greys, aspect=1.0):
    """Photos of grey pictures with values in [0, 1]."""
    images = np.stack([np.repeat(np.round(g * 255)[..., None], 3, axis=2) for g in greys])
    names = [f"{i}.jpg" for i in range(len(greys))]
    return PhotoArrays(names, images.astype(np.uint8), np.full(len(greys), aspect, np.float32))


def grid(aspect=1.0, side=SIDE):
    """Places of pixels in frame heights: x and y, (side, side) each."""
    place = (np.arange(side) + 0.5) / side
    return np.meshgrid(place * aspect, place)


def stripes(angle_deg, aspect=1.0, side=256):
    """Soft bands that run across the photo, turned clockwise."""
    x, y = grid(aspect, side)
    radians = np.deg2rad(angle_deg)
    return 0.5 + 0.4 * np.tanh(
        8 * np.sin(2 * np.pi * 6 * (y * np.cos(radians) - x * np.sin(radians)))
    )


def grain(seed=1, side=SIDE):
    return np.random.default_rng(seed).normal(0, 0.02, (side, side))


def disc(x, y, radius=0.06):
    """A bright disc, on the grain without which a drawn picture has an unnatural spectrum."""
    across, down = grid()
    return 0.3 + 0.6 * (np.hypot(across - x, down - y) < radius) + grain()


def test_on_an_even_map_every_crop_keeps_its_area_and_is_as_salient_as_the_photo():
    values = measure(np.ones((GRID, GRID)), 0.25, 0.1, 0.75, 0.9, 0)
    assert values["kept"] == pytest.approx(0.4)  # 0.5 x 0.8
    assert values["density"] == pytest.approx(1)
    assert values["cut"] == pytest.approx(1)


def test_a_spot_in_the_middle_of_a_crop_is_a_sixth_of_its_diagonal_from_the_thirds():
    values = measure(spot(16, 16), 0.25, 0.25, 0.75, 0.75, 0)
    assert values["thirds"] == pytest.approx(1 / 6)  # half the side less a third of it, both ways
    assert values["cut"] == 0


def test_a_spot_on_a_point_of_thirds_is_at_no_distance_from_it():
    # from 0.25 to 1, a third of the way is 0.5
    values = measure(spot(16, 16), 0.25, 0.25, 1, 1, 0)
    assert values["thirds"] == pytest.approx(0, abs=1e-6)
    assert values["kept"] == pytest.approx(1)
    assert values["density"] == pytest.approx(1 / 0.5625)  # all of it on 0.75 x 0.75


def test_a_border_through_a_spot_keeps_half_of_it_and_cuts_it():
    values = measure(spot(16, 16), 0, 0, 1, 0.5, 0)
    assert values["kept"] == pytest.approx(0.5)
    # diagonal 1.1180, band 0.02236 to either side; the spot is 2 / 32 wide -> 0.7155 of it inside
    # of the frame the band has 0.52236 - 0.45528 x 0.95528 = 0.08744; 0.7155 / 0.08744 = 8.183
    assert values["cut"] == pytest.approx(8.183, rel=1e-3)


def test_the_centre_of_a_tilted_crop_is_measured_along_its_own_sides():
    # 2:1 frame; the spot lies at (1.25, 0.5), so 0.25 to the right of the crop's centre
    level = measure(spot(16, 20), 0.3, 0.2, 0.7, 0.8, 0, aspect=2.0)
    # half the width is 0.6 and a third of it 0.2: 0.05 beyond; 0.2 / 3 down; diagonal 1.2649
    assert level["thirds"] == pytest.approx(np.hypot(0.05, 0.2 / 3) / 1.26491)
    turned = measure(spot(16, 20), 0.3, 0.2, 0.7, 0.8, 10, aspect=2.0)
    # along the turned sides: 0.25 cos 10 = 0.2462 and -0.25 sin 10 = -0.0434
    assert turned["thirds"] == pytest.approx(np.hypot(0.0462, 0.0667 - 0.0434) / 1.26491, abs=1e-3)


def test_a_tilted_crop_covers_its_area():
    limits, aspect = np.array([[0.2, 0.3, 0.7, 0.8, 7.0]]), np.array([1.5])
    covered = composition.coverage(limits, aspect).mean()
    assert covered == pytest.approx(0.25, rel=0.005)  # cells at its border count as turned


def test_a_crop_without_an_area_keeps_nothing_and_has_no_composition():
    values = measure(np.ones((GRID, GRID)), 0.6, 0.2, 0.4, 0.8, 0)
    assert values["kept"] == 0
    assert np.isnan([values["density"], values["thirds"]]).all()


def test_every_measure_is_described():
    assert list(measure(spot(16, 16), 0, 0, 1, 1, 0)) == [each.key for each in MEASURES]
    nothing = maps_of(spot(16, 16)).select(np.array([], int))
    values = composition.measure_crops(nothing, np.zeros((0, 5)))
    assert {len(each) for each in values.values()} == {0}


@pytest.mark.parametrize(("x", "y"), [(0.25, 0.7), (0.6, 0.3), (0.1, 0.1)])
def test_a_bright_disc_is_where_a_photo_is_most_salient(x, y):
    maps = composition.photo_maps(photos_of(disc(x, y)))
    assert maps.saliency.sum() == pytest.approx(1, abs=1e-5)
    row, column = np.unravel_index(maps.saliency[0].argmax(), (GRID, GRID))
    # in the disc (0.06), or at its border, by as much as the map is smoothed (2.5 / 64)
    assert np.hypot((column + 0.5) / GRID - x, (row + 0.5) / GRID - y) < 0.1


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_nothing_is_salient_in_an_even_picture(shade):
    maps = composition.photo_maps(photos_of(np.full((SIDE, SIDE), shade)))
    np.testing.assert_allclose(maps.saliency, 1 / GRID**2, rtol=1e-5)
    np.testing.assert_allclose(maps.brightness, shade, atol=1 / 255)
    assert maps.detail.max() == 0


def test_a_photo_s_border_is_not_an_edge_even_if_opposite_sides_differ():
    _, y = grid()
    maps = composition.photo_maps(photos_of(np.where(y < 0.4, 0.9, 0.1) + grain() / 2))
    rows = maps.saliency[0].mean(axis=1) * GRID**2
    horizon = rows[11:15].max()  # 0.4 x 32 = 12.8
    assert rows[[0, 1, -2, -1]].max() < horizon / 2


@pytest.mark.parametrize("aspect", [0.67, 1.0, 1.5])
@pytest.mark.parametrize("angle", [-6.0, 0.0, 2.5, 13.0])
def test_the_direction_of_lines_is_measured_whatever_the_photo_s_shape(angle, aspect):
    maps = composition.photo_maps(photos_of(stripes(angle, aspect), aspect=aspect))
    # a bin is 0.25 degrees; slopes of steep squashed lines are off by some more
    assert maps.direction[0] == pytest.approx(angle, abs=0.4)


def test_upright_lines_are_turned_as_far_as_level_ones():
    maps = composition.photo_maps(photos_of(stripes(93.0), stripes(3.0)))
    np.testing.assert_allclose(maps.direction, 3, atol=0.4)


def test_no_direction_is_prominent_in_noise_or_where_lines_slope_on_purpose():
    noise = np.random.default_rng(1).random((256, 256))
    maps = composition.photo_maps(photos_of(noise, stripes(30.0), np.full((256, 256), 0.5)))
    assert np.isnan(maps.direction).all()


def test_tilt_is_what_a_crop_leaves_of_the_lines_direction():
    for angle, left in ((0, 4), (4, 0), (-1, 5), (6, 2)):
        values = measure(spot(16, 16), 0, 0, 1, 1, angle, direction=4.0)
        assert values["tilt"] == left
    assert np.isnan(measure(spot(16, 16), 0, 0, 1, 1, 0)["tilt"])


def test_photos_read_from_disk_in_batches_have_the_same_maps_as_alone():
    greys = [disc(0.1 + 0.01 * i, 0.5)[::4, ::4] for i in range(70)]
    memory = photos_of(*greys)
    disk = PixelFile(70, SIDE // 4)
    for place, image in enumerate(memory.images):
        disk[place] = image
    maps = composition.photo_maps(PhotoArrays(memory.names, disk, memory.aspect))
    alone = composition.photo_maps(photos_of(greys[66]))
    np.testing.assert_array_equal(maps.select(np.array([66])).saliency, alone.saliency)
    np.testing.assert_array_equal(maps.direction[66:67], alone.direction)
    assert len(maps) == 70


def test_what_is_cut_away_is_a_share_of_what_is_salient_in_the_crop():
    saliency = spot(8, 8) + 2 * spot(24, 24)  # at a quarter and at three quarters of each side
    whole, upper = [[0.0, 0.0, 1.0, 1.0, 0.0]], [[0.0, 0.0, 0.5, 1.0, 0.0]]
    maps = maps_of(saliency)

    def cut(limits, others):
        return composition.salient_cuts(maps, np.array(limits), np.array(others))[0]

    # of squares 1 and 4, the upper half loses the 4
    assert cut(whole, upper) == pytest.approx(0.8)
    assert cut(upper, whole) == pytest.approx(0, abs=1e-9)
    slanted = [[0.11, 0.13, 0.87, 0.91, 3.0]]
    assert cut(slanted, slanted) == pytest.approx(0, abs=1e-9)
    lower = [[0.5, 0.0, 1.0, 1.0, 0.0]]
    assert cut(upper, lower) == pytest.approx(1)
