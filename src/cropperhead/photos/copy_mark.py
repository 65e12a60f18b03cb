"""The mark by which a cropped copy says that CropperHead made it, so that it is no photo.

It is EXIF's tag for the software that a picture was processed with. A copy without any metadata
lacks it: then only a journal says that it is one, which anybody may have written. Such a copy is
neither replaced nor removed.
"""

from pathlib import Path

from cropperhead.errors import RejectedFile
from cropperhead.photos import image
from cropperhead.system import regular_file

TAG = 0x000B  # ProcessingSoftware, of the first directory
VALUE = "CropperHead"
MISSING = "nothing in it says that CropperHead made it. Delete it yourself if you do not need it"
_MOST_MEGAPIXELS = 10_000  # of which nothing but the header is read


def is_marked(file: Path) -> bool:
    """Whether a picture has the mark; False for what cannot be read. Decodes no pixel."""
    try:
        with (
            regular_file.open_regular(file, follow_link=False) as stream,
            image.open_picture(stream, _MOST_MEGAPIXELS) as picture,
        ):
            # asked for EXIF that a PNG lacks before its pixels, Pillow would decode them
            has_exif = picture.format != "PNG" or "exif" in picture.info
            return has_exif and picture.getexif().get(TAG) == VALUE
    except (OSError, RejectedFile):
        return False
