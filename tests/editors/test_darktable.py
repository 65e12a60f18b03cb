import base64
import math
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cropperhead.editors import darktable
from cropperhead.editors.base import displayed_crop
from cropperhead.editors.darktable import State
from cropperhead.errors import RejectedFile
from cropperhead.geometry import crops, orientation
from cropperhead.geometry.crops import Crop

LAYOUTS = {
    ("ashift", 1): "<3fi",
    ("ashift", 2): "<7f2i",
    ("ashift", 3): "<7f3i4f",
    ("ashift", 4): "<8f3i4f",
    ("ashift", 5): "<8f2i4f200fi8f",
    ("flip", 1): "<i",
    ("flip", 2): "<i",
    ("clipping", 2): "<7f",
    ("clipping", 3): "<7f",
    ("clipping", 4): "<15f4i",
    ("clipping", 5): "<15f6i",
    ("crop", 1): "<4f2i",
    ("crop", 2): "<4f3i",
    ("crop", 3): "<4f2i",
}
QUAD = (0.2, 0.2, 0.8, 0.2, 0.8, 0.8, 0.2, 0.8)  # the keystone's corners, where it is off

# What darktable-cli 4.2.1 applied to a JPEG on opening, with a preset that crops, and its hash
ON_OPENING = [
    ("colorin", 7, "gz48eJxjZBgFowABWAbaAaNgwAEAEDgABg=="),
    ("colorout", 5, "gz35eJxjZBgFo4CBAQAEEAAC"),
    ("gamma", 1, "0000000000000000"),
    ("flip", 2, "ffffffff"),
    ("crop", 1, "abaa2a3e000000005555553f0000803f0100000001000000"),
]
HASH_ON_OPENING = "33e8cc7d60e0659af5ec55a4307adad5"
NO_MASK = "gz14eJxjYIAACQYYOOHEgAZY0QVwggZ7CB6pfNoAAE8gGQg="


def gz(data: bytes) -> str:
    return "gz05" + base64.b64encode(zlib.compress(data)).decode()


def entry(operation: str, version: int, *values: float, **fields: Any) -> dict[str, Any]:
    data = struct.pack(LAYOUTS[operation, version], *values)
    text = gz(data) if len(data) > 100 else data.hex()
    return {"Operation": operation, "Enabled": 1, "Modversion": version, "Params": text} | fields


def crop(left: float = 0.1, top: float = 0.2, right: float = 0.5, bottom: float = 0.9, **fields):
    return entry("crop", 1, left, top, right, bottom, -1, -1, **fields)


def ashift(rotation: float = 0, shift: float = 0, aspect: float = 1, limits=(0, 1, 0, 1), mode=0):
    lens = (shift, 0, 0, 28, 1, 100, aspect)
    return entry("ashift", 5, rotation, *lens, mode, 0, *limits, *[0] * 209)


def clipping(angle: float, *limits: float, automatic: int = 0, keystone=(0, 0, 0), k_h: float = 0):
    return entry("clipping", 5, angle, *limits, k_h, 0, *QUAD, *keystone, automatic, -1, -1)


def flip(bits: int, version: int = 2, **fields) -> dict[str, Any]:
    return entry("flip", version, bits, **fields)


NEWER = {"Enabled": 1, "Params": "00"}


def settings(*history: dict[str, Any], **tags: Any) -> dict[str, Any]:
    numbered = [{"Num": number, "Multi_priority": 0, **one} for number, one in enumerate(history)]
    return {"Xmp_version": 5, "History": numbered, "History_end": len(numbered)} | tags


def box(values: dict, width: int = 600, height: int = 400, exif: int = 1) -> tuple[float, ...]:
    """Centre, size and angle of the decoded crop, in pixels of the stored frame."""
    found = darktable.decode(values, width, height, exif)
    return (found.centre_x, found.centre_y, found.width, found.height, found.angle)


