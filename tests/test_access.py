"""Who may do what (design, section 7): every role at every endpoint, with every kind of object.

North sells with Anna, Boris and their head Gleb, who sells too; Vera sells in South; Dina is the
director and has a deal of her own. Each cell of the table is one request over HTTP. What is
expected is written down here once more, by hand, from the text of the design.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from api.accounts import OPERATOR
from api.app import create_app
from api.questions import QUESTIONS
from api.routes import Batch
from application.orders import Order
from domain.access import MATRIX, Grant, Reach, Task, sight
from domain.access_commands import RevokeRole
from domain.authority import TASKS
from domain.decisions import Command
from domain.values import AccountId, ManagerId, Role
from projections.point import BEYOND
from tests.over_http import Company, Person, company, refused

NOON = datetime(2026, 10, 20, 9, tzinfo=UTC)
"""Tuesday; five working days back is Tuesday, 13 October."""
TODAY, RECENT, LONG_AGO = "2026-10-20", "2026-10-13", "2026-10-12"
WHY = {"reason": "проверка"}
_newcomers = count(1)
ROLES = ("manager", "head", "director", "auditor", "admin")
OBJECTS = ("own", "team's", "foreign", "unknown")


# ------------------------------------------------------------------------------ the company


@dataclass
class Cast:
    here: Company
    teams: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    def object_of(self, role: str, kind: str) -> str:
        """The manager whose deal is the object; for `unknown`, of a deal that there is not."""
        own = {"manager": "anna", "head": "gleb", "director": "dina"}.get(role, "boris")
        return {"own": own, "team's": "boris", "foreign": "vera", "unknown": "anna"}[kind]

    def deal(self, owner: str) -> str:
        return self.here.deal(owner, on="2026-01-12")

    def claim(self, deal: str, owner: str) -> str:
        return self.here.act(deal, owner, "claimed", RECENT)


@pytest.fixture(scope="module")
def cast(server: str, template: str) -> Iterator[Cast]:
    from tests.conftest import new_database

    with new_database(server, template) as database, company(database, NOON) as here:
        cast = Cast(here)
        for team in ("north", "south"):
            cast.teams[team] = here.director.do("/v1/teams", {"name": team})["team_id"]
        for manager, team in {
            "anna": "north",
            "boris": "north",
            "gleb": "north",
            "vera": "south",
        }.items():
            body = {"name": manager, "manager_id": manager, "team_id": cast.teams[team]}
            here.director.do("/v1/managers", body)
        here.director.do("/v1/managers", {"name": "dina", "manager_id": "dina"})
        here.kind("5.00", code="plain")
        here.kind("1.00", code="spare")
        here.kind("5.00", code="claimed", needs_confirmation=True)
        cast.people = {
            "manager": here.hire("manager", manager_id="anna"),
            "head": here.hire("head", team_id=cast.teams["north"], manager_id="gleb"),
            "director": here.hire("director", manager_id="dina"),
            "auditor": here.hire("auditor"),
            "admin": here.hire("admin"),
        }
        yield cast


# ------------------------------------------------------------------------------ what is expected

SEES = {
    "manager": {"own"},
    "head": {"own", "team's"},
    "director": {"own", "team's", "foreign"},
    "auditor": {"own", "team's", "foreign"},
    "admin": set[str](),
}
RECORDS = {**SEES, "auditor": set[str]()}
JUDGES = {**RECORDS, "manager": set[str]()}
NEVER_OWN = {("head", "own"): 403}
OWN_EXCEPTIONS: Mapping[str, Mapping[tuple[str, str], int]] = {
    "confirmation": {**NEVER_OWN, ("director", "own"): 403},
    "rejection": NEVER_OWN,
    "weight-changes": {**NEVER_OWN, ("director", "own"): 403},
    "withdrawal": {**NEVER_OWN, ("manager", "own"): 200},
}


def expected(role: str, kind: str, may: Mapping[str, set[str]], what: str = "") -> int:
    """404 for what the role may not see, 403 for what it sees and may not do."""
    if kind not in SEES[role]:
        return 404
    exception = OWN_EXCEPTIONS.get(what, {}).get((role, kind))
    if exception is not None:
        return exception
    return 200 if kind in may[role] else 403


# ------------------------------------------------------------------------------ commands on deals

ON_DEALS: Mapping[str, Mapping[str, Any]] = {
    "actions": {"action_type": "plain", "effective_on": RECENT},
    "check-revisions": {"amount": "500000000.00", "effective_on": TODAY, **WHY},
    "expected-close-revisions": {"expected_close_on": "2027-02-01", "effective_on": TODAY},
    "handovers": {
        "to_manager_id": "nobody-yet", "transfer_credit": False, "effective_on": TODAY, **WHY,
    },
    "suspension": {"effective_on": TODAY, "review_on": "2026-12-01", **WHY},
    "resumption": {"effective_on": TODAY},
    "win": {"contract_amount": "1000000.00", "effective_on": TODAY},
    "loss": {"effective_on": TODAY, **WHY},
    "reopening": {"effective_on": TODAY, **WHY},
}  # fmt: skip
ON_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "confirmation": {},
    "rejection": WHY,
    "weight-changes": {"weight": "6.00", "effective_on": TODAY, **WHY},
    "withdrawal": WHY,
}
BEFORE = {"resumption": "suspension", "reopening": "loss"}
"""What must have happened to the deal for the command to be allowed by the rules of the books."""


@pytest.mark.parametrize(("role", "what", "kind"), [*product(ROLES, ON_DEALS, OBJECTS)])
def test_commands_on_deals(cast: Cast, role: str, what: str, kind: str) -> None:
    owner = cast.object_of(role, kind)
    deal = cast.deal(owner) if kind != "unknown" else str(uuid4())
    if what in BEFORE and kind != "unknown":
        cast.here.director.do(f"/v1/deals/{deal}/{BEFORE[what]}", ON_DEALS[BEFORE[what]])
    body = dict(ON_DEALS[what])
    if what == "actions":
        body["manager_id"] = owner
    if what == "handovers":
        body["to_manager_id"] = "boris" if owner != "boris" else "anna"
    response = cast.people[role].post(f"/v1/deals/{deal}/{what}", body)
    may = RECORDS if what == "actions" else JUDGES
    check(response, expected(role, kind, may, what))


@pytest.mark.parametrize(("role", "what", "kind"), [*product(ROLES, ON_ACTIONS, OBJECTS)])
def test_commands_on_actions(cast: Cast, role: str, what: str, kind: str) -> None:
    owner = cast.object_of(role, kind)
    deal = cast.deal(owner)
    action = cast.claim(deal, owner) if kind != "unknown" else str(uuid4())
    response = cast.people[role].post(f"/v1/deals/{deal}/actions/{action}/{what}", ON_ACTIONS[what])
    if (role, kind) == ("auditor", "unknown"):  # sees the deal, and judges nothing in it
        check(response, 403)
    else:
        check(response, expected(role, kind, JUDGES, what))


@pytest.mark.parametrize(("role", "kind"), [*product(ROLES, OBJECTS)])
def test_opening_a_deal(cast: Cast, role: str, kind: str) -> None:
    owner = cast.object_of(role, kind) if kind != "unknown" else "nobody"
    body = {
        "title": "Пресс", "client": "Завод", "manager_id": owner, "effective_on": TODAY,
        "potential_check": {"amount": "200000000.00", "currency": "RUB"},
    }  # fmt: skip
    response = cast.people[role].post("/v1/deals", body)
    if kind == "unknown" and role in ("head", "director"):
        refused(response, 409, "unknown-manager")
    else:
        check(response, 200 if kind in RECORDS[role] else 403)


def check(response: httpx.Response, status: int) -> None:
    if status == 200:
        assert response.status_code in {200, 201}, response.text
    else:
        refused(response, status, {403: "forbidden", 404: "not-found"}[status])


# ------------------------------------------------------------------------------ other commands

OTHERS: Mapping[tuple[str, str], tuple[Callable[[], dict[str, Any]], set[str]]] = {
    ("POST", "/v1/teams"): (lambda: {"name": "Запад"}, {"director", "admin"}),
    ("POST", "/v1/managers"): (lambda: {"name": "Кто-то"}, {"director", "admin"}),
    ("POST", "/v1/managers/vera/team-changes"): (
        lambda: {"team_id": "{south}", "effective_on": TODAY}, {"director", "admin"},
    ),
    ("POST", "/v1/action-types"): (
        lambda: {
            "code": f"k{uuid4().hex[:8]}", "title": {"ru": "а", "en": "a"}, "weight": "1.00",
            "effective_from": TODAY,
        },
        {"director"},
    ),
    ("POST", "/v1/action-types/spare/weights"): (
        lambda: {"weight": "2.00", "effective_from": TODAY, **WHY}, {"director"},
    ),
    ("POST", "/v1/action-types/spare/retirement"): (
        lambda: {"effective_from": "2027-01-01"}, {"director"},
    ),
    ("POST", "/v1/rules/backdating"): (lambda: {"working_days": 5, **WHY}, {"director"}),
    ("POST", "/v1/targets"): (
        lambda: {
            "manager_id": "vera", "measure": "actions", "number": 9, "first_day": TODAY,
            "last_day": TODAY, **WHY,
        },
        {"director"},
    ),
    ("POST", "/v1/accounts"): (lambda: {"name": "Пётр", "role": "auditor"}, {"admin"}),
}  # fmt: skip


@pytest.mark.parametrize(("role", "endpoint"), [*product(ROLES, OTHERS)])
def test_commands_beside_the_deals(cast: Cast, role: str, endpoint: tuple[str, str]) -> None:
    _, path = endpoint
    body, may = OTHERS[endpoint]
    told = {
        name: value.format(**cast.teams) if isinstance(value, str) else value
        for name, value in body().items()
    }
    response = cast.people[role].post(path, told)
    check(response, 200 if role in may else 403)


@pytest.mark.parametrize("role", ROLES)
def test_closing_and_reopening_a_month(cast: Cast, role: str) -> None:
    """A month before every deal, so that the other tests go on."""
    for what, body in {"closing": None, "reopening": WHY}.items():
        response = cast.people[role].post(f"/v1/periods/2025-12/{what}", body)
        check(response, 200 if role == "director" else 403)


@pytest.mark.parametrize("role", ROLES)
def test_accounts_and_keys(cast: Cast, role: str) -> None:
    someone = cast.here.hire("auditor")
    path = f"/v1/accounts/{someone.account_id}"
    status = 200 if role == "admin" else 403
    person = cast.people[role]
    check(person.get("/v1/accounts"), status)
    check(person.get(f"{path}/keys"), status)
    issued = person.post(f"{path}/keys", {})
    check(issued, status)
    key = issued.json()["key_id"] if role == "admin" else str(uuid4())
    assert person.http.delete(f"{path}/keys/{key}").status_code == (204 if status == 200 else 403)
    check(person.post(f"{path}/email", {"email": "a@romashka.ru"}), status)
    check(person.post(f"{path}/role", {"role": "director"}), status)
    assert person.http.delete(path).status_code == (204 if status == 200 else 403)


# ------------------------------------------------------------------------------ questions

OF_A_MANAGER = ("/portfolio", "/portfolio/series?from=2026-01-01&to=2026-10-20&step=month")
OF_EVERYBODY = (
    "/v1/portfolios", "/v1/portfolios/series?from=2026-01-01&to=2026-10-20&step=month",
    "/v1/portfolios/movement?from=2026-01-01&to=2026-10-20", "/v1/deals", "/v1/actions",
    "/v1/reports/activity?from=2026-01-01", "/v1/targets",
    "/v1/reports/calibration", "/v1/reports/calibration/deals",
    "/v1/reports/laboratory?cap=50.00", "/v1/reports/forecast", "/v1/reports/forecast/record",
    "/v1/reports/months", "/v1/reports/stalled", "/v1/reports/concentration", "/v1/reports/digest",
)  # fmt: skip
FORECASTS, STANDSTILL = OF_EVERYBODY[-6:-4], OF_EVERYBODY[-4:]
FOR_ALL = ("/v1/action-types", "/v1/managers", "/v1/teams", "/v1/periods", "/v1/rules")
FOR_AUDIT = (
    "/v1/events", "/v1/reads", "/v1/portfolios/restatement?from_known_at=2026-10-01",
    "/v1/audit/journal?format=hledger", "/v1/audit/certified", "/v1/audit/integrity",
)  # fmt: skip


@pytest.mark.parametrize(("role", "kind", "path"), [*product(ROLES, OBJECTS, OF_A_MANAGER)])
def test_questions_about_a_manager(cast: Cast, role: str, kind: str, path: str) -> None:
    manager = "nobody" if kind == "unknown" else cast.object_of(role, kind)
    status = 200 if kind in SEES[role] else 404
    check(cast.people[role].get(f"/v1/managers/{manager}{path}"), status)


@pytest.mark.parametrize(("role", "kind", "path"), [*product(ROLES, OBJECTS, ("", "/events"))])
def test_questions_about_a_deal(cast: Cast, role: str, kind: str, path: str) -> None:
    owner = cast.object_of(role, kind)
    deal = str(uuid4()) if kind == "unknown" else cast.deal(owner)
    status = 200 if kind in SEES[role] else 404
    check(cast.people[role].get(f"/v1/deals/{deal}{path}"), status)


@pytest.mark.parametrize(("role", "path"), [*product(ROLES, OF_EVERYBODY)])
def test_questions_about_everybody(cast: Cast, role: str, path: str) -> None:
    check(cast.people[role].get(path), 200 if SEES[role] else 403)


@pytest.mark.parametrize(("role", "path"), [*product(ROLES, FOR_ALL)])
def test_what_everybody_may_look_up(cast: Cast, role: str, path: str) -> None:
    check(cast.people[role].get(path), 200)


@pytest.mark.parametrize(("role", "path"), [*product(ROLES, FOR_AUDIT)])
def test_what_is_for_audits(cast: Cast, role: str, path: str) -> None:
    check(cast.people[role].get(path), 200 if role in ("director", "auditor") else 403)


@pytest.mark.parametrize(("role", "name"), [*product(ROLES, ("manager_id", "team_id"))])
@pytest.mark.parametrize("path", OF_EVERYBODY)
def test_a_filter_shows_nobody_more(cast: Cast, role: str, name: str, path: str) -> None:
    foreign = {"manager_id": "vera", "team_id": cast.teams["south"]}[name]
    some = ("/v1/deals", "/v1/actions", *FORECASTS, *STANDSTILL)
    takes_a_manager = "movement" in path or path in some
    takes_a_team = path not in ("/v1/deals", "/v1/targets")
    if not {"manager_id": takes_a_manager, "team_id": takes_a_team}[name]:
        return
    between = "&" if "?" in path else "?"
    status = 200 if role in ("director", "auditor") else 403 if role == "admin" else 404
    check(cast.people[role].get(f"{path}{between}{name}={foreign}"), status)


def test_what_is_in_memory_is_told_to_nobody_else(cast: Cast) -> None:
    here, path = cast.here, "/v1/managers/vera/portfolio"
    first = cast.people["director"].ask(path)
    here.learn("vera")
    for role in ROLES:
        check(cast.people[role].get(path), 200 if "foreign" in SEES[role] else 404)
    again = cast.people["director"].ask(path)
    assert again | {"known_at": ""} == first | {"known_at": ""}


# ------------------------------------------------------------------------------ lists and sums


def test_lists_and_sums_hold_what_one_may_see_and_no_more(cast: Cast) -> None:
    deals = {owner: cast.deal(owner) for owner in ("anna", "boris", "gleb", "vera")}
    for owner, deal in deals.items():
        cast.here.act(deal, owner, "plain", RECENT)
    everything, team = (
        cast.people["director"].ask("/v1/portfolios", **asked)["currencies"][0]["managers"]
        for asked in ({}, {"team_id": cast.teams["north"]})
    )
    seen = {"manager": {"anna"}, "head": {one["manager_id"] for one in team}}
    assert seen["head"] >= {"anna", "boris", "gleb"}
    assert "vera" not in seen["head"]
    for role, who in seen.items():
        person = cast.people[role]
        (rub,) = person.ask("/v1/portfolios")["currencies"]
        assert rub["managers"] == [one for one in everything if one["manager_id"] in who]
        total = sum(float(one["active"]) for one in rub["managers"])
        assert float(rub["total"]["active"]) == total > 0
        moved = person.ask("/v1/portfolios/movement", from_=LONG_AGO, to=TODAY)
        assert moved["closing"]["active"] == rub["total"]["active"]
        series = person.ask("/v1/portfolios/series", from_=TODAY, to=TODAY)
        assert series["points"][-1]["active"] == rub["total"]["active"]
        listed = {deal["deal_id"] for deal in person.ask("/v1/deals", limit=1_000)["deals"]}
        assert {owner for owner, deal in deals.items() if deal in listed} == who & set(deals)
        done = {row["deal_id"] for row in person.ask("/v1/actions", limit=1_000)["actions"]}
        assert done & set(deals.values()) == listed & set(deals.values())


def test_a_months_totals_are_shown_of_those_whom_one_may_see(cast: Cast) -> None:
    here = cast.here
    deal = here.deal("vera", on="2025-11-10")
    here.act(deal, "vera", "old", "2025-11-11") if here.kind(
        "5.00", code="old", effective_from="2025-01-01"
    ) else None
    here.director.do("/v1/periods/2025-11/closing")
    try:
        totals = {
            role: [
                one["manager_id"]
                for one in cast.people[role].ask("/v1/periods")["periods"][0]["totals"]
            ]
            for role in ROLES
        }
    finally:
        here.director.do("/v1/periods/2025-11/reopening", WHY)
    assert totals == {
        "manager": [],
        "head": [],
        "director": ["vera"],
        "auditor": ["vera"],
        "admin": [],
    }


def test_a_colleague_sees_the_deal_in_which_they_have_a_part(cast: Cast) -> None:
    deal = cast.deal("vera")
    credits_ = [{"manager_id": "vera", "weight": "3.00"}, {"manager_id": "anna", "weight": "2.00"}]
    body = {"action_type": "plain", "effective_on": RECENT, "credits": credits_}
    refused(cast.people["manager"].get(f"/v1/deals/{deal}"), 404, "not-found")
    cast.here.director.do(f"/v1/deals/{deal}/actions", body)
    assert cast.people["manager"].get(f"/v1/deals/{deal}").status_code == 200
    listed = cast.people["manager"].ask("/v1/deals", limit=1_000)["deals"]
    assert deal in [one["deal_id"] for one in listed]


def test_the_list_has_every_deal_that_one_may_open(cast: Cast) -> None:
    """Also of whoever took over a claim and handed the deal on; a claim counts while it is open."""
    director, boris = cast.people["director"], cast.here.hire("manager", manager_id="boris")
    deal = cast.deal("vera")
    cast.claim(deal, "vera")
    for to, transfer in (("boris", True), ("vera", False)):
        body = {"to_manager_id": to, "transfer_credit": transfer, "effective_on": TODAY, **WHY}
        director.do(f"/v1/deals/{deal}/handovers", body)
    seen = []
    for what in (None, "suspension", "resumption", "loss"):
        if what is not None:
            director.do(f"/v1/deals/{deal}/{what}", ON_DEALS[what])
        listed = [one["deal_id"] for one in boris.ask("/v1/deals", limit=1_000)["deals"]]
        assert (deal in listed) == (boris.get(f"/v1/deals/{deal}").status_code == 200)
        seen.append(deal in listed)
    assert seen == [True, False, True, False]


# ------------------------------------------------------------------------------ teams over time


def test_a_head_sees_who_was_in_the_team_then_and_is_today(cast: Cast) -> None:
    here = cast.here
    here.director.do(
        "/v1/managers", {"name": "m", "manager_id": "mover", "team_id": cast.teams["north"]}
    )
    south = here.hire("head", team_id=cast.teams["south"])
    north = cast.people["head"]
    path = "/v1/managers/mover/portfolio"
    assert north.get(path, as_of="2026-05-31").status_code == 200
    here.director.do(
        "/v1/managers/mover/team-changes",
        {"team_id": cast.teams["south"], "effective_on": "2026-06-01"},
    )
    for person, day, status in (
        (north, "2026-05-31", 404), (north, "2026-06-01", 404),
        (south, "2026-05-31", 404), (south, "2026-06-01", 200), (south, TODAY, 200),
    ):  # fmt: skip
        assert person.get(path, as_of=day).status_code == status, (day, status)


@pytest.fixture
def joined(cast: Cast) -> str:
    """A manager who came from South to North on 1 June, with an action before that and one after,
    and a colleague who went the other way.
    """
    here, number = cast.here, next(_newcomers)
    ways = {f"came-{number}": ("south", "north"), f"went-{number}": ("north", "south")}
    for who, (before, after) in ways.items():
        body = {"name": who, "manager_id": who, "team_id": cast.teams[before]}
        here.director.do("/v1/managers", body)
        deal = here.deal(who, on="2026-01-12")
        here.act(deal, who, "plain", "2026-02-02")
        here.act(deal, who, "plain", "2026-07-01")
        move = {"team_id": cast.teams[after], "effective_on": "2026-06-01"}
        here.director.do(f"/v1/managers/{who}/team-changes", move)
    return f"came-{number}"


@pytest.mark.parametrize("day", ["2026-05-31", "2026-06-01"])
def test_lists_and_sums_are_of_those_who_were_in_the_team_then_and_are_today(
    cast: Cast, joined: str, day: str
) -> None:
    head, director = cast.people["head"], cast.people["director"]
    (rub,) = head.ask("/v1/portfolios", as_of=day)["currencies"]
    shown = {one["manager_id"] for one in rub["managers"]}
    assert (joined in shown) == (day == "2026-06-01")
    assert joined.replace("came", "went") not in shown
    listed = [one["owner"] for one in head.ask("/v1/deals", as_of=day, limit=1_000)["deals"]]
    assert (joined in listed) == (day == "2026-06-01")
    assert joined.replace("came", "went") not in listed
    point = head.ask("/v1/portfolios/series", from_=day, to=day)["points"][0]
    assert point["active"] == rub["total"]["active"]
    team = cast.teams["north"]
    (rub,) = head.ask("/v1/portfolios", as_of=day, team_id=team)["currencies"]
    assert {one["manager_id"] for one in rub["managers"]} == shown
    (everybody,) = director.ask("/v1/portfolios", as_of=day, team_id=team)["currencies"]
    gone = joined.replace("came", "went") in {one["manager_id"] for one in everybody["managers"]}
    assert gone == (day == "2026-05-31")


def test_a_movement_tells_a_head_nothing_of_a_time_in_another_team(cast: Cast, joined: str) -> None:
    """Its opening is the portfolio at the end of `from`."""
    head, path = cast.people["head"], "/v1/portfolios/movement"
    before = {"from_": "2026-05-31", "to": TODAY}
    refused(head.get(path, **before, manager_id=joined), 404, "not-found")
    since = head.ask(path, from_="2026-06-01", to=TODAY, manager_id=joined)
    assert since["opening"]["active"] == "20000000.00"
    team = {"team_id": cast.teams["north"]}
    for asked in ({}, team):
        opening = head.ask(path, **before, **asked)["opening"]
        (rub,) = head.ask("/v1/portfolios", as_of="2026-05-31", **asked)["currencies"]
        assert opening["active"] == rub["total"]["active"]


def test_a_series_tells_a_head_nothing_of_a_time_in_another_team(cast: Cast, joined: str) -> None:
    asked = {"from_": "2026-04-01", "to": TODAY, "step": "month"}
    path = f"/v1/managers/{joined}/portfolio/series"
    points = cast.people["head"].ask(path, **asked)["points"]
    assert [one["as_of"] for one in points] == [
        "2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30", TODAY,
    ]  # fmt: skip
    everything = cast.people["director"].ask(path, **asked)["points"]
    assert everything[-5:] == points
    assert len(everything) == 7


def test_a_head_leads_nobody_who_is_in_no_team(cast: Cast) -> None:
    head = cast.people["head"]
    refused(head.get("/v1/managers/dina/portfolio"), 404, "not-found")
    nobodys = Grant(Role.HEAD)
    people = cast.here.service.directory
    with cast.here.service.asking() as cursor:
        known = people.at(cursor, BEYOND).people
    assert known.team_of(ManagerId("dina"), NOON.date()) is None
    assert sight(nobodys, known, NOON.date()).managers == frozenset()


# ------------------------------------------------------------------------------ one's own cause


def test_a_manager_records_own_actions_only(cast: Cast) -> None:
    deal = cast.deal("anna")
    path, anna = f"/v1/deals/{deal}/actions", cast.people["manager"]
    body = {"action_type": "plain", "effective_on": RECENT}
    problem = refused(anna.post(path, body | {"manager_id": "boris"}), 403, "forbidden")
    assert problem["rule"] == "not-your-action"
    credits_ = [{"manager_id": "anna", "weight": "3.00"}, {"manager_id": "boris", "weight": "2.00"}]
    refused(anna.post(path, body | {"credits": credits_}), 403, "forbidden")
    assert anna.post(path, body | {"manager_id": "anna"}).status_code == 201


def test_a_head_records_for_the_team_only(cast: Cast) -> None:
    deal = cast.deal("anna")
    body = {"action_type": "plain", "effective_on": RECENT, "manager_id": "vera"}
    problem = refused(cast.people["head"].post(f"/v1/deals/{deal}/actions", body), 403, "forbidden")
    assert problem["rule"] == "not-your-team"


def test_a_head_judges_the_deals_of_the_team_only(cast: Cast) -> None:
    """Of another team's deal in which one of theirs has a part they see everything."""
    deal = cast.deal("vera")
    cast.here.act(deal, "anna", "plain", RECENT)
    head = cast.people["head"]
    assert head.get(f"/v1/deals/{deal}").status_code == 200
    problem = refused(head.post(f"/v1/deals/{deal}/loss", ON_DEALS["loss"]), 403, "forbidden")
    assert problem["rule"] == "not-your-team"


