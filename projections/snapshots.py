"""Snapshots of the ledger, cut along positions: what keeps every sum small.

What is known up to a position never changes. So at a *cut*, a position, what every manager has at
the end of each *mark*, four days of every month, can be written down for ever, and a question at
(as_of, position) is the snapshot at the last cut and mark before it, and two strips:

    known at `position` and effective by `as_of`
        = known at the cut, effective by the mark    one row for a manager
        + learnt since, effective by `as_of`         of EVERY events at most
        + known at the cut, effective after the mark of eight days at most

Cuts never lie along dates, where a late entry would change them. Snapshots are sparse: a cut has
rows of its own only for marks that what was learnt since the cut before has changed. For another
mark the row of the last cut that has one holds, and where none has, the row of the mark before.
"""

from calendar import monthrange
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, LiteralString

from psycopg import Connection, Cursor, sql
from psycopg.rows import TupleRow

from domain.values import ManagerId
from projections.ledger import (
    NOBODY,
    OF_MANAGERS,
    STANDING,
    Balance,
    Standing,
    managers_asked,
    standing,
    total,
)

EVERY = 4_096
"""Events from one cut to the next."""
CLOSERS_LOCK = 1_701_001
"""With the table of cuts: a rebuild closes those of another ledger meanwhile."""

_COLUMNS: LiteralString = "active, claimed, suspended, lost, won, credit, progress, actions, deals"
_SUMS: LiteralString = """
sum(active), sum(claimed), sum(suspended), sum(lost), sum(won),
sum(credit), sum(progress), sum(actions), sum(deals)
"""
_MARK: LiteralString = """
least(
    date_trunc('month', effective_on)::date + (extract(day FROM effective_on)::int + 7) / 8 * 8 - 1,
    (date_trunc('month', effective_on) + interval '1 month')::date - 1
)
"""
"""The first mark on or after `effective_on`: the 8th, 16th, 24th or last of its month."""


