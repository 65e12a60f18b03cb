"""Where the frame of a RAW photo is on the camera's sensor.

Some editors measure a crop in another part of the sensor than the camera's default crop, and
darktable measures one of an HEIC in all of the coded picture, whatever its clean aperture shows.
"""

from dataclasses import dataclass

from cropperhead.photos.dng import Box, Mosaic


@dataclass(frozen=True)
class Sensor:
    """The parts of a sensor in px of the photo's stored frame, whose own corner is 0, 0."""

    whole: Box  # all pixels that the file holds
    active: Box | None  # a DNG's ActiveArea, None for other formats
    mosaic: Mosaic  # a DNG's
    # top, left, bottom, right of what a digital zoom or an aspect ratio set in the camera leaves of
    # the frame, in fractions of its sides: a DNG's DefaultUserCrop
    framing: tuple[float, float, float, float] | None = None
    is_coded_picture: bool = False  # of an HEIC, in place of a sensor
