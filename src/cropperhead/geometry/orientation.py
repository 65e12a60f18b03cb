"""EXIF orientations, 1 to 8: conversion between the stored frame and the displayed frame.

Source: EXIF 2.32, tag 0x0112. `_POINTS` maps a stored point (u, v), in fractions of the stored
sides, to its place in the displayed frame. 5 to 8 swap the sides. 2, 4, 5 and 7 mirror the frame
and therefore negate angles.
"""

from collections.abc import Callable, Mapping

from cropperhead.geometry.crops import Rectangle

UPRIGHT = 1
ORIENTATIONS = range(1, 9)

_POINTS: Mapping[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda u, v: (u, v),
    2: lambda u, v: (1 - u, v),
    3: lambda u, v: (1 - u, 1 - v),
    4: lambda u, v: (u, 1 - v),
    5: lambda u, v: (v, u),
    6: lambda u, v: (1 - v, u),
    7: lambda u, v: (1 - v, 1 - u),
    8: lambda u, v: (v, 1 - u),
}
_SWAPPING = {5, 6, 7, 8}
_MIRRORING = {2, 4, 5, 7}
_INVERSE = {6: 8, 8: 6}


def parse_orientation(value: object, otherwise: int = UPRIGHT) -> int:
    """Return a value from metadata if it is one of the eight orientations, else `otherwise`."""
    if isinstance(value, bool) or not isinstance(value, int):  # Python's True equals 1
        return otherwise
    return value if value in ORIENTATIONS else otherwise


def inverse(orientation: int) -> int:
    """Return the orientation that undoes this one: 6 and 8 undo each other, others themselves."""
    return _INVERSE.get(orientation, orientation)


def displayed_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the displayed frame's width and height, given the stored frame's."""
    return (height, width) if orientation in _SWAPPING else (width, height)


def to_displayed(box: Rectangle, width: float, height: float, orientation: int) -> Rectangle:
    """Convert pixels of the stored frame (`width` x `height`) to pixels of the displayed frame."""
    x, y = _POINTS[orientation](box.centre_x / width, box.centre_y / height)
    swaps = orientation in _SWAPPING
    frame_width, frame_height = (height, width) if swaps else (width, height)
    return Rectangle(
        centre_x=x * frame_width,
        centre_y=y * frame_height,
        width=box.height if swaps else box.width,
        height=box.width if swaps else box.height,
        angle=-box.angle if orientation in _MIRRORING else box.angle,
    )


def to_stored(box: Rectangle, width: float, height: float, orientation: int) -> Rectangle:
    """Convert pixels of the displayed frame (`width` x `height`) to pixels of the stored frame."""
    return to_displayed(box, width, height, inverse(orientation))
