"""Somebody who reads a page: who they are, what they ask for, and what is asked for them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from typing import Annotated, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlencode

from fastapi import Depends, Request
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from api.asking import Asking, Desk
from api.door import Door, Told, read_query
from api.routes import Batch
from api.service import Service
from api.sessions import Session, session_cookie_of
from api.sign_in.signing_in import headers_of, signing_in
from api.words import Language
from application.orders import Answer, Caller, Foreseen
from domain.access import MATRIX, Grant, Task
from domain.values import FIRST_DAY, LAST_DAY, DealId
from projections.directory import names_of
from projections.point import BEYOND

T = TypeVar("T")

KEPT = ("as_of", "known_at", "compare", "team_id", "exact", "lang")
"""What stays in the address from one page to the next, in this order."""
BY_POSITION = ("/reports", "/log/integrity")
"""Pages that take one, and their files: their links are kept, and say the same for ever."""
LANGUAGES: Mapping[str, Language] = {"ru": "ru", "en": "en"}


class SignInFirst(Exception):
    """Nobody is signed in: the page is shown to whoever does."""


class KnownThen(Exception):
    """The same page at `address`, with the time of the position that was asked for."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class ListPage(NamedTuple):
    """`cursor` is where the next page begins; None on the last."""

    answer: Mapping[str, Any]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Visit:
    """`asked` is what stands behind the page's address; the language is a part of it."""

    request: Request
    service: Service
    session: Session
    grant: Grant
    name: str
    asked: Mapping[str, str]
    language: Language

    @property
    def today(self) -> date:
        return self.service.clock.today

    def may(self, task: Task) -> bool:
        """Whether the role has a part in it at all."""
        return self.grant.role in MATRIX[task]

    async def ask(self, path: str, **asked: object) -> Any:  # noqa: ANN401 - JSON
        """What /v1 answers to GET `path`; None and "", as a form sends it, leave a parameter out.
        Raises what is a refusal.
        """
        return from_json((await self._ask(path, asked)).body)

    async def pages(self, path: str, **asked: object) -> AsyncIterator[ListPage]:
        """The same of a list: all its pages, as known at the first."""
        following: Mapping[str, object] | None = asked
        while following is not None:
            told = await self._ask(path, following)
            following = told.following
            cursor = None if told.following is None else told.following["cursor"]
            yield ListPage(from_json(told.body), cursor)

    async def _ask(self, path: str, asked: Mapping[str, object]) -> Told:
        given = {name: str(one) for name, one in asked.items() if one not in (None, "")}
        door: Door = self.request.app.door
        return await door.ask(self.request.scope, f"/v1{path}", given)

    async def look(self, question: Callable[[Desk], T]) -> T:
        """What /v1 does not answer, read by whoever may see it of portfolios. Raises what is a
        refusal.
        """

        def looked() -> T:
            with Asking(self.service, self.request.scope["caller"], Task.SEE, {}).desk() as at:
                return question(at)

        return await run_in_threadpool(looked)

    async def command(
        self, path: str, body: Mapping[str, Any], key: str, version: int | None = None
    ) -> Answer:
        """Have recorded what /v1 takes by POST to `path`, once under `key`; with a `version`, only
        while the deal is at it. Raises what is a refusal.
        """
        door, scope = self.request.app.door, self.request.scope
        answer = await door.command(scope, f"/v1{path}", {**body}, key, version)
        return cast("Answer", answer)

    async def foresee(self, path: str, body: Mapping[str, Any], deal_id: DealId) -> Foreseen:
        """What that would come to. Raises likewise, and records nothing."""
        door = self.request.app.door
        return cast(
            "Foreseen", await door.foresee(self.request.scope, f"/v1{path}", {**body}, deal_id)
        )

    async def command_all(
        self, commands: Batch, key: str, versions: Mapping[int, int]
    ) -> Sequence[Answer]:
        """All commands or none, likewise; `versions` are of the streams for which some of them are
        meant, by their numbers.
        """
        door: Door = self.request.app.door
        return await door.command_all(self.request.scope, commands, key, versions)

    async def foresee_all(self, commands: Batch) -> Any:  # noqa: ANN401 - JSON
        """What /v1 answers to their preview, in the language of the page."""
        door: Door = self.request.app.door
        told = await door.foresee_all(self.request.scope, commands, self.language)
        return from_json(told.body)

    def link(self, path: str, **changed: object) -> str:
        """To another page at the same point; None and "" take a parameter away."""
        kept = {name: self.asked[name] for name in KEPT if self.asked.get(name)}
        if changed:
            kept = {
                name: str(one) for name, one in (kept | changed).items() if one not in (None, "")
            }
        return f"{path}?{_encoded(tuple(kept.items()))}" if kept else path

    def here(self, **changed: object) -> str:
        """To the same page with something changed."""
        asked = {
            name: one for name, one in ({**self.asked} | changed).items() if one not in (None, "")
        }
        return f"{self.page}?{urlencode(asked)}" if asked else self.page

    @property
    def page(self) -> str:
        """The address at which this page is read."""
        return page_of(self.request)

    def compared(self, as_of: date) -> date:
        """The earlier day that a portfolio stands beside: the chosen one while it is earlier."""
        chosen = parsed_day(self.asked.get("compare"), as_of)
        return chosen if chosen < as_of else end_of_month_before(as_of)


