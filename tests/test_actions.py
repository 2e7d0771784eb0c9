"""What one may ask about the actions of all deals, over HTTP. That every answer is what the folded
deals say is held by test_ledger.py, and who may ask by test_access.py.
"""

from collections.abc import Iterator

import pytest

from tests.over_http import Company, company

WHY = {"reason": "Протокол потерян"}
CLAIM = "2026-02-04"


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    """Two teams, three deals; of every kind of action one, done on days of its own."""
    with company(shared_database) as here:
        north, south = (
            here.director.do("/v1/teams", {"name": name})["team_id"] for name in ("Север", "Юг")
        )
        for manager, team in (("anna", north), ("boris", north), ("vera", south)):
            here.director.do(
                "/v1/managers", {"name": manager, "manager_id": manager, "team_id": team}
            )
        here.kind("5.00", code="proposal")
        here.kind("2.00", code="data", needs_confirmation=True)
        annas, veras, dollars = (
            here.deal("anna"),
            here.deal("vera"),
            here.deal("boris", currency="USD"),
        )
        here.act(annas, "anna", "proposal", "2026-02-03")
        confirmed = here.act(annas, "anna", "data", CLAIM, evidence="Протокол")
        here.director.do(
            f"/v1/deals/{annas}/actions/{confirmed}/confirmation", {"effective_on": "2026-02-09"}
        )
        here.act(annas, "anna", "data", "2026-02-05", evidence="Опросный лист", comment="Второй")
        dead = here.act(annas, "anna", "proposal", "2026-02-06")
        here.director.do(f"/v1/deals/{annas}/actions/{dead}/withdrawal", WHY)
        rejected = here.act(veras, "vera", "data", "2026-02-10")
        here.director.do(f"/v1/deals/{veras}/actions/{rejected}/rejection", WHY)
        here.act(dollars, "boris", "data", "2026-02-11")
        pause = {"effective_on": "2026-03-02", "review_on": "2026-12-01", "reason": "Пауза"}
        here.director.do(f"/v1/deals/{dollars}/suspension", pause)
        yield here


def days(here: Company, **asked: object) -> list[str]:
    """Of the actions that are found, in their order."""
    return [
        row["effective_on"]
        for page in here.director.pages("/v1/actions", **asked)
        for row in page["actions"]
    ]


def test_a_row_says_what_a_head_must_know_to_confirm_it(here: Company) -> None:
    (row,) = here.director.ask("/v1/actions", state="claimed", deal_status="open")["actions"]
    deal = here.director.ask(f"/v1/deals/{row['deal_id']}")
    (action,) = (one for one in deal["actions"] if one["action_id"] == row["action_id"])
    position = row.pop("position")
    (event,) = (
        one
        for one in here.director.ask(f"/v1/deals/{row['deal_id']}/events")["events"]
        if one["position"] == position
    )
    assert event["data"]["action_id"] == row["action_id"]
    assert row == {
        **action,
        **{name: deal[name] for name in ("deal_id", "title", "client", "status", "owner")},
        "credits": [{"manager_id": "anna", "name": "anna", "weight": "2.00", "credit": "0.00"}],
        "amount": "8000000.00",
        "currency": "RUB",
    }
    assert (row["evidence"], row["comment"]) == ("Опросный лист", "Второй")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["2026-02-03", CLAIM, "2026-02-05", "2026-02-11"]),
        ({"state": "live"}, ["2026-02-03", CLAIM, "2026-02-05", "2026-02-11"]),
        ({"state": "counted"}, ["2026-02-03", CLAIM]),
        ({"state": "claimed"}, ["2026-02-05", "2026-02-11"]),
        ({"state": "claimed", "deal_status": "open"}, ["2026-02-05"]),
        ({"state": "claimed", "as_of": "2026-02-08"}, [CLAIM, "2026-02-05"]),
        ({"state": "withdrawn"}, ["2026-02-06"]),
        ({"state": "rejected"}, ["2026-02-10"]),
        ({"state": "all", "action_type": "proposal"}, ["2026-02-03", "2026-02-06"]),
        ({"from_": CLAIM, "to": "2026-02-05"}, [CLAIM, "2026-02-05"]),
        ({"state": "all", "from_": "2026-02-10"}, ["2026-02-10", "2026-02-11"]),
        ({"manager_id": "boris"}, ["2026-02-11"]),
        ({"state": "all", "manager_id": "vera"}, ["2026-02-10"]),
        ({"as_of": "2026-02-02"}, []),
        ({"position": "1"}, []),
    ],
    ids=str,
)
def test_what_is_asked_for_is_what_is_found(
    here: Company, asked: dict[str, object], found: list[str]
) -> None:
    assert days(here, **asked) == found
    assert days(here, **asked, limit=1) == found


def test_there_is_a_next_page_only_where_there_is_more(here: Company) -> None:
    for path, asked in (("/v1/actions", {"state": "all"}), ("/v1/deals", {"as_of": "2026-10-20"})):
        (name,) = (one for one in ("actions", "deals") if one in path)
        number = len(here.director.ask(path, **asked, limit=1_000)[name])
        assert "next" in here.director.get(path, **asked, limit=number - 1).links
        assert "next" not in here.director.get(path, **asked, limit=number).links


def test_a_team_is_its_members(here: Company) -> None:
    teams = {one["name"]: one["team_id"] for one in here.director.ask("/v1/teams")["teams"]}
    south = teams["Юг"]
    assert days(here, team_id=south, state="all") == ["2026-02-10"]
    assert days(here, team_id=south, manager_id="anna", state="all") == []


def test_a_claim_that_waits_in_a_suspended_deal_is_found(here: Company) -> None:
    (row,) = here.director.ask("/v1/actions", state="claimed", deal_status="suspended")["actions"]
    assert (row["currency"], row["amount"], row["status"]) == ("USD", "8000000.00", "suspended")


def test_what_is_counted_makes_up_what_is_active(here: Company) -> None:
    rows = here.director.ask("/v1/actions", state="counted", deal_status="open")["actions"]
    rub = here.director.ask("/v1/portfolios")["currencies"][0]
    assert [row["amount"] for row in rows] == ["20000000.00", "8000000.00"]
    assert (rub["currency"], rub["total"]["active"]) == ("RUB", "28000000.00")


def test_a_person_who_was_forgotten_has_an_id_and_no_name(here: Company) -> None:
    deal = here.deal("anna")
    here.director.do("/v1/managers", {"name": "Ушедший", "manager_id": "gone"})
    here.act(deal, "gone", "proposal", "2026-02-12")
    with here.service.asking() as cursor:
        cursor.execute("DELETE FROM books.people WHERE person_id = 'gone'")
    (row,) = here.director.ask("/v1/actions", manager_id="gone")["actions"]
    assert [(one["manager_id"], one["name"]) for one in row["credits"]] == [("gone", None)]
