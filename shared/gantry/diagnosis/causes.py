"""What the publisher's words for failed requests mean, and what a person does about each. Pure.

The catalogues have the meaning as `means.<word>` and the step as `remedy.<name>`.
"""

from __future__ import annotations

from gantry import topology
from gantry.diagnosis.phrases import Heard, Phrase, Value

_KEYS = {topology.EVD: "IOTA_APIKEY_EVD", topology.CROWD: "IOTA_APIKEY_CRWD"}

# word → (meaning, remedy)
_CAUSES = {
    "connect": ("connect", "reach"),
    "certificate": ("certificate", "certificate"),
    "proxy": ("proxy", "proxy"),
    "timeout": ("timeout", "timeout"),
    "reset": ("reset", "reach"),
    "misrouted": ("misrouted", "address"),
    "RequestError": ("broker_unreached", "broker"),
    "ENTITY_GENERIC_ERROR": ("broker_fails", "broker"),
    "INTERNAL_DB_ERROR": ("database_fails", "broker"),
    "SyntaxError": ("broker_no_json", "broker"),
    "DEVICE_GROUP_NOT_FOUND": ("no_group", "group"),
    "DEVICE_NOT_FOUND": ("no_device", "device"),
    "MANDATORY_PARAMS_NOT_FOUND": ("lost_parameters", "address"),
    "UNSUPPORTED_TYPE": ("content_type", "address"),
    "TYPE_NOT_FOUND": ("no_type", "group_anew"),
    "ACCESS_FORBIDDEN": ("broker_refuses", "sign_in"),
    "SECURITY_INFORMATION_MISSING": ("no_trust", "sign_in"),
    "TOKEN_RETRIEVAL_ERROR": ("no_token", "sign_in"),
    "AUTHENTICATION_ERROR": ("no_sign_in", "sign_in"),
    "TypeError": ("stumbles", "new"),
    **dict.fromkeys(("http_400", "http_422", "http_500"), ("unexplained", "new")),
    "http_429": ("slower", "slower"),
    **dict.fromkeys(("http_502", "http_503", "http_504"), ("overloaded", "reach")),
    **dict.fromkeys(("http_401", "http_403", "http_407"), ("gateway_refuses", "address")),
    **dict.fromkeys(("http_404", "http_405", "http_410", "http_415", "http_421"), ("no_agent", "address")),
}


KNOWN = tuple(_CAUSES)


def meaning(reason: str) -> Value:
    """The word, and in words; what is not in the table stays as it is."""
    if reason not in _CAUSES:
        return Heard(reason) if reason.startswith("operator: ") else reason
    return Phrase("breaker.reason", {"reason": reason, "means": Phrase(f"means.{_CAUSES[reason][0]}")})


def step(reason: str, target: str) -> Phrase:
    """What to do next."""
    remedy = _CAUSES[reason][1] if reason in _CAUSES else "anything"
    return Phrase(f"remedy.{remedy}", {"key": _KEYS[target]})