def page_of(request: Request) -> str:
    """The address at which it is read: what a form is sent to may take nothing else, and begins
    with the page's own. Empty where there is none.
    """
    path, declared = request.url.path, request.scope["route"].path
    while declared and declared not in request.app.pages:
        path, declared = path.rpartition("/")[0], declared.rpartition("/")[0]
    return path


def parsed_day(text: str | None, otherwise: date) -> date:
    """Of an address. What is no date that can be asked for is the question's to refuse."""
    try:
        day = date.fromisoformat(text) if text else otherwise
    except ValueError:
        return otherwise
    return day if FIRST_DAY <= day <= LAST_DAY else otherwise


def end_of_month_before(day: date) -> date:
    """In the first month of all: its first day, for no question reaches further back."""
    return max(FIRST_DAY, day.replace(day=1) - timedelta(days=1))


_encoded = lru_cache(1_000)(urlencode)
"""A page has hundreds of links, most of them with the same behind them."""


async def visit(request: Request) -> Visit:
    """By the session's cookie. Raises SignInFirst, Problem, SignedOut; KnownThen where a page is
    asked for by a position, and has only times.
    """
    here = signing_in(request)
    cookie = session_cookie_of(headers_of(request))
    session = None if cookie is None else await here.do(partial(here.sessions.find, cookie))
    if session is None:
        raise SignInFirst
    asked = read_query(request.scope)
    caller = request.scope["caller"] = Caller(session.account_id)
    request.app.door.admit(caller)
    grant, name = await here.do(partial(_who, here.service, session))
    found = Visit(request, here.service, session, grant, name, asked, language_of(request, asked))
    by_position = request.method == "GET" and asked.get("position")
    if by_position and not request.url.path.startswith(BY_POSITION):
        point = {one: asked.get(one) for one in ("position", "known_at")}
        known_at = (await found.ask("/rules", **point))["known_at"]  # whatever everybody may ask
        raise KnownThen(found.here(position=None, known_at=known_at))
    return found


VisitDep = Annotated[Visit, Depends(visit)]


def language_of(request: Request, asked: Mapping[str, str]) -> Language:
    """Russian unless the address or the settings say otherwise."""
    service = cast("Service", request.app.state.service)
    return LANGUAGES.get(asked.get("lang", ""), service.settings.language)


def _who(service: Service, session: Session) -> tuple[Grant, str]:
    """Raises SignedOut for an account whose role was taken away."""
    with service.asking() as cursor:
        grant = service.directory.at(cursor, BEYOND).access.grant_of(session.account_id, None)
        account = str(session.account_id)
        return grant, names_of(cursor, [account]).get(account, "")
