"""A command as somebody gave it, and the answer they are owed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.deal import Deal
from domain.decisions import Command
from domain.errors import Refusal, VersionConflict
from domain.events import instant_text
from domain.ledger import Posting
from domain.values import AccountId, KeyId

PATIENCE_SECONDS = 1.7
"""An order that is not durable by then is answered as unavailable, before the two seconds that are
promised.
"""

LONG_PATIENCE_SECONDS = 10
"""The same of many orders at once, seen or sent by a person who waits for them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that signed in, by its API key or, without one, by a session."""

    account_id: AccountId
    key_id: KeyId | None = None


class Order(NamedTuple):
    """`command`, given by `actor`: an account's id, or what works for the operator.

    `caller` is the account whose rights are asked for; None means that they were asked for before:
    by the operator's machine, or of the administrator who imports.

    `key` is its Idempotency-Key, of which the log keeps the answer for ever, by `principal`, which
    is `actor` where it is None; `request`
    (SHA-256) is what was asked under it. `expected` are the versions of the stream for which the
    command is meant (If-Match); None means any. `given_at` is the clock's time when it is not now:
    for a company that is told, like the demo's, and never from outside.
    """

    command: Command
    actor: str
    key: str | None = None
    request: bytes = b""
    expected: frozenset[int] | None = None
    given_at: datetime | None = None
    caller: Caller | None = None
    principal: str | None = None

    @property
    def receipt_key(self) -> tuple[str, str] | None:
        return None if self.key is None else (self.principal or self.actor, self.key)

    def require_version(self, version: int) -> None:
        """Raises VersionConflict."""
        if self.expected is not None and version not in self.expected:
            raise VersionConflict(version)


class Answer(NamedTuple):
    """What was recorded: the ids concerned, the stream's new version, and the place in the log."""

    ids: Mapping[str, str]
    version: int
    position: int
    recorded_at: datetime
    created: bool

    def to_receipt(self) -> dict[str, Any]:
        return {
            "ids": dict(self.ids),
            "version": self.version,
            "position": self.position,
            "recorded_at": instant_text(self.recorded_at),
            "created": self.created,
        }

    @classmethod
    def from_receipt(cls, receipt: Mapping[str, Any]) -> "Answer":
        return cls(**{**receipt, "recorded_at": datetime.fromisoformat(receipt["recorded_at"])})


class Foreseen(NamedTuple):
    """What an order on a deal would come to, were it given now: the deal as all its events leave
    it, without the order and with it, and what would be posted.

    `there` is the deal at the end of the order's date without it: what a new action finds.
    """

    before: Deal
    there: Deal
    after: Deal
    postings: Sequence[Posting]


class ForeseenBatch(NamedTuple):
    """What a batch would come to, were it given now: decided on everything up to `position`.

    There is an Answer or a Refusal for each order. `postings` are what the answered ones post: all
    that would be recorded, were they given without the refused.
    """

    position: int
    outcomes: Sequence[Answer | Refusal]
    postings: Sequence[Posting]


class Unavailable(Exception):
    """The database did not answer in time. Nothing is known to be recorded: ask again, with the
    same Idempotency-Key where one was given.
    """
