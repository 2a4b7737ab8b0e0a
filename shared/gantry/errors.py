"""Errors, sorted by the reaction that they need.

GantryError
├── SettingsError     a person must change a setting: say all problems, wait unready
├── CannotListen     a port is taken or forbidden: end with one sentence, be started again
├── Malformed         this input can never be understood: refuse it at the door or dead-letter it
├── Newer             a later version wrote it: leave it where it is, say so, wait for that version
├── Fenced            another process holds the duty now: let go of what is in hand
└── Unavailable       the server is away or full: wait and do the same again
    └── Refused       it is there and does not let us: the same, and a person must be told
"""

from __future__ import annotations


class GantryError(Exception):
    """Any error that Gantry raises on purpose."""


class SettingsError(GantryError):
    """One or more settings are missing or wrong."""

    def __init__(self, problems: list[str]) -> None:
        """`problems`: one sentence each, beginning with the setting's name."""
        super().__init__("; ".join(problems))
        self.problems = problems


class CannotListen(GantryError):
    """Nothing can be served on the address that the settings name."""


class Malformed(GantryError):
    """Input that no later attempt can understand; the message is safe to log."""


class Newer(GantryError):
    """An entry that a later version wrote, as there may be some after a rollback."""


class Fenced(GantryError):
    """The lease under which this work was taken belongs to somebody else."""


class Unavailable(GantryError):
    """Redis did not answer, or refused for want of memory."""


class Refused(Unavailable):
    """Redis does not know our user or password, or does not let that user do this."""
