"""Who may do what on the server: one user per service, with its commands and its keys only.

The server asks about each command inside a script as well, so a user's commands are its own and those of its scripts,
read from the scripts themselves: a script that gains a command cannot lose its callers. Everything here is understood
by Redis 7.0 and Valkey 8; a newer word would keep an older server from starting with the file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gantry.streams.scripts import source
from gantry.topology import JOURNAL_DUTY, PROCESSOR_DUTY, Topology, recorder_duty

LOOK = "look"  # takes any password

# A server replays its append-only file as `default`: what that user may not do, Redis 7 and 8 leave out, and it is lost
# (tests/deploy/test_restart_of_the_server.py). So it may do everything, and nobody can be it.
_DEFAULT = "user default off resetpass ~* &* +@all"

_CALL = re.compile(r"redis\.p?call\('(\w+)'(?:, *'(\w+)')?")
_CONTAINERS = frozenset({"memory", "xgroup", "xinfo"})  # commands whose first word says what they do
_DIGEST = re.compile(r"[0-9a-f]{64}")

_ANY = Topology("*")  # of every site: several may share a server
_EVERYTHING = _ANY.raw.removesuffix("raw") + "*"
_BEHIND = (_ANY.events, _ANY.receipts, _ANY.outcomes)  # the processor, at which personal data stops
_STREAMS = (_ANY.raw, *_BEHIND)
_COUNTED = (_ANY.ledger, _ANY.inside, _ANY.rollup("*"))

# A client names itself, loads scripts that the server does not know, and finds the node that has its keys.
_CLIENT = ("client|setname", "cluster|slots", "role", "script|load")
_DURABLE = ("config|get",)  # whether the server keeps what it acknowledges
_GROUPS = ("exists", "xgroup|create", "xgroup|destroy", "xinfo|groups", "xinfo|stream", "xlen")
_GROUPS_ALONE = ("exists", "xgroup|create", "xinfo|groups", "xlen")
_TOGETHER = ("exec", "multi")
_LOOKS = (
    *("exists", "hexists", "hget", "hgetall", "hmget", "hscan", "info", "llen", "scan", "time", "xinfo|consumers"),
    *("xinfo|groups", "xinfo|stream", "xlen", "xrange", "xrevrange", "zrange", "zscore"),
)
_SNAPSHOT = ("bgsave", "lastsave", "psync", "replconf", "sync")
_DECIDES = ("account", "action", "audit", "breaker_set", "hold", "ledger", "letter", "pause")
_DECIDED = (
    *(_ANY.raw, _ANY.events, _ANY.dead, _ANY.outcomes, _ANY.ledger, _ANY.inside, _ANY.paused, _ANY.actions),
    *(_ANY.accounts, _ANY.lane_state("*"), _ANY.holds("*"), _ANY.due("*"), _ANY.breaker("*")),
)
_COUNTED_AGAIN = (_ANY.lane("*", "*"),)  # by audit


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What one user may do; nothing else. Keys are patterns of whole names."""

    purpose: str
    scripts: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()  # besides those of its scripts; "xinfo|groups" is one of a command's several
    reads: tuple[str, ...] = ()  # keys that it may only read
    adds: tuple[str, ...] = ()  # only write
    changes: tuple[str, ...] = ()  # both
    groups: tuple[str, ...] = ()  # streams that it may not read: only see and make their groups
    counts: tuple[str, ...] = ()  # of those: may count what lies in it, but not take it from a group (XREADGROUP reads)
    named: tuple[str, ...] = ()  # keys that its scripts only read, where `reads` has more than those


