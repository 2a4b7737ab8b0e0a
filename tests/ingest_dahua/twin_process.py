"""The recorder's twin in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx

USER, PASSWORD = "gantry", "invented-1"


class Twin:
    """Started with its command line's arguments; `stop` it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "twins.recorder", "--password", PASSWORD, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.base = json.loads(self._process.stdout.readline())["listening"]
        self.url = f"{self.base}/cgi-bin/eventManager.cgi?action=attach&codes=[All]&heartbeat=60"
        self._http = httpx.Client(base_url=self.base, trust_env=False)

    def state(self) -> dict[str, Any]:
        return dict(self._http.get("/twin/state").json())

    def sent(self) -> list[dict[str, Any]]:
        return list(self._http.get("/twin/sent").json())

    def post(self, verb: str) -> None:
        self._http.post(f"/twin/{verb}").raise_for_status()

    def stop(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.communicate(timeout=10)
