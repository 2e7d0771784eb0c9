"""Who moves: the ledger's answer against the folded deals, over any history, and what goes out."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.accounts import Accounts
from api.service import Remembered, Service
from api.settings import Settings
from application.orders import Answer, Order
from domain.directory_commands import RegisterManager
from domain.events import DEAL_EVENTS, Recorded, is_about_a_deal
from domain.values import Account, DealId, ManagerId
from projections.movement import movement_from_ledger
from projections.reports.activity import (
    GAINS,
    Activity,
    Facts,
    Gain,
    Span,
    activities_from_ledger,
    activity_of,
    ranks,
    summed,
)
from projections.reports.activity_in_columns import activities_from_columns
from projections.reports.columns import MOST_EVENTS
from projections.reports.kept import Kept
from projections.snapshots import close_next_cut
from tests.browser import page_of
from tests.histories import (
    DAYS,
    NOON,
    Plot,
    Point,
    cast_of,
    catalogue_commands,
    command_for,
    examples,
    play,
    plots,
    points,
    read_log,
)
from tests.over_http import Company, Person, company, refused

ACTIVITY = "/v1/reports/activity"
_chapters = count(1)


# ---------------------------------------------------------------------------- any history


@pytest.fixture(scope="module")
def service(server: str, template: str) -> Iterator[Service]:
    from tests.conftest import new_database

    with new_database(server, template) as database:
        service = Service(database, Settings(), lambda: NOON)
        _record(service, [Order(command, "director") for command in catalogue_commands()])
        yield service
        service.close()


def _record(service: Service, orders: list[Order]) -> None:
    outcomes = service.dealfolio.transactor.submit_all(orders).result(30)
    assert all(isinstance(one, Answer) for one in outcomes), outcomes


@given(
    plots(16, 30),
    points(3),
    st.lists(st.tuples(st.sampled_from(DAYS[:-1]), st.integers(0, 5)), min_size=3, max_size=3),
    st.sets(st.integers(0, 3), min_size=1),
    st.integers(3, 40),
)
@examples(25)
def test_the_ledger_and_the_log_say_what_the_folded_deals_do(
    service: Service,
    plot: Plot,
    asked: list[Point],
    spans: list[tuple[date, int]],
    who: set[int],
    every: int,
) -> None:
    number = next(_chapters)
    people = cast_of(number)
    _record(service, [Order(RegisterManager(one, one), "admin") for one in people])
    with service.asking() as cursor:
        start = len(read_log(cursor))
    _record(service, [Order(command_for(fact), "desk") for fact in play(plot, number).log])
    some = [people[place] for place in sorted(who)]
    facts = Facts(12)  # so few that some are forgotten
    with service.asking() as cursor:
        close_next_cut(cursor.connection, every=every)
        events = read_log(cursor, start)
        log: dict[DealId, list[Recorded[Any]]] = {}
        for event in filter(is_about_a_deal, events):
            log.setdefault(DealId(event.originator_id), []).append(event)
        for point, (first, days) in zip(asked, spans, strict=True):
            span = Span(first, first + timedelta(days=days))
            as_of = max(point.as_of, span.last)
            at = as_of, point.position(start, start + len(events))
            for managers in (None, some):
                asked_for = span, *at, "RUB", managers, facts
                found = activities_from_ledger(cursor, *asked_for)
                tables = service.columns.at(cursor, at[1])
                assert activities_from_columns(tables, *asked_for) == found
                own = {who: one for who, one in found.items() if who in people}
                assert own == activity_of(log, span, *at, "RUB", managers)
            moved = movement_from_ledger(cursor, span.eve, span.last, at[1], "RUB", some)
            assert _by_gain(moved.lines) == _gained(summed(found.values()))


def _by_gain(lines: Any) -> dict[Gain, int]:
    """The movement of the portfolio by what the report tells apart."""
    gains = dict.fromkeys(Gain, 0)
    for (cause, account), amount in lines.items():
        if account is Account.ACTIVE:
            gains[GAINS[cause]] += amount
    return gains


def _gained(one: Activity) -> dict[Gain, int]:
    return {gain: one.gained.get(gain, 0) for gain in Gain}


def test_every_event_that_moves_a_portfolio_has_its_cause() -> None:
    assert set(DEAL_EVENTS) - set(GAINS) == {"DealOpened", "ExpectedCloseRevised"}


def test_a_span_has_as_many_days_as_the_one_before_it() -> None:
    span = Span(date(2026, 3, 1), date(2026, 3, 31))
    assert span.before == Span(date(2026, 1, 29), date(2026, 2, 28))
    assert [span.has(date(2026, *day)) for day in ((2, 28), (3, 1), (3, 31), (4, 1))] == [
        False, True, True, False,
    ]  # fmt: skip


def test_equal_ones_have_the_same_rank() -> None:
    values = {ManagerId(name): value for name, value in zip("abcd", (5, 9, 5, -1), strict=True)}
    assert ranks(values) == {"a": 2, "b": 1, "c": 2, "d": 4}


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Anna works in March, Boris did in February; Vera of the other team stands still."""
    with company(shared_database) as here:
        for name in ("Север", "Юг"):
            here.director.do("/v1/teams", {"name": name})
        north, south = _teams(here)
        for who, team in (("anna", north), ("boris", north), ("vera", south)):
            here.director.do("/v1/managers", {"name": who, "manager_id": who, "team_id": team})
        here.kind("5.00", code="proposal")
        here.kind("2.00", code="data", needs_confirmation=True)
        annas, won, boriss = here.deal("anna"), here.deal("anna"), here.deal("boris")
        here.deal("vera")
        here.act(won, "anna", "proposal", "2026-02-10")
        here.act(boriss, "boris", "proposal", "2026-02-12")
        here.act(annas, "anna", "proposal", "2026-03-01")
        here.act(annas, "anna", "data", "2026-03-31")
        here.act(annas, "anna", "proposal", "2026-04-01")
        gone = here.act(annas, "anna", "proposal", "2026-03-20")
        here.director.do(
            f"/v1/deals/{annas}/actions/{gone}/withdrawal",
            {"reason": "Дважды", "effective_on": "2026-04-02"},
        )
        here.director.do(
            f"/v1/deals/{won}/win",
            {"contract_amount": "1000000.00", "effective_on": "2026-03-15"},
        )
        here.director.do(
            f"/v1/deals/{annas}/check-revisions",
            {"amount": "500000000.00", "effective_on": "2026-03-25", "reason": "Больше"},
        )
        yield here


