"""A real PostgreSQL: TEST_DATABASE_URL or the embedded one; each test has a database of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from playwright.sync_api import Browser
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.operating.embedded import postgres
from api.operating.schema import migrate
from api.sign_in import passwords
from tests.chromium import chromium
from tests.installed import installed

ROOM = 4 * 2**30
LONGEST = (
    *("contract", "pages_browser", "conventions", "pages_journeys", "cli", "rebuild", "security"),
    *("upgrade", "definition", "standbys", "availability", "bad_input", "transactor", "evidence"),
    *("demo", "embedded", "api", "memory", "limits", "access", "oidc", "concurrency", "reads"),
    *("audit_bundle", "roles_stateful", "snapshots"),
)
"""The files that take longest, longest first."""
_numbers = count(1)
_TEMPLATE = f"dealfolio_template_{os.getpid()}"


def pytest_configure(config: pytest.Config) -> None:
    """--dist loadfile gives files out as they are ordered here, not by how many tests they hold."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest first: in the end no core waits for the other."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A connection string that may create databases."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with (
        reachable_directory() as directory,
        postgres(directory / "data", durable=False) as conninfo,
    ):
        yield conninfo


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a migrated and empty database."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        migrate(make_conninfo(server, dbname=_TEMPLATE))
        yield _TEMPLATE
        _drop(connection, _TEMPLATE)


@contextmanager
def new_database(server: str, template: str) -> Iterator[str]:
    name = f"dealfolio_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            _drop(connection, name)


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    """A connection string of a migrated and empty database, for one test."""
    with new_database(server, template) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def shared_database(server: str, template: str) -> Iterator[str]:
    """The same for all tests of a module, which leave different deals in it."""
    with new_database(server, template) as conninfo:
        yield conninfo


def _drop(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    connection.execute(statement)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """How dear they are to guess is the business of one test; all others would only wait."""
    with pytest.MonkeyPatch.context() as here:
        here.setattr(passwords, "PasswordHasher", lambda: PasswordHasher.from_parameters(CHEAPEST))
        yield


@pytest.fixture(scope="session")
def browser_place() -> str:
    return installed("chromium")


@pytest.fixture(scope="module")
def browser(browser_place: str) -> Iterator[Browser]:
    with chromium(browser_place) as started:
        yield started


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """Run as root, the embedded server is another account, which pytest's own directories shut
    out, and shut out again whenever another pytest starts."""
    with TemporaryDirectory(prefix="dealfolio-tests-", dir=in_memory()) as name:
        directory = Path(name)
        directory.chmod(0o777 if os.geteuid() == 0 else 0o700)
        yield directory


def in_memory() -> str | None:
    """A place for files that need not last: hundreds come and go with each test's database, at
    several times the cost on a disk. None, the usual place, where there is none or too little.
    """
    memory = Path("/dev/shm")
    is_there = memory.is_dir() and os.access(memory, os.W_OK | os.X_OK)
    return str(memory) if is_there and shutil.disk_usage(memory).free > ROOM else None
