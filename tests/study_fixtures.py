"""A study with its key and its crops, in a folder."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from simulated_votes import CROPPERS, LIMITS


def _photo(number: int) -> bytes:
    rng = np.random.default_rng(number)
    image = Image.fromarray(rng.integers(0, 255, (200, 300, 3), np.uint8)).resize((600, 400))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", comment=b"secret")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def study_made(tmp_path_factory):
    """A study of 20 photos, in its folder: enough for sessions of 60 ballots."""
    from cropperhead.dataset import shards  # noqa: PLC0415
    from cropperhead.params import StudyParams  # noqa: PLC0415
    from cropperhead.study import folder  # noqa: PLC0415

    place = tmp_path_factory.mktemp("study")
    names = [f"photo {i:02}.jpg" for i in range(21)]
    rows = [
        {
            **{"photo": name, "author": "me", "group": name, "cropper": cropper, "invalid": 0.0},
            **dict(zip(("top", "left", "bottom", "right", "angle"), limits, strict=True)),
        }
        for name in names
        for cropper, limits in LIMITS.items()
    ]
    scores = pd.DataFrame(rows)
    broken = (scores["photo"] == names[-1]) & (scores["cropper"] == "random")
    scores.loc[broken, "top"] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        pictures = [(name, _photo(i)) for i, name in enumerate(names)]
        patch.setattr(
            shards, "iter_images", lambda _, wanted: [p for p in pictures if p[0] in wanted]
        )
        study, left_out = folder.create(
            place / "study", scores, place, "abc", StudyParams(croppers=CROPPERS, seed=1), 4
        )
    assert left_out == 1
    return place / "study", study
