"""The service keeps what /openapi.json promises, whoever asks.

schemathesis asks a real server in which a small company is at work, as each role and as somebody
without a key: every operation, with what the documented schemas admit, with what they do not, and
one after the other with what came back. Each answer is held to all checks that it has.

In a default run each operation is covered by one role that may do it, and asked a few things by all
others; of what is alike, as are the currencies that there are, a few are asked.
DEALFOLIO_TEST_PROFILE=long has everybody ask everything, anew each time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from schemathesis import Case, HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.schemas import BaseSchema

from api.settings import Settings
from api.words import FIELDS
from tests.conftest import new_database
from tests.histories import PROFILE
from tests.over_http import Company, company

LONG = PROFILE == "long"
FEW = 2
ROLES = ("director", "admin", "head", "manager", "auditor")
NOBODY = "nobody"
WHY = {"reason": "проверка"}
HOMES = {
    ("get", "deals"): "auditor", ("get", "log"): "auditor", ("get", "portfolios"): "head",
    ("get", "people"): "manager", ("get", "catalogue"): "manager", ("get", "periods"): "manager",
    ("get", "rules"): "manager", ("get", "reports"): "head", ("get", "audit"): "auditor",
    ("get", "targets"): "head", ("post", "targets"): "director",
    ("post", "deals"): "director", ("post", "people"): "director",
    ("post", "catalogue"): "director", ("post", "periods"): "director",
    ("post", "rules"): "director", ("get", "accounts"): "admin", ("post", "accounts"): "admin",
    ("delete", "accounts"): "admin", ("post", "batches"): "director",
    ("get", "evidence"): "auditor", ("post", "evidence"): "auditor",
}  # fmt: skip
"""Who covers an operation under /v1 in full in a default run, by method and tag; what is outside,
nobody does.
"""


# ------------------------------------------------------------------------------ the company


@dataclass(frozen=True)
class Ground:
    """The company, who asks, and what there is to ask about, by the names of parameters."""

    here: Company
    who: str
    key: str | None
    account_id: str
    known: Mapping[str, list[str]]


@contextmanager
def ground(database: str, who: str) -> Iterator[Ground]:
    """Nobody asks too often: that limit has tests of its own. The one of sign-in stays, and is met
    with 429 in the course of things.
    """
    with TemporaryDirectory() as folder, company(database, settings=_settings(folder)) as here:
        known = _settle(here)
        places = {
            "manager": {"manager_id": "anna"},
            "head": {"team_id": known["team_id"][0], "manager_id": "gleb"},
        }
        if who == NOBODY:
            yield Ground(here, who, None, "", known)
        else:
            person = here.hire(who, **places.get(who, {}))
            key = person.http.headers["authorization"]
            yield Ground(here, who, key, person.account_id, known)


def _settings(folder: str) -> Settings:
    return Settings(rate=0, signing_key_file=Path(folder) / "signing.key")


def _settle(here: Company) -> Mapping[str, list[str]]:
    do = here.director.do
    teams = [do("/v1/teams", {"name": name})["team_id"] for name in ("Юг", "Север")]
    for manager, team in (("anna", 0), ("boris", 0), ("gleb", 0), ("vera", 1)):
        do("/v1/managers", {"name": manager, "manager_id": manager, "team_id": teams[team]})
    here.kind("5.00", code="plain")
    here.kind("2.00", code="claimed", needs_confirmation=True)
    here.kind("-1.00", code="setback")
    deals, actions = [], []
    for owner in ("anna", "boris", "vera", "anna", "boris"):
        deals.append(here.deal(owner))
        actions.append(here.act(deals[-1], owner, "plain", "2026-02-03"))
        actions.append(here.act(deals[-1], owner, "claimed", "2026-10-14"))
    pause = {"effective_on": "2026-10-14", "review_on": "2026-12-01", **WHY}
    do(f"/v1/deals/{deals[3]}/suspension", pause)
    do(f"/v1/deals/{deals[4]}/loss", {"effective_on": "2026-10-14", **WHY})
    do("/v1/periods/2026-01/closing")
    others = [here.hire("auditor").account_id for _ in range(3)]
    keys = [here.admin.do(f"/v1/accounts/{one}/keys", {})["key_id"] for one in others]
    here.service.proving.catch_up()
    signed = here.director.ask("/v1/audit/checkpoints")["checkpoints"]
    return {
        "deal_id": deals,
        "action_id": actions,
        "manager_id": ["anna", "boris", "vera"],
        "team_id": teams,
        "code": ["plain", "claimed", "setback"],
        "action_type": ["plain", "claimed", "setback"],
        "to_manager_id": ["anna", "boris", "vera"],
        "effective_on": ["2026-02-10", "2026-10-14", "2026-10-20"],
        "as_of": ["2026-02-28", "2026-10-20"],
        "from": ["2026-01-31"],
        "to": ["2026-10-20"],
        "period": ["2026-01", "2026-02", "2026-09"],
        "account_id": others,
        "key_id": keys,
        "size": [str(one["size"]) for one in signed],
        "place": ["000.p/5", "000.p/17"],
        "level": ["0"],
        "If-Match": ["*", '"1"', '"2"', '"3"'],
    }


# ------------------------------------------------------------------------------ how it is asked


def config(ground: Ground, document: Mapping[str, Any]) -> SchemathesisConfig:
    """All checks are on. One of them finds nothing to do here: `object_level_authorization` needs
    several people in one run; who may see what is held by test_access.py, cell by cell.
    """
    covered_elsewhere = [
        operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if not LONG and _home(path, method, operation) != ground.who
    ]
    settings: dict[str, Any] = {
        "base-url": ground.here.address,
        "headers": {} if ground.key is None else {"Authorization": ground.key},
        "continue-on-failure": True,
        "generation": {
            "deterministic": not LONG,
            "max-examples": 150 if LONG else 2,
            "no-shrink": not LONG,
        },
        "phases": {
            "examples": {"enabled": LONG},
            "stateful": {
                "enabled": LONG or ground.who in {"director", "admin"},
                "generation": {"max-examples": 100 if LONG else 5},
            },
        },
        "dictionaries": {name: {"values": values} for name, values in ground.known.items()},
        "parameters": {
            f"{where}.{name}": {"dictionary": name, "probability": 0.7}
            for name in ground.known
            for where in ("path", "query", "header", "body")
        },
        "operations": [
            {
                "include-operation-id": covered_elsewhere,
                "phases": {"coverage": {"enabled": False}},
                "generation": {"max-examples": 1},
            }
        ]
        if covered_elsewhere
        else [],
        "checks": {
            "positive_data_acceptance": {
                # 401 and 403 for who may not; 404 and 412 for what is not there or no longer so;
                # 409 for the rules of the books; 413, 414 and 431 for what is too long in all, part
                # by part it is not; 429 of sign-in. 422 is no exception: see `only_by_a_rule`.
                "expected-statuses": [
                    *("2xx", "303", "401", "403", "404", "409", "412", "413", "414", "429", "431"),
                ]
            },
            "negative_data_rejection": {
                "expected-statuses": [
                    *("400", "401", "403", "404", "405", "409", "412", "413", "414", "415", "422"),
                    *("429", "431"),
                ]
            },
        },
    }
    if not LONG:
        settings["seed"] = 1
    return SchemathesisConfig.from_dict(settings)


def _home(path: str, method: str, operation: Mapping[str, Any]) -> str:
    return HOMES[method, operation["tags"][0]] if path.startswith("/v1") else NOBODY


def asked(ground: Ground, document: dict[str, Any]) -> BaseSchema:
    schema = schemathesis.openapi.from_dict(document, config=config(ground, document))
    alike = Counter[tuple[object, ...]]()

    @schema.hook
    def filter_case(_: HookContext, case: Case[Any]) -> bool:
        """Nobody takes their own key or role away: all that follows would be a 401."""
        alike[_kind(case)] += 1
        own = ground.account_id in (case.path_parameters or {}).values()
        return not own and (PROFILE != "fast" or alike[_kind(case)] <= FEW)

    @schema.hook
    def filter_failure(
        context: HookContext,  # noqa: ARG001 - as it is called
        failure: Failure,
        case: Case[Any],  # noqa: ARG001
        response: Response,
    ) -> bool:
        return not (isinstance(failure, RejectedPositiveData) and only_by_a_rule(response))

    return schema


def _kind(case: Case[Any]) -> tuple[object, ...]:
    """The same for all values of one list, and for all wrong types of one thing."""
    said = case.meta.phase.data if case.meta is not None else None
    if not isinstance(said, CoveragePhaseData):
        return (case.id,)
    return case.operation.label, said.scenario, said.parameter, said.location


RULES = (
    "known-at-or-position", "from-after-to", "too-many-points", "cursor", "same-manager-twice",
    "after-as-of", "too-many-days", "manager-or-team", "amount-or-number",
    "one-reports-a-setback", "sum-differs", "sign-differs", "password-common", "password-is-name",
    "login", "illegible", "int_type", "manager-or-credits", "not-in-the-tree", "cosignature",
    "weights-twice",
)  # fmt: skip
"""What no JSON schema says of a request: that one parameter excludes another, what depends on what
is known, which letters are none, that 5.0 is not written for 5. By their names in `FIELDS`. (That
an action names a manager or credits its schema does say; but a manager who is known is put into the
body when it is made already.)
"""
SLUGS = frozenset({"idempotency-key-reused", "sign-in-broken-off"})
WORDS = tuple(FIELDS[rule][0].partition("{")[0] for rule in RULES)


def only_by_a_rule(response: Response) -> bool:
    """Whether what fits its schema was refused by nothing that the schema could have told."""
    problem = response.json()
    if problem["type"].removeprefix("/problems/") in SLUGS:
        return True
    return response.status_code == 422 and all(
        error["detail"].startswith(WORDS)
        or (error["field"], error["detail"]) == ("from_known_at", FIELDS["missing"][0])
        for error in problem.get("errors", [{"field": "", "detail": ""}])
    )


# ------------------------------------------------------------------------------ what comes of it

LEAST_ACCEPTED = {
    "manager": 10, "head": 10, "director": 20, "auditor": 10, "admin": 8, NOBODY: 2,
}  # fmt: skip
"""Operations that must have answered with success: who is refused everything tests nothing."""


@pytest.fixture(autouse=True)
def nobodys_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests looks for a ~/.netrc before each request: a tenth of the time, and none of ours."""
    monkeypatch.setattr("requests.sessions.get_netrc_auth", lambda _: None)


