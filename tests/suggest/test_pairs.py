from pathlib import Path

import cropperhead_base
import pytest
from camera_files import CHANGED, ORIENTATION, SOFTWARE, camera_jpeg, jpeg_bytes
from PIL import Image
from raw_files import SHORT, save_dng, scene

from cropperhead.suggest import pairs, predict, run
from cropperhead.suggest.options import SuggestOptions
from cropperhead.suggest.predict import Job

SIZE = 1200, 800  # of the DNG's frame
TAKEN, SENSITIVITY, FOCAL_LENGTH = 0x9003, 0x8827, 0xA405
SETTINGS = {SENSITIVITY: (SHORT, [200]), FOCAL_LENGTH: (SHORT, [35])}
ANOTHER_SECOND = "2024:05:01 12:00:01"


@pytest.fixture(scope="module")
def dng(tmp_path_factory):
    """A RAW photo as the camera wrote it."""
    file = tmp_path_factory.mktemp("raw") / "IMG_0001.dng"
    shown = scene(*SIZE)
    return save_dng(file, shown, preview=shown, tags=SETTINGS)


def beside(dng: Path, size=SIZE, inner=None, **tags) -> Path:
    """A JPEG beside a RAW photo, by default as the camera writes both, but of another picture."""
    file = dng.with_name("IMG_0001.jpg")
    pixels = Image.radial_gradient("L").resize(size).convert("RGB")
    own = {SENSITIVITY: 200, FOCAL_LENGTH: 35} | (inner or {})
    file.write_bytes(camera_jpeg(jpeg_bytes(pixels), tags=tags.get("tags"), inner=own))
    return file


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a/IMG_1.NEF", "a/IMG_1.JPG", True),
        ("a/img_1.jpeg", "a/IMG_1.CR3", True),
        ("a/\N{LATIN SMALL LETTER E WITH ACUTE}.NEF", "a/e\N{COMBINING ACUTE ACCENT}.JPG", True),
        ("a/IMG_1.NEF", "b/IMG_1.JPG", False),  # in another folder
        ("a/IMG_1.NEF", "a/IMG_2.JPG", False),
        ("a/IMG_1.NEF", "a/IMG_1.TIF", False),  # no camera's
        ("a/IMG_1.NEF", "a/IMG_1.DNG", False),  # both are RAW
        ("a/IMG_1.JPG", "a/IMG_1.JPEG", False),
    ],
)
def test_a_pair_is_a_raw_photo_and_a_jpeg_of_one_name(one, other, alike):
    assert pairs.are_named_alike(Path(one), Path(other)) is alike
    assert pairs.are_named_alike(Path(other), Path(one)) is alike


def test_what_the_camera_wrote_in_one_exposure_shows_the_same(dng):
    jpeg = beside(dng)
    assert pairs.show_the_same(dng, jpeg, exactly=True)
    assert pairs.show_the_same(jpeg, dng, exactly=True)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {SOFTWARE: "darktable 5.4"}},
        {"tags": {CHANGED: ANOTHER_SECOND}},  # a program has written it since
        {"tags": {ORIENTATION: 6}},
        {"tags": {CHANGED: ANOTHER_SECOND}, "inner": {TAKEN: ANOTHER_SECOND}},  # the next exposure
        {"inner": {SENSITIVITY: 400}},
        {"inner": {FOCAL_LENGTH: 70}},  # zoomed digitally
        {"size": (1200, 676)},  # 16:9 of 3:2
        {"size": (600, 400)},
    ],
    ids=str,
)
def test_a_jpeg_that_may_show_something_else_is_looked_at_itself(dng, change):
    assert not pairs.show_the_same(dng, beside(dng, **change), exactly=False)


def test_the_border_of_a_sensor_makes_no_other_picture_but_another_shape(dng):
    jpeg = beside(dng, (1188, 796))  # 1 % and 0.5 % less than 1200 x 800
    assert pairs.show_the_same(dng, jpeg, exactly=False)
    assert not pairs.show_the_same(dng, jpeg, exactly=True)


def test_a_damaged_file_shows_nothing(dng):
    jpeg = beside(dng)
    jpeg.write_bytes(jpeg.read_bytes()[:300])
    assert not pairs.show_the_same(dng, jpeg, exactly=False)