def test_a_manager_withdraws_a_claim_and_not_what_counts(cast: Cast) -> None:
    deal = cast.deal("anna")
    action = cast.here.act(deal, "anna", "plain", RECENT)
    path = f"/v1/deals/{deal}/actions/{action}/withdrawal"
    problem = refused(cast.people["manager"].post(path, WHY), 403, "forbidden")
    assert problem["rule"] == "no-own-claim"


def test_a_director_lowers_and_never_raises_the_weight_of_an_own_action(cast: Cast) -> None:
    deal = cast.deal("dina")
    action = cast.here.act(deal, "dina", "plain", RECENT)
    path, dina = f"/v1/deals/{deal}/actions/{action}/weight-changes", cast.people["director"]
    body = {"effective_on": TODAY, **WHY}
    problem = refused(dina.post(path, body | {"weight": "5.01"}), 403, "forbidden")
    assert problem["rule"] == "raises-own-weight"
    assert dina.post(path, body | {"weight": "4.99"}).status_code == 200


def test_an_action_stays_ones_own_when_its_credit_is_handed_on(cast: Cast) -> None:
    deal = cast.deal("gleb")
    action = cast.claim(deal, "gleb")
    handed = {"to_manager_id": "boris", "transfer_credit": True, "effective_on": TODAY, **WHY}
    cast.here.director.do(f"/v1/deals/{deal}/handovers", handed)
    path = f"/v1/deals/{deal}/actions/{action}/confirmation"
    problem = refused(cast.people["head"].post(path, {}), 403, "forbidden")
    assert problem["rule"] == "own-action"