def rejection(values: dict) -> str:
    with pytest.raises(RejectedFile) as caught:
        assert darktable.state(values) is State.CROPPED
        darktable.decode(values, 600, 400)
    return caught.value.kind


# 0.1 to 0.5 of 600 is 60 to 300; 0.2 to 0.9 of 400 is 80 to 360
PLAIN = pytest.approx((180, 220, 240, 280, 0), abs=1e-3)


@pytest.mark.parametrize(
    "history",
    [
        [crop()],
        [entry("crop", 2, 0.1, 0.2, 0.5, 0.9, 3, 2, 1)],
        [entry("crop", 3, 0.1, 0.2, 0.5, 0.9, 0, 0)],
        [crop() | {"Params": gz(bytes.fromhex(crop()["Params"]))}],
        [crop() | {"Enabled": True, "Modversion": "1"}],
        [clipping(0, 0.1, 0.2, 0.5, 0.9)],
        [clipping(0, 0.1, 0.2, 0.5, 0.9, automatic=1)],
        [entry("clipping", 2, 0, 0.1, 0.2, 0.5, 0.9, 2.0, 0)],  # bit 30 alone: 0, horizontally
        [entry("clipping", 3, 0, 0.1, 0.2, 0.5, 0.9, 0, 0)],
        [entry("clipping", 4, 0, 0.1, 0.2, 0.5, 0.9, 0, 0, *QUAD, 0, 0, 0, 1)],
        [ashift(limits=(0.1, 0.5, 0.2, 0.9))],
        [crop(0, 0, 1, 1), crop()],  # the last counts
        [crop(Num=1), crop(0, 0, 1, 1, Num=0)],  # ordered by number
        [crop(), crop(0, 0, 1, 1, Enabled=0, Multi_priority=1)],
        [{"Operation": "exposure"}, crop(), {"Operation": "mask_manager", "Params": ""}],
    ],
)
def test_all_modules_and_versions_make_the_same_crop(history):
    assert darktable.state(settings(*history)) is State.CROPPED
    assert box(settings(*history)) == PLAIN


def test_a_history_of_one_entry_may_come_without_its_list():
    assert box({"Xmp_version": 4, "History": crop()}) == PLAIN


def test_the_oldest_sidecars_have_four_sequences():
    # 0 is off; the crop is the last that is on
    old = {
        "History_operation": ["exposure", "crop", "crop"],
        "History_enabled": [1, 1, 0],
        "History_modversion": [2, 1, 1],
        "History_params": ["00", crop()["Params"], crop(0, 0, 1, 1)["Params"]],
    }
    assert darktable.state(old) is State.UNCROPPED
    assert box(old | {"History_end": 2}) == PLAIN
    single = {tag: values[1] for tag, values in old.items()}
    assert box(single | {"Xmp_version": 1}) == PLAIN
    assert rejection(old | {"History_enabled": [1]}) == "incomplete"


@pytest.mark.parametrize("code", range(-1, 8))
@pytest.mark.parametrize("version", [None, 1, 2, 3, 5])
def test_a_turn_that_darktable_2_made_is_refused_where_later_versions_turn_otherwise(code, version):
    old = {
        "History_operation": ["flip", "crop"],
        "History_enabled": [1, 1],
        "History_modversion": [2, 1],
        "History_params": [flip(code)["Params"], crop()["Params"]],
    }
    values = settings(flip(code), crop(), Xmp_version=version) | old
    if version in {3, 5} or code in {-1, 0, 3, 4, 7}:
        assert box(values)[4] == 0
    else:
        assert rejection(values) == "turn"


def test_a_turn_that_darktable_2_has_switched_off_is_none():
    values = settings(flip(5, Enabled=0), crop(), Xmp_version=2)
    assert box(values) == PLAIN
    assert rejection(settings(crop(), Xmp_version=2, Raw_params=5 << 24)) == "turn"


