"""Against pictures whose lines are known, and against sums along lines that are made one by one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cropperhead.training import radon

TILTS = (np.arange(64) + 0.5) / 2 - 16  # degrees
SIDE = 125
LEVEL_ALL, LEVEL_STRONGEST, UPRIGHT_ALL, UPRIGHT_STRONGEST = 0, 4, 16, 20  # first of four windows
LEFT, MIDDLE, RIGHT, WHOLE = range(4)


def edge(tilt_deg, aspect=1.0, upright=False, part=slice(None)):
    """The slope of brightness (1, side, side, 2) across one line through the middle.

    The line is tilted clockwise in the photo, which is squashed to a square; `part` of its length
    is there.
    """
    place = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    down, across = np.meshgrid(place, place * aspect, indexing="ij")
    angle = np.radians(tilt_deg)
    normal = (np.cos(angle), np.sin(angle)) if upright else (-np.sin(angle), np.cos(angle))
    away = (across * normal[0] + down * normal[1]) * SIDE  # px of the photo's height
    strength = 0.003 * np.exp(-0.5 * away**2)  # faint, so that it is narrow
    slope = np.stack([strength * normal[0] * aspect, strength * normal[1]], axis=-1)
    there = np.zeros((SIDE, SIDE, 1))
    there[(part, slice(None)) if upright else (slice(None), part)] = 1
    return (slope * there)[None].astype(np.float32)


def found(slope, aspect=1.0):
    ratios = np.full((len(slope), 1), aspect, np.float32)
    return np.asarray(radon.line_sums(keras.ops.convert_to_tensor(slope), ratios, TILTS))


@pytest.mark.parametrize("aspect", [1.0, 1.5, 0.67])
@pytest.mark.parametrize("tilt", [-7.25, 0.25, 3.75])
@pytest.mark.parametrize("upright", [False, True])
def test_a_line_adds_up_at_its_own_tilt_whatever_the_frame_s_shape(tilt, aspect, upright):
    seen = found(edge(tilt, aspect, upright), aspect)[0]
    for kind in (UPRIGHT_ALL, UPRIGHT_STRONGEST) if upright else (LEVEL_ALL, LEVEL_STRONGEST):
        assert TILTS[seen[:, kind + WHOLE].argmax()] == pytest.approx(tilt, abs=0.5)  # a bin


def test_sums_are_those_along_lines_one_by_one():
    generator = np.random.default_rng(4)
    grid = np.arange(SIDE)
    slope = np.zeros((1, SIDE, SIDE, 2))
    for _ in range(12):
        down, across, start = generator.uniform((-0.12, -0.12, 0), (0.12, 0.12, 6))
        phase = 2 * np.pi * (grid[:, None] * down + grid[None] * across) + start
        slope[0, :, :, 1] += np.cos(phase)
    seen = found(slope.astype(np.float32))[0, :, LEVEL_STRONGEST + WHOLE]
    side = SIDE - SIDE % 4
    edges = np.sign(slope[0, :side, :side, 1])  # all of them level
    spectrum = np.fft.rfft(np.concatenate([edges, np.zeros((128 - side, side))]), axis=0)
    spectrum[0], spectrum[33:] = 0, 0
    expected = []
    for tilt in TILTS:
        away = np.tan(np.radians(tilt)) * (np.arange(side) - (side - 1) / 2)
        away -= 1.5  # sums are made at -1.5 px and from there on at every other px
        moved = spectrum * np.exp(2j * np.pi * np.arange(65)[:, None] * away[None] / 128)
        sums = np.fft.irfft(moved.sum(axis=1), 128)[::2]
        expected.append(np.log((sums**2).max() / (edges**2).sum()))
    assert seen == pytest.approx(np.array(expected), abs=0.15)


@pytest.mark.parametrize("upright", [False, True])
def test_windows_tell_where_a_line_is(upright):
    first = UPRIGHT_STRONGEST if upright else LEVEL_STRONGEST
    seen = found(edge(2.25, upright=upright, part=slice(62)))[0]  # the left, or the upper half
    place = np.abs(TILTS - 2.25).argmin()
    assert seen[place, first + LEFT] > seen[place, first + MIDDLE] + 0.5
    assert seen[place, first + RIGHT] < -5  # nothing is there


def test_in_the_mirrored_photo_all_is_at_its_mirrored_place():
    slope = edge(4.25, part=slice(70)) + edge(-2.75, upright=True, part=slice(30, 90))
    slope = slope[:, :124, :124]
    mirrored = slope[:, :, ::-1] * np.array([-1, 1], np.float32)
    expected = found(slope)[:, ::-1][:, :, radon.mirror_channels()]
    assert found(mirrored) == pytest.approx(expected, abs=0.02)
    assert np.array_equal(
        radon.mirror_channels()[radon.mirror_channels()], np.arange(radon.CHANNELS)
    )


def test_texture_adds_up_nowhere():
    """Of noise, no tilt stands out, as it does where a line is."""
    noise = np.random.default_rng(1).normal(0, 0.1, (1, SIDE, SIDE, 2)).astype(np.float32)
    of_noise = found(noise)[0, :, LEVEL_ALL + WHOLE]
    of_line = found(noise / 100 + edge(3.25))[0, :, LEVEL_ALL + WHOLE]
    assert np.ptp(of_noise) < 0.5 * np.ptp(of_line)


def test_an_even_photo_gives_numbers_without_a_tilt():
    seen = found(np.zeros((2, SIDE, SIDE, 2), np.float32))
    assert np.isfinite(seen).all()
    assert np.ptp(seen, axis=1).max() == pytest.approx(0, abs=1e-6)


def test_the_same_photos_give_the_same_bytes_whatever_thread_is_first():
    slope = np.random.default_rng(2).normal(0, 0.1, (32, SIDE, SIDE, 2)).astype(np.float32)
    given = tf.constant(slope), tf.fill((32, 1), 1.5)
    counted = tf.function(lambda slope, aspect: radon.line_sums(slope, aspect, TILTS))
    assert len({counted(*given).numpy().tobytes() for _ in range(25)}) == 1
