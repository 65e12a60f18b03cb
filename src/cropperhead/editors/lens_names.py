"""Tells fisheyes by their names: editors make their picture rectilinear, which moves all of it.

Source: Lensfun's database, all of whose lenses of another kind than rectilinear have these names.
"""

import re

# GoPro's and other action cameras have no lens of another name
_FISHEYE = re.compile(
    r"fish.?eye|gopro|hero ?[0-9]|hd2 & comp|fc200|sd19|git2|zenitar|peleng|dg circular",
    re.IGNORECASE,
)


def is_fisheye(name: str) -> bool:
    """Whether a lens, a camera with a fixed lens or a profile of one has the name of a fisheye."""
    return _FISHEYE.search(name) is not None
