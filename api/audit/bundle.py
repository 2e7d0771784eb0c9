"""What an auditor takes home: the bundle, and the program that checks it without us."""

import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from psycopg import Cursor
from pydantic_core import to_json

from api.answers import asked
from api.asking import AskingDep, PointQuestion
from api.audit import audit_verifier
from api.inputs import Position, Slug
from api.portfolio_answers import (
    currency_portfolios,
    portfolio_deal,
    portfolio_figures,
    portfolios_answer,
)
from api.refusals import QUESTION_REFUSALS
from api.routes import v1_router
from api.service import Service
from domain.errors import NotFound
from domain.values import ManagerId
from projections.evidence.bundle import Wanted, of_everybody, of_manager
from projections.evidence.checkpoints import newest_signed
from projections.ledger import NOBODY
from projections.point import Point
from projections.portfolio import (
    DealRow,
    line_of,
    manager_portfolio_from_ledger,
    portfolios_from_ledger,
)

router = v1_router(tags=["evidence"], responses=QUESTION_REFUSALS)

VERIFIER = Path(audit_verifier.__file__)
_JSON_LINES = "application/jsonl"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON Lines; what they are, `api/audit/AUDIT.md` says.",
        "content": {_JSON_LINES: {"schema": {"type": "string"}}},
    }
}
_PROGRAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A program in Python.",
        "content": {"text/x-python": {"schema": {"type": "string"}}},
    }
}
_FAST = 3
"""Of zlib's levels: a bundle is asked for, waited for and kept once."""


class BundleQuestion(PointQuestion):
    manager_id: Slug | None = None
    """Left out: everybody's, with the whole log."""
    kept: Position | None = None
    """The size of a checkpoint that was kept earlier, to which a proof is wanted."""


@router.get(
    "/audit/bundle",
    operation_id="getAuditBundle",
    response_class=StreamingResponse,
    responses=_FILE,
)
def audit_bundle(
    question: Annotated[BundleQuestion, Query()], request: Request, asking: AskingDep
) -> Response:
    """A portfolio with all that proves it, for a check at home: signed root, events, proofs, the
    result that is claimed. Of one manager, or of everybody, with the whole log.
    """
    who = question.manager_id
    with asking.desk_at(question.as_of, question.knowledge, settled=True) as (at, point):
        manager = None if who is None else at.require_manager(who)
        lines = bundle_lines(at.service, at.cursor, point, manager, question.kept)
        if manager is not None:
            lines = [b"".join(lines)]
    headers = {"Content-Disposition": f'attachment; filename="{file_name(point, who)}"'}
    headers["Vary"] = "Accept-Encoding"
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        lines = packed(lines)
    if manager is not None:
        return Response(b"".join(lines), headers=headers, media_type=_JSON_LINES)
    return StreamingResponse(lines, headers=headers, media_type=_JSON_LINES)


@router.get(
    "/audit/verifier",
    operation_id="getAuditVerifier",
    response_class=Response,
    responses=_PROGRAM,
)
def verifier(asking: AskingDep) -> Response:
    """The program that checks bundles: one file, for Python with the package `cryptography`. Who
    does not trust this service takes it from elsewhere.
    """
    asking.admitted()
    headers = {"Content-Disposition": f'attachment; filename="{VERIFIER.name}"'}
    return Response(VERIFIER.read_bytes(), headers=headers, media_type="text/x-python")


def bundle_lines(
    service: Service,
    cursor: Cursor[Any],
    point: Point,
    manager: ManagerId | None,
    kept: int | None,
) -> Iterable[bytes]:
    """Proven to the newest checkpoint, or to one that is signed now. Raises NotFound when none can
    be signed.
    """
    signed = newest_signed(cursor)
    if signed is None or signed.size < point.position:
        service.proving.catch_up()
        signed = newest_signed(cursor)
    if signed is None or signed.size < point.position:
        raise NotFound("checkpoint", point.position)
    currency = service.settings.currency
    if manager is None:
        claimed = _everybody(service, cursor, point)
        wanted = Wanted(None, point, currency, lambda: claimed, signed, kept)
        return of_everybody(service.asking, wanted)
    rows = manager_portfolio_from_ledger(cursor, manager, point.as_of, point.position)
    result = partial(_portfolio, rows, point, manager, currency)
    wanted = Wanted(manager, point, currency, result, signed, kept)
    return of_manager(cursor, service.evidence, wanted)


def file_name(point: Point, manager: str | None) -> str:
    return f"audit-{manager or 'everybody'}-{point.as_of}-{point.position}.jsonl"


def packed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """By gzip."""
    packing = zlib.compressobj(_FAST, wbits=31)
    for line in lines:
        yield packing.compress(line)
    yield packing.flush()


def _portfolio(rows: list[DealRow], point: Point, manager: ManagerId, company: str) -> bytes:
    """As `GET /v1/managers/{id}/portfolio` answers, without the name."""
    figures = portfolio_figures([line_of(row, portfolio_deal) for row in rows], company)
    return to_json({**asked(point), "manager_id": manager})[:-1] + figures


def _everybody(service: Service, cursor: Cursor[Any], point: Point) -> bytes:
    """As `GET /v1/portfolios` answers, without the names."""
    held = portfolios_from_ledger(cursor, point.as_of, point.position)
    registered = service.directory.at(cursor, point.position).people.managers
    company = service.settings.currency
    currencies = []
    for currency in [company, *sorted(held.keys() - {company})]:
        own = held.get(currency, {})
        managers = {
            who: own.get(who, NOBODY) for who in registered if currency == company or who in own
        }
        currencies.append(currency_portfolios(currency, managers, None))
    return portfolios_answer(point, currencies)
