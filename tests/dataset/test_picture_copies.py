from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from conftest import scene
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from cropperhead.dataset import picture_copies
from cropperhead.photos import local_features

SEEDS = range(12)
ROTATE_90 = Image.Transpose.ROTATE_90


def crop(image: Image.Image, share: float, where: float = 0.7) -> Image.Image:
    """A share of each side; `where` 0 is at the top left, 1 at the bottom right."""
    left, top = ((side - share * side) * where for side in image.size)
    return image.crop((left, top, left + share * image.width, top + share * image.height))


def turn(image: Image.Image, angle: float) -> Image.Image:
    """Turned by some degrees, without the corners."""
    return crop(image.rotate(angle, Image.Resampling.BICUBIC), 0.85, 0.5)


def brighten(image: Image.Image) -> Image.Image:
    """A stop brighter: twice the light, in the gamma of 2.2 that sRGB nearly has."""
    return image.point(lambda value: min(255, round(value * 2 ** (1 / 2.2))))


def frame(image: Image.Image, colour: str = "white") -> Image.Image:
    """With a border of a tenth of the long side."""
    return ImageOps.expand(image, max(image.size) // 10, colour)


def mark(image: Image.Image) -> Image.Image:
    """With the photographer's name in a corner."""
    marked = image.copy()
    font = ImageFont.load_default(image.width // 16)
    ImageDraw.Draw(marked).text((0.6 * image.width, 0.85 * image.height), "(c) A. B.", font=font)
    return marked


mirror = ImageOps.mirror
EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "crop to 90 %": lambda image: crop(image, 0.9),
    "crop to 80 %": lambda image: crop(image, 0.8),
    "crop to 60 %": lambda image: crop(image, 0.6, 0.4),
    "mirror": mirror,
    "turn by 90 degrees": lambda image: image.transpose(ROTATE_90),
    "turn by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turn by 5 degrees": lambda image: turn(image, 5),
    "black and white": ImageOps.grayscale,
    "a stop brighter": brighten,
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "white border": frame,
    "black border": lambda image: frame(image, "black"),
    "mark": mark,
    "crop and mirror": lambda image: mirror(crop(image, 0.7)),
    "crop and border": lambda image: frame(crop(image, 0.8)),
    "crop and brighten": lambda image: brighten(crop(image, 0.8)),
    "turn by 2 and by 90 degrees": lambda image: turn(image.transpose(ROTATE_90), 2),
}


@cache
def features(seed: int, edit: str = "") -> bytes:
    picture = scene(seed)
    return local_features.find_features(EDITS[edit](picture) if edit else picture).to_bytes()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_paired_with_its_original_and_no_other_photo(edit):
    photos = [*map(features, SEEDS), *(features(seed, edit) for seed in SEEDS)]
    pairs = picture_copies.find_copies(photos)
    assert pairs.tolist() == [[len(SEEDS) + seed, seed] for seed in SEEDS]


def test_photos_that_share_a_mark_and_a_border_are_no_pair():
    photos = [mark(frame(scene(seed))) for seed in SEEDS]
    contents = [local_features.find_features(photo).to_bytes() for photo in photos]
    assert len(picture_copies.find_copies(contents)) == 0


def test_photos_that_share_only_an_object_are_hardly_ever_a_pair():
    # 0.3 of the sides; before faint surroundings it has most of the features
    obj, grey = scene(20).resize((115, 77)), Image.new("RGB", (384, 256), "grey")
    photos = [Image.blend(grey, scene(seed), 0.12) for seed in SEEDS]
    for place, photo in enumerate(photos):
        photo.paste(obj, (40 + 4 * place, 30 + 3 * place))
    contents = [local_features.find_features(photo).to_bytes() for photo in photos]
    # of 12 x 11 / 2 = 66 pairs
    assert len(picture_copies.find_copies(contents)) <= 2


def test_a_pair_does_not_depend_on_what_arrives_later():
    photos = [*map(features, SEEDS), *(features(seed, "crop to 80 %") for seed in SEEDS)]
    all_pairs = picture_copies.find_copies(photos)
    for count in (13, 18):
        earlier = all_pairs[all_pairs.max(axis=1) < count]
        assert picture_copies.find_copies(photos[:count]).tolist() == earlier.tolist()


def test_photos_before_the_first_are_not_compared_with_each_other():
    photos = [features(1), features(1, "mirror"), features(1, "crop to 90 %")]
    assert picture_copies.find_copies(photos).tolist() == [[1, 0], [2, 0], [2, 1]]
    assert picture_copies.find_copies(photos, 2).tolist() == [[2, 0], [2, 1]]


def test_photos_without_features_have_no_pair():
    plain = local_features.find_features(Image.new("RGB", (96, 64))).to_bytes()
    assert picture_copies.find_copies([]).shape == (0, 2)
    assert picture_copies.find_copies([b"", plain, plain, b"", features(1)]).shape == (0, 2)


def test_a_crowd_of_copies_is_compared_with_its_first_photos():
    photos = [features(2)] * 20
    pairs = picture_copies.find_copies(photos)
    # each with at most 8, and every one with an earlier photo
    assert np.bincount(pairs[:, 0], minlength=20).tolist() == [*range(8), *[8] * 12]
