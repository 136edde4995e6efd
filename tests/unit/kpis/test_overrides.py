"""What tenants change in a folder: what is in force, what is refused with which line, and what numbers come of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import ManualClock, load_settings
from kpis import KpiJobs, load_catalogue
from kpis.brand import Brand
from kpis.checking import wrong_expressions
from kpis.drill import drill
from kpis.expressions import refusal
from kpis.meanings import Meanings
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar
from kpis.toml_lines import line_of
from storage import ClickHouse, StateDb, migrate_state, open_state
from tests.unit.kpis.events import moment
from tests.unit.kpis.test_drill import march
from tests.unit.kpis.test_view_kpis import NOW, Shop

CATALOGUE = load_catalogue().chosen(lambda one: one.id in ("on_time_delivery", "orders_placed"))
OWN = """
id = "web_orders"
version = 1
name = "Orders from the web"
question = "How many orders come from the web shop?"
unit = "count"
direction = "up"
owner = "Web shop"
view = "orders"
grains = ["day"]
small_sample = 1
description = "Orders placed in the web shop."
formula = "number of orders placed in the web shop"
cohort = "the time the order was placed"
open_cases = "none"
at = "PlacedAt"
statistic = "sum"
numerator = "Channel = 'web'"

[dimensions]
buyer = "CustomerId"

[[excluded]]
when = "FailedAt IS NOT NULL"
reason = "orders that could not be accepted"
"""
STEPS = itertools.count(1)


class Home:
    """A tenant's folder, and the definitions that come of it."""

    def __init__(self, folder: Path, ch: ClickHouse, state: StateDb, tenant: str) -> None:
        self.tenant, self.folder, self.clock = tenant, folder / tenant, ManualClock(NOW)
        self.folder.mkdir(parents=True)
        self.ch, self.state, self.root = ch, state, folder
        self.definitions = self.opened()

    def opened(self) -> TenantDefinitions:
        """As after a start."""
        meanings = Meanings(self.state, self.clock)
        made = TenantDefinitions(CATALOGUE, Calendar(), self.clock, self.root, ch=self.ch, meanings=meanings)
        made.refresh()
        return made

    def write(self, name: str, text: str) -> list[str]:
        """A file's new content; what is wrong then."""
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, ns=(next(STEPS), next(STEPS)))
        self.definitions.refresh()
        return [str(one) for one in self.definitions.problems(self.tenant)]

    @property
    def ids(self) -> list[str]:
        return list(self.definitions.of(self.tenant).catalogue.definitions)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDb]:
    state = open_state(load_settings(data_dir=tmp_path_factory.mktemp("state")))
    migrate_state(state)
    yield state
    state.close()


@pytest.fixture
def home(clickhouse: ClickHouse, tmp_path: Path, tenant: str, state: StateDb) -> Home:
    return Home(tmp_path, clickhouse, state, tenant)


def test_a_target_of_ones_own_is_nobody_elses(home: Home) -> None:
    assert home.write("on_time_delivery.toml", "target = 0.99\ntolerance = 0\nheadline = true\n") == []
    own = home.definitions.of(home.tenant).catalogue.get("on_time_delivery")
    assert (own.target, own.tolerance, own.headline, own.version) == (0.99, 0, True, 2)
    assert home.definitions.of("somebody else") is home.definitions.usual
    assert CATALOGUE.get("on_time_delivery").target == 0.95
    same = home.definitions.of(home.tenant)
    home.definitions.refresh()
    assert home.definitions.of(home.tenant) is same
    (home.folder / "on_time_delivery.toml").unlink()
    home.definitions.refresh()
    assert home.definitions.of(home.tenant) is home.definitions.usual


