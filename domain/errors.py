"""Every way a command or a question can be refused.

Named for the rule that refuses. What is needed to explain the refusal are attributes; the
sentences, in Russian and English, are the edge's business.
"""

from datetime import date
from enum import StrEnum
from typing import Any

from domain.events import DealEvent, Recorded


class Obstacle(StrEnum):
    """Why an event is not allowed where it would stand."""

    NOT_OPEN = "not-open"
    NOT_OPEN_OR_SUSPENDED = "not-open-or-suspended"
    NOT_SUSPENDED = "not-suspended"
    NOT_CLOSED = "not-closed"
    ALREADY_OPENED = "already-opened"
    BEFORE_ITS_ACTION = "before-its-action"
    ACTION_NOT_LIVE = "action-not-live"
    ACTION_NOT_CLAIMED = "action-not-claimed"
    WEIGHT_NOT_POSITIVE = "weight-not-positive"
    SAME_OWNER = "same-owner"
    ALREADY_EXISTS = "already-exists"
    PERIOD_ALREADY_CLOSED = "period-already-closed"
    PERIOD_NOT_CLOSED = "period-not-closed"
    LATER_PERIOD_CLOSED = "later-period-closed"
    LAST_ADMIN = "last-admin"
    ALREADY_FORGOTTEN = "already-forgotten"
    TARGET_OVER = "target-over"


class Restriction(StrEnum):
    """Why an account may not do a thing that others may."""

    ROLE = "role"
    NOT_YOUR_DEAL = "not-your-deal"
    NOT_YOUR_ACTION = "not-your-action"
    NOT_YOUR_TEAM = "not-your-team"
    NO_OWN_CLAIM = "no-own-claim"
    OWN_ACTION = "own-action"
    RAISES_OWN_WEIGHT = "raises-own-weight"
    CREDIT_TO_ONESELF = "credit-to-oneself"
    TOO_FAR_BACK = "too-far-back"


class Refusal(Exception):
    """A rule refuses; nothing was recorded. Attributes are the facts of the refusal."""

    def __init__(self, **facts: Any) -> None:  # noqa: ANN401 - each subclass types its own
        super().__init__(", ".join(f"{name}={value}" for name, value in facts.items()))
        self.facts = facts


class NotFound(Refusal):
    def __init__(self, what: str, name: object) -> None:
        super().__init__(what=what, name=str(name))


class SignedOut(Refusal):
    """The account has no role any more, or its key or session was taken back."""


class Forbidden(Refusal):
    """Allowed by the rules of the books, and not to whoever asks."""

    def __init__(self, restriction: Restriction, **facts: object) -> None:
        super().__init__(restriction=restriction, **facts)


class Invalid(Refusal):
    """A field that is well formed by itself and wrong beside the others."""

    def __init__(self, field: str, problem: str, **facts: object) -> None:
        super().__init__(field=field, problem=problem, **facts)


class VersionConflict(Refusal):
    def __init__(self, version: int) -> None:
        super().__init__(version=version)


class IdempotencyKeyReused(Refusal):
    def __init__(self, key: str) -> None:
        super().__init__(key=key)


class NotAllowedNow(Refusal):
    def __init__(self, obstacle: Obstacle, **facts: object) -> None:
        super().__init__(obstacle=obstacle, **facts)
        self.obstacle = obstacle


class BreaksLaterHistory(Refusal):
    """The event itself would be allowed, but `broken` would no longer be."""

    def __init__(self, broken: Recorded[DealEvent], obstacle: Obstacle) -> None:
        super().__init__(broken=broken, obstacle=obstacle)
        self.broken = broken


class BeforeOpening(Refusal):
    def __init__(self, given: date, opened_on: date) -> None:
        super().__init__(given=given, opened_on=opened_on)


class InTheFuture(Refusal):
    def __init__(self, given: object, now: object) -> None:
        super().__init__(given=str(given), now=str(now))


class PeriodClosed(Refusal):
    def __init__(self, given: date, closed_through: date) -> None:
        super().__init__(given=given, closed_through=closed_through)


class ActionLimitReached(Refusal):
    def __init__(self, code: str, max_per_deal: int) -> None:
        super().__init__(code=code, max_per_deal=max_per_deal)


class UnknownManager(Refusal):
    def __init__(self, manager_id: str) -> None:
        super().__init__(manager_id=manager_id)


class UnknownActionType(Refusal):
    def __init__(self, code: str) -> None:
        super().__init__(code=code)


class ActionTypeNotInForce(Refusal):
    def __init__(self, code: str, on: date) -> None:
        super().__init__(code=code, on=on)


class EvidenceRequired(Refusal):
    def __init__(self, code: str) -> None:
        super().__init__(code=code)


class CurrencyDiffers(Refusal):
    def __init__(self, given: str, currency: str) -> None:
        super().__init__(given=given, currency=currency)
