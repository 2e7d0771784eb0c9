"""The door: every request under /v1 comes in here, and there is no other way.

Routes are declared and documented with FastAPI; they are found and called here. Its own dispatch
takes twice the time of everything else that a command needs, and one way in for commands and
questions is one place where it is said who asks, and whether what they send means one thing only.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from inspect import Parameter, signature
from typing import Any, NamedTuple, cast, get_args, get_type_hints
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, FastAPI, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.accounts import Accounts
from api.asking import Asking, PointQuestion
from api.http.answered import answered, answered_all
from api.http.forgery import require_no_forgery
from api.http.limits import RateLimit, too_often
from api.http.replies import Replies, reply_to_all
from api.http.unexpected import unexpected
from api.inputs import MOST_BYTES, MalformedJson, read_json
from api.problems import Problem, language_of, problem_of, respond, status_of
from api.questions import QUESTIONS
from api.reads import Read
from api.routes import Batch, PlainText, is_told_again, sooner_than
from api.service import READERS, Service
from api.sessions import Sessions, session_cookie_of
from api.v1.batches import (
    MOST_BATCH_BYTES,
    BatchBody,
    answers_of,
    orders_of,
    posted,
    read_batch,
)
from api.words import Language
from application.orders import (
    LONG_PATIENCE_SECONDS,
    PATIENCE_SECONDS,
    Answer,
    Caller,
    Foreseen,
    Order,
    Unavailable,
)
from domain.access import Reach, Task
from domain.decisions import Command
from domain.errors import Refusal
from domain.values import DealId
from projections.point import EVERYTHING

READ_LOGGED = frozenset({Task.SEE, Task.AUDIT})
"""Questions of these tasks leave a line in the read log."""
_BATCHES, _PREVIEW = "/v1/batches", "/v1/batches/preview"
_ALL_SAID: Scope = {}
"""Of a command in a batch: it is all in the path and the body."""
_NEXT = re.compile(rb'<[^?>]*\?([^>]*)>; rel="next"')
Headers = Mapping[bytes, bytes]


class Told(NamedTuple):
    """An answer's body; and of a list what to ask the same address for its next page, None on the
    last.
    """

    body: bytes
    following: Mapping[str, str] | None


class Door:
    """ASGI: calls what `routers` declare, and leaves every other address to `framework`."""

    def __init__(self, framework: ASGIApp, routers: Iterable[APIRouter], rates: RateLimit) -> None:
        self._framework = framework
        self._rates = rates
        self._called: dict[tuple[str, int], list[_Called]] = {}
        self._of_any_length: list[tuple[str, _Called]] = []
        for router in routers:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                for method in route.methods or ():
                    if ":path}" in route.path:
                        self._of_any_length.append((method, _Called(route)))
                        continue
                    place = method, route.path.count("/")
                    self._called.setdefault(place, []).append(_Called(route))
        self._threads = ThreadPoolExecutor(READERS, "questions")
        self._replies = Replies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        called, names = self._find(scope)
        if called is None:
            await self._framework(scope, receive, send)
            return
        try:
            response: ASGIApp = await self._answer(called, names, scope, receive)
            self._note(called, scope, 200)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - every fault is answered, and logged
            problem = problem_of(error) or unexpected(error, scope)
            headers = dict(scope["headers"])
            accepted = headers.get(b"accept-language", b"").decode("latin-1")
            response = respond(problem, language_of(accepted, _service(scope).settings.language))
            self._note(called, scope, response.status_code)
        await response(scope, receive, send)

    def admit(self, caller: Caller, count: int = 1) -> None:
        """A request counts as one, its commands beside it; a page does, whatever it asks. Raises
        Problem.
        """
        if wait := self._rates.admit(caller.account_id, count):
            raise too_often(wait)

    async def ask(self, reader: Scope, path: str, asked: Mapping[str, str]) -> Told:
        """What GET `path` answers whoever reads a page: `reader` is the page's request, with its
        `caller`. The same rights, and the same lines in the read log. Raises what is told as a
        refusal.
        """
        return await self._asked(reader, "GET", path, asked)

    async def foresee_all(self, reader: Scope, commands: Batch, language: Language) -> Told:
        """What POST /v1/batches/preview answers to them, likewise."""
        wanted = (b"accept-language", language.encode())
        return await self._asked(reader, "POST", _PREVIEW, {}, posted(commands), wanted)

    async def _asked(
        self,
        reader: Scope,
        method: str,
        path: str,
        asked: Mapping[str, str],
        body: object = None,
        *headers: tuple[bytes, bytes],
    ) -> Told:
        called, names = self._find_at(method, path)
        assert called is not None, path
        scope: Scope = {
            "type": "http", "method": method, "path": path,
            "query_string": urlencode(asked).encode(), "headers": headers,
            "app": reader["app"], "caller": reader["caller"], "task": called.task,
            "path_params": names, "asked": asked,
        }  # fmt: skip
        try:
            response = await self._ask(called, called.read(scope, names, asked, body))
        except Exception as error:
            problem = problem_of(error)
            self._note(called, scope, 500 if problem is None else status_of(problem))
            raise
        self._note(called, scope, 200)
        return await _told(response, scope)

    async def command(
        self, reader: Scope, path: str, body: object, key: str, version: int | None = None
    ) -> Answer:
        """Have recorded what is posted to `path`, for whoever sends a page's form; `key` is the
        Idempotency-Key, `version` the one of If-Match. Raises what is told as a refusal.
        """
        order = self._order(reader, path, body)
        request = _fingerprint({"method": "POST", "path": path}, body)
        expected = None if version is None else frozenset({version})
        order = order._replace(key=key, request=request, expected=expected)
        return await self._replies.to(order, _service(reader).dealfolio.transactor)

    async def command_all(
        self, reader: Scope, commands: Batch, key: str, versions: Mapping[int, int]
    ) -> Sequence[Answer]:
        """The same of POST /v1/batches: all of it, or nothing. `versions`, by the number of a
        command, are those of its stream for which it is meant (If-Match).
        """
        caller: Caller = reader["caller"]
        self.admit(caller, len(commands))
        request = _fingerprint({"method": "POST", "path": _BATCHES}, posted(commands))
        orders = orders_of(read_batch(commands, self.command_of), caller, key, request)
        for number, version in versions.items():
            orders[number] = orders[number]._replace(expected=frozenset({version}))
        transactor = _service(reader).dealfolio.transactor
        return answers_of(await reply_to_all(orders, transactor, LONG_PATIENCE_SECONDS))

    async def foresee(self, reader: Scope, path: str, body: object, deal_id: DealId) -> Foreseen:
        """What the same would come to, were it sent now; nothing is recorded. `path` is of a
        command on that deal.
        """
        order = self._order(reader, path, body)
        rehearsed = _service(reader).dealfolio.transactor.foresee(order, deal_id)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(rehearsed), PATIENCE_SECONDS)
        except TimeoutError:
            raise Unavailable("no answer from the database in time") from None

    def _order(self, reader: Scope, path: str, body: object) -> Order:
        """As one that came by itself: it counts, and has the same bounds."""
        caller: Caller = reader["caller"]
        self.admit(caller)
        return Order(self.command_of(path, body), str(caller.account_id), caller=caller)

    def _find(self, scope: Scope) -> tuple["_Called | None", dict[str, str]]:
        if scope["type"] != "http":
            return None, {}
        return self._find_at(scope["method"], scope["path"])

    def _find_at(self, method: str, path: str) -> tuple["_Called | None", dict[str, str]]:
        for called in self._called.get((method, path.count("/")), ()):
            if found := called.pattern.match(path):
                return called, found.groupdict()
        for asked, called in self._of_any_length:
            if asked == method and (found := called.pattern.match(path)):
                return called, found.groupdict()
        return None, {}

    async def _answer(
        self, called: "_Called", names: dict[str, str], scope: Scope, receive: Receive
    ) -> ASGIApp:
        headers: Headers = dict(reversed(scope["headers"]))  # of two equal ones the first
        caller = scope["caller"] = await self._caller(scope, headers)
        self.admit(caller)
        scope["task"], scope["path_params"] = called.task, names
        asked, body = read_query(scope), b""
        scope["asked"] = asked
        if scope["method"] == "POST":
            for name in asked:  # a command says everything in its body: ?dry_run=1 must not record
                raise Problem("validation", errors=((name, "extra_forbidden", {}),))
            body = await read_body(receive, headers, called.most_bytes)
        if called.is_batch:
            return await self._record_all(called, scope, headers, caller, body)
        is_post = scope["method"] == "POST"
        given = called.read_body(body, headers) if is_post else None
        values = called.read(scope, names, asked, given)
        if not called.is_command:
            return await self._ask(called, values)
        key = _key(headers)
        order = Order(
            cast("Command", called.call(values)),
            str(caller.account_id),
            key,
            b"" if key is None else _fingerprint(scope, given),
            _versions(headers.get(b"if-match")),
            caller=caller,
        )
        return answered(await self._replies.to(order, _service(scope).dealfolio.transactor))

    async def _ask(self, called: "_Called", values: Mapping[str, Any]) -> ASGIApp:
        if called.at_once and (response := await called.at_once(**values)):
            return response
        loop = asyncio.get_running_loop()
        answer = cast("ASGIApp", await loop.run_in_executor(self._threads, called.call, values))
        if called.is_told_again:
            _have_told_again(called, values["question"], values["asking"])
        return answer

    async def _record_all(
        self, called: "_Called", scope: Scope, headers: Headers, caller: Caller, body: bytes
    ) -> ASGIApp:
        loop = asyncio.get_running_loop()
        orders = await loop.run_in_executor(
            self._threads, self._orders, called, scope, headers, caller, body
        )
        self.admit(caller, len(orders))
        transactor = _service(scope).dealfolio.transactor
        outcomes = await reply_to_all(orders, transactor)
        return answered_all(answers_of(outcomes))

    def _orders(
        self, called: "_Called", scope: Scope, headers: Headers, caller: Caller, body: bytes
    ) -> list[Order]:
        """In a thread: to read a thousand commands takes a while. Raises Problem."""
        given = parsed_json(body, headers, required=True)
        batch: Batch = called.call(called.read(scope, {}, {}, given))
        key = _key(headers)
        request = b"" if key is None else _fingerprint(scope, given)
        commands = read_batch(batch, self.command_of)
        return orders_of(commands, caller, key, request)

    def command_of(self, path: str, body: object) -> Command:
        """What is posted to `path`. Raises Problem, RequestValidationError."""
        called, names = self._find_at("POST", path)
        if called is None or not called.is_command:
            raise Problem("validation", errors=(("path", "no-command", {}),))
        return cast("Command", called.call(called.read(_ALL_SAID, names, {}, body)))

    def _note(self, called: "_Called", scope: Scope, status: int) -> None:
        """Who looked at portfolios, deals or the log, or tried to."""
        if called.task in READ_LOGGED and "asked" in scope:
            names, asked = scope["path_params"], scope["asked"]
            manager = names.get("manager_id") or asked.get("manager_id")
            service = _service(scope)
            service.reads.note(
                Read(
                    service.clock.now,
                    scope["caller"].account_id,
                    called.operation,
                    status,
                    manager,
                    names.get("deal_id"),
                    asked,
                )
            )

    async def _caller(self, scope: Scope, headers: Headers) -> Caller:
        """Whose key or session it is. That it still holds is asked where the log is known."""
        if cookie := session_cookie_of(headers):
            return await self._in_session(scope, headers, cookie)
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > 4_096:
            raise Problem("unauthenticated")
        accounts: Accounts = scope["app"].state.accounts
        caller = accounts.known(token)
        if caller is None:
            loop = asyncio.get_running_loop()
            caller = await loop.run_in_executor(self._threads, accounts.look_up, token)
        if caller is None:
            raise Problem("unauthenticated")
        return caller

    async def _in_session(self, scope: Scope, headers: Headers, cookie: str) -> Caller:
        loop = asyncio.get_running_loop()
        sessions: Sessions = scope["app"].state.sessions
        session = await loop.run_in_executor(self._threads, sessions.find, cookie)
        if session is None:
            raise Problem("unauthenticated")
        require_no_forgery(scope, headers, session, _service(scope).settings)
        return Caller(session.account_id)


class _Called:
    """One declared route, ready to be called with what its signature asks for.

    An endpoint that returns a Command is a command's: it only says what is asked for, and is called
    on the loop. Every other is a question's, may wait for the database, and is called in a thread.
    """

    def __init__(self, route: APIRoute) -> None:
        self.endpoint = route.endpoint
        self.at_once = sooner_than(route.endpoint)
        self.is_told_again = is_told_again(route.endpoint)
        self.operation = route.operation_id or ""
        self.task = QUESTIONS.get(self.operation)
        self.pattern = route.path_regex
        hints = get_type_hints(route.endpoint, include_extras=True)
        returned = hints.pop("return")
        self.is_command = returned is Command
        self.is_batch = returned == Batch
        self.most_bytes = MOST_BATCH_BYTES if hints.get("body") is BatchBody else MOST_BYTES
        given = signature(route.endpoint).parameters
        self._body_required = "body" in given and given["body"].default is Parameter.empty
        self._takes_text = hints.get("body") == PlainText
        self._readers = {name: _reader(name, hint) for name, hint in hints.items()}

    def read_body(self, body: bytes, headers: Headers) -> object:
        """Raises Problem."""
        if self._takes_text:
            return parsed_text(body, headers)
        return parsed_json(body, headers, required=self._body_required)

    def read(
        self, scope: Scope, names: Mapping[str, str], asked: Mapping[str, str], body: object
    ) -> dict[str, Any]:
        """The endpoint's arguments. Raises RequestValidationError."""
        said = _Said(scope, names, asked, body)
        return {name: read(said) for name, read in self._readers.items()}

    def call(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a Response or a Command
        return self.endpoint(**values)


class _Said(NamedTuple):
    """What a request says: by its address, behind it, and in its body."""

    scope: Scope
    names: Mapping[str, str]
    asked: Mapping[str, str]
    body: object


def _reader(name: str, hint: Any) -> Callable[[_Said], Any]:  # noqa: ANN401 - a type as annotated
    if hint is Request:
        return lambda said: Request(said.scope)
    for mark in get_args(hint)[1:]:
        if isinstance(mark, params.Depends):
            depended = cast("Callable[[Request], Any]", mark.dependency)
            return lambda said: depended(Request(said.scope))
    adapter = TypeAdapter(hint)
    if name == "body":
        return lambda said: read_as(adapter, said.body, "body")
    if any(isinstance(mark, params.Query) for mark in get_args(hint)[1:]):
        return lambda said: read_as(adapter, said.asked, "query")
    return lambda said: read_as(adapter, said.names[name], "path", name)


def _have_told_again(report: _Called, question: PointQuestion, asking: Asking) -> None:
    """Of the whole company, as it is known now: nothing else is kept for others, or gets stale."""

    def tell() -> bool:
        try:
            with asking.desk() as at:
                sees_all = at.reach is Reach.ALL
            if sees_all:
                report.call({"question": question, "asking": asking})
        except Refusal:  # to whom it was told: they may not any more
            return False
        return sees_all

    if question.knowledge == EVERYTHING:
        whose = report.operation, question, asking.caller
        asking.service.retelling.wanted(whose, tell)


def read_as(reader: TypeAdapter[Any], value: object, *where: str) -> Any:  # noqa: ANN401 - whatever the signature asks for
    try:
        return reader.validator.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**one, "loc": (*where, *one["loc"])} for one in found]
        ) from error


