"""Many commands in one request: all are recorded, or none, and each has its own answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.settings import Settings
from api.v1.batches import MOST_COMMANDS
from tests.over_http import AUTUMN, Company, Person, company, refused


@pytest.fixture
def here(database: str) -> Iterator[Company]:
    with company(database, AUTUMN) as begun:
        yield begun


def opening(manager: str, on: str = "2026-01-12") -> dict[str, Any]:
    check = {"amount": "400000000.00", "currency": "RUB"}
    deal = {"title": "Витрины", "client": "Ромашка", "potential_check": check}
    return {"path": "/v1/deals", "body": deal | {"manager_id": manager, "effective_on": on}}


def action(deal: str, manager: str, kind: str, on: str = "2026-02-03") -> dict[str, Any]:
    body = {"action_type": kind, "manager_id": manager, "effective_on": on}
    return {"path": f"/v1/deals/{deal}/actions", "body": body}


def post(person: Person, *commands: dict[str, Any], **headers: str) -> httpx.Response:
    return person.post("/v1/batches", {"commands": commands}, **headers)


def reasons(response: httpx.Response) -> dict[int, str]:
    problem = refused(response, 409, "batch-refused")
    for one in problem["refused"]:
        assert one["title"]
        assert one["detail"]
    return {one["number"]: one["type"].removeprefix("/problems/") for one in problem["refused"]}


def test_each_command_is_answered_as_it_would_be_alone(here: Company) -> None:
    anna, kind = here.manager("Анна"), here.kind("5.00")
    before = here.position
    response = post(
        here.director,
        opening(anna),
        action("{0}", anna, kind),
        {"path": "/v1/deals/{0}/actions/{1}/weight-changes", "body": {
            "weight": "3.00", "effective_on": "2026-02-03", "reason": "Показано не первому лицу",
        }},
        {"path": "/v1/deals/{0}/loss", "body": {"reason": "цена", "effective_on": "2026-03-02"}},
    )  # fmt: skip
    assert response.status_code == 201, response.text
    results = response.json()["results"]
    assert [one["position"] for one in results] == [*range(before + 1, before + 5)]
    assert [one["version"] for one in results] == [1, 2, 3, 4]
    deal = here.director.ask(f"/v1/deals/{results[0]['deal_id']}")
    assert deal["status"] == "lost"
    assert [(one["action_id"], one["weight"]) for one in deal["actions"]] == [
        (results[1]["action_id"], "3.00")
    ]


def test_with_one_refusal_nothing_is_recorded_and_all_refusals_are_told(here: Company) -> None:
    anna, kind = here.manager(), here.kind()
    deal, before = here.deal(anna), here.position
    good = [action(deal, anna, kind), opening(anna)]
    bad = [
        action(deal, anna, "no-such-kind"),
        action(str(uuid4()), anna, kind),
        opening(anna, on="2026-10-21"),
    ]
    assert reasons(post(here.director, good[0], *bad, good[1])) == {
        1: "unknown-action-type", 2: "not-found", 3: "in-the-future",
    }  # fmt: skip
    assert here.position == before
    assert post(here.director, *good).status_code == 201
    assert here.position == before + 2


def test_what_cannot_be_read_is_told_by_its_number(here: Company) -> None:
    anna, kind = here.manager(), here.kind()
    deal, before = here.deal(anna), here.position
    loss = {"reason": "цена", "effective_on": "2026-03-02"}
    assert reasons(
        post(
            here.director,
            action(deal, anna, kind) | {"body": {"action_type": kind}},
            {"path": "/v1/deals/{0}/loss", "body": loss},
            {"path": "/v1/deals/{7}/loss", "body": loss},
            {"path": "/v1/nothing", "body": {}},
            {"path": "/v1/portfolios"},
            {"path": "/v1/accounts", "body": {"name": "Пётр", "role": "admin"}},
            {"path": "/v1/batches", "body": {"commands": [opening(anna)]}},
            {"path": "/v1/deals/{0.__class__}/loss", "body": loss},
            {"path": f"/v1/deals/{deal}/loss"},
            opening(anna),
        )
    ) == dict.fromkeys([0, 1, 2, 3, 4, 5, 6, 8], "validation") | {7: "not-found"}
    assert here.position == before


@pytest.mark.parametrize(
    "body",
    [
        {"commands": []},
        {"commands": [{"path": "/v1/teams", "body": {"name": "А"}, "if_match": "1"}]},
        {"commands": [{"body": {"name": "А"}}]},
        {"commands": [{"path": "/v1/teams", "body": "А"}]},
        {"commands": {"path": "/v1/teams", "body": {"name": "А"}}},
        {"commands": [{"path": "/v1/teams", "body": {"name": "А"}}], "all_or_nothing": False},
        {"commands": [{"path": "/v1/teams", "body": {"name": "А"}}] * (MOST_COMMANDS + 1)},
    ],
    ids=["none", "unknown member", "no path", "text for a body", "one", "unknown", "too many"],
)
def test_what_is_no_batch_is_refused(here: Company, body: dict[str, Any]) -> None:
    control = {"commands": [{"path": "/v1/teams", "body": {"name": "А"}}]}
    assert here.director.post("/v1/batches", control).status_code == 201
    before = here.position
    refused(here.director.post("/v1/batches", body), 422, "validation")
    assert here.position == before


def test_a_batch_may_be_larger_than_a_command_and_not_endless(here: Company) -> None:
    teams = [{"path": "/v1/teams", "body": {"name": "Команда " + "ы" * 100}}] * MOST_COMMANDS
    assert len(post(here.director, *teams).json()["results"]) == MOST_COMMANDS
    longer = [{"path": "/v1/teams", "body": {"name": "ы" * 200, "": "ы" * 400}}] * MOST_COMMANDS
    refused(post(here.director, *longer), 413, "payload-too-large")


def test_the_same_key_and_batch_are_answered_the_same_and_recorded_once(here: Company) -> None:
    anna, kind = here.manager(), here.kind()
    batch = [opening(anna), action("{0}", anna, kind), opening(anna)]
    key = {"idempotency_key": str(uuid4())}
    with ThreadPoolExecutor(8) as pool:
        before = here.position
        told = [*pool.map(lambda _: post(here.director, *batch, **key), range(8))]
    assert {one.status_code for one in told} == {201}
    assert len({one.content for one in told}) == 1
    assert here.position == before + 3
    for other in ([*batch, opening(anna)], batch[:2], [batch[0]]):
        refused(post(here.director, *other, **key), 422, "idempotency-key-reused")
    refused(here.director.post("/v1/deals", batch[0]["body"], **key), 422, "idempotency-key-reused")
    assert here.position == before + 3
    assert post(here.director, *batch, idempotency_key=str(uuid4())).status_code == 201


def test_a_refused_batch_leaves_its_key_free(here: Company) -> None:
    anna, key = here.manager(), {"idempotency_key": str(uuid4())}
    assert reasons(post(here.director, opening(anna), opening("nobody"), **key))
    assert post(here.director, opening(anna), **key).status_code == 201


def test_everybody_may_do_in_a_batch_what_they_may_do_alone(here: Company) -> None:
    anna, boris = here.manager(), here.manager()
    kind, deal, colleagues = here.kind(), here.deal(anna), here.deal(boris)
    manager = here.hire("manager", manager_id=anna)
    loss = {"reason": "цена", "effective_on": "2026-03-02"}
    before = here.position
    assert reasons(
        post(
            manager,
            action(deal, anna, kind, on="2026-10-19"),
            action(deal, boris, kind, on="2026-10-19"),
            action(colleagues, anna, kind, on="2026-10-19"),
            {"path": f"/v1/deals/{deal}/loss", "body": loss},
            {"path": "/v1/teams", "body": {"name": "Своя"}},
        )
    ) == {1: "forbidden", 2: "not-found", 3: "forbidden", 4: "forbidden"}
    assert here.position == before
    assert post(manager, action(deal, anna, kind, on="2026-10-19")).status_code == 201
    refused(post(here.stranger, opening(anna)), 401, "unauthenticated")
    assert reasons(post(here.admin, opening(anna))) == {0: "forbidden"}
    gone = here.hire("director")
    here.admin.http.delete(f"/v1/accounts/{gone.account_id}").raise_for_status()
    refused(post(gone, opening(anna)), 401, "unauthenticated")


def test_a_batch_counts_as_its_commands(database: str) -> None:
    """And more commands than may come at once still come, to whoever waited long enough."""
    team = {"path": "/v1/teams", "body": {"name": "Север"}}
    with company(database, AUTUMN, Settings(rate=0.01, burst=20)) as here:
        someone, other = here.hire("director"), here.hire("director")
        assert post(someone, *[team] * 15).status_code == 201
        assert someone.get("/v1/teams").status_code == 200
        before = here.position
        refused(post(someone, *[team] * 15), 429, "rate-limited")
        assert here.position == before
        assert post(other, *[team] * 50).status_code == 201
        refused(other.get("/v1/teams"), 429, "rate-limited")
