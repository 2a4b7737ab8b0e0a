"""What the publisher's tests share is in small_servers.py beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from builders import Stage, patient

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def stage(whole):
    """The steps before a publisher process; `whole` is the module's own rig."""
    made = Stage(whole.client, patient(whole.client))
    made.processing.test_clock = made.lanes.test_clock = ""  # processes go by the server's clock
    await made.lead()
    return made
