"""Imports as a page: what is wrong with each row, and all of the files recorded or none of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from time import monotonic
from uuid import UUID, uuid4

import httpx
import pytest

from api.imports import followed
from api.imports.followed import SILENT_SECONDS, Imports
from application.orders import Unavailable
from domain.values import Role
from tests.browser import Browser, page_of
from tests.over_http import Company, company

HEADER = "сделка;название;клиент;потенциальный чек;менеджер;дата открытия\n"
DEALS = HEADER + "{0}-1;Пресс;Ромашка;400 000 000,00;Анна Соколова;12.01.2026\n"
ACTIONS = (
    "действие;сделка;вид действия;менеджер;дата\n{0}-a;{0}-1;proposal;Анна Соколова;03.02.2026\n"
)
WAIT_SECONDS = 30
Files = Mapping[str, str | bytes]


@pytest.fixture(scope="module")
def here(shared_database: str) -> Iterator[Company]:
    with company(shared_database) as begun:
        begun.kind("5.00", code="proposal")
        yield begun


@pytest.fixture(scope="module")
def pages(here: Company) -> dict[str, Browser]:
    team = here.director.do("/v1/teams", {"name": "Юг"})["team_id"]
    here.director.do("/v1/managers", {"name": "Вера", "manager_id": "vera"})
    place = {"manager": {"manager_id": "vera"}, "head": {"team_id": team}}
    return {role: page_of(here, here.hire(role, **place.get(role, {}))) for role in Role}


@pytest.fixture
def admin(pages: dict[str, Browser]) -> Browser:
    return pages["admin"]


def upload(
    browser: Browser,
    files: Files,
    *,
    key: str | None = None,
    mapping: str = "?",
    csrf: str | None = None,
) -> httpx.Response:
    http = browser.here.stranger.http
    fields = {
        "csrf": browser.csrf if csrf is None else csrf,
        "key": key or str(uuid4()),
        "mapping": mapping,
    }
    sent = [
        ("files", (name, content.encode() if isinstance(content, str) else content, "text/csv"))
        for name, content in files.items()
    ]
    cookies = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
    headers = {"origin": browser.origin, "cookie": cookies}
    answer = http.post(
        "/accounts/imports", data=fields, files=sent or {"files": ("", b"")}, headers=headers
    )
    http.cookies.clear()
    return answer


def settled(browser: Browser, path: str) -> str:
    """The page when nobody works on the import any more, as a browser that asks again finds it."""
    until = monotonic() + WAIT_SECONDS
    while True:
        page = browser.get(path)
        assert page.status_code == 200, page.text
        if "refresh" not in page.headers:
            return plain(page)
        assert monotonic() < until, "an import ends"


def plain(page: httpx.Response) -> str:
    text = re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])
    return re.sub(r"\s+", " ", unescape(text))


def checked(browser: Browser, files: Files, **more: str) -> tuple[str, str]:
    """The import's address, and what its page says in the end."""
    answer = upload(browser, files, **more)
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"]
    return path, settled(browser, path)


def test_what_is_right_is_shown_first_and_recorded_once(here: Company, admin: Browser) -> None:
    before = here.position
    files = {"сделки.csv": DEALS.format("one"), "actions.csv": ACTIONS.format("one")}
    path, said = checked(admin, files)
    assert "пока ничего не записано" in said
    assert "Будет записано: 1 сделка, 1 действие, 1 менеджер" in said
    assert here.position == before
    for _ in range(2):
        assert admin.send(f"{path}/recording").status_code == 303
    said = settled(admin, path)
    assert "Записано. 1 сделка, 1 действие, 1 менеджер" in said
    events = here.director.ask("/v1/events", after=before)["events"]
    assert [one["type"] for one in events] == [
        "ManagerRegistered", "DealOpened", "ActionPerformed",
    ]  # fmt: skip
    assert admin.send(f"{path}/recording").status_code == 303
    assert "Записано. 1 сделка" in settled(admin, path)
    assert here.position == before + 3


