"""Snapshots of the ledger, cut along positions: what keeps every sum small.

What is known up to a position never changes. So at a *cut*, a position, what every manager has at
the end of each *mark*, four days of every month, can be written down for ever, and a question at
(as_of, position) is the snapshot at the cut and the mark nearest to it, and two strips:

    known at `position` and effective by `as_of`
        = known at the cut, effective by the mark    one row for a manager
        + learnt since, effective by `as_of`         of half of EVERY events, or behind the last cut
                                                     of EVERY, at most
        + known at the cut, effective after the mark of four days at most

Where the cut or the mark is the later, its strip is what lies between the two, and is taken away.

Cuts never lie along dates, where a late entry would change them. Snapshots are sparse: a cut has
rows of its own only for marks that what was learnt since the cut before has changed, and for new
ones; for every other mark the row of the last cut that has one holds. But whoever has a row at one
mark has one at every later mark, up to the cut's last, so that each is found by its key, and all
that a mark has lies together. Of what it learnt a cut keeps the first day: a question about an
earlier one need not look at the strip that ends in it.
"""

from calendar import monthrange
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from operator import add
from typing import Any, LiteralString

from psycopg import Connection, Cursor, sql
from psycopg.rows import TupleRow

from domain.values import ManagerId
from projections.ledger import (
    COLUMNS,
    EVERYBODY,
    LEVEL,
    SOME,
    STANDING,
    THEIRS,
    THEIRS_BY_DAY,
    Balance,
    Level,
    Standing,
    managers_asked,
    standing,
    total,
    whose,
)

EVERY = 8_192
"""Events from one cut to the next."""
CLOSERS_LOCK = 1_701_001
"""With the table of cuts: a rebuild closes those of another ledger meanwhile."""

MARKS = 8, 16, 24
"""Days of a month that are marks, beside its last."""
_MARK: LiteralString = """
least(
    date_trunc('month', effective_on)::date + (extract(day FROM effective_on)::int + 7) / 8 * 8 - 1,
    (date_trunc('month', effective_on) + interval '1 month')::date - 1
)
"""
"""The first mark on or after `effective_on`: the 8th, 16th, 24th or last of its month."""


@lru_cache(maxsize=4_096)
def mark_near(day: date) -> date:
    """The mark that is fewest days away, the earlier of two."""
    first = day.replace(day=1)
    last = first.replace(day=monthrange(day.year, day.month)[1])
    marks = [first - timedelta(days=1), *(first.replace(day=one) for one in MARKS), last]
    return min(marks, key=lambda mark: abs(mark - day))


# ---------------------------------------------------------------------------- asking


_CUT: LiteralString = """
(
    SELECT coalesce(max(position), 0) AS position, max(last_mark) AS last_mark FROM (
        SELECT position, last_mark FROM ledger.cuts
        WHERE position <= %(near)s ORDER BY position DESC LIMIT 1
    ) AS nearest
) AS cut
"""
"""The cut that is fewest events away from the position, of which half of EVERY lie before `near`:
what was learnt between the two is added, or, where the cut is the later, taken away. Where there is
none, nothing is known at it.
"""
_POINT: LiteralString = f"""
{_CUT} CROSS JOIN (SELECT %(mark)s::date AS mark, %(as_of)s::date AS day) AS asked
"""


def _strip(sign: LiteralString) -> LiteralString:
    return f"""
SELECT manager, currency, account, effective_on, amount * sign AS amount, credit * sign AS credit,
    progress * sign AS progress, actions * sign AS actions, deals * sign AS deals
FROM ledger.postings CROSS JOIN (SELECT sign({sign})::bigint) AS way (sign)
"""


