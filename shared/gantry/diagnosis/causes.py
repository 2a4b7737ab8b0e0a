"""What the publisher's words for failed requests mean, and what a person does about each. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gantry import topology

_KEYS = {topology.EVD: "IOTA_APIKEY_EVD", topology.CROWD: "IOTA_APIKEY_CRWD"}


@dataclass(frozen=True, slots=True)
class Cause:
    """`{key}` in the step stands for the setting with the target's API key."""

    means: str
    step: str


_REACH = "check that the IoT Agent is up and can be reached from here (IOTA_JSON_BASE; IOTA_PROXY, if there is one)"
_ADDRESS = "check IOTA_JSON_BASE, and what stands between here and the agent"
_BROKER = "tell the people of the platform: the agent lives, what is behind it does not"
_SIGN_IN = "tell the people of the platform: the group's trust token or the agent's account is refused"
_NEW = "see `answer` in the publisher's log, and ask the people of the platform what it means"
_ANYTHING = "check that the IoT Agent can be reached and takes the API key ({key})"

_CAUSES = {
    "connect": Cause("no connection to the agent", _REACH),
    "certificate": Cause("its certificate is not trusted", "check IOTA_CA_FILE, and whether the certificate ran out"),
    "proxy": Cause("the proxy does not connect us", "check IOTA_PROXY, its user and password"),
    "timeout": Cause("no answer in time", "check the load of the platform; IOTA_TIMEOUT_S is how long we wait"),
    "reset": Cause("the connection ends before the answer", _REACH),
    "misrouted": Cause("something else answers in the agent's place", _ADDRESS),
    "RequestError": Cause("the agent does not reach its broker", _BROKER),
    "ENTITY_GENERIC_ERROR": Cause("the agent's broker fails", _BROKER),
    "INTERNAL_DB_ERROR": Cause("the agent's database fails", _BROKER),
    "SyntaxError": Cause("the agent's broker answers what is no JSON", _BROKER),
    "DEVICE_GROUP_NOT_FOUND": Cause("the API key belongs to no group", "check {key}, or provision the group"),
    "DEVICE_NOT_FOUND": Cause("the platform does not know the device", "provision the device"),
    "MANDATORY_PARAMS_NOT_FOUND": Cause("key or device were lost on the way", _ADDRESS),
    "UNSUPPORTED_TYPE": Cause("the content type was changed on the way", _ADDRESS),
    "TYPE_NOT_FOUND": Cause("the group has no entity type", "provision the group anew"),
    "ACCESS_FORBIDDEN": Cause("the broker refuses the agent", _SIGN_IN),
    "SECURITY_INFORMATION_MISSING": Cause("the group has no trust token", _SIGN_IN),
    "TOKEN_RETRIEVAL_ERROR": Cause("the agent gets no token", _SIGN_IN),
    "AUTHENTICATION_ERROR": Cause("the agent cannot sign in at the platform", _SIGN_IN),
    "TypeError": Cause("the agent fails over what it is given", _NEW),
    **dict.fromkeys(("http_400", "http_422", "http_500"), Cause("an answer that no table explains", _NEW)),
    "http_429": Cause("asked for a slower pace", "lower IOTA_MAX_PER_MINUTE, or agree on more with the platform"),
    **dict.fromkeys(
        ("http_502", "http_503", "http_504"),
        Cause("the agent, or a gateway before it, is away or overloaded", _REACH),
    ),
    **dict.fromkeys(("http_401", "http_403", "http_407"), Cause("a gateway before the agent refuses us", _ADDRESS)),
    **dict.fromkeys(
        ("http_404", "http_405", "http_410", "http_415", "http_421"), Cause("no agent at this address", _ADDRESS)
    ),
}


def meaning(reason: str) -> str:
    """The word, and in words; what is not in the table stays as it is."""
    cause = _CAUSES.get(reason)
    return f"{reason}: {cause.means}" if cause else reason


def step(reason: str, target: str) -> str:
    """What to do next."""
    cause = _CAUSES.get(reason)
    return (cause.step if cause else _ANYTHING).replace("{key}", _KEYS[target])
