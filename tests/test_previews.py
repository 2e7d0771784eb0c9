"""What a batch would come to is what it then comes to; and to ask records nothing."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from api.settings import Settings
from tests.over_http import AUTUMN, Company, Person, company, refused

ACCOUNTS = ("active", "claimed", "suspended", "lost", "won")
WHY = {"reason": "Показано не первому лицу"}


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    with company(database, AUTUMN) as begun:
        yield begun


def preview(person: Person, *commands: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = person.post("/v1/batches/preview", {"commands": commands}, **headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def weighed(deal: str, action: str, weight: str, on: str = "2026-10-20") -> dict[str, Any]:
    path = f"/v1/deals/{deal}/actions/{action}/weight-changes"
    return {"path": path, "body": {"weight": weight, "effective_on": on, **WHY}}


def portfolios(here: Company) -> dict[tuple[str, str], dict[str, str]]:
    """By currency and manager: as the API answers."""
    return {
        (one["currency"], line["manager_id"]): {account: line[account] for account in ACCOUNTS}
        for one in here.director.ask("/v1/portfolios")["currencies"]
        for line in one["managers"]
    }


def foretold(told: dict[str, Any], which: str) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (one["currency"], line["manager_id"]): line[which]
        for one in told["currencies"]
        for line in one["managers"]
    }


def test_a_preview_says_what_the_batch_then_comes_to_and_records_nothing(here: Company) -> None:
    """A late entry that takes another's room, a handover with its credit, and a second currency."""
    anna, boris = here.manager("Анна"), here.manager("Борис")
    small, large = here.kind("5.00"), here.kind("90.00")
    deal, dollars = here.deal(anna), here.deal(boris, "300000.00", currency="USD")
    first = here.act(deal, anna, small, "2026-02-03")
    here.act(deal, boris, large, "2026-03-02")
    third = here.act(dollars, boris, small, "2026-03-02")
    batch = [
        weighed(deal, first, "40.00", "2026-02-10"),
        weighed(dollars, third, "7.50"),
        {"path": f"/v1/deals/{deal}/handovers", "body": {
            "to_manager_id": boris, "transfer_credit": True, "effective_on": "2026-10-19", **WHY,
        }},
    ]  # fmt: skip
    before, position = portfolios(here), here.position
    told = preview(here.director, *batch)
    assert here.position == position == told["position"]
    assert (told["refused"], told["without_effect"]) == ([], [])
    assert told["deals"] == [
        {"deal_id": deal, "version": 3},
        {"deal_id": dollars, "version": 2},
    ]
    assert here.director.post("/v1/batches", {"commands": batch}).status_code == 200
    after = portfolios(here)
    assert foretold(told, "before") == before
    assert foretold(told, "after") == after
    assert foretold(told, "change")["RUB", boris]["active"] == "40000000.00", "100 % are his"
    assert [(one["currency"], one["change"]["active"]) for one in told["currencies"]] == [
        ("RUB", "20000000.00"), ("USD", "7500.00"),
    ]  # fmt: skip


def test_what_would_be_refused_is_told_and_the_rest_is_foreseen_without_it(here: Company) -> None:
    anna, kind = here.manager(), here.kind("5.00")
    deal, closed = here.deal(anna), here.deal(anna)
    same, raised, dead = (here.act(deal, anna, kind, "2026-02-03") for _ in range(3))
    lost = here.act(closed, anna, kind, "2026-02-03")
    here.director.do(f"/v1/deals/{deal}/actions/{dead}/withdrawal", WHY)
    here.director.do(f"/v1/deals/{closed}/loss", {"effective_on": "2026-10-14", **WHY})
    here.director.do("/v1/periods/2026-03/closing")
    told = preview(
        here.director,
        weighed(deal, dead, "6.00"),
        weighed(deal, raised, "6.00"),
        weighed(closed, lost, "6.00"),
        weighed(deal, raised, "7.00", "2026-03-31"),
        weighed(deal, raised, "-1.00"),
        weighed(deal, same, "5.00"),
        weighed(str(uuid4()), same, "5.00"),
        accept_language="en",
    )
    assert {one["number"]: one["type"] for one in told["refused"]} == {
        0: "/problems/not-allowed-now", 2: "/problems/not-allowed-now",
        3: "/problems/period-closed", 4: "/problems/not-allowed-now", 6: "/problems/not-found",
    }  # fmt: skip
    assert [one.get("rule") for one in told["refused"]][:1] == ["action-not-live"]
    assert all("2026" not in one["title"] and one["detail"] for one in told["refused"])
    assert told["without_effect"] == [5]
    assert foretold(told, "change")["RUB", anna]["active"] == "4000000.00"


