"""Lightroom catalogs for tests: real SQLite files with tables and columns as Lightroom has them."""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As `.schema` shows them in a catalog of Lightroom Classic 13, less the tables that nobody reads.
SCHEMA = """
CREATE TABLE Adobe_variablesTable (
    id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, name, type, value NOT NULL DEFAULT ''
);
CREATE TABLE Adobe_images (
    id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, aspectRatioCache NOT NULL DEFAULT -1,
    captureTime, copyName, copyReason, developSettingsIDCache,
    fileFormat NOT NULL DEFAULT 'unset', fileHeight, fileWidth, masterImage INTEGER, orientation,
    pick NOT NULL DEFAULT 0, rating, rootFile INTEGER NOT NULL DEFAULT 0, sidecarStatus,
    touchTime NOT NULL DEFAULT 0
);
CREATE INDEX index_Adobe_images_rootFile ON Adobe_images( rootFile );
CREATE INDEX index_Adobe_images_masterImage ON Adobe_images( masterImage );
CREATE TABLE Adobe_imageDevelopSettings (
    id_local INTEGER PRIMARY KEY, allowFastRender INTEGER, beforeSettingsIDCache, croppedHeight,
    croppedWidth, digest, fileHeight, fileWidth, hasBigData INTEGER NOT NULL DEFAULT 0,
    hasDevelopAdjustments INTEGER, hasDevelopAdjustmentsEx, hasMasks INTEGER NOT NULL DEFAULT 0,
    historySettingsID, image INTEGER, processVersion, settingsID, snapshotID, text,
    validatedForVersion, whiteBalance
);
CREATE INDEX index_Adobe_imageDevelopSettings_image ON Adobe_imageDevelopSettings( image );
CREATE TABLE AgLibraryRootFolder (
    id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL,
    absolutePath UNIQUE NOT NULL DEFAULT '', name NOT NULL DEFAULT '', relativePathFromCatalog
);
CREATE TABLE AgLibraryFolder (
    id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, parentId INTEGER,
    pathFromRoot NOT NULL DEFAULT '', rootFolder INTEGER NOT NULL DEFAULT 0, visibility INTEGER
);
CREATE TABLE AgLibraryFile (
    id_local INTEGER PRIMARY KEY, id_global UNIQUE NOT NULL, baseName NOT NULL DEFAULT '',
    extension NOT NULL DEFAULT '', folder INTEGER NOT NULL DEFAULT 0,
    idx_filename NOT NULL DEFAULT '', lc_idx_filename NOT NULL DEFAULT '',
    lc_idx_filenameExtension NOT NULL DEFAULT '', originalFilename NOT NULL DEFAULT '',
    sidecarExtensions
);
INSERT INTO Adobe_variablesTable VALUES (1, 'g', 'Adobe_DBVersion', NULL, '1300000');
"""
# The keys of a real text (Lightroom 9.12), shortened, with the nested tables of newer versions that
# repeat names of the top level.
REAL_TEXT = """s = { AutoGrayscaleMix = true,
AutoWhiteVersion = 134348800,
CameraProfile = "Adobe Standard",
CameraProfileDigest = "87FB0EDC503E332309FB5DE5C5C65125",
ConvertToGrayscale = false,
{settings}
Exposure2012 = 0.3,
Look = {{ Amount = 1,
Name = "Adobe \\"Colour\\" }} CropTop = 0.9, {{",
Parameters = {{ CropTop = 0.7,
PerspectiveUpright = 3,
ToneCurvePV2012 = {{ 0,
20,
255,
255 }} }} }},
MaskGroupBasedCorrections = {{ {{ CorrectionActive = true,
CorrectionMasks = {{ {{ Dabs = {{ "d 0.503281 0.463252",
"r 0.030000",
"d 0.508750 0.461182" }},
CropLeft = 0.7,
What = "Mask/Paint" }} }},
CorrectionName = 'it\\'s {{ here',
LocalExposure2012 = 0.25,
What = "Correction" }} }},
PointColors = {{ "0.425300, 0.729800, 0.603400" }},
PerspectiveHorizontal = 0,
PerspectiveRotate = 0,
PerspectiveScale = 100,
PerspectiveVertical = 0,
PerspectiveX = 0,
PerspectiveY = 0,
ProcessVersion = "6.7",
RedEyeInfo = {{  }},
RetouchInfo = {{  }},
ToneCurvePV2012 = {{ 0,
0,
255,
255 }},
UprightFocalLength35mm = 35,
UprightTransformCount = 6,
UprightVersion = 151388160,
WhiteBalance = "As Shot" }}
"""
# A real crop (a photo that is displayed turned by DA, cropped 16:9, 4000 x 3000 px as stored).
REAL_CROP = {
    "CropAngle": -0.83,
    "CropBottom": 0.800236,
    "CropConstrainAspectRatio": True,
    "CropLeft": 0.039968,
    "CropRight": 0.861633,
    "CropTop": 0.204714,
}


