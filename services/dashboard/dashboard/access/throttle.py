"""How often passwords may be tried: by each address, and by all together. Pure but for the clock."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from gantry.clock import Clock

MOST_ADDRESSES = 4096
MOST_FRIENDS = 256
_V6_PREFIX = 64  # what one household has


@dataclass(frozen=True, slots=True)
class Pace:
    """`burst` at once, then one every `every_s` seconds."""

    every_s: float
    burst: int


ONE = Pace(30.0, 5)
ALL = Pace(2.0, 20)


class Throttle:
    """Attempts are taken before the password is looked at, so that many at once are no way around."""

    def __init__(self, clock: Clock, *, one: Pace = ONE, everybody: Pace = ALL) -> None:
        self._clock, self._one, self._all = clock, one, everybody
        self._free_at: OrderedDict[str, float] = OrderedDict()  # GCRA's theoretical arrival time by address
        self._all_free_at = 0.0
        self._friends: OrderedDict[str, None] = OrderedDict()  # have logged in: strangers do not lock them out

    def attempt(self, address: str) -> float:
        """Take an attempt: 0. Or take none: the seconds to wait."""
        now, key = self._clock.monotonic(), network(address)
        wait, free_at = _take(now, self._free_at.get(key, 0.0), self._one)
        if key in self._friends:
            all_wait, all_free_at = 0.0, self._all_free_at
        else:
            all_wait, all_free_at = _take(now, self._all_free_at, self._all)
        if wait or all_wait:
            return max(wait, all_wait)
        self._free_at[key], self._all_free_at = free_at, all_free_at
        self._free_at.move_to_end(key)
        while len(self._free_at) > MOST_ADDRESSES:
            self._free_at.popitem(last=False)
        return 0.0

    def succeeded(self, address: str) -> None:
        """The password was right: nothing is held against this address."""
        key = network(address)
        if key not in self._friends:
            self._all_free_at -= self._all.every_s
        self._free_at.pop(key, None)
        self._friends[key] = None
        self._friends.move_to_end(key)
        while len(self._friends) > MOST_FRIENDS:
            self._friends.popitem(last=False)


def _take(now: float, free_at: float, pace: Pace) -> tuple[float, float]:
    """(seconds to wait, when it would be free again if one is taken now)."""
    start = max(now, free_at)
    wait = start - (pace.burst - 1) * pace.every_s - now
    return (wait if wait > 0 else 0.0, start + pace.every_s)


def network(address: str) -> str:
    """The address, or the /64 of one of IPv6, of which everybody has as many as they like."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False))
