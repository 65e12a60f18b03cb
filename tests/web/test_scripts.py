"""What the browser computes is what Python computes, number for number."""

import base64
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from conftest import scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from web_pages import window

from cropperhead import api
from cropperhead.cli import options
from cropperhead.editors import lightroom
from cropperhead.errors import RejectedFile
from cropperhead.geometry import crops, orientation
from cropperhead.inference import borders, faces, search
from cropperhead.photos import image as photo_image

SIZES = {"tighter": options.TIGHTER, "suggested": 1, "looser": options.LOOSER}
NAMES = ("top", "left", "bottom", "right", "angle")


@pytest.fixture(scope="module")
def scripts(browser, address):
    """A window in which the page's modules can be called."""
    with window(browser) as page:
        page.goto(f"{address}/vendor/vendor.json")
        yield page


def call(page, module, function, *arguments):
    """What an exported function of a module returns."""
    text = json.dumps(arguments)
    return page.evaluate(
        f"async () => (await import('/{module}')).{function}(...JSON.parse({json.dumps(text)}))"
    )


def limits(crop):
    return [crop[name] for name in NAMES]


def random_outputs(seed, prototypes=64):
    """Outputs as a model may give them: an own crop within the photo, prototypes and shares."""
    generator = np.random.default_rng(seed)
    aspect = float(generator.choice([0.4, 2 / 3, 1, 1.5, 2.5]))
    low = generator.uniform(0, 0.4, (prototypes, 2))
    high = generator.uniform(0.6, 1, (prototypes, 2))
    boxes = np.concatenate([low, high], axis=1).astype(np.float32)
    shares = generator.dirichlet(np.full(prototypes, 0.3)).astype(np.float32)
    angle = float(generator.choice([0, generator.uniform(-12, 12)]))
    own = crops.inside_frame(np.append(boxes[0].astype(float), angle), aspect)
    confidence = float(np.float32(generator.uniform(0.3, 0.9)))
    return own, boxes.astype(float), shares.astype(float), confidence, aspect


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("ratio", [None, 1.0, 0.8, 16 / 9])
def test_the_search_finds_the_same_crops(scripts, seed, ratio):
    own, boxes, shares, confidence, aspect = random_outputs(seed)
    notation = "free" if ratio is None else f"{ratio!r}:1"
    [expected] = search.suggest_crops(
        own[None], boxes, shares[None], [confidence], [aspect], notation, 4
    )
    outputs = {
        "limits": own.tolist(),
        "prototypes": boxes.ravel().tolist(),
        "shares": shares.tolist(),
        "confidence": confidence,
    }
    found = call(scripts, "search.js", "suggestCrops", outputs, aspect, ratio, 4)
    assert len(found) == len(expected) > 0
    for one, wanted in zip(found, expected, strict=True):
        # sums of 65 numbers, in another order
        assert limits(one["crop"]) == pytest.approx(wanted.limits.tolist(), abs=1e-9)
        assert one["confidence"] == pytest.approx(wanted.expected_overlap, abs=1e-9)
    [straightened] = search.straighten_only(own[None], boxes, shares[None], [confidence], [aspect])
    one = call(scripts, "search.js", "straightenOnly", outputs, aspect)
    assert limits(one["crop"]) == pytest.approx(straightened.limits.tolist(), abs=1e-9)


class Stub:
    """A model that says the same of every photo."""

    name, facts, input_size = "stub", {}, 8

    def __init__(self, outputs):
        self._outputs = outputs
        self.shapes = {name: values.shape[1:] for name, values in outputs.items()}

    def outputs(self, _images, _aspect):
        return self._outputs


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("straighten", [True, False])
@pytest.mark.parametrize("ratio", [None, 0.8])
def test_crops_are_suggested_as_wished(scripts, seed, size, straighten, ratio):
    own, boxes, shares, confidence, aspect = random_outputs(seed, 24)
    unturned = boxes[1]
    outputs = {
        "limits": own[None],
        "prototypes": boxes[None],
        "shares": shares[None],
        "confidence": np.array([[confidence]]),
        "straightening": np.array([[0.8]]),
        "unturned": unturned[None],
    }
    image = framed(seed, 9, 9, 9, 9)  # where no face is
    content = borders.find_content(image)
    height, width = content[2:] - content[:2]
    frame = aspect * height / width
    expected = api.Cropper(Stub(outputs)).suggest_seen(
        image, frame, "free" if ratio is None else f"{ratio}:1", 3, straighten, SIZES[size]
    )
    prediction = {
        "limits": own.tolist(),
        "prototypes": boxes.ravel().tolist(),
        "shares": shares.tolist(),
        "confidence": confidence,
        "unturned": unturned.tolist(),
        "frame": frame,
        "aspect": aspect,
        "content": content.tolist(),
        "faces": [],
    }
    wish = {"straighten": straighten, "size": SIZES[size]}
    found = call(scripts, "suggest.js", "suggest", prediction, ratio, 3, wish)
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert limits(one["crop"]) == pytest.approx(wanted.limits().tolist(), abs=1e-9)
        assert one["confidence"] == pytest.approx(wanted.confidence, abs=1e-9)


