"""Groups and devices as the agent's northbound API keeps them, and its answers about them. No I/O.

Statuses and error names are those seen on iotagent-json 3.14.0 with its library 4.14.0; a 404 for an empty list is read
from the library's source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

RESOURCE = "/iot/json"
MAX_GROUPS, MAX_DEVICES = 1000, 50_000
VERSIONS = {"libVersion": "4.14.0", "version": "3.14.0"}
OLD_VERSIONS = {"libVersion": "4.4.0", "version": "3.4.0"}

Fields = dict[str, Any]
Scope = tuple[str, str]  # Fiware-Service, Fiware-ServicePath


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


@dataclass(slots=True)
class Group:
    """Settings for all devices that send with one API key."""

    scope: Scope
    fields: Fields

    @property
    def key(self) -> str:
        return str(self.fields["apikey"])


class Registry:
    """`labels`: API key → what its measures are recorded under; `changed` is told the keys that groups have now."""

    def __init__(self, labels: Mapping[str, str], changed: Callable[[dict[str, str]], None]) -> None:
        self._labels, self._changed = labels, changed
        self.groups: dict[tuple[str, str], Group] = {}  # by resource and API key, unique over all services
        self.devices: dict[tuple[str, str], Fields] = {}  # by API key and id

    def of_key(self, key: str) -> Group | None:
        return self.groups.get((RESOURCE, key))

    # Groups

    def make(self, scope: Scope, document: Any) -> None:
        """POST /iot/services. Raises Refused; then nothing was made."""
        given = [_checked(fields) for fields in _listed(document, "services")]
        for fields in given:
            if not fields.get("apikey") or not fields.get("resource"):
                raise _wrong("a group needs apikey and resource")
            if (fields["resource"], fields["apikey"]) in self.groups:
                raise Refused(409, "DUPLICATE_GROUP", f"Duplicated group with key {fields['apikey']}")
        if len(self.groups) + len(given) > MAX_GROUPS:
            raise Refused(500, "INTERNAL_DB_ERROR", "no more groups")
        for fields in given:
            whole = {"commands": [], "lazy": [], "attributes": [], **fields}
            self.groups[str(fields["resource"]), str(fields["apikey"])] = Group(scope, whole)
        self._tell()

    def listed(self, scope: Scope, limit: int, offset: int) -> Fields:
        """GET /iot/services; the path `/*` means all of the service. Raises Refused when there is none."""
        seen = [each for each in self.groups.values() if _within(each.scope, scope)]
        if not seen:
            raise Refused(404, "DEVICE_GROUP_NOT_FOUND", "Couldn't find any device group")
        shown = [{**each.fields, "service": each.scope[0], "subservice": each.scope[1]} for each in seen]
        return {"count": len(seen), "services": shown[offset : offset + limit]}

    def change(self, scope: Scope, query: Mapping[str, str], fields: Any) -> None:
        """PUT /iot/services: each field given replaces the whole of what was there. Raises Refused."""
        group = self._found(scope, query)
        group.fields.update(_checked(fields))
        self._tell()

    def remove(self, scope: Scope, query: Mapping[str, str]) -> None:
        """DELETE /iot/services. Raises Refused."""
        group = self._found(scope, query)
        del self.groups[str(group.fields["resource"]), group.key]
        self._tell()

    def _found(self, scope: Scope, query: Mapping[str, str]) -> Group:
        resource, key = query.get("resource", ""), query.get("apikey", "")
        if not resource or not key:
            raise Refused(400, "MANDATORY_PARAMS_NOT_FOUND", "Some of the mandatory params weren't found")
        group = self.groups.get((resource, key))
        if group is None:
            raise Refused(404, "DEVICE_GROUP_NOT_FOUND", f"Couldn't find device group for {resource} and {key}")
        if group.scope != scope:
            raise Refused(403, "MISMATCHED_SERVICE", f"The declared service didn't match the stored one for {key}")
        return group

    def _tell(self) -> None:
        groups = [each for (resource, _), each in self.groups.items() if resource == RESOURCE]
        self._changed({each.key: self._labels.get(each.key, str(each.fields.get("entity_type"))) for each in groups})

    # Devices

    def make_devices(self, document: Any) -> None:
        """POST /iot/devices. Raises Refused."""
        for fields in _listed(document, "devices"):
            name, key = fields.get("device_id"), str(fields.get("apikey") or "")
            if not name:
                raise Refused(400, "MISSING_ATTRIBUTES", "The request was not well formed: device_id is missing")
            if (key, str(name)) in self.devices:
                raise Refused(409, "DUPLICATE_DEVICE_ID", f"A device with the same id was found: {name}")
            self.meet(key, str(name), fields)

    def meet(self, key: str, device: str, fields: Fields) -> None:
        """A device that is not known yet, from its provisioning or its first measure."""
        if len(self.devices) < MAX_DEVICES:
            self.devices[key, device] = {"device_id": device, "apikey": key, **fields}

    def listed_devices(self, limit: int, offset: int) -> Fields:
        return {"count": len(self.devices), "devices": [*self.devices.values()][offset : offset + limit]}

    def device(self, name: str, key: str) -> Fields:
        """GET /iot/devices/<name>; an empty key means any. Raises Refused."""
        for (its_key, its_name), fields in self.devices.items():
            if its_name == name and key in ("", its_key):
                return fields
        raise Refused(404, "DEVICE_NOT_FOUND", f"No device was found with id:{name}")

    def change_device(self, name: str, key: str, fields: Any) -> None:
        self.device(name, key).update(_checked(fields))

    def remove_device(self, name: str, key: str) -> None:
        fields = self.device(name, key)
        del self.devices[str(fields["apikey"]), str(fields["device_id"])]


def _listed(document: Any, name: str) -> list[Fields]:
    given = document.get(name) if isinstance(document, dict) else None
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise _wrong(f"a list called {name} is missing")
    return given


def _checked(fields: Any) -> Fields:
    """Raises Refused for what the real one's schema refuses."""
    if not isinstance(fields, dict):
        raise _wrong("not an object")
    for name in ("attributes", "lazy", "commands", "static_attributes"):
        each = fields.get(name, [])
        if not isinstance(each, list) or not all(isinstance(one, dict) and one.get("name") for one in each):
            raise _wrong(f"{name} is not a list of objects with a name")
    return fields


def _wrong(what: str) -> Refused:
    return Refused(400, "WRONG_SYNTAX", f"Wrong syntax in request: {what}")


def _within(scope: Scope, asked: Scope) -> bool:
    return scope[0] == asked[0] and asked[1] in ("/*", scope[1])