@pytest.mark.parametrize(("role", "me"), [("head", "gleb"), ("director", "dina")])
def test_nobody_hands_credit_to_themselves(cast: Cast, role: str, me: str) -> None:
    path = f"/v1/deals/{cast.deal('boris')}/handovers"
    body = {"to_manager_id": me, "transfer_credit": True, "effective_on": TODAY, **WHY}
    problem = refused(cast.people[role].post(path, body), 403, "forbidden")
    assert problem["rule"] == "credit-to-oneself"
    assert cast.people[role].post(path, body | {"transfer_credit": False}).status_code == 200


# ------------------------------------------------------------------------------ backdating


@pytest.mark.parametrize(("role", "day", "status"), [
    ("manager", TODAY, 200), ("manager", RECENT, 200), ("manager", LONG_AGO, 403),
    ("head", LONG_AGO, 200), ("director", LONG_AGO, 200),
])  # fmt: skip
def test_a_manager_dates_five_working_days_back(
    cast: Cast, role: str, day: str, status: int
) -> None:
    owner = cast.object_of(role, "own")
    body = {"action_type": "plain", "manager_id": owner, "effective_on": day}
    check(cast.people[role].post(f"/v1/deals/{cast.deal(owner)}/actions", body), status)


def test_that_limit_is_of_actions_alone(cast: Cast) -> None:
    """By nothing else does a portfolio of their own grow."""
    anna = cast.people["manager"]
    deal = cast.deal("anna")
    action = cast.here.act(deal, "anna", "claimed", LONG_AGO)
    check(anna.post(f"/v1/deals/{deal}/actions/{action}/withdrawal", WHY), 200)
    body = {
        "title": "Пресс", "client": "Завод", "manager_id": "anna", "effective_on": LONG_AGO,
        "potential_check": {"amount": "1000000.00", "currency": "RUB"},
    }  # fmt: skip
    check(anna.post("/v1/deals", body), 200)


