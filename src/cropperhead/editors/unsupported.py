"""Names the editors whose files are not read, so that their users learn it from the first scan.

How each of them measures a crop is not confirmed by any code or files that we could read.
"""

from collections import Counter
from collections.abc import Mapping

# by the suffix of a sidecar, settings file or catalog, in lower case
_EDITORS = {
    ".aae": "Apple Photos",
    ".cocatalogdb": "Capture One",
    ".comask": "Capture One",
    ".cos": "Capture One",
    ".cosessiondb": "Capture One",
    ".dop": "DxO PhotoLab",
    ".dr4": "Canon Digital Photo Professional",
    **{f".exposurex{version}": "Exposure" for version in range(2, 8)},
    ".fp1": "Fujifilm X RAW Studio",
    ".fp2": "Fujifilm X RAW Studio",
    ".fp3": "Fujifilm X RAW Studio",
    ".nksc": "Nikon NX Studio",
    ".oes": "OM Workspace",
    ".on1": "ON1 Photo RAW",
    ".onphoto": "ON1 Photo RAW",
    ".phos": "Hasselblad Phocus",
    ".pp2": "RawTherapee 3",
    ".ptj": "Photivo",
    ".spd": "SILKYPIX",
    ".ufraw": "UFRaw",
    ".vrd": "Canon Digital Photo Professional",
}


def count_by_editor(by_suffix: Mapping[str, int]) -> dict[str, int]:
    """The number of files of each editor, of numbers by suffix; other suffixes are passed over."""
    found: Counter[str] = Counter()
    for suffix, number in by_suffix.items():
        if suffix in _EDITORS:
            found[_EDITORS[suffix]] += number
    return dict(sorted(found.items()))