_behind: set[asyncio.Task[None]] = set()


def _later(work: Coroutine[Any, Any, None]) -> None:
    """Behind the answer, and held until it is done."""
    task = asyncio.get_running_loop().create_task(work)
    _behind.add(task)
    task.add_done_callback(_behind.discard)


async def _told(response: ASGIApp, scope: Scope) -> Told:
    parts: list[bytes] = []
    headers: dict[bytes, bytes] = {}

    async def send(message: Message) -> None:
        headers.update(message.get("headers", ()))
        parts.append(cast("bytes", message.get("body", b"")))

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    if isinstance(response, Response) and (background := response.background) is not None:
        response.background = None  # what is done behind an answer is not waited for
        _later(background())
    await response(scope, receive, send)
    link = _NEXT.fullmatch(headers.get(b"link", b""))
    return Told(b"".join(parts), dict(parse_qsl(link[1].decode())) if link else None)


def _service(scope: Scope) -> Service:
    app: FastAPI = scope["app"]
    return cast("Service", app.state.service)


def read_query(scope: Scope) -> dict[str, str]:
    """Of two equal parameters nobody knows which was meant."""
    if not scope["query_string"]:
        return {}
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    asked = dict(pairs)
    if len(asked) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in asked if names.count(name) > 1)
        raise Problem("validation", errors=((twice, "given-twice", {}),))
    return asked


