"""Real standbys are asked, and nobody is told anything that the primary would not say."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from api import embedded, portfolios, standbys
from api.doctor import examine_standbys
from api.schema import migrate
from api.settings import Settings
from projections.portfolio import portfolios_from_ledger
from projections.rebuild import rebuild
from tests.over_http import AUTUMN, Company, company
from tests.test_availability import (
    ANSWER_WITHIN_S,
    GIVE_UP_AFTER_S,
    Postgres,
    backends,
    hanging,
)

RESTS_SECONDS = 0.3
_numbers = count(1)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Postgres, Postgres]]:
    """A primary, migrated, and two standbys that stream from it."""
    with ExitStack() as held:
        place = Path(
            held.enter_context(tempfile.TemporaryDirectory(prefix="dealfolio-", dir="/tmp"))
        )
        place.chmod(0o711)
        with embedded.postgres(place / "data", durable=False) as conninfo:
            migrate(conninfo)
        primary = started(held, place, place / "data")
        account = embedded._account(primary.data)
        program = embedded._binaries(primary.data, account).directory / "pg_basebackup"
        if not program.exists():
            pytest.skip(f"{program} is needed to make a standby")
        copies = []
        for _ in range(2):
            data = account.owns(Path(tempfile.mkdtemp(dir=place))) / "data"
            source = ["-h", str(primary.sockets), "-p", "5432", "-U", "dealfolio"]
            command: list[Path | str] = [
                program,
                "-D",
                data,
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
                *source,
            ]
            embedded._run(primary.data, command, account)
            copies.append(started(held, place, data))
        yield primary, copies[0], copies[1]


def started(held: ExitStack, place: Path, data: Path) -> Postgres:
    sockets = embedded._account(data).owns(Path(tempfile.mkdtemp(dir=place)))
    server = Postgres(data, sockets)
    server.start()
    held.callback(shutil.rmtree, sockets, ignore_errors=True)
    held.callback(server.stop, signal.SIGINT)
    return server


@pytest.fixture
def here(
    servers: tuple[Postgres, Postgres, Postgres], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Company]:
    primary, *copies = servers
    monkeypatch.setattr(standbys, "REST_SECONDS", RESTS_SECONDS)
    given = Settings(read_database_url=" ".join(one.conninfo for one in copies))
    with company(primary.conninfo, AUTUMN, given) as begun:
        begun.numbers = _numbers
        yield begun


@contextmanager
def places() -> Iterator[list[str]]:
    """Where the portfolios of everybody were added up: the directories of sockets."""
    found: list[str] = []
    asked = portfolios_from_ledger

    def noted(cursor: psycopg.Cursor[Any], *rest: Any) -> Any:
        found.append(cursor.connection.info.host)
        return asked(cursor, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portfolios, "portfolios_from_ledger", noted)
        yield found


def until(what: Callable[[], bool]) -> None:
    begun = monotonic()
    while not what():
        assert monotonic() - begun < GIVE_UP_AFTER_S


def place_of(here: Company, **question: object) -> str:
    with places() as found:
        here.director.ask("/v1/portfolios", **question)
    return found[-1]


def admin(server: Postgres, statement: str) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(statement)


def something(here: Company) -> str:
    """A manager with a deal and an action in it."""
    anna = here.manager()
    here.act(here.deal(anna), anna, here.kind(), "2026-02-03")
    return anna


QUESTIONS = (
    "/v1/portfolios?as_of=2026-09-30",
    "/v1/managers/{anna}/portfolio?as_of=2026-09-30",
    "/v1/portfolios/series?from=2026-01-01&to=2026-09-30&step=month",
    "/v1/portfolios/movement?from=2026-01-01&to=2026-09-30",
    "/v1/portfolios/restatement?as_of=2026-09-30&from_position=0&to_position={end}",
    "/v1/deals?as_of=2026-09-30",
    "/v1/deals/{deal}?as_of=2026-09-30",
)


def test_standbys_answer_byte_for_byte_what_the_primary_answers(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    primary, *copies = servers
    anna = something(here)
    deal = here.director.ask("/v1/deals", manager_id=anna)["deals"][0]["deal_id"]
    end = here.position
    hosts = {str(one.sockets) for one in copies}
    until(lambda: {place_of(here, position=end), place_of(here, position=end)} == hosts)
    with company(primary.conninfo) as plain:
        for question in QUESTIONS:
            path = question.format(anna=anna, deal=deal, end=end)
            path += "" if "restatement" in path else f"&position={end}"
            expected = plain.director.get(path)
            assert expected.status_code == 200
            for _ in copies:
                assert here.director.get(path).content == expected.content
        assert place_of(plain, position=end) == str(primary.sockets)


def test_what_was_recorded_is_seen_though_the_standbys_do_not_know_it_yet(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    primary, *copies = servers
    anna = something(here)
    known = here.position
    hosts = {str(one.sockets) for one in copies}
    until(lambda: {place_of(here), place_of(here)} == hosts)
    for one in copies:
        admin(one, "SELECT pg_wal_replay_pause()")
    try:
        boris = something(here)
        with places() as found:
            told = here.director.ask("/v1/portfolios")["currencies"][0]["managers"]
        assert {anna, boris} <= {one["manager_id"] for one in told if one["active"] != "0.00"}
        assert found == [str(primary.sockets)]
        assert place_of(here, position=known) in hosts, "what they know they may tell"
    finally:
        for one in copies:
            admin(one, "SELECT pg_wal_replay_resume()")
    until(lambda: place_of(here) in hosts)


def test_who_is_gone_is_not_missed(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    primary, one, other = servers
    something(here)
    hosts = {str(one.sockets), str(other.sockets)}
    until(lambda: {place_of(here), place_of(here)} == hosts)
    one.stop(signal.SIGQUIT)
    try:
        for _ in range(4):
            begun = monotonic()
            assert place_of(here) in {str(primary.sockets), str(other.sockets)}
            assert monotonic() - begun < ANSWER_WITHIN_S
        with places() as found:
            for _ in range(4):
                here.director.ask("/v1/portfolios")
        assert found.count(str(primary.sockets)) <= 1, "the other does its work alone"
    finally:
        one.start()
    until(lambda: {place_of(here), place_of(here)} == hosts)


def test_who_says_nothing_is_not_waited_for(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    primary, one, other = servers
    something(here)
    hosts = {str(one.sockets), str(other.sockets)}
    until(lambda: {place_of(here), place_of(here)} == hosts)
    with hanging(one, *backends(one, "dealfolio")), hanging(other, *backends(other, "dealfolio")):
        for _ in range(2):
            begun = monotonic()
            assert place_of(here) == str(primary.sockets)
            assert monotonic() - begun < ANSWER_WITHIN_S
    until(lambda: place_of(here) in hosts)


def test_questions_go_on_through_a_rebuild(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    something(here)
    end = here.position
    before = here.director.get("/v1/portfolios", position=end).content
    rebuild(servers[0].conninfo, lambda _done, _of: None)
    hosts = {str(one.sockets) for one in servers[1:]}
    until(lambda: place_of(here) in hosts)
    for _ in range(4):
        assert here.director.get("/v1/portfolios", position=end).content == before


def test_who_is_a_standby_no_more_is_asked_no_more(
    here: Company, servers: tuple[Postgres, Postgres, Postgres]
) -> None:
    """It may go its own way: what it knows need not be what we have recorded. Last: it stays so."""
    primary, one, other = servers
    something(here)
    until(lambda: str(one.sockets) in {place_of(here), place_of(here)})
    admin(one, "SELECT pg_promote()")
    with places() as found:
        for _ in range(6):
            here.director.ask("/v1/portfolios")
    assert set(found) <= {str(primary.sockets), str(other.sockets)}


def test_the_doctor_tells_how_far_each_has_come(
    servers: tuple[Postgres, Postgres, Postgres],
) -> None:
    """Last, as the one before: the first of them stays a primary."""
    _, one, other = servers
    admin(one, "SELECT pg_promote() WHERE pg_is_in_recovery()")
    gone = "host=/nowhere password=geheim"
    found = [*examine_standbys([other.conninfo, one.conninfo, gone])]
    assert [finding.ok for finding in found] == [True, False, False]
    assert found[0].what == "standby 1"
    assert "events" in found[0].found
    assert "make it a standby again" in found[1].mend
    assert "DEALFOLIO_READ_DATABASE_URL" in found[2].mend
    assert "geheim" not in found[2].found


def test_nothing_is_told_of_what_a_standby_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DEALFOLIO_READ_DATABASE_URL", "postgresql://a:geheim@one/x postgresql://two/x"
    )
    given = Settings()
    assert given.standbys == ("postgresql://a:geheim@one/x", "postgresql://two/x")
    assert "geheim" not in repr(given)
    monkeypatch.setenv("DEALFOLIO_READ_DATABASE_URL", "host=one dbname=x password=geheim")
    assert Settings().standbys == ("host=one dbname=x password=geheim",)
    monkeypatch.setenv("DEALFOLIO_READ_DATABASE_URL", "geheim")
    with pytest.raises(ValueError, match="no connection string") as refused:
        Settings()
    assert "geheim" not in str(refused.value)
