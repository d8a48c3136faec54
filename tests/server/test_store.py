"""The queue in both databases: nothing lost, nothing twice, and who may change what."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_disk import disk_with_room_for_files_of
from postgres import PostgresServer

from dbt_af_k8s.dbt.api import State
from dbt_af_k8s.errors import UsageError
from dbt_af_k8s.server.database import Database, DatabaseError, PostgresDatabase, SqliteDatabase
from dbt_af_k8s.server.outputs import LogWriter, Outputs
from dbt_af_k8s.server.store import Store
from dbt_af_k8s.server.values import Ending, Request, Submitted

LEASE = 30.0


def address(server: PostgresServer, database: str) -> str:
    return f"postgresql://{server.user}@{server.host}:{server.port}/{database}"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made: Database = SqliteDatabase(tmp_path / "state.sqlite")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = f"state_{uuid.uuid4().hex}"
        server.run(f"create database {name}")
        made = PostgresDatabase(address(server, name))
    yield made
    made.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


def request(task_id: str, *command: str, url: str | None = None) -> Request:
    return Request(task_id, "shop", command or ("run",), url, "me")


def fill(store: Store, count: int) -> list[str]:
    names = [f"t{number}" for number in range(count)]
    assert {store.submit(request(name), 1000) for name in names} == {Submitted.NEW}
    return names


def test_a_task_id_is_one_invocation(store: Store) -> None:
    assert store.submit(request("a", "run"), 10) is Submitted.NEW
    assert store.submit(request("a", "run"), 10) is Submitted.KNOWN
    assert store.submit(request("a", "test"), 10) is Submitted.TAKEN
    assert store.submit(request("a", "run", url="https://x"), 10) is Submitted.TAKEN
    assert len(store.page(size=10, after=None, state=None, project=None).runs) == 1


def test_the_queue_has_an_end_and_knows_what_is_in_it(store: Store) -> None:
    fill(store, 3)
    assert store.submit(request("more"), 3) is Submitted.FULL
    assert store.submit(request("t1"), 3) is Submitted.KNOWN
    store.claim("me", LEASE)
    assert store.submit(request("more"), 3) is Submitted.NEW


def test_the_queue_is_worked_off_in_order_and_each_is_claimed_once(store: Store) -> None:
    names = fill(store, 40)
    claimed: list[str] = []

    def work(owner: str) -> None:
        while (run := store.claim(owner, LEASE)) is not None:
            claimed.append(run.request.task_id)

    threads = [threading.Thread(target=work, args=(f"owner{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(names)
    fresh = fill_more = [f"u{number}" for number in range(3)]
    for name in fill_more:
        store.submit(request(name), 1000)
    assert [store.claim("me", LEASE).request.task_id for _ in fresh] == fresh  # type: ignore[union-attr]


def test_many_clients_at_once_never_make_two_of_one(store: Store) -> None:
    outcomes: list[Submitted] = []

    def ask() -> None:
        outcomes.extend(store.submit(request(f"t{number}"), 5) for number in range(8))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Submitted.NEW) == 5
    assert outcomes.count(Submitted.FULL) == 15
    assert outcomes.count(Submitted.KNOWN) == 20


def test_only_the_owner_ends_an_invocation_and_only_once(store: Store) -> None:
    fill(store, 1)
    store.claim("me", LEASE)
    done = Ending(State.SUCCESS, exit_code=0)
    assert not store.finish("t0", "other", done)
    assert store.finish("t0", "me", done)
    assert not store.finish("t0", "me", Ending(State.FAILURE))
    run = store.find("t0")
    assert run is not None
    assert (run.state, run.exit_code, run.owner) == (State.SUCCESS, 0, "me")
    assert run.created_at <= run.started_at <= run.ended_at  # type: ignore[operator]


def test_what_another_process_left_is_ended_and_never_waits_again(database: Database, store: Store) -> None:
    fill(store, 2)
    store.claim("before", -1.0)
    assert store.end_lost("now") == ("t0",)
    lost = store.find("t0")
    assert lost is not None
    assert (lost.state, lost.exc_type) == (State.INTERNAL_ERROR, "ServerLost")
    assert store.claim("now", LEASE).request.task_id == "t1"  # type: ignore[union-attr]
    assert store.claim("now", LEASE) is None
    assert store.end_lost("now") == ()
    assert not store.finish("t0", "before", Ending(State.SUCCESS))


def test_a_lease_is_renewed_for_what_runs_and_nothing_else(database: Database, store: Store) -> None:
    fill(store, 2)
    for _ in range(2):
        store.claim("me", -1.0)
    store.renew("me", ["t1"], LEASE)
    # A file has one server, which needs no lease.
    assert store.end_lost("me") == (("t0",) if database.is_shared else ())


def test_abort(store: Store) -> None:
    fill(store, 2)
    store.claim("me", LEASE)
    assert store.abort("none") is None
    assert store.abort("t1").state is State.ABORTED  # type: ignore[union-attr]
    assert store.abort("t0").state is State.STARTED  # type: ignore[union-attr]
    assert store.aborted_of("me") == ("t0",)
    assert store.aborted_of("other") == ()
    assert store.claim("me", LEASE) is None
    store.finish("t0", "me", Ending(State.SUCCESS, exit_code=0))
    assert store.abort("t0").state is State.SUCCESS  # type: ignore[union-attr]


def test_pages(store: Store) -> None:
    fill(store, 5)
    store.claim("me", LEASE)
    first = store.page(size=3, after=None, state=None, project=None)
    second = store.page(size=3, after=first.next, state=None, project=None)
    names = [run.request.task_id for page in (first, second) for run in page.runs]
    assert names == ["t4", "t3", "t2", "t1", "t0"]
    assert second.next is None
    started = store.page(size=3, after=None, state=State.STARTED, project="shop")
    assert [run.request.task_id for run in started.runs] == ["t0"]
    assert store.page(size=3, after=None, state=None, project="other").runs == ()
    assert store.counts() == {State.PENDING: 4, State.STARTED: 1}


def test_remove_and_forget(database: Database, store: Store) -> None:
    outputs = Outputs(database)
    fill(store, 2)
    store.claim("me", LEASE)
    outputs.append_log("t0", 0, b"one\n")
    outputs.keep_artifact("t0", "run_results.json", b"{}")
    assert not store.remove("t0")
    store.finish("t0", "me", Ending(State.SUCCESS))
    assert store.remove("t0")
    assert outputs.artifacts("t0") == ()
    assert outputs.log("t0", 0, 100).data == b""
    assert store.submit(request("t0"), 10) is Submitted.KNOWN
    assert store.forget(1000) == 0
    assert store.forget(-1) == 1
    assert store.submit(request("t0"), 10) is Submitted.NEW
    assert store.find("t1") is not None


def test_logs_are_read_in_whole_lines_from_anywhere(database: Database, store: Store) -> None:
    outputs = Outputs(database)
    fill(store, 1)
    whole = b"".join(b"line %d %s\n" % (number, "ü".encode() * (number % 7)) for number in range(100))
    writer = LogWriter(outputs, "t0", 1_000_000)
    for line in whole.decode().splitlines():
        writer.add(line)
    writer.close()
    for size in (13, 100, 1000, 100_000):
        read, offset = b"", 0
        while (part := outputs.log("t0", offset, size)).data:
            assert part.next_offset == offset + len(part.data)
            assert size < 50 or part.data.endswith(b"\n")
            read, offset = read + part.data, part.next_offset
        assert read == whole
    assert store.find("t0").log_bytes == len(whole)  # type: ignore[union-attr]


def test_a_log_that_is_too_long_keeps_its_beginning_and_its_end(database: Database, store: Store) -> None:
    outputs = Outputs(database)
    fill(store, 1)
    writer = LogWriter(outputs, "t0", 8000)
    for number in range(2000):
        writer.add(f"line {number}")
    writer.close()
    text = outputs.log("t0", 0, 100_000).data.decode()
    assert len(text) <= 8200
    lines = text.splitlines()
    assert lines[:2] == ["line 0", "line 1"]
    assert lines[-1] == "line 1999"
    (cut,) = [line for line in lines if "left out" in line]
    left_out = int(cut.split('"msg": "')[1].split()[0])
    assert left_out + len(text) - len(cut) - 1 == sum(len(f"line {number}\n") for number in range(2000))


def test_a_transaction_is_all_or_nothing(database: Database, store: Store) -> None:
    def broken() -> None:
        with database.transaction() as cursor:
            cursor.run("DELETE FROM invocation")
            raise KeyError

    fill(store, 1)
    with pytest.raises(KeyError):
        broken()
    assert store.find("t0") is not None
    with pytest.raises(DatabaseError), database.transaction() as cursor:
        cursor.run("SELECT nonsense FROM nowhere")
    assert store.find("t0") is not None


def test_a_state_file_has_one_server(tmp_path: Path) -> None:
    first = SqliteDatabase(tmp_path / "state.sqlite")
    with pytest.raises(UsageError, match="Another server uses"):
        SqliteDatabase(tmp_path / "state.sqlite")
    first.close()
    SqliteDatabase(tmp_path / "state.sqlite").close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("no database, however long this text may be " * 50)
    with pytest.raises(UsageError, match="cannot be used"):
        SqliteDatabase(tmp_path / "state.sqlite")


def test_a_full_disk_is_told_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "state.sqlite")
    store = Store(database)
    with (
        disk_with_room_for_files_of((tmp_path / "state.sqlite").stat().st_size),
        pytest.raises(DatabaseError, match=r"(disk is full|disk I/O error)"),
    ):
        store.submit(request("large", "run", "x" * 5_000_000), 1000)
    assert store.submit(request("after"), 1000) is Submitted.NEW
    database.close()


def test_an_address_is_never_in_a_message() -> None:
    with pytest.raises(UsageError) as told:
        PostgresDatabase("postgresql://me:s3cret@127.0.0.1:1/none")
    assert "s3cret" not in str(told.value)
