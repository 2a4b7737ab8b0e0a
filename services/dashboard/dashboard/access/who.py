"""Who asks for a page, and what a page tells them after they did something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from gantry.accounts import Role


@dataclass(frozen=True, slots=True)
class Who:
    """`request.state.who`: accounts are roles, so the name says the role."""

    name: str
    role: Role
    csrf: str = field(default="", repr=False)  # the token that every form of this session carries
    digest: str = field(default="", repr=False)  # of the session

    @property
    def operates(self) -> bool:
        return self.role is Role.OPERATOR


NOBODY = Who("", Role.NOBODY)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """`request.state.said`: what came of an action, shown on the page that follows it."""

    nonce: str  # stands in that page's address: another page does not show it
    code: str  # of a text: said.<code>
    good: bool
    values: dict[str, Any] = {}  # for the text's {names}
    more: list[str] = []  # codes of further sentences, with the same values
