import dataclasses
import json
import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageOps

from cropperhead.demo import draw_library, is_drawn
from cropperhead.demo.composition import add_hand_noise, crop_by_rule, random_crop
from cropperhead.demo.files import camera_raw_settings, encode_photo, write_photo
from cropperhead.demo.library import MARKER
from cropperhead.demo.painting import paint
from cropperhead.demo.rolls import plan_photo
from cropperhead.demo.scenes import Clutter, Scene, Subject
from cropperhead.demo.settings import KINDS, SETTINGS
from cropperhead.demo.spoiled import BAD_FILES, cut_out
from cropperhead.editors import lightroom
from cropperhead.editors.base import State, displayed_crop
from cropperhead.errors import LibraryError, RejectedFile
from cropperhead.geometry.crops import CROP_COLUMNS, Crop, area, outside, overlap

PHOTOS, SEED = 20, 20
DEER = Subject("deer", x=0.3, foot=0.7, height=0.3, facing=1)
PLAIN = Scene(
    width=1200,
    height=800,
    tilt=0.0,
    setting="coast",
    light="day",
    weather="clear",
    horizon=0.6,
    lamp_x=0.8,
    lamp_y=0.2,
    subject=DEER,
    companion=None,
    clutter=(),
    seed=7,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Twenty photos, drawn by two processes."""
    folder = tmp_path_factory.mktemp("demo") / "library"
    draw_library(folder, PHOTOS, seed=SEED, workers=2)
    return folder


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    """One more photo, drawn by one process over an older library with a file of the user's."""
    folder = tmp_path_factory.mktemp("redrawn")
    (folder / "1999" / "old").mkdir(parents=True)
    (folder / "1999" / "old" / "IMG_0001.jpg").write_bytes(b"drawn by an older version")
    (folder / "mine.txt").write_text("not drawn")
    marker = {"version": 0, "files": ["1999/old/IMG_0001.jpg"], "complete": True}
    (folder / MARKER).write_text(json.dumps(marker))
    draw_library(folder, PHOTOS + 1, seed=SEED, workers=1)
    return folder


@cache
def planned(policy="rule", count=300):
    return [plan_photo(SEED, policy, number) for number in range(count)]


def settings_in(packet):
    """Camera Raw's tags in a packet, in either of the two spellings."""
    tags = re.findall(rb'(?<!/)crs:(\w+)(?:="|>)([^"<]*)', packet)
    return {tag.decode(): value.decode() for tag, value in tags}


def settings_beside(file):
    sidecar = file.with_suffix(".xmp")
    return settings_in(sidecar.read_bytes() if sidecar.exists() else file.read_bytes())


def test_photos_are_the_same_whatever_their_number_and_the_number_of_processes(library, redrawn):
    names = [
        file.relative_to(library)
        for file in library.rglob("*")
        if file.is_file() and file.name != MARKER
    ]
    assert len(names) > PHOTOS
    for name in names:
        assert (library / name).read_bytes() == (redrawn / name).read_bytes(), name
        assert (library / name).stat().st_mtime_ns == (redrawn / name).stat().st_mtime_ns


def test_an_older_library_is_replaced_and_nobody_elses_file_is_touched(redrawn):
    assert not (redrawn / "1999").exists()
    assert (redrawn / "mine.txt").read_text() == "not drawn"


def test_a_library_is_drawn_once(library):
    before = {file: file.stat().st_mtime_ns for file in library.rglob("*")}
    counts = draw_library(library, PHOTOS, seed=SEED)
    assert {file: file.stat().st_mtime_ns for file in library.rglob("*")} == before
    assert counts["photos"] == counts["cropped"] + counts["uncropped"] == PHOTOS


def test_other_settings_and_missing_files_are_not_taken_for_the_library(library, tmp_path):
    assert is_drawn(library, PHOTOS, "rule", SEED)
    assert not is_drawn(library, PHOTOS, "random", SEED)
    assert not is_drawn(library, PHOTOS, "rule", SEED + 1)
    marker = (library / MARKER).read_text()
    (tmp_path / MARKER).write_text(marker)  # the photos themselves are elsewhere
    assert not is_drawn(tmp_path, PHOTOS, "rule", SEED)
    assert not is_drawn(tmp_path / "none", PHOTOS, "rule", SEED)


def test_a_half_drawn_library_is_not_complete(tmp_path):
    settings = {"photos": PHOTOS, "policy": "rule", "seed": SEED, "version": 1}
    (tmp_path / MARKER).write_text(json.dumps(settings | {"files": [], "complete": False}))
    assert not is_drawn(tmp_path, PHOTOS, "rule", SEED)


def test_a_folder_with_other_files_is_an_error(tmp_path):
    (tmp_path / "IMG_1.jpg").write_bytes(b"somebody's photo")
    with pytest.raises(LibraryError, match="not a demo library"):
        draw_library(tmp_path, PHOTOS)
    assert [file.name for file in tmp_path.iterdir()] == ["IMG_1.jpg"]


@pytest.mark.parametrize(("photos", "policy"), [(19, "rule"), (PHOTOS, "golden")])
def test_invalid_settings_are_an_error(tmp_path, photos, policy):
    with pytest.raises(LibraryError, match="expected"):
        draw_library(tmp_path / "new", photos, policy)
    assert not (tmp_path / "new").exists()


def test_every_file_is_listed_and_every_listed_file_is_there(library):
    listed = json.loads((library / MARKER).read_text())["files"]
    there = [file.relative_to(library).as_posix() for file in library.rglob("*") if file.is_file()]
    assert sorted([*listed, MARKER]) == sorted(there)


def test_each_photo_s_file_has_its_size_time_and_crop(library):
    for photo in planned(count=PHOTOS):
        with Image.open(library / photo.path) as picture:
            exif, size = picture.getexif(), picture.size
        assert ImageOps.exif_transpose(Image.open(library / photo.path)).size == (
            photo.scene.width,
            photo.scene.height,
        )
        taken = exif.get_ifd(0x8769)[0x9003]
        assert taken == photo.capture_time.strftime("%Y:%m:%d %H:%M:%S")
        settings = settings_beside(library / photo.path)
        if photo.crop is None:
            assert lightroom.state(settings) != State.CROPPED
            continue
        assert lightroom.state(settings) == State.CROPPED
        read = displayed_crop(lightroom.decode(settings, *size), *size, exif[0x0112])
        # six decimals are stored, of opposite corners: up to 2e-6 after turning them back
        assert read.limits() == pytest.approx(photo.crop.limits(), abs=2e-6)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_each_format_stores_the_crop_and_the_time(tmp_path, ending):
    first = next(photo for photo in planned() if photo.crop and photo.orientation == 1)
    photo = dataclasses.replace(first, path=f"a{ending}", sidecar=False)
    write_photo(tmp_path, photo)
    with Image.open(tmp_path / photo.path) as picture:
        taken = picture.getexif().get_ifd(0x8769)[0x9003]
        packet = picture.info["xmp"]
    assert settings_in(packet)["HasCrop"] == "True"
    assert taken == photo.capture_time.strftime("%Y:%m:%d %H:%M:%S")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_photos_are_displayed_upright(tmp_path, orientation):
    picture = Image.linear_gradient("L").resize((120, 80)).convert("RGB")  # dark above
    photo = dataclasses.replace(planned(count=1)[0], path="a.jpg", orientation=orientation)
    (tmp_path / photo.path).write_bytes(encode_photo(photo, picture, None))
    shown = ImageOps.exif_transpose(Image.open(tmp_path / photo.path))
    assert shown.size == (120, 80)
    # JPEG at quality 88 keeps a smooth gradient within a few levels of 255
    assert np.abs(np.asarray(shown, int) - np.asarray(picture, int)).max() <= 6


def test_bad_files_are_unusable_and_exports_are_finished(library):
    assert sorted(file.name for file in (library / "bad").iterdir()) == sorted(BAD_FILES)
    copy = (library / "bad" / "copy_of_another.jpg").read_bytes()
    assert copy in [file.read_bytes() for file in library.glob("2*/*/*")]
    with Image.open(library / "bad" / "truncated.jpg") as picture, pytest.raises(OSError):
        picture.load()
    for name, kind in {"pixels": "pixels", "inverted": "inverted", "outside": "outside"}.items():
        settings = settings_beside(library / "bad" / f"{name}.jpg")
        with pytest.raises(RejectedFile) as caught:
            lightroom.state(settings)
            lightroom.decode(settings, 1200, 800)
        assert caught.value.kind == kind
    export = min((library / "exports").iterdir())
    with pytest.raises(RejectedFile) as caught:
        lightroom.state(settings_beside(export))
    assert caught.value.kind == "already_applied"


def test_a_library_has_photos_of_every_kind():
    photos = planned()
    assert 0.08 < np.mean([photo.crop is None for photo in photos]) < 0.16
    assert 0.07 < np.mean([photo.orientation != 1 for photo in photos]) < 0.17
    assert 0.28 < np.mean([photo.sidecar for photo in photos]) < 0.4
    assert 0.28 < np.mean([photo.scene.tilt != 0 for photo in photos]) < 0.44
    assert {photo.scene.setting for photo in photos} == set(SETTINGS)
    assert {photo.scene.subject.kind for photo in photos} == set(KINDS)
    assert {photo.path[photo.path.rindex(".") :] for photo in photos} == {
        ".jpg",
        ".JPG",
        ".png",
        ".tif",
    }
    assert len({photo.path for photo in photos}) == len(photos)


def test_only_the_frames_of_a_burst_are_within_two_seconds_and_share_a_setting():
    photos = sorted(planned(), key=lambda photo: (photo.camera, photo.capture_time))
    close = [
        (one, two)
        for one, two in pairwise(photos)
        if one.camera == two.camera and (two.capture_time - one.capture_time).total_seconds() <= 2
    ]
    assert len(close) >= 8
    for one, two in close:
        assert one.scene.seed == two.scene.seed
        assert abs(one.scene.subject.x - two.scene.subject.x) < 0.031


def test_the_rule_puts_the_subject_and_the_horizon_on_thirds():
    # tightness: 0.3 / 0.38 = 0.78947 of the frame's height and, at its own aspect, of its width
    # subject left of the middle, on the left third: centre 0.3 + 0.78947 / 6 = 0.43158
    # its middle, 0.55, is above the horizon, which goes on the lower third: 0.6 - 0.78947 / 6
    expected = Crop(top=0.07368, left=0.03684, bottom=0.86316, right=0.82632, angle=0.0)
    assert crop_by_rule(PLAIN).limits() == pytest.approx(expected.limits(), abs=1e-5)


def test_the_rule_avoids_clutter():
    post = Clutter("post", "left", reach=0.1, along=0.5)
    crop = crop_by_rule(dataclasses.replace(PLAIN, clutter=(post,)))
    # 0.1 and 0.012 to spare: the crop above slides to the right, its size unchanged
    assert (crop.left, crop.right) == pytest.approx((0.112, 0.90147), abs=1e-5)


def test_the_rule_gives_balloons_a_square_and_small_subjects_a_panorama():
    balloon = Subject("balloon", x=0.3, foot=0.55, height=0.3, facing=1)
    square = crop_by_rule(dataclasses.replace(PLAIN, subject=balloon)).in_pixels(1200, 800)
    assert square.width == pytest.approx(square.height)
    small = dataclasses.replace(DEER, height=0.15)
    wide = crop_by_rule(dataclasses.replace(PLAIN, subject=small)).in_pixels(1200, 800)
    assert wide.width / wide.height == pytest.approx(16 / 9)


def test_the_rule_follows_the_horizon_and_cuts_off_neither_subject_nor_clutter():
    for photo in planned():
        scene, crop = photo.scene, crop_by_rule(photo.scene)
        assert crop.angle == scene.tilt
        corners = crop.in_pixels(scene.width, scene.height).corners()
        corners /= (scene.width, scene.height)
        for clutter in scene.clutter:
            axis, far = clutter.side in ("top", "bottom"), clutter.side in ("right", "bottom")
            inwards = 1 - corners[:, int(axis)] if far else corners[:, int(axis)]
            assert inwards.min() > clutter.reach
        assert _shows(scene, crop, scene.subject.x, scene.subject.foot - scene.subject.height / 2)


def _shows(scene, crop, x, y):
    """Whether a point of the level scene is in the crop."""
    turn = np.deg2rad(scene.tilt)
    box = crop.in_pixels(scene.width, scene.height)
    centre = np.array([box.centre_x - scene.width / 2, box.centre_y - scene.height / 2])
    level = np.array(
        [
            np.cos(turn) * centre[0] + np.sin(turn) * centre[1],
            -np.sin(turn) * centre[0] + np.cos(turn) * centre[1],
        ]
    )
    point = np.array([(x - 0.5) * scene.width, (y - 0.5) * scene.height])
    return bool((np.abs(point - level) <= np.array([box.width, box.height]) / 2).all())


@pytest.mark.parametrize("tilt", [-5.0, 0.0, 5.0])
def test_the_crop_levels_the_horizon(tilt):
    scene = dataclasses.replace(PLAIN, tilt=tilt)
    picture = paint(scene, grain_seed=1)
    # rotated 5 degrees clockwise, the right end is 0.9 x 1200 x tan 5 = 94 px lower on screen
    assert _fall(picture, around=scene.horizon) == pytest.approx(
        0.9 * 1200 * np.tan(np.deg2rad(tilt)), abs=6
    )
    levelled = cut_out(picture, crop_by_rule(scene))
    assert _fall(levelled, around=2 / 3) == pytest.approx(0, abs=4)


def _fall(picture, around):
    """By how many pixels the horizon is lower at 95 % of the width than at 5 %."""
    grey = np.asarray(picture.convert("L"), dtype=float)
    rows = np.arange(len(grey))
    height, width = grey.shape
    places = []
    for share in (0.05, 0.95):
        column = grey[:, int(share * width) - 15 : int(share * width) + 15].mean(axis=1)
        sums = np.concatenate([[0.0], np.cumsum(column)])
        steps = np.zeros(height)
        steps[8:-8] = np.abs(sums[16:-1] - 2 * sums[8:-9] + sums[:-17])  # 8 px below less above
        steps[np.abs(rows - around * height) > 0.12 * height] = 0
        places.append(int(steps.argmax()))
    return places[1] - places[0]


def test_a_person_is_slightly_inaccurate_and_never_leaves_the_frame():
    for policy in ("rule", "random"):
        cropped = [photo for photo in planned(policy) if photo.crop]
        limits = np.array([photo.crop.limits() for photo in cropped])
        aspect = np.array([photo.scene.width / photo.scene.height for photo in cropped])
        assert outside(limits, aspect).max() < 1e-12
        assert len(CROP_COLUMNS) == limits.shape[1]
    cropped = [photo for photo in planned() if photo.crop]
    off = np.array([p.crop.limits() - crop_by_rule(p.scene).limits() for p in cropped])
    tilted = np.array([photo.scene.tilt != 0 for photo in cropped])
    assert np.all(off[~tilted, 4] == 0)
    assert 0.2 < off[tilted, 4].std() < 0.4  # 0.3 degrees, from about a hundred photos
    assert 0.01 < off[:, :4].std() < 0.02  # 0.016, a little less where the frame ends


def test_crops_differ_much_between_photos():
    cropped = [photo for photo in planned() if photo.crop]
    limits = np.array([photo.crop.limits() for photo in cropped])
    aspect = np.array([photo.scene.width / photo.scene.height for photo in cropped])
    constant = np.tile(np.median(limits, axis=0), (len(limits), 1))
    assert 0.6 < overlap(constant, limits, aspect).mean() < 0.75


def test_random_crops_are_as_tight_as_the_rule_s_and_independent_of_the_scene():
    followed, ignored = planned("rule"), planned("random")
    assert [photo.scene for photo in followed] == [photo.scene for photo in ignored]
    rule = np.array([crop_by_rule(photo.scene).limits() for photo in followed])
    drawn = np.array([photo.crop.limits() for photo in ignored if photo.crop])
    assert area(drawn).mean() == pytest.approx(area(rule).mean(), abs=0.05)
    assert drawn[:, 4].std() == pytest.approx(rule[:, 4].std(), abs=0.6)
    own = rule[[photo.crop is not None for photo in ignored]]
    for column in range(5):
        # of 270 unrelated pairs, correlations have a standard deviation of 1 / sqrt(270) = 0.061
        assert abs(np.corrcoef(own[:, column], drawn[:, column])[0, 1]) < 0.2


def test_a_random_crop_does_not_depend_on_its_photo():
    first, second = (random_crop(np.random.default_rng(5), "lake") for _ in range(2))
    assert first == second
    wide = add_hand_noise(first, 3 / 2, np.random.default_rng(6))
    upright = add_hand_noise(first, 2 / 3, np.random.default_rng(6))
    # one crop fits all formats; only the hand's noise at a tilted corner makes them differ
    assert wide.limits() == pytest.approx(upright.limits(), abs=0.05)


def test_uncropped_photos_have_four_kinds_of_metadata():
    forms = {
        json.dumps(dict(settings) if (settings := camera_raw_settings(photo)) is not None else None)
        for photo in planned()
        if photo.crop is None
    }
    assert len(forms) == 4