@pytest.mark.parametrize(("day", "status"), [("2026-11-02", 200), ("2026-11-01", 403)])
def test_a_holiday_is_no_working_day(cast: Cast, day: str, status: int) -> None:
    """On Tuesday, 10 November: five working days back over two weekends and the 4th."""
    deal = cast.deal("anna")
    body = {"action_type": "plain", "manager_id": "anna", "effective_on": day}
    cast.here.clock.now = NOON.replace(month=11, day=10)
    try:
        check(cast.people["manager"].post(f"/v1/deals/{deal}/actions", body), status)
    finally:
        cast.here.clock.now = NOON


def test_how_far_back_is_a_rule_that_the_director_sets_and_the_log_keeps(cast: Cast) -> None:
    anna, director = cast.people["manager"], cast.people["director"]
    path = f"/v1/deals/{cast.deal('anna')}/actions"
    body = {"action_type": "plain", "manager_id": "anna", "effective_on": RECENT}
    assert anna.post(path, body).status_code == 201
    director.do("/v1/rules/backdating", {"working_days": 4, **WHY})
    problem = refused(anna.post(path, body), 403, "forbidden")
    assert (problem["rule"], problem["earliest"]) == ("too-far-back", "2026-10-14")
    assert anna.ask("/v1/rules")["backdating"]["working_days"] == 4
    director.do("/v1/rules/backdating", {"working_days": None, **WHY})
    assert anna.post(path, body | {"effective_on": "2026-02-01"}).status_code == 201
    director.do("/v1/rules/backdating", {"working_days": 5, **WHY})


