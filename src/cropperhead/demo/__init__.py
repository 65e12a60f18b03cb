"""The demo library: a photo library that is drawn, for machines that have no photos.

`draw_library` is its one door. From the plan to the file: `settings` and `scenes` say what there is
to see, `composition` how it is cropped, `painting` and what it imports paint it, `rolls` say where
each photo lies, `files` and `spoiled` write it, `library` draws all of them.
"""

from cropperhead.demo.library import draw_library, is_drawn

__all__ = ["draw_library", "is_drawn"]
