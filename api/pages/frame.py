"""What all pages have in common: templates, language, the frame with its sections, errors."""

import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension

from api.http.unexpected import unexpected
from api.pages import figures
from api.pages.visit import (
    KEPT,
    KnownThen,
    SignInFirst,
    Visit,
    end_of_month_before,
    language_of,
    page_of,
)
from api.problems import Problem, describe, problem_of
from api.words import Language
from domain.access import Task
from domain.errors import SignedOut

_HERE = Path(__file__).parent

SECTIONS: tuple[tuple[str, str, Task], ...] = (
    ("/", "Portfolio", Task.SEE),
    ("/deals", "Deals", Task.SEE),
    ("/confirmations", "Claims", Task.JUDGE),
    ("/movement", "Movement", Task.SEE),
    ("/reports", "Reports", Task.SEE),
    ("/catalogue", "Catalogue", Task.LOOK_UP),
    ("/periods", "Periods", Task.LOOK_UP),
    ("/log", "Log", Task.AUDIT),
    ("/accounts", "Accounts", Task.ADMINISTER),
)
"""Address, name, and the task of the matrix that whoever opens it has a part in."""
_TEXT = re.compile(r"""\{\{ _\((["'])([^"']*)\1\) \}\}""")
_PARTS = (("/restatement", "/movement"), ("/managers/", "/"))
"""Pages of a section whose addresses do not begin as its own."""
RECORDED: Mapping[str, str] = {
    "deals": "The deal is open",
    "actions": "The action is recorded",
    "confirmation": "The action is confirmed",
    "rejection": "The claim is rejected",
    "weight-changes": "The weight is changed",
    "withdrawal": "The action is withdrawn",
    "check-revisions": "The check is revised",
    "expected-close-revisions": "The expected close is revised",
    "handovers": "The deal is handed over",
    "suspension": "The deal is suspended",
    "resumption": "The deal is resumed",
    "win": "The deal is won",
    "loss": "The deal is lost",
    "reopening": "The deal is open again",
    "managers": "The manager is registered",
    "teams": "The team is made",
    "team-changes": "The change of team is recorded",
    "action-types": "The action type is in the catalogue",
    "weights": "The weight is changed",
    "retirement": "The action type is retired",
    "targets": "The target is set",
    "target-withdrawal": "The target is withdrawn",
    "backdating": "The rule is set",
    "month-closing": "The month is closed",
    "month-reopening": "The month is open again",
}
"""What the page says to which a command leads; by the last part of its address in /v1, or what that
would be if two did not end alike.
"""


YEAR = 365
"""Days of a slider."""