def test_tighter_and_looser_are_those_of_the_command_line(scripts):
    found = scripts.evaluate("async () => (await import('/suggest.js')).SIZES")
    assert found == SIZES


RESIZE = """async ([width, height, pixels, newWidth, newHeight, filter]) => {
  const pillow = await import('/pillow.js');
  const picture = { width, height, data: Uint8Array.from(pixels) };
  return Array.from(pillow.resize(picture, newWidth, newHeight, pillow[filter]).data);
}"""


# the last two are made less high first
@pytest.mark.parametrize("size", [(37, 23), (80, 90), (61, 16), (45, 33), (59, 20), (70, 20)])
@pytest.mark.parametrize("name", ["LANCZOS", "BILINEAR"])
def test_pictures_are_scaled_as_pillow_does_to_the_last_bit(scripts, size, name):
    image = scene(3, 61, 47)
    expected = image.resize(size, Image.Resampling[name])
    pixels = np.asarray(image).ravel().tolist()
    found = scripts.evaluate(RESIZE, [61, 47, pixels, *size, name])
    assert found == np.asarray(expected).ravel().tolist()


TURN = """async ([width, height, pixels, orientation]) => {
  const { transpose, inverse } = await import('/pillow.js');
  const picture = { width, height, data: Uint8Array.from(pixels) };
  const shown = transpose(picture, orientation);
  const back = transpose(shown, inverse(orientation));
  return [shown.width, shown.height, Array.from(shown.data), Array.from(back.data)];
}"""


@pytest.mark.parametrize("shown_as", orientation.ORIENTATIONS)
def test_pictures_are_turned_as_exif_says(scripts, shown_as):
    image = scene(2, 17, 11)
    pixels = np.asarray(image).ravel().tolist()
    expected = photo_image.transpose(image, shown_as)
    *size, shown, back = scripts.evaluate(TURN, [17, 11, pixels, shown_as])
    assert tuple(size) == expected.size
    assert shown == np.asarray(expected).ravel().tolist()
    assert back == pixels


@pytest.mark.parametrize(
    "size", [(6000, 4000), (400, 601), (1000, 999), (513, 3), (3, 2), (9, 999)]
)
def test_a_small_copy_has_the_size_that_pillow_gives_it(scripts, size):
    image = Image.new("1", size)
    image.thumbnail((512, 512))
    assert call(scripts, "pillow.js", "thumbnailSize", *size, 512) == list(image.size)


def some_crops(count):
    generator = np.random.default_rng(7)
    for _ in range(count):
        aspect = float(generator.uniform(0.3, 3))
        low, high = generator.uniform(0, 0.45, 2), generator.uniform(0.55, 1, 2)
        turned = np.array([*low, *high, generator.uniform(-45, 45)])
        yield crops.inside_frame(turned, aspect), aspect


def test_overlaps_of_turned_crops_are_python_s(scripts):
    pairs = list(some_crops(40))
    for (one, aspect), (other, _) in pairwise(pairs):
        second = crops.inside_frame(other, aspect)
        found = call(
            scripts,
            "crops.js",
            "overlap",
            dict(zip(NAMES, one.tolist(), strict=True)),
            dict(zip(NAMES, second.tolist(), strict=True)),
            aspect,
        )
        assert found == pytest.approx(float(crops.overlap(one, second, aspect)), abs=1e-9)


