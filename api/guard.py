"""Before any endpoint: who asks, and whether what they send can be read without doubt."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from api.accounts import Account
from api.inputs import MOST_BYTES, MalformedJson, read_json
from api.problems import Problem
from api.service import Service
from application.orders import Answer, Order, Unavailable
from domain.decisions import Command
from domain.events import instant_text

PATIENCE_SECONDS = 1.7
"""A command that is not durable by then is answered 503, before the two seconds we promise."""


class _GuardedRequest(Request):
    """Reads a body of MOST_BYTES at most, as exact JSON."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            declared = self.headers.get("content-length", "0")
            if declared.isdigit() and int(declared) > MOST_BYTES:
                raise _too_large()
            parts: list[bytes] = []
            size = 0
            async for part in self.stream():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise _too_large()
            self._body = b"".join(parts)
        return self._body

    async def json(self) -> Any:  # noqa: ANN401 - the framework's signature
        return read_json(await self.body())


class GuardedRoute(APIRoute):
    """Every route under /v1: a known account first, then a body that means one thing only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        body_required = self.body_field is not None and self.body_field.field_info.is_required()

        async def guarded(request: Request) -> Response:
            request.scope["account"] = await _account(request)
            if request.method == "POST":
                request = _GuardedRequest(request.scope, request.receive)
                request.scope["fingerprint"] = await _fingerprint(request, body_required)
            return await handle(request)

        return guarded


def guarded_router(**options: Any) -> APIRouter:  # noqa: ANN401 - the framework's options
    return APIRouter(prefix="/v1", route_class=GuardedRoute, **options)


async def _account(request: Request) -> Account:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > 4_096:
        raise Problem("unauthenticated")
    accounts = request.app.state.accounts
    account = accounts.trusted(token) or await run_in_threadpool(accounts.signed_in, token)
    if account is None:
        raise Problem("unauthenticated")
    return cast("Account", account)


async def _fingerprint(request: Request, body_required: bool) -> bytes:  # noqa: FBT001 - a fact of the route
    """What is asked, whatever the spacing: by this a repeated Idempotency-Key is recognised."""
    body = await request.body()
    asked: object = None
    if body or body_required:
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != (
            "application/json"
        ):
            raise Problem("unsupported-media-type")
        try:
            asked = await request.json()
        except MalformedJson as error:
            raise Problem("malformed-json", why=str(error)) from error
    canonical = json.dumps([request.method, request.url.path, asked], sort_keys=True, default=str)
    return sha256(canonical.encode()).digest()


def _too_large() -> Problem:
    return Problem("payload-too-large", most=MOST_BYTES)


class Submission:
    """The circumstances of a command: who gives it, under which key, for which version."""

    def __init__(self, request: Request) -> None:
        self._service = cast("Service", request.app.state.service)
        self.account = cast("Account", request.scope["account"])
        self._request = cast("bytes", request.scope["fingerprint"])
        self._key = _key(request.headers.get("idempotency-key"))
        self._expected = _versions(request.headers.get("if-match"))

    async def perform(self, command: Command) -> JSONResponse:
        """Decide, and answer when it is durable. Raises Refusal, Unavailable."""
        order = Order(
            command, str(self.account.account_id), self._key, self._request, self._expected
        )
        future = asyncio.wrap_future(self._service.dealfolio.transactor.submit(order))
        try:
            answer = await asyncio.wait_for(future, PATIENCE_SECONDS)
        except TimeoutError:
            raise Unavailable("no answer from the database in time") from None
        return answered(answer)


def answered(answer: Answer) -> JSONResponse:
    body = {
        **answer.ids,
        "version": answer.version,
        "position": answer.position,
        "recorded_at": instant_text(answer.recorded_at),
    }
    headers = {"ETag": f'"{answer.version}"'}
    return JSONResponse(body, 201 if answer.created else 200, headers=headers)


def _key(given: str | None) -> str | None:
    if given is None:
        return None
    if not 1 <= len(given) <= 200 or not given.isascii() or not given.isprintable():
        raise Problem("validation", errors=(("Idempotency-Key", "idempotency-key", {}),))
    return given


def _versions(given: str | None) -> frozenset[int] | None:
    """The versions named by If-Match; none that exists for a tag that is not ours."""
    if given is None or given.strip() == "*":
        return None
    tags = (tag.strip().strip('"') for tag in given.split(",") if not tag.strip().startswith("W/"))
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 18)


By = Annotated[Submission, Depends(Submission)]
"""Whose command it is."""
