"""A twin in a process of its own, for tests, benchmarks and demonstrations: `with started(keys) as agent: ...`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

STOP_S = 10.0


class AgentHandle:
    """What one may ask of a running twin. `url` is what IOTA_JSON_BASE takes, `north` what IOTA_NORTH_URL takes."""

    def __init__(
        self, base: str, process: subprocess.Popen[bytes] | None = None, *, control: str = "", north: str = ""
    ) -> None:
        self.base, self.url, self.north, self.process = base, f"{base}/iot/json", north, process
        self._client = httpx.Client(base_url=control or base, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def script(self, answer: str, **more: Any) -> None:
        """Answer so; `more`: target, device, match, times, probability, seed, classes, ms, retry_after_s."""
        self._client.post("/twin/script", json={"answer": answer, **more}).raise_for_status()

    def clear(self) -> None:
        self._client.post("/twin/clear").raise_for_status()

    def forget(self) -> None:
        self._client.post("/twin/forget").raise_for_status()

    def outage(self, mode: str | None, seconds: float = 0) -> None:
        """`mode`: "refuse" (connections), the name of an answer, or None: it is over."""
        self._client.post("/twin/outage", json={"mode": mode, "seconds": seconds}).raise_for_status()

    def latency(self, ms: int) -> None:
        self._client.post("/twin/latency", json={"ms": ms}).raise_for_status()

    def answers(self) -> list[str]:
        return list(self._get("/twin/answers"))

    def state(self) -> dict[str, Any]:
        return dict(self._get("/twin/state"))

    def measures(self, first: int = 1, limit: int = 10_000) -> list[dict[str, Any]]:
        """Objects with n, t, target, device, request, applied, answer, receipt, body; in the order of application."""
        return list(self._get(f"/twin/measures?from={first}&limit={limit}"))

    def _get(self, path: str) -> Any:
        return orjson.loads(self._client.get(path).raise_for_status().content)


@contextlib.contextmanager
def started(keys: Mapping[str, str], *options: str) -> Iterator[AgentHandle]:
    """Start a twin on a free port of loopback; `keys`: target → API key. Stops it at the end."""
    named = [word for target, key in keys.items() for word in ("--key", f"{target}={key}")]
    command = [sys.executable, "-m", "twins.agent", "--port", "0", "--control-port", "0", *named, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own module
        try:
            assert process.stdout is not None  # noqa: S101 - tells mypy what PIPE gives
            ports = orjson.loads(process.stdout.readline())
            with AgentHandle(
                ports["listening"], process, control=ports["control"], north=ports.get("north", "")
            ) as handle:
                yield handle
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
