"""The only door to ClickHouse, embedded or over HTTP."""
