"""Puts a collection's routes together, as `cropperhead serve --collect` runs them."""

import logging
import sys

from fastapi import APIRouter

from cropperhead.collection import migrate
from cropperhead.collection.reception import Reception
from cropperhead.collection.settings import (
    PASSWORD_HASH_VARIABLE,
    PASSWORD_VARIABLE,
    CollectionSettings,
    open_collection,
)
from cropperhead.errors import ParamsError
from cropperhead.web import collect, moderation


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


def _log_to_standard_error() -> None:
    if not collect.LOGGER.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        collect.LOGGER.addHandler(handler)
        collect.LOGGER.setLevel(logging.INFO)
        collect.LOGGER.propagate = False
