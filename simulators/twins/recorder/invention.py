"""Invented events in the shape in which recorders write them. Pure: a seed and a clock in, texts out.

Start and Stop of one crossing carry the same payload, times included; smart motion carries no time at all; a plate
comes as one Pulse. The device's time grows strictly per channel, so that (channel, time) names an event.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

TIMED = ("CrossLineDetection", "TrafficJunction")
CODES = (*TIMED, "SmartMotionHuman", "SmartMotionVehicle")
_CONSONANTS = "BCDFGHJKLMNPRSTVWXYZ"
_COLOURS = ("White", "Black", "Gray", "Blue", "Red")
_CATEGORIES = ("SaloonCar", "SUV", "MicroTruck", "Bus")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `time_ms` is the device's, ms since the epoch, None where the code carries none."""

    channel: int
    code: str
    action: str
    time_ms: int | None
    event_id: int
    text: bytes


@dataclass
class Invention:
    """An endless row of events for `channels` channels, restricted to `codes`."""

    chance: random.Random
    channels: int
    codes: tuple[str, ...]
    _made: int = 0
    _ids: int = 10_000
    _times: dict[int, int] = field(default_factory=dict)  # channel -> last device time, ms
    _stops: list[tuple[int, int, Event]] = field(default_factory=list)  # heap of (when in events, tie, Stop)

    def next(self, now_ms: int, asked: tuple[str, ...]) -> Event | None:
        """The next event of the codes asked for; None if there is none such."""
        codes = [code for code in self.codes if code in asked]
        if not codes:
            return None
        self._made += 1
        if self._stops and self._stops[0][0] <= self._made:
            return heapq.heappop(self._stops)[2]
        code, channel = self.chance.choice(codes), self.chance.randrange(self.channels)
        self._ids += 1
        start = self._invent(code, channel, now_ms)
        if start.action == "Start":
            stop = self._stop_of(start)
            heapq.heappush(self._stops, (self._made + self.chance.randint(1, 6), self._ids, stop))
        return start

    def _invent(self, code: str, channel: int, now_ms: int) -> Event:
        if code in TIMED:
            at = self._times[channel] = max(now_ms, self._times.get(channel, 0) + 1)
            write = _junction if code == "TrafficJunction" else _crossing
            action = "Pulse" if code == "TrafficJunction" else "Start"
            data = write(self.chance, self._ids, at)
        else:
            at, action = None, "Start"
            data = _motion(self.chance, "HumamID" if code == "SmartMotionHuman" else "VehicleID", self._ids)
        return Event(channel, code, action, at, self._ids, _text(code, action, channel, data))

    def _stop_of(self, start: Event) -> Event:
        if start.time_ms is None:  # its rectangle has moved on
            data = _motion(self.chance, "HumamID" if start.code == "SmartMotionHuman" else "VehicleID", start.event_id)
            text = _text(start.code, "Stop", start.channel, data)
        else:
            text = start.text.replace(b";action=Start;", b";action=Stop;", 1)
        return Event(start.channel, start.code, "Stop", start.time_ms, start.event_id, text)


def _text(code: str, action: str, channel: int, data: str) -> bytes:
    return f"Code={code};action={action};index={channel};data={data}\n".encode()


def _box(chance: random.Random) -> str:
    x, y = chance.randrange(4000), chance.randrange(4000)
    return f"[ {x}, {y}, {x + chance.randrange(200, 4000)}, {y + chance.randrange(200, 4000)} ]"


def _times(at_ms: int) -> str:
    seconds, ms = divmod(at_ms, 1000)
    return f'"RealUTC" : {seconds},\n   "UTC" : {seconds},\n   "UTCMS" : {ms}'


def _crossing(chance: random.Random, number: int, at_ms: int) -> str:
    kind = chance.choice(("Human", "Vehicle"))
    direction = chance.choice(("LeftToRight", "RightToLeft"))
    return f"""{{
   "Class" : "Normal",
   "CountInGroup" : 1,
   "DetectLine" : [
      [ 1000, 4096 ],
      [ 7000, 4100 ]
   ],
   "Direction" : "{direction}",
   "EventID" : {number},
   "GroupID" : {number - 10_001},
   "IndexInGroup" : 1,
   "Name" : "Gate; north = in ",
   "Object" : {{
      "Action" : "Appear",
      "BoundingBox" : {_box(chance)},
      "Confidence" : {chance.randrange(60, 100)},
      "ObjectID" : {chance.randrange(10_000)},
      "ObjectType" : "{kind}",
      "RelativeID" : 0,
      "Speed" : 0
   }},
   "PTS" : {at_ms % 2**32}.0,
   "RuleID" : 2,
   "Track" : [],
   {_times(at_ms)}
}}"""


def _junction(chance: random.Random, number: int, at_ms: int) -> str:
    plate = f"{chance.randrange(10_000):04d}" + "".join(chance.choices(_CONSONANTS, k=3))
    colour, category, lane = chance.choice(_COLOURS), chance.choice(_CATEGORIES), chance.randrange(1, 4)
    speed, box = chance.randrange(20, 90), _box(chance)
    return f"""{{
   "Class" : "Traffic",
   "CountInGroup" : 1,
   "EventID" : {number},
   "GroupID" : {number - 10_001},
   "IndexInGroup" : 1,
   "Lane" : {lane},
   "Name" : "Junction {lane}",
   "Object" : {{
      "BoundingBox" : {box},
      "ObjectID" : {chance.randrange(10_000)},
      "ObjectType" : "Plate",
      "Text" : "{plate}"
   }},
   "PTS" : {at_ms % 2**32}.0,
   "RuleID" : 5,
   "Speed" : {speed},
   "TrafficCar" : {{
      "DrivingDirection" : [ "Approach", "", "" ],
      "Lane" : {lane},
      "MachineName" : "north-gate",
      "PlateNumber" : "{plate}",
      "Speed" : {speed},
      "VehicleColor" : "{colour}"
   }},
   "Vehicle" : {{
      "BoundingBox" : {box},
      "Category" : "{category}",
      "ObjectType" : "Vehicle",
      "Text" : "Unknown"
   }},
   {_times(at_ms)}
}}"""


def _motion(chance: random.Random, id_name: str, number: int) -> str:
    return f"""{{
   "RegionName" : [ "Yard" ],
   "WindowId" : [ 0 ],
   "object" : [
      {{
         "{id_name}" : {number % 10_000},
         "Rect" : {_box(chance)}
      }}
   ]
}}"""