def opened(*later: dict[str, Any], hashed: str = HASH_ON_OPENING, **fields: Any) -> dict[str, Any]:
    """Settings of a photo that darktable has cropped on opening, and what was done `later`."""
    first = [
        {"Operation": operation, "Enabled": 1, "Modversion": version, "Params": params}
        | {"Blendop_params": NO_MASK, "Multi_priority": 0}
        for operation, version, params in ON_OPENING
    ]
    history = [{"Num": number} | one for number, one in enumerate([*first, *later])]
    end = {"Xmp_version": 5, "History": history, "History_end": len(history)}
    hashes = {"History_auto_hash": hashed, "History_current_hash": "2e" * 16}
    return end | hashes | {"Iop_order_version": 2} | fields


EXPOSURE = {"Operation": "exposure", "Enabled": 1, "Modversion": 6, "Params": "00" * 28}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (opened(EXPOSURE), State.AUTOMATIC),
        (opened(EXPOSURE, EXPOSURE | {"Enabled": 0}), State.AUTOMATIC),
        (opened(entry("flip", 2, 5)), State.AUTOMATIC),  # a turn is no crop
        (opened(EXPOSURE, crop()), State.CROPPED),
        (opened(EXPOSURE, ashift(2)), State.CROPPED),
        (opened(crop(), History_end=5), State.AUTOMATIC),  # undone
        (opened(EXPOSURE, Iop_order_version=4), State.CROPPED),  # another hash
        (opened(EXPOSURE, hashed="1f" * 16), State.CROPPED),
    ],
)
def test_a_crop_made_on_opening_stays_automatic_until_somebody_crops(given, found):
    assert darktable.state(given) is found


