"""What access and actions count and report, named once. Passwords stand in no line but the one that makes one known."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

from gantry.streams.actions import Action

log = structlog.get_logger()

LOGINS = Counter(
    "gantry_dashboard_logins_total",
    "Attempts to log in, by what came of them: accepted, refused, throttled.",
    ["result"],
)
TURNED_AWAY = Counter(
    "gantry_dashboard_turned_away_total",
    "Requests that were not let through: host, origin, csrf, role, reading.",
    ["why"],
)
ACTIONS = Counter("gantry_dashboard_actions_total", "What people did, by kind.", ["what"])


def password_generated(account: str, password: str) -> None:
    """The only line that ever holds a password: without it nobody could log in."""
    log.warning(
        "dashboard_password_generated",
        account=account,
        password=password,
        next="log in with it; it is not shown again, and `gantry password` makes another",
    )


def password_from_setting(account: str) -> None:
    log.info("dashboard_password_set", account=account)


def password_short(setting: str, least: int) -> None:
    log.warning("dashboard_password_short", setting=setting, next=f"at least {least} characters")


def account_removed(account: str) -> None:
    log.info("dashboard_account_removed", account=account)


def reading_open(host: str) -> None:
    log.warning(
        "dashboard_reading_open",
        host=host,
        next="whoever reaches this address reads everything: DASHBOARD_READING=login, or DASHBOARD_HOST=127.0.0.1",
    )


def login_accepted(account: str, address: str) -> None:
    LOGINS.labels("accepted").inc()
    log.info("logged_in", account=account, address=address)


def login_refused(account: str, address: str) -> None:
    LOGINS.labels("refused").inc()
    log.warning("login_refused", account=account, address=address)


def login_throttled(address: str, wait_s: int) -> None:
    LOGINS.labels("throttled").inc()
    log.debug("login_throttled", address=address, wait_s=wait_s)


def turned_away(why: str, path: str) -> None:
    TURNED_AWAY.labels(why).inc()
    log.debug("turned_away", why=why, path=path)


def acted(action: Action) -> None:
    """Every action is in the log too, which has room where Redis has none."""
    ACTIONS.labels(action.what).inc()
    log.info(
        "action",
        who=action.who,
        role=action.role,
        origin=action.origin,
        what=action.what,
        scope=action.scope,
        count=action.count,
        result=action.result,
    )


def action_not_recorded(what: str) -> None:
    log.error("action_not_recorded", what=what, next="the line before says what was done; the list of actions lacks it")


def sessions_away(reason: str) -> None:
    log.warning("sessions_away", reason=reason)
