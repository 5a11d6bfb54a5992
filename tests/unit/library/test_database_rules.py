"""What the pool decides without asking anybody."""

from __future__ import annotations

import asyncpg
import pytest

from atalaia.database import DatabaseMetrics, DatabaseSettings, Pool
from atalaia.database.errors import Kind, Phase, may_have_committed, may_run_again, trouble
from atalaia.database.metrics import Sizes
from atalaia.database.watched import Fitness, Track, leaves_state
from atalaia.errors import Misconfigured
from atalaia.service import Instruments

ALL = [(kind, phase) for kind in Kind for phase in Phase]


def test_what_writes_may_run_again() -> None:
    again = {(k, p) for k, p in ALL if may_run_again(k, p, read_only=False)}
    assert again == {
        (Kind.LOST, Phase.ACQUIRING),
        (Kind.LOST, Phase.WORKING),
        (Kind.CONFLICT, Phase.WORKING),
        (Kind.CONFLICT, Phase.COMMITTING),
        (Kind.DEMOTED, Phase.WORKING),
        (Kind.DEMOTED, Phase.COMMITTING),
    }


def test_what_only_reads_may_run_again_when_its_end_was_lost_too() -> None:
    more = {(k, p) for k, p in ALL if may_run_again(k, p, read_only=True)} - {
        (k, p) for k, p in ALL if may_run_again(k, p, read_only=False)
    }
    assert more == {(Kind.LOST, Phase.COMMITTING)}


def test_nothing_that_may_have_been_committed_runs_again() -> None:
    assert not any(may_have_committed(k, p) and may_run_again(k, p, read_only=False) for k, p in ALL)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.SerializationError("x"), Kind.CONFLICT),
        (asyncpg.DeadlockDetectedError("x"), Kind.CONFLICT),
        (asyncpg.ReadOnlySQLTransactionError("x"), Kind.DEMOTED),
        (asyncpg.InvalidPasswordError("x"), Kind.TURNED_AWAY),
        (asyncpg.ConnectionDoesNotExistError("x"), Kind.LOST),
        (asyncpg.AdminShutdownError("x"), Kind.LOST),
        (asyncpg.InterfaceError("connection is closed"), Kind.LOST),
        (asyncpg.QueryCanceledError("x"), Kind.BUSY),
        (asyncpg.DiskFullError("x"), Kind.BUSY),
    ],
)
def test_what_an_error_of_the_driver_is(error: Exception, kind: Kind) -> None:
    found = trouble(error)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("x"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.DataError("x"),
        ConnectionResetError("of the caller's own request"),
        TimeoutError("of the caller's own"),
        KeyError("x"),
    ],
)
def test_bugs_and_the_callers_own_errors_are_none_of_it(error: Exception) -> None:
    assert trouble(error) is None


def fitness(now_s: float, *, trusted_since_s: float = 0.0) -> Fitness:
    return Track(born_s=0.0, proved_s=100.0, retires_s=3600.0).fitness(now_s, 3.0, trusted_since_s)


def test_a_connection_is_fit_until_it_idles_ages_or_falls_into_doubt() -> None:
    assert fitness(102.9) is Fitness.GOOD
    assert fitness(103.1) is Fitness.UNPROVEN
    assert fitness(102.0, trusted_since_s=101.0) is Fitness.SUSPECT
    assert fitness(3600.0) is Fitness.AGED


@pytest.mark.parametrize(
    "statement",
    [
        "SET search_path TO other",
        "  reset all",
        "SELECT 1; SET x.y = '1'",
        "/* why */ SET x.y = '1'",
        "-- why\nset x.y = '1'",
        "LISTEN news",
        "SELECT pg_advisory_lock($1)",
        "select set_config('x.y', '1', false)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "DO $$ BEGIN END $$",
        "CALL anything()",
    ],
)
def test_statements_that_leave_something_behind_are_seen(statement: str) -> None:
    assert leaves_state(statement)


@pytest.mark.parametrize(
    "statement", ["SELECT 1", "UPDATE t SET a = 1", "INSERT INTO settings VALUES ($1)", "BEGIN;", "COMMIT;"]
)
def test_ordinary_statements_leave_nothing_behind(statement: str) -> None:
    assert not leaves_state(statement)


def test_more_kept_than_may_be_open_is_refused_with_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATALAIA_DATABASE_KEPT", "60")
    with pytest.raises(Misconfigured, match=r"ATALAIA_DATABASE_KEPT is 60, but ATALAIA_DATABASE_MOST is 50"):
        DatabaseSettings.load()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATALAIA_DATABASE_MOST", "0"),
        ("ATALAIA_DATABASE_ACQUIRE_TIMEOUT_S", "0"),
        ("ATALAIA_DATABASE_STATEMENT_TIMEOUT_S", "soon"),
        ("ATALAIA_DATABASE_TRANSACTION_POOLING", "perhaps"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured, match=f"{variable} is '{value}'"):
        DatabaseSettings.load()


def test_a_pool_of_impossible_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not 5 of 4"):
        Pool("postgresql://nobody@127.0.0.1:1/none", kept=5, most=4)


def metrics() -> DatabaseMetrics:
    return DatabaseMetrics("shop", lambda: Sizes(used=3, idle=17, waiting=1, kept=20, most=50))


def test_gauges_and_counters_are_told_apart_under_opentelemetrys_names() -> None:
    instruments, meter = Instruments(), metrics()
    instruments.watch(meter)
    meter.recycled = 4
    pool = 'db.client.connection.pool.name="shop"'
    assert (
        instruments.gauges()[f'db.client.connection.count{{{pool},db.client.connection.state="used"}}'] == 3
    )
    assert instruments.gauges()[f"db.client.connection.pending_requests{{{pool}}}"] == 1
    assert instruments.all_counters()[f"db.client.connection.recycled{{{pool}}}"] == 4


def test_waits_are_a_histogram_that_is_taken_once() -> None:
    instruments, meter = Instruments(), metrics()
    instruments.watch(meter)
    meter.unwaited = 9
    meter.waited(0.5)
    (delta,) = instruments.histograms().values()
    assert (delta.count, delta.zero_count, delta.sum) == (10, 9, 0.5)
    assert instruments.histograms() == {}