@dataclass(frozen=True)
class Photo:
    """One image of a catalog. `copy_of` is the position of its master among the photos."""

    file: str
    text: str | bytes | None = None
    orientation: str | bytes | None = "AB"
    root: str = "/Volumes/Photos/"
    copy_of: int | None = None
    copy_name: str | None = None


def real_text(settings: Mapping[str, Any] = REAL_CROP) -> str:
    """A text as Lightroom writes it, with these settings among the rest."""
    lines = [f"{name} = {_lua(value)}," for name, value in settings.items()]
    return REAL_TEXT.replace("{settings}", "\n".join(lines)).replace("{{", "{").replace("}}", "}")


def packed(text: str) -> bytes:
    """A text as Lightroom compresses it: its length in four bytes, then zlib."""
    return len(text.encode()).to_bytes(4) + zlib.compress(text.encode())


def make_catalog(file: Path, photos: Sequence[Photo], journal_mode: str = "delete") -> Path:
    """Makes a catalog; image, file and settings of photo i have the ids 100, 200, 300 + 3 i."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode = {journal_mode}")
        database.execute("PRAGMA synchronous = OFF")  # no wait for a disk that others keep busy
        database.executescript(SCHEMA)
        fill(database, photos)
        database.commit()
    return file


def fill(database: sqlite3.Connection, photos: Sequence[Photo], first: int = 0) -> None:
    """Adds photos to an open catalog, counted from `first`, without a commit."""
    for position, photo in enumerate(photos, first):
        _add(database, photo, 3 * position)


def _add(database: sqlite3.Connection, photo: Photo, at: int) -> None:
    folder, _, name = photo.file.rpartition("/")
    base, _, extension = name.rpartition(".")
    root = _id(database, "AgLibraryRootFolder", {"absolutePath": photo.root})
    inside = _id(
        database,
        "AgLibraryFolder",
        {"rootFolder": root, "pathFromRoot": f"{folder}/" if folder else ""},
    )
    file = 200 + (at if photo.copy_of is None else 3 * photo.copy_of)
    row = {"id_local": file, "folder": inside, "baseName": base, "extension": extension}
    _insert(
        database, "AgLibraryFile", row | {"idx_filename": name, "lc_idx_filename": name.lower()}
    )
    master = None if photo.copy_of is None else 100 + 3 * photo.copy_of
    image = {"id_local": 100 + at, "rootFile": file, "orientation": photo.orientation}
    _insert(
        database,
        "Adobe_images",
        image | {"masterImage": master, "copyName": photo.copy_name, "fileFormat": "JPG"},
    )
    if photo.text is not None:
        edits = {"id_local": 300 + at, "image": 100 + at, "text": photo.text}
        _insert(database, "Adobe_imageDevelopSettings", edits)


def _id(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    """The id of a row of these values, which is added where there is none."""
    where = " AND ".join(f"{column} = ?" for column in row)
    found = database.execute(f"SELECT id_local FROM {table} WHERE {where}", [*row.values()])
    known = found.fetchone()
    return known[0] if known else _insert(database, table, row)


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    if table != "Adobe_imageDevelopSettings":
        unique = f"{table} {row.get('id_local', tuple(row.values()))}"
        row = {"id_global": unique, **row}
    places = ", ".join("?" * len(row))
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({places})"
    return database.execute(statement, [*row.values()]).lastrowid or 0


def _lua(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:.9g}"
