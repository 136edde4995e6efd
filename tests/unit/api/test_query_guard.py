"""The query API's guard: what may run, what may not, and whose rows a statement sees."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.query_guard import QueryGuard
from core import (
    InvalidInput,
    LimitExceeded,
    OpsintelError,
    Principal,
    QueryRejected,
    Role,
    load_settings,
)
from storage import ClickHouse, QueryResult

OWN, THEIRS = 3, 50
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_NUMBERS = itertools.count(1)


class Asker:
    """Somebody of a tenant with three cases; another tenant has fifty."""

    def __init__(self, ch: ClickHouse, **limits: Any) -> None:
        number = next(_NUMBERS)
        self.ch, self.own, self.theirs = ch, f"guard-{number}", f"other-{number}"
        self.secret = f"secret-{number}"
        rows = [(self.own, "s", f"own-{index}", "t" * 32, AT, AT) for index in range(OWN)]
        rows += [(self.theirs, "s", f"{self.secret}-{index}", "u" * 32, AT, AT) for index in range(THEIRS)]
        ch.insert_rows("case_index", ["TenantId", "Stream", "CaseId", "TraceId", "First", "Last"], rows)
        self.guard = QueryGuard(ch, load_settings(**limits))
        self.principal = Principal("somebody", self.own, frozenset({Role.ADMIN}))

    def run(self, sql: str, **params: Any) -> QueryResult:
        return self.guard.run(self.principal, sql, params)

    def one(self, sql: str, **params: Any) -> Any:
        return self.run(sql, **params).scalar()


@pytest.fixture(scope="module")
def asker(clickhouse: ClickHouse) -> Asker:
    return Asker(clickhouse)


@pytest.fixture(scope="module", autouse=True)
def _no_table_was_touched(clickhouse: ClickHouse) -> Iterator[None]:
    """Nothing that this module sends may change the schema, whatever else it checks; what it aims at is a bait."""
    clickhouse.command("CREATE DATABASE bait")
    clickhouse.command("CREATE TABLE bait.precious (a UInt8) ENGINE = Memory")
    sql = "SELECT database, name, create_table_query FROM system.tables WHERE database != 'system' ORDER BY ALL"
    before = clickhouse.query(sql).rows
    yield
    after = clickhouse.query(sql).rows
    clickhouse.command("DROP DATABASE bait")
    assert after == before


# --- what may run ---

ALLOWED = [
    ("SELECT 1", [(1,)]),
    ("  select 1 ;; ", [(1,)]),
    ("(SELECT 1)", [(1,)]),
    ("SELECT 1 -- a remark", [(1,)]),
    ("SELECT 1 # a remark", [(1,)]),
    ("/* a; remark */ SELECT ';' AS `;`", [(";",)]),
    ("SELECT 'é€😀' AS `ü`", [("é€😀",)]),
    ("SELECT 'FORMAT' AS settings, 'INTO OUTFILE' AS format", [("FORMAT", "INTO OUTFILE")]),
    ("SELECT 'a\\tb\\\\ \\'q\\'\n'", [("a\tb\\ 'q'\n",)]),
    ("WITH x AS (SELECT 1 AS n) SELECT n FROM x", [(1,)]),
    ("FROM case_index SELECT count()", [(OWN,)]),
    ("SELECT count() FROM opsintel.case_index", [(OWN,)]),
    ("SELECT sum(number) FROM numbers(4) WHERE number IN (SELECT 2 UNION ALL SELECT 3)", [(5,)]),
    ("SELECT a FROM values('a UInt8', 1, 2) ORDER BY a DESC LIMIT 1 BY a LIMIT 1", [(2,)]),
    ("SELECT arrayMap(x -> x + 1, [1, 2])", [([2, 3],)]),
    ("SELECT 7 % 4, 3 IN (1, 2, 3), CASE WHEN 1 THEN 'a' END, toString(1)::String", [(3, 1, "a", "1")]),
    ("SELECT sum(n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) FROM (SELECT 1 AS n)", [(1,)]),
    ("SELECT * EXCEPT (b) FROM (SELECT 1 AS a, 2 AS b)", [(1,)]),
    ("SELECT * REPLACE (a + 1 AS a) FROM (SELECT 1 AS a)", [(2,)]),
    ("SELECT x FROM (SELECT [1, 2] AS xs) ARRAY JOIN xs AS x WHERE x > 1", [(2,)]),
    ("SELECT 1 WHERE EXISTS (SELECT 1)", [(1,)]),
    ("SELECT 1 INTERSECT SELECT 1", [(1,)]),
    ("SELECT n FROM (SELECT 1 AS n) GROUP BY GROUPING SETS ((n)) HAVING n = 1", [(1,)]),
    ("SELECT quantile(0.5)(number), countIf(number > 1) FROM numbers(3)", [(1.0, 1)]),
    ("SELECT a.CaseId FROM case_index AS a FINAL LEFT JOIN case_index AS b USING (CaseId) WHERE a.CaseId = 'own-1'",
     [("own-1",)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rows"), ALLOWED, ids=[sql[:40] for sql, _ in ALLOWED])
def test_a_select_is_answered(asker: Asker, sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert asker.run(sql).rows == rows


def test_no_rows_keep_their_columns(asker: Asker) -> None:
    found = asker.run("SELECT CaseId, Stream FROM case_index LIMIT 0")
    assert (found.columns, found.rows) == (("CaseId", "Stream"), [])


# --- what may not ---

FORBIDDEN = {
    "two statements": "SELECT 1; SELECT 2",
    "a second statement that destroys": "SELECT 1; DROP TABLE bait.precious",
    "a second statement behind a remark": "SELECT 1 -- \n; DROP TABLE bait.precious --",
    "a second statement without blanks": "SELECT 1;DROP TABLE bait.precious;",
    "a second statement behind a format": "SELECT 1 FORMAT Native; DROP TABLE bait.precious",
    "a zero byte": "SELECT 1\0; DROP TABLE bait.precious",
    "a setting of EXPLAIN": "graph = 1 SELECT 1; DROP TABLE bait.precious",
    "insert": "INSERT INTO kpi_values SELECT * FROM kpi_values",
    "drop": "DROP TABLE bait.precious",
    "alter": "ALTER TABLE kpi_values DELETE WHERE 1",
    "create": "CREATE TABLE t (a UInt8) ENGINE = Memory",
    "truncate": "TRUNCATE TABLE kpi_values",
    "system": "SYSTEM FLUSH LOGS",
    "set": "SET readonly = 0",
    "use": "USE system",
    "show": "SHOW TABLES",
    "describe": "DESCRIBE TABLE kpi_values",
    "explain": "EXPLAIN SELECT 1",
    "explain in a subquery": "SELECT * FROM (EXPLAIN SELECT 1)",
    "kill": "KILL QUERY WHERE 1",
    "grant": "GRANT ALL ON *.* TO x",
    "backup": "BACKUP TABLE kpi_values TO File('/x')",
    "nonsense": "frobnicate the tables",
    "an open string": "SELECT 'a",
    "an open remark": "SELECT 1 /* a",
    "format": "SELECT 1 FORMAT JSON",
    "the driver's own format": "SELECT 1 FORMAT Native",
    "outfile": "SELECT 1 INTO OUTFILE 'guard-was-here.txt'",
    "outfile with a format": "SELECT 1 INTO OUTFILE 'guard-was-here.txt' TRUNCATE FORMAT CSV",
    "settings": "SELECT 1 SETTINGS readonly = 0",
    "settings in a subquery": "SELECT * FROM (SELECT 1 SETTINGS additional_table_filters = {})",
    "settings in a union": "SELECT 1 UNION ALL SELECT 2 SETTINGS readonly = 0",
    "system tables": "SELECT * FROM system.tables",
    "system tables, quoted": "SELECT * FROM `system` . `tables`",
    "system tables, in capitals": "SELECT * FROM SYSTEM.TABLES",
    "information schema": "SELECT * FROM information_schema.tables",
    "another database": "SELECT * FROM default.x",
    "system tables in a join": "SELECT 1 FROM case_index AS a JOIN system.users AS b ON 1",
    "system tables in WITH": "WITH x AS (SELECT * FROM system.users) SELECT * FROM x",
    "system tables in IN": "SELECT 1 WHERE 'a' IN (SELECT name FROM system.users)",
    "a system table right of IN": "SELECT 'a' IN system.databases",
    "a system table right of NOT IN": "SELECT 'a' NOT IN (`system`.`databases`)",
    "a table right of IN": "SELECT ('a', 's', 'c') IN case_index",
    "a table of the database right of IN": "SELECT 1 IN opsintel.case_index",
    "a hidden table right of IN": "SELECT 1 IN traces_in",
    "a hidden table with its database right of IN": "SELECT 1 GLOBAL IN opsintel.schema_migrations",
    "where the segments enter": "SELECT * FROM traces_in",
    "a view": "SELECT * FROM traces_in_mv",
    "the migrations": "SELECT * FROM opsintel.schema_migrations",
    "events put aside, of whichever tenant": "SELECT * FROM kpi_batch_1",
    "rows put aside": "SELECT * FROM opsintel.kpi_made_orders",
    "file()": "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "url()": "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
    "remote()": "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "merge()": "SELECT * FROM merge('opsintel', '.*')",
    "executable()": "SELECT * FROM executable('x', 'TSV', 'a String')",
    "sqlite()": "SELECT * FROM sqlite('state.db', 'api_keys')",
    "python()": "SELECT * FROM Python(x)",
    "view()": "SELECT * FROM view(SELECT 1)",
    "a table function in a join": "SELECT 1 FROM case_index, file('/etc/passwd') AS f",
    "reading a file": "SELECT file('/etc/passwd')",
    "reading a file, quoted": "SELECT `file`('/etc/passwd')",
    "reading a file in a lambda": "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "reading a file by APPLY": "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)",
    "reading a file by a lambda of APPLY": "SELECT COLUMNS('x') APPLY(y -> file(y)) FROM (SELECT '/etc/passwd' AS x)",
    "reading a file by REPLACE": "SELECT * REPLACE (file(x) AS x) FROM (SELECT '/etc/passwd' AS x)",
    "reading a file in ORDER BY": "SELECT 1 ORDER BY file('/etc/passwd')",
    "reading a file in a window": "SELECT count() OVER (PARTITION BY file('/etc/passwd'))",
    "a dictionary": "SELECT dictGet('d', 'a', 1)",
    "a join table": "SELECT joinGet('j', 'a', 1)",
    "sleep": "SELECT sleep(3)",
    "sleep in capitals": "SELECT SLEEP(3)",
    "the machine's name": "SELECT hostName(), fqdn()",
    "a call to the network": "SELECT aiGenerate('x', 'hello')",
    "too deep": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_is_refused(asker: Asker, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryRejected):
        asker.run(FORBIDDEN[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT * FROM {t:Identifier}", {"t": "schema_migrations"}),
        ("SELECT * FROM {d:Identifier}.{t:Identifier}", {"d": "system", "t": "users"}),
        ("SELECT * FROM {t:Identifier}", {"t": "system.users"}),
        ("SELECT 'a' IN {t:Identifier}", {"t": "case_index"}),
        ("SELECT {t:Identifier} FROM case_index", {"t": "1; DROP TABLE bait.precious"}),
        ("SELECT '%(x)s', {y:UInt8}", {"x": "'; DROP TABLE bait.precious; --", "y": "1; DROP TABLE bait.precious"}),
    ],
)
def test_a_bound_name_opens_nothing(asker: Asker, sql: str, params: dict[str, Any]) -> None:
    with pytest.raises(QueryRejected):
        asker.run(sql, **params)


@pytest.mark.parametrize("sql", ["", " \n", ";", " ; ; "])
def test_an_empty_statement_is_refused(asker: Asker, sql: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        asker.run(sql)


@pytest.mark.parametrize(
    "sql",
    ["SELECT throwIf(1)", "SELECT nope", "SELECT toUInt8('x')", "SELECT 1 IN (SELECT 1, 2)",
     "SELECT * FROM case_index SAMPLE 0.1", "SELECT {a:String}", "SELECT intDiv(1, 0)", "SELECT * FROM nowhere"],
)  # fmt: skip
def test_a_statement_that_fails_is_the_callers_mistake(asker: Asker, sql: str) -> None:
    """The engine works; answering 500 or 503 would send somebody to look for a fault there."""
    with pytest.raises(QueryRejected):
        asker.run(sql)


@given(text=st.text(max_size=40) | st.sampled_from(list(FORBIDDEN.values())).map(lambda sql: sql[: len(sql) // 2]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_answered_or_refused_in_order(asker: Asker, text: str) -> None:
    with contextlib.suppress(OpsintelError):
        asker.run(text)


@given(noise=st.lists(st.sampled_from([" ", "\n", "/* ' */", "-- `\n", "\t", "/*;*/", "#! x\n"]), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_remark_hides_a_second_statement(asker: Asker, noise: list[str]) -> None:
    between = "".join(noise)
    with pytest.raises(QueryRejected):
        asker.run(f"SELECT 1{between};{between}DROP TABLE bait.precious{between}")


# --- parameters ---

VALUES: list[tuple[str, Any, Any]] = [
    ("String", "x' OR 1=1 --", "x' OR 1=1 --"),
    ("String", "tab\tline\nback\\slash\0", "tab\tline\nback\\slash\0"),
    ("String", "%(a)s {b:String}", "%(a)s {b:String}"),
    ("Int64", -5, -5),
    ("Float64", 0.5, 0.5),
    ("Bool", True, True),
    ("Nullable(String)", None, None),
    ("Array(String)", ["x'", 'b"'], ["x'", 'b"']),
    ("DateTime('UTC')", "2026-03-02 09:00:00", AT),
]


@pytest.mark.parametrize(("kind", "value", "expected"), VALUES)
def test_a_value_is_bound(asker: Asker, kind: str, value: Any, expected: Any) -> None:
    assert asker.one(f"SELECT {{a:{kind}}}", a=value) == expected


@given(value=st.text())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was_bound(asker: Asker, value: str) -> None:
    assert asker.one("SELECT {value:String}", value=value) == value


def test_what_the_statement_does_not_name_is_not_bound(asker: Asker) -> None:
    """A client that falls back on writing values into the text would be a hole."""
    assert asker.run("SELECT 7 % 4, '%(a)s', '{'", a="x").rows == [(3, "%(a)s", "{")]


# --- tenants ---

COUNTS = {
    "plain": "SELECT count() FROM case_index",
    "another name": "SELECT count() FROM case_index AS other",
    "a name like its own": "SELECT count() FROM case_index AS `opsintel.case_index`",
    "a name like another table": "SELECT count() FROM case_index AS otel_logs",
    "a bound name": "SELECT count() FROM {t:Identifier}",
    "FINAL": "SELECT count() FROM case_index FINAL",
    "PREWHERE": "SELECT count() FROM case_index PREWHERE 1",
    "a condition that is always true": "SELECT count() FROM case_index WHERE 1 OR TenantId != ''",
    "DISTINCT": "SELECT count(DISTINCT CaseId) FROM case_index",
    "a subquery": "SELECT count() FROM (SELECT * FROM (SELECT * FROM case_index))",
    "a scalar": "SELECT (SELECT count() FROM case_index)",
    "a scalar in WITH": "WITH (SELECT count() FROM case_index) AS n SELECT n",
    "WITH": "WITH c AS (SELECT * FROM case_index) SELECT count() FROM c",
    "WITH, twice": "WITH c AS (SELECT CaseId FROM case_index) SELECT count() FROM c WHERE CaseId IN c",
    "a recursion": "WITH RECURSIVE r AS (SELECT CaseId, 1 AS n FROM case_index UNION ALL SELECT CaseId, n + 1 FROM r"
    " WHERE n < 1) SELECT count() FROM r",
    "the first of a union": "SELECT max(n) FROM (SELECT count() AS n FROM case_index UNION ALL SELECT 0)",
    "the last of a union": "SELECT max(n) FROM (SELECT 0 AS n UNION ALL SELECT count() FROM case_index)",
    "an intersection": "SELECT count() FROM case_index INTERSECT SELECT arrayJoin([3, 50, 53])",
    "a self-join": "SELECT count() FROM case_index AS a JOIN case_index AS b ON a.CaseId = b.CaseId",
    "a left join": "SELECT count() FROM case_index AS a LEFT JOIN case_index AS b ON a.CaseId = b.Stream",
    "a right join": "SELECT count() FROM (SELECT 's' AS Stream) AS a RIGHT JOIN case_index AS b ON a.Stream = b.Stream",
    "a cross join": "SELECT count() FROM case_index AS a, (SELECT 1) AS b",
    "a full join": "SELECT countIf(b.CaseId != '') FROM (SELECT 'x' AS CaseId) AS a FULL JOIN case_index AS b"
    " USING CaseId",
    "IN": "SELECT count() FROM case_index WHERE CaseId IN (SELECT CaseId FROM case_index)",
    "EXISTS": "SELECT count() FROM case_index AS a WHERE EXISTS"
    " (SELECT 1 FROM case_index AS b WHERE b.CaseId = a.CaseId)",
    "an array": "SELECT length(groupArray(CaseId)) FROM case_index",
    "ARRAY JOIN": "SELECT count() FROM numbers(1) ARRAY JOIN (SELECT groupArray(CaseId) FROM case_index) AS c",
    "LIMIT BY": "SELECT count() FROM (SELECT CaseId FROM case_index ORDER BY CaseId DESC LIMIT 1 BY CaseId)",
    "a remark behind": "SELECT count() FROM case_index -- ",
    "a window": "SELECT max(n) FROM (SELECT count() OVER () AS n FROM case_index)",
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_only_the_own_rows_count(asker: Asker, name: str) -> None:
    assert asker.one(COUNTS[name], t="case_index") == OWN


@pytest.mark.parametrize(
    "sql",
    ["SELECT DISTINCT TenantId FROM case_index", "SELECT max(CaseId), min(CaseId) FROM case_index",
     "SELECT CaseId FROM case_index ORDER BY CaseId DESC LIMIT 1",
     "SELECT * FROM case_index WHERE TenantId = {t:String}",
     "SELECT any(TenantId) FROM case_index WHERE CaseId LIKE 'secret%'", "SELECT topK(100)(CaseId) FROM case_index",
     "SELECT {t:String} IN (SELECT TenantId FROM case_index) AS found HAVING found"],
)  # fmt: skip
def test_nothing_of_another_tenant_is_in_an_answer(asker: Asker, sql: str) -> None:
    text = str(asker.run(sql, t=asker.theirs).rows)
    assert asker.secret not in text
    assert asker.theirs not in text


def relations() -> st.SearchStrategy[str]:
    """Queries that give the column CaseId, nested in each other."""

    def wrap(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        return (
            inner.map(lambda q: f"SELECT CaseId FROM ({q}) AS a")
            | inner.map(lambda q: f"WITH c AS ({q}) SELECT CaseId FROM c")
            | inner.map(lambda q: f"SELECT DISTINCT CaseId FROM ({q}) AS a ORDER BY CaseId DESC")
            | pair.map(lambda two: f"SELECT CaseId FROM ({two[0]}) AS a UNION ALL SELECT CaseId FROM ({two[1]}) AS b")
            | pair.map(
                lambda two: f"SELECT a.CaseId AS CaseId FROM ({two[0]}) AS a JOIN ({two[1]}) AS b USING (CaseId)"
            )
            | pair.map(
                lambda two: f"SELECT b.CaseId AS CaseId FROM ({two[0]}) AS a RIGHT JOIN ({two[1]}) AS b USING (CaseId)"
            )
            | pair.map(lambda two: f"SELECT CaseId FROM ({two[0]}) AS a WHERE CaseId IN ({two[1]})")
            | pair.map(lambda two: f"SELECT CaseId FROM ({two[0]}) AS a WHERE CaseId NOT IN ({two[1]})")
        )

    base = st.sampled_from(["SELECT CaseId FROM case_index", "SELECT CaseId FROM opsintel.case_index AS x FINAL"])
    return st.recursive(base, wrap, max_leaves=4)


@given(sql=relations())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_composition_of_queries_reaches_another_tenant(asker: Asker, sql: str) -> None:
    assert {case for (case,) in asker.run(sql).rows} <= {"", *(f"own-{index}" for index in range(OWN))}


def test_every_open_table_can_be_filtered_by_tenant(asker: Asker) -> None:
    for table in sorted(asker.guard._tables):
        assert asker.one(f"SELECT count() FROM {table} WHERE TenantId != {{own:String}}", own=asker.own) == 0


@pytest.mark.parametrize("name", ["o'brien", "back\\slash", "x' OR '1'='1", "a\\' OR 1 --", "{}", "ü"])
def test_a_tenants_name_cannot_break_out_of_the_filter(asker: Asker, name: str) -> None:
    somebody = Principal("somebody", name, frozenset({Role.ADMIN}))
    assert asker.guard.run(somebody, "SELECT count() FROM case_index", {}).scalar() == 0


# --- limits ---


def test_too_many_rows_are_refused(clickhouse: ClickHouse) -> None:
    asker = Asker(clickhouse, query_max_rows=10)
    assert len(asker.run("SELECT number FROM numbers(10)").rows) == 10
    with pytest.raises(LimitExceeded, match="rows"):
        asker.run("SELECT number FROM numbers(11)")


def test_a_long_statement_is_ended(clickhouse: ClickHouse) -> None:
    asker = Asker(clickhouse, query_max_seconds=0.2)
    with pytest.raises(LimitExceeded, match="imeout"):
        asker.run("SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number)")


def test_limits_and_filters_stay_with_their_statement(asker: Asker) -> None:
    """The same handles serve the product's own statements."""
    asker.run("SELECT 1")
    assert asker.ch.query("SELECT getSetting('readonly')").scalar() == 0
    own = asker.ch.query("SELECT count() FROM case_index WHERE TenantId = {t:String}", {"t": asker.theirs})
    assert own.scalar() == THEIRS