@pytest.mark.parametrize(
    "odd",
    [
        {"Params": "gz99////"},
        {"Params": None},
        {"Enabled": "x"},
        {"Params": {}},
    ],
)
def test_steps_that_cannot_be_hashed_leave_the_crop_a_person_s(odd):
    given = opened(EXPOSURE)
    given["History"][0] |= odd
    assert darktable.state(given) is State.CROPPED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, State.SILENT),
        ({"Xmp_version": 5}, State.SILENT),
        ({"Xmp_version": 5, "History": []}, State.SILENT),
        ({"History": [crop()]}, State.SILENT),  # which darktable reads from version 2 on
        (settings({"Operation": "exposure"}), State.UNCROPPED),
        (settings(flip(5)), State.UNCROPPED),
        (settings(crop(0, 0, 1, 1), ashift()), State.UNCROPPED),
        (settings(crop(Enabled=0)), State.UNCROPPED),
        (settings(crop(Enabled=None)), State.UNCROPPED),
        (settings(crop(), crop(Enabled=0)), State.UNCROPPED),
        (settings(crop(), History_end=0), State.UNCROPPED),
        (settings(crop(), History_end=-1), State.UNCROPPED),
        (settings(crop(), crop(0, 0, 1, 1), History_end=1), State.CROPPED),
        (settings(crop(), History_end="7"), State.CROPPED),
        (settings(ashift(2, limits=(0.05, 0.95, 0.05, 0.95))), State.CROPPED),
        (settings(clipping(2, 0, 0, 1, 1, automatic=1)), State.CROPPED),
        (settings(ashift(shift=0.2)), State.CROPPED),  # of a warped frame: refused on decoding
    ],
)
def test_only_enabled_steps_before_the_end_of_the_history_count(values, expected):
    assert darktable.state(values) is expected


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("outside", settings(crop(right=1.2))),
        ("outside", settings(ashift(6))),  # straightened without cropping: empty corners
        ("outside", settings(crop(-3e38, -3e38, 3e38, 3e38))),
        ("inverted", settings(crop(left=0.6))),
        ("inverted", settings(ashift(1, limits=(0.5, 0.5, 0, 1)), crop())),
        ("not_a_number", settings(crop(left=math.nan))),
        ("not_a_number", settings(crop(right=math.inf))),
        ("not_a_number", settings(crop(Enabled="maybe"))),
        ("not_a_number", settings(crop(Num=[1]))),
        ("not_a_number", settings(crop(), History_end=1e308)),
        ("not_a_number", settings(crop(), History_end=0.5)),
        ("angle", settings(ashift(46), crop(0.4, 0.4, 0.6, 0.6))),
        ("angle", settings(clipping(-90, 0.4, 0.4, 0.6, 0.6))),
        ("perspective", settings(ashift(0, 0.1), crop())),
        ("perspective", settings(ashift(0, aspect=1.1, mode=1), crop())),
        ("perspective", settings(clipping(0, 0.1, 0.2, 0.5, 0.9, k_h=0.1, keystone=(4, 0, 0)))),
        ("perspective", settings(clipping(0, 0.1, 0.2, 0.5, 0.9, keystone=(3, 0, 1)))),
        ("perspective", settings(entry("clipping", 2, 0, 0.1, 0.2, 0.5, 0.9, 0.1, 0))),
        ("reframed", settings(crop(), {"Operation": "rotatepixels", "Enabled": 1})),
        ("several_instances", settings(crop(), crop(Multi_priority=1))),
        ("unknown_version", settings(crop(Modversion=4))),
        *(
            ("unknown_version", settings(crop(), {"Operation": one, "Modversion": 6, **NEWER}))
            for one in ("ashift", "clipping")
        ),
        ("unknown_version", settings(crop(), {"Operation": "flip", "Modversion": 3, **NEWER})),
        ("unknown_version", settings(clipping(0, 0, 0, 1, 1) | {"Modversion": 1})),
        ("unknown_version", settings(crop(Modversion=None))),
        ("unknown_version", settings(crop(), Xmp_version=6)),
        ("unknown_version", settings(crop(), Iop_order_version=6)),
        ("incomplete", settings({"Enabled": 1})),
        ("incomplete", settings(crop(), History=["crop"])),
        ("bad_params", settings(crop(Modversion=2))),  # of another length
        ("bad_params", settings(crop(Params=None))),
        ("bad_params", settings(crop(Params=12345678))),
        ("bad_params", settings(crop(Params=""))),
        ("bad_params", settings(crop(Params="xyz"))),
        ("bad_params", settings(crop(Params="gz"))),
        ("bad_params", settings(crop(Params="gz05****"))),
        ("bad_params", settings(crop(Params="gz05" + base64.b64encode(b"no zlib").decode()))),
        ("bad_params", settings(crop(), flip(8))),
    ],
)
def test_unusable_settings_are_rejected_by_kind(kind, values):
    assert rejection(values) == kind


@pytest.mark.parametrize("size", [3_000_000, 30_000_000])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(size):
    # 3 MB of zeros are 4,000 characters of text; the 40,000 of 30 MB are not even decoded
    bomb = settings(crop(Params=gz(bytes(size))))
    tracemalloc.start()
    assert rejection(bomb) == "bad_params"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000  # bytes