def _teams(here: Company) -> list[str]:
    return [one["team_id"] for one in here.director.ask("/v1/teams")["teams"]]


MARCH = {"from_": "2026-03-01", "to": "2026-03-31"}


def test_a_line_says_what_was_done_and_by_what_it_grew(here: Company) -> None:
    answer = here.director.ask(ACTIVITY, **MARCH)
    assert (answer["before_first_day"], answer["before_last_day"]) == ("2026-01-29", "2026-02-28")
    anna, boris, vera = answer["managers"]
    assert [one["manager_id"] for one in answer["managers"]] == ["anna", "boris", "vera"]
    assert anna["now"] == {
        "actions": 2,  # the third was withdrawn in April
        "weight": "7.00",
        "confirmed_share": "71.42",
        "deals_touched": 1,
        "deals": 2,  # one was won in the middle of March
        "gained": {
            "effort": "40000000.00", "check_revisions": "10000000.00", "handovers": "0.00",
            "suspensions": "0.00", "closings": "-20000000.00", "total": "30000000.00",
        },
        "points": {
            "effort": "10.00", "check_revisions": "0.00", "handovers": "0.00",
            "suspensions": "0.00", "closings": "-5.00", "total": "5.00",
        },
    }  # fmt: skip
    assert (anna["rank"], anna["rank_before"]) == (1, 1)
    assert (anna["change"], anna["change_share"]) == ("20000000.00", "100.00")
    assert (boris["change"], boris["change_share"], boris["rank"]) == (
        "-20000000.00", "-100.00", 2,
    )  # fmt: skip
    assert (vera["now"]["deals"], vera["now"]["confirmed_share"], vera["change_share"]) == (
        1, None, None,
    )  # fmt: skip
    assert vera["rank"] == 2, "nothing is as much as nothing"
    assert answer["median"] == {"actions": 0, "effort": "0.00", "effort_before": "20000000.00"}