# ------------------------------------------------------------------------------ at once


def test_a_role_that_is_taken_away_counts_from_the_next_request(cast: Cast) -> None:
    someone = cast.here.hire("director")
    assert someone.get("/v1/events").status_code == 200
    everybody = len(someone.ask("/v1/portfolios")["currencies"][0]["managers"])
    admin = cast.people["admin"]
    admin.do(f"/v1/accounts/{someone.account_id}/role", {"role": "auditor"})
    refused(someone.post("/v1/teams", {"name": "Юг"}), 403, "forbidden")
    assert someone.get("/v1/events").status_code == 200
    admin.do(f"/v1/accounts/{someone.account_id}/role", {"role": "manager", "manager_id": "anna"})
    (own,) = someone.ask("/v1/portfolios")["currencies"][0]["managers"]
    assert (own["manager_id"], everybody > 1) == ("anna", True)
    refused(someone.get("/v1/events"), 403, "forbidden")
    assert admin.http.delete(f"/v1/accounts/{someone.account_id}").status_code == 204
    refused(someone.get("/v1/portfolios"), 401, "unauthenticated")
    refused(someone.get("/v1/action-types"), 401, "unauthenticated")
    refused(someone.post("/v1/teams", {"name": "Юг"}), 401, "unauthenticated")


