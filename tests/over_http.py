"""A company at a real server: uvicorn on a free port, PostgreSQL behind it, httpx in front.

The clock is the test's, so a month can be reported on its first day and corrected on the eleventh.
"""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from threading import Thread
from time import monotonic
from typing import Any

import httpx
import uvicorn

from api.accounts import Accounts
from api.app import create_app
from api.http.serving import server_options
from api.service import Service
from api.settings import Settings
from domain.values import ManagerId

AUTUMN = datetime(2026, 10, 20, 9, tzinfo=UTC)
"""Noon in Moscow on a Tuesday: what "today" is where a test says nothing else."""
JSON = "application/json"
PROBLEM = "application/problem+json"
FIRST_TOKEN = "the-first-of-all"
TLS = ssl.create_default_context()
"""Made once, for every client of a test: each takes as long as several requests."""

LEARNT_WITHIN_S = 30
Body = Mapping[str, Any]


class Clock:
    """Stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """The address of a server in a thread of this process; closes the service in the end."""
    options = server_options(service.settings)
    config = uvicorn.Config(create_app(service), log_level="critical", **options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # The socket listens already: whoever comes before the server is up waits in its backlog.
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = Thread(target=server.run, args=([listening],), name="uvicorn")
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


@dataclass(frozen=True)
class Person:
    """Somebody with a token of their own."""

    http: httpx.Client
    account_id: str = ""

    def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        """`headers` by names with underscores: if_match='"3"'."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            return self.http.post(path, headers=named)
        content = json.dumps(body, ensure_ascii=False).encode()
        return self.http.post(path, content=content, headers={"content-type": JSON} | named)

    def do(self, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Post what must be accepted."""
        response = self.post(path, body, **headers)
        assert response.status_code in {200, 201}, f"{path}: {response.text}"
        return dict(response.json())

    def get(self, path: str, **query: object) -> httpx.Response:
        """`from_` is the parameter `from`."""
        params = {name.rstrip("_"): str(value) for name, value in query.items()}
        return self.http.get(path, params=params or None)

    def ask(self, path: str, **query: object) -> dict[str, Any]:
        """Ask what must be answered."""
        response = self.get(path, **query)
        assert response.status_code == 200, f"{path}: {response.text}"
        return dict(response.json())

    def pages(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """All pages, by following the links."""
        response = self.get(path, **query)
        while True:
            assert response.status_code == 200, response.text
            yield response.json()
            if "next" not in response.links:
                return
            response = self.http.get(response.links["next"]["url"])


@dataclass
class Company:
    """The people of one company, and shorthands for what tests set up."""

    address: str
    clock: Clock
    service: Service
    clients: list[httpx.Client] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def person(self, token: str | None, account_id: str = "") -> Person:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        client = httpx.Client(base_url=self.address, headers=headers, timeout=20, verify=TLS)
        self.clients.append(client)
        return Person(client, account_id)

    def hire(self, role: str, **place: str) -> Person:
        """Somebody with a new account."""
        made = self.admin.do("/v1/accounts", {"name": f"Кто-то {role}", "role": role, **place})
        return self.person(made["token"], made["account_id"])

    def __post_init__(self) -> None:
        self.stranger = self.person(None)
        self.admin = self.person(FIRST_TOKEN)
        self.director = self.hire("director")

    def manager(self, name: str = "Анна Соколова", **more: str) -> str:
        """A new manager's id."""
        body = {"name": name, "manager_id": f"m-{next(self.numbers)}", **more}
        return str(self.director.do("/v1/managers", body)["manager_id"])

    def kind(self, weight: object = "5.00", *, code: str | None = None, **more: object) -> str:
        """A new action type's code."""
        code = code or f"kind-{next(self.numbers)}"
        title = {"ru": "ТКП представлено ЛПР", "en": "Proposal presented"}
        body = {"code": code, "title": title, "weight": weight, "effective_from": "2026-01-01"}
        return str(self.director.do("/v1/action-types", body | more)["code"])

    def deal(
        self, manager: str, amount: object = "400000000.00", on: str = "2026-01-12", **more: object
    ) -> str:
        """A new deal's id."""
        currency = more.pop("currency", "RUB")
        body = {
            "title": "Холодильные витрины для сети «Ромашка»",
            "client": "Ромашка",
            "potential_check": {"amount": amount, "currency": currency},
            "manager_id": manager,
            "effective_on": on,
        }
        return str(self.director.do("/v1/deals", body | more)["deal_id"])

    def act(self, deal: str, manager: str, kind: str, on: str, **more: object) -> str:
        """A new action's id."""
        body = {"action_type": kind, "effective_on": on, "manager_id": manager}
        return str(self.director.do(f"/v1/deals/{deal}/actions", body | more)["action_id"])

    def learn(self, manager: str) -> None:
        """Ask about the manager until the answer comes from memory, and on the loop."""
        service, until = self.service, monotonic() + LEARNT_WITHIN_S
        while not (service.memory.knows(ManagerId(manager)) and service.glance.is_connected):
            self.director.ask(f"/v1/managers/{manager}/portfolio")
            assert monotonic() < until, "who is asked about again and again is learnt"

    @property
    def position(self) -> int:
        """The last one in the log."""
        return int(self.stranger.ask("/health/ready")["position"])


@contextmanager
def company(
    database: str, now: datetime = AUTUMN, settings: Settings | None = None
) -> Iterator[Company]:
    """A company that has begun: one administrator, one director, nothing in the log."""
    clock = Clock(now)
    service = Service(database, settings or Settings(), clock)
    Accounts(service).create_first(FIRST_TOKEN)
    with serving(service) as address:
        begun = Company(address, clock, service)
        try:
            yield begun
        finally:
            for client in begun.clients:
                client.close()


def refused(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem, after a look at its form (RFC 9457)."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"] == PROBLEM
    problem = dict(response.json())
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem
