"""The README is right: its worked example runs as it stands there, and it names every setting."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.accounts import Accounts
from api.cli import app as command_line
from api.service import Service
from api.settings import Settings
from domain.access import Grant
from domain.values import Role
from tests.over_http import FIRST_TOKEN, serving

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def exchanges() -> list[tuple[str, str, str | None, int, str]]:
    """Method, path, body, status, and what the answer must hold or which id is kept of it."""
    (example,) = re.findall(r"```http\n(.*?)```", README, re.DOTALL)
    result = []
    for block in example.strip().split("\n\n"):
        request, *body, outcome = block.splitlines()
        method, path = request.split(" ", 1)
        status, _, rest = outcome.partition(" ")
        result.append((method, path, body[0] if body else None, int(status), rest))
    return result


def holds(answer: Any, expected: Any) -> bool:
    """Whether everything that `expected` says stands in `answer`."""
    if isinstance(expected, dict):
        return all(
            name in answer and holds(answer[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        pairs = zip(answer, expected, strict=True)
        return len(answer) == len(expected) and all(holds(one, other) for one, other in pairs)
    return bool(answer == expected)


def test_the_worked_example_runs_as_it_stands(database):
    service = Service(database, Settings())
    Accounts(service).renew("director", Grant(Role.DIRECTOR), FIRST_TOKEN)
    kept: dict[str, str] = {}
    with (
        serving(service) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {FIRST_TOKEN}"}) as http,
    ):
        for method, path, body, status, rest in exchanges():
            content = None if body is None else body.encode()
            headers = {} if body is None else {"Content-Type": "application/json"}
            response = http.request(method, path.format(**kept), content=content, headers=headers)
            assert response.status_code == status, response.text
            if rest.startswith("{"):
                assert holds(response.json(), json.loads(rest)), (path, response.json())
            elif rest:
                kept[rest] = response.json()[rest]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_on_the_first_day_the_administrator_comes_to_a_password_as_it_stands(database):
    """The key is that of the first account; the code is spent on the page that is named."""
    service = Service(database, Settings())
    account, key = Accounts(service).create(None, "admin", Grant(Role.ADMIN))
    first_day = README.split("## The first day")[1].split("\n## ")[0]
    lines = re.findall(r"^    (curl .*)$", first_day, re.MULTILINE)
    assert len(lines) == 2
    with serving(service) as address:
        for line in lines:
            said = line.replace("http://127.0.0.1:8000", address).replace("KEY", key)
            told = _run(said.replace("/ID/", f"/{account.account_id}/"))
        form = {"code": told["code"], "password": "a long one that nobody has"}
        with httpx.Client(base_url=address, headers={"Origin": address}) as http:
            signed_in = http.post("/sign-in/code", data=form)
            http.headers["Cookie"] = signed_in.headers["set-cookie"].split(";")[0]
            for path in re.findall(r"`(/[^`]*)`", first_day):
                assert http.get(path).status_code in {200, 403}, path
            assert http.get("/accounts").status_code == 200


def _run(line: str) -> dict[str, Any]:
    run = subprocess.run(shlex.split(line), capture_output=True, check=True, text=True)
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def test_the_example_has_the_figures_of_the_case():
    assert [method for method, *_ in exchanges()].count("GET") == 3
    assert '"weight": "5.00"' in README
    assert '"weight": "2.00"' in README


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"database_url"}))
def test_every_setting_is_documented(name):
    assert f"`DEALFOLIO_{name.upper()}`" in README


def test_every_command_is_documented():
    names = {
        command.name or getattr(command.callback, "__name__", "")
        for command in command_line.registered_commands
    }
    assert len(names) == 10
    for name in names:
        assert f"dealfolio {name}" in README


def test_the_test_command_is_the_one_that_ci_calls():
    script = (Path(__file__).parent.parent / ".ci" / "run").read_text()
    assert "constraints.txt -e '.[test]'" in script
    assert "constraints.txt -e '.[test]'" in README
    assert ".venv/bin/python -m pytest" in script
