"""What commands share: settings, a database, a service, and a sentence when something fails."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from psycopg import Cursor
from pydantic import TypeAdapter, ValidationError
from pydantic_settings import SettingsError

from api.inputs import BusinessDate, KnownAt
from api.operating import embedded
from api.operating.shown import ERRORS
from api.operating.upgrade import prepare
from api.service import Service
from api.settings import Settings, variable
from api.words import Language
from domain.errors import NotFound
from domain.values import ManagerId
from projections.point import Knowledge

T = TypeVar("T")
Data = Annotated[
    Path | None,
    typer.Option(help="Where the embedded PostgreSQL keeps its data [DEALFOLIO_DATA]."),
]


def fail(message: str) -> NoReturn:
    ERRORS.print(message, style="red", highlight=False, soft_wrap=True)
    sys.exit(1)


def _parsed(what: TypeAdapter[T], text: str) -> T:
    try:
        return what.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text}: {error.errors()[0]['msg']}") from error


def point_of(as_of: str | None, known_at: str | None) -> tuple[date | None, Knowledge]:
    day = None if as_of is None else _parsed(TypeAdapter(BusinessDate), as_of)
    return day, Knowledge(None if known_at is None else _parsed(TypeAdapter(KnownAt), known_at))


def settings_of(**given: Any) -> Settings:  # noqa: ANN401 - each as Settings types it
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        return settings.model_copy(update={"signing_key_file": _signing_key_file(settings)})
    except SettingsError as error:
        fail(str(error))
    except ValidationError as error:
        fail("\n".join(_named(one["loc"], one["msg"]) for one in error.errors()))


def _named(place: Sequence[object], said: str) -> str:
    """What concerns several settings has no place, and names them."""
    sentence = said.removeprefix("Value error, ")
    return f"{variable(place)}: {sentence}" if place else sentence


def _signing_key_file(settings: Settings) -> Path | None:
    """Beside an embedded database, and not in it; with another one, only where it is set."""
    if settings.signing_key_file is not None or settings.database_url is not None:
        return settings.signing_key_file
    data = settings.data or embedded.default_data_directory()
    return data.with_name(f"{data.name}.signing.key")


def language_here() -> Language:
    """Of this terminal: DEALFOLIO_LANGUAGE, else the locale's."""
    wanted = os.environ.get("DEALFOLIO_LANGUAGE") or os.environ.get("LC_ALL") or ""
    return "ru" if (wanted or os.environ.get("LANG", "")).startswith("ru") else "en"


def known_manager(
    service: Service, cursor: Cursor[Any], manager: str | None, position: int
) -> ManagerId | None:
    """Whose id it is at `position`, inclusive. Raises NotFound."""
    if manager is None:
        return None
    if manager not in service.directory.at(cursor, position).people.managers:
        raise NotFound("manager", manager)
    return ManagerId(manager)


@contextmanager
def own_database(settings: Settings) -> Iterator[str]:
    """A migrated database to serve: the one of DATABASE_URL, or an embedded one of our own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if settings.database_url is not None:
        prepare(settings.database_url, settings)
        yield settings.database_url
        return
    data = settings.data or embedded.default_data_directory()
    with embedded.postgres(data) as conninfo:
        prepare(conninfo, settings)
        yield conninfo


@contextmanager
def database(settings: Settings, *, prepared: bool = True, new: bool = False) -> Iterator[str]:
    """The database to work on: also the embedded one of a service that is running. Only where a
    `new` one will do is one made: in another directory than was meant, it would be told of as if it
    were the books.
    """
    data = settings.data or embedded.default_data_directory()
    conninfo = settings.database_url or embedded.running(data)
    if conninfo is None:
        if not new:
            embedded.require_kept(data)
        with embedded.postgres(data) as started:
            prepare(started, settings)
            yield started
        return
    if prepared:
        prepare(conninfo, settings)
    yield conninfo


@contextmanager
def service_on(conninfo: str, settings: Settings) -> Iterator[Service]:
    service = Service(conninfo, settings)
    try:
        yield service
    finally:
        service.close()
