"""Facts, as stored and as published.

Class names and field names are written to the log and outlive this code: add fields with defaults,
never rename or repurpose. `tests/stored_events.jsonl` keeps a line for every shape ever written.
What every event carries beside its own fields is in `Recorded`.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Generic, NamedTuple, TypeGuard, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json, to_json

from domain.values import (
    AccountId,
    ActionId,
    ActionTypeCode,
    KeyId,
    ManagerId,
    Measure,
    Money,
    Role,
    SignInMeans,
    TargetId,
    TeamId,
    Weight,
)


class Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Credit(Fact):
    """A manager's part of the nominal weight of one action."""

    manager_id: ManagerId
    weight: Weight


class DealOpened(Fact):
    title: str
    client: str
    potential_check: Money
    manager_id: ManagerId
    expected_close_on: date | None = None


class ActionPerformed(Fact):
    """`credits` sum to the catalogue's weight in force on the event's date."""

    action_id: ActionId
    action_type: ActionTypeCode
    credits: tuple[Credit, ...]
    needs_confirmation: bool
    evidence: str | None = None
    comment: str | None = None


class ActionConfirmed(Fact):
    action_id: ActionId


class ActionRejected(Fact):
    action_id: ActionId
    reason: str


class WeightChanged(Fact):
    """`weight` is the new nominal weight of the whole action, above 0."""

    action_id: ActionId
    weight: Weight
    reason: str


class ActionWithdrawn(Fact):
    action_id: ActionId
    reason: str


class PotentialCheckRevised(Fact):
    potential_check: Money
    reason: str


class ExpectedCloseRevised(Fact):
    expected_close_on: date


class DealHandedOver(Fact):
    to_manager_id: ManagerId
    transfer_credit: bool
    reason: str


class DealSuspended(Fact):
    reason: str
    review_on: date


class DealResumed(Fact):
    pass


class DealWon(Fact):
    contract: Money


class DealLost(Fact):
    reason: str


class DealReopened(Fact):
    reason: str


class Titles(Fact):
    ru: str
    en: str


class ActionTypeDefined(Fact):
    """`effective_from` is inclusive, may lie in the future; `max_per_deal` None: any number."""

    code: ActionTypeCode
    title: Titles
    weight: Weight
    effective_from: date
    max_per_deal: int | None = None
    evidence_required: bool = False
    needs_confirmation: bool = False


class ActionTypeWeightChanged(Fact):
    code: ActionTypeCode
    weight: Weight
    effective_from: date
    reason: str


class ActionTypeRetired(Fact):
    """From `effective_from` (inclusive) no action of the type can be recorded."""

    code: ActionTypeCode
    effective_from: date


class TeamCreated(Fact):
    team_id: TeamId
    name: str


class ManagerRegistered(Fact):
    """`team_id` is where the manager stands before any dated change. Names are not in the log."""

    manager_id: ManagerId
    team_id: TeamId | None = None


class ManagerTeamChanged(Fact):
    manager_id: ManagerId
    team_id: TeamId


class PeriodTotal(Fact):
    """One manager's value at the end of a closed month, as known at the closing.

    Amounts are decimal strings in the currency's major units, exact (`value_text`).
    """

    manager_id: ManagerId
    currency: str
    active: str
    claimed: str
    suspended: str
    lost: str
    won: str


class PeriodClosed(Fact):
    """`period` is "YYYY-MM"; `position` is the last place in the log that the totals know."""

    period: str
    position: int
    totals: tuple[PeriodTotal, ...]


class PeriodReopened(Fact):
    period: str
    reason: str


class RoleGranted(Fact):
    """From here on the account has this role, and no other. `manager_id`: the manager whom the
    account's person is; `team_id`: the team that a head leads.
    """

    account_id: AccountId
    role: Role
    manager_id: ManagerId | None = None
    team_id: TeamId | None = None


class RoleRevoked(Fact):
    """The account may do nothing any more; its keys and sessions are worth nothing."""

    account_id: AccountId


class KeyIssued(Fact):
    """The account got one more API key; `expires_at` (exclusive) None: it does not expire."""

    account_id: AccountId
    key_id: KeyId
    expires_at: datetime | None = None


class KeyRevoked(Fact):
    account_id: AccountId
    key_id: KeyId


class SignInSet(Fact):
    """By what the account's person signs in was set; what it was before holds no longer."""

    account_id: AccountId
    means: SignInMeans


class BackdatingLimitSet(Fact):
    """A manager may date an action this many working days back from here on; None: any number."""

    reason: str
    working_days: int | None = None


class PersonForgotten(Fact):
    """Whatever names the person was erased beside the log; every figure stays. Their accounts may
    do nothing any more. `manager_id` None: the person is no manager; `account_ids` None: they had
    no account, or it was left as it was.
    """

    manager_id: ManagerId | None = None
    account_ids: tuple[AccountId, ...] | None = None