def mark_before(day: date) -> date:
    """The last mark on or before `day`."""
    if day.day == monthrange(day.year, day.month)[1]:
        return day
    return day.replace(day=1) + timedelta(days=day.day // 8 * 8 - 1)


# ---------------------------------------------------------------------------- asking


_CUT: LiteralString = """
cut AS MATERIALIZED (
    SELECT position, last_mark FROM ledger.cuts
    WHERE position <= %(position)s ORDER BY position DESC LIMIT 1
)
"""
_SNAPSHOT: LiteralString = f"""
SELECT {_COLUMNS} FROM ledger.snapshots
WHERE manager_id = holders.manager_id AND currency = holders.currency
  AND mark <= least(asked.mark, (SELECT last_mark FROM cut))
  AND cut <= (SELECT position FROM cut)
ORDER BY mark DESC, cut DESC LIMIT 1
"""
_BEHIND_THE_MARK: LiteralString = f"""
SELECT {STANDING} FROM ledger.postings
WHERE manager_id = holders.manager_id AND currency = holders.currency
  AND effective_on > asked.mark AND effective_on <= asked.day
  AND position <= (SELECT position FROM cut)
HAVING count(*) > 0
"""
_SINCE_THE_CUT: LiteralString = f"""
position > coalesce((SELECT position FROM cut), 0) AND position <= %(position)s AND {OF_MANAGERS}
"""
_STANDINGS: LiteralString = f"""
WITH {_CUT}, asked AS (SELECT %(mark)s::date AS mark, %(as_of)s::date AS day), part AS (
    SELECT currency, manager_id, snapshot.*
    FROM asked, ledger.holders, LATERAL ({_SNAPSHOT}) AS snapshot
    WHERE {OF_MANAGERS}
    UNION ALL
    SELECT currency, manager_id, strip.*
    FROM asked, ledger.holders, LATERAL ({_BEHIND_THE_MARK}) AS strip
    WHERE asked.day > asked.mark AND {OF_MANAGERS}
    UNION ALL
    SELECT currency, manager_id, {STANDING}
    FROM ledger.postings WHERE {_SINCE_THE_CUT} AND effective_on <= %(as_of)s
    GROUP BY currency, manager_id
)
SELECT currency, manager_id, {_SUMS} FROM part
GROUP BY currency, manager_id ORDER BY currency, manager_id
"""


def standings(
    cursor: Cursor[Any], as_of: date, position: int, managers: Collection[ManagerId] | None = None
) -> Iterator[tuple[str, ManagerId, Standing]]:
    """By currency and manager: the sum of all postings with `effective_on` <= `as_of` and
    `position` <= `position`, of everybody or of `managers`.
    """
    asked = _asked(position, managers) | {"mark": mark_before(as_of), "as_of": as_of}
    for currency, manager, *columns in cursor.execute(_STANDINGS, asked):
        yield currency, manager, standing(columns)


def balance_of(
    cursor: Cursor[Any],
    as_of: date,
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Balance:
    """The value in one currency of everybody, or of `managers`, by account."""
    held = standings(cursor, as_of, position, managers)
    return total(one for held_in, _, one in held if held_in == currency).balance


_ON_DAYS: LiteralString = f"""
WITH {_CUT}, asked AS (
    SELECT * FROM unnest(%(days)s::date[], %(marks)s::date[]) AS asked (day, mark)
), part AS (
    SELECT day, manager_id, snapshot.* FROM asked, ledger.holders, LATERAL ({_SNAPSHOT}) AS snapshot
    WHERE currency = %(currency)s AND {OF_MANAGERS}
    UNION ALL
    SELECT day, manager_id, strip.*
    FROM asked, ledger.holders, LATERAL ({_BEHIND_THE_MARK}) AS strip
    WHERE currency = %(currency)s AND asked.day > asked.mark AND {OF_MANAGERS}
)
SELECT day, true, manager_id, {_SUMS} FROM part GROUP BY day, manager_id
UNION ALL
SELECT effective_on, false, manager_id, {STANDING} FROM ledger.postings
WHERE {_SINCE_THE_CUT} AND currency = %(currency)s AND effective_on <= %(last)s
GROUP BY effective_on, manager_id
ORDER BY 1
"""
"""What is known at the cut for each of the days, and what was learnt since by its own day."""


def standings_on(
    cursor: Cursor[Any],
    days: Sequence[date],
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Iterator[dict[ManagerId, Standing]]:
    """`standings` in one currency on each of the ascending `days`, all in one statement."""
    asked = _asked(position, managers) | {
        "days": list(days),
        "marks": [mark_before(day) for day in days],
        "last": days[-1],
        "currency": currency,
    }
    known: dict[date, dict[ManagerId, Standing]] = defaultdict(dict)
    since: deque[tuple[date, ManagerId, Standing]] = deque()
    for day, at_the_cut, manager, *columns in cursor.execute(_ON_DAYS, asked):
        if at_the_cut:
            known[day][manager] = standing(columns)
        else:
            since.append((day, manager, standing(columns)))
    learnt: dict[ManagerId, Standing] = {}
    for day in days:
        while since and since[0][0] <= day:
            _, manager, more = since.popleft()
            learnt[manager] = learnt.get(manager, NOBODY).plus(more)
        held = known[day]
        yield {who: held.get(who, NOBODY).plus(learnt.get(who, NOBODY)) for who in held | learnt}


def _asked(position: int, managers: Collection[ManagerId] | None) -> dict[str, Any]:
    return {"position": position, "managers": managers_asked(managers)}


# ---------------------------------------------------------------------------- closing

_SO_FAR: LiteralString = ", ".join(
    f"coalesce(held.{column}, 0) + sum(coalesce(new.{column}, 0)) OVER so_far"
    for column in _COLUMNS.split(", ")
)
_NEXT_MARK: LiteralString = """
SELECT min(mark) FROM snapshots
WHERE manager_id = one.manager_id AND currency = one.currency AND mark >"""
"""Of one after the other, by the index: a mark has a row for every cut that has changed it."""
_CLOSE: LiteralString = f"""
WITH RECURSIVE new (manager_id, currency, mark, {_COLUMNS}) AS MATERIALIZED (
    SELECT manager_id, currency, {_MARK}, {STANDING}
    FROM postings
    WHERE position > coalesce((SELECT max(position) FROM cuts), 0) AND position <= %(cut)s
    GROUP BY 1, 2, 3
), first AS (
    SELECT manager_id, currency, min(mark) AS mark FROM new GROUP BY manager_id, currency
), later AS (
    SELECT manager_id, currency, ({_NEXT_MARK} one.mark) AS mark FROM first AS one
    UNION ALL
    SELECT manager_id, currency, ({_NEXT_MARK} one.mark) FROM later AS one
    WHERE mark IS NOT NULL
), changed AS (
    SELECT manager_id, currency, mark FROM new
    UNION
    SELECT manager_id, currency, mark FROM later WHERE mark IS NOT NULL
), closed AS (
    INSERT INTO snapshots (manager_id, currency, mark, cut, {_COLUMNS})
    SELECT manager_id, currency, mark, %(cut)s, {_SO_FAR}
    FROM changed LEFT JOIN new USING (manager_id, currency, mark) LEFT JOIN LATERAL (
        SELECT {_COLUMNS} FROM snapshots AS before
        WHERE before.manager_id = changed.manager_id AND before.currency = changed.currency
          AND before.mark <= changed.mark
        ORDER BY before.mark DESC, before.cut DESC LIMIT 1
    ) AS held ON true
    WINDOW so_far AS (PARTITION BY manager_id, currency ORDER BY mark)
), in_them AS (
    INSERT INTO holders SELECT manager_id, currency FROM first ON CONFLICT DO NOTHING
)
INSERT INTO cuts (position, last_mark)
SELECT %(cut)s, greatest(max(mark), (SELECT max(last_mark) FROM cuts), '2000-01-01') FROM new
"""
_ALONE: LiteralString = """
SELECT pg_try_advisory_xact_lock(%s::int, ('cuts'::regclass::oid::bigint %% 2147483647)::int)
"""
_ENDS: LiteralString = """
SELECT coalesce((SELECT max(position) FROM cuts), 0),
       coalesce((SELECT max(position) FROM postings), 0)
"""


def close_next_cut(
    connection: Connection[TupleRow], schema: str = "ledger", every: int = EVERY
) -> bool:
    """Close the cut `every` positions behind the last one, in a transaction of its own; False if
    less than that was learnt since, or another process is at it.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
        alone = cursor.execute(_ALONE, [CLOSERS_LOCK]).fetchone()
        row = cursor.execute(_ENDS).fetchone()
        assert alone is not None
        assert row is not None
        before, end = row
        if not alone[0] or end - before < every:
            return False
        cursor.execute(_CLOSE, {"cut": before + every})
        return True


def close_cuts_of(connection: Connection[TupleRow], other: str, schema: str, position: int) -> None:
    """Close in `schema`, which has none, the cuts that the ledger `other` has up to `position`."""
    cuts = sql.Identifier(other, "cuts")
    asked = sql.SQL("SELECT position FROM {} WHERE position <= %s ORDER BY position").format(cuts)
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
        for (cut,) in connection.execute(asked, [position]).fetchall():
            connection.execute(_CLOSE, {"cut": cut})
