"""Before any endpoint: who asks, and whether what they send can be read without doubt."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from hashlib import sha256
from inspect import iscoroutinefunction
from typing import Any, cast, get_type_hints

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams

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
        """None where there is no body."""
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = read_json(body) if body else None
        return self._json


class GuardedRoute(APIRoute):
    """Every route under /v1: a known account first, then a body that means one thing only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        is_command = self.methods == {"POST"} and iscoroutinefunction(self.endpoint)
        handle = _command(self.endpoint) if is_command else super().get_route_handler()
        body_required = self.body_field is not None and self.body_field.field_info.is_required()

        async def guarded(request: Request) -> Response:
            request.scope["account"] = await _account(request)
            _require_each_once(request.query_params)
            if request.method == "POST":
                _require_none(request.query_params)
                request = _GuardedRequest(request.scope, request.receive)
                request.scope["fingerprint"] = await _fingerprint(request, body_required)
            return await handle(request)

        return guarded


def _command(
    endpoint: Callable[..., Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """A command is called with what its signature asks for: parts of the path, and the body.

    The framework would do the same, in twice the time that all the rest of a command takes.
    """
    hints = get_type_hints(endpoint, include_extras=True)
    readers = {
        name: TypeAdapter(hint)
        for name, hint in hints.items()
        if name not in {"request", "body", "return"}
    }
    body = TypeAdapter(hints["body"]) if "body" in hints else None

    async def call(request: Request) -> Response:
        given: dict[str, Any] = {"request": request}
        for name, reader in readers.items():
            given[name] = _read(reader, request.path_params[name], "path", name)
        if body is not None:
            given["body"] = _read(body, await request.json(), "body")
        return await endpoint(**given)

    return call


def _read(reader: TypeAdapter[Any], value: object, *where: str) -> Any:  # noqa: ANN401 - whatever the signature asks for
    try:
        return reader.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**one, "loc": (*where, *one["loc"])} for one in found]
        ) from error


def guarded_router(**options: Any) -> APIRouter:  # noqa: ANN401 - the framework's options
    return APIRouter(prefix="/v1", route_class=GuardedRoute, **options)


def _require_each_once(parameters: QueryParams) -> None:
    """Of two equal parameters the framework takes the last; nobody knows which was meant."""
    given = [name for name, _ in parameters.multi_items()]
    for name in parameters:
        if given.count(name) > 1:
            raise Problem("validation", errors=((name, "given-twice", {}),))


def _require_none(parameters: QueryParams) -> None:
    """A command says everything in its body: ?dry_run=1 must not record."""
    for name in parameters:
        raise Problem("validation", errors=((name, "extra_forbidden", {}),))


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
    asked: object = None
    body = await request.body()
    if body or body_required:
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem("unsupported-media-type")
        try:
            asked = await request.json() if body else read_json(body)
        except MalformedJson as error:
            raise Problem("malformed-json", why=str(error)) from error
    canonical = json.dumps([request.method, request.url.path, asked], sort_keys=True, default=str)
    return sha256(canonical.encode()).digest()


def _too_large() -> Problem:
    return Problem("payload-too-large", most=MOST_BYTES)


async def perform(request: Request, command: Command) -> JSONResponse:
    """Decide `command` for whoever asks, and answer when it is durable.

    Raises Refusal; Unavailable when the database does not answer in time.
    """
    service = cast("Service", request.app.state.service)
    order = Order(
        command,
        str(cast("Account", request.scope["account"]).account_id),
        _key(request.headers.get("idempotency-key")),
        cast("bytes", request.scope["fingerprint"]),
        _versions(request.headers.get("if-match")),
    )
    future = asyncio.wrap_future(service.dealfolio.transactor.submit(order))
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
