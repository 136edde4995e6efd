"""The page's example is a file that works, and its table has every default."""

from __future__ import annotations

import re
from pathlib import Path

from collector.remote_write.queues import DEFAULTS, Depth, load_queue_metrics

PAGE = (Path(__file__).parents[3] / "docs" / "remote-write.md").read_text("utf-8")


def test_the_example_of_a_file(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "queues.toml"
    file.write_text(example)
    found = load_queue_metrics(file)
    assert found.find("backlog", {"topic": "t", "consumer": "c"}) == Depth(
        "retail.queue.depth", "{item}", "kafka", "t", "c"
    )
    labels = {"account": "123456789012", "queue": "q"}
    assert found.find("sqs_approximate_age_of_oldest_message_seconds", labels) == Depth(
        "retail.queue.oldest_age", "s", "aws_sqs", "q"
    )


def test_every_default_is_described() -> None:
    assert all(f"`{row.metric}`" in PAGE for row in DEFAULTS)
