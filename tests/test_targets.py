"""Targets: what may be promised and until when, and what was reached of it."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.events import TargetSet
from domain.targets import Target, Targets
from domain.values import ManagerId, Measure, Money, TargetId
from projections.reports.attainment import attainment
from tests.browser import page_of
from tests.over_http import Company, company, refused

ACTIVITY = "/v1/reports/activity"
QUARTER = {"first_day": "2026-10-01", "last_day": "2026-12-31"}
WHY = {"reason": "План квартала"}


# ---------------------------------------------------------------------------- the rules


def promise(place: int, **more: Any) -> TargetSet:
    said: dict[str, Any] = {
        "target_id": TargetId(UUID(int=place)),
        "measure": Measure.ACTIONS,
        "first_day": date(2026, 10, 1),
        "last_day": date(2026, 10, 10),
        "reason": "План",
        "manager_id": ManagerId("anna"),
        "number": 20,
    }
    return TargetSet.model_construct(**said | more)


@pytest.mark.parametrize(
    ("changed", "stands"),
    [
        ({}, [2]),
        ({"number": 30}, [2]),
        ({"manager_id": ManagerId("boris")}, [1, 2]),
        ({"last_day": date(2026, 10, 11)}, [1, 2]),
        ({"measure": Measure.GAINED}, [1, 2]),
    ],
    ids=str,
)
def test_one_of_the_same_takes_the_place_of_the_earlier_one(
    changed: dict[str, Any], stands: list[int]
) -> None:
    targets = Targets().evolve(promise(1), 7).evolve(promise(2, **changed), 8)
    assert [one.int for one in targets.standing] == stands


def test_targets_of_different_currencies_stand_beside_each_other() -> None:
    targets = Targets()
    for place, currency in enumerate(("RUB", "USD"), 1):
        money = Money(amount=100, currency=currency)
        targets = targets.evolve(promise(place, measure=Measure.GAINED, amount=money), place)
    assert len(targets.standing) == 2


def test_a_target_has_its_first_day_and_its_last() -> None:
    targets = Targets().evolve(promise(1), 7)
    on = [len(targets.on(date(2026, *day))) for day in ((9, 30), (10, 1), (10, 10), (10, 11))]
    assert on == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("day", "begun", "expected"),
    [(1, 0, 2), (3, 0, 6), (10, 0, 20), (10, 5, 20), (3, 10, 13), (1, 13, 13)],
)
def test_what_is_expected_is_a_straight_line(day: int, begun: int, expected: int) -> None:
    """From the eve of the first day, where a level may have begun with something."""
    found = attainment(Target(7, promise(1)), begun, 4, date(2026, 10, day))
    assert (found.expected, found.reached, found.promised) == (expected, 4, 20)


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    """Anna and Boris sell in the north; each has a deal, and Anna has done something in it."""
    with company(database) as here:
        north = here.director.do("/v1/teams", {"name": "Север"})["team_id"]
        for who in ("anna", "boris"):
            here.director.do("/v1/managers", {"name": who, "manager_id": who, "team_id": north})
        here.director.do("/v1/teams", {"name": "Юг"})
        here.kind("5.00", code="proposal")
        dollars = here.deal("anna", currency="USD")
        deals = [here.deal(who) for who in ("anna", "boris")]
        here.act(deals[0], "anna", "proposal", "2026-09-30")
        here.act(deals[0], "anna", "proposal", "2026-10-01")
        here.act(dollars, "anna", "proposal", "2026-10-02")
        here.act(deals[1], "boris", "proposal", "2026-10-20")
        yield here


def set_one(here: Company, measure: str, value: Any, **whom: str) -> str:
    figure = {"number": value} if measure == "actions" else {"amount": _money(value)}
    body = {"measure": measure, **figure, **whom, **QUARTER, **WHY}
    return str(here.director.do("/v1/targets", body)["target_id"])


def _money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "RUB"}


def _team(here: Company, place: int = 0) -> str:
    return str(here.director.ask("/v1/teams")["teams"][place]["team_id"])


def test_what_was_reached_is_told_beside_what_was_expected(here: Company) -> None:
    set_one(here, "gained", "92000000.00", manager_id="anna")
    set_one(here, "portfolio", "112000000.00", manager_id="anna")
    set_one(here, "actions", 46, manager_id="anna")
    set_one(here, "gained", "40000000.00", team_id=_team(here))
    answer = here.director.ask(ACTIVITY, as_of="2026-10-19")
    told = [
        [one[name] for name in ("measure", "reached", "expected", "share", "pace")]
        for one in answer["targets"]
    ]
    assert told == [  # 19 of 92 days
        ["gained", "20000000.00", "19000000.00", "21.73", "105.26"],
        ["portfolio", "40000000.00", "39000000.00", "35.71", "102.56"],
        ["actions", "2", "9", "4.34", "22.22"],  # one of them on a deal in dollars
        ["gained", "20000000.00", "8260869.565217", "50.00", "242.10"],
    ]
    (*_, team) = here.director.ask(ACTIVITY)["targets"]
    assert (team["reached"], team["share"]) == ("40000000.00", "100.00")


def test_a_target_is_told_from_its_setting_on_and_on_its_days(here: Company) -> None:
    before = here.position
    target = set_one(here, "actions", 9, manager_id="anna")
    assert here.director.ask("/v1/targets", position=before)["targets"] == []
    assert here.director.ask(ACTIVITY, position=before)["targets"] == []
    assert here.director.ask(ACTIVITY, as_of="2026-09-30")["targets"] == []
    (told,) = here.director.ask("/v1/targets")["targets"]
    assert told == {
        "target_id": target, "manager_id": "anna", "team_id": None, "measure": "actions",
        "amount": None, "number": 9, **QUARTER, **WHY, "position": here.position,
    }  # fmt: skip


def test_a_withdrawn_target_stands_no_more(here: Company) -> None:
    target, until = set_one(here, "actions", 9, manager_id="anna"), here.position
    here.director.do(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
    assert here.director.ask("/v1/targets")["targets"] == []
    assert len(here.director.ask("/v1/targets", position=until)["targets"]) == 1
    again = here.director.post(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
    refused(again, 404, "not-found")


def test_what_is_over_is_promised_no_more(here: Company) -> None:
    """On its last day a target may still be set; the day after, nothing of it is changed."""
    body = {"manager_id": "anna", "measure": "actions", "number": 9, **WHY}
    days = {"first_day": "2026-10-01", "last_day": "2026-10-20"}
    target = here.director.do("/v1/targets", body | days)["target_id"]
    here.clock.now = here.clock.now.replace(day=21)
    problem = refused(here.director.post("/v1/targets", body | days), 409, "not-allowed-now")
    assert "20" in problem["detail"]
    late = here.director.post(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
    refused(late, 409, "not-allowed-now")


def test_whose_target_there_is_nobody(here: Company) -> None:
    body = {"measure": "actions", "number": 9, **QUARTER, **WHY}
    nobody = here.director.post("/v1/targets", body | {"manager_id": "nobody"})
    refused(nobody, 409, "unknown-manager")
    nowhere = here.director.post("/v1/targets", body | {"team_id": str(uuid4())})
    refused(nowhere, 404, "not-found")


def test_targets_are_told_to_those_whom_they_concern(here: Company) -> None:
    """What a team has reached tells of everybody in it."""
    north, south = _team(here), _team(here, 1)
    for whom in ({"manager_id": "anna"}, {"manager_id": "boris"}, {"team_id": north}):
        set_one(here, "actions", 9, **whom)
    people = {
        here.hire("manager", manager_id="anna"): 1,
        here.hire("head", team_id=north): 3,
        here.hire("head", team_id=south): 0,
        here.hire("auditor"): 3,
    }
    for person, number in people.items():
        assert len(person.ask("/v1/targets")["targets"]) == number
        assert len(person.ask(ACTIVITY)["targets"]) == number
    assert len(here.director.ask(ACTIVITY, team_id=south)["targets"]) == 0
    for person in (here.admin,):
        refused(person.get("/v1/targets"), 403, "forbidden")


def test_a_head_is_told_what_was_reached_in_the_team(here: Company) -> None:
    """Boris came in the middle of the quarter: what he did before is not the head's to know."""
    south = _team(here, 1)
    move = {"team_id": south, "effective_on": "2026-10-10"}
    here.director.do("/v1/managers/boris/team-changes", move)
    set_one(here, "actions", 9, manager_id="boris")
    head = here.hire("head", team_id=south)
    assert len(head.ask("/v1/targets")["targets"]) == 1
    assert head.ask(ACTIVITY)["targets"] == []