def test_a_role_that_another_server_takes_away_counts_as_well(cast: Cast) -> None:
    transactor = cast.here.service.dealfolio.transactor
    for path in ("/v1/reads", "/v1/events"):
        someone = cast.here.hire("auditor")
        assert someone.get(path).status_code == 200
        gone = Order(RevokeRole(AccountId(UUID(someone.account_id))), OPERATOR)
        transactor.submit(gone).result(20)
        refused(someone.get(path), 401, "unauthenticated")


def test_a_key_that_is_taken_back_is_worth_nothing_and_the_others_hold(cast: Cast) -> None:
    admin = cast.people["admin"]
    someone = cast.here.hire("director")
    path = f"/v1/accounts/{someone.account_id}/keys"
    issued = admin.do(path, {})
    other = cast.here.person(issued["token"])
    assert other.get("/v1/events").status_code == 200
    assert admin.http.delete(f"{path}/{issued['key_id']}").status_code == 204
    refused(other.get("/v1/events"), 401, "unauthenticated")
    refused(other.post("/v1/teams", {"name": "Юг"}), 401, "unauthenticated")
    refused(other.get("/v1/action-types"), 401, "unauthenticated")
    assert someone.get("/v1/events").status_code == 200
    assert issued["key_id"] not in {key["key_id"] for key in admin.ask(path)["keys"]}


