"""What the documentation says of endpoints: what they may refuse, and their answers' headers."""

from collections.abc import Iterable
from typing import Any

from api.answers import Recorded
from api.problems import Problem, describe
from api.words import KINDS


def problems(slugs: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """The documentation of refusals, with an example of each."""
    by_status: dict[int | str, list[str]] = {}
    for slug in slugs:
        by_status.setdefault(KINDS[slug].status, []).append(slug)
    return {status: _refused(own) for status, own in by_status.items()}


def _refused(slugs: list[str]) -> dict[str, Any]:
    """What is answered with one status, and in no other form."""
    status = KINDS[slugs[0]].status
    ours = {"type": {"enum": [f"/problems/{slug}" for slug in slugs]}, "status": {"const": status}}
    content = {
        "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": ours}]},
        "examples": {slug: {"value": describe(Problem(slug), "en")} for slug in slugs},
    }
    return {
        "description": ", or ".join(KINDS[slug].en[0] for slug in slugs),
        "headers": {**LANGUAGE, **_ALONG.get(status, {})},
        "content": {"application/problem+json": content},
    }


def _header(description: str, *, required: bool = True, **schema: object) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": schema}


LANGUAGE = {"Content-Language": _header("The language it is told in.", enum=["ru", "en"])}
_WAIT = "After so many seconds it may be tried again."
_ALONG = {
    401: {"WWW-Authenticate": _header("How to say who asks.", const="Bearer")},
    429: {"Retry-After": _header(_WAIT, type="integer", minimum=1)},
    503: {"Retry-After": _header(_WAIT, required=False, type="integer", minimum=1)},
}
"""Headers of refusals, by status."""
VERSIONED: dict[str, Any] = {
    "headers": {
        "ETag": _header("The version: what If-Match names.", type="string", pattern='^"[0-9]+"$')
    }
}
PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": _header(
                "The next page, unless this is the last.", required=False, type="string"
            )
        }
    }
}
WITH_COOKIE: dict[str, Any] = {
    "headers": {"Set-Cookie": _header("The session's, which no script can read.", type="string")}
}

EVERYWHERE = [
    "malformed-request",
    "unknown-host",
    "request-timeout",
    "uri-too-long",
    "head-too-large",
    "internal",
    "unavailable",
]
_QUESTION = [
    "unauthenticated",
    "forbidden",
    "not-found",
    "validation",
    "rate-limited",
    "in-the-future",
]

EDGE_REFUSALS = problems(EVERYWHERE)
"""What any request may be refused for."""
QUESTION_REFUSALS = problems([*_QUESTION, *EVERYWHERE])
REMOVAL_REFUSALS = problems([*_QUESTION, "not-allowed-now", *EVERYWHERE])
REFUSALS = problems(
    [
        *_QUESTION,
        "malformed-json",
        "version-conflict",
        "payload-too-large",
        "unsupported-media-type",
        "idempotency-key-reused",
        "not-allowed-now",
        "breaks-later-history",
        "before-opening",
        "period-closed",
        "action-limit-reached",
        "unknown-manager",
        "unknown-action-type",
        "action-type-not-in-force",
        "evidence-required",
        "currency-differs",
        *EVERYWHERE,
    ]
)
"""What a command may be refused for."""

COMMAND: dict[str, Any] = {
    "response_model": Recorded,
    "response_model_exclude_none": True,
    "responses": {200: VERSIONED, **REFUSALS},
}
CREATED: dict[str, Any] = COMMAND | {
    "status_code": 201,
    "responses": {201: VERSIONED, **REFUSALS},
}
BATCH_REFUSALS = [
    "validation",
    "unauthenticated",
    "rate-limited",
    "malformed-json",
    "payload-too-large",
    "unsupported-media-type",
    "batch-refused",
    *EVERYWHERE,
]
