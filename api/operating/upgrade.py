"""A database brought to this version: its tables, and what then is to be said in the log.

Version 0.1 kept in a table which role an account has; since then the log says it. Every start comes
through here, and any number of them may at once: who already has a role, or had one, or is
forgotten, is decided under the writers' lock.
"""

import logging
from contextlib import closing
from typing import Any, LiteralString

from api.accounts import OPERATOR
from api.operating.schema import migrate
from api.problems import explain
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.access_commands import GrantRole
from domain.errors import NotAllowedNow, NotFound
from domain.values import AccountId, ManagerId, Role, TeamId

_LOG = logging.getLogger("dealfolio")
_WAITING: LiteralString = """
SELECT account_id, role, manager_id, team_id FROM books.roles_before_the_log ORDER BY account_id
"""
_MOVED: LiteralString = "DELETE FROM books.roles_before_the_log WHERE account_id = %s"


def prepare(conninfo: str, settings: Settings) -> None:
    """Raises SchemaError, Unavailable, psycopg.OperationalError."""
    migrate(conninfo)
    with closing(Service(conninfo, settings)) as service:
        move_roles_into_the_log(service)


def move_roles_into_the_log(service: Service) -> None:
    """Each once; it may be interrupted at any time, and goes on with the next start. What names a
    manager or a team that is not there stays where it is, and the operator is told.
    """
    for account_id, role, manager, team in _waiting(service):
        place = manager and ManagerId(manager), team and TeamId(team)
        command = GrantRole(AccountId(account_id), Role(role), *place, unless_known=True)
        try:
            service.dealfolio.transactor.submit(Order(command, OPERATOR)).result()
        except NotFound as refusal:
            why = explain(refusal, "en")[1]  # as all that is logged
            _LOG.warning("account %s has no role yet: %s", account_id, why)
            continue
        except NotAllowedNow:
            pass  # another start has granted it, and maybe somebody has taken it away since
        with service.asking() as cursor:
            cursor.execute(_MOVED, [account_id])


def _waiting(service: Service) -> list[tuple[Any, ...]]:
    with service.asking() as cursor:
        return cursor.execute(_WAITING).fetchall()