def test_the_log_says_who_imported_and_the_same_rows_are_known_from_anybody(
    here: Company, admin: Browser
) -> None:
    before, files = here.position, {"deals.csv": DEALS.format("two")}
    path, _ = checked(admin, files)
    admin.send(f"{path}/recording")
    settled(admin, path)
    accounts = here.admin.ask("/v1/accounts", limit=1_000)["accounts"]
    mine = {one["account_id"] for one in accounts if one["role"] == "admin"}
    events = here.director.ask("/v1/events", after=before)["events"]
    assert {one["actor"] for one in events} <= mine
    other = page_of(here, here.hire("admin"))
    _, said = checked(other, files)
    assert "1 строка загружена раньше и пропускается" in said
    assert "0 сделок" in said


def test_every_error_is_named_by_row_and_column_in_the_readers_language(
    here: Company, admin: Browser
) -> None:
    before = here.position
    wrong = (
        DEALS.format("bad")
        + "bad-2;Пресс;Ромашка;много;Анна Соколова;12.01.2026\n"
        + "bad-3;;Ромашка;1;Анна Соколова;31.02.2026\n"
    )
    action = ACTIONS.format("bad").replace("proposal", "нет такого")
    path, said = checked(admin, {"deals.csv": wrong, "actions.csv": action})
    assert "4 ошибки" in said
    assert "deals.csv Строка 3 потенциальный чек «много» — не сумма вида 1234567.89." in said
    assert "deals.csv Строка 4 название Не заполнено, а должно быть." in said
    assert "deals.csv Строка 4 дата открытия «31.02.2026» — не дата вида" in said
    assert "actions.csv Строка 2 вид действия" in said
    assert "Записать всё" not in said
    assert here.position == before
    assert admin.send(f"{path}/recording").status_code == 303
    assert "4 ошибки" in settled(admin, path)
    assert here.position == before, "not even what is right"
    english = upload(admin, {"deals.csv": wrong})
    assert english.status_code == 303
    page = admin.get(f"{path}?lang=en")
    assert 'lang="ru">' in page.text, "errors are told in the language in which they were found"


def test_errors_in_english_for_whoever_reads_english(admin: Browser) -> None:
    http = admin.here.stranger.http
    cookies = "; ".join(f"{name}={value}" for name, value in admin.jar.items())
    answer = http.post(
        "/accounts/imports?lang=en",
        data={"csrf": admin.csrf, "key": str(uuid4()), "mapping": ""},
        files=[("files", ("d.csv", (HEADER + "x;;К;1;А;12.01.2026\n").encode()))],
        headers={"origin": admin.origin, "cookie": cookies},
    )
    http.cookies.clear()
    said = settled(admin, answer.headers["location"])
    assert "1 error." in said
    assert "d.csv Row 2 название Is empty, and must not be." in said


def test_a_form_that_is_sent_twice_is_one_import(here: Company, admin: Browser) -> None:
    key = str(uuid4())
    files = {"deals.csv": DEALS.format("twice")}
    ways = {checked(admin, files, key=key)[0] for _ in range(2)}
    assert len(ways) == 1
    assert len([one for one in Imports(here.service).latest() if one.import_id == UUID(key)]) == 1


def test_a_foreign_file_is_known_by_its_headings_or_by_what_was_chosen(admin: Browser) -> None:
    maven = (
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        "K1,Moses Frase,GTX Plus Basic,Cancity,Won,2016-10-20,2017-03-01,1054\n"
    )
    for mapping in ("?", "maven"):
        path, said = checked(admin, {"sales_pipeline.csv": maven}, mapping=mapping)
        assert "столбцы maven" in said, path
    _, said = checked(admin, {"sales_pipeline.csv": maven}, mapping="")
    assert "нет обязательных столбцов" in said.lower()
    assert "наши столбцы" in said


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_nobody_else_imports_or_sees_what_was_imported(
    here: Company, pages: dict[str, Browser], role: str
) -> None:
    path, _ = checked(pages["admin"], {"deals.csv": DEALS.format("secret")})
    before, browser = here.position, pages[role]
    for address in ("/accounts/imports", path):
        assert browser.get(address).status_code == 403
    assert upload(browser, {"deals.csv": DEALS.format("mine")}).status_code == 403
    for what in ("recording", "checking"):
        assert browser.send(f"{path}/{what}").status_code == 403
    assert here.position == before


