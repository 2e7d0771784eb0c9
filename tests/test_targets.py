"""Targets: what may be promised and until when, and what was reached of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.events import TargetSet
from domain.targets import Target, Targets
from domain.values import ManagerId, Measure, Money, TargetId
from projections.reports.attainment import attainment
from projections.reports.columns import MOST_EVENTS
from tests.browser import page_of
from tests.over_http import Company, Person, company, refused

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


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as here:
        here.kind("5.00", code="proposal")
        yield here


@dataclass(frozen=True)
class Cast:
    """Anna and Boris, who sell in the north."""

    here: Company
    north: str
    south: str
    anna: str
    boris: str

    def set(self, measure: str, value: Any, **whom: str) -> str:
        figure = {"number": value} if measure == "actions" else {"amount": money(value)}
        body = {"measure": measure, **figure, **whom, **QUARTER, **WHY}
        return str(self.here.director.do("/v1/targets", body)["target_id"])

    def told(self, person: Person, path: str = "/v1/targets", **asked: object) -> list[Any]:
        """The targets of these two and of their team."""
        more = {"limit": 1_000} if path == "/v1/targets" else {}
        return [
            one
            for one in person.ask(path, **more, **asked)["targets"]
            if one["team_id"] == self.north or one["manager_id"] in (self.anna, self.boris)
        ]


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "RUB"}


@pytest.fixture(params=[MOST_EVENTS, 0], ids=["columns", "database"])
def cast(here: Company, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setattr(here.service.columns, "most_events", request.param)
    north, south = (
        here.director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг")
    )
    return Cast(here, north, south, *(here.manager(team_id=north) for _ in range(2)))


def test_what_was_reached_is_told_beside_what_was_expected(cast: Cast) -> None:
    here = cast.here
    annas, boriss = here.deal(cast.anna), here.deal(cast.boris)
    here.act(annas, cast.anna, "proposal", "2026-09-30")
    here.act(annas, cast.anna, "proposal", "2026-10-01")
    here.act(here.deal(cast.anna, currency="USD"), cast.anna, "proposal", "2026-10-02")
    here.act(boriss, cast.boris, "proposal", "2026-10-20")
    cast.set("gained", "92000000.00", manager_id=cast.anna)
    cast.set("portfolio", "112000000.00", manager_id=cast.anna)
    cast.set("actions", 46, manager_id=cast.anna)
    cast.set("gained", "40000000.00", team_id=cast.north)
    told = [
        [one[name] for name in ("measure", "reached", "expected", "share", "pace")]
        for one in cast.told(here.director, ACTIVITY, as_of="2026-10-19")
    ]
    assert told == [  # 19 of 92 days
        ["gained", "20000000.00", "19000000.00", "21.73", "105.26"],
        ["portfolio", "40000000.00", "39000000.00", "35.71", "102.56"],
        ["actions", "2", "9", "4.34", "22.22"],  # one of them on a deal in dollars
        ["gained", "20000000.00", "8260869.565217", "50.00", "242.10"],
    ]
    (*_, team) = cast.told(here.director, ACTIVITY)
    assert (team["reached"], team["share"]) == ("40000000.00", "100.00")


def test_what_others_did_to_a_portfolio_is_not_gained(cast: Cast) -> None:
    deal = cast.here.deal(cast.anna)
    cast.here.act(deal, cast.anna, "proposal", "2026-10-01")
    revised = {"amount": "500000000.00", "effective_on": "2026-10-02", "reason": "Больше"}
    cast.here.director.do(f"/v1/deals/{deal}/check-revisions", revised)
    cast.set("gained", "40000000.00", manager_id=cast.anna)
    (told,) = cast.told(cast.here.director, ACTIVITY)
    assert told["reached"] == "20000000.00"


def test_a_target_is_told_from_its_setting_on_and_on_its_days(cast: Cast) -> None:
    director, before = cast.here.director, cast.here.position
    target = cast.set("actions", 9, manager_id=cast.anna)
    assert cast.told(director, position=before) == []
    assert cast.told(director, ACTIVITY, position=before) == []
    assert cast.told(director, ACTIVITY, as_of="2026-09-30") == []
    (told,) = cast.told(director)
    assert told == {
        "target_id": target, "manager_id": cast.anna, "team_id": None, "measure": "actions",
        "amount": None, "number": 9, **QUARTER, **WHY, "position": cast.here.position,
    }  # fmt: skip


def test_a_withdrawn_target_stands_no_more(cast: Cast) -> None:
    director = cast.here.director
    target, until = cast.set("actions", 9, manager_id=cast.anna), cast.here.position
    director.do(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
    assert cast.told(director) == []
    assert len(cast.told(director, position=until)) == 1
    again = director.post(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
    refused(again, 404, "not-found")


def test_what_is_over_is_promised_no_more(cast: Cast) -> None:
    """On its last day a target may still be set; the day after, nothing of it is changed."""
    here, body = cast.here, {"manager_id": cast.anna, "measure": "actions", "number": 9, **WHY}
    days = {"first_day": "2026-10-01", "last_day": "2026-10-20"}
    target = here.director.do("/v1/targets", body | days)["target_id"]
    here.clock.now += timedelta(days=1)
    try:
        problem = refused(here.director.post("/v1/targets", body | days), 409, "not-allowed-now")
        assert "20" in problem["detail"]
        late = here.director.post(f"/v1/targets/{target}/withdrawal", {"reason": "Отпуск"})
        refused(late, 409, "not-allowed-now")
    finally:
        here.clock.now -= timedelta(days=1)


def test_nobody_has_a_target_of_nobody(cast: Cast) -> None:
    body = {"measure": "actions", "number": 9, **QUARTER, **WHY}
    nobody = cast.here.director.post("/v1/targets", body | {"manager_id": "nobody"})
    refused(nobody, 409, "unknown-manager")
    nowhere = cast.here.director.post("/v1/targets", body | {"team_id": str(uuid4())})
    refused(nowhere, 404, "not-found")


def test_targets_are_told_to_those_whom_they_concern(cast: Cast) -> None:
    """What a team has reached tells of everybody in it."""
    here = cast.here
    for whom in (
        {"manager_id": cast.anna}, {"manager_id": cast.boris}, {"team_id": cast.north},
    ):  # fmt: skip
        cast.set("actions", 9, **whom)
    for person, number in (
        (here.hire("manager", manager_id=cast.anna), 1),
        (here.hire("head", team_id=cast.north), 3),
        (here.hire("head", team_id=cast.south), 0),
        (here.hire("auditor"), 3),
    ):
        assert len(cast.told(person)) == number
        assert len(cast.told(person, ACTIVITY)) == number
    assert cast.told(here.director, ACTIVITY, team_id=cast.south) == []
    refused(here.admin.get("/v1/targets"), 403, "forbidden")


def test_a_head_is_told_what_was_reached_in_the_team(cast: Cast) -> None:
    """Boris came in the middle of the quarter: what he did before is not the head's to know."""
    move = {"team_id": cast.south, "effective_on": "2026-10-10"}
    cast.here.director.do(f"/v1/managers/{cast.boris}/team-changes", move)
    cast.set("actions", 9, manager_id=cast.boris)
    head = cast.here.hire("head", team_id=cast.south)
    assert len(cast.told(head)) == 1
    assert cast.told(head, ACTIVITY) == []
    assert cast.told(head, ACTIVITY, from_="2026-10-12") == [], "a span in which he is theirs"