def cut_off(file: Path, folder: Path, share: float) -> Path:
    """The first part of a file, under its name in another folder."""
    content = file.read_bytes()
    part = folder / file.name
    part.write_bytes(content[: int(len(content) * share)])
    return part


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_file_that_is_cut_off_fails_although_the_one_before_it_is_sound(
    model, dng, tmp_path, share
):
    """As a copy that was interrupted, of either kind."""
    jpeg = beside(dng)
    for seen, other in ((dng, jpeg), (jpeg, dng)):
        part = cut_off(other, tmp_path, share if other == jpeg else 0.001)
        whole = cut_off(seen, tmp_path, 1)
        alone, before = outcomes(model, [part]), outcomes(model, [whole, part])
        assert alone[0].failure
        assert [one.failure for one in before] == ["", alone[0].failure]


def test_a_jpeg_that_the_card_s_blocks_fill_up_is_whole(dng):
    jpeg = beside(dng)
    jpeg.write_bytes(jpeg.read_bytes() + bytes(32_768))
    assert pairs.show_the_same(dng, jpeg, exactly=True)


@pytest.fixture(scope="module")
def model():
    return Path(cropperhead_base.model_file())


def outcomes(model, files, options=None):
    jobs = [Job(file) for file in files]
    return predict.predict_photos(model, options or SuggestOptions(), jobs)


def predictions(model, dng, jpeg, options=None):
    return [one.crops for one in outcomes(model, [dng, jpeg], options)]


def test_one_look_gives_both_files_of_an_exposure_their_crops(model, dng):
    """The JPEG is of another picture here, to tell whether it was looked at."""
    of_raw, of_jpeg = predictions(model, dng, beside(dng))
    assert of_raw == of_jpeg != ()


def test_a_developed_jpeg_gets_crops_of_its_own(model, dng):
    jpeg = beside(dng, tags={SOFTWARE: "darktable 5.4"})
    of_raw, of_jpeg = predictions(model, dng, jpeg)
    [alone] = predict.predict_photos(model, SuggestOptions(), [Job(jpeg)])
    assert of_jpeg == alone.crops != of_raw


def test_a_crop_of_a_given_shape_has_it_in_each_file(model, dng):
    jpeg = beside(dng, (1188, 796))
    options = SuggestOptions(aspect="4:5")
    _, [best] = predictions(model, dng, jpeg, options)
    left, top, right, bottom = best.pixels(1188, 796)
    assert (right - left) / (bottom - top) == pytest.approx(4 / 5, abs=1 / 400)  # of some 700 px


def horizon(angle_deg: float) -> Image.Image:
    """Grass below the sky, and a house, turned anticlockwise."""
    wide = Image.new("RGB", (2400, 2400), (120, 160, 220))
    wide.paste((40, 80, 40), (0, 1250, 2400, 2400))
    wide.paste((200, 60, 40), (1300, 1000, 1420, 1260))
    return wide.rotate(angle_deg, Image.Resampling.BICUBIC).crop((600, 800, 1800, 1600))


def test_a_turned_crop_stays_inside_the_frame_of_each_file(model, tmp_path):
    """As found in 1200 x 800 px, the corners would be 0.9 px outside 1200 x 786."""
    shown = horizon(6)
    raw = save_dng(tmp_path / "IMG_0001.dng", shown, preview=shown, tags=SETTINGS)
    jpeg = beside(raw, (1200, 786))
    [of_raw], [of_jpeg] = predictions(model, raw, jpeg, SuggestOptions(straighten_only=True))
    assert of_raw.angle == pytest.approx(-6, abs=1)
    assert of_raw.in_pixels(1200, 786).outside(1200, 786) > 0.5
    assert of_jpeg.in_pixels(1200, 786).outside(1200, 786) < 0.01


def test_the_two_files_of_an_exposure_go_to_one_process():
    jobs = [Job(Path(f"IMG_{n}.{kind}")) for n in (1, 2, 3) for kind in ("JPG", "NEF")]
    chunks = [[job.file.name for job in chunk] for chunk in run._chunks(jobs, 3, run.deque())]
    assert chunks == [
        ["IMG_1.JPG", "IMG_1.NEF", "IMG_2.JPG", "IMG_2.NEF"],
        ["IMG_3.JPG", "IMG_3.NEF"],
    ]
