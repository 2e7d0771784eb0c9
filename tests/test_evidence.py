"""The tree follows the log, whoever writes and whatever is interrupted; what is signed of it holds
for ever, and nothing else is signed.
"""

import json
import stat
from base64 import b64decode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymerkle.hasher import MerkleHasher
from pymerkle.proof import InclusionProof

from api.operating.doctor_evidence import examine_evidence
from api.operating.findings import Finding
from api.operating.schema import migrate
from api.service import Service
from api.settings import Settings
from application.orders import Order
from domain.directory_commands import DefineActionType
from domain.events import Titles
from domain.values import ActionTypeCode
from projections.evidence import checkpoints, completeness, follower, keys, tiles
from projections.evidence.keys import CannotSign
from projections.evidence.leaves import canonical, leaf_data
from projections.evidence.merkle import (
    Node,
    folded,
    in_memory,
    leaf_hash,
    nodes_beside,
    root_from,
    root_of,
)
from projections.evidence.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    cosigned,
    signed,
)
from projections.portfolio import manager_portfolio_from_ledger
from projections.rebuild import owner, rebuild
from tests.over_http import Company, Person, company, refused

PROVEN_WITHIN_S = 20


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(signing_key_file=folder / "signing.key", **more)


@pytest.fixture
def here(database: str, tmp_path: Path) -> Iterator[Company]:
    with company(database, settings=settings(tmp_path)) as here:
        here.service.proving.close()  # each test says when
        yield here