USERS: Mapping[str, User] = {
    "ingest-dahua": User(
        purpose="appends events of recorders; reads none",
        scripts=("alive", "append", "lease", "note"),
        commands=(*_CLIENT, *_DURABLE, "hget"),
        adds=(_ANY.raw,),
        changes=(
            *(*_COUNTED, _ANY.producer("*")),
            *(_ANY.lease(recorder_duty("*")), _ANY.alive("ingest-dahua", "*")),
        ),
    ),
    "ingest-axis": User(
        purpose="appends measurements of counters; reads none",
        scripts=("alive", "append"),
        commands=(*_CLIENT, *_DURABLE, "hget"),
        adds=(_ANY.raw,),
        changes=(*_COUNTED, _ANY.producer("*"), _ANY.alive("ingest-axis", "*")),
    ),
    "processor": User(
        purpose="turns what was received into measures",
        scripts=("alive", "commit", "lease", "ledger", "read"),
        commands=(*_CLIENT, *_DURABLE, *_GROUPS, "xread"),
        adds=(_ANY.dead, _ANY.last),
        changes=(
            *(*_STREAMS, *_COUNTED, _ANY.dedup, _ANY.dedup_of, _ANY.seen, _ANY.lane_state("*")),
            *(_ANY.lease(PROCESSOR_DUTY), _ANY.alive("processor", "*")),
        ),
    ),
    "publisher": User(
        purpose="sends measures to the platform",
        scripts=("alive", "enlist", "ledger", "peek", "pull", "reap", "trim", "turn"),
        commands=(
            *(*_CLIENT, *_DURABLE, *_GROUPS, *_TOGETHER, "del", "expire", "hdel", "hgetall", "hlen", "hset", "llen"),
            *("xgroup|delconsumer", "xinfo|consumers", "xread"),
        ),
        adds=(_ANY.dead,),
        groups=(_ANY.raw,),
        changes=(
            *(*_BEHIND, *_COUNTED, _ANY.paused, _ANY.lane("*", "*"), _ANY.due("*"), _ANY.lane_state("*")),
            *(_ANY.holds("*"), _ANY.limit("*", "*"), _ANY.ceiling("*"), _ANY.flow("*"), _ANY.over_limit("*")),
            *(_ANY.breaker("*"), _ANY.alive("publisher", "*")),
        ),
    ),
    "journal": User(
        purpose="writes down what became of every event",
        scripts=("alive", "lease", "ledger"),
        commands=(
            *(*_CLIENT, *_GROUPS, *_TOGETHER, "hget", "hgetall", "hmget", "scan", "time"),
            *("xack", "xpending", "xreadgroup", "zcard"),
        ),
        reads=(_ANY.ledger, _ANY.last, _ANY.dedup, _ANY.breaker("*"), _ANY.alive("*", "*")),
        groups=(_ANY.raw, _ANY.events),  # both: the keys of one command must be allowed in one place
        counts=(_ANY.events,),
        changes=(_ANY.receipts, _ANY.outcomes, _ANY.lease(JOURNAL_DUTY), _ANY.alive("journal", "*")),
    ),
    "dashboard": User(
        purpose="shows everything, and does what its operator may",
        scripts=("alive", "session", *_DECIDES),
        commands=(*_CLIENT, *_DURABLE, *_LOOKS, "del", "lindex", "lrange", "pexpire", "pttl", "xread", "zcard"),
        reads=(_EVERYTHING,),
        changes=(*_DECIDED, _ANY.session("*"), _ANY.alive("dashboard", "*")),
        named=_COUNTED_AGAIN,
    ),
    "gantry": User(
        purpose="the command line: looks, decides, and takes a backup as a replica would",
        scripts=_DECIDES,
        commands=(*(*_CLIENT, *_DURABLE, *_LOOKS, *_SNAPSHOT, "acl|log", "hlen", "ping"),),
        reads=(_EVERYTHING,),
        changes=_DECIDED,
        named=_COUNTED_AGAIN,
    ),
    "admin": User(purpose="has the server read this file again", commands=("acl|load", "client|setname", "ping")),
    LOOK: User(
        purpose="whoever reaches the server, with any password: where the groups stand, and no data",
        commands=("ping", "xinfo|consumers", "xinfo|groups", "xlen", "xpending"),
        reads=(*_STREAMS, _ANY.dead),
    ),
}


@functools.cache
def commands_in(script: str) -> frozenset[str]:
    """What a script calls, in the words of an ACL: "hget", "xinfo|groups"."""
    found = ((command.lower(), word.lower()) for command, word in _CALL.findall(source(script)))
    return frozenset(f"{command}|{word}" if command in _CONTAINERS else command for command, word in found)


def commands_of(user: User) -> list[str]:
    """Everything that a user may call, except for EVAL and EVALSHA, sorted."""
    return sorted({*user.commands, *(each for script in user.scripts for each in commands_in(script))})


def acl_file(digests: Mapping[str, str]) -> str:
    """The text of an `aclfile`: `default` and `look` always, the others of USERS where they have a digest.

    `digests`: user → SHA-256 of its password, 64 hexadecimal digits. Raises ValueError for anything else.
    """
    for name, digest in digests.items():
        if name not in USERS or name == LOOK:
            raise ValueError(f"no user {name!r} has a password here: {', '.join(n for n in USERS if n != LOOK)}")
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"the digest of {name} is not a SHA-256 in hexadecimal")
    names = [name for name in USERS if name in digests or name == LOOK]
    rows = (f"user {name} on {_rules(USERS[name], digests.get(name))}" for name in names)
    return "\n".join([_DEFAULT, *rows, ""])


def _rules(user: User, digest: str | None) -> str:
    """The rights of a user, as words.

    EVAL takes its keys for read and written, whatever the script does with them. So it stands in a selector of its
    own, with the keys of the user's scripts and no other command: what a script may do with those keys, the other rules
    decide. A script of another user has other keys, and is refused before it begins: in the middle would be too late.
    """
    words = ["resetchannels", f"#{digest}" if digest else "nopass", *_patterns(user)]
    words += [f"+{command}" for command in commands_of(user)]
    words += [_selector(user.groups, _GROUPS_ALONE)] if user.groups else []
    words += [_selector(user.counts, ("xrange",))] if user.counts else []
    words += [_selector(_of_scripts(user), ("eval", "evalsha"))] if user.scripts else []
    return " ".join(words)


def _of_scripts(user: User) -> tuple[str, ...]:
    return (*user.changes, *user.adds, *user.groups, *(user.named or user.reads))


def _selector(keys: Sequence[str], commands: Sequence[str]) -> str:
    """What is allowed beside the other rules."""
    return f"({' '.join([*(f'~{key}' for key in keys), *(f'+{command}' for command in commands)])})"


def _patterns(user: User) -> list[str]:
    return [
        *(f"~{pattern}" for pattern in user.changes),
        *(f"%R~{pattern}" for pattern in user.reads),
        *(f"%W~{pattern}" for pattern in user.adds),
    ]
