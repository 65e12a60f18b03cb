import base64
import io

import numpy as np
import pytest
from PIL import Image

from cropperhead.report import gallery
from cropperhead.report.gallery import Picture

HALF = np.array([0.25, 0.25, 0.75, 0.75, 0.0])


def jpeg(width: int = 60, height: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def photo(name: str, width: int = 60, **overlap: float) -> Picture:
    return Picture(name, jpeg(width), width / 40, {"human": HALF, "cnn": HALF}, overlap)


def test_photos_are_ranked_in_each_order():
    shown = gallery.make_exhibits(
        [
            photo("c.jpg", cnn=0.9, median=0.8),
            photo("a.jpg", cnn=0.5, median=0.9),
            photo("b.jpg", cnn=0.7, median=0.5),
        ]
    )
    assert [exhibit.photo for exhibit in shown] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [exhibit.ranks["best"] for exhibit in shown] == [2, 1, 0]
    assert [exhibit.ranks["worst"] for exhibit in shown] == [0, 1, 2]
    # |cnn - median|: a 0.4, b 0.2, c 0.1
    assert [exhibit.ranks["disagreement"] for exhibit in shown] == [0, 1, 2]


def test_a_photo_without_a_score_comes_last():
    shown = gallery.make_exhibits([photo("a.jpg"), photo("b.jpg", cnn=0.1, median=0.1)])
    assert shown[0].ranks == {"name": 0, "best": 1, "worst": 1, "disagreement": 1}


def test_outlines_are_where_the_crop_is():
    # a frame of 60 x 40 is drawn 1500 x 1000: the quarter points are at 375 and 1125, 250 and 750
    (exhibit,) = gallery.make_exhibits([photo("a.jpg")])
    assert exhibit.drawn_width == 1500
    assert exhibit.outlines[0] == ("human", "375,250 1125,250 1125,750 375,750")


def test_a_photo_is_stored_no_larger_than_it_is_shown():
    (exhibit,) = gallery.make_exhibits([Picture("a.jpg", jpeg(1200, 800), 1.5, {}, {})])
    encoded = base64.b64decode(exhibit.source.partition(",")[2])
    assert (exhibit.width, exhibit.height) == (480, 320)
    assert Image.open(io.BytesIO(encoded)).size == (480, 320)


def test_the_photo_next_to_the_verdict_is_encoded_again_and_larger():
    pictures = [Picture("a.jpg", jpeg(1200, 800), 1.5, {}, {})]
    large = gallery.enlarge_exhibit(gallery.make_exhibits(pictures)[0], pictures)
    assert (large.width, large.height) == (960, 640)


def test_photos_share_the_bytes_of_the_page_with_repeated_ones():
    pixels = np.random.default_rng(1).integers(0, 256, (480, 480, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    noise = [Picture(f"{n}.jpg", buffer.getvalue(), 1.0, {}, {}) for n in range(4)]
    # 4.2 MB for 4 are 1 MB each, with 200 repeats 20 kB each: too few for noise of 480 px
    assert gallery.make_exhibits(noise)[0].width == 480
    assert gallery.make_exhibits(noise, repeats=200)[0].width < 480


def test_the_typical_photo_is_a_wide_one_near_the_middle():
    many = [photo(f"{n:02}.jpg", 20 if n == 5 else 60, cnn=n / 10) for n in range(11)]
    chosen = gallery.typical_exhibit(gallery.make_exhibits(many))
    # the middle of eleven is 05, but that one is upright; 04 and 06 are next to it
    assert chosen is not None
    assert chosen.photo in {"04.jpg", "06.jpg"}
    assert gallery.typical_exhibit([]) is None


def test_a_sheet_holds_all_photos():
    sheet = gallery.gallery_picture([photo("a.jpg", cnn=0.5), photo("b.jpg", cnn=0.5)], columns=1)
    # two rows of (1280 - 2 x 10) x 40/60 = 840 px, each with 10 + 18 px below, and 10 px above
    assert sheet.size == (1280, 10 + 2 * (840 + 28))


@pytest.mark.parametrize("name", ["<b>&.jpg", "año/ü.jpg"])
def test_any_name_can_be_drawn(name):
    assert gallery.gallery_picture([photo(name, cnn=0.5)], columns=1).width == 1280
