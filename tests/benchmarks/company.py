"""A log of any size: managers, deals that live for years, late entries; straight into the table."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg

from domain.events import (
    ActionPerformed,
    Credit,
    DealEvent,
    DealLost,
    DealOpened,
    DealWon,
    Event,
    ManagerRegistered,
    PotentialCheckRevised,
    Recorded,
    WeightChanged,
    encode,
)
from domain.values import ActionId, ActionTypeCode, ManagerId, Money, stream_of

FIRST, YEARS = date(2016, 1, 1), 10
STEP = ActionTypeCode("step")
ACTIONS = 70
"""In a deal, on average: several a month, for one to three years."""
COPY = (
    "COPY books.events (originator_id, originator_version, topic, state, notification_id,"
    " recorded_at) FROM STDIN"
)


def fill(conninfo: str, deals: int, managers: int, seed: int = 1) -> int:
    """Write the log, and return how many events it has. The ledger is `rebuild`'s to make."""
    chance = random.Random(seed)
    people = [ManagerId(f"manager-{number}") for number in range(managers)]
    planned = sorted(
        (
            plan
            for number in range(deals)
            for plan in _deal(chance, UUID(int=chance.getrandbits(128)), number, people)
        ),
        key=lambda plan: (plan[0], plan[1]),
    )
    with psycopg.connect(conninfo) as connection:
        with connection.cursor().copy(COPY) as copy:
            position = 0
            for position, recorded in enumerate(_recorded(planned, people), 1):
                copy.write_row(
                    (
                        recorded.originator_id,
                        recorded.originator_version,
                        recorded.type,
                        encode(recorded),
                        position,
                        recorded.recorded_at,
                    )
                )
        connection.execute(
            "INSERT INTO books.people (person_id, name)"
            " SELECT unnest(%s::text[]), unnest(%s::text[])",
            [people, people],
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE books.events")
    return position


Plan = tuple[date, int, UUID, int, date, DealEvent]
"""Recorded on, number of the deal, its stream, version, effective on, event."""


def _deal(
    chance: random.Random, stream: UUID, number: int, people: list[ManagerId]
) -> Iterator[Plan]:
    owner = people[number % len(people)]
    colleague = people[(number * 7 + 1) % len(people)] if chance.random() < 0.3 else owner
    opened = FIRST + timedelta(days=chance.randrange(365 * YEARS - 800))
    length = chance.randrange(300, 800)
    check = Money(amount=chance.randrange(20_000_000_000, 200_000_000_000), currency="RUB")
    opening = DealOpened(
        title=f"Deal {number}", client="A client", potential_check=check, manager_id=owner
    )
    yield opened, number, stream, 1, opened, opening
    count = chance.randrange(ACTIONS // 2, ACTIONS * 3 // 2)
    days = sorted(chance.randrange(1, length) for _ in range(count))
    version = 1
    last: ActionId | None = None
    for day in days:
        version += 1
        on = opened + timedelta(days=day)
        event: DealEvent
        kind = chance.random()
        if kind < 0.03:
            amount = check.amount * chance.randrange(80, 125) // 100
            event = PotentialCheckRevised(
                potential_check=Money(amount=amount, currency="RUB"), reason="scope"
            )
        elif kind < 0.06 and last is not None:
            event = WeightChanged(action_id=last, weight=chance.randrange(10, 300), reason="review")
        else:
            last = ActionId(UUID(int=chance.getrandbits(128)))
            who = owner if chance.random() < 0.8 else colleague
            credit = Credit(manager_id=who, weight=chance.choice([50, 100, 100, 200, 300]))
            event = ActionPerformed(
                action_id=last, action_type=STEP, credits=(credit,), needs_confirmation=False
            )
        late = isinstance(event, ActionPerformed) and chance.random() < 0.05
        effective = max(opened, on - timedelta(days=chance.randrange(1, 30))) if late else on
        yield on, number, stream, version, effective, event
    end = opened + timedelta(days=length)
    if chance.random() < 0.75:
        won = chance.random() < 0.4
        closing = DealWon(contract=check) if won else DealLost(reason="another supplier")
        yield end, number, stream, version + 1, end, closing


def _recorded(planned: list[Plan], people: list[ManagerId]) -> Iterator[Recorded[Event]]:
    start = datetime(FIRST.year - 1, 12, 31, tzinfo=UTC)
    position = 0
    for manager in people:
        position += 1
        at = start + timedelta(microseconds=position)
        registered = ManagerRegistered(manager_id=manager)
        stream = stream_of("manager", manager)
        yield Recorded(stream, 1, position, at, "benchmark", None, registered)
    for on, _, stream, version, effective, event in planned:
        position += 1
        at = datetime(on.year, on.month, on.day, 9, tzinfo=UTC) + timedelta(microseconds=position)
        yield Recorded(stream, version, position, at, "benchmark", effective, event)
