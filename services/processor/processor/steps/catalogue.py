"""The event codes of recorders that mean something here: data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gantry import topology


class Family(Enum):
    """Which mapping reads an event."""

    CROSSING = "crossing"
    MOTION = "motion"
    JUNCTION = "junction"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a code."""

    family: Family
    target: str = ""  # of topology.TARGETS; empty: the event's content decides
    stop_counts: bool = False  # its Stop is an event of its own, not the end of a Start
    needs_data: bool = False  # without data nobody can say what was counted


KNOWN = {
    "CrossLineDetection": Known(Family.CROSSING, needs_data=True),
    "SmartMotionHuman": Known(Family.MOTION, target=topology.CROWD),
    "SmartMotionVehicle": Known(Family.MOTION, target=topology.EVD),
    "TrafficJunction": Known(Family.JUNCTION, target=topology.EVD, stop_counts=True, needs_data=True),
}

ACTIONS = ("Start", "Pulse", "Stop")  # that count, once `unwanted` has taken out the Stops that do not

# codes that one may not take for a Start's end either, once they are supported: NVRs send HumanTrait as Stop only
STOP_COUNTS = frozenset({"HumanTrait"} | {code for code, known in KNOWN.items() if known.stop_counts})

# what devices say about themselves; nothing of it is counted anywhere
NOISE = frozenset(
    {
        "IntelliFrame",
        "InterVideoAccess",
        "LeFunctionStatusSync",
        "NTPAdjustTime",
        "NewFile",
        "RtspSessionDisconnect",
        "TimeChange",
        "VideoMotionInfo",
    }
)


def unwanted(code: str, action: str) -> str:
    """Why an event is understood and not wanted; empty if it is wanted, or not known."""
    if code in NOISE:
        return "noise"
    if code not in KNOWN:
        return ""
    if action == "State":
        return "state"
    return "stop" if action == "Stop" and code not in STOP_COUNTS else ""
