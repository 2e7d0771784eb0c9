"""Deals and actions from another system: files are sent, checked row by row, and then recorded as a
whole or not at all. It works without a script: the page asks again by itself while it waits.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.imports.csv_records import Sent
from api.imports.followed import FOUND_OUT, MAPPINGS, MOST_BYTES, Imports
from api.pages.forms import Typed, read_files_form, read_own_form, typed
from api.pages.frame import Page, show
from api.pages.people import called
from api.pages.periods import local
from api.pages.visit import Visit, VisitDep
from api.problems import Problem
from api.sign_in.signing_in import signing_in
from domain.access import Task

T = TypeVar("T")
router = APIRouter(route_class=Page, include_in_schema=False)

_FIELDS = ("files", "mapping")
_ASKS_AGAIN_SECONDS = "1"


@router.get("/accounts/imports")
async def imports(visit: VisitDep) -> Response:
    return await _list(visit, Typed())


@router.post("/accounts/imports")
async def sent(visit: VisitDep) -> Response:
    """The files are kept and looked through; nothing of them is recorded yet."""
    visit.grant.reach(Task.ADMINISTER)
    form, files = await read_files_form(visit, MOST_BYTES)
    try:
        import_id, mapping = _key(form.get("key", "")), form.get("mapping", FOUND_OUT)
        _require(files, mapping)
        given = [file._replace(name=PurePath(file.name).name) for file in files]
        take = partial(
            Imports(visit.service).take, import_id, visit.session.account_id, visit.language
        )
        await _do(visit, partial(take, mapping, given))
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await _list(visit, typed(visit, "new", form, error, _FIELDS))
    return RedirectResponse(visit.link(f"/accounts/imports/{import_id}"), 303)


@router.get("/accounts/imports/{import_id}")
async def one(import_id: UUID, visit: VisitDep) -> Response:
    visit.grant.reach(Task.ADMINISTER)
    found = await _do(visit, partial(Imports(visit.service).find, import_id))
    page = show(
        visit,
        "import.html",
        one=found,
        report=found.report,
        own=not found.mapping,
        instant=partial(local, visit),
        typed=Typed(),
    )
    if found.is_under_way:
        page.headers["Refresh"] = _ASKS_AGAIN_SECONDS
    return page


@router.post("/accounts/imports/{import_id}/recording")
async def recorded(import_id: UUID, visit: VisitDep) -> Response:
    return await _begin(visit, import_id, Imports(visit.service).record)


@router.post("/accounts/imports/{import_id}/checking")
async def checked_again(import_id: UUID, visit: VisitDep) -> Response:
    return await _begin(visit, import_id, Imports(visit.service).check)


async def _begin(visit: Visit, import_id: UUID, begin: Callable[[UUID], None]) -> Response:
    """Sent twice it is begun once."""
    visit.grant.reach(Task.ADMINISTER)
    await read_own_form(visit)
    await _do(visit, partial(Imports(visit.service).find, import_id))
    await _do(visit, partial(begin, import_id))
    return RedirectResponse(visit.link(f"/accounts/imports/{import_id}"), 303)


async def _list(visit: Visit, given: Typed) -> Response:
    visit.grant.reach(Task.ADMINISTER)
    latest = await _do(visit, Imports(visit.service).latest)
    page = show(
        visit,
        "imports.html",
        latest=latest,
        people=await called(visit, {str(one.account_id) for one in latest}),
        mappings=sorted(MAPPINGS),
        found_out=FOUND_OUT,
        most=MOST_BYTES // 2**20,
        instant=partial(local, visit),
        typed=given,
    )
    page.status_code = given.status
    return page


def _require(files: Sequence[Sent], mapping: str) -> None:
    """Raises Problem."""
    if not files:
        raise Problem("validation", errors=(("files", "missing", {}),))
    if mapping not in {"", FOUND_OUT, *MAPPINGS}:
        raise Problem("validation", errors=(("mapping", "invalid", {}),))


def _key(text: str) -> UUID:
    """Raises Problem."""
    try:
        return UUID(text)
    except ValueError as error:
        raise Problem("validation", errors=(("key", "uuid", {}),)) from error


async def _do(visit: Visit, call: Callable[[], T]) -> T:
    return await signing_in(visit.request).do(call)
