"""Disk, memory, file descriptors, ports and permissions of the machine that the service is on."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from api.doctor.log import segment_files
from api.doctor.model import Finding, Status, Subject, graded, size_text
from storage.retention import list_partitions

GIB = 1 << 30
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def disk(subject: Subject) -> Iterator[Finding]:
    """Free space for the log to grow to its limit, and how long the space lasts."""
    folder = existing(subject.settings.data_dir)
    usage = shutil.disk_usage(folder)
    log = sum(path.stat().st_size for _, path in segment_files(subject.settings.wal_dir) if path.exists())
    wanted = max(0, subject.settings.wal_max_bytes - log)
    status = Status.OK
    if usage.free < wanted or usage.free < usage.total * 0.1:
        status = Status.WARN
    if usage.free < GIB or usage.free < usage.total * 0.02:
        status = Status.FAIL
    yield Finding(
        "disk.free",
        status,
        f"{size_text(usage.free)} of {size_text(usage.total)} free; the log may still grow by {size_text(wanted)}",
        "When the disk is full the log refuses (503 / UNAVAILABLE) and the engine cannot merge.",
        "Free or add space, shorten a retention (`opsintel retention set`), or lower OPSINTEL_WAL_MAX_BYTES.",
        {"free": usage.free, "total": usage.total, "log_may_grow": wanted},
    )
    nodes = os.statvfs(folder)
    if nodes.f_files:
        left = nodes.f_favail / nodes.f_files
        yield Finding(
            "disk.inodes",
            graded(1 - left, 0.9, 0.98),
            f"{left:.0%} of the inodes are free",
            "Every part of a table and every segment of the log needs some.",
            "Remove small files or use a file system with more inodes.",
            {"free_share": left},
        )
    if subject.ch is not None and subject.ch.embedded:
        yield from _growth(subject, usage.free)


def _growth(subject: Subject, free: int) -> Iterator[Finding]:
    """From the daily partitions of the last full week."""
    assert subject.ch is not None
    now = subject.clock.now()
    days = {int(f"{now - timedelta(days=back):%Y%m%d}") for back in range(1, 8)}
    recent = [one for one in list_partitions(subject.ch) if one.bucket in days]
    if not recent:
        yield Finding("disk.growth", Status.OK, "too young to say: no full day of data yet")
        return
    daily = sum(one.bytes for one in recent) / len({one.bucket for one in recent})
    left = free / daily if daily else float("inf")
    status = Status.FAIL if left < 3 else Status.WARN if left < 14 else Status.OK
    yield Finding(
        "disk.growth",
        status,
        f"{size_text(daily)} a day on disk; the free space lasts {left:,.0f} days without retention",
        "Retention frees space, but only as much as it is told to.",
        "`opsintel retention show` says what takes the space; shorten the longest.",
        {"bytes_a_day": daily, "days_left": min(left, 1e9)},
    )


def permissions(subject: Subject) -> Iterator[Finding]:
    """Whether others may read or change the data."""
    folder = subject.settings.data_dir.absolute()
    if not folder.is_dir():
        yield Finding(
            "disk.permissions", Status.WARN, f"there is no {folder}", "Nothing has been stored here yet.",
            "Check OPSINTEL_DATA_DIR, or start the service once.",
        )  # fmt: skip
        return
    mode = folder.stat().st_mode
    problems = []
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        problems.append("this user cannot write it")
    if mode & stat.S_IWOTH:
        problems.append("everybody may change it")
    if os.access(folder, os.W_OK) and folder.stat().st_uid not in (os.geteuid(), 0):
        problems.append("it belongs to another user")
    yield Finding(
        "disk.permissions",
        Status.FAIL if "this user cannot write it" in problems else Status.WARN if problems else Status.OK,
        f"{folder} has mode {stat.filemode(mode)}" + (f": {', '.join(problems)}" if problems else ""),
        "The directory holds every tenant's data and the hashes of the API keys.",
        f"chown it to the service's user and chmod 750 {folder}.",
        {"mode": oct(stat.S_IMODE(mode))},
    )


def memory(subject: Subject) -> Iterator[Finding]:
    """What is available, and what this process has."""
    if not MEMINFO.exists():
        return
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    total, free = (int(lines[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))
    for limit, used in (("memory.max", "memory.current"),):
        text = (CGROUP / limit).read_text().strip() if (CGROUP / limit).exists() else "max"
        if text.isdigit() and int(text) < total:
            total, free = int(text), max(0, int(text) - int((CGROUP / used).read_text()))
    own = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    what = f", this service has {size_text(own)}" if subject.running else ""
    yield Finding(
        "machine.memory",
        graded(1 - free / total, 0.9, 0.97),
        f"{size_text(free)} of {size_text(total)} available{what}",
        "A query or a merge that finds no memory fails; the system may end the service.",
        "Give the machine more memory, or lower OPSINTEL_CLICKHOUSE_THREADS and OPSINTEL_WRITER_THREADS.",
        {"available": free, "total": total} | ({"own": own} if subject.running else {}),
    )


def descriptors(subject: Subject) -> Iterator[Finding]:
    """How many files may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    used = len(os.listdir("/proc/self/fd")) if subject.running and Path("/proc/self/fd").exists() else 0
    status = Status.OK if unlimited else Status.FAIL if used > soft * 0.9 else Status.WARN if soft < 4096 else Status.OK
    yield Finding(
        "machine.files",
        status,
        f"{used:,} open, {'no limit' if unlimited else f'{soft:,} allowed'}"
        if subject.running
        else f"{'no limit' if unlimited else f'{soft:,} allowed'} for this shell",
        "The engine opens a file for every part that it reads, the receivers one for every connection.",
        "Raise it: LimitNOFILE=65536 in the systemd unit, or `ulimit -n 65536`.",
        {"soft": soft, "hard": hard, "open": used},
    )


def ports(subject: Subject) -> Iterator[Finding]:
    """Whether the doors are open, or could be."""
    settings, running = subject.settings, subject.running
    if running is not None:
        doors = {"OTLP/HTTP": running.collector.http_port, "OTLP/gRPC": running.collector.grpc_port}
        shut = sorted(name for name, port in doors.items() if not port)
        yield Finding(
            "machine.ports",
            Status.WARN if shut else Status.OK,
            f"not open in this process: {', '.join(shut)}"
            if shut
            else ", ".join(f"{name} on {port}" for name, port in doors.items()),
            "Nobody can push to a door that is not open, unless another process has it.",
            "Look at the start of the service's log; are the receivers separate processes?",
            doors,
        )
        return
    wanted = {
        "API": (settings.http_host, settings.http_port),
        "OTLP/gRPC": (settings.otlp_bind_host, settings.otlp_grpc_port),
        "OTLP/HTTP": (settings.otlp_bind_host, settings.otlp_http_port),
    }
    if subject.in_use:  # most likely by that service
        return
    taken = [f"{name} {host}:{port}" for name, (host, port) in wanted.items() if port and not _free(host, port)]
    yield Finding(
        "machine.ports",
        Status.WARN if taken else Status.OK,
        f"taken: {', '.join(taken)}"
        if taken
        else "free: " + ", ".join(f"{port}" for _, port in wanted.values() if port),
        "The service cannot start on a port that another program has.",
        "Find it with `ss -ltnp`, or set OPSINTEL_HTTP_PORT, OPSINTEL_OTLP_GRPC_PORT, OPSINTEL_OTLP_HTTP_PORT.",
        {"taken": taken},
    )


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    folder = folder.absolute()
    return folder if folder.exists() else existing(folder.parent)


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
