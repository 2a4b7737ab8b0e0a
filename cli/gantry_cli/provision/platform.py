"""The platform as `provision` sees it: the agent's northbound API, the broker behind it, the agent's own door."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from gantry_cli.provision.checks import Versions
from gantry_cli.provision.config import Config
from gantry_cli.provision.steps import Fields, Step, Wanted
from gantry_cli.provision.wire import Reply, Server, Trouble, Wire

PAGE, MOST_PAGES = 1000, 20
_GROUPS = "/iot/services"  # understood by all versions, unlike /iot/groups
_HINTS = {
    "DUPLICATE_GROUP": "the platform has this key and resource in another service or path: "
    "check FIWARE_SERVICE and FIWARE_SERVICEPATH, or ask for a key of your own",
    "MISMATCHED_SERVICE": "the group belongs to another service or path: check FIWARE_SERVICE and FIWARE_SERVICEPATH",
    "MISSING_HEADERS": "it wants other headers than Fiware-Service and Fiware-ServicePath",
    "WRONG_SYNTAX": "it does not take our form of a group; its version is an unusual one",
}


class Platform:
    """Everything that is asked and changed. All calls raise Trouble."""

    def __init__(self, wire: Wire, config: Config) -> None:
        token = {"X-Auth-Token": config.iota_north_token.get_secret_value()} if config.iota_north_token else {}
        scope = {"Fiware-Service": config.fiware_service, "Fiware-ServicePath": config.fiware_servicepath, **token}
        self._wire = wire
        self._north = Server(
            what="the agent's northbound API", setting="IOTA_NORTH_URL", base=config.iota_north_url, headers=scope
        )
        self._broker = config.iota_broker_url and Server(
            what="the broker", setting="IOTA_BROKER_URL", base=config.iota_broker_url, headers=scope
        )
        self._south = Server(what="the agent", setting="IOTA_JSON_BASE", base=config.iota_json_base, headers={})

    @property
    def has_broker(self) -> bool:
        return bool(self._broker)

    async def versions(self) -> Versions | None:
        """None: it does not tell (an IoT Agent Manager does not)."""
        reply = await self._wire.ask(self._north, "GET", "/iot/about")
        about = reply.document if reply.good and isinstance(reply.document, Mapping) else {}
        agent, library = (str(about.get(name) or "")[:40] for name in ("version", "libVersion"))
        return Versions(agent, library) if agent or library else None

    async def groups(self) -> list[Fields]:
        """All groups of the service and path. An agent says 404 when there is none."""
        found: list[Fields] = []
        for page in range(MOST_PAGES):
            query = {"limit": str(PAGE), "offset": str(page * PAGE)}
            reply = await self._wire.ask(self._north, "GET", _GROUPS, query)
            if reply.status == httpx.codes.NOT_FOUND and reply.name == "DEVICE_GROUP_NOT_FOUND":
                return found
            listed = reply.document.get("services") if isinstance(reply.document, Mapping) else None
            if not reply.good or not isinstance(listed, list):
                raise self._refused(reply, "to list its groups")
            found += [each for each in listed if isinstance(each, Mapping)]
            if len(listed) < PAGE:
                break
        return found

    async def take(self, step: Step) -> None:
        """Make or change one group."""
        if step.found is None:
            reply = await self._wire.ask(self._north, "POST", _GROUPS, body={"services": [step.body]})
        else:
            reply = await self._wire.ask(self._north, "PUT", _GROUPS, _identity(step.wanted), body=step.body)
        if not reply.good:
            raise self._refused(reply, f"the group of {step.wanted.name}")

    async def device(self, name: str, of: Wanted) -> Fields | None:
        """What the agent knows of a device; None if it does not know it, or does not tell."""
        path = f"/iot/devices/{quote(name, safe='')}"
        reply = await self._wire.ask(self._north, "GET", path, {"apikey": of.key.get_secret_value()})
        return reply.document if reply.good and isinstance(reply.document, Mapping) else None

    async def entity(self, name: str, kind: str) -> Fields | None:
        """What the broker keeps, with the time of the last change; None if there is no such entity."""
        if not self._broker:
            raise Trouble("IOTA_BROKER_URL is not set")
        query = {"type": kind, "attrs": "*,dateModified"}
        reply = await self._wire.ask(self._broker, "GET", f"/v2/entities/{quote(name, safe='')}", query)
        if reply.status == httpx.codes.NOT_FOUND and reply.name == "NotFound":
            return None
        if not reply.good or not isinstance(reply.document, Mapping):
            raise Trouble(f"the broker refuses to show an entity ({reply.said}): check IOTA_BROKER_URL")
        return reply.document

    async def send(self, key: SecretStr, device: str, measure: Mapping[str, Any]) -> Reply:
        """One measure, as the publisher would."""
        query = {"k": key.get_secret_value(), "i": device}
        return await self._wire.ask(self._south, "POST", "", query, body=measure)

    def _refused(self, reply: Reply, what: str) -> Trouble:
        hint = _HINTS.get(reply.name)
        return Trouble(f"{self._north.what} refuses {what} ({reply.said}){f': {hint}' if hint else ''}")


def wire_of(config: Config) -> Wire:
    """Raises OSError for a CA file that is none."""
    trust = ssl.create_default_context(cafile=config.iota_ca_file)
    proxy = config.iota_proxy.get_secret_value() if config.iota_proxy else None
    return Wire(config.iota_timeout_s, trust, proxy)


def _identity(of: Wanted) -> dict[str, str]:
    return {"resource": of.resource, "apikey": of.key.get_secret_value()}