def test_a_claim_counts_as_confirmed_as_soon_as_it_is(database: str) -> None:
    with company(database) as here:
        anna, kind = here.manager(), here.kind("2.00", needs_confirmation=True)
        deal = here.deal(anna)
        claim = here.act(deal, anna, kind, "2026-03-20")

        def share() -> str:
            (own,) = here.director.ask(ACTIVITY, **MARCH)["managers"]
            return str(own["now"]["confirmed_share"])

        assert share() == "0.00"
        here.director.do(f"/v1/deals/{deal}/actions/{claim}/confirmation")
        assert share() == "100.00"


def test_what_was_gained_is_what_moved(here: Company) -> None:
    answer = here.director.ask(ACTIVITY, **MARCH)
    moved = here.director.ask("/v1/portfolios/movement", from_="2026-02-28", to="2026-03-31")
    change = Decimal(moved["closing"]["active"]) - Decimal(moved["opening"]["active"])
    assert Decimal(answer["total"]["now"]["gained"]["total"]) == change
    lines = [Decimal(one["now"]["gained"]["total"]) for one in answer["managers"]]
    assert sum(lines) == change
    for one in answer["managers"]:
        own = here.director.ask(
            "/v1/portfolios/movement",
            from_="2026-02-28", to="2026-03-31", manager_id=one["manager_id"],
        )  # fmt: skip
        by_cause = {
            line["cause"]: Decimal(line["amount"])
            for line in own["lines"]
            if line["account"] == "active"
        }
        gained = one["now"]["gained"]
        assert Decimal(gained["closings"]) == by_cause.get("DealWon", 0)
        assert Decimal(gained["check_revisions"]) == by_cause.get("PotentialCheckRevised", 0)