def test_the_pages_of_targets_pages_on(here: Company) -> None:
    for number in (5, 6, 7):
        here.director.do(
            "/v1/targets",
            {"manager_id": "anna", "measure": "actions", "number": number, **WHY}
            | QUARTER
            | {"last_day": f"2026-12-{number:02}"},
        )
    pages = [*here.director.pages("/v1/targets", limit=2)]
    assert [[one["number"] for one in page["targets"]] for page in pages] == [[5, 6], [7]]


# ---------------------------------------------------------------------------- the page


def test_a_director_sets_and_withdraws_a_target_by_a_form(here: Company) -> None:
    page, form = page_of(here, here.director), {"key": str(uuid4())}
    fields = {
        "whom": "manager:anna", "measure": "gained", "value": "92 000 000,50", **QUARTER, **WHY,
    }  # fmt: skip
    wrong = page.send("/reports/targets/setting", **form, **fields | {"value": "много"})
    assert wrong.status_code == 422
    assert "много" in wrong.text, "what was typed is still there"
    done = page.send("/reports/targets/setting", **form, **fields)
    assert done.status_code == 303
    (target,) = here.director.ask("/v1/targets")["targets"]
    assert target["amount"] == _money("92000000.50")
    shown = page.get(done.headers["location"]).text
    assert "Цель поставлена" in shown
    assert "21,73" in shown, "what was reached of it"
    gone = {"target_id": target["target_id"], "reason": "Отпуск", "key": str(uuid4())}
    assert page.send("/reports/targets/withdrawal", **gone).status_code == 303
    assert here.director.ask("/v1/targets")["targets"] == []
    for role, place in (("head", {"team_id": _team(here)}), ("auditor", {})):
        other = page_of(here, here.hire(role, **place))
        assert "/reports/targets/setting" not in other.get("/reports/targets").text
        sent = other.send("/reports/targets/setting", **fields, key=str(uuid4()))
        assert sent.status_code == 403
