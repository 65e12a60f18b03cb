"""The settings of a collection: from the command line, the environment, a file, or the defaults.

What comes first in this list counts. Secrets are in the environment alone: the moderation password,
and what the database and the object store need.
"""

import dataclasses
import os
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from cropperhead.collection.intake import Collection
from cropperhead.collection.objects import open_objects
from cropperhead.collection.tables import Database, parse_url
from cropperhead.errors import ParamsError
from cropperhead.params import cast, expect, parse_yaml

Publish = Literal["accepted", "all"]

ENVIRONMENT = "CROPPERHEAD_COLLECTION_"  # and a setting's name in capitals
FILE_VARIABLE = ENVIRONMENT + "SETTINGS"
PASSWORD_VARIABLE = "CROPPERHEAD_MODERATION_PASSWORD"
PASSWORD_HASH_VARIABLE = "CROPPERHEAD_MODERATION_PASSWORD_HASH"
DATABASE_FILE, OBJECTS_FOLDER = "collection.sqlite", "objects"
_OBJECTS_KEY = "objects"

CONSENT = (
    "I made this crop myself, and I have the right to share this photo. You may keep the small "
    "copy of the photo and the crop, and learn from them how people crop. Nothing else is sent: no "
    "name, no place, no time. I can withdraw this at any time with the receipt; the copy and the "
    "crop are then deleted. Models that have learned from them by then are not changed."
)


@dataclass(frozen=True)
class CollectionSettings:
    """What a collection accepts, and where it is.

    `place` is a folder, or a database's URL, whose query may name the object store (`objects=`).
    """

    place: str = "data/collection"
    objects: str = ""  # a folder or a URL of an object store; empty: in the place's folder
    publish: Publish = "accepted"  # accepted: a moderator must; all: crops count at once
    blind_share: float = 0.5  # of senders, who are shown the whole photo first
    consent: str = CONSENT  # the text that senders agree to
    max_photo_kilobytes: int = 1024  # a canvas makes some 120 of 1,024 px
    body_seconds: float = 15.0  # from a request's headers to its last byte
    uploads_at_once: int = 16  # of which each holds a photo in memory
    per_address_hourly: int = 120  # requests that change something; an IPv6 network counts as one
    total_hourly: int = 3000
    raters_hourly: int = 30  # people of one address who begin to vote in a study
    max_raters: int = 20_000  # of all studies
    max_crops: int = 100_000
    max_gigabytes: float = 20.0  # of all photos
    min_free_gigabytes: float = 1.0  # of the disk, if photos are in a folder
    sweep_minutes: float = 60.0  # between two searches for objects without a crop

    def __post_init__(self) -> None:
        _require("place", self.place, bool(self.place.strip()), "a folder or a database's URL")
        _require("blind_share", self.blind_share, 0 <= self.blind_share <= 1, "0 to 1")
        words = len(self.consent.split())
        _require("consent", self.consent, 5 <= words <= 2000, "a text of 5 to 2,000 words")
        kilobytes = self.max_photo_kilobytes
        # a larger form field is written to the temporary folder
        _require("max_photo_kilobytes", kilobytes, 16 <= kilobytes <= 1024, "16 to 1024")
        for name in (
            *("body_seconds", "uploads_at_once", "per_address_hourly", "total_hourly"),
            *("max_crops", "max_gigabytes", "sweep_minutes", "raters_hourly", "max_raters"),
        ):
            value = getattr(self, name)
            _require(name, value, value > 0, "above 0")
        free = self.min_free_gigabytes
        _require("min_free_gigabytes", free, free >= 0, "0 or more")

    @property
    def max_photo_bytes(self) -> int:
        """Return the most bytes of a photo."""
        return self.max_photo_kilobytes * 1024


def load_settings(
    given: Mapping[str, str], environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> CollectionSettings:
    """Load the settings: `given` counts before the environment's, these before the file's.

    Values of `given` and of the environment are texts, read as YAML. `file` is a YAML file of
    settings; the environment may name it, too. Raises ParamsError with the name of a setting.
    """
    kinds = typing.get_type_hints(CollectionSettings)
    named = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    values = _read_file(named, kinds) if named else {}
    for name in kinds:
        text = environment.get(ENVIRONMENT + name.upper())
        if text is not None:
            values[name] = _read(f"{ENVIRONMENT}{name.upper()}", kinds[name], text)
    for name, text in given.items():
        _require_known(name, kinds, "-S")
        values[name] = _read(name, kinds[name], text)
    return CollectionSettings(**values)


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Parse `name=value` texts of a command line. Raises ParamsError."""
    pairs = [text.partition("=") for text in assignments]
    for name, equals, _ in pairs:
        _require(name, name, bool(equals and name), "name=value")
    return {name.strip(): value for name, _, value in pairs}


def describe(settings: CollectionSettings) -> str:
    """Format what is in force as YAML that can be a settings file; passwords are hidden."""
    values = dataclasses.asdict(settings)
    database, objects = locate(settings.place, settings.objects)
    values["place"] = _hide_password(settings.place)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return f"{text}# database: {Database(database).shown_url}\n# objects: {objects}\n"


def open_collection(place: str, objects: str = "") -> Collection:
    """Open a collection; nothing is read or made yet. Raises CollectionError for a bad URL."""
    database, store = locate(place, objects)
    return Collection(Database(database), open_objects(store))


def locate(place: str, objects: str = "") -> tuple[str, str]:
    """Return the URL of a place's database, and the folder or URL of its object store.

    Raises ParamsError if a database's URL names no object store, and neither does `objects`.
    """
    if "://" not in place:
        folder = Path(place).expanduser()
        file = (folder / DATABASE_FILE).absolute()
        return f"sqlite:///{file}", objects or str(folder / OBJECTS_FOLDER)
    url = parse_url(place)
    named = url.query.get(_OBJECTS_KEY)
    store = objects or (named if isinstance(named, str) else "")
    _require("objects", store, bool(store), "a folder or an object store's URL, as photos need one")
    plain = url.difference_update_query([_OBJECTS_KEY])
    return plain.render_as_string(hide_password=False), store


def _hide_password(place: str) -> str:
    return parse_url(place).render_as_string() if "://" in place else place


def _read_file(file: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        content, texts = parse_yaml(text), yaml.BaseLoader(text).get_single_data()
    except OSError as error:
        raise ParamsError(f"{file}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"{file}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{file}: expected settings, one `name: value` a line")
    for name in content:
        _require_known(str(name), kinds, str(file))
    return {
        name: _cast(f"{file}: {name}", kinds[name], value, texts.get(name))
        for name, value in content.items()
    }


def _require_known(name: str, kinds: Mapping[str, Any], where: str) -> None:
    if name not in kinds:
        raise ParamsError(f"{where}: unknown setting {name!r}, expected {', '.join(kinds)}")


def _read(where: str, kind: Any, text: str) -> Any:
    try:
        value = parse_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = text
    return _cast(where, kind, value, text)


def _cast(where: str, kind: Any, value: Any, text: Any) -> Any:
    """Cast a value of YAML. A text setting takes what YAML reads as a number as it is written."""
    is_scalar = isinstance(value, str | int | float)
    if (kind is str and not isinstance(value, str)) or not is_scalar:
        value = text
    return cast(_name(where), kind, value)


def _require(where: str, value: Any, holds: bool, expected: str) -> None:
    expect(_name(where), value, holds, expected)


def _name(where: str) -> str:
    return where if where.startswith(ENVIRONMENT) or ": " in where else f"collection.{where}"
