"""Settings: typed, complete, and clear about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import ConfigurationError, Settings, load_settings


def test_defaults_are_the_public_face(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert (settings.otlp_grpc_port, settings.otlp_http_port) == (4317, 4318)
    assert settings.clickhouse_url == f"chdb://{tmp_path}/clickhouse"
    assert settings.state_url == f"sqlite:///{tmp_path}/state.db"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OPSINTEL_HTTP_PROT", "1", "did you mean OPSINTEL_HTTP_PORT"),
        ("OPSINTEL_HTTP_PORT", "70000", "http_port.*less than or equal to 65535.*'70000'"),
        ("OPSINTEL_LOG_FORMAT", "xml", "log_format.*'console' or 'json'"),
        ("OPSINTEL_WAL_MAX_BYTES", "12", "wal_max_bytes.*greater than or equal to 1048576"),
    ],
    ids=["unknown", "range", "choice", "least"],
)
def test_a_wrong_setting_names_itself(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in an error nor in the object's own text."""
    monkeypatch.setenv("OPSINTEL_ADMIN_TOKEN", "too-short-hush")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hush" not in str(caught.value)
    monkeypatch.setenv("OPSINTEL_ADMIN_TOKEN", "long-enough-to-be-a-token-hush")
    assert "hush" not in repr(load_settings())


def test_the_file_is_weaker_than_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "opsintel.toml"
    file.write_text('http_port = 9000\ntimezone = "Europe/Berlin"\n')
    monkeypatch.setenv("OPSINTEL_CONFIG", str(file))
    monkeypatch.setenv("OPSINTEL_HTTP_PORT", "9001")
    settings = load_settings()
    assert (settings.http_port, settings.timezone) == (9001, "Europe/Berlin")
    file.write_text("http_prt = 1\n")
    with pytest.raises(ConfigurationError, match="http_prt"):
        load_settings()


def test_a_missing_file_that_was_named_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPSINTEL_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("host", "otlp", "alone"),
    [("127.0.0.1", "", True), ("::1", "", True), ("localhost", "", True), ("0.0.0.0", "", False),
     ("127.0.0.1", "0.0.0.0", False), ("shop.example", "", False)],
)  # fmt: skip
def test_whether_strangers_can_reach_it(host: str, otlp: str, alone: bool) -> None:
    assert load_settings(http_host=host, otlp_host=otlp).loopback_only is alone


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.http_port = 1  # type: ignore[misc]
