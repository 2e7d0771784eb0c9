"""Refusals as they are answered: problem bodies (RFC 9457), in the language that is wanted.

`type` is stable and made from the rule's name; what the sentence says is in the body's members too,
for programs. The sentences are in `api.words`.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.inputs import Flaw
from api.words import (
    ANYTHING,
    FIELDS,
    FLAWS,
    KINDS,
    OTHERWISE,
    THINGS,
    WHY,
    WHY_NOT_YOU,
    Language,
)
from application.orders import Unavailable
from domain.errors import Invalid, Obstacle, Refusal, Restriction, SignedOut


class Problem(Exception):
    """A refusal of the edge itself: something about the request, before any rule of the books."""

    def __init__(
        self,
        slug: str,
        *,
        errors: tuple[tuple[str, str, Mapping[str, Any]], ...] = (),
        headers: Mapping[str, str] | None = None,
        refused: "Mapping[int, Problem] | None" = None,
        **facts: object,
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.errors = errors
        self.refused = refused or {}
        self.headers = dict(headers or {})
        self.facts = facts


def slug_of(refusal: Refusal) -> str:
    """`NotAllowedNow` as "not-allowed-now"; but for two that the contract calls otherwise."""
    if isinstance(refusal, Invalid):
        return "validation"
    if isinstance(refusal, SignedOut):
        return "unauthenticated"
    name = type(refusal).__name__
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def to_problem(refusal: Refusal) -> Problem:
    facts = refusal.facts
    if slug_of(refusal) == "validation":
        problem = str(facts["problem"])
        return Problem("validation", errors=((str(facts["field"]), problem, facts),))
    return Problem(slug_of(refusal), **facts)


def problem_of(error: Exception) -> Problem | None:
    """What is to be said of `error`; None when it is our own fault and nobody else's business."""
    match error:
        case Problem():
            return error
        case Refusal():
            return to_problem(error)
        case Unavailable():
            return Problem("unavailable")
        case RequestValidationError():
            return invalid(error)
        case HTTPException():
            return _http(error)
        case _:
            return None


def invalid(error: RequestValidationError) -> Problem:
    """What the framework found wrong. An address that cannot exist is simply not found."""
    found = error.errors()
    for one in found:
        if one["loc"][0] == "path" and one["loc"][1] != "period":
            return Problem("not-found", what=one["loc"][1])
    return Problem(
        "validation",
        errors=tuple(
            (
                ".".join(map(str, one["loc"][1:])) or "body",
                one["type"],
                _facts(one.get("ctx") or {}),
            )
            for one in found
        ),
    )


def _facts(found: Mapping[str, Any]) -> dict[str, Any]:
    """The framework lists what it expected in English, "'day' or 'week'": by commas it reads in
    any language.
    """
    expected = (
        {"expected": found["expected"].replace("' or '", "', '")} if "expected" in found else {}
    )
    return {**found, **expected}


def _http(error: HTTPException) -> Problem:
    """Refusals of the framework itself: no such address, no such method."""
    slugs = {kind.status: slug for slug, kind in KINDS.items()}
    slugs |= {400: "malformed-request", 404: "not-found", 422: "validation"}
    return Problem(slugs.get(error.status_code, "not-found"), headers=error.headers)


def explain(refusal: Refusal, language: Language) -> tuple[str, str]:
    """Title and detail of a refusal."""
    body = describe(to_problem(refusal), language)
    return body["title"], body["detail"]


def describe(problem: Problem, language: Language) -> dict[str, Any]:
    """The body of RFC 9457."""
    kind = KINDS[problem.slug]
    title, detail = kind.words(language)
    errors = [
        {"field": where, "detail": _words(FIELDS.get(what, OTHERWISE), language, facts)}
        for where, what, facts in problem.errors
    ]
    words = dict(problem.facts)
    words["count"] = len(problem.refused)
    words["fields"] = "; ".join(f"{error['field']}: {error['detail']}" for error in errors)
    members = _members(problem, words, language)
    body = {
        "type": f"/problems/{problem.slug}",
        "title": title,
        "status": kind.status,
        "detail": _capital(detail.format_map(_Facts(words))),
    }
    if problem.refused:
        members["refused"] = [
            {"number": number} | describe(one, language) for number, one in problem.refused.items()
        ]
    return body | members | ({"errors": errors} if errors else {})


def _members(problem: Problem, words: dict[str, Any], language: Language) -> dict[str, Any]:
    """What programs read; and what the sentence needs, put into `words`."""
    obstacle = words.pop("obstacle", None)
    if obstacle is not None:
        words["why"] = _words(WHY[obstacle], language, problem.facts)
    restriction = words.pop("restriction", None)
    if restriction is not None:
        words["why"] = _words(WHY_NOT_YOU[restriction], language, problem.facts)
    if problem.slug == "malformed-json":
        words["why"] = _words(FLAWS[words.get("flaw", Flaw.EMPTY)], language, problem.facts)
    thing = THINGS.get(str(words.get("what")), ANYTHING)
    words["thing"] = f"{thing[language == 'en']} {words.get('name', '')}".strip()
    broken = words.pop("broken", None)
    if broken is not None:
        words |= {"type": broken.type, "on": broken.effective_on, "position": broken.position}
        event = {
            "position": broken.position,
            "type": broken.type,
            "effective_on": str(broken.effective_on),
        }
        return {"event": event, "rule": str(obstacle)}
    members = {
        name: value if isinstance(value, int | str) and value is not None else str(value)
        for name, value in problem.facts.items()
        if isinstance(value, int | str | date) and not isinstance(value, Obstacle | Restriction)
    }
    rule = obstacle or restriction
    return members | ({"rule": str(rule)} if rule else {})


def _words(pair: tuple[str, str], language: Language, facts: Mapping[str, Any]) -> str:
    return pair[0 if language == "ru" else 1].format_map(_Facts(facts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Facts(dict[str, Any]):
    """A fact that a sentence wants and nobody gave leaves a gap, not a failure."""

    def __missing__(self, key: str) -> str:
        return ""


def status_of(problem: Problem) -> int:
    return KINDS[problem.slug].status


def respond(problem: Problem, language: Language) -> JSONResponse:
    body = describe(problem, language)
    headers = {"Content-Language": language, **problem.headers}
    if body["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.slug == "unavailable":
        headers["Retry-After"] = "1"
    return JSONResponse(
        body, body["status"], headers=headers, media_type="application/problem+json"
    )


def language_of(header: str, default: Language) -> Language:
    """The better wanted of Russian and English, by Accept-Language (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, int, Language]] = []
    for number, part in enumerate(header.lower().split(",")):
        tag, _, weight = part.replace(" ", "").partition(";q=")
        name = tag.split("-")[0]
        if name in ("ru", "en"):
            wanted.append((-_quality(weight), number, "ru" if name == "ru" else "en"))
    best = min(wanted, default=None)
    return best[2] if best and best[0] < 0 else default


def _quality(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