def test_other_parameters_are_another_version_and_leave_history_alone(home: Home) -> None:
    shop = Shop(home.ch, home.tenant)
    shop.jobs = KpiJobs(home.ch, shop.clock, CATALOGUE, [home.tenant], kpis_of=home.definitions.of)
    shop.take(*march())
    before = shop.told("on_time_delivery", "instant", "2026-03-04T00:00")
    (said,) = home.write("on_time_delivery.toml", "target = 0.9\nparameters = { tolerance_s = 3600 }\n")
    assert said == (
        f"{home.tenant}/on_time_delivery.toml:2: parameters: other parameters give other numbers: "
        "add version = 3 or more"
    )
    assert home.write("on_time_delivery.toml", "version = 3\nparameters = { tolerance_s = 3600 }\n") == []
    shop.take()
    assert shop.told("on_time_delivery", "instant", "2026-03-04T00:00") == before, "version 2 stays as it was"
    changed = home.definitions.of(home.tenant).catalogue
    rows = home.ch.query(
        "SELECT Version, Value FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND KpiId = 'on_time_delivery'"
        " AND Grain = 'day' AND Basis = 'instant' ORDER BY Version",
        {"tenant": home.tenant},
    ).rows
    assert [tuple(row) for row in rows] == [(2, before[0]), (3, 1)]
    period = moment("2026-03-04T00:00"), moment("2026-03-05T00:00")
    page = drill(home.ch, home.tenant, changed.get("on_time_delivery"), *period, "misses")
    assert (page.version, page.cases) == (3, ())
    (said,) = home.write("on_time_delivery.toml", "version = 3\nparameters = { tolerance_s = 60 }\n")
    assert "on_time_delivery.toml:1: version: 3 was in force with other expressions or parameters" in said
    assert home.definitions.of(home.tenant).catalogue is changed
    (found,) = home.definitions.problems(home.tenant)
    assert found.in_force == "what it said before, version 3"


def test_a_currency_and_a_brand(home: Home) -> None:
    said = 'currency = "EUR"\n[brand]\nname = "Acme"\ncolour = "#7a1f4e"\nlogo = "acme.svg"\n'
    (problem,) = home.write("tenant.toml", said)
    assert "tenant.toml:2: brand: logo 'acme.svg' cannot be read" in problem
    (home.folder / "acme.svg").write_bytes(b"<svg/>")
    assert home.write("tenant.toml", said + "# again\n") == []
    found = home.definitions.of(home.tenant)
    assert (found.currency, found.brand) == ("EUR", Brand("Acme", "#7a1f4e", b"<svg/>", "svg"))
    (problem,) = home.write("tenant.toml", 'currency = "euro"\n')
    assert "tenant.toml:1: currency" in problem
    assert home.definitions.of(home.tenant) is found