_FROM_THE_MARK: LiteralString = f"""
{_strip("asked.day - asked.mark")}
WHERE effective_on > least(asked.mark, asked.day)
  AND effective_on <= greatest(asked.mark, asked.day)
  AND position + 0 <= cut.position
"""
"""Added behind the mark, and taken away before it. Days are few, and all that is known is much: the
sum keeps another index from offering itself.
"""
_FROM_THE_CUT: LiteralString = f"""
{_strip("%(position)s - cut.position")}
WHERE position > least(cut.position, %(position)s)
  AND position <= greatest(cut.position, %(position)s) AND effective_on <= asked.day
  AND (
    SELECT first_day > %(as_of)s AND position >= greatest(cut.position, %(position)s)
    FROM ledger.cuts WHERE position > least(cut.position, %(position)s) ORDER BY position LIMIT 1
  ) IS NOT TRUE
"""
"""Likewise. Nobody looks at it where the cut that learnt all of it tells that it is of later days.
"""
_SNAPSHOT: LiteralString = f"""
SELECT {COLUMNS} FROM ledger.snapshots
WHERE mark = least(asked.mark, cut.last_mark)
  AND manager = who.manager AND currency = holders.currency AND cut <= cut.position
ORDER BY cut DESC LIMIT 1
"""
_THEIRS: LiteralString = "manager = who.manager"
_PARTS: LiteralString = ", ".join(
    f"CASE account WHEN '{account}' THEN amount ELSE 0 END" for account in Balance._fields
)


_OF_SOME: LiteralString = f"""
SELECT currency, manager_id, {COLUMNS}
FROM {_POINT} CROSS JOIN ({SOME}) AS who CROSS JOIN LATERAL (
    SELECT holders.currency, snapshot.*
    FROM ledger.holders CROSS JOIN LATERAL ({_SNAPSHOT}) AS snapshot WHERE {_THEIRS}
    UNION ALL
    SELECT currency, {_PARTS}, credit, progress, actions, deals FROM (
        {_FROM_THE_MARK} AND {_THEIRS}
        UNION ALL
        {_FROM_THE_CUT} AND {_THEIRS}
    ) AS strip
) AS part
"""
"""One after the other, part by part: there are few, and to add them up here takes longer than to
tell them.
"""
_SUMS: LiteralString = ", ".join(
    f"coalesce(snapshot.{column}, 0) + coalesce(strips.{column}, 0)"
    for column in COLUMNS.split(", ")
)
_OF_EVERYBODY: LiteralString = f"""
SELECT currency, manager_id, {_SUMS}
FROM ledger.holders JOIN ({EVERYBODY}) AS who USING (manager)
LEFT JOIN (
    SELECT DISTINCT ON (manager, currency) manager, currency, {COLUMNS}
    FROM {_POINT} CROSS JOIN LATERAL (
        SELECT * FROM ledger.snapshots
        WHERE mark = least(asked.mark, cut.last_mark) AND cut <= cut.position
    ) AS known
    ORDER BY manager, currency, known.cut DESC
) AS snapshot USING (manager, currency)
LEFT JOIN (
    SELECT manager, currency, {STANDING}
    FROM {_POINT} CROSS JOIN LATERAL (
        {_FROM_THE_MARK}
        UNION ALL
        {_FROM_THE_CUT} AND manager = ANY (ARRAY(SELECT manager FROM ledger.managers))
    ) AS strip
    GROUP BY manager, currency
) AS strips (manager, currency, {COLUMNS}) USING (manager, currency)
ORDER BY currency COLLATE "C", manager_id COLLATE "C"
"""
"""All at once: what belongs to a mark, or to a day, lies together."""


def standings(
    cursor: Cursor[Any], as_of: date, position: int, managers: Collection[ManagerId] | None = None
) -> Iterator[tuple[str, ManagerId, Standing]]:
    """By currency and manager: the sum of all postings with `effective_on` <= `as_of` and
    `position` <= `position`, of everybody or of `managers`.
    """
    asked = _asked(position, managers) | {"mark": mark_near(as_of), "as_of": as_of}
    rows: Iterable[tuple[Any, ...]]
    if managers is None:
        rows = cursor.execute(_OF_EVERYBODY, asked).fetchall()
    else:
        rows = _added_up(cursor.execute(_OF_SOME, asked).fetchall())
    for row in rows:
        columns = row[2:]
        if any(columns):
            yield row[0], row[1], standing(columns)


