"""From a crop that somebody sends on the page to a label, and back after it was withdrawn."""

import io

import numpy as np
import pytest
from conftest import picture, save_photo
from PIL import Image
from sending_pages import choose, collecting, send, tilted_photo, type_limits, withdraw_last
from test_collected import Project

from cropperhead.dataset import shards
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.photos import image

RED = (255, 0, 0)
# Stored with red at the top left and displayed turned by 90 degrees clockwise: red is at the top
# right. 0.02 of a side inside it, so that JPEG mixes no other colour in
TURNED = {"angle": 0, "top": 0.02, "left": 0.52, "bottom": 0.48, "right": 0.98}
# 360 x 180 px about the middle of 900 x 600: (450 - 180) / 900, (300 - 90) / 600, ...; inside the
# photo's red rectangle, which has 400 x 220 px, about the same middle and by the same angle
TILTED = {"angle": 10, "top": 0.35, "left": 0.3, "bottom": 0.65, "right": 0.7}


@pytest.mark.usefixtures("one_process")
def test_what_is_accepted_becomes_a_label_in_the_right_axes_until_it_is_withdrawn(
    page, found_model, tmp_path
):
    turned = save_photo(tmp_path / "turned.jpg", image=picture(900, 600), exif={0x0112: 6})
    tilted = tilted_photo(tmp_path / "tilted.jpg")
    place = tmp_path / "collection"
    project = Project(tmp_path, str(place))
    with collecting(place, found_model) as (address, accept_all):
        for file, limits in ((turned, TURNED), (tilted, TILTED)):
            choose(page, address, file)
            for _ in range(2):  # a limit goes only as far as those that were there let it
                type_limits(page, limits)
            send(page)
        assert project.run().empty  # nobody has accepted them
        accept_all(page)
        labels = project.run()
        project.pictures = dict(shards.iter_images(project.folder / "shards"))
        withdraw_last(page, address)
        left = project.run()
    by_width = {label["width"]: label for label in labels.to_dict("records")}
    assert set(by_width) == {600, 900}  # as they are displayed
    for width, limits in ((600, TURNED), (900, TILTED)):
        found = [by_width[width][name] for name in CROP_COLUMNS]
        expected = [limits[side] for side in ("top", "left", "bottom", "right", "angle")]
        assert found == pytest.approx(expected, abs=1e-4)  # the page rounds what is typed
        assert np.abs(cropped(project, by_width[width]).astype(int) - RED).max() < 60
    assert left["width"].tolist() == [600]
    assert [photo for photo, _ in shards.iter_images(project.folder / "shards")] == [
        left["photo"].item()
    ]


def cropped(project, label):
    """The pixels of a label's small copy inside its crop."""
    copy = Image.open(io.BytesIO(project.pictures[label["photo"]]))
    return np.asarray(
        image.cut(copy, Crop(*(label[n] for n in CROP_COLUMNS)).in_pixels(*copy.size))
    )
