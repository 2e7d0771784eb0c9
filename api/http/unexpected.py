"""Our own faults: the log gets all of it, and who asked a number by which it is found there.

A trace names files, tables and what others asked; whoever provokes faults must not learn from them.
"""

import logging
import secrets

from starlette.types import Scope

from api.problems import Problem

_LOG = logging.getLogger("dealfolio")


def unexpected(error: BaseException, scope: Scope) -> Problem:
    """What is said instead of `error`, which is logged."""
    reference = secrets.token_hex(6)
    # repr: a path with a line break in it must not look like another entry of the log
    _LOG.error("%s: %s %r", reference, scope["method"], scope["path"], exc_info=error)
    return Problem("internal", reference=reference)
