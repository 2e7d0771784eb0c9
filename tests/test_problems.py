"""Every refusal has its words, in Russian and in English, with nothing left open in them.

The table is held to the code: a rule that is added without words, or words for a rule that is gone,
turn these tests red.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter
from typing import Any, get_args
from uuid import UUID

import pytest

from api.inputs import Flaw
from api.problems import (
    Problem,
    describe,
    explain,
    language_of,
    respond,
    slug_of,
    to_problem,
)
from api.words import FIELDS, KINDS, OTHERWISE, THINGS, WHY, Language
from domain.errors import (
    ActionLimitReached,
    ActionTypeNotInForce,
    BeforeOpening,
    BreaksLaterHistory,
    CurrencyDiffers,
    EvidenceRequired,
    Forbidden,
    IdempotencyKeyReused,
    InTheFuture,
    Invalid,
    NotAllowedNow,
    NotFound,
    Obstacle,
    PeriodClosed,
    Refusal,
    Restriction,
    SignedOut,
    UnknownActionType,
    UnknownManager,
    VersionConflict,
)
from domain.events import ActionPerformed, Credit, Recorded
from domain.values import ActionId, ActionTypeCode, ManagerId

LANGUAGES: tuple[Language, ...] = get_args(Language)
STATUSES = {
    "malformed-request": 400,
    "unknown-host": 400,
    "malformed-json": 400,
    "sign-in-broken-off": 400,
    "batch-refused": 409,
    "unauthenticated": 401,
    "wrong-password": 401,
    "setup-code-spent": 401,
    "not-vouched-for": 401,
    "forbidden": 403,
    "no-account": 403,
    "cross-site": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "not-allowed-now": 409,
    "breaks-later-history": 409,
    "before-opening": 409,
    "in-the-future": 409,
    "period-closed": 409,
    "action-limit-reached": 409,
    "unknown-manager": 409,
    "unknown-action-type": 409,
    "action-type-not-in-force": 409,
    "evidence-required": 409,
    "currency-differs": 409,
    "version-conflict": 412,
    "payload-too-large": 413,
    "uri-too-long": 414,
    "unsupported-media-type": 415,
    "validation": 422,
    "idempotency-key-reused": 422,
    "rate-limited": 429,
    "head-too-large": 431,
    "internal": 500,
    "unavailable": 503,
    "issuer-unavailable": 503,
}
BROKEN = Recorded(
    originator_id=UUID(int=1),
    originator_version=2,
    position=1204,
    recorded_at=datetime(2026, 5, 11, tzinfo=UTC),
    actor="director",
    effective_on=date(2026, 5, 10),
    event=ActionPerformed(
        action_id=ActionId(UUID(int=2)),
        action_type=ActionTypeCode("proposal"),
        credits=(Credit(manager_id=ManagerId("anna"), weight=500),),
        needs_confirmation=False,
    ),
)
REFUSALS: list[tuple[Refusal, tuple[str, ...]]] = [
    (NotFound("deal", UUID(int=3)), (str(UUID(int=3)),)),
    (Invalid("credits", "sum-differs", weight="5.00"), ("credits", "5.00")),
    (VersionConflict(7), ("7",)),
    (IdempotencyKeyReused("key-1"), ("key-1",)),
    (NotAllowedNow(Obstacle.NOT_OPEN, deal_status="lost"), ()),
    (BreaksLaterHistory(BROKEN, Obstacle.NOT_OPEN), ("ActionPerformed", "2026-05-10", "1204")),
    (BeforeOpening(date(2026, 1, 1), date(2026, 1, 12)), ("2026-01-01", "2026-01-12")),
    (InTheFuture(date(2026, 10, 21), date(2026, 10, 20)), ("2026-10-21", "2026-10-20")),
    (PeriodClosed(date(2026, 6, 2), date(2026, 6, 30)), ("2026-06-02", "2026-06-30")),
    (ActionLimitReached("proposal", 2), ("proposal", "2")),
    (UnknownManager("nobody"), ("nobody",)),
    (UnknownActionType("dancing"), ("dancing",)),
    (ActionTypeNotInForce("proposal", date(2026, 2, 1)), ("proposal", "2026-02-01")),
    (EvidenceRequired("proposal"), ("proposal",)),
    (CurrencyDiffers("USD", "EUR"), ("USD", "EUR")),
    (SignedOut(), ()),
    *(
        (
            Forbidden(one, role="auditor", earliest=date(2026, 10, 13), working_days=5),
            {Restriction.ROLE: ("auditor",), Restriction.TOO_FAR_BACK: ("2026-10-13", "5")}.get(
                one, ()
            ),
        )
        for one in Restriction
    ),
]
"""One of each, and the facts that a person must be told."""

in_both = pytest.mark.parametrize("language", LANGUAGES)


def subclasses(cls: type[Refusal]) -> Iterator[type[Refusal]]:
    for one in cls.__subclasses__():
        if one.__module__ == "domain.errors":
            yield one
        yield from subclasses(one)


def complete(text: str, language: Language) -> None:
    """A sentence in that language: nothing unfilled, no gap where a fact should stand."""
    assert text.strip() == text != ""
    assert not re.search(r"[{}]", text), text
    assert not re.search(r"\bNone\b|<[a-z]+ object|Obstacle\.", text), text
    assert not re.search(r"  | [.,;:]|: ?\.|«»", text), text
    assert bool(re.search("[а-яё]", text)) == (language == "ru"), text


def test_every_kind_of_refusal_is_among_the_examples() -> None:
    assert {type(refusal) for refusal, _ in REFUSALS} == set(subclasses(Refusal))


@in_both
@pytest.mark.parametrize(
    ("refusal", "facts"), REFUSALS, ids=[type(refusal).__name__ for refusal, _ in REFUSALS]
)
def test_a_refusal_is_told_with_its_facts(
    refusal: Refusal, facts: tuple[str, ...], language: Language
) -> None:
    title, detail = explain(refusal, language)
    complete(title, language)
    complete(detail, language)
    for fact in facts:
        assert fact in detail


@pytest.mark.parametrize("refusal", [one for one, _ in REFUSALS], ids=slug_of)
def test_a_refusal_is_the_same_for_programs_in_both_languages(refusal: Refusal) -> None:
    russian, english = (describe(to_problem(refusal), language) for language in LANGUAGES)
    for name in ("title", "detail"):
        assert russian.pop(name) != english.pop(name)
    for body in (russian, english):
        for error in body.get("errors", []):
            error.pop("detail")
    assert russian == english
    assert russian["status"] == STATUSES[slug_of(refusal)]


def test_the_slugs_are_those_of_the_contract() -> None:
    assert {slug: kind.status for slug, kind in KINDS.items()} == STATUSES
    assert {slug_of(refusal) for refusal, _ in REFUSALS} <= set(KINDS)


@in_both
@pytest.mark.parametrize("obstacle", Obstacle)
def test_every_obstacle_has_its_words(obstacle: Obstacle, language: Language) -> None:
    facts = {
        "name": "proposal", "period": "2026-06", "later": "2026-07", "last_day": "2026-06-30",
    }  # fmt: skip
    _, detail = explain(NotAllowedNow(obstacle, **facts), language)
    complete(detail, language)
    assert detail[0].isupper()
    for named in placeholders("".join(WHY[obstacle])):
        assert facts[named] in detail
    assert describe(to_problem(NotAllowedNow(obstacle)), language)["rule"] == obstacle.value


def test_no_words_are_left_of_an_obstacle_that_is_gone() -> None:
    assert set(WHY) == set(Obstacle)
    assert len(set(WHY.values())) == len(WHY)


def test_whatever_may_not_be_found_has_its_name_in_both_languages() -> None:
    root = Path(__file__).parent.parent
    sources = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("domain", "application", "projections", "api")
        for file in (root / folder).rglob("*.py")
    )
    named = r'(?:NotFound|require_known)\("([a-z ]+)"'
    assert set(re.findall(named, sources)) == set(THINGS)


@in_both
@pytest.mark.parametrize("obstacle", [one for one in Obstacle if "{" not in WHY[one][0]])
def test_an_obstacle_is_told_of_the_event_it_breaks(obstacle: Obstacle, language: Language) -> None:
    body = describe(to_problem(BreaksLaterHistory(BROKEN, obstacle)), language)
    complete(body["detail"], language)
    assert body["rule"] == obstacle.value
    assert body["event"]["position"] == 1204


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


GIVEN: dict[str, Any] = {
    "max_length": 300,
    "min_length": 1,
    "ge": 1,
    "le": 1_000,
    "expected": "'open' or 'lost'",
    "weight": "5.00",
    "least": 0,
    "most": 4_000,
    "needs": "manager_id",
    "size": 12,
    "why": "no line of a witness",
}


@in_both
@pytest.mark.parametrize("what", [*FIELDS, "something that nobody foresaw"])
def test_every_field_can_be_told_what_is_wrong_with_it(what: str, language: Language) -> None:
    wanted = [placeholders(text) for text in FIELDS.get(what, OTHERWISE)]
    assert wanted[0] == wanted[1] <= set(GIVEN)
    facts = {name: GIVEN[name] for name in wanted[0]}
    body = describe(Problem("validation", errors=(("credits.0.weight", what, facts),)), language)
    (error,) = body["errors"]
    assert error["field"] == "credits.0.weight"
    complete(error["detail"], language)
    complete(body["detail"], language)
    for fact in facts.values():
        assert str(fact) in error["detail"]


@in_both
@pytest.mark.parametrize(
    "problem",
    [
        *(Problem("malformed-json", flaw=flaw, line=3, column=14) for flaw in Flaw),
        Problem("internal", reference="0f8c3a5255a4"),
        Problem("unauthenticated"),
        Problem("forbidden"),
        Problem("cross-site"),
        Problem("wrong-password"),
        Problem("setup-code-spent"),
        Problem("sign-in-broken-off"),
        Problem("not-vouched-for", issuer="https://sso.romashka.ru"),
        Problem("no-account", issuer="https://sso.romashka.ru", subject="248289761001"),
        Problem("issuer-unavailable", issuer="https://sso.romashka.ru"),
        Problem("method-not-allowed"),
        Problem("payload-too-large", most=65_536),
        Problem("unsupported-media-type", wanted="application/json"),
        Problem("rate-limited", seconds=3),
        Problem("malformed-request"),
        Problem("unknown-host"),
        Problem("request-timeout"),
        Problem("uri-too-long"),
        Problem("head-too-large"),
        Problem("unavailable"),
    ],
    ids=lambda problem: problem.slug,
)
def test_what_the_edge_refuses_itself_is_told_completely(
    problem: Problem, language: Language
) -> None:
    body = describe(problem, language)
    complete(body["title"], language)
    assert body["detail"] not in {"", body["title"]}
    assert not re.search(r"[{}]|None|  | [.,;:]", body["detail"])


@in_both
@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(Problem("not-found"), id="an address that does not exist"),
        pytest.param(Problem("not-found", what="deal_id", name=""), id="an id that is none"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_completely(
    problem: Problem, language: Language
) -> None:
    complete(describe(problem, language)["detail"], language)


@in_both
@pytest.mark.parametrize("slug", KINDS)
def test_a_detail_never_shows_a_fact_that_is_missing_as_a_placeholder(
    slug: str, language: Language
) -> None:
    detail = describe(Problem(slug), language)["detail"]
    assert not re.search(r"[{}]|\bNone\b", detail)


def test_no_fact_replaces_a_member_of_the_problem_itself() -> None:
    for refusal, _ in REFUSALS:
        for language in LANGUAGES:
            body = describe(to_problem(refusal), language)
            assert body["type"] == f"/problems/{slug_of(refusal)}"
            assert body["title"] == KINDS[slug_of(refusal)].words(language)[0]
            assert body["status"] == STATUSES[slug_of(refusal)]


@pytest.mark.parametrize(
    ("slug", "name", "value"),
    [("unauthenticated", "www-authenticate", "Bearer"), ("unavailable", "retry-after", "1")],
)
def test_some_problems_say_in_a_header_what_to_do(slug: str, name: str, value: str) -> None:
    response = respond(Problem(slug), "ru")
    assert response.headers[name] == value
    assert response.headers["content-language"] == "ru"
    assert response.media_type == "application/problem+json"
    assert name not in respond(Problem("validation"), "en").headers


def wanted(header: str, language: Language) -> Any:
    return pytest.param(header, language, id=header or "nothing")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        wanted("", "ru"),
        wanted("ru", "ru"),
        wanted("en", "en"),
        wanted("EN", "en"),
        wanted("en-GB", "en"),
        wanted("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        wanted("en-US,en;q=0.9,ru;q=0.8", "en"),
        wanted("ru;q=0.8,en;q=0.9", "en"),
        wanted("ru;q=0.5,en;q=0.5", "ru"),
        wanted("en;q=0.5,ru;q=0.5", "en"),
        wanted("en , ru", "en"),
        wanted("fr, en;q=0.1", "en"),
        wanted("fr", "ru"),
        wanted("*", "ru"),
        wanted("en;q=0", "ru"),
        wanted("en;q=0.000, ru;q=0.001", "ru"),
        wanted("en;q=abc", "ru"),
        wanted("en;q=nan", "ru"),
        wanted("en;q=", "en"),
        wanted("english", "ru"),
        wanted("enru", "ru"),
        wanted(",,;q=1,", "ru"),
        wanted("en;Q=0.9,ru;q=0.1", "en"),
        wanted("en; q=0.9", "en"),
        wanted("ru;q=0.5, en ; q=0.9", "en"),
    ],
)
def test_the_better_wanted_language_is_spoken(header: str, language: Language) -> None:
    assert language_of(header, "ru") == language


def test_who_says_nothing_is_spoken_to_in_the_companys_language() -> None:
    for default in LANGUAGES:
        assert language_of("", default) == default
        assert language_of("fr-FR", default) == default


def test_a_stale_version_may_be_that_of_anything() -> None:
    """Teams, managers, action types and months have versions, too (design, section 6)."""
    title, detail = explain(VersionConflict(3), "ru")
    assert "сделк" not in f"{title} {detail}".lower()