@pytest.fixture(params=[MOST_EVENTS, 0], ids=["from memory", "from the database"])
def _asked_of(
    here: Company, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told before is not told again."""
    monkeypatch.setattr(here.service, "_remembered", Remembered(None))
    monkeypatch.setattr(here.service.columns, "most_events", request.param)


@pytest.mark.usefixtures("_asked_of")
def test_a_withdrawal_counts_from_its_day_on(here: Company) -> None:
    """What is asked as of March does not know of April."""
    then = here.director.ask(ACTIVITY, **MARCH, as_of="2026-04-01")["managers"][0]["now"]
    assert (then["actions"], then["weight"]) == (3, "12.00")


def test_the_span_before_is_what_was_asked_then(here: Company) -> None:
    march = here.director.ask(ACTIVITY, **MARCH)
    february = here.director.ask(ACTIVITY, from_="2026-01-29", to="2026-02-28")
    before = {one["manager_id"]: one["before"] for one in march["managers"]}
    assert before == {one["manager_id"]: one["now"] for one in february["managers"]}
    assert march["total"]["before"] == february["total"]["now"]


def test_the_span_is_the_month_so_far_when_nobody_says_otherwise(here: Company) -> None:
    answer = here.director.ask(ACTIVITY, as_of="2026-03-20")
    assert (answer["first_day"], answer["last_day"]) == ("2026-03-01", "2026-03-20")


@pytest.mark.parametrize(
    ("asked", "field", "what"),
    [
        ({"from_": "2026-04-01", "to": "2026-03-31"}, "from", "начало позже конца"),
        ({"to": "2026-03-31", "as_of": "2026-03-30"}, "to", "позже, чем as_of"),
        ({"from_": "2025-03-01", "to": "2026-03-02"}, "from", "слишком много дней"),
    ],
    ids=str,
)
def test_a_span_that_cannot_be_asked_about_is_refused(
    here: Company, asked: dict[str, str], field: str, what: str
) -> None:
    problem = refused(here.director.get(ACTIVITY, **asked), 422, "validation")
    (error,) = problem["errors"]
    assert (error["field"], error["detail"].startswith(what)) == (field, True)
    assert here.director.get(ACTIVITY, from_="2025-03-01", to="2026-03-01").status_code == 200


def test_one_is_told_of_those_whom_one_may_see(here: Company) -> None:
    north, south = _teams(here)
    shown: dict[str, tuple[Person, dict[str, str], list[str]]] = {
        "manager": (here.hire("manager", manager_id="anna"), {}, ["anna"]),
        "head": (here.hire("head", team_id=north), {}, ["anna", "boris"]),
        "director": (here.director, {"team_id": south}, ["vera"]),
        "auditor": (here.hire("auditor"), {}, ["anna", "boris", "vera"]),
    }
    for role, (person, more, who) in shown.items():
        told = person.ask(ACTIVITY, **MARCH, **more)["managers"]
        assert [one["manager_id"] for one in told] == who, role
    refused(here.admin.get(ACTIVITY), 403, "forbidden")
    refused(shown["head"][0].get(ACTIVITY, team_id=south), 404, "not-found")


def test_a_head_is_told_nothing_of_a_time_in_another_team(here: Company) -> None:
    north, south = _teams(here)
    head = here.hire("head", team_id=north)
    for who, day in (("new", "2026-02-10"), ("newer", "2026-03-10")):
        here.director.do("/v1/managers", {"name": who, "manager_id": who, "team_id": south})
        move = {"team_id": north, "effective_on": day}
        here.director.do(f"/v1/managers/{who}/team-changes", move)
    told = {one["manager_id"]: one for one in head.ask(ACTIVITY, **MARCH)["managers"]}
    assert "newer" not in told
    assert (told["new"]["before"], told["new"]["rank_before"], told["new"]["change"]) == (
        None, None, None,
    )  # fmt: skip


def test_each_cause_is_told_apart(here: Company) -> None:
    """What left the portfolio by one and came back by another stands in both."""
    for name in ("giver", "taker"):
        here.director.do("/v1/managers", {"name": name, "manager_id": name})
    deal = here.deal("giver")
    here.act(deal, "giver", "proposal", "2026-05-04")
    why = {"effective_on": "2026-05-05", "reason": "Пауза"}
    here.director.do(f"/v1/deals/{deal}/suspension", why | {"review_on": "2026-12-01"})
    asked = {"from_": "2026-05-04", "to": "2026-05-05"}

    def gained(who: str) -> dict[str, str]:
        lines = {one["manager_id"]: one for one in here.director.ask(ACTIVITY, **asked)["managers"]}
        return {name: one for name, one in lines[who]["now"]["gained"].items() if one != "0.00"}

    assert gained("giver") == {"effort": "20000000.00", "suspensions": "-20000000.00"}
    here.director.do(f"/v1/deals/{deal}/resumption", {"effective_on": "2026-05-05"})
    assert gained("giver") == {"effort": "20000000.00", "total": "20000000.00"}
    to = {"to_manager_id": "taker", "transfer_credit": True}
    here.director.do(f"/v1/deals/{deal}/handovers", to | why)
    assert gained("giver") == {"effort": "20000000.00", "handovers": "-20000000.00"}
    assert gained("taker") == {"handovers": "20000000.00", "total": "20000000.00"}


def test_whoever_was_forgotten_has_no_name_in_a_report_that_is_kept(here: Company) -> None:
    here.director.do("/v1/managers", {"name": "Ушедший", "manager_id": "gone"})
    point = {"as_of": "2026-03-31", "position": here.position}
    assert "Ушедший" in here.director.get(ACTIVITY, **point).text
    Accounts(here.service).forget("gone")
    assert "Ушедший" not in here.director.get(ACTIVITY, **point).text


# ---------------------------------------------------------------------------- pages


def test_each_figure_of_the_page_leads_to_what_made_it(here: Company) -> None:
    page = page_of(here, here.director).get("/reports/activity?from=2026-03-01&to=2026-03-31").text
    assert "+40,0" in page
    assert "/movement?from=2026-02-28&amp;to=2026-03-31&amp;manager_id=anna#actions" in page
    moved = page_of(here, here.director).get("/movement?from=2026-02-28&to=2026-03-31").text
    assert 'id="actions"' in moved


def test_a_page_says_what_to_do_where_nothing_was_done(here: Company) -> None:
    page = page_of(here, here.director).get("/reports/activity?from=2026-01-01&to=2026-01-02").text
    assert "никто не сделал" in page


@pytest.mark.parametrize(
    ("measure", "shown"),
    [
        ("absolute", {"anna": ["40000000.00", "50000000.00"], "vera": ["0.00", "0.00"]}),
        ("per-deal", {"anna": ["20000000.00", "50000000.00"], "vera": ["0.00", "0.00"]}),
        ("indexed", {"anna": ["100.00", "125.00"], "vera": [None, None]}),
    ],
)
def test_managers_are_compared_in_all_for_a_deal_and_from_one_beginning(
    here: Company, measure: str, shown: dict[str, list[str | None]]
) -> None:
    """Week by week, from the first Sunday on."""
    asked = f"from=2026-02-28&to=2026-03-31&measure={measure}&m1=anna&m2=vera&m3=nobody"
    director = page_of(here, here.director)
    table = director.get(f"/reports/comparison/points.json?{asked}").json()
    columns = [{**row} for row in table["rows"]]
    names = [name for name in columns[0] if name != "Дата"]
    assert len(names) == 2, "whoever is not there is left out"
    for name, values in zip(names, shown.values(), strict=True):
        assert [columns[-1][name], columns[0][name]] == values
    page = director.get(f"/reports/comparison?{asked}").text
    assert page.count('class="sl ') == (4 if measure != "indexed" else 2), "wide, and for a phone"


def test_a_manager_is_compared_with_nobody_whom_they_may_not_see(here: Company) -> None:
    anna = page_of(here, here.hire("manager", manager_id="anna"))
    page = anna.get("/reports/comparison?m1=vera&m2=anna")
    assert page.status_code == 200
    assert "Вера" not in page.text.partition("<main")[2]
    assert 'value="vera"' not in page.text


@pytest.mark.usefixtures("_asked_of")
def test_what_amended_an_action_counts_in_the_order_of_the_book(here: Company) -> None:
    """Seldom drawn: the change that holds earlier is recorded later."""
    deal = here.deal("vera", on="2026-05-04")
    action = here.act(deal, "vera", "proposal", "2026-05-05")
    for weight, day in (("6.00", "2026-05-20"), ("4.00", "2026-05-11")):
        here.director.do(
            f"/v1/deals/{deal}/actions/{action}/weight-changes",
            {"weight": weight, "effective_on": day, "reason": "Пересмотр"},
        )
    answer = here.director.ask(ACTIVITY, from_="2026-05-01", to="2026-05-31")
    (vera,) = (one for one in answer["managers"] if one["manager_id"] == "vera")
    assert vera["now"]["weight"] == f"{6 * vera['now']['actions']}.00"


# ---------------------------------------------------------------------------- what is kept


def test_what_was_wanted_longest_ago_is_forgotten_first() -> None:
    kept = Kept[str, bytes](5, len)
    for name in ("a", "b"):
        kept.keep(name, b"22")
    kept.find("a")
    kept.keep("c", b"22")
    assert [kept.find(name) for name in "abc"] == [b"22", None, b"22"]
    kept.keep("c", b"333")
    assert [kept.find(name) for name in "ac"] == [b"22", b"333"]
    kept.keep("d", b"666666")
    assert [kept.find(name) for name in "acd"] == [None, None, None]


def test_what_is_kept_is_read_once_and_what_is_asked_is_told_whole() -> None:
    kept, read = Kept[str, int](2), list[list[str]]()

    def lengths(words: list[str]) -> dict[str, int]:
        read.append(words)
        return {word: len(word) for word in words}

    for asked in (["a", "bb"], ["a"], ["ccc", "a"], ["bb", "ccc", "dddd"]):
        assert kept.all(asked, lengths) == {word: len(word) for word in asked}
    assert read == [["a", "bb"], ["ccc"], ["bb", "dddd"]]
