from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from gantry import web
from gantry.errors import CannotListen


async def test_a_taken_port_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(web.serve(None, host="127.0.0.1", port=port, stop=asyncio.Event()), 5)
    assert raised.group_contains(CannotListen, match=str(port))


def test_a_service_whose_port_is_taken_ends_with_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        environ = {"METRICS_PORT": str(taken.getsockname()[1]), "REDIS_URL": f"unix://{tmp_path}/none.sock"}
        ended = subprocess.run(
            [sys.executable, "-m", "processor"], env=environ, capture_output=True, text=True, timeout=20, check=False
        )
    assert ended.returncode == 1
    assert '"event":"cannot_listen"' in ended.stdout and "Traceback" not in ended.stdout + ended.stderr
