"""The test suite's ClickHouse server itself: what it promises to its callers, asked without any client library."""

from __future__ import annotations

import gzip
import http.client
import json
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import lz4.block
import lz4.frame
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tests.support.async_inserts import AsyncInserts
from tests.support.clickhouse_process import ClickHouseServer, clickhouse_server
from tests.support.engine_sessions import Outcome, Refused
from tests.support.faults import Action
from tests.support.http_wire import unpack_blocks


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse_server(tmp_path_factory.mktemp("server"), user="ops", password="pw") as found:
        found.ask("CREATE TABLE rows (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
        yield found


def post(
    server: ClickHouseServer, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None, **query: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        known = {"X-ClickHouse-User": "ops", "X-ClickHouse-Key": "pw"} | (headers or {})
        connection.request("POST", f"/?{urlencode(query)}", body, known)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def blocks(data: bytes) -> bytes:
    """ClickHouse's own compression; the checksum is not looked at."""
    packed = lz4.block.compress(data, store_size=False)
    return b"\0" * 16 + struct.pack("<BII", 0x82, len(packed) + 9, len(data)) + packed


ENCODINGS = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "lz4": lz4.frame.compress,
    "": bytes,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_inserts_in_every_encoding(server: ClickHouseServer, encoding: str) -> None:
    text = f"INSERT INTO rows FORMAT TSV\n1\tenc{encoding}\n2\tenc{encoding}\n".encode()
    headers = {"Content-Encoding": encoding} if encoding else {}
    status, body, told = post(server, ENCODINGS[encoding](text), headers)
    assert (status, body) == (200, b"")
    assert json.loads(told["x-clickhouse-summary"])["written_rows"] == "2"
    assert server.ask(f"SELECT count() FROM rows WHERE s = 'enc{encoding}'") == [["2"]]


def test_a_chunked_insert_in_native_blocks(server: ClickHouseServer) -> None:
    """As rotel sends it: the statement in the URL, rows in blocks, each in a chunk."""
    rows = [struct.pack("<Q", number) + b"\x05chunk" for number in range(1_000)]
    chunks = (blocks(b"".join(rows[start : start + 100])) for start in range(0, 1_000, 100))
    status, body, _ = post(server, chunks, query="INSERT INTO rows (a,s) FORMAT RowBinary", decompress="1")
    assert (status, body) == (200, b"")
    assert server.ask("SELECT count(), sum(a) FROM rows WHERE s = 'chunk'") == [["1000", "499500"]]


@given(st.lists(st.binary(max_size=3_000), max_size=5))
def test_native_blocks_come_back(pieces: list[bytes]) -> None:
    assert unpack_blocks(b"".join(blocks(piece) for piece in pieces if piece)) == b"".join(pieces)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
def test_answers_in_the_encoding_that_was_asked_for(server: ClickHouseServer, encoding: str) -> None:
    unpacked = {"gzip": gzip.decompress, "zstd": zstd.decompress, "lz4": lz4.frame.decompress}[encoding]
    _, body, told = post(
        server, b"SELECT number FROM numbers(3)", {"Accept-Encoding": encoding}, enable_http_compression="1"
    )
    assert (unpacked(body), told["content-encoding"]) == (b"0\n1\n2\n", encoding)


ERRORS = [
    ("SELECT * FROM nope", 404, "60"),
    ("SELECT nope", 404, "47"),
    ("SELECT (1", 400, "62"),
    ("SELECT 1 SETTINGS nope = 1", 404, "115"),
    ("INSERT INTO nope FORMAT TSV\n1", 404, "60"),
    ("INSERT INTO rows FORMAT TSV\nx\ty\n", 400, "27"),
    ("SELECT throwIf(1)", 500, "395"),
    ("SELECT 1", 404, "115"),
]


@pytest.mark.parametrize(("sql", "status", "code"), ERRORS, ids=[f"{row[2]} {row[0][:12]}" for row in ERRORS])
def test_errors_have_numbers_and_statuses(server: ClickHouseServer, sql: str, status: int, code: str) -> None:
    query = {"nope": "1"} if sql == "SELECT 1" else {}
    found, body, told = post(server, sql.encode(), **query)
    assert (found, told["x-clickhouse-exception-code"]) == (status, code)
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_settings_and_parameters_last_for_one_request(server: ClickHouseServer) -> None:
    sql = b"SELECT getSetting('max_block_size'), {a:String}"
    assert post(server, sql, max_block_size="77", param_a="x'\\ty")[1] == b"77\tx\\'\\ty\n"
    assert post(server, b"SELECT getSetting('max_block_size')")[1] != b"77\n"


@pytest.mark.parametrize("password", ["", "no"])
def test_only_the_one_user_comes_in(server: ClickHouseServer, password: str) -> None:
    status, body, told = post(server, b"SELECT 1", {"X-ClickHouse-Key": password})
    assert (status, told["x-clickhouse-exception-code"]) == (403, "516")
    assert b"Authentication failed" in body


def test_inserts_run_beside_one_another(server: ClickHouseServer) -> None:
    def insert(number: int) -> int:
        return post(server, f"INSERT INTO rows FORMAT TSV\n{number}\tbeside\n".encode())[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(insert, range(40))) == [200] * 40
    assert server.ask("SELECT count(), uniqExact(a) FROM rows WHERE s = 'beside'") == [["40", "40"]]


def test_asynchronous_inserts_make_one_part(server: ClickHouseServer) -> None:
    server.ask("CREATE TABLE together (a UInt64) ENGINE = MergeTree ORDER BY a")

    def insert(number: int) -> int:
        row = struct.pack("<Q", number)
        return post(server, row, query="INSERT INTO together (a) FORMAT RowBinary", async_insert="1")[0]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(insert, range(6))) == [200] * 6
    parts, rows = server.ask("SELECT count(), sum(rows) FROM system.parts WHERE table = 'together' AND active")[0]
    assert rows == "6"
    assert int(parts) < 6


def test_everybody_in_a_refused_batch_is_told() -> None:
    batches, told = AsyncInserts(), list[str]()

    def fail(data: bytes) -> Outcome:
        raise Refused(27, "Code: 27.")

    def caller() -> None:
        try:
            batches.insert("key", b"x", fail)
        except Refused as error:
            told.append(error.text)

    threads = [threading.Thread(target=caller) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["Code: 27."] * 3


@pytest.mark.parametrize("action", [Action.CUT_HEAD, Action.CUT_BODY, Action.CUT_AFTER, Action.CUT_ANSWER])
def test_a_cut_is_executed_or_not_as_it_says(server: ClickHouseServer, action: Action) -> None:
    """And strikes as often as it was told."""
    server.fault(action, f"INTO rows /* {action} */", times=1)
    text = f"INSERT INTO rows /* {action} */ FORMAT TSV\n1\tcut-{action}\n".encode()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        post(server, text)
    executed = action in (Action.CUT_AFTER, Action.CUT_ANSWER)
    assert server.ask(f"SELECT count() FROM rows WHERE s = 'cut-{action}'") == [["1" if executed else "0"]]
    assert post(server, text)[0] == 200


def test_it_goes_away_and_comes_back_with_its_data(tmp_path: Path) -> None:
    with clickhouse_server(tmp_path / "server") as server:
        server.ask("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        server.ask("INSERT INTO kept VALUES (1)")
        server.tell(listening=False)
        with pytest.raises(ConnectionRefusedError):
            server.ask("SELECT 1")
        server.tell(listening=True)
        assert server.ask("SELECT a FROM kept") == [["1"]]
        server.kill()
        server.start()
        assert server.ask("SELECT a FROM kept") == [["1"]]