@pytest.fixture(scope="module")
def busy(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company with some hundred events and two closed months, all of it proven."""
    with company(shared_database, settings=settings(tmp_path_factory.mktemp("keys"))) as here:
        work(here, deals=12, steps=20)
        here.director.do("/v1/periods/2026-08/closing")
        work(here, deals=3, steps=5, month="2026-09")
        here.director.do("/v1/periods/2026-09/closing")
        here.service.proving.catch_up()
        yield here


def work(here: Company, deals: int, steps: int, month: str = "2026-08") -> list[str]:
    """So many deals of two managers, in that month and in October by turns; the managers."""
    anna, boris = here.manager("Анна"), here.manager("Борис")
    kind = here.kind("1.00", effective_from="2026-01-01")
    for number in range(deals):
        in_month = month if number % 2 else "2026-10"
        deal = here.deal(anna if number % 3 else boris, on=f"{in_month}-02")
        day = f"{in_month}-12"
        commands = [
            {
                "path": f"/v1/deals/{deal}/actions",
                "body": {"action_type": kind, "effective_on": day, "manager_id": who},
            }
            for who in [anna, boris] * (steps // 2)
        ]
        here.director.do("/v1/batches", {"commands": commands})
    return [anna, boris]


def published(here: Company) -> list[dict[str, Any]]:
    return [
        event for page in here.director.pages("/v1/events", limit=1000) for event in page["events"]
    ]


def leaves(events: list[dict[str, Any]], closings: Mapping[int, Any] = {}) -> list[bytes]:
    """As the format says, from what everybody can read."""
    last: dict[str, tuple[int, bytes]] = {}
    made = []
    for event in events:
        version, previous = last.get(event["stream_id"], (0, None))
        leaf = leaf_data(
            event["stream_id"], version + 1, event["type"], event, previous,
            closings.get(event["position"]),
        )  # fmt: skip
        made.append(leaf)
        last[event["stream_id"]] = version + 1, leaf_hash(leaf)
    return made


def entries(here: Company, size: int) -> list[bytes]:
    """The leaves' data, out of C2SP's bundles."""
    found = []
    for tile in range(-(-size // 256)):
        width = min(size - tile * 256, 256)
        part = f".p/{width}" if width < 256 else ""
        body = here.director.get(f"/v1/audit/tile/entries/{tile:03d}{part}").content
        while body:
            length = int.from_bytes(body[:2])
            found.append(body[2 : 2 + length])
            body = body[2 + length :]
    return found


def newest(here: Company) -> Checkpoint:
    text = here.director.get("/v1/audit/checkpoint").text
    return Checkpoint.parse(Note.parse(text).text)


def rotations(cursor: Any) -> list[str]:
    signed_now = checkpoints.newest_signed(cursor)
    assert signed_now is not None
    return signed_now.rotations


def the_key(here: Company) -> VerifierKey:
    return VerifierKey.parse(here.director.ask("/v1/audit/keys")["keys"][-1]["vkey"])


# ---------------------------------------------------------------------------- the tree


def test_a_leaf_says_who_recorded_what_where_and_what_came_before_it() -> None:
    stored = {
        "position": 7, "recorded_at": "2026-11-23T09:15:02.123456Z", "actor": "an account",
        "effective_on": "2026-11-20", "data": {"title": "Печь", "manager_id": "anna"},
    }  # fmt: skip
    previous = leaf_hash(b"before")
    assert leaf_data("a-stream", 2, "DealOpened", stored, previous).decode() == (
        '{"actor":"an account",'
        '"data_sha256":"72ad3bc9e3e9fcea0e5a2a78aaf473f5a70b3069bb50e587059fbc4257639b4b",'
        '"effective_on":"2026-11-20","position":7,'
        f'"previous":"{previous.hex()}",'
        '"recorded_at":"2026-11-23T09:15:02.123456Z","stream_id":"a-stream","type":"DealOpened",'
        '"version":2}'
    )
    del stored["effective_on"]
    first = json.loads(leaf_data("a-stream", 1, "TeamCreated", stored, None))
    assert first["previous"] is None
    assert "effective_on" not in first


def test_the_tree_is_over_all_events_as_they_are_published(busy: Company) -> None:
    events, size = published(busy), newest(busy).size
    data = entries(busy, size)
    closings = {
        at: leaf["completeness"]
        for at, leaf in enumerate(map(json.loads, data), 1)
        if leaf["type"] == "PeriodClosed"
    }
    assert len(closings) == 2
    assert data == leaves(events[:size], closings)
    assert root_of([leaf_hash(one) for one in data]) == newest(busy).root


def test_tiles_hold_the_tree(busy: Company) -> None:
    size = newest(busy).size
    hashes = [leaf_hash(one) for one in entries(busy, size)]
    whole = busy.director.get("/v1/audit/tile/0/000").content
    assert whole == b"".join(hashes[:256])
    rest = busy.director.get(f"/v1/audit/tile/0/001.p/{size - 256}").content
    assert rest == b"".join(hashes[256:])
    above = busy.director.get("/v1/audit/tile/1/000.p/1").content
    assert above == root_of(hashes[:256])


def test_an_implementation_that_is_not_ours_takes_checkpoint_tiles_and_entries(
    busy: Company,
) -> None:
    tlog = pytest.importorskip("aics_tlog", reason="it is made for Python 3.12 and later")
    from aics_tlog.tiles import entry_bundle_path, tile_path

    class Reader:
        def read_tile(self, level: int, index: int, width: int | None) -> bytes | None:
            return _found(busy.director, f"/v1/audit/{tile_path(level, index, width)}")

        def read_entry_bundle(self, index: int, width: int | None) -> bytes | None:
            return _found(busy.director, f"/v1/audit/{entry_bundle_path(index, width)}")

    note = tlog.parse_note(busy.director.get("/v1/audit/checkpoint").text)
    assert tlog.verify_note(note, [tlog.parse_vkey(the_key(busy).text)])
    told = tlog.parse_checkpoint(note.text)
    size = told.size
    assert tlog.tree_root_from_tiles(Reader(), size) == told.root
    report = tlog.audit_tiles(Reader(), size, told.root, entries=True)
    assert report
    for position in (1, 2, 255, 256, 257, size):
        asked = {"position": position, "size": size}
        answer = busy.director.ask("/v1/audit/proofs/inclusion", **asked)
        ours = [b64decode(one) for one in answer["hashes"]]
        assert tlog.inclusion_proof_from_tiles(Reader(), position - 1, size) == ours
        leaf = b64decode(answer["leaf_hash"])
        assert tlog.verify_inclusion(leaf, position - 1, size, ours, told.root)
    for before in (0, 1, 100, 256, size - 1, size):
        asked = {"from_size": before, "to_size": size}
        answer = busy.director.ask("/v1/audit/proofs/consistency", **asked)
        ours = [b64decode(one) for one in answer["hashes"]]
        assert tlog.consistency_proof_from_tiles(Reader(), before, size) == ours
    theirs = tlog.TileWriter(entries(busy, size)).materialise()
    for path, whole in theirs.items():
        if "tile/" in path:
            assert busy.director.get(f"/v1/audit/{path}").content == whole, path


def _found(person: Person, path: str) -> bytes | None:
    answer = person.get(path)
    return answer.content if answer.status_code == 200 else None


def test_pymerkle_takes_an_inclusion_proof(busy: Company) -> None:
    size = newest(busy).size
    for position in (1, 100, 256, size):
        answer = busy.director.ask("/v1/audit/proofs/inclusion", position=position)
        path = [b64decode(one) for one in [answer["leaf_hash"], *answer["hashes"]]]
        from pymerkle.core import _inclusion_path_layout

        rule, _ = _inclusion_path_layout(position, size)
        proof = InclusionProof("sha256", True, size, position, rule, path)
        proof.verify(path[0], newest(busy).root, position, size)
        assert b64decode(answer["root_hash"]) == newest(busy).root
    assert MerkleHasher("sha256").hash_buff(entries(busy, 1)[0]) == leaf_hash(entries(busy, 1)[0])


def test_a_rebuilt_ledger_changes_nothing_of_it(busy: Company, shared_database: str) -> None:
    before = entries(busy, newest(busy).size)
    migrate(shared_database)  # a copied database has no rights of its own
    rebuild(shared_database, lambda _done, _of: None)
    with psycopg.connect(shared_database) as superuser:
        superuser.execute("ALTER TABLE evidence.closings DISABLE TRIGGER USER")
        superuser.execute("DELETE FROM evidence.closings")
        superuser.execute("ALTER TABLE evidence.closings ENABLE TRIGGER USER")
    assert entries(busy, newest(busy).size) == before, "closings are made anew, the same"


def test_several_at_it_at_once_make_one_tree(here: Company, database: str, tmp_path: Path) -> None:
    others = [Service(database, settings(tmp_path)) for _ in range(3)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            work(here, deals=2, steps=6)
            steps = [one.proving.catch_up for one in (here.service, *others)]
            for done in [threads.submit(step) for step in steps]:
                done.result()
    for one in others:
        one.close()
    told = newest(here)
    assert told.size == here.position
    assert told.root == root_of([leaf_hash(one) for one in leaves(published(here))])


def test_while_another_is_at_it_nobody_appends(here: Company, database: str) -> None:
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as threads:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [follower.FOLLOWERS_LOCK])
        with here.service.asking() as cursor:
            assert not follower.follow(cursor)
            assert tiles.size_of(cursor) == 0
        patient = threads.submit(here.service.proving.catch_up)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(waiting).fetchone() == (0,):
            assert not patient.done(), "it waits"
        other.rollback()
        patient.result()
    assert newest(here).size == here.position


def test_while_the_ledger_is_made_anew_or_verified_the_log_is_proven(
    here: Company, database: str
) -> None:
    """Of a long log that takes many minutes."""
    with owner(database):
        here.manager()
        while here.service.proving.step():
            pass
        assert newest(here).size == here.position


def test_in_the_background_it_rests_and_whoever_waits_for_it_waits_for_no_rest(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(follower, "sleep", rests.append)
    monkeypatch.setattr(follower, "FEW", 7)
    work(here, deals=3, steps=30)
    here.service.proving.step()
    assert len(rests) == -(-here.position // 7)
    assert newest(here).root == root_of([leaf_hash(one) for one in leaves(published(here))])
    work(here, deals=1, steps=10)
    before = len(rests)
    here.service.proving.catch_up()
    assert newest(here).size == here.position
    assert len(rests) == before


def test_what_is_interrupted_leaves_nothing_half_and_goes_on(
    here: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(here, deals=3, steps=30)
    monkeypatch.setattr(follower, "AT_ONCE", 7)
    append = tiles.append

    def cut(cursor: Any, size: int, hashes: Any) -> None:
        append(cursor, size, hashes)
        raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr(tiles, "append", cut)
        with pytest.raises(KeyboardInterrupt), here.service.asking() as cursor:
            follower.follow(cursor)
    with here.service.asking() as cursor:
        before = tiles.size_of(cursor)
        assert follower.follow(cursor), "there is more"
        assert tiles.size_of(cursor) == before + 7
    here.service.proving.catch_up()
    assert newest(here).root == root_of([leaf_hash(one) for one in leaves(published(here))])


def test_a_service_that_runs_proves_what_it_records(database: str, tmp_path: Path) -> None:
    with company(database, settings=settings(tmp_path)) as here:
        here.manager()
        until = monotonic() + PROVEN_WITHIN_S
        while not (found := here.director.get("/v1/audit/checkpoint")).is_success:
            assert monotonic() < until
        assert newest(here).size <= here.position
        assert Note.parse(found.text).is_signed_by(the_key(here))


# ---------------------------------------------------------------------------- completeness


def rows(here: Company, month_end: date, position: int) -> list[dict[str, Any]]:
    with here.service.asking() as cursor:
        return completeness.rows_at(cursor, month_end, position)


def test_a_closing_has_the_root_of_what_everybody_had(busy: Company) -> None:
    closed = next(one for one in published(busy) if one["type"] == "PeriodClosed")
    leaf = json.loads(entries(busy, closed["position"])[-1])
    proven = leaf["completeness"]
    known = closed["data"]["position"]
    assert (proven["as_of"], proven["position"]) == ("2026-08-31", known)
    held = rows(busy, date(2026, 8, 31), known)
    hashes = [leaf_hash(canonical(row)) for row in held]
    assert (proven["root"], proven["size"]) == (root_of(hashes).hex(), len(held))
    pairs = [(row["manager_id"], row["deal_id"]) for row in held]
    assert pairs == sorted(pairs)
    assert len(pairs) == 24, "also whoever has nothing in it yet by then"


def test_a_row_is_what_the_manager_has_in_the_deal_and_names_its_last_event(busy: Company) -> None:
    closed = next(one for one in published(busy) if one["type"] == "PeriodClosed")
    known, events = closed["data"]["position"], published(busy)
    data = entries(busy, known)
    held = rows(busy, date(2026, 8, 31), known)
    for row in held:
        own = [one for one in events[:known] if one.get("deal_id") == row["deal_id"]]
        assert row["events"] == len(own)
        assert row["head"] == leaf_hash(data[own[-1]["position"] - 1]).hex()
    (manager, *_) = {row["manager_id"] for row in held}
    with busy.service.asking() as cursor:
        shown = manager_portfolio_from_ledger(cursor, manager, date(2026, 8, 31), known)
    values = {str(one.deal_id): one.standing for one in shown}
    told = {row["deal_id"]: row for row in held if row["manager_id"] == manager}
    assert {deal for deal, row in told.items() if row["actions"]} == {
        deal for deal, one in values.items() if one.actions
    }
    for deal, standing in values.items():
        assert told[deal]["actions"] == standing.actions
        assert told[deal]["progress"] == f"{standing.progress / 100:.2f}"
    assert any(row["active"] != "0.00" for row in told.values())


def test_one_managers_rows_stand_together_and_are_proven_with_their_neighbours(
    busy: Company,
) -> None:
    month_end, known_at = date(2026, 9, 30), newest(busy).size
    held = rows(busy, month_end, known_at)
    hashes = [leaf_hash(canonical(row)) for row in held]
    tree = completeness.RowTree.over(held)
    known = {row["manager_id"] for row in held}
    for manager in known | {"", "m-", "zzz"}:  # also of those who have no rows, wherever they stand
        before = [at for at, row in enumerate(held) if row["manager_id"] < manager]
        upto = [at for at, row in enumerate(held) if row["manager_id"] <= manager]
        around = tree.around(manager)
        shown = around.places
        assert shown == range(max(len(before) - 1, 0), min(len(upto) + 1, len(held)))
        assert json.loads(b"[%b]" % around.shown) == held[shown.start : shown.stop]
        beside = nodes_beside(shown, len(held))
        nodes = dict(zip(beside, in_memory(hashes)(beside), strict=True))
        nodes |= {Node(0, at): hashes[at] for at in shown}
        assert root_from(nodes, len(held)) == root_of(hashes)


def test_a_month_may_be_closed_before_there_is_any_deal(here: Company) -> None:
    here.director.do("/v1/periods/2026-08/closing")
    here.service.proving.catch_up()
    assert newest(here).size == here.position


def test_without_its_ledger_a_closing_is_not_proven_wrongly(here: Company, database: str) -> None:
    work(here, deals=2, steps=2)
    here.director.do("/v1/periods/2026-08/closing")
    with psycopg.connect(database) as superuser:
        superuser.execute("TRUNCATE ledger.postings")
    with pytest.raises(completeness.LedgerIncomplete):
        here.service.proving.catch_up()
    migrate(database)  # a copied database has no rights of its own
    rebuild(database, lambda _done, _of: None)
    here.service.proving.catch_up()
    assert newest(here).size == here.position


# ---------------------------------------------------------------------------- checkpoints and keys


def test_a_checkpoint_is_signed_by_a_key_that_only_its_owner_reads(
    here: Company, tmp_path: Path
) -> None:
    here.service.proving.catch_up()
    note = Note.parse(here.director.get("/v1/audit/checkpoint").text)
    answer = here.director.ask("/v1/audit/keys")
    assert note.is_signed_by(the_key(here))
    assert the_key(here).name == answer["origin"] == newest(here).origin
    assert answer["origin"].startswith("dealfolio/log/")
    file = tmp_path / "signing.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in file.read_bytes()


def test_every_checkpoint_is_kept_and_never_signed_twice(here: Company) -> None:
    sizes = []
    for _ in range(3):
        here.manager()
        here.service.proving.catch_up()
        here.service.proving.catch_up()
        sizes.append(here.position)
    listed = [
        one["size"]
        for page in here.director.pages("/v1/audit/checkpoints", limit=2)
        for one in page["checkpoints"]
    ]
    assert set(sizes) <= set(listed)
    assert listed == sorted(set(listed), reverse=True)
    for size in sizes:
        note = here.director.get(f"/v1/audit/checkpoints/{size}").text
        assert Checkpoint.parse(Note.parse(note).text).size == size


def test_whoever_has_the_database_alone_signs_nothing(database: str, tmp_path: Path) -> None:
    with company(database) as here:
        here.manager()
        here.service.proving.catch_up()
        refused(here.director.get("/v1/audit/checkpoint"), 404, "not-found")
        refused(here.director.get("/v1/audit/proofs/inclusion", position=1), 404, "not-found")
        assert here.director.ask("/v1/audit/proofs/inclusion", position=1, size=2)["hashes"]
        assert findings(database, Settings())["signing key"].mend
    with company_again(database, settings(tmp_path)) as again:
        again.proving.catch_up()
        with again.asking() as cursor:
            assert checkpoints.newest(cursor) is not None


def company_again(database: str, given: Settings) -> closing[Service]:
    return closing(Service(database, given))


def findings(database: str, given: Settings) -> dict[str, Finding]:
    return {one.what: one for one in examine_evidence(database, given)}


def test_a_key_comes_in_place_of_another_only_by_rotation(here: Company, tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    here.service.proving.catch_up()
    old, kept = the_key(here), file.read_bytes()
    with here.service.asking() as cursor:
        checkpoints.rotate(cursor, file, "x")
    new = the_key(here)
    assert new != old
    assert (tmp_path / f"signing.key.{old.hash.hex()}").read_bytes() == kept
    with here.service.asking() as cursor:
        (rotation,) = map(Note.parse, rotations(cursor))
    assert rotation.is_signed_by(old)
    assert rotation.is_signed_by(new)
    listed = here.director.ask("/v1/audit/keys")["keys"]
    size = newest(here).size
    assert [one.get("retired_at_size") for one in listed] == [size, None]
    here.manager()
    here.service.proving.catch_up()
    note = Note.parse(here.director.get("/v1/audit/checkpoint").text)
    assert note.is_signed_by(new)
    assert not note.is_signed_by(old)
    assert newest(here).size > size
    file.write_bytes(kept)  # the old one again
    here.manager()
    here.service.proving.catch_up()
    assert newest(here).size < here.position


def test_a_key_that_is_lost_is_replaced_and_nobody_vouches_for_the_new_one(
    here: Company, tmp_path: Path
) -> None:
    file = tmp_path / "signing.key"
    here.service.proving.catch_up()
    old = the_key(here)
    with here.service.asking() as cursor:
        with pytest.raises(CannotSign, match="is not lost"):
            checkpoints.rotate(cursor, file, "x", lost=True)
        file.unlink()
        checkpoints.rotate(cursor, file, "x", lost=True)
        assert rotations(cursor) == []
    assert the_key(here) != old
    here.manager()
    here.service.proving.catch_up()
    assert Note.parse(here.director.get("/v1/audit/checkpoint").text).is_signed_by(the_key(here))


def test_what_fails_in_a_rotation_leaves_the_key_as_it_was(
    here: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "signing.key"
    here.service.proving.catch_up()
    before, known = file.read_bytes(), here.director.ask("/v1/audit/keys")

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(keys, "announce", fail)
    with pytest.raises(OSError), here.service.asking() as cursor:  # noqa: PT011 - ours
        checkpoints.rotate(cursor, file, "x")
    assert file.read_bytes() == before
    assert here.director.ask("/v1/audit/keys") == known


@pytest.mark.parametrize("how", ["lost", "another", "garbage"])
def test_a_key_that_is_not_the_logs_signs_nothing_and_the_doctor_says_so(
    here: Company, database: str, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "signing.key"
    here.service.proving.catch_up()
    size, known = newest(here).size, here.director.ask("/v1/audit/keys")
    file.unlink()
    if how == "another":
        with keys.written_aside(file, b"") as aside:
            aside.unlink()
        keys._make(file)
    if how == "garbage":
        file.write_bytes(b"-----BEGIN")
    here.manager()
    here.service.proving.catch_up()
    assert newest(here).size == size
    assert here.director.ask("/v1/audit/keys") == known
    assert findings(database, here.service.settings)["signing key"].mend
    with pytest.raises(CannotSign), here.service.asking() as cursor:
        checkpoints.rotate(cursor, file, "x")


def test_no_size_is_signed_below_one_that_was(here: Company, database: str, tmp_path: Path) -> None:
    work(here, deals=2, steps=4)
    here.service.proving.catch_up()
    told = newest(here)
    good = findings(database, here.service.settings)
    assert all(one.ok for one in good.values()), good
    with psycopg.connect(database) as superuser:
        superuser.execute("UPDATE evidence.tiles SET hashes = substr(hashes, 1, 160)")
    with here.service.asking() as cursor, pytest.raises(checkpoints.Forked):
        checkpoints.sign(cursor, tmp_path / "signing.key", "x")
    found = findings(database, here.service.settings)
    assert f"{told.size} leaves were signed" in found["checkpoint"].found
    assert found["checkpoint"].mend


def test_no_other_tree_is_signed_behind_one_that_was(here: Company, database: str) -> None:
    work(here, deals=2, steps=4)
    here.service.proving.catch_up()
    here.manager()
    with psycopg.connect(database) as superuser:
        superuser.execute(
            "UPDATE evidence.tiles SET hashes = overlay(hashes PLACING '\\x00' FROM 40)"
        )
    size = newest(here).size
    here.service.proving.catch_up()
    assert newest(here).size == size
    assert (
        "not those that were signed"
        in findings(database, here.service.settings)["checkpoint"].found
    )


def test_a_database_that_was_restored_to_an_earlier_state_is_not_signed_on(
    here: Company, database: str
) -> None:
    here.service.proving.catch_up()
    early = newest(here).size
    work(here, deals=1, steps=4)
    here.service.proving.catch_up()
    late = newest(here).size
    with psycopg.connect(database) as superuser:
        for table, column in (
            ("evidence.checkpoints", "size"),
            ("books.events", "notification_id"),
        ):
            superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            superuser.execute(f"DELETE FROM {table} WHERE {column} > {early}")
            superuser.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        superuser.execute("DELETE FROM evidence.tiles")
    with company_again(database, here.service.settings) as again:
        again.proving.catch_up()
        with again.asking() as cursor:
            assert tiles.size_of(cursor) == early
            assert checkpoints.newest(cursor).size == early  # type: ignore[union-attr]
    told = findings(database, here.service.settings)["checkpoint"]
    assert f"{late} leaves were signed" in told.found
    assert "signing.key.signed" in told.found


def test_a_log_that_lacks_an_event_is_not_followed(here: Company, database: str) -> None:
    here.service.proving.catch_up()
    here.manager()
    here.manager()
    with psycopg.connect(database) as superuser:
        superuser.execute("ALTER TABLE books.events DISABLE TRIGGER USER")
        superuser.execute(
            "DELETE FROM books.events WHERE notification_id = %s", [here.position - 1]
        )
        superuser.execute("ALTER TABLE books.events ENABLE TRIGGER USER")
    with pytest.raises(follower.LogBroken):
        here.service.proving.catch_up()


def test_a_log_that_was_cut_is_not_followed_also_when_it_has_grown_again(
    here: Company, database: str
) -> None:
    work(here, deals=1, steps=4)
    here.service.proving.catch_up()
    size = newest(here).size
    with psycopg.connect(database) as superuser:
        superuser.execute("ALTER TABLE books.events DISABLE TRIGGER USER")
        superuser.execute("DELETE FROM books.events WHERE notification_id > %s", [size - 3])
        superuser.execute("ALTER TABLE books.events ENABLE TRIGGER USER")
    with company_again(database, here.service.settings) as again:
        with pytest.raises(follower.LogBroken):
            again.proving.catch_up()
        for number in range(4):
            kind = DefineActionType(
                ActionTypeCode(f"new-{number}"), Titles(ru="х", en="x"), 100, date(2026, 1, 1)
            )
            again.dealfolio.transactor.submit(Order(kind, "somebody")).result()
        with pytest.raises(follower.LogBroken):
            again.proving.catch_up()
    told = findings(database, here.service.settings)
    assert f"position {size}" in told["tree"].found
    assert told["tree"].mend


def test_the_service_may_neither_change_nor_remove_what_was_signed(
    here: Company, database: str
) -> None:
    here.service.proving.catch_up()
    for table in ("checkpoints", "rotations", "cosignatures", "closings", "log"):
        for statement, further in (("DELETE FROM", ""), ("TRUNCATE", " CASCADE")):
            for role in ("SET ROLE dealfolio_app", "SELECT"):
                with psycopg.connect(database) as connection:
                    connection.execute(role)
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"{statement} evidence.{table}{further}")
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE dealfolio_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE evidence.keys SET vkey = ''")


def test_who_is_forgotten_leaves_every_proof_valid(here: Company) -> None:
    from api.accounts import Accounts

    anna, _ = work(here, deals=2, steps=4)
    here.service.proving.catch_up()
    told, before = newest(here), entries(here, newest(here).size)
    Accounts(here.service).forget(anna)
    here.service.proving.catch_up()
    assert entries(here, newest(here).size)[: told.size] == before
    asked = {"from_size": told.size, "to_size": newest(here).size}
    assert here.director.ask("/v1/audit/proofs/consistency", **asked)["hashes"]
    assert "Анна" not in b"".join(before).decode()


# ---------------------------------------------------------------------------- witnesses


@pytest.fixture
def witness() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def witness_key(private: Ed25519PrivateKey, name: str = "witness.example") -> VerifierKey:
    return VerifierKey(name, COSIGNATURE, private.public_key().public_bytes_raw())


def cosignature(private: Ed25519PrivateKey, text: str, name: str = "witness.example") -> str:
    at = 1_790_000_000
    signature = at.to_bytes(8) + private.sign(cosigned(at, text).encode())
    return Signature(name, witness_key(private, name).hash, signature).line


def cosign(person: Person, size: int, lines: str, kind: str = "text/plain") -> Any:
    return person.http.post(
        f"/v1/audit/checkpoints/{size}/cosignatures", content=lines.encode(),
        headers={"content-type": kind},
    )  # fmt: skip


def test_a_witness_signs_too(database: str, tmp_path: Path, witness: Ed25519PrivateKey) -> None:
    given = settings(tmp_path, witnesses=witness_key(witness).text)
    with company(database, settings=given) as here:
        here.service.proving.catch_up()
        size = newest(here).size
        text = newest(here).text
        line = cosignature(witness, text)
        auditor = here.hire("auditor")
        for _ in range(2):
            note = cosign(auditor, size, line)
            assert note.status_code == 200
            assert note.text.count("\n— witness.example ") == 1
        assert here.director.get(f"/v1/audit/checkpoints/{size}").text == note.text
        assert Note.parse(note.text).is_signed_by(the_key(here))
        assert Note.parse(note.text).is_signed_by(witness_key(witness))
        another = Ed25519PrivateKey.generate()
        told = {
            "another text": cosignature(witness, text + "more\n"),
            "nobody we know": cosignature(another, text, "another.example"),
            "another key of that name": cosignature(another, text),
            "the log's own": signed(text, newest(here).origin, witness).signatures[0].line,
            "half a line": line[:40],
            "nothing": "",
            "a good one and a bad one": line + "— x y\n",
        }
        for what, lines in told.items():
            problem = refused(cosign(auditor, size, lines), 422, "validation")
            assert problem["errors"][0]["field"] == "body", what
        refused(cosign(auditor, size, line, "application/json"), 415, "unsupported-media-type")
        refused(cosign(auditor, size + 1, line), 404, "not-found")
        refused(cosign(here.admin, size, line), 403, "forbidden")
        refused(cosign(here.stranger, size, line), 401, "unauthenticated")


def test_a_cosignature_of_aics_tlog_is_taken(witness: Ed25519PrivateKey) -> None:
    tlog = pytest.importorskip("aics_tlog", reason="it is made for Python 3.12 and later")
    from aics_tlog.cosign import sign_cosignature

    ours = Checkpoint("origin", 7, leaf_hash(b""))
    key = witness_key(witness)
    theirs = tlog.cosignature_vkey("witness.example", witness.public_key())
    assert tlog.format_vkey(theirs) == key.text
    signature, line = sign_cosignature(
        witness, "witness.example", 1_790_000_000, "origin", 7, ours.root
    )
    assert line.key_id == key.hash
    assert key.has_signed(ours.text, signature)
    assert not key.has_signed(ours._replace(size=8).text, signature)


# ---------------------------------------------------------------------------- elsewhere


def test_checkpoints_are_put_into_a_folder(database: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    given = settings(tmp_path, checkpoints_to=str(folder))
    with company(database, settings=given) as here:
        here.service.proving.catch_up()
        pushing = here.service.pushing
        assert pushing is not None
        with pytest.raises(OSError):  # noqa: PT011 - there is no such folder
            pushing.step()
        first = newest(here).size
        folder.mkdir()
        for _ in range(2):
            here.manager()
            here.service.proving.catch_up()
        waiting = findings(database, given)["checkpoints elsewhere"]
        assert (waiting.found[:7], waiting.ok) == ("up to 0", True), "they have just been signed"
        with psycopg.connect(database) as superuser:
            superuser.execute("ALTER TABLE evidence.checkpoints DISABLE TRIGGER USER")
            superuser.execute(
                "UPDATE evidence.checkpoints SET signed_at = signed_at - interval '10 minutes'"
            )
        assert findings(database, given)["checkpoints elsewhere"].mend
        while pushing.step():
            pass
        sizes = sorted(int(file.stem[-12:]) for file in folder.glob("checkpoint-*.txt"))
        assert sizes[-1] == newest(here).size
        last = here.director.get("/v1/audit/checkpoint").text
        assert (folder / "checkpoint").read_text() == last
        assert (folder / f"checkpoint-{sizes[-1]:012d}.txt").read_text() == last
        assert {file.name[0] for file in folder.iterdir()} == {"c"}, "nothing half"
        here.manager()
        here.service.proving.catch_up()
        while pushing.step():
            pass
        assert len([*folder.glob("checkpoint-*.txt")]) == len(sizes) + 1
        assert first <= sizes[0]
        assert findings(database, given)["checkpoints elsewhere"].ok


def test_checkpoints_are_posted_to_an_address_until_they_arrive(
    database: str, tmp_path: Path
) -> None:
    arrived: list[tuple[str, str]] = []
    answers = [503, 200, 200]

    class There(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            arrived.append((self.headers["content-type"], body))
            self.send_response(answers.pop(0))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), There) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        given = settings(tmp_path, checkpoints_to=f"http://127.0.0.1:{server.server_port}/log")
        with company(database, settings=settings(tmp_path)) as here:
            here.service.proving.catch_up()
            from api.pushing import Pushing

            pushing = Pushing(here.service.asking, str(given.checkpoints_to))
            note = here.director.get("/v1/audit/checkpoint").text
            with pytest.raises(Exception, match="503"):
                pushing.step()
            assert pushing.step()
            assert not pushing.step()
            assert arrived == [("text/plain; charset=utf-8", note)] * 2
            pushing.close()
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("checkpoints_to", "http://example.org/log"),
        ("witnesses", "nobody"),
        ("witnesses", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.model_validate({name: value})


# ---------------------------------------------------------------------------- over HTTP


PATHS = (
    "/v1/audit/checkpoint", "/v1/audit/checkpoints", "/v1/audit/checkpoints/{size}",
    "/v1/audit/keys", "/v1/audit/tile/0/000", "/v1/audit/tile/entries/000",
    "/v1/audit/proofs/inclusion?position=1", "/v1/audit/proofs/consistency?from_size=1",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_the_proofs_are_for_director_and_auditor(busy: Company, path: str) -> None:
    asked = path.format(size=newest(busy).size)
    anna = busy.manager()
    team = busy.director.do("/v1/teams", {"name": "Команда"})["team_id"]
    for person in (busy.director, busy.hire("auditor")):
        assert person.get(asked).status_code == 200
    others = busy.admin, busy.hire("manager", manager_id=anna), busy.hire("head", team_id=team)
    for person in others:
        refused(person.get(asked), 403, "forbidden")
    refused(busy.stranger.get(asked), 401, "unauthenticated")


def test_what_belongs_to_a_size_may_be_kept_for_ever(busy: Company) -> None:
    for_ever = "private, max-age=31536000, immutable"
    told = {
        "/v1/audit/tile/0/000": for_ever,
        "/v1/audit/tile/entries/000.p/9": for_ever,
        "/v1/audit/proofs/inclusion?position=1&size=9": for_ever,
        "/v1/audit/proofs/consistency?from_size=1&to_size=9": for_ever,
        "/v1/audit/proofs/inclusion?position=1": "private, no-cache",
        "/v1/audit/proofs/consistency?from_size=1": "private, no-cache",
        "/v1/audit/checkpoint": "private, no-cache",
        f"/v1/audit/checkpoints/{newest(busy).size}": "private, no-cache",
        "/v1/audit/keys": "no-store",
        "/v1/audit/tile/0/900": "no-store",
    }
    assert {path: busy.director.get(path).headers["cache-control"] for path in told} == told


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("inclusion?position=0&size=5", "position"), ("inclusion?position=6&size=5", "position"),
        ("inclusion?position=1&size=0", "position"), ("inclusion?size=5", "position"),
        ("inclusion?position=-1", "position"), ("inclusion?position=1&size=x", "size"),
        ("inclusion?position=1&index=0", "index"),
        ("consistency?from_size=6&to_size=5", "from_size"),
        ("consistency?to_size=5", "from_size"), ("consistency?from_size=1e3", "from_size"),
    ],
)  # fmt: skip
def test_a_proof_that_cannot_be_is_refused(busy: Company, asked: str, field: str) -> None:
    assert busy.director.get("/v1/audit/proofs/inclusion?position=5&size=5").status_code == 200
    assert (
        busy.director.get("/v1/audit/proofs/consistency?from_size=5&to_size=5").status_code == 200
    )
    problem = refused(busy.director.get(f"/v1/audit/proofs/{asked}"), 422, "validation")
    assert [one["field"] for one in problem["errors"]] == [field]


def test_a_size_that_the_tree_has_not_is_in_the_future(busy: Company) -> None:
    beyond = busy.position + 1
    for asked in (
        f"inclusion?position=1&size={beyond}",
        f"consistency?from_size=1&to_size={beyond}",
    ):
        refused(busy.director.get(f"/v1/audit/proofs/{asked}"), 409, "in-the-future")


@pytest.mark.parametrize(
    "place",
    [
        "0/00", "0/0000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/x000/000", "0/001/000",
        "0/000.p", "0/000.p/", "0/-01", "00/000", "64/000", "x/000", "0/000/", "0/x00/000",
        "0/900", "0/001", "1/000", "1/000.p/2", "2/000.p/1", "0/x999/x999/x999/x999/999",
        "entries/00", "entries/001", "entries/900", "entries/x001/000", "0/٠٠٠",
    ],
)  # fmt: skip
def test_a_tile_that_is_not_there_is_not_found(busy: Company, place: str) -> None:
    assert busy.director.get("/v1/audit/tile/1/000.p/1").status_code == 200
    refused(busy.director.get(f"/v1/audit/tile/{place}"), 404, "not-found")


def test_a_checkpoint_that_was_not_signed_is_not_found(busy: Company) -> None:
    for size in ("0", "1", "x", str(newest(busy).size + 1)):
        refused(busy.director.get(f"/v1/audit/checkpoints/{size}"), 404, "not-found")


def test_no_proof_of_everything_takes_long(busy: Company) -> None:
    """One look at the tiles, however large the tree."""
    with busy.service.asking() as cursor:
        asked: list[str] = []
        execute = cursor.execute

        class Counting:
            def execute(self, *args: Any, **more: Any) -> Any:
                asked.append(str(args[0]))
                return execute(*args, **more)

        read = tiles.reader(Counting())  # type: ignore[arg-type]
        from projections.evidence.merkle import inclusion_proof

        inclusion_proof(read, 5, newest(busy).size)
        assert len(asked) == 1


class Tiles:
    """A database with the tiles of a tree over these hashes of leaves, and those asked for."""

    def __init__(self, leaves: list[bytes]) -> None:
        self._rows: list[tuple[bytes | None]] = []
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.asked: list[tuple[int, int]] = []
        level = 0
        while leaves:
            parts = [leaves[at : at + tiles.WIDTH] for at in range(0, len(leaves), tiles.WIDTH)]
            self.tiles |= {(level, at): b"".join(part) for at, part in enumerate(parts)}
            leaves = [folded(part) for part in parts if len(part) == tiles.WIDTH]
            level += 1

    def execute(self, _statement: str, places: list[list[int]], **_: object) -> "Tiles":
        asked = [*zip(*places, strict=True)]
        self.asked += asked
        self._rows = [(self.tiles.get(place),) for place in asked]
        return self

    def fetchall(self) -> list[tuple[bytes | None]]:
        return self._rows


def test_a_full_tile_is_read_once_and_never_taken_for_another() -> None:
    """Also when the database was restored meanwhile, and grew another tree."""
    size, known = 1_000, tiles.KnownTiles()
    trees = [[sha256(f"{name} {at}".encode()).digest() for at in range(size)] for name in "ab"]
    trees[1][:300] = trees[0][:300]
    nodes = [Node(level, at) for level in range(10) for at in range(size >> level)]
    for tree in (*trees, trees[0]):
        truth = in_memory(tree)(nodes)
        for times in (1, 2):
            database: Any = Tiles(tree)
            assert tiles.reader(database, known)(nodes) == truth
            assert {(1, 0), (0, 3)} <= {*database.asked}, "the one above, and the one not full"
            again = {(0, 0), (0, 1), (0, 2)} & {*database.asked}
            assert times == 1 or not again
    few = tiles.KnownTiles(2)
    database = Tiles(trees[0])
    for _ in range(2):
        assert tiles.reader(database, few)(nodes) == in_memory(trees[0])(nodes)
    assert {(0, 0), (0, 1)} & {*database.asked[-4:]}, "no more than two are known"


def test_a_leaf_alone_is_read_without_the_nodes_above_it() -> None:
    leaves = [sha256(b"%d" % at).digest() for at in range(600)]
    database: Any = Tiles(leaves)
    for known in (None, tiles.KnownTiles()):
        assert tiles.hashes_at(database, [], [599, 3, 256], known)[1] == [
            leaves[599], leaves[3], leaves[256],
        ]  # fmt: skip
        with pytest.raises(LookupError):
            tiles.hashes_at(database, [], [600], known)


def test_what_hinders_signing_is_logged_once(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with company(database) as here:
        here.manager()
        for _ in range(3):
            here.service.proving.catch_up()
    told = [one.message for one in caplog.records if one.name == "dealfolio.proving"]
    assert len(told) == 1
    assert "doctor" in told[0]
