"""The server as it is, and beside it one endpoint that only knows its caller.

SIGUSR1: from now on nothing is proven of what it records; SIGUSR2: it is again.
"""

import signal
import sys

import uvicorn
from fastapi import Response

from api import proving
from api.accounts import Accounts
from api.app import create_app
from api.http.serving import server_options
from api.routes import v1_router
from api.service import Service
from api.settings import Settings
from domain.access import Grant
from domain.values import Role

router = v1_router()


@router.get("/nothing")
def nothing() -> Response:
    return Response(b"{}", media_type="application/json")


follow = vars(proving)["follow"]


def rest(number: int, _frame: object) -> None:
    resting = number == signal.SIGUSR1
    vars(proving)["follow"] = (lambda *_, **__: False) if resting else follow


signal.signal(signal.SIGUSR1, rest)
signal.signal(signal.SIGUSR2, rest)
settings = Settings()
assert settings.database_url
assert settings.bootstrap_token
service = Service(settings.database_url, settings)
Accounts(service).renew("director", Grant(Role.DIRECTOR), settings.bootstrap_token)
app = create_app(service, [router])
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", **server_options(settings))