class TargetSet(Fact):
    """What a manager or a team (one of them) is to reach from `first_day` to `last_day`, both
    inclusive, mostly in the future: `amount` of money or, of the measure `actions`, a `number`. It
    takes the place of an earlier one of the same whom, measure, currency and days.
    """

    target_id: TargetId
    measure: Measure
    first_day: date
    last_day: date
    reason: str
    manager_id: ManagerId | None = None
    team_id: TeamId | None = None
    amount: Money | None = None
    number: int | None = None


class TargetWithdrawn(Fact):
    target_id: TargetId
    reason: str


Amendment = ActionConfirmed | ActionRejected | WeightChanged | ActionWithdrawn
"""What happens to an action after it was performed; stands beside it in book order."""

DealEvent = (
    DealOpened
    | ActionPerformed
    | Amendment
    | PotentialCheckRevised
    | ExpectedCloseRevised
    | DealHandedOver
    | DealSuspended
    | DealResumed
    | DealWon
    | DealLost
    | DealReopened
)
CatalogueEvent = ActionTypeDefined | ActionTypeWeightChanged | ActionTypeRetired
PeopleEvent = TeamCreated | ManagerRegistered | ManagerTeamChanged
PeriodEvent = PeriodClosed | PeriodReopened
AccessEvent = RoleGranted | RoleRevoked | KeyIssued | KeyRevoked | SignInSet | PersonForgotten
TargetEvent = TargetSet | TargetWithdrawn
DirectoryEvent = (
    CatalogueEvent | PeopleEvent | PeriodEvent | AccessEvent | TargetEvent | BackdatingLimitSet
)
"""Everything that is not about one deal: few, and known to every decision."""
Event = DealEvent | DirectoryEvent

EVENT_TYPES: dict[str, type[Event]] = {cls.__name__: cls for cls in get_args(Event)}
DEAL_EVENTS: frozenset[str] = frozenset(cls.__name__ for cls in get_args(DealEvent))
DIRECTORY_EVENTS: frozenset[str] = frozenset(EVENT_TYPES) - DEAL_EVENTS
AMENDMENTS: tuple[type[Amendment], ...] = get_args(Amendment)


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Recorded(NamedTuple, Generic[E_co]):
    """A fact at its place in the log.

    `originator_id` and `originator_version` are the stream and the place in it, from 1 without
    gaps (the names are the `eventsourcing` library's). `position` is the place in the whole log,
    from 1, in commit order. `recorded_at` is UTC and grows with the position. `effective_on` is
    the business date on which the fact holds; None where a fact has dates of its own.
    """

    originator_id: UUID
    originator_version: int
    position: int
    recorded_at: datetime
    actor: str
    effective_on: date | None
    event: E_co

    @property
    def type(self) -> str:
        return type(self.event).__name__


def encode(recorded: Recorded[Event]) -> bytes:
    """The state that the log stores: what is not in the columns beside it, as compact JSON.

    Amounts, weights and dates are text, so the bytes mean the same to any reader for ever.
    """
    on = recorded.effective_on
    return b'{"position":%d,"recorded_at":"%b","actor":%b%b,"data":%b}' % (
        recorded.position,
        instant_text(recorded.recorded_at).encode(),
        to_json(recorded.actor),
        b"" if on is None else b',"effective_on":"%b"' % on.isoformat().encode(),
        recorded.event.__pydantic_serializer__.to_json(recorded.event, exclude_none=True),
    )


@lru_cache(maxsize=2_000)  # an event's time is told twice: to the log, and in the answer
def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def decode(stream_id: UUID, version: int, topic: str, state: bytes) -> Recorded[Event]:
    """The fact that `encode` stored.

    Raises KeyError for a type that this version does not know, ValidationError (pydantic) for a
    shape that it does not: a log that is not understood must stop the reader, not be skipped.
    """
    stored = from_json(state)
    effective_on = stored.get("effective_on")
    return Recorded(
        originator_id=stream_id,
        originator_version=version,
        position=stored["position"],
        recorded_at=datetime.fromisoformat(stored["recorded_at"]),
        actor=stored["actor"],
        effective_on=None if effective_on is None else date.fromisoformat(effective_on),
        event=EVENT_TYPES[topic].model_validate(stored["data"]),
    )


def is_about_a_deal(recorded: Recorded[Event]) -> TypeGuard[Recorded[DealEvent]]:
    return recorded.type in DEAL_EVENTS


def is_about_the_directory(recorded: Recorded[Event]) -> TypeGuard[Recorded[DirectoryEvent]]:
    return recorded.type in DIRECTORY_EVENTS
