"""Standbys answer what they know, and nobody can tell them from the primary, whatever befalls them.

A real primary and two real standbys; each writes down every statement before it answers it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from time import monotonic
from typing import Any

import httpx
import pytest
from psycopg import Cursor

from api import standbys
from api.accounts import Accounts
from api.operating.doctor import examine_standbys
from api.settings import Settings
from application.orders import Unavailable
from projections.point import BEYOND
from projections.rebuild import rebuild
from tests.over_http import AUTUMN, Company, Person, company
from tests.replication import PASSWORD, Server, primary, standby, wait_until

ANSWER_WITHIN_S = 2.0
SECONDS = 20
_numbers = count(1)
"""One company, whichever server it is asked at: nobody in it is called alike."""


@pytest.fixture(scope="module")
def head() -> Iterator[Server]:
    """The primary."""
    with primary() as server:
        yield server


@pytest.fixture(scope="module")
def pair(head: Server) -> Iterator[list[Server]]:
    with standby(head, "first") as first, standby(head, "second") as second:
        yield [first, second]


@pytest.fixture(autouse=True)
def _rest_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standbys, "REST_SECONDS", 1.0)


@contextmanager
def reading(head: Server, *servers: Server, **settings: Any) -> Iterator[Company]:
    """A company whose questions go to those servers, too."""
    urls = " ".join(server.url for server in servers)
    with company(head.url, AUTUMN, Settings(read_database_url=urls, **settings)) as here:
        here.numbers = _numbers
        all_well(here)
        yield here


@pytest.fixture(scope="module")
def here(head: Server, pair: list[Server]) -> Iterator[Company]:
    with reading(head, *pair) as begun:
        yield begun


@pytest.fixture(scope="module")
def plain(head: Server) -> Iterator[Company]:
    """The same company without standbys, in a process of its own, as it were."""
    with company(head.url) as begun:
        begun.numbers = _numbers
        yield begun


def all_well(here: Company) -> None:
    wait_until(lambda: all(one.is_well for one in here.service.standbys._all))


def asked(servers: list[Server]) -> int:
    return sum(server.asked() for server in servers)


def used(here: Company, servers: list[Server]) -> None:
    """Each of them answers again."""
    for server in servers:
        before = server.asked()

        def is_asked(server: Server = server, before: int = before) -> bool:
            here.director.ask("/v1/portfolios")
            return server.asked() > before

        wait_until(is_asked)


def in_time(person: Person, path: str) -> httpx.Response:
    begun = monotonic()
    response = person.get(path)
    assert response.status_code == 200, response.text
    assert monotonic() - begun < ANSWER_WITHIN_S
    return response


def a_deal(here: Company) -> tuple[str, str, str]:
    """Manager, deal, and a kind of action that may be done again and again."""
    anna, kind = here.manager(), here.kind("1.00")
    return anna, here.deal(anna), kind


def about(manager: str, deal: str) -> list[str]:
    """Every question that adds up much or reads a whole history."""
    days = "from=2026-01-01&to=2026-10-20"
    return [
        "/v1/portfolios",
        "/v1/portfolios?as_of=2026-02-10",
        f"/v1/managers/{manager}/portfolio",
        f"/v1/managers/{manager}/portfolio/series?{days}&step=month",
        f"/v1/portfolios/series?{days}&step=day",
        f"/v1/portfolios/movement?{days}",
        "/v1/portfolios/restatement?from_position=0&as_of=2026-10-20",
        "/v1/deals",
        "/v1/deals?limit=1",
        f"/v1/deals/{deal}",
        f"/v1/deals/{deal}/events",
        "/v1/events?limit=1000",
    ]


# ------------------------------------------------------------------------ what they answer


def test_answers_are_byte_for_byte_those_of_the_primary_and_the_standbys_add_them_up(
    here: Company, plain: Company, head: Server, pair: list[Server]
) -> None:
    team = here.director.do("/v1/teams", {"name": "Север"})["team_id"]
    anna, boris = here.manager(team_id=team), here.manager("Борис")
    kind = here.kind("5.00")
    deal, other = here.deal(anna), here.deal(boris, "12345.67", currency="EUR")
    for day in ("2026-01-20", "2026-02-03", "2026-03-17", "2026-01-31"):
        here.act(deal, anna, kind, day)
        here.act(other, boris, kind, day)
    leader = here.hire("head", team_id=team)
    questions = [(here.director, path) for path in about(anna, deal)]
    questions += [(leader, path) for path in ("/v1/portfolios", "/v1/deals", f"/v1/deals/{deal}")]
    all_well(here)
    before, at_the_primary = [server.asked() for server in pair], head.asked()
    answers = [in_time(person, path).content for person, path in questions]
    assert all(server.asked() > was for server, was in zip(pair, before, strict=True))
    assert head.asked() == at_the_primary
    for (person, path), content in zip(questions, answers, strict=True):
        token = person.http.headers["authorization"].removeprefix("Bearer ")
        assert plain.person(token).get(path).content == content, path
    assert head.asked() > at_the_primary


def test_on_a_standby_the_service_is_the_application_and_no_more(here: Company) -> None:
    def limits(cursor: Cursor[Any]) -> Any:
        return cursor.execute(
            "SELECT pg_is_in_recovery(), current_user, current_setting('statement_timeout')"
        ).fetchone()

    assert read(here, limits) == (True, "dealfolio_app", "30s")


def read(here: Company, ask: Any) -> Any:
    """Behind all that was recorded."""
    all_well(here)
    with here.service.asking() as cursor:
        return here.service.standbys.read(cursor, BEYOND, ask)


def sleeps(seconds: float) -> Any:
    """A question that takes so long on a standby, and tells whether it was answered by one."""

    def ask(cursor: Cursor[Any]) -> Any:
        row = cursor.execute(
            "SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_sleep(%s) END"
            " FROM (SELECT count(*) FROM ledger.deals) AS deals",
            [seconds],
        ).fetchone()
        assert row is not None
        return row[0]

    return ask


def test_a_long_question_is_not_cut_short(here: Company) -> None:
    a_deal(here)
    assert read(here, sleeps(1.5)) is True


def test_what_takes_longer_than_a_question_may_is_not_begun_again_on_the_primary(
    head: Server, pair: list[Server]
) -> None:
    with reading(head, *pair, statement_seconds=1) as here:
        a_deal(here)
        seen: list[bool] = []

        def ask(cursor: Cursor[Any]) -> None:
            seen.append(bool(cursor.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)))
            cursor.execute("SELECT pg_sleep(3)")

        with pytest.raises(Unavailable):
            read(here, ask)
        assert seen == [True]


# ------------------------------------------------------------------------ behind the primary


@contextmanager
def paused(servers: list[Server]) -> Iterator[None]:
    """They receive what is recorded, and do not know it before the end of the block."""
    for server in servers:
        server.tell("SELECT pg_wal_replay_pause()")
    state = "SELECT pg_get_wal_replay_pause_state()"
    wait_until(lambda: all(server.tell(state) == "paused" for server in servers))
    try:
        yield
    finally:
        for server in servers:
            server.tell("SELECT pg_wal_replay_resume()")


def test_ones_own_writes_are_always_seen(here: Company, plain: Company) -> None:
    """By the same process and by another, at once, whichever server answers."""
    anna, deal, kind = a_deal(here)
    for number in range(1, 31):
        one, other = (here, plain) if number % 2 else (plain, here)
        body = {"action_type": kind, "effective_on": "2026-02-03", "manager_id": anna}
        told = one.director.do(f"/v1/deals/{deal}/actions", body)
        for asking in (one, other):
            shown = asking.director.ask(f"/v1/deals/{deal}")
            assert (shown["position"], shown["version"]) == (told["position"], told["version"])
            assert shown["progress"] == f"{number}.00"
            portfolio = asking.director.ask("/v1/portfolios", as_of="2026-02-03")
            (held,) = (
                line
                for line in portfolio["currencies"][0]["managers"]
                if line["manager_id"] == anna
            )
            assert held["progress"] == f"{number}.00"
            after = asking.director.ask("/v1/events", after=told["position"] - 1)
            assert [event["position"] for event in after["events"]] == [told["position"]]


def test_while_the_standbys_replay_nothing_the_primary_answers_and_then_they_do_again(
    here: Company, pair: list[Server]
) -> None:
    anna, deal, kind = a_deal(here)
    used(here, pair)
    with paused(pair):
        known = here.position
        for number in range(1, 4):
            here.act(deal, anna, kind, "2026-02-03")
            all_well(here)
            before = asked(pair)
            for path in about(anna, deal):
                in_time(here.director, path)
            shown = in_time(here.director, f"/v1/deals/{deal}").json()
            assert shown["progress"] == f"{number}.00"
            assert asked(pair) == before
        all_well(here)
        in_time(here.director, f"/v1/portfolios?position={known}")
        assert asked(pair) > before, "what was known then they know"
    used(here, pair)


def test_standbys_that_are_far_behind_are_left_alone_for_a_while(
    here: Company, pair: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    used(here, pair)
    with monkeypatch.context() as patched, paused(pair):
        patched.setattr(standbys, "REST_SECONDS", float(SECONDS))
        here.manager()
        for _ in pair:
            in_time(here.director, "/v1/portfolios")
        looks = looked(pair)
        for _ in range(10):
            in_time(here.director, "/v1/portfolios")
        assert looked(pair) == looks
    for one in here.service.standbys._all:
        one._rests_until = 0.0
    used(here, pair)


def looked(servers: list[Server]) -> int:
    """How often they were asked what they know."""
    return sum(server.asked("AS event WHERE") for server in servers)


def test_a_standby_that_is_a_little_behind_is_waited_for(
    here: Company, head: Server, pair: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, deal, kind = a_deal(here)
    all_well(here)
    monkeypatch.setattr(standbys, "WAITS_SECONDS", float(SECONDS))
    with ThreadPoolExecutor(1) as pool:
        with paused(pair):
            here.act(deal, anna, kind, "2026-02-03")
            before, at_the_primary = asked(pair), head.asked()
            looks = looked(pair)
            waiting = pool.submit(here.director.ask, "/v1/portfolios")
            wait_until(lambda: looked(pair) > looks + 3)
            assert not waiting.done()
        assert waiting.result(SECONDS)["position"] == here.position
    assert (asked(pair), head.asked()) == (before + 1, at_the_primary)


def test_a_name_that_was_erased_is_told_by_no_standby(here: Company, pair: list[Server]) -> None:
    anna = here.manager()
    used(here, pair)
    known = here.position
    with paused(pair):
        Accounts(here.service).forget(anna)
        for _ in range(4):
            portfolio = here.director.ask("/v1/portfolios", position=known)
            lines = portfolio["currencies"][0]["managers"]
            assert [line["name"] for line in lines if line["manager_id"] == anna] == [None]
    used(here, pair)


# ------------------------------------------------------------------------ what befalls them


def test_a_standby_that_dies_is_not_missed_and_is_used_again_when_it_is_back(
    here: Company, pair: list[Server]
) -> None:
    anna, deal, kind = a_deal(here)
    used(here, pair)
    dead, other = pair
    dead.stop()
    try:
        for number in range(1, 11):
            here.act(deal, anna, kind, "2026-02-03")
            shown = in_time(here.director, f"/v1/deals/{deal}").json()
            assert shown["progress"] == f"{number}.00"
            in_time(here.director, "/v1/portfolios")
        used(here, [other])
    finally:
        dead.start()
    used(here, pair)


def test_standbys_that_hang_are_asked_once_and_then_left_alone(
    here: Company, pair: list[Server]
) -> None:
    anna, deal, _ = a_deal(here)
    used(here, pair)
    with ThreadPoolExecutor(8) as pool:  # each has several connections then
        assert all(pool.map(lambda _: read(here, sleeps(0.3)), range(8)))
    with ExitStack() as held:
        for server in pair:
            held.enter_context(server.hanging())
        for _ in pair:
            in_time(here.director, "/v1/portfolios")
        begun = monotonic()
        for path in about(anna, deal):
            in_time(here.director, path)
        assert monotonic() - begun < ANSWER_WITHIN_S
    used(here, pair)


def test_a_question_that_is_under_way_when_its_standby_hangs_goes_to_the_primary_in_time(
    here: Company, pair: list[Server]
) -> None:
    a_deal(here)
    used(here, pair)
    before = [server.asked("pg_sleep") for server in pair]
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        waiting = pool.submit(read, here, sleeps(SECONDS))
        wait_until(lambda: [server.asked("pg_sleep") for server in pair] != before)
        for server in pair:
            held.enter_context(server.hanging())
        begun = monotonic()
        assert waiting.result(SECONDS) is False
        assert monotonic() - begun < ANSWER_WITHIN_S
    used(here, pair)


def test_a_question_that_replay_cancels_goes_to_the_primary(
    here: Company, head: Server, pair: list[Server]
) -> None:
    """A rebuild removes the ledger that it reads, and the standby waits for it only so long."""
    a_deal(here)
    used(here, pair)
    before = [server.asked("pg_sleep") for server in pair]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read, here, sleeps(SECONDS))
        wait_until(lambda: [server.asked("pg_sleep") for server in pair] != before)
        rebuild(head.url, lambda *_: None)
        assert waiting.result(SECONDS / 2) is False
    used(here, pair)


def test_a_rebuild_changes_no_answer_while_questions_run(
    here: Company, head: Server, pair: list[Server]
) -> None:
    anna, deal, kind = a_deal(here)
    here.act(deal, anna, kind, "2026-02-03")
    questions = about(anna, deal)
    as_it_was = [in_time(here.director, path).content for path in questions]
    before = asked(pair)
    with ThreadPoolExecutor(2) as pool:
        rebuilding = pool.submit(lambda: [rebuild(head.url, lambda *_: None) for _ in range(3)])
        while not rebuilding.done():
            assert [in_time(here.director, path).content for path in questions] == as_it_was
        rebuilding.result()
    assert asked(pair) > before
    used(here, pair)


def test_a_promoted_standby_is_asked_no_more(head: Server) -> None:
    with standby(head, "third") as third, reading(head, third) as here:
        anna, deal, kind = a_deal(here)
        used(here, [third])
        third.tell("SELECT pg_promote()")
        before = third.asked()
        for path in about(anna, deal):
            in_time(here.director, path)
        here.act(deal, anna, kind, "2026-02-03")
        assert in_time(here.director, f"/v1/deals/{deal}").json()["progress"] == "1.00"
        assert third.asked() == before


def test_a_standby_that_follows_another_primary_now_answers_only_what_is_common_to_both(
    head: Server,
) -> None:
    """As after a change of primaries that not everybody has heard of."""
    with standby(head, "fourth") as fourth, standby(fourth, "fifth") as fifth:
        fourth.tell("SELECT pg_promote()")
        with company(fourth.url) as elsewhere:
            elsewhere.numbers = _numbers
            for _ in range(5):
                elsewhere.deal(elsewhere.manager("Не наш менеджер"))
            theirs = elsewhere.position
        with reading(head, fifth) as here:
            common = here.director.ask("/v1/events")["events"][-1]["position"]
            wait_until(
                lambda: fifth.tell("SELECT max(notification_id) FROM books.events") == theirs
            )
            while here.position < theirs:
                here.manager()
            all_well(here)
            before = fifth.asked()
            shown = in_time(here.director, "/v1/portfolios").json()
            called = {line["name"] for line in shown["currencies"][0]["managers"]}
            assert "Не наш менеджер" not in called
            assert shown["position"] == here.position
            assert fifth.asked() == before
            assert common


# ------------------------------------------------------------------------ setting up, looking after


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


def test_the_doctor_tells_how_far_each_has_come(head: Server, pair: list[Server]) -> None:
    gone = "host=/nowhere password=geheim"
    found = [*examine_standbys([pair[0].url, head.url, gone])]
    assert [finding.ok for finding in found] == [True, False, False]
    assert found[0].what == "standby 1"
    assert "events" in found[0].found
    assert "make it a standby again" in found[1].mend
    assert "DEALFOLIO_READ_DATABASE_URL" in found[2].mend
    assert "geheim" not in found[2].found


def test_what_is_wrong_with_a_standby_is_logged_once_and_without_its_password(
    head: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with standby(head, "sixth") as sixth, reading(head, sixth) as here:
        sixth.stop()
        try:
            for _ in range(20):
                in_time(here.director, "/v1/portfolios")
            wait_until(lambda: "the primary answers instead of 127.0.0.1" in caplog.text)
            assert caplog.text.count("the primary answers instead of") == 1
            assert PASSWORD not in caplog.text
        finally:
            sixth.start()


def test_without_standbys_the_primary_is_asked_nothing_more(plain: Company, head: Server) -> None:
    before = head.asked("notification_id, originator_id, originator_version, recorded_at")
    plain.director.ask("/v1/portfolios")
    assert head.asked("notification_id, originator_id, originator_version, recorded_at") == before
