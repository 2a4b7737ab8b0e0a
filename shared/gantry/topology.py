"""Every key in Redis, by name: the only place where they are spelled.

All keys of a site carry the hash tag `{site}`, so that each script stays in one Redis Cluster slot.

    ingest-* ──▶ raw ──▶ processor ──▶ events ──▶ publisher ──▶ lane:<target>:<id> ──▶ IoT Agent
                              ├──────────────▶ dead ◀─────────────┤        └──▶ receipts ──▶ journal
                              └──▶ outcomes ─────────────────────────────────────────────▶ journal
"""

from __future__ import annotations

from dataclasses import dataclass

PROCESSOR_GROUP = "processor"
PROCESSOR_CONSUMER = "active"  # whoever holds lease:processor reads under this one name
PUBLISHER_GROUP = "publisher"
PUBLISHER_CONSUMER = "lanes"  # all publishers pull under this one name: leases, not consumers, say who sends
JOURNAL_GROUP = "journal"

EVD = "evd"  # vehicles
CROWD = "crowd"  # people
TARGETS = (EVD, CROWD)

PROCESSOR_DUTY = "processor"
JOURNAL_DUTY = "journal"


def recorder_duty(recorder: str) -> str:
    """The duty whose lease lets one ingest-dahua attach to a recorder."""
    return f"recorder/{recorder}"


@dataclass(frozen=True, slots=True)
class Topology:
    """The keys of one site."""

    site: str = "main"

    def _key(self, name: str) -> str:
        return f"gantry:{{{self.site}}}:{name}"

    @property
    def raw(self) -> str:
        """Stream: units received, deleted in the step that processes them."""
        return self._key("raw")

    @property
    def events(self) -> str:
        """Stream: one entry per measure, trimmed behind what the groups have taken."""
        return self._key("events")

    @property
    def dead(self) -> str:
        """Stream: letters that wait for a person; never dropped by Gantry itself."""
        return self._key("dead")

    @property
    def receipts(self) -> str:
        """Stream: one entry per request that the IoT Agent took."""
        return self._key("receipts")

    @property
    def outcomes(self) -> str:
        """Stream: one entry per unit that ended without a receipt, or that a person decided about."""
        return self._key("outcomes")

    @property
    def actions(self) -> str:
        """Stream: what people did, newest 10,000."""
        return self._key("actions")

    @property
    def accounts(self) -> str:
        """Hash: operator, reader → "<where it comes from> <argon2id of the password>"."""
        return self._key("accounts")

    def session(self, digest: str) -> str:
        """Hash with a TTL: account, stamp, csrf, ends (ms) and said of a browser that logged in."""
        return self._key(f"session:{digest}")

    @property
    def last(self) -> str:
        """Hash: evd, crowd, unknown → the last event of that family."""
        return self._key("last")

    @property
    def seen(self) -> str:
        """Hash: device → when it was last heard of, how many units it ever gave, and the lanes that it fed."""
        return self._key("seen")

    def rollup(self, period: str) -> str:
        """Hash: "<start of the bucket, s>:<figure>" → count, by seconds, minutes or hours."""
        return self._key(f"rollup:{period}")

    @property
    def ledger(self) -> str:
        """Hash: the counters of both ledger lines."""
        return self._key("ledger")

    @property
    def inside(self) -> str:
        """Hash: device → units that it holds anywhere (raw, waiting, letters)."""
        return self._key("inside")

    @property
    def dedup(self) -> str:
        """Sorted set: fingerprint → server time of storing, ms."""
        return self._key("dedup")

    @property
    def dedup_of(self) -> str:
        """Hash: fingerprint → "<t_rx> <event id>" of the original."""
        return self._key("dedup-of")

    def lane(self, target: str, lane: str) -> str:
        """List: measures of one device that wait for their receipt, oldest first."""
        return self._key(f"lane:{target}:{lane}")

    def due(self, target: str) -> str:
        """Sorted set: lane → server time in ms when it may be served; a lease is a due time in the future."""
        return self._key(f"due:{target}")

    def lane_state(self, target: str) -> str:
        """Hash: `<lane>:<field>` with seq, token, taken, done, attempts, batch, reason, newest, resend."""
        return self._key(f"lane-state:{target}")

    def holds(self, target: str) -> str:
        """Hash: lane → by (operator or platform), since (ms), owner, reason of a lane that is held, one a line."""
        return self._key(f"holds:{target}")

    @property
    def paused(self) -> str:
        """Hash: target → until (ms; 0: until resumed), since (ms), owner, reason, one a line."""
        return self._key("paused")

    def limit(self, target: str, lane: str) -> str:
        """String: GCRA's theoretical arrival time of a lane, µs."""
        return self._key(f"limit:{target}:{lane}")

    def ceiling(self, target: str) -> str:
        """String: GCRA's theoretical arrival time of a whole target, µs."""
        return self._key(f"ceiling:{target}")

    def flow(self, target: str) -> str:
        """Hash: lane → "<start of the window, ms> <measures two windows before> <one before> <in this one>"."""
        return self._key(f"flow:{target}")

    def over_limit(self, target: str) -> str:
        """Hash with a TTL: lane → "<measures a minute that come> <that may go out> <waiting>", where too many come."""
        return self._key(f"over-limit:{target}")

    def breaker(self, target: str) -> str:
        """Hash: state, until, probe, failures, streak, trips, last, first, mixed, slow, throttled, reason, since."""
        return self._key(f"breaker:{target}")

    def producer(self, spool: str) -> str:
        """Hash: device → last number appended from this spool or push."""
        return self._key(f"producer:{spool}")

    def lease(self, duty: str) -> str:
        """Hash: holder, token and renewal counter of a duty."""
        return self._key(f"lease:{duty}")

    def alive(self, service: str, instance: str) -> str:
        """Hash with a TTL: what a running process says of itself."""
        return self._key(f"alive:{service}:{instance}")
