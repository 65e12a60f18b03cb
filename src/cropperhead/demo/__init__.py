"""The demo library: a photo library of drawn scenes, for a first try without photos.

Call `draw_library`. The modules, from the plan to the file: `settings` and `scenes` plan what a
photo shows, `composition` crops it, `rolls` plans its path and metadata, `painting` and its imports
paint it, `files` and `spoiled` write it, and `library` draws all photos.
"""

from cropperhead.demo.library import draw_library, is_drawn

__all__ = ["draw_library", "is_drawn"]
