"""What moves the picture before darktable crops it is told by the modules' own settings."""

import base64
import struct
import zlib

import pytest

from cropperhead.editors import darktable, darktable_moves
from cropperhead.errors import RejectedFile

CROP = ("crop", 1, struct.pack("<4f2i", 0.1, 0.2, 0.5, 0.9, -1, -1))
RECTILINEAR, PANORAMIC, EQUISOLID, FISHEYE = 1, 3, 7, 2
CAMERA_MODE, LENSFUN, VIGNETTE = 0, 1, 2
ZOOM, ROUND = "Canon EF 24-105mm f/4L IS USM", "Canon EF 8-15mm f/4L Fisheye USM"
WIDTH, HEIGHT = 600, 400


def history(*steps, **tags):
    """Each step a module, its version and the bytes of its settings; on, unless a fourth says 0."""
    entries = [
        {
            "Num": number,
            "Operation": step[0],
            "Modversion": step[1],
            "Params": "gz01" + base64.b64encode(zlib.compress(step[2])).decode(),
            "Enabled": step[3] if len(step) > 3 else 1,
            "Multi_priority": 0,
        }
        for number, step in enumerate(steps)
    ]
    return {"Xmp_version": 5, "History": entries, "History_end": len(entries)} | tags


def lens(version, scale=1.0, target=RECTILINEAR, name=ZOOM, *, changed=1, method=LENSFUN, md=1.0):
    """The settings of each version, all fields in the order of darktable's structs."""
    head = (method,) if version >= 6 else ()
    optics = (0x38, 0, scale, 1.5, 24.0, 8.0, 1000.0, target)
    long = 52 if version == 2 else 128
    texts = (b"Canon EOS 5D".ljust(long, b"\0"), name.encode().ljust(long, b"\0"))
    fringes = (0, 1.0, 1.0)
    tail = {
        2: (),
        3: (),
        4: (changed,),
        5: (changed,),
        6: (1.0, 1.0, changed),
        7: (1.0, 1.0, md),
        8: (1.0, 1.0, 1.0, 1.0, 1.0, 1, md),
        9: (1.0, 1.0, 1.0, 1.0, 1.0, 1, md, changed),
        10: (1.0, 1.0, 1.0, 1.0, 1.0, 1, md, changed, 0.0, 0.5, 0.5, 0.0, 0.0),
    }[version]
    kinds = {2: "", 3: "", 4: "i", 5: "i", 6: "2fi", 7: "3f", 8: "5fif", 9: "5fifi", 10: "5fifi5f"}
    layout = f"<{'i' * len(head)}2i5fi{long}s{long}si2f{kinds[version]}"
    return "lens", version, struct.pack(layout, *head, *optics, *texts, *fringes, *tail)


def liquify(*pulls):
    """Each pull: x, y, and where it ends; of liquify's 100 points, 76 bytes each."""
    points = [
        struct.pack("<4i3bx", 1, 0, 0, 0, -1, number, -1)
        + struct.pack("<6f2f2i4f", *pull, 0, 0, 0.5, 0.75, 0, 0, 0, 0, 0, 0)
        for number, pull in enumerate(pulls)
    ]
    return "liquify", 1, b"".join(points).ljust(7600, b"\0")


def decode(*steps, **tags):
    return darktable.decode(history(*steps, CROP, **tags), WIDTH, HEIGHT)


def rejection(*steps, **tags):
    with pytest.raises(RejectedFile) as caught:
        decode(*steps, **tags)
    return caught.value


def is_read(*steps, **tags):
    # 0.1 to 0.5 of 600 px
    return decode(*steps, **tags).width == pytest.approx(240)


VERSIONS = range(2, 11)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lens_that_is_corrected_without_enlarging_it_keeps_the_crop(version):
    assert is_read(lens(version))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scale", [1.3, 0.9])
def test_a_lens_whose_picture_is_scaled_costs_the_crop(version, scale):
    error = rejection(lens(version, scale))
    assert (error.kind, f"{scale:g}" in str(error)) == ("reframed", True)


@pytest.mark.parametrize("scale", [1.02, 0.985])
def test_a_scale_that_takes_less_than_a_hundredth_off_each_side_is_kept(scale):
    # (1 - 1 / 1.02) / 2 = 0.0098 of the side; 1 / 0.985 adds 0.0076
    assert is_read(lens(5, scale))


