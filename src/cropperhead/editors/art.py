"""ART, a fork of RawTherapee: the same profiles by another suffix (`.arp`), which are only read.

Where the two differ, `rawtherapee` knows both.
"""

from cropperhead.editors import rawtherapee
from cropperhead.editors.base import SidecarRule

name = "art"
tags: tuple[str, ...] = ()
header_words: tuple[bytes, ...] = ()
embeds_crops = False
sidecars = SidecarRule(".arp", max_megabytes=4)
ignores_exif_of = rawtherapee.ignores_exif_of

read_settings = rawtherapee.read_settings
state = rawtherapee.state
shown_as = rawtherapee.shown_as
decode = rawtherapee.decode
read_mark = rawtherapee.read_mark
