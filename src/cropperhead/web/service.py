"""Puts the routes of a collection and of a study together, as `cropperhead serve` runs them."""

import logging
import sys
from pathlib import Path

from fastapi import APIRouter

from cropperhead.collection import migrate
from cropperhead.collection.ballot_box import BallotBox
from cropperhead.collection.reception import Reception
from cropperhead.collection.settings import (
    PASSWORD_HASH_VARIABLE,
    PASSWORD_VARIABLE,
    CollectionSettings,
    open_collection,
)
from cropperhead.errors import ParamsError
from cropperhead.study import folder as folders
from cropperhead.study.voting import Voting
from cropperhead.web import collect, moderation, study
from cropperhead.web.requests import LOGGER


def collection_routers(settings: CollectionSettings, is_local: bool) -> list[APIRouter]:
    """Open a collection, bring its tables up to date, and make its routes.

    `is_local` says that only this machine can reach the server. Raises ParamsError if others can
    and there is no moderation password, CollectionError if the database cannot be used.
    """
    password = moderation.read_password()
    if password is None and not is_local:
        raise ParamsError(
            "A collection that others can reach needs a moderation password: set "
            f"{PASSWORD_HASH_VARIABLE} (`cropperhead collected hash-password` makes it) or "
            f"{PASSWORD_VARIABLE}."
        )
    collection = open_collection(settings.place, settings.objects)
    migrate.prepare(collection)
    _log_to_standard_error()
    routers = [collect.make_router(Reception(collection, settings))]
    if password is not None:
        routers.append(moderation.make_router(collection, password))
    return routers


def study_router(folder: Path, settings: CollectionSettings) -> APIRouter:
    """Make the routes of the study in a folder, whose votes the collection's database keeps.

    Raises DataError if there is no study, CollectionError if the database cannot be used.
    """
    stamp = folders.stamp(folder)
    found = folders.load(folder)
    collection = open_collection(settings.place, settings.objects)
    migrate.prepare(collection)
    _log_to_standard_error()
    box = BallotBox(collection.database, found.id)
    return study.make_router(Voting(folder, stamp, found, box, settings.max_raters), settings)


def _log_to_standard_error() -> None:
    if not LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        LOGGER.addHandler(handler)
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