def test_a_scale_that_takes_more_than_a_hundredth_off_each_side_is_refused():
    assert rejection(lens(5, 1.025)).kind == "reframed"  # (1 - 1 / 1.025) / 2 = 0.0122


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fisheye_made_rectilinear_costs_the_crop(version):
    error = rejection(lens(version, name=ROUND))
    assert (error.kind, ROUND in str(error)) == ("reframed", True)


@pytest.mark.parametrize(
    "name", ["Samyang 8mm f/3.5 Fish-eye CS", "MC Zenitar 2.8/16", "MC Peleng 3.5/8", "HERO4 black"]
)
def test_a_fisheye_is_known_by_its_names(name):
    assert rejection(lens(10, name=name)).kind == "reframed"


@pytest.mark.parametrize("target", [PANORAMIC, EQUISOLID])
def test_a_plain_lens_made_panoramic_or_round_costs_the_crop(target):
    assert rejection(lens(9, target=target)).kind == "reframed"


@pytest.mark.parametrize("version", [4, 5, 6, 9, 10])
def test_a_fisheye_that_keeps_its_own_projection_keeps_the_crop(version):
    # darktable enters the lens' own projection until a person changes the settings
    assert is_read(lens(version, target=EQUISOLID, name=ROUND, changed=0))
    assert rejection(lens(version, target=FISHEYE, name=ROUND, changed=1)).kind == "reframed"


def test_a_lens_without_a_name_is_not_corrected():
    assert is_read(lens(5, scale=1.3, name=""))


def test_only_the_scale_of_the_chosen_method_counts():
    assert is_read(lens(10, scale=1.3, method=CAMERA_MODE))
    assert rejection(lens(10, md=1.2, method=CAMERA_MODE)).kind == "reframed"
    assert is_read(lens(10, md=1.2, method=LENSFUN))
    assert is_read(lens(10, scale=1.3, method=VIGNETTE))


def test_a_lens_that_is_switched_off_does_not_count():
    assert is_read((*lens(5, scale=1.3), 0))


@pytest.mark.parametrize(
    ("module", "version", "known"),
    [("lens", 11, "2, 3,"), ("liquify", 2, "1")],
)
def test_a_version_that_is_not_known_is_refused_by_name(module, version, known):
    error = rejection((module, version, b"\0" * 400))
    assert error.kind == "unknown_version"
    assert str(error).startswith(f"{module} has version {version}, expected {known}")


def test_a_lens_of_another_size_than_its_version_has_is_refused():
    assert rejection(("lens", 6, b"\0" * 300)).kind == "bad_params"


@pytest.mark.parametrize("module", ["rotatepixels", "scalepixels", "enlargecanvas"])
def test_a_module_that_makes_another_frame_costs_the_crop(module):
    error = rejection((module, 1, b"\0" * 8))
    assert (error.kind, module in str(error)) == ("reframed", True)


def test_borders_count_only_where_the_user_has_put_them_before_the_crop():
    border = ("borders", 4, b"\0" * 8)
    assert is_read(border)
    assert is_read(border, Iop_order_list="lens,0,crop,0,borders,0")
    assert rejection(border, Iop_order_list="lens,0,borders,0,crop,0").kind == "reframed"


def test_a_pull_that_moves_the_content_by_more_than_a_hundredth_costs_the_crop():
    # a pull of 20 px moves its point by 10 px; a hundredth of 600 px is 6
    assert rejection(liquify((300, 200, 320, 200))).kind == "reframed"


def test_small_pulls_keep_the_crop():
    assert is_read(liquify((300, 200, 310, 200), (100, 100, 100, 105)))


@pytest.mark.parametrize("version", [1, 2])
def test_the_borders_of_a_raw_photo_are_read(version):
    data = struct.pack("<4i4H", 100, 80, 60, 40, *[0] * 4).ljust({1: 28, 2: 32}[version], b"\0")
    assert darktable_moves.read_borders(history(("rawprepare", version, data))) == (100, 80, 60, 40)
    assert darktable_moves.read_borders(history(CROP)) is None


def test_borders_of_a_version_that_is_not_known_are_refused_by_name():
    with pytest.raises(RejectedFile, match="rawprepare has version 3, expected 1, 2") as error:
        darktable_moves.read_borders(history(("rawprepare", 3, b"\0" * 32)))
    assert error.value.kind == "unknown_version"


def test_modules_that_move_no_frame_are_passed_over():
    assert is_read(("retouch", 3, b"\0" * 8), ("spots", 2, b"\0" * 8), ("finalscale", 1, b""))
