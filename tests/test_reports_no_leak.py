"""No report of an earlier day and knowledge changes by a byte, whatever is learnt later."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx
import pytest

from api.service import Service
from api.settings import Settings
from tests.over_http import Company, Person, company, serving

AS_OF = "2026-09-30"
QUESTIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("/v1/portfolios", {}),
    ("/v1/targets", {}),
    ("/v1/reports/activity", {"from": "2026-01-01"}),
    ("/v1/reports/activity", {"from": "2026-07-15", "to": "2026-08-31"}),
    ("/v1/reports/months", {"from": "2026-01-01"}),
    ("/v1/reports/months", {"from": "2026-03-10", "to": "2026-08-31"}),
    ("/v1/reports/stalled", {"minimum_days": "20"}),
    ("/v1/reports/concentration", {}),
    ("/v1/reports/digest", {}),
    ("/v1/reports/digest", {"week": "2026-09-30"}),
    ("/v1/reports/forecast", {"by": "month", "target": "100000000.00"}),
    ("/v1/reports/forecast/record", {}),
    ("/v1/reports/calibration", {"horizon_months": "3", "as_known": "now"}),
    ("/v1/reports/calibration", {"horizon_months": "3"}),
    ("/v1/reports/calibration/deals", {"horizon_months": "3", "as_known": "now"}),
    ("/v1/reports/laboratory", {"weights": "call:4.00", "cap": "6.00", "as_known": "now"}),
)
"""Address and what is asked beside the point; `as_of` and `position` are added."""
CHECKS = ("400000000.00", "90000000.00", "250000000.50", "700000000.00", "310000000.00", "5.00")


@pytest.fixture(scope="module")
def asked_twice(shared_database: str) -> Iterator[Mapping[str, tuple[bytes, bytes]]]:
    """What each question was answered before an outcome was recorded, and after. Outcomes come
    in several ways: deals were closed before the day, others are after it, weights are changed,
    months closed, people come.
    """
    with company(shared_database) as begun:
        team = begun.director.do("/v1/teams", {"name": "Юг"})["team_id"]
        anna = begun.manager(name="Анна Соколова", team_id=team)
        boris = begun.manager(name="Борис Крылов", team_id=team)
        for code, weight in (("call", "2.00"), ("proposal", "5.00"), ("contract", "40.00")):
            begun.kind(weight, code=code)
        deals = [begun.deal(who, check) for who in (anna, boris) for check in CHECKS]
        for number, deal in enumerate(deals):
            who = anna if number < len(CHECKS) else boris
            begun.act(deal, who, "call", f"2026-{3 + number % 6:02}-10")
            begun.act(deal, who, "proposal", f"2026-{4 + number % 6:02}-21")
        _outcomes(begun, deals[:4], "2026-08-14")
        begun.director.do(
            "/v1/targets",
            {
                "team_id": team, "measure": "gained", "reason": "План",
                "amount": {"amount": "90000000.00", "currency": "RUB"},
                "first_day": "2026-09-01", "last_day": "2026-12-31",
            },
        )  # fmt: skip
        position = begun.director.ask("/v1/portfolios")["position"]
        before = _answers(begun.director, position)
        _outcomes(begun, deals[4:8], "2026-09-29")
        _outcomes(begun, deals[8:], "2026-10-05")
        begun.act(deals[-1], boris, "contract", "2026-09-01")
        begun.kind("7.00", code="visit")
        begun.director.do(
            "/v1/targets",
            {
                "manager_id": anna, "measure": "actions", "number": 9, "reason": "План",
                "first_day": "2026-09-01", "last_day": "2026-12-31",
            },
        )  # fmt: skip
        begun.director.do(
            "/v1/action-types/call/weights",
            {"weight": "3.00", "effective_from": "2026-01-01", "reason": "Пересмотр"},
        )
        begun.manager(name="Вера Лукина", team_id=team)
        for month in ("2026-07", "2026-08"):
            begun.director.do(f"/v1/periods/{month}/closing")
        # Another process: what this one remembers of its answers would be the same in any case.
        with (
            serving(Service(shared_database, Settings(), begun.clock)) as address,
            httpx.Client(base_url=address, headers=begun.director.http.headers) as http,
        ):
            after = _answers(Person(http), position)
        yield {path: (before[path], after[path]) for path in before}


def _outcomes(begun: Company, deals: list[str], day: str) -> None:
    for number, deal in enumerate(deals):
        if number % 2:
            begun.director.do(f"/v1/deals/{deal}/loss", {"reason": "Цена", "effective_on": day})
        else:
            won = {"contract_amount": "123456789.01", "effective_on": day}
            begun.director.do(f"/v1/deals/{deal}/win", won)


def _answers(person: Person, position: int) -> Mapping[str, bytes]:
    answers = {}
    for path, asked in QUESTIONS:
        told = person.get(path, **asked, as_of=AS_OF, position=position)
        assert told.status_code == 200, f"{path}: {told.text}"
        answers[f"{path} {dict(asked)}"] = told.content
    return answers


@pytest.mark.parametrize("question", [f"{path} {dict(asked)}" for path, asked in QUESTIONS])
def test_nothing_that_is_learnt_later_changes_a_report(
    asked_twice: Mapping[str, tuple[bytes, bytes]], question: str
) -> None:
    before, after = asked_twice[question]
    assert before == after


def test_the_service_starts_without_the_libraries_of_statistics() -> None:
    """They take longer to load than all the rest."""
    program = "import sys, api.app; print(sorted({'numpy', 'scipy'} & {*sys.modules}))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert told.stdout.decode().strip() == "[]"