@pytest.mark.parametrize("shown_as", orientation.ORIENTATIONS)
def test_lightroom_s_own_crop_is_read_as_python_reads_it(scripts, shown_as):
    for number, (one, _) in enumerate(some_crops(10)):
        width, height = (600, 400) if number % 2 else (400, 600)
        shown = orientation.displayed_size(width, height, shown_as)
        wanted = crops.Crop(*crops.inside_frame(one, shown[0] / shown[1]).tolist())
        stored = lightroom.encode(wanted, width, height, shown_as)
        found = call(scripts, "crops.js", "lightroomCrop", stored, width, height, shown_as)
        # six decimals of a fraction, which tilted are of both sides
        assert limits(found) == pytest.approx(wanted.limits().tolist(), abs=5e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"HasCrop": False},
        {"AlreadyApplied": True},
        {"CropAngle": 50},
        {"CropLeft": "wide"},
        {"CropRight": 0.1},
        {"CropBottom": 1.4},
        {"CropTop": 0, "CropLeft": 0, "CropBottom": 1, "CropRight": 1},
    ],
)
def test_settings_that_are_no_crop_give_none(scripts, change):
    stored = {"HasCrop": True, "CropAngle": 0}
    stored |= {"CropTop": 0.1, "CropLeft": 0.2, "CropBottom": 0.8, "CropRight": 0.9}
    assert call(scripts, "crops.js", "lightroomCrop", stored, 300, 200, 1) is not None
    assert call(scripts, "crops.js", "lightroomCrop", stored | change, 300, 200, 1) is None
    with pytest.raises((RejectedFile, AssertionError)):
        settings_of_python = stored | change
        assert lightroom.state(settings_of_python) is lightroom.State.CROPPED
        lightroom.decode(settings_of_python, 300, 200)


FIND_CONTENT = """async ([width, height, pixels]) => {
  const { findContent } = await import('/borders.js');
  return findContent({ width, height, data: Uint8Array.from(pixels) });
}"""


def framed(seed, top, left, bottom, right, colour=(250, 250, 250)):
    """A scene with a border of so many px on each side."""
    image = Image.new("RGB", (120, 90), colour)
    image.paste(scene(seed, 120 - left - right, 90 - top - bottom), (left, top))
    return image


@pytest.mark.parametrize(
    "image",
    [
        scene(1, 120, 90),
        framed(2, 9, 9, 9, 9),
        framed(3, 0, 20, 0, 21, (0, 0, 0)),
        framed(4, 12, 0, 0, 0),
        framed(5, 1, 2, 3, 4),
        Image.new("RGB", (120, 90), (90, 20, 20)),
        Image.linear_gradient("L").resize((120, 90)).convert("RGB"),
    ],
)
def test_borders_are_found_where_python_finds_them(scripts, image):
    expected = borders.find_content(image).tolist()
    found = scripts.evaluate(FIND_CONTENT, [*image.size, np.asarray(image).ravel().tolist()])
    assert found == expected


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("keeps_shape", [False, True])
def test_crops_are_moved_off_faces_as_python_moves_them(scripts, seed, keeps_shape):
    generator = np.random.default_rng(seed)
    own, _, _, _, aspect = random_outputs(seed)
    low = generator.uniform(0, 0.8, (int(generator.integers(1, 5)), 2))
    found_faces = np.concatenate([low, low + generator.uniform(0.05, 0.2, low.shape)], axis=1)
    expected = faces.keep_whole(own, found_faces, aspect, keeps_shape)
    crop = dict(zip(NAMES, own.tolist(), strict=True))
    arguments = crop, found_faces.tolist(), aspect, keeps_shape
    assert limits(call(scripts, "faces.js", "keepWhole", *arguments)) == pytest.approx(
        expected.tolist(), abs=1e-9
    )


