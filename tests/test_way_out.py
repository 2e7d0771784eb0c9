"""An answer that leaves in one piece is the one that would have left in two."""

import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.http.way_out import WayOut
from tests.over_http import AUTUMN, Company, company

HEAD = b"x-ours: 1\r\n"


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database, AUTUMN) as company_here:
        yield company_here


def test_it_carries_what_every_answer_carries(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = here.director.post("/v1/teams", {"name": "Север"})
    monkeypatch.setattr("api.http.answered.way_out", lambda _: None)
    usual = here.director.post("/v1/teams", {"name": "Север"})
    assert made.status_code == usual.status_code == 201
    assert made.json().keys() == usual.json().keys()
    assert len(made.content) == int(made.headers["content-length"])
    varying = {"date", "content-length"}
    kept, expected = (
        sorted(pair for pair in answer.headers.multi_items() if pair[0] not in varying)
        for answer in (made, usual)
    )
    assert kept == expected
    assert made.headers.keys() == usual.headers.keys()


def test_two_commands_in_one_breath_are_answered_one_after_the_other(here: Company) -> None:
    said = _said(here, _post(here, "Юг"), _post(here, "Запад", "Connection: close"))
    first, last = said.split(b"HTTP/1.1 201 Created\r\n")[1:]
    assert b"connection: close" not in first
    assert last.count(b"connection: close\r\n") == 1
    positions = [json.loads(one.partition(b"\r\n\r\n")[2])["position"] for one in (first, last)]
    assert positions == [here.position - 1, here.position]


def test_who_wants_the_head_alone_gets_that_of_the_answer(here: Company) -> None:
    here.director.do("/v1/managers", {"name": "Анна", "manager_id": "anna"})
    for path in (
        "/health/ready",
        "/v1/portfolios",
        "/v1/managers/anna/portfolio",
        "/v1/managers/boris/portfolio",
        "/v1/nothing",
        "/sign-in",
        "/static/own/docs.js",
    ):
        for _ in "12":  # from memory, the second time
            said = _said(
                here, _ask(here, "HEAD", path), _ask(here, "GET", path, "Connection: close")
            )
            alone, whole, body = said.split(b"\r\n\r\n", 2)
            assert _told_in(alone) == _told_in(whole), path
            assert b"content-length: %d" % len(body) in _told_in(alone)


def _told_in(head: bytes) -> list[bytes]:
    varying = b"date:", b"connection:"
    return sorted(line for line in head.splitlines() if not line.startswith(varying))


@pytest.mark.parametrize("more", [{"write_paused": True}, {"access_log": True}, {"method": "HEAD"}])
def test_where_the_server_has_more_to_do_nothing_is_sent(more: dict[str, Any]) -> None:
    written, way = _way(**more)
    assert not way.send(200, HEAD, b"{}")
    assert written == []


def test_who_hung_up_is_sent_nothing() -> None:
    written, way = _way(disconnected=True)
    assert way.send(200, HEAD, b"{}")
    assert written == []


def _way(
    *,
    write_paused: bool = False,
    access_log: bool = False,
    disconnected: bool = False,
    method: str = "GET",
) -> tuple[list[bytes], WayOut]:
    written: list[bytes] = []
    cycle = SimpleNamespace(
        flow=SimpleNamespace(write_paused=write_paused),
        access_log=access_log,
        scope={"method": method},
        disconnected=disconnected,
        default_headers=[],
        keep_alive=True,
        transport=SimpleNamespace(write=written.append),
        message_event=SimpleNamespace(set=lambda: None),
        on_response=lambda: None,
    )
    return written, WayOut(cast("Any", cycle), b"")


def _ask(here: Company, method: str, path: str, *more: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: {here.director.http.headers['authorization']}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _post(here: Company, name: str, *more: str) -> bytes:
    body = json.dumps({"name": name}).encode()
    told = "Content-Type: application/json", f"Content-Length: {len(body)}"
    return _ask(here, "POST", "/v1/teams", *told, *more) + body


def _said(here: Company, *requests: bytes) -> bytes:
    """Everything that is answered until the other side hangs up."""
    host, _, port = here.address.removeprefix("http://").partition(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=10) as opened:
        opened.sendall(b"".join(requests))
        while piece := opened.recv(65_536):
            said += piece
    return said
