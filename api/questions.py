"""Which task of the matrix each question belongs to; a command's is `domain.authority.TASKS`."""

from collections.abc import Mapping

from domain.access import Task

QUESTIONS: Mapping[str, Task] = {
    "getPortfolios": Task.SEE,
    "getManagerPortfolio": Task.SEE,
    "getManagerSeries": Task.SEE,
    "getSeries": Task.SEE,
    "getMovement": Task.SEE,
    "getRestatement": Task.AUDIT,
    "previewBatch": Task.SEE,
    "listDeals": Task.SEE,
    "listActions": Task.SEE,
    "getDeal": Task.SEE,
    "getDealEvents": Task.SEE,
    "listEvents": Task.AUDIT,
    "listActionTypes": Task.LOOK_UP,
    "listManagers": Task.LOOK_UP,
    "listTeams": Task.LOOK_UP,
    "listPeriods": Task.LOOK_UP,
    "getRules": Task.LOOK_UP,
    "listReads": Task.AUDIT,
    "createAccount": Task.ADMINISTER,
    "listAccounts": Task.ADMINISTER,
    "grantRole": Task.ADMINISTER,
    "closeAccount": Task.ADMINISTER,
    "issueKey": Task.ADMINISTER,
    "listKeys": Task.ADMINISTER,
    "revokeKey": Task.ADMINISTER,
    "setEmail": Task.ADMINISTER,
    "invite": Task.ADMINISTER,
    "linkIdentity": Task.ADMINISTER,
}
"""By operation id. What is not here nobody may ask."""