# What a person may do to a crop: drag a handle, move, scale, turn, shape and type, in any order
DISTANCE = st.floats(-2, 2)
HANDLE = st.sampled_from(
    [{"x": x, "y": y} for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
)
RATIO = st.one_of(st.none(), st.floats(0.2, 5))
ACTIONS = st.one_of(
    st.tuples(
        st.just("dragHandle"),
        st.tuples(
            HANDLE,
            st.fixed_dictionaries({"u": DISTANCE, "v": DISTANCE}),
            st.fixed_dictionaries({"ratio": RATIO, "centred": st.booleans()}),
        ),
    ),
    st.tuples(
        st.just("moveCrop"), st.tuples(st.fixed_dictionaries({"u": DISTANCE, "v": DISTANCE}))
    ),
    st.tuples(st.just("scaleCrop"), st.tuples(st.floats(0.1, 4))),
    st.tuples(st.just("turnCrop"), st.tuples(st.floats(-50, 50))),
    st.tuples(st.just("shapeCrop"), st.tuples(st.floats(0.2, 5))),
    st.tuples(
        st.just("setLimits"),
        st.tuples(st.dictionaries(st.sampled_from(NAMES), st.floats(-1, 2), min_size=1)),
    ),
)
PLAY = """async (text) => {
  const moves = await import('/moves.js');
  const { aspect, actions } = JSON.parse(text);
  let crop = { top: 0.2, left: 0.3, bottom: 0.7, right: 0.8, angle: 0 };
  return actions.map(([name, [...rest]]) => (crop = moves[name](crop, aspect, ...rest)));
}"""


@settings(max_examples=150)
@given(st.floats(0.3, 3), st.lists(ACTIONS, min_size=1, max_size=8))
def test_whatever_a_person_does_the_crop_stays_in_the_turned_photo(scripts, aspect, actions):
    found = scripts.evaluate(PLAY, json.dumps({"aspect": aspect, "actions": actions}))
    for crop in found:
        assert crops.outside(limits(crop), aspect) <= 1e-9
        # never inside out, and never smaller than can be taken hold of
        assert crop["right"] - crop["left"] > 0
        assert crop["bottom"] - crop["top"] > 0
        assert abs(crop["angle"]) <= 45


def test_a_corner_follows_the_pointer_as_far_as_the_photo_goes(scripts):
    crop = {"top": 0.2, "left": 0.2, "bottom": 0.6, "right": 0.6, "angle": 0}
    corner = {"x": 1, "y": 1}
    # in a photo of 3:2 and its heights: 0.3 to the right are 0.2 of its width
    found = call(scripts, "moves.js", "dragHandle", crop, 1.5, corner, {"u": 0.3, "v": 0.1})
    assert limits(found) == pytest.approx([0.2, 0.2, 0.7, 0.8, 0])
    found = call(scripts, "moves.js", "dragHandle", crop, 1.5, corner, {"u": 9, "v": 9})
    assert limits(found) == [0.2, pytest.approx(0.2), 1, 1, 0]


def test_a_shape_is_kept_and_the_centre_with_it(scripts):
    crop = {"top": 0.4, "left": 0.4, "bottom": 0.6, "right": 0.6, "angle": 0}
    right = {"x": 1, "y": 0}
    how = {"ratio": 1, "centred": False}
    # of a square photo: 0.2 wider, and higher alike about the middle of its left edge
    found = call(scripts, "moves.js", "dragHandle", crop, 1, right, {"u": 0.2, "v": 0}, how)
    assert limits(found) == pytest.approx([0.3, 0.4, 0.7, 0.8, 0])
    how = {"ratio": 1, "centred": True}
    found = call(scripts, "moves.js", "dragHandle", crop, 1, right, {"u": 0.1, "v": 0}, how)
    assert limits(found) == pytest.approx([0.3, 0.3, 0.7, 0.7, 0])


AVERAGE = """async ([png, orientation, part]) => {
  const { averageParts } = await import('/jpeg.js');
  const bytes = Uint8Array.from(atob(png), (one) => one.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const found = await averageParts(picture, orientation, part);
  const copy = new OffscreenCanvas(found.width, found.height).getContext('2d');
  copy.drawImage(found, 0, 0);
  const { data } = copy.getImageData(0, 0, found.width, found.height);
  return [found.width, found.height, Array.from(data)];
}"""


@pytest.mark.parametrize("part", [2, 4, 8])
@pytest.mark.parametrize("shown_as", [1, 3, 6, 7])
def test_squares_are_averaged_as_pillow_does(scripts, part, shown_as):
    # odd sides, and more rows than are worked on at a time. One column and one row are left over:
    # of 5 x 8 px, say, Pillow multiplies the sum by a rounded 1 / 40, and rounds halves down
    stored = scene(4, 57, 137)
    buffer = io.BytesIO()
    photo_image.upright_copy(stored, shown_as, 141).save(buffer, "PNG")
    png = base64.b64encode(buffer.getvalue()).decode()
    *size, found = scripts.evaluate(AVERAGE, [png, shown_as, part])
    expected = stored.reduce(part).convert("RGBA")
    assert tuple(size) == expected.size
    assert found == np.asarray(expected).ravel().tolist()