def test_what_nets_to_nothing_today_is_told_of_as_well(here: Company) -> None:
    """A portfolio of an earlier date changes by it."""
    anna, boris, kind = here.manager("Анна"), here.manager("Борис"), here.kind("5.00")
    deal = here.deal(anna)
    action = here.act(deal, anna, kind, "2026-02-03")
    here.director.do(f"/v1/deals/{deal}/handovers", {
        "to_manager_id": boris, "transfer_credit": True, "effective_on": "2026-03-02", **WHY,
    })  # fmt: skip
    told = preview(here.director, weighed(deal, action, "6.00", "2026-02-03"))
    changes = foretold(told, "change")
    assert changes["RUB", anna] == dict.fromkeys(ACCOUNTS, "0.00")
    assert changes["RUB", boris]["active"] == "4000000.00"


def test_a_month_that_the_batch_closes_loses_nothing_of_what_is_foreseen(here: Company) -> None:
    anna, kind = here.manager(), here.kind("5.00")
    deal = here.deal(anna)
    action = here.act(deal, anna, kind, "2026-02-03")
    told = preview(
        here.director,
        weighed(deal, action, "6.00"),
        {"path": "/v1/periods/2026-08/closing"},
        weighed(deal, action, "7.00", "2026-08-31"),
        weighed(deal, action, "8.00"),
    )
    assert [one["number"] for one in told["refused"]] == [2]
    assert foretold(told, "change")["RUB", anna]["active"] == "12000000.00"
    assert here.director.ask("/v1/periods")["periods"] == []


def test_each_foresees_what_they_may_do_and_sees_whom_they_may_see(here: Company) -> None:
    team = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    anna, vera = here.manager("Анна", team_id=team), here.manager("Вера")
    kind = here.kind("5.00")
    deal, others = here.deal(anna), here.deal(vera)
    shared = here.act(deal, vera, kind, "2026-02-03")
    theirs = here.act(others, vera, kind, "2026-02-03")
    batch = [weighed(deal, shared, "6.00"), weighed(others, theirs, "6.00")]
    told = preview(here.hire("head", team_id=team), *batch)
    assert {one["number"]: one["type"] for one in told["refused"]} == {1: "/problems/not-found"}
    (line,) = told["currencies"][0]["managers"]
    assert (line["manager_id"], line["before"], line["after"]) == (vera, None, None)
    assert line["change"]["active"] == "4000000.00"
    for person in (here.hire("manager", manager_id=anna), here.hire("auditor")):
        told = preview(person, *batch)
        assert [one["number"] for one in told["refused"]] == [0, 1]
        assert told["currencies"] == []
    body = {"commands": batch}
    refused(here.admin.post("/v1/batches/preview", body), 403, "forbidden")
    refused(here.stranger.post("/v1/batches/preview", body), 401, "unauthenticated")


def test_what_cannot_be_read_is_refused_as_of_a_batch(here: Company) -> None:
    nothing = {"path": "/v1/nothing", "body": {}}
    answer = here.director.post("/v1/batches/preview", {"commands": [nothing]})
    assert [one["number"] for one in refused(answer, 409, "batch-refused")["refused"]] == [0]


def test_whose_portfolios_were_looked_at_by_a_preview_is_noted(here: Company) -> None:
    preview(here.director, {"path": "/v1/teams", "body": {"name": "Юг"}})
    asked = [one["question"] for one in here.director.ask("/v1/reads")["reads"]]
    assert "previewBatch" in asked


def test_a_preview_counts_as_its_commands(database: str) -> None:
    team = {"path": "/v1/teams", "body": {"name": "Север"}}
    with company(database, AUTUMN, Settings(rate=0.01, burst=20)) as here:
        someone = here.hire("director")
        preview(someone, *[team] * 15)
        refused(someone.post("/v1/batches/preview", {"commands": [team] * 15}), 429, "rate-limited")
