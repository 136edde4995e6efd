"""What a statement of the query API may be: one SELECT on the product's own tables.

The engine's own parser decides what the statement is, not a pattern over its text. It first writes the text, given as
a bound value, as one statement: what is more than one is refused, and nothing of it has run. Then it shows the syntax
tree (EXPLAIN AST), of which only known kinds of node pass. What runs is the engine's own writing of the statement,
read-only, with limits, and with a filter on the caller's tenant on every table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core import InvalidInput, LimitExceeded, Principal, QueryRejected, Settings, StorageError, StoreUnavailable
from storage import ClickHouse, QueryResult

TABLE_FUNCTIONS = frozenset({"numbers", "zeros", "generateSeries", "generate_series", "values"})
SYSTEM_TABLES = frozenset({"system.one", "system.numbers"})
HIDDEN = re.compile(r"^(.*_in|.*_mv|schema_migrations.*|kpi_batch_.*|kpi_made_.*)$")
FORBIDDEN_FUNCTIONS = re.compile(
    r"^(file|dictGet.*|dictHas|joinGet.*|catboost.*|sleep.*|getServerSetting|getClientHTTPHeader|getMacro|hostName"
    r"|addressToLine.*|addressToSymbol|demangle|currentDatabase.*|initializeAggregation|queryID|filesystem.*|FQDN"
    r"|fullHostName|serverUUID|showCertificate|reverseDNSQuery|logTrace|getMergeTreeSetting|getServerPort|tcpPort"
    r"|getOSKernelVersion|displayName|ai(Classify|Embed|Extract|Filter|Generate|Redact|Similarity|Translate))$",
    re.IGNORECASE,
)
NODES = frozenset(
    {
        "SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery", "ExpressionList", "WithElement",
        "Subquery", "TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression", "TableIdentifier",
        "TableJoin", "ArrayJoin", "SampleRatio", "Function", "Identifier", "Literal", "Asterisk", "QualifiedAsterisk",
        "ColumnsRegexpMatcher", "QualifiedColumnsRegexpMatcher", "ColumnsListMatcher", "QualifiedColumnsListMatcher",
        "ColumnsTransformerList", "ColumnsExceptTransformer", "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformer::Replacement", "WindowDefinition", "WindowListElement", "OrderByElement",
        "InterpolateElement",
    }
)  # fmt: skip
"""What EXPLAIN AST shows whole. APPLY is not among them: the function that it calls is not shown."""
NAMES = {"ColumnsApplyTransformer": "APPLY"}
PLACEHOLDER = re.compile(r"\{(\w+)\s*:")
WAY_OUT = "send one SELECT on the product's tables, without FORMAT, SETTINGS and INTO OUTFILE"


class QueryGuard:
    """Runs statements of administrators, and nothing that writes, leaves the database or sees another tenant."""

    def __init__(self, ch: ClickHouse, settings: Settings) -> None:
        self._ch = ch
        self._seconds, self._rows = settings.query_max_seconds, settings.query_max_rows
        sql = "SELECT name FROM system.tables WHERE database = {database:String}"
        names = [str(name) for (name,) in ch.query(sql, {"database": ch.database}).rows]
        self._tables = frozenset(name for name in names if not HIDDEN.match(name))
        self._hidden = frozenset(names) - self._tables
        databases = [str(name) for (name,) in ch.query("SELECT name FROM system.databases").rows]
        self._foreign = frozenset(databases) - {ch.database}

    def run(self, principal: Principal, sql: str, params: Mapping[str, Any]) -> QueryResult:
        """The answer; raises QueryRejected, LimitExceeded or StoreUnavailable."""
        if not sql.strip().strip(";").strip():
            raise InvalidInput("the statement is empty", hint=WAY_OUT)
        try:
            statement = str(self._ch.query("SELECT formatQuerySingleLine({sql:String})", {"sql": sql}).scalar())
            # a value without a place would make the client write values into the text itself
            bound = {name: params[name] for name in PLACEHOLDER.findall(statement) if name in params}
            self._check(statement, bound)
            settings = {
                "readonly": 2,
                "max_execution_time": self._seconds,
                "max_result_rows": self._rows,
                "result_overflow_mode": "throw",
                "max_memory_usage": 2_000_000_000,
                "additional_table_filters": self._filters(principal.tenant),
            }
            return self._ch.query(statement, bound, settings)
        except (QueryRejected, LimitExceeded, StoreUnavailable):
            raise
        except StorageError as error:  # the engine works; it is the statement that it cannot run
            raise QueryRejected(error.message, hint=WAY_OUT) from error

    def _filters(self, tenant: str) -> str:
        quoted = tenant.replace("\\", "\\\\").replace("'", "\\'")
        condition = f"TenantId = '{quoted}'".replace("\\", "\\\\").replace("'", "\\'")
        return "{" + ", ".join(f"'{self._ch.database}.{name}': '{condition}'" for name in sorted(self._tables)) + "}"

    def _check(self, statement: str, params: Mapping[str, Any]) -> None:
        # the client takes what ends in LIMIT 0 for a question about columns, and fails on the lines of EXPLAIN
        shown = f"({statement})" if statement.endswith("LIMIT 0") else statement
        rows = self._ch.query(f"EXPLAIN AST {shown}", params).rows
        lines = [str(line) for (line,) in rows]
        if not lines or not lines[0].startswith("SelectWithUnionQuery"):
            raise QueryRejected("only SELECT is allowed", hint=WAY_OUT)
        open_tables = {f"{self._ch.database}.{name}" for name in self._tables} | self._tables | SYSTEM_TABLES
        own = self._tables | self._hidden
        tables = own | {f"{self._ch.database}.{name}" for name in own}
        previous = ""
        for line in lines:
            kind, _, rest = line.strip().partition(" ")
            name = rest.split(" ", 1)[0]
            at_root = len(line) - len(line.lstrip(" ")) == 1
            if kind == "Set" or (at_root and (kind == "Literal" or (kind == "Identifier" and name != "Native"))):
                raise QueryRejected("FORMAT, SETTINGS and INTO OUTFILE are not allowed", hint=WAY_OUT)
            if kind not in NODES:
                raise QueryRejected(f"{NAMES.get(kind, kind)} is not allowed", hint=WAY_OUT)
            if kind == "Function" and previous == "TableExpression" and name not in TABLE_FUNCTIONS:
                raise QueryRejected(f"the table function {name} is not allowed", hint=WAY_OUT)
            if kind == "Function" and FORBIDDEN_FUNCTIONS.match(name):
                raise QueryRejected(f"the function {name} is not allowed", hint=WAY_OUT)
            if kind == "Identifier" and (name in tables or name.partition(".")[0] in self._foreign):
                raise QueryRejected(f"{name} is a table, not a column", hint=f"write (SELECT … FROM {name}) instead")
            # a name without a dot that is no table of ours is a subquery of WITH, or the engine says it is unknown
            if kind == "TableIdentifier" and name not in open_tables and ("." in name or name in self._hidden):
                raise QueryRejected(f"{name} cannot be read here", hint=f"one of {', '.join(sorted(self._tables))}")
            previous = kind