@pytest.fixture(scope="module")
def document(shared_database: str) -> dict[str, Any]:
    with company(shared_database) as here:
        return here.stranger.ask("/openapi.json")


@pytest.mark.parametrize("who", [*ROLES, NOBODY])
def test_every_answer_is_one_that_the_documentation_promises(
    server: str, template: str, document: dict[str, Any], who: str
) -> None:
    operations = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    with new_database(server, template) as database, ground(database, who) as here:
        schema = asked(here, document)
        found: dict[tuple[str, str, str], str] = {}
        answered: Counter[tuple[str, bool]] = Counter()
        for event in from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                found["error", "", repr(event)] = repr(event)
            if isinstance(event, events.ScenarioFinished):
                found.update(_failures(event))
                answered.update(_answers(event))
    assert not found, "\n\n".join(found.values())
    assert {label for label, _ in answered} == operations
    accepted = {label for label, success in answered if success}
    assert len(accepted) >= LEAST_ACCEPTED[who], sorted(operations - accepted)


def _failures(event: events.ScenarioFinished) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Each once: by what it is, of what, and how it reads."""
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure, code = check.failure_info.failure, check.failure_info.code_sample
                response = event.recorder.find_response(case_id=case_id)
                told = "" if response is None else f"{response.status_code} {response.text[:500]}"
                key = (check.name, failure.operation or "", failure.message[:80])
                yield (
                    key,
                    f"{failure.operation}: {failure.title}\n{failure.message}\n{code}\n{told}",
                )


def _answers(event: events.ScenarioFinished) -> Iterator[tuple[str, bool]]:
    for case_id, interaction in event.recorder.interactions.items():
        node = event.recorder.cases.get(case_id)
        if node is not None and interaction.response is not None:
            yield node.value.operation.label, interaction.response.status_code < 400
