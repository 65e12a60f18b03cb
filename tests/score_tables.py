"""Tables of scores, as an evaluation writes them."""

import pandas as pd

PHOTOS = [f"{letter}.jpg" for letter in "abcdefghij"]
LIMITS = {"top": 0.1, "left": 0.1, "bottom": 0.9, "right": 0.9, "angle": 1.5}


def table(overlaps=0.7, median=0.6, photos=PHOTOS, groups=None) -> pd.DataFrame:
    """Scores of photos by one author: the network's overlaps, and one of the median crop."""
    one = pd.DataFrame({"photo": photos, "author": "x", "group": groups or photos}).assign(**LIMITS)
    one = one.assign(bde=0.05, angle_error=0.5, aspect_error=0.1, area=0.6, invalid=0.0)
    croppers = {"human": 1.0, "cnn": overlaps, "median": median}
    rows = [
        one.assign(cropper=key, iou=iou, reference="the author") for key, iou in croppers.items()
    ]
    rows[0]["reference"] = "itself"
    return pd.concat(rows, ignore_index=True)