def test_ashift_turns_the_box_clockwise_and_crops_its_bounding_box():
    # turned by 30 degrees, 600 x 400 lies in 600 cos 30 + 400 sin 30 = 719.615
    # x 600 sin 30 + 400 cos 30 = 646.410; 0.4 to 0.6 of it is 143.923 x 129.282 about the middle
    turned = ashift(30, limits=(0.4, 0.6, 0.4, 0.6))
    assert box(settings(turned)) == pytest.approx((300, 200, 143.923, 129.282, 30), abs=1e-3)
    # 0.5 to 0.6 reaches from the middle 71.9615 to the right along the turned side: the centre
    # moves by half of that, 35.981 (cos 30, sin 30) = (31.160, 17.990)
    turned = ashift(30), crop(0.5, 0.4, 0.6, 0.6)
    expected = (331.160, 217.990, 71.9615, 129.282, 30)
    assert box(settings(*turned)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("version", "values"),
    [
        (1, (30, 0, 0, 0)),
        (2, (30, 0, 0, 28, 1, 100, 1.5, 0, 0)),  # the generic lens model takes no aspect
        (3, (30, 0, 0, 28, 1, 100, 1, 0, 0, 1, 0, 1, 0, 1)),
        (4, (30, 0, 0, 0, 28, 1, 100, 1, 0, 0, 1, 0, 1, 0, 1)),
    ],
)
def test_older_versions_of_ashift_turn_the_same_way(version, values):
    old = settings(entry("ashift", version, *values), crop(0.4, 0.4, 0.6, 0.6))
    assert box(old) == pytest.approx((300, 200, 143.923, 129.282, 30), abs=1e-3)


def test_clipping_turns_the_other_way_within_the_bounding_box_or_inside_the_frame():
    around = clipping(30, 0.4, 0.4, 0.6, 0.6)
    assert box(settings(around)) == pytest.approx((300, 200, 143.923, 129.282, -30), abs=1e-3)
    # automatic: the largest turned 3:2 inside; 400 / 646.410 = 0.618803 of 600 x 400
    inside = clipping(30, 0, 0, 1, 1, automatic=1)
    assert box(settings(inside)) == pytest.approx((300, 200, 371.282, 247.521, -30), abs=1e-3)


def test_a_negative_side_of_clipping_mirrors_the_picture():
    mirrored = settings(clipping(0, 0.1, 0.2, -0.5, 0.9))
    assert darktable.shown_as(mirrored, 1) == 2
    assert box(mirrored) == pytest.approx((420, 220, 240, 280, 0), abs=1e-3)  # 600 - 180 = 420
    # a turn of the content by 10 to the right is one to the left behind the mirror; both stored
    turned = settings(clipping(10, 0.4, 0.4, 0.6, -0.6))
    assert (darktable.shown_as(turned, 6), box(turned, exif=6)[4]) == (7, -10)


@pytest.mark.parametrize(
    ("history", "exif", "expected"),
    [
        ([], 6, 6),
        ([flip(-1)], 6, 6),
        *[([flip(bits)], 6, code) for bits, code in enumerate((1, 4, 2, 3, 5, 6, 8, 7))],
        ([flip(5, Enabled=0)], 6, 1),  # switched off, EXIF's is not applied either
        # version 1 came on top of EXIF's, as rendered by darktable 4.2.1
        ([flip(0, version=1)], 6, 6),
        ([flip(1, version=1)], 6, 5),
        ([flip(4, version=1)], 6, 2),
        ([flip(6, version=1)], 6, 1),
        ([flip(6, version=1)], 5, 2),
    ],
)
def test_a_flip_replaces_the_orientation_of_exif(history, exif, expected):
    assert darktable.shown_as(settings(*history, crop()), exif) == expected


@pytest.mark.parametrize(("bits", "expected"), [(0, 6), (255, 6), (1, 5), (2, 7), (5, 3), (6, 1)])
def test_turns_older_than_the_module_are_in_the_highest_byte(bits, expected):
    assert darktable.shown_as(settings(crop(), Raw_params=bits << 24), 6) == expected


def test_crop_takes_fractions_of_the_displayed_frame():
    # displayed by 6, 400 x 600: 0.1 to 0.5 of 400 is 40 to 200, 0.2 to 0.9 of 600 is 120 to 540;
    # the centre (120, 330) comes from (330, 400 - 120)
    assert box(settings(crop()), exif=6) == pytest.approx((330, 280, 420, 160, 0), abs=1e-3)


