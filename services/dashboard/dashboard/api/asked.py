"""Parameters: each has a form, bounds and a sentence for what is neither; the OpenAPI description has the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from dashboard.api.answers import BadQuery

MOST_CHARS = 256
DIGITS = 10
Asked = Mapping[str, Any]  # parameter → value; every declared one is there


class Parameter(Protocol):
    """One parameter of a path."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def place(self) -> str:
        """Query or path."""
        ...

    def read(self, given: str | None) -> Any:
        """The value of what was given, or what stands for None. Raises BadQuery."""
        ...

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `least` to `most`."""

    name: str
    otherwise: int
    most: int
    about: str
    least: int = 1
    place: str = "query"

    def read(self, given: str | None) -> int:
        if given is None:
            return self.otherwise
        if not re.fullmatch(rf"[0-9]{{1,{DIGITS}}}", given) or not self.least <= int(given) <= self.most:
            raise BadQuery(f"{self.name} must be a whole number from {self.least} to {self.most}")
        return int(given)

    def schema(self) -> dict[str, Any]:
        bounds = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return {**bounds, "default": self.otherwise} if self.otherwise >= self.least else bounds


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text; with `pattern`, of that form, which `what` says in words."""

    name: str
    about: str
    pattern: str = ""
    what: str = ""
    place: str = "query"

    def read(self, given: str | None) -> str:
        if not given:
            return ""
        if len(given) > MOST_CHARS or not given.isprintable():
            raise BadQuery(f"{self.name} must be one line of at most {MOST_CHARS} characters")
        if self.pattern and not re.fullmatch(self.pattern, given):
            raise BadQuery(f"{self.name} must be {self.what}")
        return given

    def schema(self) -> dict[str, Any]:
        plain = {"type": "string", "maxLength": MOST_CHARS}
        return {**plain, "pattern": f"^({self.pattern})$"} if self.pattern else plain


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, in small letters or capitals; `otherwise` when it is not given."""

    name: str
    choices: Sequence[str]
    about: str
    otherwise: str = ""
    place: str = "query"

    def read(self, given: str | None) -> str:
        if not given:
            return self.otherwise
        found = next((choice for choice in self.choices if choice.casefold() == given.casefold()), None)
        if found is None:
            raise BadQuery(f"{self.name} must be one of {', '.join(self.choices)}")
        return found

    def schema(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"type": "string", "enum": list(self.choices)}
        return {**plain, "default": self.otherwise} if self.otherwise else plain


def read(request: Request, parameters: Sequence[Parameter]) -> Asked:
    """Every declared parameter. Raises BadQuery for one that is wrong, unknown or there twice."""
    in_query = [each.name for each in parameters if each.place == "query"]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in in_query:
            raise BadQuery(f"unknown parameter {name[:40]!r}; there are: {', '.join(in_query) or 'none'}")
        if given.count(name) > 1:
            raise BadQuery(f"{name} is given twice")
    return {each.name: each.read(_given(request, each)) for each in parameters}


def _given(request: Request, parameter: Parameter) -> str | None:
    if parameter.place == "path":
        return str(request.path_params[parameter.name])
    return request.query_params.get(parameter.name)