def test_the_list_of_targets_has_pages(cast: Cast) -> None:
    before = cast.here.position
    for number in (5, 6, 7):
        body = {"manager_id": cast.anna, "measure": "actions", "number": number, **WHY, **QUARTER}
        cast.here.director.do("/v1/targets", body | {"last_day": f"2026-12-{number:02}"})
    pages = [*islice(cast.here.director.pages("/v1/targets", limit=2, cursor=before), 3)]
    assert [[one["number"] for one in page["targets"]] for page in pages] == [[5, 6], [7]]


# ---------------------------------------------------------------------------- the page


def test_a_director_sets_and_withdraws_a_target_by_a_form(cast: Cast) -> None:
    here = cast.here
    here.act(here.deal(cast.anna), cast.anna, "proposal", "2026-10-01")
    page, form = page_of(here, here.director), {"key": str(uuid4())}
    fields = {
        "whom": f"manager:{cast.anna}", "measure": "gained", "value": "92 000 000,50", **QUARTER,
        **WHY,
    }  # fmt: skip
    wrong = page.send("/reports/targets/setting", **form, **fields | {"value": "много"})
    assert wrong.status_code == 422
    assert "много" in wrong.text, "what was typed is still there"
    done = page.send("/reports/targets/setting", **form, **fields)
    assert done.status_code == 303
    (target,) = cast.told(here.director)
    assert target["amount"] == money("92000000.50")
    shown = page.get(done.headers["location"]).text
    assert "Цель поставлена" in shown
    assert "21,73" in shown, "what was reached of it"
    gone = {"target_id": target["target_id"], "reason": "Отпуск", "key": str(uuid4())}
    assert page.send("/reports/targets/withdrawal", **gone).status_code == 303
    assert cast.told(here.director) == []
    for other in (here.hire("head", team_id=cast.north), here.hire("auditor")):
        reader = page_of(here, other)
        assert "/reports/targets/setting" not in reader.get("/reports/targets").text
        sent = reader.send("/reports/targets/setting", **fields, key=str(uuid4()))
        assert sent.status_code == 403