@cache
def _translations(language: Language) -> NullTranslations:
    """Texts stand in the code in English; the catalogue is read as translators write it."""
    if language == "en":
        return NullTranslations()
    with (_HERE / "locale" / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


class _Texts(Extension):
    """Texts into which nothing is put are translated once, when a template is compiled."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - a hook's
        language = cast("Language", self.environment.globals["language"])
        say = gettext(language)
        return _TEXT.sub(lambda found: say(found[2]), source)


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n", _Texts],
    )
    environment.globals["language"] = language
    environment.filters["month_and_year"] = partial(figures.month_and_year, language=language)
    environment.globals |= {"Task": Task, "day": date.fromisoformat, "KEPT": KEPT}
    environment.install_gettext_translations(_translations(language), newstyle=True)  # type: ignore[attr-defined]
    for name in (
        "compact",
        "millions",
        "exact",
        "percent",
        "count",
        "long_date",
        "days_in",
        "moment",
        "symbol",
    ):
        environment.filters[name] = partial(getattr(figures, name), language=language)
    environment.filters["money"] = partial(_money, language=language)
    environment.filters["percent_short"] = partial(figures.one_decimal, language=language)
    environment.filters["parsed"] = date.fromisoformat
    environment.filters["local"] = _local
    environment.filters["local_day"] = lambda text, visit: _local(text, visit).date()
    environment.filters["is_nothing"] = lambda amount: not Decimal(amount)
    environment.filters["is_something"] = lambda amount: bool(Decimal(amount))
    environment.filters["spaced"] = lambda figure: f"{figure[:1]}{figures.SPACE}{figure[1:]}"
    environment.globals["tenth"] = Decimal("0.1")
    return environment


def _money(
    amount: str,
    currency: str,
    exactly: object = None,
    signed: object = None,
    *,
    language: Language,
) -> str:
    """In a table: to the kopeck where that is asked for, else in millions."""
    if exactly:
        return figures.exact(amount, currency, language, signed=bool(signed))
    return figures.millions(amount, language, signed=bool(signed))


def _local(text: str, visit: Visit) -> datetime:
    """An instant of an answer, where the company is."""
    return datetime.fromisoformat(text).astimezone(visit.service.settings.zone)


def gettext(language: Language) -> Callable[[str], str]:
    return _translations(language).gettext


def ngettext(language: Language) -> Callable[[str, str, int], str]:
    """The form for so many, with the number in it where `%(num)s` stands."""
    form = _translations(language).ngettext
    return lambda one, many, number: form(one, many, number) % {"num": number}


def show(visit: Visit, template: str, **shown: object) -> HTMLResponse:
    """The page for whoever visits."""
    sections = [
        (visit.link(path), name, _is_open(visit.request, path))
        for path, name, task in SECTIONS
        if visit.may(task)
    ]
    page = _environment(visit.language).get_template(template)
    known_at = visit.asked.get("known_at", "")
    other: Language = "en" if visit.language == "ru" else "ru"
    return HTMLResponse(
        page.render(
            visit=visit,
            language=visit.language,
            other_language=(other, visit.here(lang=other)),
            sections=sections,
            may_record=visit.may(Task.RECORD),
            short=partial(figures.short_date, language=visit.language, today=visit.today),
            short_day=partial(_short_day, visit),
            demo=visit.service.settings.demo,
            word=_word(visit),
            slider=partial(_slider, visit),
            compared_unsaid=end_of_month_before,
            known_day=_day(known_at or str(visit.today)),
            known_on=_known_on(visit, known_at),
            **shown,
        )
    )


def _short_day(visit: Visit, text: str) -> str:
    """Of a day as answers have it."""
    return figures.short_date(date.fromisoformat(text), visit.language, visit.today)


def _word(visit: Visit) -> tuple[str, int] | None:
    """What was just recorded, and at which position; behind the address as `actions-1204`."""
    name, _, position = visit.asked.get("recorded", "").rpartition("-")
    is_number = position.isascii() and position.isdecimal() and len(position) < 18
    return (RECORDED[name], int(position)) if name in RECORDED and is_number else None


def _slider(visit: Visit, day: date) -> Mapping[str, Any]:
    """A year of days up to today; a day before it moves the window."""
    last = visit.today if (visit.today - day).days <= YEAR else day
    return {"first": last - timedelta(YEAR), "place": YEAR - (last - day).days, "days": YEAR}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _known_on(visit: Visit, known_at: str) -> str:
    """The knowledge asked for, as people write it: a day, or an instant."""
    if day := _day(known_at):
        return figures.long_date(day, visit.language)
    try:
        return figures.moment(_local(known_at, visit), visit.language)
    except ValueError:
        return known_at


def _is_open(request: Request, path: str) -> bool:
    here = request.url.path
    here = next((section for part, section in _PARTS if here.startswith(part)), here)
    return here == path or (path != "/" and here.startswith(f"{path}/"))


def show_stranger(
    request: Request, template: str, language: Language, status: int = 200, **shown: object
) -> HTMLResponse:
    """A page for whoever is not signed in."""
    page = _environment(language).get_template(template)
    return HTMLResponse(page.render(language=language, request=request, **shown), status)


class Page(APIRoute):
    """Refusals become pages too; whoever has to sign in first comes back to this address."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except KnownThen as then:
                return RedirectResponse(then.address, 303)
            except (SignInFirst, SignedOut):
                return RedirectResponse(_sign_in(request), 303)
            except Exception as error:  # noqa: BLE001 - every fault is told, and logged
                problem = problem_of(error) or unexpected(error, request.scope)
                return show_problem(request, problem)

        return answer


def _sign_in(request: Request) -> str:
    """Back to the page of a form, not to where the form was sent; what was typed is brought there
    by the browser, where it has our script.
    """
    query, page = request.url.query, page_of(request)
    lost = bool(page) and request.method == "POST"
    if lost and (came := urlsplit(request.headers.get("referer", ""))).path == page:
        query = came.query
    asked = {"next": (page or "/") + (f"?{query}" if query else "") + ("#typed" if lost else "")}
    if lost:
        asked["lost"] = "1"
    return str(request.url.replace(path="/sign-in", query="").include_query_params(**asked))


def wants_page(request: Request) -> bool:
    """Whether a person has asked for an address of pages."""
    is_data = request.url.path.startswith(("/v1/", "/auth/", "/health/", "/static/"))
    return not is_data and "text/html" in request.headers.get("accept", "")


def to_people(problem: Problem, language: Language) -> dict[str, Any]:
    """What programs are told of a refusal, as people write it."""
    body = describe(problem, language)
    body["detail"] = figures.days_in(body["detail"], language)
    for one in body.get("errors", ()):
        one["detail"] = figures.days_in(one["detail"], language)
    return body


def show_problem(request: Request, problem: Problem) -> Response:
    """What was refused, as a page."""
    language = language_of(request, dict(request.query_params))
    body = to_people(problem, language)
    told = show_stranger(request, "problem.html", language, body["status"], problem=body)
    told.headers.update(problem.headers)
    return told
