"""The contract by example (design, section 6), over HTTP, as those who use it would.

Today is 20 October 2026, noon in Moscow, unless a test puts the clock elsewhere. Tests share one
company and make their own people and deals; those that ask about everybody found a new one.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic_core import to_json

from api.portfolio_answers import PortfoliosAnswer
from projections.directory import EARLIER
from tests.conftest import new_database
from tests.over_http import AUTUMN, JSON, PROBLEM, Company, Person, company, refused

ASKED = {"as_of", "known_at", "position"}
ACCOUNTS = {"active", "claimed", "suspended", "lost", "won"}
NOTHING = dict.fromkeys(sorted(ACCOUNTS), "0.00")
RECORDED = {"version", "position", "recorded_at"}
REASON = {"reason": "Так договорились"}


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        yield begun


@pytest.fixture
def founded(database: str) -> Iterator[Company]:
    """A company of this test alone."""
    with company(database) as begun:
        yield begun


@pytest.fixture(scope="module")
def proposal(here: Company) -> str:
    """The commercial proposal presented to the decision maker: +5 %."""
    return here.kind("5.00", code="proposal-presented")


@pytest.fixture(scope="module")
def data(here: Company) -> str:
    """The data for the design collected: +2 %."""
    return here.kind("2.00", code="data-collected")


@pytest.fixture(scope="module")
def claimed(here: Company) -> str:
    return here.kind("10.00", code="visit", needs_confirmation=True)


@pytest.fixture(scope="module")
def setback(here: Company) -> str:
    return here.kind("-3.50", code="client-silent")


@pytest.fixture
def anna(here: Company) -> str:
    return here.manager("Анна Соколова")


@pytest.fixture
def pavel(here: Company) -> str:
    return here.manager("Павел Орлов")


def value(here: Company, manager: str, as_of: str | None = None, **more: object) -> dict[str, str]:
    """What a manager has in roubles, by account; zeros are left out."""
    when = more if as_of is None else {"as_of": as_of, **more}
    held = here.director.ask(f"/v1/managers/{manager}/portfolio", **when)["currencies"][0]
    return {name: held[name] for name in sorted(ACCOUNTS) if held[name] != "0.00"}


def credits_of(here: Company, deal: str, as_of: str | None = None) -> list[dict[str, str]]:
    """Who holds what of a deal, action by action."""
    when = {} if as_of is None else {"as_of": as_of}
    return [
        {entry["manager_id"]: entry["credit"] for entry in action["credits"]}
        for action in here.director.ask(f"/v1/deals/{deal}", **when)["actions"]
    ]


# ------------------------------------------------------------------------------------ the case


def test_a_proposal_adds_20_million_to_a_portfolio_and_data_8_million(
    here: Company, proposal: str, data: str, anna: str
) -> None:
    deal = here.deal(anna, "400000000.00", on="2026-01-12")
    here.act(deal, anna, proposal, "2026-02-03")
    here.act(deal, anna, data, "2026-02-10")
    assert value(here, anna, "2026-02-02") == {}
    assert value(here, anna, "2026-02-03") == {"active": "20000000.00"}
    assert value(here, anna, "2026-02-09") == {"active": "20000000.00"}
    assert value(here, anna, "2026-02-10") == {"active": "28000000.00"}
    assert value(here, anna, "2026-02-11") == {"active": "28000000.00"}
    events = here.director.ask(f"/v1/deals/{deal}/events")["events"]
    assert [event["added"] for event in events[1:]] == [
        [{"manager_id": anna, "account": "active", "amount": "20000000.00", "credit": "5.00"}],
        [{"manager_id": anna, "account": "active", "amount": "8000000.00", "credit": "2.00"}],
    ]


def test_a_portfolio_is_what_we_reported_and_also_what_we_know_today(founded: Company) -> None:
    """The two axes: recorded on 1 July and, late, on 11 July; asked for the end of June."""
    anna, five, two = founded.manager(), founded.kind("5.00"), founded.kind("2.00")
    founded.clock.now = datetime(2026, 10, 21, 10, tzinfo=UTC)
    deal = founded.deal(anna)
    founded.act(deal, anna, five, "2026-06-10")
    reported = founded.position
    founded.clock.now = datetime(2026, 10, 31, 10, tzinfo=UTC)
    body = {"action_type": two, "effective_on": "2026-06-12", "manager_id": anna}
    late = founded.director.do(f"/v1/deals/{deal}/actions", body)

    june = {"as_of": "2026-06-30"}
    reported_value, known_value = {"active": "20000000.00"}, {"active": "28000000.00"}
    assert value(founded, anna, **june) == known_value
    for known_at, expected in {
        "2026-10-20": {},
        "2026-10-21": reported_value,
        "2026-10-30": reported_value,
        "2026-10-31": known_value,
        "2026-10-31T12:59:59.999999+03:00": reported_value,
        "2026-10-31T13:00:00+03:00": known_value,
        "2026-10-31T10:00:00Z": known_value,
        late["recorded_at"]: known_value,
    }.items():
        assert value(founded, anna, **june, known_at=known_at) == expected, known_at
    assert value(founded, anna, **june, position=late["position"] - 1) == reported_value
    assert value(founded, anna, **june, position=late["position"]) == known_value
    assert value(founded, anna, **june, position=0) == {}

    answer = founded.director.ask(
        "/v1/portfolios/restatement",
        **june,
        from_known_at="2026-10-21",
        to_known_at="2026-10-31",
        manager_id=anna,
    )
    assert (answer["from_position"], answer["position"]) == (reported, late["position"])
    assert answer["earlier"] == NOTHING | reported_value
    assert answer["later"] == NOTHING | known_value
    assert answer["lines"] == [
        {
            "position": late["position"],
            "recorded_at": late["recorded_at"],
            "event": "ActionPerformed",
            "deal_id": deal,
            "manager_id": anna,
            "account": "active",
            "effective_on": "2026-06-12",
            "late_days": 141,
            "amount": "8000000.00",
        }
    ]


def test_an_answer_says_at_which_point_it_was_given(here: Company) -> None:
    ask = here.director.ask
    now = ask("/v1/portfolios")
    assert now["as_of"] == "2026-10-20"
    assert now["position"] == here.position
    assert datetime.fromisoformat(now["known_at"]) >= AUTUMN
    yesterday = ask("/v1/portfolios", as_of="2026-06-30", known_at="2026-10-19")
    assert (yesterday["as_of"], yesterday["position"]) == ("2026-06-30", 0)
    assert yesterday["known_at"] == "2026-10-19T23:59:59.999999+03:00"
    instant = ask("/v1/portfolios", known_at="2026-10-20T08:59:59Z")
    assert datetime.fromisoformat(instant["known_at"]) == AUTUMN - timedelta(seconds=1)
    finer = ask("/v1/portfolios", known_at="2026-10-20T08:59:59.123456789Z")
    assert finer["known_at"] == "2026-10-20T11:59:59.123456+03:00"
    recorded = here.director.do("/v1/teams", {"name": "Юг"})
    at = ask("/v1/portfolios", position=recorded["position"])
    assert at["position"] == recorded["position"]
    assert datetime.fromisoformat(at["known_at"]) == datetime.fromisoformat(recorded["recorded_at"])


def test_the_same_point_gives_the_same_answer_for_ever(
    here: Company, proposal: str, data: str, claimed: str
) -> None:
    team = here.director.do("/v1/teams", {"name": "Север"})["team_id"]
    anna = here.manager("Анна", team_id=team)
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    claim = here.act(deal, anna, claimed, "2026-02-04")
    point = {"as_of": "2026-06-30", "position": here.position}
    span = {"from_": "2026-01-01", "to": "2026-06-30", "position": here.position}
    questions: list[tuple[str, Mapping[str, object]]] = [
        ("/v1/portfolios", point),
        ("/v1/portfolios", point | {"team_id": team}),
        (f"/v1/managers/{anna}/portfolio", point),
        (f"/v1/managers/{anna}/portfolio/series", span | {"step": "week"}),
        ("/v1/portfolios/series", span | {"team_id": team}),
        ("/v1/portfolios/movement", span | {"team_id": team}),
        ("/v1/deals", point | {"manager_id": anna}),
        ("/v1/actions", point),
        ("/v1/actions", point | {"state": "claimed", "team_id": team}),
        (f"/v1/deals/{deal}", point),
        (f"/v1/deals/{deal}/events", point),
        ("/v1/action-types", point),
        ("/v1/teams", point),
        ("/v1/managers", point),
        ("/v1/periods", point),
    ]
    before = [here.director.get(path, **query).content for path, query in questions]

    here.director.do(f"/v1/deals/{deal}/actions/{claim}/confirmation")
    here.act(deal, anna, data, "2026-02-03")
    here.director.do(f"/v1/managers/{anna}/team-changes", _team_change(here, "2026-03-01"))
    here.deal(here.manager())
    here.kind()
    lost = {"effective_on": "2026-06-01", **REASON}
    here.director.do(f"/v1/deals/{deal}/loss", lost)
    after = [here.director.get(path, **query).content for path, query in questions]
    assert after == before
    assert value(here, anna, "2026-06-30") == {"lost": "68000000.00"}


def _team_change(here: Company, on: str) -> dict[str, str]:
    team = here.director.do("/v1/teams", {"name": "Запад"})["team_id"]
    return {"team_id": team, "effective_on": on}


def test_portfolios_go_out_as_their_shape_would_be_written(founded: Company, database: str) -> None:
    """Byte for byte, though they are written by hand: quotes, other letters, no name, nobody."""
    kind, claimed = founded.kind("5.01"), founded.kind("3.00", needs_confirmation=True)
    for name in ('Анна "Скала" \\ Соколова', "Zoë 😀", "Забытый"):
        manager = founded.manager(name)
        roubles, dollars = (
            founded.deal(manager, "1000000.07"),
            founded.deal(manager, currency="USD"),
        )
        founded.act(roubles, manager, kind, "2026-02-03")
        founded.act(dollars, manager, claimed, "2026-02-03")
    won = {"contract_amount": "1.23", "effective_on": "2026-03-02"}
    founded.director.do(f"/v1/deals/{dollars}/win", won)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM books.people WHERE person_id = %s", [manager])
    now, earlier, before = (
        founded.director.get("/v1/portfolios", as_of=as_of).content
        for as_of in ("2026-10-20", "2026-02-03", "2025-01-01")
    )
    for body in (now, earlier, before):
        assert body == to_json(PortfoliosAnswer.model_validate_json(body, strict=True))
    assert b'"name":null' in now
    assert b"USD" in earlier
    assert len({now, earlier, before}) == 3


def test_who_was_there_at_an_earlier_point_is_told_for_each(founded: Company) -> None:
    """More points than are kept; each twice."""
    begun = founded.position
    people = [founded.manager() for _ in range(EARLIER + 2)]
    told = [
        [
            line["manager_id"]
            for line in founded.director.ask("/v1/managers", position=begun + number)["managers"]
        ]
        for number in [*range(len(people)), *range(len(people))]
    ]
    assert told == 2 * [people[:number] for number in range(len(people))]


def test_today_is_moscows(founded: Company) -> None:
    founded.clock.now = datetime(2026, 10, 30, 20, 59, 59, tzinfo=UTC)
    anna = founded.manager()
    tomorrow = {**_opening(anna), "effective_on": "2026-10-31"}
    refused(founded.director.post("/v1/deals", tomorrow), 409, "in-the-future")
    founded.clock.now += timedelta(seconds=1)
    founded.director.do("/v1/deals", tomorrow)
    assert founded.director.ask("/v1/portfolios")["as_of"] == "2026-10-31"


def _opening(manager: str, **more: object) -> dict[str, object]:
    check = {"amount": "400000000.00", "currency": "RUB"}
    opening = {"title": "Витрины", "client": "Ромашка", "potential_check": check}
    return {**opening, "manager_id": manager, "effective_on": "2026-01-12", **more}


# ----------------------------------------------------------------------- commands, one by one


def new(person: Person, path: str, body: object, *ids: str) -> dict[str, Any]:
    return _answered(person, 201, path, body, ids)


def done(person: Person, path: str, body: object, *ids: str) -> dict[str, Any]:
    return _answered(person, 200, path, body, ids)


def _answered(
    person: Person, status: int, path: str, body: object, ids: tuple[str, ...]
) -> dict[str, Any]:
    response = person.post(path, body)
    assert response.status_code == status, response.text
    answer = dict(response.json())
    assert set(answer) == {*ids, *RECORDED}
    assert response.headers["etag"] == f'"{answer["version"]}"'
    assert response.headers["content-type"] == JSON
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer["recorded_at"])
    return answer


def test_people_and_teams_are_registered(here: Company) -> None:
    north = new(here.director, "/v1/teams", {"name": "Север"}, "team_id")
    south = new(here.director, "/v1/teams", {"name": "Юг"}, "team_id")
    assert (north["version"], UUID(north["team_id"]).version) == (1, 4)
    assert south["position"] == north["position"] + 1
    made = new(here.director, "/v1/managers", {"name": "Ёрёма Щукин"}, "manager_id")
    assert UUID(made["manager_id"]).version == 4
    body = {"name": "Пётр", "team_id": north["team_id"], "manager_id": "petr.ivanov_2"}
    own = new(here.director, "/v1/managers", body, "manager_id")
    assert own["manager_id"] == "petr.ivanov_2"
    moved = done(
        here.director,
        "/v1/managers/petr.ivanov_2/team-changes",
        {"team_id": south["team_id"], "effective_on": "2026-03-01"},
        "manager_id",
    )
    assert (moved["manager_id"], moved["version"]) == ("petr.ivanov_2", 2)
    again = refused(here.director.post("/v1/managers", body), 409, "not-allowed-now")
    assert again["rule"] == "already-exists"


def test_the_catalogue_is_kept_with_dates(here: Company) -> None:
    body = {
        "code": "sample-shown",
        "title": {"ru": "Образец показан", "en": "Sample shown"},
        "weight": "3.00",
        "effective_from": "2026-02-01",
        "max_per_deal": 2,
        "evidence_required": True,
        "needs_confirmation": True,
    }
    assert new(here.director, "/v1/action-types", body, "code")["code"] == "sample-shown"
    again = refused(here.director.post("/v1/action-types", body), 409, "not-allowed-now")
    assert again["rule"] == "already-exists"
    change = {"weight": "4.50", "effective_from": "2026-05-01", "reason": "Регламент № 2"}
    changed = done(here.director, "/v1/action-types/sample-shown/weights", change, "code")
    assert changed["version"] == 2
    retired = {"effective_from": "2026-09-01"}
    done(here.director, "/v1/action-types/sample-shown/retirement", retired, "code")

    def in_force(as_of: str) -> str | None:
        page = here.director.ask("/v1/action-types", as_of=as_of, limit=1_000)
        (found,) = (one for one in page["action_types"] if one["code"] == "sample-shown")
        weight: str | None = found.pop("weight")
        assert found == {
            "code": "sample-shown",
            "title": body["title"],
            "weights": [
                {"weight": "3.00", "effective_from": "2026-02-01"},
                {"weight": "4.50", "effective_from": "2026-05-01"},
            ],
            "max_per_deal": 2,
            "evidence_required": True,
            "needs_confirmation": True,
            "retired_from": "2026-09-01",
        }
        return weight

    days = ("2026-01-31", "2026-02-01", "2026-04-30", "2026-05-01", "2026-08-31", "2026-09-01")
    assert [in_force(day) for day in days] == [None, "3.00", "3.00", "4.50", "4.50", None]


def test_a_later_change_of_the_catalogue_changes_no_deal(here: Company, anna: str) -> None:
    kind = here.kind("5.00")
    deal = here.deal(anna)
    here.act(deal, anna, kind, "2026-02-03")
    change = {"weight": "1.00", "effective_from": "2026-01-01", **REASON}
    here.director.do(f"/v1/action-types/{kind}/weights", change)
    here.act(deal, anna, kind, "2026-02-03")
    assert credits_of(here, deal) == [{anna: "5.00"}, {anna: "1.00"}]


def test_a_deal_is_opened(here: Company, anna: str) -> None:
    body = _opening(anna, expected_close_on="2026-12-01")
    opened = new(here.director, "/v1/deals", body, "deal_id")
    assert opened["version"] == 1
    response = here.director.get(f"/v1/deals/{opened['deal_id']}")
    assert response.headers["etag"] == '"1"'
    shown = response.json()
    assert set(shown) >= ASKED
    assert {name: shown[name] for name in shown if name not in ASKED} == {
        "deal_id": opened["deal_id"],
        "title": "Витрины",
        "client": "Ромашка",
        "status": "open",
        "owner": anna,
        "potential_check": {"amount": "400000000.00", "currency": "RUB"},
        "progress": "0.00",
        "opened_on": "2026-01-12",
        "expected_close_on": "2026-12-01",
        "version": 1,
        "contract": None,
        "actions": [],
    }


def test_a_deal_is_not_there_before_its_opening(here: Company, anna: str) -> None:
    deal = here.deal(anna, on="2026-03-02")
    before = here.director.get(f"/v1/deals/{deal}", as_of="2026-03-01")
    refused(before, 404, "not-found")
    assert here.director.ask(f"/v1/deals/{deal}", as_of="2026-03-02")["status"] == "open"
    unknown_then = here.director.get(f"/v1/deals/{deal}", position=here.position - 1)
    refused(unknown_then, 404, "not-found")


def test_an_action_is_recorded_with_its_evidence(here: Company, proposal: str, anna: str) -> None:
    deal = here.deal(anna)
    body = {
        "action_type": proposal,
        "effective_on": "2026-02-03",
        "manager_id": anna,
        "evidence": "Протокол № 7",
        "comment": "Был и директор.\nПросит скидку",
    }
    acted = new(here.director, f"/v1/deals/{deal}/actions", body, "deal_id", "action_id")
    assert (acted["deal_id"], acted["version"]) == (deal, 2)
    (action,) = here.director.ask(f"/v1/deals/{deal}")["actions"]
    assert action == {
        "action_id": acted["action_id"],
        "action_type": proposal,
        "effective_on": "2026-02-03",
        "recorded_at": acted["recorded_at"],
        "late_days": 259,
        "state": "counted",
        "weight": "5.00",
        "credit": "5.00",
        "credits": [{"manager_id": anna, "weight": "5.00", "credit": "5.00"}],
        "evidence": "Протокол № 7",
        "comment": "Был и директор.\nПросит скидку",
    }


def test_an_action_of_several_is_shared_as_they_say(
    here: Company, proposal: str, anna: str, pavel: str
) -> None:
    deal = here.deal(anna)
    shares = [{"manager_id": pavel, "weight": "3.01"}, {"manager_id": anna, "weight": "1.99"}]
    body = {"action_type": proposal, "effective_on": "2026-02-03", "credits": shares}
    new(here.director, f"/v1/deals/{deal}/actions", body, "deal_id", "action_id")
    assert credits_of(here, deal) == [{pavel: "3.01", anna: "1.99"}]
    assert value(here, pavel) == {"active": "12040000.00"}
    assert value(here, anna) == {"active": "7960000.00"}


def test_a_claim_counts_from_its_confirmation(
    here: Company, claimed: str, anna: str, pavel: str
) -> None:
    deal = here.deal(anna)
    claim = here.act(deal, pavel, claimed, "2026-02-03")
    assert value(here, pavel) == {"claimed": "40000000.00"}
    path = f"/v1/deals/{deal}/actions/{claim}/confirmation"
    done(here.director, path, {"effective_on": "2026-02-20"}, "deal_id", "action_id")
    assert value(here, pavel, "2026-02-19") == {"claimed": "40000000.00"}
    assert value(here, pavel, "2026-02-20") == {"active": "40000000.00"}
    later = here.director.post(path, {"effective_on": "2026-02-20"})
    assert refused(later, 409, "not-allowed-now")["rule"] == "action-not-claimed"
    earlier = refused(here.director.post(path), 409, "breaks-later-history")
    assert earlier["event"]["type"] == "ActionConfirmed"


@pytest.mark.parametrize("body", [None, {}, {"effective_on": None}], ids=["none", "{}", "null"])
def test_a_confirmation_without_a_date_is_of_the_actions_date(
    here: Company, claimed: str, anna: str, body: object
) -> None:
    deal = here.deal(anna)
    claim = here.act(deal, anna, claimed, "2026-02-03")
    path = f"/v1/deals/{deal}/actions/{claim}/confirmation"
    done(here.director, path, body, "deal_id", "action_id")
    assert value(here, anna, "2026-02-02") == {}
    assert value(here, anna, "2026-02-03") == {"active": "40000000.00"}


def test_a_claim_that_is_rejected_never_counted(here: Company, claimed: str, anna: str) -> None:
    deal = here.deal(anna)
    claim = here.act(deal, anna, claimed, "2026-02-03")
    path = f"/v1/deals/{deal}/actions/{claim}/rejection"
    done(here.director, path, REASON, "deal_id", "action_id")
    assert value(here, anna, "2026-02-03") == {}
    (action,) = here.director.ask(f"/v1/deals/{deal}")["actions"]
    assert (action["state"], action["weight"], action["credit"]) == ("rejected", "10.00", "0.00")
    confirmation = here.director.post(f"/v1/deals/{deal}/actions/{claim}/confirmation")
    assert refused(confirmation, 409, "not-allowed-now")["rule"] == "action-not-live"


def test_an_action_is_re_weighted_from_a_date(here: Company, proposal: str, anna: str) -> None:
    deal = here.deal(anna)
    action = here.act(deal, anna, proposal, "2026-02-03")
    path = f"/v1/deals/{deal}/actions/{action}/weight-changes"
    lowered = {"weight": "4.25", "effective_on": "2026-03-02", **REASON}
    done(here.director, path, lowered, "deal_id", "action_id")
    assert value(here, anna, "2026-03-01") == {"active": "20000000.00"}
    assert value(here, anna, "2026-03-02") == {"active": "17000000.00"}
    raised = {"weight": "7.00", "effective_on": "2026-04-01", **REASON}
    done(here.director, path, raised, "deal_id", "action_id")
    assert value(here, anna, "2026-04-01") == {"active": "28000000.00"}
    negative = {"weight": "-1.00", "effective_on": "2026-04-02", **REASON}
    problem = refused(here.director.post(path, negative), 409, "not-allowed-now")
    assert problem["rule"] == "weight-not-positive"
    early = {"weight": "1.00", "effective_on": "2026-02-02", **REASON}
    problem = refused(here.director.post(path, early), 409, "not-allowed-now")
    assert problem["rule"] == "before-its-action"


def test_an_action_is_withdrawn_as_of_its_own_date(here: Company, proposal: str, anna: str) -> None:
    deal = here.deal(anna)
    action = here.act(deal, anna, proposal, "2026-02-03")
    path = f"/v1/deals/{deal}/actions/{action}/withdrawal"
    done(here.director, path, REASON, "deal_id", "action_id")
    assert value(here, anna, "2026-02-03") == {}
    assert here.director.ask(f"/v1/managers/{anna}/portfolio")["actions"] == 0
    problem = refused(here.director.post(path, REASON), 409, "not-allowed-now")
    assert problem["rule"] == "action-not-live"


def test_a_setback_takes_in_proportion_and_gives_back_when_withdrawn(
    here: Company, proposal: str, data: str, setback: str, anna: str, pavel: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    here.act(deal, pavel, data, "2026-02-04")
    silence = here.act(deal, anna, setback, "2026-02-05")
    assert credits_of(here, deal) == [{anna: "2.50"}, {pavel: "1.00"}, {anna: "0.00"}]
    assert value(here, pavel) == {"active": "4000000.00"}
    path = f"/v1/deals/{deal}/actions/{silence}/withdrawal"
    here.director.do(path, {"effective_on": "2026-02-20", **REASON})
    assert credits_of(here, deal, "2026-02-19")[:2] == [{anna: "2.50"}, {pavel: "1.00"}]
    assert credits_of(here, deal, "2026-02-20")[:2] == [{anna: "5.00"}, {pavel: "2.00"}]


def test_a_deal_never_holds_more_than_100_percent(here: Company, anna: str, pavel: str) -> None:
    much = here.kind("60.00")
    deal = here.deal(anna)
    here.act(deal, anna, much, "2026-02-03")
    shares = [{"manager_id": anna, "weight": "20.00"}, {"manager_id": pavel, "weight": "40.00"}]
    body = {"action_type": much, "effective_on": "2026-02-04", "credits": shares}
    here.director.do(f"/v1/deals/{deal}/actions", body)
    assert here.director.ask(f"/v1/deals/{deal}")["progress"] == "100.00"
    assert credits_of(here, deal) == [{anna: "60.00"}, {anna: "13.33", pavel: "26.67"}]


def test_the_potential_check_is_revised(here: Company, proposal: str, anna: str) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    body = {"amount": "450000000.02", "effective_on": "2026-04-15", **REASON}
    done(here.director, f"/v1/deals/{deal}/check-revisions", body, "deal_id")
    assert value(here, anna, "2026-04-14") == {"active": "20000000.00"}
    assert value(here, anna, "2026-04-15") == {"active": "22500000.001"}
    check = here.director.ask(f"/v1/deals/{deal}")["potential_check"]
    assert check == {"amount": "450000000.02", "currency": "RUB"}


def test_the_expected_close_is_revised(here: Company, anna: str) -> None:
    deal = here.deal(anna, expected_close_on="2026-12-01")
    body = {"expected_close_on": "2027-02-01", "effective_on": "2026-05-20"}
    done(here.director, f"/v1/deals/{deal}/expected-close-revisions", body, "deal_id")
    ask = here.director.ask
    assert ask(f"/v1/deals/{deal}", as_of="2026-05-19")["expected_close_on"] == "2026-12-01"
    assert ask(f"/v1/deals/{deal}", as_of="2026-05-20")["expected_close_on"] == "2027-02-01"


@pytest.mark.parametrize(
    ("transfer", "whose"), [(True, "pavel"), (False, "anna")], ids=["with credit", "without"]
)
def test_a_deal_is_handed_over(
    here: Company, proposal: str, anna: str, pavel: str, transfer: bool, whose: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    body = {"to_manager_id": pavel, "transfer_credit": transfer, "effective_on": "2026-06-01"}
    done(here.director, f"/v1/deals/{deal}/handovers", body | REASON, "deal_id")
    assert here.director.ask(f"/v1/deals/{deal}", as_of="2026-05-31")["owner"] == anna
    assert here.director.ask(f"/v1/deals/{deal}", as_of="2026-06-01")["owner"] == pavel
    people = {"anna": anna, "pavel": pavel}
    assert value(here, anna, "2026-05-31") == {"active": "20000000.00"}
    for name, manager in people.items():
        expected = {"active": "20000000.00"} if name == whose else {}
        assert value(here, manager, "2026-06-01") == expected
    assert here.director.ask(f"/v1/managers/{anna}/portfolio")["actions"] == 1
    again = here.director.post(f"/v1/deals/{deal}/handovers", body | REASON)
    assert refused(again, 409, "not-allowed-now")["rule"] == "same-owner"


def test_a_suspended_deal_stands_apart_until_it_is_resumed(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    body = {"effective_on": "2026-06-10", "review_on": "2026-09-01", **REASON}
    done(here.director, f"/v1/deals/{deal}/suspension", body, "deal_id")
    done(here.director, f"/v1/deals/{deal}/resumption", {"effective_on": "2026-09-03"}, "deal_id")
    assert value(here, anna, "2026-06-09") == {"active": "20000000.00"}
    assert value(here, anna, "2026-06-10") == {"suspended": "20000000.00"}
    assert value(here, anna, "2026-09-02") == {"suspended": "20000000.00"}
    assert value(here, anna, "2026-09-03") == {"active": "20000000.00"}
    resumption = here.director.post(f"/v1/deals/{deal}/resumption", {"effective_on": "2026-09-04"})
    assert refused(resumption, 409, "not-allowed-now")["rule"] == "not-suspended"


def test_a_contract_is_split_by_credit_to_the_kopeck(here: Company, anna: str) -> None:
    three = here.kind("3.00")
    people = [here.manager(name) for name in ("Анна", "Павел", "Вера")]
    deal = here.deal(anna)
    shares = [{"manager_id": manager, "weight": "1.00"} for manager in people]
    body = {"action_type": three, "effective_on": "2026-02-03", "credits": shares}
    here.director.do(f"/v1/deals/{deal}/actions", body)
    won = {"contract_amount": "100.00", "effective_on": "2026-09-10"}
    done(here.director, f"/v1/deals/{deal}/win", won, "deal_id")
    shown = here.director.ask(f"/v1/deals/{deal}")
    assert (shown["status"], shown["contract"]) == ("won", {"amount": "100.00", "currency": "RUB"})
    held = [value(here, manager) for manager in people]
    assert held == [{"won": "33.34"}, {"won": "33.33"}, {"won": "33.33"}]
    assert value(here, anna) == {}
    reopened = {"effective_on": "2026-09-11", **REASON}
    done(here.director, f"/v1/deals/{deal}/reopening", reopened, "deal_id")
    assert value(here, people[0]) == {"active": "4000000.00"}
    assert value(here, people[0], "2026-09-10") == {"won": "33.34"}


def test_nobody_holds_credit_and_the_contract_is_the_owners(here: Company, anna: str) -> None:
    deal = here.deal(anna)
    won = {"contract_amount": "437500000.01", "effective_on": "2026-09-10"}
    here.director.do(f"/v1/deals/{deal}/win", won)
    assert value(here, anna) == {"won": "437500000.01"}


def test_a_lost_deal_keeps_its_value_in_sight_and_can_be_reopened(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    lost = {"effective_on": "2026-07-01", **REASON}
    done(here.director, f"/v1/deals/{deal}/loss", lost, "deal_id")
    reopened = {"effective_on": "2026-08-01", **REASON}
    done(here.director, f"/v1/deals/{deal}/reopening", reopened, "deal_id")
    assert value(here, anna, "2026-06-30") == {"active": "20000000.00"}
    assert value(here, anna, "2026-07-01") == {"lost": "20000000.00"}
    assert value(here, anna, "2026-08-01") == {"active": "20000000.00"}
    again = here.director.post(f"/v1/deals/{deal}/reopening", reopened)
    assert refused(again, 409, "not-allowed-now")["rule"] == "not-closed"


def test_a_month_is_closed_with_its_totals_and_reopened_with_a_reason(founded: Company) -> None:
    anna, kind = founded.manager(), founded.kind("5.00")
    idle = founded.manager("Вера Тихая")
    deal = founded.deal(anna)
    founded.act(deal, anna, kind, "2026-06-10")
    director = founded.director
    before = founded.position
    closed = done(director, "/v1/periods/2026-06/closing", None, "period")
    assert closed["period"] == "2026-06"

    def act(on: str) -> dict[str, str]:
        return {"action_type": kind, "effective_on": on, "manager_id": anna}

    problem = refused(
        director.post(f"/v1/deals/{deal}/actions", act("2026-06-30")), 409, "period-closed"
    )
    assert (problem["closed_through"], problem["given"]) == ("2026-06-30", "2026-06-30")
    refused(director.post(f"/v1/deals/{deal}/actions", act("2026-01-13")), 409, "period-closed")
    refused(
        director.post("/v1/deals", _opening(anna, effective_on="2026-06-01")), 409, "period-closed"
    )
    director.do(f"/v1/deals/{deal}/actions", act("2026-07-01"))

    (period,) = director.ask("/v1/periods")["periods"]
    assert period == {
        "period": "2026-06",
        "status": "closed",
        "position": closed["position"],
        "recorded_at": closed["recorded_at"],
        "actor": director.account_id,
        "reason": None,
        "totals": [
            {"manager_id": anna, "currency": "RUB", **NOTHING, "active": "20000000.00"},
        ],
    }
    assert idle not in json.dumps(period)
    event = director.ask("/v1/events", after=closed["position"] - 1, limit=1)["events"][0]
    assert (event["type"], event["data"]["position"]) == ("PeriodClosed", before)

    twice = refused(director.post("/v1/periods/2026-06/closing"), 409, "not-allowed-now")
    assert twice["rule"] == "period-already-closed"
    never = refused(director.post("/v1/periods/2026-08/reopening", REASON), 409, "not-allowed-now")
    assert never["rule"] == "period-not-closed"
    director.do("/v1/periods/2026-07/closing", {})
    later = refused(director.post("/v1/periods/2026-06/reopening", REASON), 409, "not-allowed-now")
    assert later["rule"] == "later-period-closed"
    early = refused(director.post("/v1/periods/2026-10/closing"), 409, "in-the-future")
    assert (early["given"], early["now"]) == ("2026-11-01", "2026-10-20"), "the day it is over"
    done(director, "/v1/periods/2026-07/reopening", REASON, "period")
    done(director, "/v1/periods/2026-06/reopening", REASON, "period")
    june, july = director.ask("/v1/periods")["periods"]
    assert (june["status"], june["reason"]) == ("reopened", REASON["reason"])
    assert july["status"] == "reopened"
    director.do(f"/v1/deals/{deal}/actions", act("2026-06-30"))


@pytest.mark.parametrize("weight", ["5", "5.0", "5.00", 5, 5.0])
def test_a_weight_is_a_decimal_in_text_or_an_exact_number(here: Company, weight: object) -> None:
    kind = here.kind(weight)
    types = here.director.ask("/v1/action-types", limit=1_000)["action_types"]
    (found,) = (one for one in types if one["code"] == kind)
    assert found["weight"] == "5.00"


@pytest.mark.parametrize(
    ("amount", "exact"),
    [
        (400_000_000, "400000000.00"),
        (0.1, "0.10"),
        (1e2, "100.00"),
        (0.01, "0.01"),
        ("0.01", "0.01"),
        ("1000000000000", "1000000000000.00"),
        (999_999_999_999.99, "999999999999.99"),
    ],
)
def test_an_amount_comes_back_exactly(here: Company, anna: str, amount: object, exact: str) -> None:
    deal = here.deal(anna, amount)
    assert here.director.ask(f"/v1/deals/{deal}")["potential_check"]["amount"] == exact


# ----------------------------------------------------------------------- 409, each by its slug


def test_nothing_is_done_on_a_deal_that_is_over(here: Company, proposal: str, anna: str) -> None:
    deal = here.deal(anna)
    here.director.do(f"/v1/deals/{deal}/loss", {"effective_on": "2026-03-02", **REASON})
    body = {"action_type": proposal, "effective_on": "2026-03-02", "manager_id": anna}
    before = here.position
    problem = refused(here.director.post(f"/v1/deals/{deal}/actions", body), 409, "not-allowed-now")
    assert (problem["rule"], problem["deal_status"]) == ("not-open", "lost")
    assert here.position == before


def test_a_backdated_loss_names_the_action_that_it_would_make_impossible(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    body = {"action_type": proposal, "effective_on": "2026-05-10", "manager_id": anna}
    acted = here.director.do(f"/v1/deals/{deal}/actions", body)
    before = here.position
    lost = {"effective_on": "2026-05-01", **REASON}
    problem = refused(
        here.director.post(f"/v1/deals/{deal}/loss", lost), 409, "breaks-later-history"
    )
    assert problem["event"] == {
        "position": acted["position"],
        "type": "ActionPerformed",
        "effective_on": "2026-05-10",
    }
    assert problem["rule"] == "not-open"
    for fact in ("ActionPerformed", "2026-05-10", str(acted["position"])):
        assert fact in problem["detail"]
    assert here.position == before
    here.director.do(f"/v1/deals/{deal}/loss", {"effective_on": "2026-05-10", **REASON})


def test_nothing_happens_to_a_deal_before_its_opening(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna, on="2026-03-02")
    body = {"action_type": proposal, "effective_on": "2026-03-01", "manager_id": anna}
    problem = refused(here.director.post(f"/v1/deals/{deal}/actions", body), 409, "before-opening")
    assert (problem["opened_on"], problem["given"]) == ("2026-03-02", "2026-03-01")
    here.act(deal, anna, proposal, "2026-03-02")


def test_nothing_is_recorded_or_asked_of_the_future(here: Company, anna: str) -> None:
    tomorrow = _opening(anna, effective_on="2026-10-21")
    refused(here.director.post("/v1/deals", tomorrow), 409, "in-the-future")
    here.director.do("/v1/deals", _opening(anna, effective_on="2026-10-20"))
    get = here.director.get
    refused(get("/v1/portfolios", as_of="2026-10-21"), 409, "in-the-future")
    refused(get("/v1/portfolios", known_at="2026-10-21"), 409, "in-the-future")
    refused(get("/v1/portfolios", known_at="2026-10-20T09:05:00Z"), 409, "in-the-future")
    refused(get("/v1/portfolios", position=here.position + 1), 409, "in-the-future")
    assert get("/v1/portfolios", as_of="2026-10-20", known_at="2026-10-20").status_code == 200


def test_an_action_type_counts_no_more_often_than_the_catalogue_says(
    here: Company, anna: str
) -> None:
    kind = here.kind("5.00", max_per_deal=2)
    deal = here.deal(anna)
    first = here.act(deal, anna, kind, "2026-02-03")
    here.act(deal, anna, kind, "2026-02-04")
    body = {"action_type": kind, "effective_on": "2026-02-05", "manager_id": anna}
    post = here.director.post
    problem = refused(post(f"/v1/deals/{deal}/actions", body), 409, "action-limit-reached")
    assert (problem["code"], problem["max_per_deal"]) == (kind, 2)
    here.act(here.deal(anna), anna, kind, "2026-02-05")
    here.director.do(f"/v1/deals/{deal}/actions/{first}/withdrawal", REASON)
    here.director.do(f"/v1/deals/{deal}/actions", body)


def test_an_action_type_must_be_known_and_in_force(here: Company, anna: str) -> None:
    kind = here.kind("5.00", effective_from="2026-03-01")
    here.director.do(f"/v1/action-types/{kind}/retirement", {"effective_from": "2026-06-01"})
    path = f"/v1/deals/{here.deal(anna)}/actions"

    def act(on: str, code: str = kind) -> dict[str, str]:
        return {"action_type": code, "effective_on": on, "manager_id": anna}

    refused(here.director.post(path, act("2026-02-28")), 409, "action-type-not-in-force")
    here.director.do(path, act("2026-03-01"))
    here.director.do(path, act("2026-05-31"))
    problem = refused(here.director.post(path, act("2026-06-01")), 409, "action-type-not-in-force")
    assert (problem["code"], problem["on"]) == (kind, "2026-06-01")
    refused(here.director.post(path, act("2026-03-01", "dancing")), 409, "unknown-action-type")


def test_a_manager_must_be_known(here: Company, proposal: str, anna: str) -> None:
    refused(here.director.post("/v1/deals", _opening("nobody")), 409, "unknown-manager")
    deal = here.deal(anna)
    body = {"action_type": proposal, "effective_on": "2026-02-03", "manager_id": "nobody"}
    problem = refused(here.director.post(f"/v1/deals/{deal}/actions", body), 409, "unknown-manager")
    assert problem["manager_id"] == "nobody"


def test_evidence_is_given_where_the_catalogue_asks_for_it(here: Company, anna: str) -> None:
    kind = here.kind("5.00", evidence_required=True)
    path = f"/v1/deals/{here.deal(anna)}/actions"
    body = {"action_type": kind, "effective_on": "2026-02-03", "manager_id": anna}
    refused(here.director.post(path, body), 409, "evidence-required")
    here.director.do(path, body | {"evidence": "Протокол"})


def test_the_currency_of_a_deal_never_changes(here: Company, anna: str) -> None:
    deal = here.deal(anna, currency="EUR")
    revised = {"amount": "5.00", "effective_on": "2026-02-03", "currency": "USD", **REASON}
    won = {"contract_amount": "5.00", "effective_on": "2026-02-03", "currency": "RUB"}
    post = here.director.post
    problem = refused(post(f"/v1/deals/{deal}/check-revisions", revised), 409, "currency-differs")
    assert (problem["given"], problem["currency"]) == ("USD", "EUR")
    refused(post(f"/v1/deals/{deal}/win", won), 409, "currency-differs")
    here.director.do(f"/v1/deals/{deal}/win", won | {"currency": "EUR"})


# -------------------------------------------------------------------- once, and as it was meant


def test_a_repeated_command_is_answered_as_the_first_time_and_recorded_once(
    here: Company, anna: str
) -> None:
    key = {"idempotency_key": f"open {uuid4()}"}
    first = here.director.post("/v1/deals", _opening(anna), **key)
    position = here.position
    here.deal(anna)
    again = here.director.post("/v1/deals", _opening(anna), **key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    assert here.position == position + 1
    deal = first.json()["deal_id"]
    lost = {"effective_on": "2026-03-02", **REASON}
    once = here.director.post(
        f"/v1/deals/{deal}/loss", lost, idempotency_key="loss", if_match='"1"'
    )
    twice = here.director.post(
        f"/v1/deals/{deal}/loss", lost, idempotency_key="loss", if_match='"1"'
    )
    assert (once.status_code, twice.status_code) == (200, 200)
    assert twice.content == once.content


def test_the_same_key_for_another_command_is_refused(here: Company, anna: str) -> None:
    key = {"idempotency_key": f"open {uuid4()}"}
    here.director.do("/v1/deals", _opening(anna), **key)
    post = here.director.post
    other = post("/v1/deals", _opening(anna, title="Другая"), **key)
    assert key["idempotency_key"] in refused(other, 422, "idempotency-key-reused")["detail"]
    elsewhere = post("/v1/teams", {"name": "Юг"}, **key)
    refused(elsewhere, 422, "idempotency-key-reused")
    here.director.do("/v1/deals", _opening(anna, title="Другая"), idempotency_key=str(uuid4()))


def test_the_same_body_in_other_words_is_the_same(here: Company, anna: str) -> None:
    key = {"idempotency-key": str(uuid4()), "content-type": JSON}
    body = _opening(anna)
    first = here.director.http.post("/v1/deals", content=json.dumps(body), headers=key)
    backwards = dict(reversed(body.items()))
    spaced = json.dumps(backwards, indent=4, ensure_ascii=False).encode()
    again = here.director.http.post("/v1/deals", content=spaced, headers=key)
    assert first.status_code == 201
    assert (again.status_code, again.content) == (201, first.content)


def test_another_account_may_use_the_same_key(here: Company, anna: str) -> None:
    other = here.hire("director")
    key = {"idempotency_key": f"open {uuid4()}"}
    mine = here.director.do("/v1/deals", _opening(anna), **key)
    theirs = other.do("/v1/deals", _opening(anna, title="Другая"), **key)
    assert mine["deal_id"] != theirs["deal_id"]


def test_a_refused_command_leaves_its_key_free(here: Company, anna: str) -> None:
    key = {"idempotency_key": f"open {uuid4()}"}
    body = _opening("later-on")
    refused(here.director.post("/v1/deals", body, **key), 409, "unknown-manager")
    here.director.do("/v1/managers", {"name": "Позже", "manager_id": "later-on"})
    assert here.director.post("/v1/deals", body, **key).status_code == 201
    here.director.do("/v1/deals", _opening(anna), idempotency_key=str(uuid4()))


def test_a_command_meant_for_another_version_is_refused(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    seen = here.director.get(f"/v1/deals/{deal}").headers["etag"]
    here.act(deal, anna, proposal, "2026-02-03")
    body = {"amount": "5.00", "effective_on": "2026-02-03", **REASON}
    path = f"/v1/deals/{deal}/check-revisions"
    stale = refused(here.director.post(path, body, if_match=seen), 412, "version-conflict")
    assert stale["version"] == 2
    later = body | {"effective_on": "2999-01-01"}
    refused(here.director.post(path, later, if_match=seen), 412, "version-conflict")
    now = here.director.get(f"/v1/deals/{deal}").headers["etag"]
    refused(here.director.post(path, later, if_match=now), 409, "in-the-future")
    answered = here.director.post(path, body, if_match=now)
    assert (answered.status_code, answered.headers["etag"]) == (200, '"3"')
    assert here.director.post(path, body, if_match="*").status_code == 200
    assert here.director.post(path, body, if_match='"1", "4"').status_code == 200


# --------------------------------------------------------------------------------- questions


def test_questions_about_portfolios_answer_with_the_fields_of_the_contract(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    ask = here.director.ask
    span = {"from_": "2026-02-01", "to": "2026-02-28"}

    answer = ask("/v1/portfolios")
    assert set(answer) == ASKED | {"currencies"}
    currency = answer["currencies"][0]
    assert set(currency) == {"currency", "managers", "total"}
    figures = ACCOUNTS | {"progress", "actions", "deals"}
    assert set(currency["managers"][0]) == {"manager_id", "name"} | figures
    assert set(currency["total"]) == figures

    answer = ask(f"/v1/managers/{anna}/portfolio")
    assert set(answer) == ASKED | {"manager_id", "name", "progress", "actions", "currencies"}
    (currency,) = answer["currencies"]
    assert set(currency) == ACCOUNTS | {"currency", "deals"}
    (row,) = currency["deals"]
    about = {"deal_id", "title", "client", "status", "potential_check", "deal_progress", "credit"}
    assert set(row) == ACCOUNTS | about
    assert set(row["potential_check"]) == {"amount", "currency"}

    for path in (f"/v1/managers/{anna}/portfolio/series", "/v1/portfolios/series"):
        answer = ask(path, **span, step="week")
        assert set(answer) == ASKED | {"currency", "points"}
        assert set(answer["points"][0]) == ACCOUNTS | {"as_of", "progress"}

    answer = ask("/v1/portfolios/movement", **span, manager_id=anna)
    assert set(answer) == ASKED | {"currency", "opening", "lines", "closing"}
    assert set(answer["opening"]) == set(answer["closing"]) == ACCOUNTS
    assert set(answer["lines"][0]) == {"cause", "account", "amount"}

    answer = ask(
        "/v1/portfolios/restatement",
        as_of="2026-02-28",
        from_position=0,
        to_position=here.position,
        manager_id=anna,
    )
    from_ = {"from_known_at", "from_position"}
    assert set(answer) == ASKED | from_ | {"currency", "earlier", "lines", "later"}
    assert set(answer["earlier"]) == set(answer["later"]) == ACCOUNTS
    when = {"position", "recorded_at", "event", "effective_on", "late_days"}
    assert set(answer["lines"][0]) == when | {"deal_id", "manager_id", "account", "amount"}


def test_questions_about_deals_and_lists_answer_with_the_fields_of_the_contract(
    here: Company, proposal: str, anna: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    ask = here.director.ask
    summary = {"deal_id", "title", "client", "status", "owner", "potential_check", "progress"}
    summary |= {"opened_on", "expected_close_on"}
    answer = ask("/v1/deals", manager_id=anna)
    assert set(answer) == ASKED | {"deals"}
    assert set(answer["deals"][0]) == summary
    answer = ask(f"/v1/deals/{deal}")
    assert set(answer) == ASKED | summary | {"version", "contract", "actions"}
    action = {"action_id", "action_type", "effective_on", "state", "weight", "credit", "credits"}
    assert set(answer["actions"][0]) == action | {"recorded_at", "late_days", "evidence", "comment"}
    answer = ask(f"/v1/deals/{deal}/events")
    assert set(answer) == ASKED | {"deal_id", "events"}
    event = {"position", "version", "recorded_at", "effective_on", "late_days", "type", "actor"}
    assert set(answer["events"][0]) == event | {"data", "added"}
    assert set(answer["events"][1]["added"][0]) == {"manager_id", "account", "amount", "credit"}

    for path, name, fields in [
        ("/v1/managers", "managers", {"manager_id", "name", "team_id"}),
        ("/v1/teams", "teams", {"team_id", "name", "members"}),
    ]:
        here.director.do("/v1/teams", {"name": "Юг"})
        answer = ask(path)
        assert set(answer) == ASKED | {name}
        assert set(answer[name][0]) == fields
    assert set(here.admin.ask("/v1/accounts")["accounts"][0]) == {
        "account_id", "name", "email", "language", "role", "manager_id", "team_id",
    }  # fmt: skip


def test_the_rows_of_a_portfolio_sum_to_its_totals(
    here: Company, claimed: str, anna: str, pavel: str
) -> None:
    third = here.kind("33.33")
    for amount, command, body in [
        ("100000000.01", None, {}),
        ("7.77", "suspension", {"review_on": "2026-09-01", **REASON}),
        ("1234567.89", "loss", REASON),
        ("99.99", "win", {"contract_amount": "1000.01"}),
    ]:
        deal = here.deal(anna, amount)
        here.act(deal, anna, third, "2026-02-03")
        here.act(deal, pavel, third, "2026-02-04")
        here.act(deal, anna, claimed, "2026-02-05")
        if command is not None:
            on = {"effective_on": "2026-03-02"}
            here.director.do(f"/v1/deals/{deal}/{command}", {**on, **body})
    here.act(here.deal(anna, "10.00", currency="EUR"), anna, third, "2026-02-03")
    answer = here.director.ask(f"/v1/managers/{anna}/portfolio")
    roubles, euros = answer["currencies"]
    assert (roubles["currency"], euros["currency"]) == ("RUB", "EUR")
    assert euros["active"] == "3.333"
    assert len(roubles["deals"]) == 4
    for currency in answer["currencies"]:
        for account in ACCOUNTS:
            rows = sum(Decimal(row[account]) for row in currency["deals"])
            assert rows == Decimal(currency[account]), account
    # 33.33 % of 100 000 000.01 is exact beyond the kopeck, and stays so
    assert roubles["active"] == "33330000.003333"
    assert roubles["suspended"] == "2.589741"
    assert roubles["lost"] == "411481.477737"
    assert roubles["won"] == "500.01"
    assert answer["actions"] == 9
    assert answer["progress"] == "66.66"


def test_everybody_is_shown_also_who_stands_still(founded: Company) -> None:
    anna, pavel = founded.manager("Анна Соколова"), founded.manager("Павел Орлов")
    vera = founded.manager("Вера Тихая")
    kind = founded.kind("5.00")
    founded.act(founded.deal(anna, "400000000.00"), anna, kind, "2026-02-03")
    founded.act(founded.deal(pavel, "200000000.00"), pavel, kind, "2026-02-04")
    founded.act(founded.deal(pavel, "10.00", currency="CNY"), pavel, kind, "2026-02-04")
    roubles, yuan = founded.director.ask("/v1/portfolios")["currencies"]
    still = {"progress": "0.00", "actions": 0, "deals": 0}
    moving = {"progress": "5.00", "actions": 1, "deals": 1}
    assert roubles["managers"] == [
        {"manager_id": anna, "name": "Анна Соколова"}
        | NOTHING
        | {"active": "20000000.00"}
        | moving,
        {"manager_id": pavel, "name": "Павел Орлов"} | NOTHING | {"active": "10000000.00"} | moving,
        {"manager_id": vera, "name": "Вера Тихая"} | NOTHING | still,
    ]
    total = {"active": "30000000.00", "progress": "10.00", "actions": 2, "deals": 2}
    assert roubles["total"] == NOTHING | total
    assert [line["manager_id"] for line in yuan["managers"]] == [pavel]
    assert yuan["total"]["active"] == "0.50"
    earlier = founded.director.ask("/v1/portfolios", as_of="2026-02-03")["currencies"]
    assert [line["active"] for line in earlier[0]["managers"]] == ["20000000.00", "0.00", "0.00"]
    assert founded.director.ask("/v1/portfolios", position=0)["currencies"][0]["managers"] == [], (
        "nobody was known then"
    )


def test_a_team_is_its_members_on_the_date_asked_about(founded: Company) -> None:
    director = founded.director
    north, south = (director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг"))
    anna = founded.manager("Анна", team_id=north)
    pavel = founded.manager("Павел", team_id=south)
    kind = founded.kind("5.00")
    for manager in (anna, pavel):
        founded.act(founded.deal(manager), manager, kind, "2026-02-03")
    move = {"team_id": south, "effective_on": "2026-05-01"}
    director.do(f"/v1/managers/{anna}/team-changes", move)

    def members(team: str, as_of: str) -> list[str]:
        answer = director.ask("/v1/portfolios", team_id=team, as_of=as_of)
        return [line["manager_id"] for line in answer["currencies"][0]["managers"]]

    assert members(north, "2026-04-30") == [anna]
    assert members(south, "2026-04-30") == [pavel]
    assert members(north, "2026-05-01") == []
    assert members(south, "2026-05-01") == [anna, pavel]
    shown = {
        team["team_id"]: (team["name"], team["members"])
        for team in director.ask("/v1/teams", as_of="2026-04-30")["teams"]
    }
    assert shown == {north: ("Север", [anna]), south: ("Юг", [pavel])}
    span = {"from_": "2026-04-29", "to": "2026-05-02", "team_id": south}
    points = director.ask("/v1/portfolios/series", **span)["points"]
    assert [point["active"] for point in points] == ["20000000.00"] * 2 + ["40000000.00"] * 2
    movement = director.ask("/v1/portfolios/movement", **span)
    assert movement["opening"]["active"] == movement["closing"]["active"] == "40000000.00"
    listed = director.ask("/v1/managers", as_of="2026-04-30")["managers"]
    assert [(one["manager_id"], one["name"], one["team_id"]) for one in listed] == [
        (anna, "Анна", north),
        (pavel, "Павел", south),
    ]


@pytest.mark.parametrize(
    ("step", "days"),
    [
        ("day", ["2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]),
        ("week", ["2026-03-01", "2026-03-02"]),
        ("month", ["2026-02-28", "2026-03-02"]),
    ],
)
def test_weeks_end_on_sunday_months_on_their_last_day_and_the_last_point_is_the_end(
    here: Company, proposal: str, anna: str, step: str, days: list[str]
) -> None:
    deal = here.deal(anna)
    for on in ("2026-02-27", "2026-03-01", "2026-03-02"):
        here.act(deal, anna, proposal, on)
    path = f"/v1/managers/{anna}/portfolio/series"
    answer = here.director.ask(path, from_=days[0], to="2026-03-02", step=step)
    assert [point["as_of"] for point in answer["points"]][-len(days) :] == days
    assert (answer["currency"], answer["as_of"]) == ("RUB", "2026-03-02")
    for point in answer["points"]:
        single = here.director.ask(f"/v1/managers/{anna}/portfolio", as_of=point["as_of"])
        assert {name: point[name] for name in ACCOUNTS} == {
            name: single["currencies"][0][name] for name in ACCOUNTS
        }
        assert point["progress"] == single["progress"]


def test_a_series_of_one_day_has_one_point(here: Company, anna: str) -> None:
    for step in ("day", "week", "month"):
        path = f"/v1/managers/{anna}/portfolio/series"
        answer = here.director.ask(path, from_="2026-02-04", to="2026-02-04", step=step)
        assert [point["as_of"] for point in answer["points"]] == ["2026-02-04"]


def test_opening_and_lines_make_the_closing(
    here: Company, proposal: str, data: str, claimed: str, anna: str
) -> None:
    deal = here.deal(anna)
    here.act(deal, anna, proposal, "2026-02-03")
    first = here.act(deal, anna, data, "2026-03-10")
    claim = here.act(deal, anna, claimed, "2026-03-11")
    here.director.do(
        f"/v1/deals/{deal}/actions/{claim}/confirmation", {"effective_on": "2026-03-20"}
    )
    body = {"amount": "500000000.00", "effective_on": "2026-03-31", **REASON}
    here.director.do(f"/v1/deals/{deal}/check-revisions", body)
    here.director.do(
        f"/v1/deals/{deal}/actions/{first}/withdrawal", {"effective_on": "2026-04-01", **REASON}
    )
    ask = {"from_": "2026-02-28", "to": "2026-03-31", "manager_id": anna}
    answer = here.director.ask("/v1/portfolios/movement", **ask)
    assert answer["opening"] == NOTHING | {"active": "20000000.00"}
    assert answer["closing"] == NOTHING | {"active": "85000000.00"}
    assert answer["lines"] == [
        {"cause": "ActionConfirmed", "account": "active", "amount": "40000000.00"},
        {"cause": "ActionConfirmed", "account": "claimed", "amount": "-40000000.00"},
        {"cause": "ActionPerformed", "account": "active", "amount": "8000000.00"},
        {"cause": "ActionPerformed", "account": "claimed", "amount": "40000000.00"},
        {"cause": "PotentialCheckRevised", "account": "active", "amount": "17000000.00"},
    ]
    for account in ACCOUNTS:
        moved = sum(Decimal(x["amount"]) for x in answer["lines"] if x["account"] == account)
        assert Decimal(answer["opening"][account]) + moved == Decimal(answer["closing"][account])
    same = here.director.ask("/v1/portfolios/movement", **ask | {"from_": "2026-03-31"})
    assert (same["lines"], same["opening"]) == ([], answer["closing"])


def test_earlier_and_lines_make_later(
    here: Company, proposal: str, data: str, anna: str, pavel: str
) -> None:
    deal = here.deal(anna)
    action = here.act(deal, anna, proposal, "2026-02-03")
    from_position = here.position
    here.act(deal, pavel, data, "2026-02-02")
    here.director.do(f"/v1/deals/{deal}/actions/{action}/withdrawal", REASON)
    here.act(deal, anna, proposal, "2026-03-01")
    answer = here.director.ask(
        "/v1/portfolios/restatement",
        as_of="2026-02-28",
        from_position=from_position,
        to_position=here.position,
    )
    assert [(line["event"], line["manager_id"], line["amount"]) for line in answer["lines"]] == [
        ("ActionPerformed", pavel, "8000000.00"),
        ("ActionWithdrawn", anna, "-20000000.00"),
    ]
    for account in ACCOUNTS:
        lines = sum(Decimal(x["amount"]) for x in answer["lines"] if x["account"] == account)
        assert Decimal(answer["earlier"][account]) + lines == Decimal(answer["later"][account])
    one = here.director.ask(
        "/v1/portfolios/restatement",
        as_of="2026-02-28",
        from_position=from_position,
        manager_id=anna,
    )
    assert (one["earlier"]["active"], one["later"]["active"]) == ("20000000.00", "0.00")


def test_deals_are_found_by_their_status_and_owner_at_the_point(here: Company, anna: str) -> None:
    pavel = here.manager("Павел")
    kept, given = here.deal(anna), here.deal(anna)
    body = {"to_manager_id": pavel, "transfer_credit": False, "effective_on": "2026-06-01"}
    here.director.do(f"/v1/deals/{given}/handovers", body | REASON)
    here.director.do(f"/v1/deals/{kept}/loss", {"effective_on": "2026-07-01", **REASON})

    def found(**query: object) -> list[str]:
        return [deal["deal_id"] for deal in here.director.ask("/v1/deals", **query)["deals"]]

    assert found(manager_id=anna) == [kept]
    assert found(manager_id=pavel) == [given]
    assert found(manager_id=anna, as_of="2026-05-31") == [kept, given]
    assert found(manager_id=anna, status="open") == []
    assert found(manager_id=anna, status="lost") == [kept]
    assert found(manager_id=anna, status="open", as_of="2026-06-30") == [kept]


def test_the_history_of_a_deal_is_in_book_order_with_both_times(
    here: Company, proposal: str, data: str, anna: str
) -> None:
    deal = here.deal(anna)
    first = here.act(deal, anna, proposal, "2026-02-03")
    here.act(deal, anna, data, "2026-02-02")
    here.director.do(
        f"/v1/deals/{deal}/actions/{first}/weight-changes",
        {"weight": "4.00", "effective_on": "2026-02-03", **REASON},
    )
    events = here.director.ask(f"/v1/deals/{deal}/events")["events"]
    assert [(e["type"], e["effective_on"], e["version"], e["late_days"]) for e in events] == [
        ("DealOpened", "2026-01-12", 1, 281),
        ("ActionPerformed", "2026-02-02", 3, 260),
        ("ActionPerformed", "2026-02-03", 2, 259),
        ("WeightChanged", "2026-02-03", 4, 259),
    ]
    assert {event["actor"] for event in events} == {here.director.account_id}
    assert events[3]["data"] == {"action_id": first, "weight": "4.00", **REASON}
    assert events[3]["added"] == [
        {"manager_id": anna, "account": "active", "amount": "-4000000.00", "credit": "-1.00"}
    ]
    assert events[0]["added"] == []


def test_the_log_publishes_everything_in_order_and_names_nobody(founded: Company) -> None:
    director = founded.director
    team = director.do("/v1/teams", {"name": "Юг"})["team_id"]
    body = {"name": "Анна Соколова", "manager_id": "anna", "team_id": team}
    director.do("/v1/managers", body)
    kind = founded.kind("5.00", max_per_deal=3)
    deal = founded.deal("anna", expected_close_on="2026-12-01")
    action = founded.act(deal, "anna", kind, "2026-02-03", evidence="Протокол")
    revised = {"amount": "450000000", "effective_on": "2026-04-15", **REASON}
    director.do(f"/v1/deals/{deal}/check-revisions", revised)
    director.do("/v1/periods/2026-01/closing")
    answer = director.get("/v1/events")
    assert "Соколова" not in answer.text
    assert set(answer.json()) == {"as_of", "known_at", "position", "events"}
    granted, events = answer.json()["events"][:4], answer.json()["events"][4:]
    assert [event["type"] for event in granted] == ["RoleGranted", "KeyIssued"] * 2
    assert [event["position"] for event in events] == [5, 6, 7, 8, 9, 10, 11]
    instants = [event["recorded_at"] for event in events]
    assert instants == sorted(set(instants))
    always = {"position", "recorded_at", "type", "stream_id", "actor", "data"}
    on_a_deal = always | {"deal_id", "effective_on"}
    shapes = {"DealOpened": on_a_deal, "ActionPerformed": on_a_deal}
    shapes["PotentialCheckRevised"] = on_a_deal
    for event in events:
        assert set(event) == shapes.get(event["type"], always)
        assert event["actor"] == director.account_id
        assert event.get("deal_id", event["stream_id"]) == event["stream_id"]
    by_type = {event["type"]: event for event in events}
    assert by_type["ManagerRegistered"]["data"] == {"manager_id": "anna", "team_id": team}
    assert by_type["DealOpened"]["data"] == {
        "title": "Холодильные витрины для сети «Ромашка»",
        "client": "Ромашка",
        "potential_check": {"amount": "400000000.00", "currency": "RUB"},
        "manager_id": "anna",
        "expected_close_on": "2026-12-01",
    }
    assert by_type["DealOpened"]["effective_on"] == "2026-01-12"
    assert by_type["ActionPerformed"]["data"] == {
        "action_id": action,
        "action_type": kind,
        "credits": [{"manager_id": "anna", "weight": "5.00"}],
        "needs_confirmation": False,
        "evidence": "Протокол",
    }
    check = {"amount": "450000000.00", "currency": "RUB"}
    revision = by_type["PotentialCheckRevised"]["data"]
    assert revision == {"potential_check": check, **REASON}


# ------------------------------------------------------------------------------------- paging


@pytest.fixture(scope="module")
def crowd(server: str, template: str) -> Iterator[Company]:
    """Twenty-three people, each with a deal."""
    with new_database(server, template) as conninfo, company(conninfo) as begun:
        for number in range(23):
            begun.deal(begun.manager(f"Менеджер {number}"), title=f"Сделка {number}")
            begun.hire("auditor")
        yield begun


def _hire(crowd: Company) -> None:
    crowd.hire("auditor")


def _open(crowd: Company) -> None:
    crowd.deal(crowd.manager("Новый"))


@pytest.mark.parametrize(
    ("path", "name", "key", "meanwhile"),
    [
        ("/v1/deals", "deals", "deal_id", _open),
        ("/v1/managers", "managers", "manager_id", _open),
        ("/v1/events", "events", "position", _open),
        ("/v1/accounts", "accounts", "account_id", _hire),
    ],
    ids=["deals", "managers", "events", "accounts"],
)
@pytest.mark.parametrize("limit", [1, 5, 1_000])
def test_pages_miss_nothing_and_repeat_nothing_while_more_is_recorded(
    crowd: Company,
    path: str,
    name: str,
    key: str,
    meanwhile: Callable[[Company], None],
    limit: int,
) -> None:
    who = crowd.admin if name == "accounts" else crowd.director
    before = [line[key] for page in who.pages(path, limit=1_000) for line in page[name]]
    assert len(before) >= 23
    followed: list[Any] = []
    for number, page in enumerate(who.pages(path, limit=limit)):
        assert len(page[name]) <= limit
        followed += [line[key] for line in page[name]]
        if number in {0, 2}:
            meanwhile(crowd)
    assert len(set(followed)) == len(followed)
    # A point that was pinned shows none of the new; a log and a list of today show them behind.
    assert followed[: len(before)] == before
    assert len(followed) <= len(before) + 4


def test_a_link_keeps_the_question(crowd: Company) -> None:
    response = crowd.director.get("/v1/deals", limit=5, status="open", as_of="2026-05-31")
    link = response.links["next"]
    assert response.headers["link"].endswith('; rel="next"')
    assert "status=open" in link["url"]
    assert "as_of=2026-05-31" in link["url"]
    assert f"position={response.json()['position']}" in link["url"]
    assert "next" not in crowd.director.get("/v1/deals", limit=1_000).links


def test_the_log_is_told_as_it_was_known(crowd: Company) -> None:
    asked = {"position": 7, "limit": 3}
    pages = list(crowd.director.pages("/v1/events", **asked))
    told = [event["position"] for page in pages for event in page["events"]]
    assert told == [*range(1, 8)]
    assert {page["position"] for page in pages} == {7}
    begun = crowd.director.ask("/v1/events", known_at="2026-10-19")
    assert (begun["events"], begun["position"]) == ([], 0)
    refused(crowd.director.get("/v1/events", position=10**9), 409, "in-the-future")
    refused(crowd.director.get("/v1/events", as_of="2026-10-19"), 422, "validation")


def test_reading_on_from_the_last_position_brings_what_is_new(crowd: Company) -> None:
    last = crowd.position
    nothing = crowd.director.ask("/v1/events", after=last)
    assert (nothing["events"], nothing["position"]) == ([], last)
    _open(crowd)
    events = crowd.director.ask("/v1/events", after=last)["events"]
    assert [event["type"] for event in events] == ["ManagerRegistered", "DealOpened"]
    assert [event["position"] for event in events] == [last + 1, last + 2]


# ----------------------------------------------------------------------------------- accounts


def test_a_token_is_shown_once_and_signs_in(here: Company, anna: str) -> None:
    body = {"name": "Анна Соколова", "role": "manager", "manager_id": anna}
    response = here.admin.post("/v1/accounts", body)
    assert (response.status_code, response.headers["cache-control"]) == (201, "no-store")
    made = response.json()
    token = made.pop("token")
    assert made == {
        **body, "account_id": made["account_id"], "team_id": None, "email": None, "language": None,
    }  # fmt: skip
    assert here.person(token).get(f"/v1/managers/{anna}/portfolio").status_code == 200
    lines = list(here.admin.pages("/v1/accounts", limit=1_000))
    assert made in [account for page in lines for account in page["accounts"]]
    assert token not in json.dumps(lines)


def test_a_closed_account_is_nobodys_at_once(here: Company, anna: str) -> None:
    auditor = here.hire("auditor")
    assert auditor.get(f"/v1/managers/{anna}/portfolio").status_code == 200
    path = f"/v1/accounts/{auditor.account_id}"
    assert here.admin.http.delete(path).status_code == 204
    refused(auditor.get(f"/v1/managers/{anna}/portfolio"), 401, "unauthenticated")
    refused(here.admin.http.delete(path), 404, "not-found")
    listed = here.admin.ask("/v1/accounts", limit=1_000)["accounts"]
    assert auditor.account_id not in [account["account_id"] for account in listed]


def test_the_last_administrator_stays(here: Company) -> None:
    accounts = here.admin.ask("/v1/accounts", limit=1_000)["accounts"]
    (first,) = (one["account_id"] for one in accounts if one["role"] == "admin")
    problem = refused(here.admin.http.delete(f"/v1/accounts/{first}"), 409, "not-allowed-now")
    assert problem["rule"] == "last-admin"
    second = here.hire("admin")
    assert here.admin.http.delete(f"/v1/accounts/{second.account_id}").status_code == 204
    refused(here.admin.http.delete(f"/v1/accounts/{first}"), 409, "not-allowed-now")


# ------------------------------------------------------------------------------ the way in


@pytest.fixture(scope="module")
def openapi(here: Company) -> dict[str, Any]:
    return here.stranger.ask("/openapi.json")


def operations(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_health_is_told_to_strangers(here: Company) -> None:
    assert here.stranger.ask("/health/live") == {"status": "live"}
    ready = here.stranger.ask("/health/ready")
    assert (ready["status"], ready["position"]) == ("ready", here.position)


def test_without_a_token_nothing_else_is_looked_at(here: Company, openapi: dict[str, Any]) -> None:
    before, asked = here.position, 0
    for method, path, _ in operations(openapi):
        if not path.startswith("/v1"):
            continue
        asked += 1
        address = re.sub(r"\{\w+\}", "nonsense", path)
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}):
            response = here.stranger.http.request(
                method, address, content=b"{" * 100, headers=headers | {"content-type": "text/x"}
            )
            refused(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"].startswith("Bearer")
    assert asked >= 35
    assert here.position == before


def test_an_unknown_address_is_a_problem_too(here: Company) -> None:
    for path in ("/v1/nothing", "/nothing", "/v1/deals/1/2/3/4", "/static/nothing.js"):
        problem = refused(here.director.get(path), 404, "not-found")
        assert "{" not in problem["detail"]


def test_a_wrong_method_is_a_problem_too(here: Company, anna: str) -> None:
    for method, path, allowed in [
        ("PUT", "/v1/deals", "GET, HEAD, POST"),
        ("PATCH", f"/v1/deals/{here.deal(anna)}", "GET, HEAD"),
        ("DELETE", "/v1/events", "GET, HEAD"),
        ("GET", f"/v1/deals/{here.deal(anna)}/loss", "POST"),
        ("HEAD", f"/v1/deals/{here.deal(anna)}/loss", "POST"),
    ]:
        response = here.director.http.request(method, path)
        assert response.headers["allow"] == allowed
        if method == "HEAD":  # nothing is said beside it
            assert response.status_code == 405
        else:
            refused(response, 405, "method-not-allowed")


def test_a_problem_is_told_in_the_language_asked_for(here: Company) -> None:
    def detail(wanted: str | None) -> tuple[str, str]:
        headers = {} if wanted is None else {"accept-language": wanted}
        response = here.director.http.get("/v1/portfolios?as_of=2026-10-21", headers=headers)
        return response.headers["content-language"], response.json()["title"]

    assert detail("ru") == ("ru", "В будущем")
    assert detail("en-GB,en;q=0.9") == ("en", "In the future")
    assert detail("fr") == detail("ru")


def test_openapi_describes_every_operation(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    names = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(set(names)) == len(names) >= 40
    for method, path, operation in operations(openapi):
        assert operation["tags"], (method, path)
        assert operation.get("description") or operation.get("summary"), (method, path)
        if path.startswith("/v1"):
            assert operation["security"] == [{"token": []}]
    assert openapi["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_openapi_names_its_shapes_by_what_they_are(openapi: dict[str, Any]) -> None:
    """Where two shapes have one name, the framework tells them apart by the modules they are in."""
    names = [*openapi["components"]["schemas"]]
    assert len(names) > 100
    assert [name for name in names if "__" in name] == []


def test_openapi_has_every_command_and_question_of_the_contract(openapi: dict[str, Any]) -> None:
    action = "/v1/deals/{deal_id}/actions/{action_id}"
    commands = {
        "/v1/teams", "/v1/managers", "/v1/managers/{manager_id}/team-changes", "/v1/action-types",
        "/v1/action-types/{code}/weights", "/v1/action-types/{code}/retirement", "/v1/deals",
        "/v1/deals/{deal_id}/actions", f"{action}/confirmation", f"{action}/rejection",
        f"{action}/weight-changes", f"{action}/withdrawal", "/v1/deals/{deal_id}/check-revisions",
        "/v1/deals/{deal_id}/expected-close-revisions", "/v1/deals/{deal_id}/handovers",
        "/v1/deals/{deal_id}/suspension", "/v1/deals/{deal_id}/resumption",
        "/v1/deals/{deal_id}/win", "/v1/deals/{deal_id}/loss", "/v1/deals/{deal_id}/reopening",
        "/v1/periods/{period}/closing", "/v1/periods/{period}/reopening",
    }  # fmt: skip
    questions = {
        "/v1/portfolios", "/v1/managers/{manager_id}/portfolio",
        "/v1/managers/{manager_id}/portfolio/series", "/v1/portfolios/series",
        "/v1/portfolios/movement", "/v1/portfolios/restatement", "/v1/deals", "/v1/deals/{deal_id}",
        "/v1/deals/{deal_id}/events", "/v1/events", "/v1/action-types", "/v1/managers", "/v1/teams",
        "/v1/periods",
    }  # fmt: skip
    described = {(method, path) for method, path, _ in operations(openapi)}
    assert {("POST", path) for path in commands} <= described
    assert {("GET", path) for path in questions} <= described
    for method, path, operation in operations(openapi):
        if method == "POST" and path in commands:
            named = {parameter["name"] for parameter in operation["parameters"]}
            assert {"Idempotency-Key", "If-Match"} <= named, path


FILES = {"text/plain", "application/octet-stream", "application/jsonl", "text/x-python"}
"""Notes, tiles, journals, bundles and the verifier: in formats of their own."""


def test_openapi_shows_an_example_of_every_body_and_every_answer(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]

    def has_example(schema: Mapping[str, Any]) -> bool:
        if "$ref" in schema:
            return has_example(schemas[schema["$ref"].rpartition("/")[2]])
        if "example" in schema or "examples" in schema:
            return True
        below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
        below += [schema["items"]] if "items" in schema else []
        return any(has_example(one) for one in below)

    def shown(body: Mapping[str, Any]) -> bool:
        return all(
            has_example(media["schema"])
            for kind, media in body["content"].items()
            if kind not in FILES
        )

    for method, path, operation in operations(openapi):
        if not path.startswith("/v1"):
            continue
        where = f"{method} {path}"
        if "requestBody" in operation and not path.endswith("/closing"):
            assert shown(operation["requestBody"]), where
        told = [one for status, one in operation["responses"].items() if status[0] == "2"]
        assert told, where
        assert method == "DELETE" or all(map(shown, told)), where
        for response in operation["responses"].values():
            for example in (
                response.get("content", {}).get(PROBLEM, {}).get("examples", {}).values()
            ):
                assert example["value"]["type"].startswith("/problems/")


def test_the_examples_of_the_documentation_are_accepted(founded: Company) -> None:
    """Each command's example, in an order in which it makes sense."""
    openapi = founded.stranger.ask("/openapi.json")
    schemas = openapi["components"]["schemas"]

    def example(path: str) -> dict[str, Any]:
        schema = openapi["paths"][path]["post"]["requestBody"]["content"][JSON]["schema"]
        for one in [schema, *schema.get("anyOf", [])]:
            if "$ref" in one:
                return dict(schemas[one["$ref"].rpartition("/")[2]]["example"])
        raise AssertionError(path)

    do = founded.director.do
    team = do("/v1/teams", example("/v1/teams"))["team_id"]
    do("/v1/managers", example("/v1/managers"))
    founded.director.do("/v1/managers", {"name": "Павел", "manager_id": "pavel-orlov"})
    change = example("/v1/managers/{manager_id}/team-changes") | {"team_id": team}
    do("/v1/managers/anna-sokolova/team-changes", change)
    do("/v1/action-types", example("/v1/action-types"))
    for what in ("weights", "retirement"):
        do(
            f"/v1/action-types/proposal-presented/{what}",
            example(f"/v1/action-types/{{code}}/{what}"),
        )
    founded.admin.do("/v1/accounts", example("/v1/accounts"))
    assert len(do("/v1/batches", example("/v1/batches"))["results"]) == 2

    def deal() -> str:
        return str(do("/v1/deals", example("/v1/deals"))["deal_id"])

    one = deal()
    path = "/v1/deals/{deal_id}/actions"
    action = do(f"/v1/deals/{one}/actions", example(path))["action_id"]
    do(
        f"/v1/deals/{one}/actions/{action}/weight-changes",
        example(f"{path}/{{action_id}}/weight-changes"),
    )
    for what in ("check-revisions", "expected-close-revisions", "handovers", "suspension"):
        do(f"/v1/deals/{one}/{what}", example(f"/v1/deals/{{deal_id}}/{what}"))
    for what in ("resumption", "win", "reopening"):
        do(f"/v1/deals/{one}/{what}", example(f"/v1/deals/{{deal_id}}/{what}"))
    do(
        f"/v1/deals/{one}/actions/{action}/withdrawal",
        example(f"{path}/{{action_id}}/withdrawal") | {"effective_on": "2026-10-12"},
    )
    do(f"/v1/deals/{one}/loss", example("/v1/deals/{deal_id}/loss"))
    visit = founded.kind("1.00", needs_confirmation=True)
    for what in ("confirmation", "rejection"):
        two = deal()
        claim = founded.act(two, "anna-sokolova", visit, "2026-02-03")
        do(f"/v1/deals/{two}/actions/{claim}/{what}", example(f"{path}/{{action_id}}/{what}"))
    do("/v1/periods/2026-06/closing", {})
    do("/v1/periods/2026-06/reopening", example("/v1/periods/{period}/reopening"))


def test_the_documentation_is_served_from_here_alone(here: Company) -> None:
    page = here.stranger.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]+", page.text) == []
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    local = [link for link in links if link.startswith("/")]
    assert len(local) >= 2
    for link in local:
        assert here.stranger.get(link).status_code == 200, link
    assert "servers" not in here.stranger.ask("/openapi.json")


# ------------------------------------------------------------------------- very large figures


def test_ten_deals_of_a_trillion_can_still_be_added_up(founded: Company) -> None:
    anna, whole = founded.manager(), founded.kind("100.00")
    for _ in range(10):
        founded.act(founded.deal(anna, "1000000000000.00"), anna, whole, "2026-02-03")
    (roubles,) = founded.director.ask("/v1/portfolios")["currencies"]
    assert roubles["total"]["active"] == "10000000000000.00"
    founded.director.do("/v1/periods/2026-02/closing")