def test_a_kpi_of_ones_own(home: Home) -> None:
    shop = Shop(home.ch, home.tenant)
    shop.jobs = KpiJobs(home.ch, shop.clock, CATALOGUE, [home.tenant], kpis_of=home.definitions.of)
    shop.take(*march())
    assert home.write("web_orders.toml", OWN) == []
    assert home.ids == ["on_time_delivery", "orders_placed", "web_orders"]
    shop.take()
    own = home.definitions.of(home.tenant).catalogue
    rows = home.ch.query(
        "SELECT Value, SampleSize, Excluded FROM kpi_values FINAL WHERE TenantId = {tenant:String}"
        " AND KpiId = 'web_orders' AND Grain = 'day'",
        {"tenant": home.tenant},
    ).rows
    assert [tuple(row) for row in rows] == [(2, 4, 1)]
    assert list(own.get("web_orders").breakdowns)[-1] == "buyer"
    (said,) = home.write("web_orders.toml", OWN.replace("'web'", "'shop'"))
    assert f"{home.tenant}/web_orders.toml:3: version: 1 was in force with other" in said
    assert home.definitions.of(home.tenant).catalogue is own
    assert home.write("web_orders.toml", OWN.replace("'web'", "'shop'").replace("version = 1", "version = 2")) == []
    assert home.write("web_orders.toml", OWN.replace("Web shop", "Somebody")) == [], "words may change"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("orders_placed.toml", "target = 100\ntolerance = = 2\n", "orders_placed.toml:2: not TOML: "),
        ("orders_placed.toml", "target = 100\n\ntolerence = 2\n", "orders_placed.toml:3: tolerence: extra inputs are"),
        ("orders_placed.toml", "target = nan\n", "orders_placed.toml:1: target: "),
        ("orders_placed.toml", "[parameters]\nx = 1\n", "orders_placed.toml:1: parameters: orders_placed has no"),
        ("on_time_delivery.toml", "[parameters]\ntolerance_s = 'x'\n", "on_time_delivery.toml:2: parameters.toler"),
        ("tenant.toml", 'timezone = "Berlin"\n', "tenant.toml:1: timezone: a time zone is an IANA name"),
        ("tenant.toml", 'week_begins = 1\nmonths = "444"\n', "tenant.toml:2: months: "),
        ("Web.toml", OWN, "Web.toml: the file's name is the KPI's id"),
        ("web_orders.toml", OWN.replace("'web'\"", "'web' AND Chanel = ''\""),
         "web_orders.toml:18: numerator: \"Channel = 'web' AND Chanel = ''\": 'Chanel' is no column of the view; did"),
        ("web_orders.toml", OWN.replace("FailedAt IS NOT NULL", "FailedAt IS NOT"),
         "web_orders.toml:24: excluded.0.when: 'FailedAt IS NOT': "),
        ("web_orders.toml", OWN.replace('"CustomerId"', '"lower(LinesOpen)"'), "web_orders.toml:21: dimensions.buy"),
        ("web_orders.toml", OWN.replace("\"Channel = 'web'\"", '"max(1)"'), "web_orders.toml:18: numerator: 'max(1)'"),
        ("web_orders.toml", OWN.replace('view = "orders"', 'source = "otel_traces"'), "web_orders.toml:9: source: a d"),
        ("web_orders.toml", OWN.replace('view = "orders"', 'view = "order"'), "web_orders.toml:9: view: there"),
        ("other.toml", OWN, "other.toml:2: id: must be the file's name 'other'"),
        ("web_orders.toml", "a = " + "[" * 3000 + "]" * 3000, "web_orders.toml: not TOML: it is nested too deep"),
        ("tenant.toml", 'currency = "ZZZ"\n', "tenant.toml:1: currency: a currency is a code of ISO"),
        ("on_time_delivery.toml", "target = 97\n", "on_time_delivery.toml:1: target: a ratio is 0 to 1 (97 %"),
        ("orders_placed.toml", "target = -1\n", "orders_placed.toml:1: target: a count is 0 or more, got -1"),
        ("web_orders.toml", "target = nan" + OWN, "web_orders.toml:1: target: input should be a finite number"),
        ("web_orders.toml", "target = 97" + OWN.replace('"count"', '"ratio"'), "web_orders.toml:1: target: a ratio is"),
        ("web_orders.toml", OWN.replace('["day"]', '["day", "day"]'), "web_orders.toml:10: grains: a grain is"),
        ("web_orders.toml", OWN.replace("Orders from", "x" * 200), "web_orders.toml:4: name: string should have"),
        ("web_orders.toml", OWN.replace("Channel = 'web'", "Channel"), "web_orders.toml:18: numerator: 'Channel': it"),
        ("web_orders.toml", OWN.replace('at = "PlacedAt"', 'at = "5"'), "web_orders.toml:16: at: '5': it gives UInt8"),
        ("web_orders.toml", OWN.replace("FailedAt IS NOT NULL", "Channel"), "web_orders.toml:24: excluded.0.when: 'Ch"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_its_line_and_changes_nothing(home: Home, name: str, text: str, said: str) -> None:
    assert home.write("zz_right.toml", OWN.replace("web_orders", "zz_right")) == []
    before = home.definitions.of(home.tenant)
    (told,) = home.write(name, text)
    assert told.startswith(f"{home.tenant}/{said}")
    assert home.definitions.of(home.tenant) is before
    (home.folder / name).unlink()
    home.definitions.refresh()
    assert home.definitions.problems() == ()


@pytest.mark.parametrize("numerator", ["Channel LIKE '%eb'", "(Lines % 2)", "Channel = '%s'", "Channel = '%(tenant)s'"])
def test_a_percent_sign_is_one(home: Home, numerator: str) -> None:
    assert home.write("web_orders.toml", OWN.replace("Channel = 'web'", numerator)) == []
    assert "web_orders" in home.ids


def test_a_folder_that_is_checked_by_hand_is_guarded_as_a_tenants_is(home: Home, tmp_path: Path) -> None:
    """Else it is called right, and refused by the service."""
    folder = tmp_path / "by-hand"
    folder.mkdir()
    (folder / "web_orders.toml").write_text(OWN.replace("Channel = 'web'", "length(file('/etc/passwd'))"))
    (found,) = wrong_expressions(home.ch, load_catalogue(folder), folder)
    assert "web_orders.toml:18: numerator: " in found
    assert "file() is none of the functions" in found


def test_after_a_start_the_right_files_are_in_force_and_the_wrong_ones_are_told(home: Home) -> None:
    home.write("web_orders.toml", OWN)
    home.write("orders_placed.toml", "target = 'many'\n")
    again = home.opened()
    assert "web_orders" in again.of(home.tenant).catalogue.definitions
    assert again.of(home.tenant).catalogue.get("orders_placed") == CATALOGUE.get("orders_placed")
    (told,) = again.problems(home.tenant)
    assert told.in_force == "nothing of it"


def test_a_folder_that_is_gone_leaves_what_was_read(home: Home) -> None:
    home.write("orders_placed.toml", "target = 5\n")
    home.root.rename(home.root.with_name("moved"))
    home.definitions.refresh()
    assert home.definitions.of(home.tenant).catalogue.get("orders_placed").target == 5
    (told,) = home.definitions.problems()
    assert told.in_force == "all that was read before"
    home.root.with_name("moved").rename(home.root)
    home.definitions.refresh()
    assert home.definitions.problems() == ()


def test_a_calendar(home: Home) -> None:
    assert home.write("tenant.toml", 'timezone = "Europe/Berlin"\nmonths = "445"\nyear_begins = 2\n') == []
    assert home.definitions.of(home.tenant).calendar == Calendar("Europe/Berlin", 1, "445", 2)


COLUMNS = ("Channel", "PlacedAt", "Amount", "Lines")


@pytest.mark.parametrize(
    "expression",
    [
        "Channel = 'web' AND Amount IS NOT NULL",
        "Channel IN ('web', 'it''s')",
        "dateDiff('nanosecond', PlacedAt, PlacedAt) / 1e9",
        "toDate(PlacedAt, {tz:String}) + {days:Float64}",
        "arrayCount((x, y) -> x > y, [1, 2], [3, 4]) + arrayCount(z -> z > 1, [1])",
        "CASE WHEN Lines > 2 THEN 1 ELSE 0 END",
        "PlacedAt + INTERVAL 1 DAY",
        "tuple(Lines, 2).1",
    ],
)
def test_expressions_that_may_be_used(expression: str) -> None:
    assert refusal(expression, COLUMNS, {"days": 1.0}) == ""


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(SELECT count() FROM process_events)", "'SELECT' is no column"),
        ("(SELECT(1))", "SELECT() is none of the functions"),
        ("Channel IN process_events", "IN is followed by a list"),
        ("Lines IN numbers(10)", "IN is followed by a list"),
        ("dictGet('d', 'a', 1)", "dictGet() is none of the functions"),
        ("joinGet('t', 'a', 1)", "joinGet() is none of the functions"),
        ("file('/etc/passwd')", "file() is none of the functions"),
        ("now() > PlacedAt", "now() is none of the functions"),
        ("rand()", "rand() is none of the functions"),
        ("sleep(3)", "sleep() is none of the functions"),
        ("arrayJoin([1, 2])", "arrayJoin() is none of the functions"),
        ("sum(Lines)", "sum() is none of the functions"),
        ("getSetting('x')", "getSetting() is none of the functions"),
        ("1 -- all", "is no part of an expression"),
        ("1 /* */", "is no part of an expression"),
        ("1; DROP TABLE x", "is no part of an expression"),
        ("`TenantId`", "is no part of an expression"),
        ('"TenantId"', "is no part of an expression"),
        ("TenantId = 'x'", "'TenantId' is no column"),
        ("system.tables", "'system' is no column"),
        ("{days:UInt8}", "a parameter is a number"),
        ("{hours:Float64}", "is no parameter"),
        ("Chanel = 'x'", "did you mean Channel?"),
        ("1 +" * 2000, "at most 4000 characters"),
    ],
)
def test_expressions_that_may_not(expression: str, said: str) -> None:
    found = refusal(expression, COLUMNS, {"days": 1.0})
    assert said in found


LINED = '''a = 1
text = """
b = 2
"""
b = 3
parameters = { x = 1 }

[[bases]]
id = "one"

[[bases]]
id = "two"
numerator = "1"

[dimensions]
c = "d"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1), (("b",), 5), (("parameters", "x"), 6), (("bases", 1, "numerator"), 13), (("bases", 0, "nmrtr"), 8),
        (("bases",), 8), (("dimensions", "c"), 16), (("missing",), None), ((), None), (("bases", 7, "id"), None),
    ],
)  # fmt: skip
def test_the_line_of_a_key(path: tuple[str | int, ...], line: int | None) -> None:
    found: Callable[..., int | None] = line_of
    assert found(LINED, path) == line