async def read_body(receive: Receive, headers: Headers, most: int = MOST_BYTES) -> bytes:
    """So many bytes at most."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += cast("bytes", message.get("body", b""))
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(most: int) -> Problem:
    return Problem("payload-too-large", most=most)


def parsed_json(body: bytes, headers: Headers, *, required: bool) -> object:
    """None where there is no body and none is needed."""
    if not body and not required:
        return None
    _require_type(headers, "application/json")
    try:
        return read_json(body)
    except MalformedJson as error:
        raise Problem("malformed-json", flaw=error.flaw, **error.place) from error


def parsed_text(body: bytes, headers: Headers) -> str:
    """What is no UTF-8 in it, nobody takes for what it is not."""
    _require_type(headers, "text/plain")
    return body.decode(errors="replace")


def _require_type(headers: Headers, wanted: str) -> None:
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media_type != wanted.encode():
        raise Problem("unsupported-media-type", wanted=wanted)


def _fingerprint(scope: Mapping[str, Any], asked: object) -> bytes:
    """What is asked, whatever the spacing: by this a repeated Idempotency-Key is recognised."""
    said = json.dumps([scope["method"], scope["path"], asked], sort_keys=True, default=str)
    return sha256(said.encode()).digest()


def _key(headers: Headers) -> str | None:
    if b"idempotency-key" not in headers:
        return None
    given = headers[b"idempotency-key"].decode("latin-1")
    if not 1 <= len(given) <= 200 or not given.isascii() or not given.isprintable():
        raise Problem("validation", errors=(("Idempotency-Key", "idempotency-key", {}),))
    return given


def _versions(given: bytes | None) -> frozenset[int] | None:
    """The versions named by If-Match; none that exists for a tag that is not ours."""
    if given is None or given.strip() == b"*":
        return None
    tags = (tag.strip().strip(b'"') for tag in given.split(b",") if tag.strip()[:2] != b"W/")
    return frozenset(int(tag) for tag in tags if tag.isdigit() and len(tag) < 18)
