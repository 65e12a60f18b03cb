"""ART, a fork of RawTherapee: the same profiles by another suffix (`.arp`), which are only read.

Where the two differ, `rawtherapee` knows both.
"""

from cropperhead.editors import rawtherapee
from cropperhead.editors.base import CameraTurn, Settings, SidecarRule

name = "art"
tags: tuple[str, ...] = ()
header_words: tuple[bytes, ...] = ()
embeds_crops = False
sidecars = SidecarRule(".arp", max_megabytes=4)

has_no_crop = rawtherapee.has_no_crop
read_settings = rawtherapee.read_settings
state = rawtherapee.state
shown_as = rawtherapee.shown_as
decode = rawtherapee.decode
measured_area = rawtherapee.measured_area
read_mark = rawtherapee.read_mark


def camera_orientations(settings: Settings, photo: str, camera: CameraTurn) -> tuple[int, ...]:
    """The camera's orientation, also that of a PNG, whose EXIF Exiv2 reads: see `base.Editor`."""
    del settings, photo
    return (camera.shown_as,)