def _added_up(parts: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """In order, those of one currency and manager in one."""
    sums: dict[tuple[str, ManagerId], tuple[Any, ...]] = {}
    for part in parts:
        key = part[:2]
        sums[key] = part if key not in sums else (*key, *map(add, sums[key][2:], part[2:]))
    return (sums[key] for key in sorted(sums))


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


def _on_days(who: LiteralString) -> LiteralString:
    return f"""
WITH who AS MATERIALIZED ({who})
SELECT behind, day, manager_id, {LEVEL} FROM (
    SELECT 'snapshot', asked.mark, who.manager, snapshot.*
    FROM {_CUT} CROSS JOIN who CROSS JOIN (SELECT %(currency)s AS currency) AS holders
    CROSS JOIN LATERAL (
        SELECT DISTINCT least(mark, cut.last_mark) FROM unnest(%(marks)s::date[]) AS mark
    ) AS asked (mark) CROSS JOIN LATERAL ({_SNAPSHOT}) AS snapshot
    UNION ALL
    SELECT 'mark', day, manager, {STANDING}
    FROM {_CUT} CROSS JOIN unnest(%(days)s::date[], %(day_marks)s::date[]) AS asked (day, mark)
    CROSS JOIN LATERAL (
        {_FROM_THE_MARK} AND {THEIRS_BY_DAY[who]} AND currency = %(currency)s
        OFFSET 0  -- its days, and not all of the manager's
    ) AS strip
    GROUP BY day, manager
    UNION ALL
    SELECT 'cut', effective_on, manager, {STANDING}
    FROM {_CUT} CROSS JOIN (SELECT %(as_of)s::date AS day) AS asked CROSS JOIN LATERAL (
        {_FROM_THE_CUT} AND {THEIRS} AND currency = %(currency)s
    ) AS strip
    GROUP BY effective_on, manager
) AS part (behind, day, manager, {COLUMNS}) JOIN who USING (manager)
"""


_ON_DAYS = {who: _on_days(who) for who in (EVERYBODY, SOME)}
"""Snapshots by their marks; what lies between a day and its mark by the day; and what was learnt
since the cut by its own day.
"""


def levels_on(
    cursor: Cursor[Any],
    days: Sequence[date],
    position: int,
    currency: str,
    managers: Collection[ManagerId] | None,
) -> Iterator[dict[ManagerId, Level]]:
    """What `standings` has of a Level, in one currency on each of the ascending `days`, all in one
    statement.
    """
    marks = [mark_near(day) for day in days]
    between = [one for one in zip(days, marks, strict=True) if one[0] != one[1]]
    asked = _asked(position, managers) | {
        "marks": _array(dict.fromkeys(marks)),
        "days": _array(day for day, _ in between),
        "day_marks": _array(mark for _, mark in between),
        "as_of": days[-1],
        "currency": currency,
    }
    told: dict[str, dict[date, dict[ManagerId, Level]]] = {"snapshot": {}, "mark": {}, "cut": {}}
    rows = cursor.execute(_ON_DAYS[whose(managers)], asked).fetchall()  # one by one takes longer
    for row in rows:
        told[row[0]].setdefault(row[1], {})[row[2]] = row[3:]
    snapshots, near, new = told.values()
    last = max(snapshots, default=date.max)  # later marks have what it has
    learnt: dict[ManagerId, Level] = {}
    waiting = deque(sorted(new))
    for day, mark in zip(days, marks, strict=True):
        while waiting and waiting[0] <= day:
            learnt = _sum(learnt, new[waiting.popleft()])
        held = snapshots.get(min(mark, last), {})
        yield _sum(_sum(held, near.get(day, {})), learnt)


def _sum(held: dict[ManagerId, Level], more: dict[ManagerId, Level]) -> dict[ManagerId, Level]:
    if not more:
        return held
    together = held.copy()
    for manager, level in more.items():
        before = held.get(manager)
        together[manager] = level if before is None else tuple(map(add, before, level))
    return together


def _array(days: Iterable[date]) -> str:
    """For the database; many dates one by one take longer than the answer."""
    return f"{{{','.join(map(str, days))}}}"


def _asked(position: int, managers: Collection[ManagerId] | None) -> dict[str, Any]:
    return {
        "position": position,
        "near": position + EVERY // 2,
        "managers": managers_asked(managers),
    }


# ---------------------------------------------------------------------------- closing

_SO_FAR: LiteralString = ", ".join(
    f"coalesce(held.{column}, 0) + sum(coalesce(new.{column}, 0)) OVER so_far"
    for column in COLUMNS.split(", ")
)
_CLOSE: LiteralString = f"""
WITH before AS (
    SELECT coalesce(max(position), 0) AS cut, coalesce(max(last_mark), '2000-01-01') AS last_mark
    FROM cuts
), new (manager, currency, mark, first_day, {COLUMNS}) AS MATERIALIZED (
    SELECT manager, currency, {_MARK}, min(effective_on), {STANDING}
    FROM postings
    WHERE manager = ANY (ARRAY(SELECT manager FROM managers))
      AND position > (SELECT cut FROM before) AND position <= %(cut)s
    GROUP BY 1, 2, 3
), now AS (
    SELECT greatest(max(mark), (SELECT last_mark FROM before)) AS last_mark,
        min(first_day) AS first_day
    FROM new
), changed AS (
    SELECT manager, currency, min(since) AS since FROM (
        SELECT manager, currency, mark FROM new
        UNION ALL
        SELECT manager, currency, last_mark + 1 FROM holders CROSS JOIN before WHERE EXISTS (
            SELECT FROM snapshots
            WHERE manager = holders.manager AND currency = holders.currency AND mark = last_mark)
    ) AS one (manager, currency, since)
    GROUP BY manager, currency
), marks AS (
    SELECT DISTINCT {_MARK} AS mark FROM (
        SELECT generate_series(min(since), (SELECT last_mark FROM now), '1 day')::date
        FROM changed
    ) AS day (effective_on)
), closed AS (
    INSERT INTO snapshots (manager, currency, mark, cut, {COLUMNS})
    SELECT manager, currency, mark, %(cut)s, {_SO_FAR}
    FROM changed JOIN marks ON mark >= since
    LEFT JOIN new USING (manager, currency, mark) LEFT JOIN LATERAL (
        SELECT {COLUMNS} FROM snapshots AS old
        WHERE old.manager = changed.manager AND old.currency = changed.currency
          AND old.mark = least(marks.mark, (SELECT last_mark FROM before))
        ORDER BY old.cut DESC LIMIT 1
    ) AS held ON true
    WINDOW so_far AS (PARTITION BY manager, currency ORDER BY mark)
    ORDER BY mark, manager, currency  -- as they will be read, and as their index grows
)
INSERT INTO cuts (position, last_mark, first_day) SELECT %(cut)s, last_mark, first_day FROM now
"""
_ALONE: LiteralString = """
SELECT pg_try_advisory_xact_lock(%s::int, ('cuts'::regclass::oid::bigint %% 2147483647)::int)
"""
_ENDS: LiteralString = """
SELECT coalesce((SELECT max(position) FROM cuts), 0),
       coalesce(%(end)s, (SELECT max(notification_id) FROM books.events), 0)
"""


def close_next_cut(
    connection: Connection[TupleRow],
    schema: str = "ledger",
    end: int | None = None,
    every: int = EVERY,
) -> bool:
    """Close the cut `every` positions behind the last one, in a transaction of its own; False if
    less than that was learnt since, or another process is at it.

    The ledger in `schema` has all that was recorded up to `end`; None: up to the log's end.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
        alone = cursor.execute(_ALONE, [CLOSERS_LOCK]).fetchone()
        row = cursor.execute(_ENDS, {"end": end}).fetchone()
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
