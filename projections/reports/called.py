"""What deals are called, which never changes."""

from collections.abc import Collection, Mapping
from datetime import date
from functools import partial
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor

from projections.reports.kept import Kept

MOST_CALLED = 50_000
"""Deals whose names are remembered; each takes some 500 bytes."""


class About(NamedTuple):
    """What a deal keeps for ever."""

    deal_id: UUID
    title: str
    client: str
    opened_on: date


_CALLED: LiteralString = """
SELECT deal, deal_id, title, client, opened_on FROM ledger.deals WHERE deal = ANY (%s)
"""


Called = Kept[int, About]
"""By the position of the deal's opening."""


def called_at(cursor: Cursor[Any], called: Called, deals: Collection[int]) -> Mapping[int, About]:
    """What is kept of each of the deals; read where it was not asked for before."""
    return called.all(deals, partial(_read_called, cursor))


def _read_called(cursor: Cursor[Any], deals: Collection[int]) -> dict[int, About]:
    return {deal: About(*about) for deal, *about in cursor.execute(_CALLED, [deals])}