def test_a_form_of_another_page_is_refused(here: Company, admin: Browser) -> None:
    files = {"deals.csv": DEALS.format("forged")}
    assert upload(admin, files, csrf="").status_code == 403
    path, _ = checked(admin, files)
    before = here.position
    stolen = Browser(here, "https://evil.example", admin.jar, admin.csrf)
    assert upload(stolen, files).status_code == 403
    assert stolen.send(f"{path}/recording").status_code == 403
    assert here.position == before


def test_what_is_too_large_or_no_file_is_refused(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = upload(admin, {})
    assert answer.status_code == 422
    assert "Выберите файл" in plain(answer)
    assert upload(admin, {"d.csv": DEALS}, mapping="../maven").status_code == 422
    assert upload(admin, {"d.csv": DEALS}, key="x").status_code == 422
    monkeypatch.setattr("api.pages.imports.MOST_BYTES", 1_000)
    assert upload(admin, {"d.csv": "x" * 1_001}).status_code == 413
    assert admin.get(f"/accounts/imports/{uuid4()}").status_code == 404


def test_a_file_that_is_no_table_says_so(admin: Browser) -> None:
    _, said = checked(admin, {"пусто.csv": b"", "deals.xlsx": b"PK\x03\x04\x00\x00"})
    assert "пусто.csv Файл пуст." in said
    assert "deals.xlsx Строка 1 Нулевой байт: это не текст" in said


def broken_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(followed, "import_files", away)
    return monkeypatch.undo


def test_what_was_broken_off_is_begun_again_and_recorded_once(
    here: Company, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = checked(admin, {"deals.csv": DEALS.format("cut")})
    mend = broken_off(monkeypatch)
    admin.send(f"{path}/recording")
    assert "Прервано. Файлы записываются целиком" in settled(admin, path)
    mend()
    admin.send(f"{path}/checking")
    assert "пока ничего не записано" in settled(admin, path)
    before = here.position
    admin.send(f"{path}/recording")
    assert "Записано." in settled(admin, path)
    assert here.position > before


def test_an_import_of_a_process_that_has_ended_is_not_waited_for(
    here: Company, admin: Browser
) -> None:
    path, _ = checked(admin, {"deals.csv": DEALS.format("dead")})
    import_id = path.partition("?")[0].rpartition("/")[2]
    with here.service.asking() as cursor:
        cursor.execute(
            "UPDATE books.imports SET phase = 'recording',"
            " told_at = now() - make_interval(secs => %s) WHERE import_id = %s",
            [SILENT_SECONDS + 1, import_id],
        )
    assert "Прервано." in settled(admin, path)
    admin.send(f"{path}/checking")
    assert "пока ничего не записано" in settled(admin, path)


def test_files_are_kept_no_longer_than_they_are_needed(here: Company, admin: Browser) -> None:
    path, _ = checked(admin, {"deals.csv": DEALS.format("kept")})
    import_id = path.partition("?")[0].rpartition("/")[2]
    question = "SELECT cardinality(contents) FROM books.imports WHERE import_id = %s"
    with here.service.asking() as cursor:
        assert cursor.execute(question, [import_id]).fetchone() == (1,)
    admin.send(f"{path}/recording")
    settled(admin, path)
    with here.service.asking() as cursor:
        assert cursor.execute(question, [import_id]).fetchone() == (0,)
        cursor.execute("UPDATE books.imports SET begun_at = now() - interval '25 hours'")
    assert "Сегодня файлов не присылали" in plain(admin.get("/accounts/imports"))
    assert admin.get(path).status_code == 404