def test_a_key_expires(cast: Cast) -> None:
    someone = cast.here.hire("director")
    path = f"/v1/accounts/{someone.account_id}/keys"
    issued = cast.people["admin"].do(path, {"expires_at": "2026-10-20T12:00:01+03:00"})
    other = cast.here.person(issued["token"])
    assert other.get("/v1/events").status_code == 200
    cast.here.clock.now = NOON.replace(second=1)
    try:
        refused(other.get("/v1/events"), 401, "unauthenticated")
        refused(other.post("/v1/teams", {"name": "Юг"}), 401, "unauthenticated")
    finally:
        cast.here.clock.now = NOON


# ------------------------------------------------------------------------------ nothing is left out


def test_every_endpoint_is_in_one_of_the_tables() -> None:
    routes = [
        route
        for context in create_app().routes
        for route in getattr(getattr(context, "original_router", context), "routes", [context])
        if isinstance(route, APIRoute) and route.path.startswith("/v1")
    ]
    assert len(routes) > 40
    for route in routes:
        known = route.operation_id in QUESTIONS
        gives_commands = route.endpoint.__annotations__["return"] in (Command, Batch)
        assert known != gives_commands, route.path
    assert QUESTIONS.keys() <= {route.operation_id for route in routes}


def test_every_command_has_its_task() -> None:
    commands = {
        cls
        for module in ("deal_commands", "directory_commands", "access_commands", "target_commands")
        for cls in vars(__import__(f"domain.{module}", fromlist=["*"])).values()
        if isinstance(cls, type) and hasattr(cls, "decide") and cls is not Command
    }
    assert commands == set(TASKS)


def test_the_matrix_is_that_of_the_design() -> None:
    rows = {
        task: {role: MATRIX[task].get(role, "-") for role in Role if role is not Role.ADMIN}
        for task in (Task.SEE, Task.RECORD, Task.JUDGE, Task.REGULATE, Task.AUDIT, Task.ADMINISTER)
    }
    own, team, all_ = Reach.OWN, Reach.TEAM, Reach.ALL
    assert {task: [*row.values()] for task, row in rows.items()} == {
        Task.SEE: [own, team, all_, all_],
        Task.RECORD: [own, team, all_, "-"],
        Task.JUDGE: [own, team, all_, "-"],
        Task.REGULATE: ["-", "-", all_, "-"],
        Task.AUDIT: ["-", "-", all_, all_],
        Task.ADMINISTER: ["-", "-", "-", "-"],
    }
    assert [task for task in Task if Role.ADMIN in MATRIX[task]] == [
        Task.LOOK_UP, Task.STAFF, Task.ADMINISTER,
    ]  # fmt: skip
