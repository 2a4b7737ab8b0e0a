"""One JSON line per figure, and what the benchmarks read of processes."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import orjson

_TICKS = os.sysconf("SC_CLK_TCK")


def figure(name: str, value: float, unit: str, beside: str) -> None:
    """`beside`: what it was measured beside, or how."""
    print(orjson.dumps({"name": name, "value": round(value, 2), "unit": unit, "beside": beside}).decode(), flush=True)


def machine() -> None:
    """The first line of every benchmark."""
    load = os.getloadavg()[0]
    text = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    figure("machine.cores", os.cpu_count() or 0, "cores", text)


def percentiles(name: str, values_ms: Sequence[float], beside: str) -> None:
    """p50, p99 and the largest."""
    cuts = statistics.quantiles(values_ms, n=100)
    figure(f"{name}.p50", cuts[49], "ms", beside)
    figure(f"{name}.p99", cuts[98], "ms", beside)
    figure(f"{name}.max", max(values_ms), "ms", beside)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
