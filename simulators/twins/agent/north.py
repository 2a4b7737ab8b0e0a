"""The agent's northbound API, and the entities of the broker behind it, on a port of their own."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from twins.agent.answers import HTML, JSON
from twins.agent.entities import Entities, attributes_of, name_of
from twins.agent.grammar import Judged, Request
from twins.agent.registry import OLD_VERSIONS, RESOURCE, VERSIONS, Fields, Refused, Registry, Scope

MAX_LISTED = 1000
_MANY = 2
_DEVICES, _ENTITIES = "/iot/devices/", "/v2/entities/"

Answer = tuple[int, bytes, str]  # status, body, content type


class North:
    """Groups, devices and entities. `keys`: API key → target, of the groups that exist now."""

    def __init__(self, labels: Mapping[str, str], *, token: str, scope: Scope, groups: bool, old: bool) -> None:
        self._token, self._versions = token, OLD_VERSIONS if old else VERSIONS
        self.keys: dict[str, str] = {}
        self.entities = Entities()
        self.registry = Registry(labels, self._hear)
        if groups:
            given = [{"apikey": key, "resource": RESOURCE, "entity_type": "Thing"} for key in labels]
            self.registry.make(scope, {"services": given})

    def _hear(self, keys: dict[str, str]) -> None:
        self.keys = keys

    # What measures do here

    def judge(self, judged: Judged, key: str) -> Judged:
        """The group's own settings, after what every group has in common."""
        group = self.registry.of_key(key)
        if group is None or judged.device is None:
            return judged
        unknown = (key, judged.device) not in self.registry.devices
        lost = tuple((body, False) for body, _ in judged.measures)
        if judged.answer == "bad_timestamp" and group.fields.get("timestamp") is False:
            return Judged("broker_400", judged.target, judged.device, lost)
        if judged.measures and unknown and group.fields.get("autoprovision") is False:
            return Judged("device_not_found", judged.target, judged.device, lost)
        return judged

    def store(self, key: str, device: str, body: bytes, at_us: int) -> None:
        """A measure that reached the broker."""
        group, measure = self.registry.of_key(key), orjson.loads(body)
        if group is None or not isinstance(measure, dict):
            return
        known = self.registry.devices.get((key, device))
        if known is None:
            kind = group.fields.get("entity_type")
            known = {"device_id": device, "entity_type": kind, "entity_name": f"{kind}:{device}"}
            self.registry.meet(key, device, known)
        attributes = attributes_of(group, known, measure, at_us)
        if attributes:
            self.entities.write(group.scope, *name_of(group, known, measure), attributes, at_us)

    # Its pages

    def answer(self, request: Request) -> Answer:
        """What any request to this port hears."""
        query = dict(urllib.parse.parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
        try:
            if (request.method, request.path) == ("GET", "/iot/about"):
                return 200, orjson.dumps(self._versions), JSON
            scope = self._admit(request)
            found = self._page(request, scope, query)
        except Refused as error:
            return error.status, orjson.dumps({"name": error.name, "message": error.message}), JSON
        except orjson.JSONDecodeError as error:
            return 400, orjson.dumps({"name": "WRONG_SYNTAX", "message": f"Wrong syntax in request: {error}"}), JSON
        if found is None:
            page = f"<!DOCTYPE html>\n<html><body><pre>Cannot {request.method}</pre></body></html>\n"
            return 404, page.encode(), HTML
        status, document = found
        return (status, b"", "") if status == HTTPStatus.NO_CONTENT else (status, orjson.dumps(document), JSON)

    def _admit(self, request: Request) -> Scope:
        """Who asks for which service. What a platform's gate says to a missing token is invented, but for its 401."""
        if self._token and request.headers.get("x-auth-token") != self._token:
            raise Refused(401, "AUTHENTICATION_ERROR", "The request you have made requires authentication.")
        service, path = (request.headers.get(name, "") for name in ("fiware-service", "fiware-servicepath"))
        if request.path.startswith("/v2/"):
            return service.lower(), path or "/"
        if not service or not path:
            raise Refused(400, "MISSING_HEADERS", 'Some headers were missing from the request: ["fiware-service"]')
        return service.lower(), path

    def _page(self, request: Request, scope: Scope, query: Mapping[str, str]) -> tuple[int, Any] | None:
        """Status and document; None: no such page, which the real one says in HTML."""
        if request.path in ("/iot/services", "/iot/services/"):
            return self._groups(request, scope, query)
        if request.path.rstrip("/") == "/iot/devices" or request.path.startswith(_DEVICES):
            return self._devices(request, query)
        if request.method == "GET" and request.path.startswith(_ENTITIES):
            return self._entity(urllib.parse.unquote(request.path.removeprefix(_ENTITIES)), scope, query)
        return None

    def _groups(self, request: Request, scope: Scope, query: Mapping[str, str]) -> tuple[int, Any] | None:
        match request.method:
            case "GET":
                return 200, self.registry.listed(scope, *_part(query))
            case "POST":
                self.registry.make(scope, orjson.loads(request.body))
                return 201, {}
            case "PUT":
                self.registry.change(scope, query, orjson.loads(request.body))
                return 204, None
            case "DELETE":
                self.registry.remove(scope, query)
                return 204, None
        return None

    def _devices(self, request: Request, query: Mapping[str, str]) -> tuple[int, Any] | None:
        name, key = urllib.parse.unquote(request.path.removeprefix("/iot/devices").strip("/")), query.get("apikey", "")
        match request.method, bool(name):
            case "GET", False:
                return 200, self.registry.listed_devices(*_part(query))
            case "POST", False:
                self.registry.make_devices(orjson.loads(request.body))
                return 201, {}
            case "GET", True:
                return 200, self.registry.device(name, key)
            case "PUT", True:
                self.registry.change_device(name, key, orjson.loads(request.body))
                return 204, None
            case "DELETE", True:
                self.registry.remove_device(name, key)
                return 204, None
        return None

    def _entity(self, name: str, scope: Scope, query: Mapping[str, str]) -> tuple[int, Any]:
        """As Orion: 404 for none, 409 for several, builtin attributes only on demand."""
        found = self.entities.read(scope, name, query.get("type", ""))
        if not found:
            said = "The requested entity has not been found. Check type and id"
            return 404, {"error": "NotFound", "description": said}
        if len(found) >= _MANY:
            return 409, {"error": "TooManyResults", "description": "More than one matching entity. Please refine."}
        kind, attributes = found[0]
        return 200, {"id": name, "type": kind, **_shown(attributes, query)}


def _shown(attributes: Fields, query: Mapping[str, str]) -> Fields:
    wanted = query.get("attrs", "*").split(",")
    own = {name: attribute for name, attribute in attributes.items() if name != "dateModified" and "*" in wanted}
    return {**own, **{name: attributes[name] for name in wanted if name in attributes}}


def _part(query: Mapping[str, str]) -> tuple[int, int]:
    limit, offset = (query.get(name, "") for name in ("limit", "offset"))
    return min(int(limit) if limit.isdecimal() else MAX_LISTED, MAX_LISTED), int(offset) if offset.isdecimal() else 0