def test_the_sidecar_may_name_another_order_of_the_pipe():
    order = "flip,0,exposure,0,ashift,0,clipping,0,crop,0,gamma,0"
    values = settings(ashift(6), crop(0.4, 0.4, 0.6, 0.6))
    assert box(values, exif=2)[4] == 6  # in the stored frame
    assert box(values | {"Iop_order_list": order}, exif=2)[4] == -6  # in the mirrored one


@given(
    st.tuples(*[st.floats(0.3, 0.7)] * 2, *[st.floats(0.02, 0.9)] * 2, st.floats(-45, 45)),
    st.sampled_from(orientation.ORIENTATIONS),
    st.sampled_from(orientation.ORIENTATIONS),
    st.sampled_from([(6000, 4000), (4000, 6000), (5184, 3888), (1000, 1000)]),
)
def test_what_is_encoded_decodes_to_the_same_crop(values, shown_as, exif, stored):
    frame = orientation.displayed_size(*stored, shown_as)
    y, x, height, width, angle = values
    limits = [y - height / 2, x - width / 2, y + height / 2, x + width / 2, angle]
    limits = crops.inside_frame(limits, frame[0] / frame[1])
    written = darktable.encode(Crop(*limits), *stored, shown_as, exif)
    assert darktable.state(written) is State.CROPPED
    assert darktable.shown_as(written, exif) == shown_as
    again = displayed_crop(darktable.decode(written, *stored, exif), *stored, shown_as)
    limits = Crop.from_rectangle(Crop(*limits).in_pixels(*frame), *frame).limits()
    # 32-bit floats: a fraction to 6e-8 and an angle to 4e-6 degrees, of 45
    assert again.limits() == pytest.approx(limits, abs=5e-6)


def test_only_what_differs_from_the_default_is_written():
    def modules(*arguments) -> list[str]:
        return [one["Operation"] for one in darktable.encode(*arguments)["History"]]

    level, tilted = Crop(0.2, 0.1, 0.9, 0.5, 0), Crop(0.2, 0.3, 0.7, 0.6, 5)
    assert modules(level, 600, 400, 6, 6) == ["crop"]
    assert modules(tilted, 600, 400, 6, 3) == ["flip", "ashift", "crop"]
    assert darktable.encode(level, 600, 400)["History"][0] == {
        "Num": 0,
        "Operation": "crop",
        "Enabled": 1,
        "Modversion": 1,
        "Params": struct.pack("<4f2i", 0.1, 0.2, 0.5, 0.9, 0, 0).hex(),
        "Multi_name": "",
        "Multi_priority": 0,
    }


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 6),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([crop()["Params"], ashift(3)["Params"], "gz01", "ffffffff", [], {}]),
)
ENTRIES = st.one_of(
    st.sampled_from([crop(), ashift(3), clipping(2, 0, 0, 1, 1), flip(4)]),
    st.fixed_dictionaries(
        {
            "Operation": st.sampled_from(["crop", "ashift", "clipping", "flip", "exposure", 3]),
            "Enabled": st.sampled_from([1, "1", True, 0, None, "x"]),
            "Modversion": st.one_of(st.integers(0, 6), JUNK),
            "Params": st.one_of(JUNK, st.binary(max_size=90).map(bytes.hex)),
        },
        optional={"Num": JUNK, "Multi_priority": JUNK},
    ),
    JUNK,
)


@given(
    st.fixed_dictionaries(
        {"Xmp_version": st.one_of(st.integers(0, 6), JUNK)},
        optional={"History": st.one_of(st.lists(ENTRIES, max_size=4), JUNK)}
        | {tag: st.one_of(st.lists(JUNK, max_size=3), JUNK) for tag in darktable.TAGS[2:]},
    )
)
def test_any_settings_are_decoded_or_rejected(values):
    for read in (
        lambda: darktable.state(values),
        lambda: darktable.shown_as(values, 6),
        lambda: darktable.decode(values, 600, 400, 6),
    ):
        try:
            read()
        except RejectedFile as error:
            assert len(str(error)) < 400
