"""The first start, and every one after it: make what is missing, and hand out what changed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gantry import certificates
from gantry.accounts import new_password
from gantry_cli.secrets import contents, names
from gantry_cli.secrets.contents import Known
from gantry_cli.secrets.envfile import Found
from gantry_cli.secrets.store import GIVEN, MADE, Store

COUNTERS = "counters"  # the authority of the certificate that counters are shown
INSIDE = "inside"  # the authority of the servers that only our own processes reach
AXIS_HOST = "ingest-axis"  # by which the twins reach it


@dataclass(frozen=True, slots=True)
class Wish:
    """What the installation is to be."""

    server: str  # redis://redis:6379 or rediss://redis:6380
    axis_names: tuple[str, ...]  # by which counters reach ingest-axis
    demo: bool = False


def make(store: Store, wish: Wish, env: Found, now: datetime, say: Callable[[str], None]) -> None:
    """Everything. Raises StoreProblem, CertificateProblem, Malformed."""
    contents.address(wish.server)
    for problem in env.problems:
        say(problem)
    known = known_of(store, env, demo=wish.demo)
    certificate_of_counters(store, wish, known, now, say)
    certificate_of_server(store, wish, now, say)
    for (folder, name), content in contents.files(known, wish.server, demo=wish.demo).items():
        before = store.holds(folder, name)
        if store.hand_out(folder, name, content) and (before or content):
            say(changed(folder, name, content, before=before))


def changed(folder: str, name: str, content: str, *, before: bool) -> str:
    """What a person is told; a service reads its secrets at start only."""
    told = f"{folder}: {name} is {'set' if content else 'not set any more'}"
    running = before and folder in (*names.clients(), names.TWINS) and folder not in (names.OPERATOR, names.ADMIN)
    return f"{told}; one that runs takes it over when it is restarted" if running else told


def known_of(store: Store, env: Found, *, demo: bool) -> Known:
    """What is known, after making what was missing."""
    known = Known(env=env.values, given=store.values(GIVEN), made=store.values(MADE))
    for name in contents.to_make(demo=demo):
        if name not in known.made and not known.value(name):
            store.keep(MADE, name, new_password() if name == names.DASHBOARD_PASSWORD else secrets.token_hex(24))
    return Known(env=env.values, given=known.given, made=store.values(MADE))


def certificate_of_counters(store: Store, wish: Wish, known: Known, now: datetime, say: Callable[[str], None]) -> None:
    """One that was put, or ours for the names by which counters come."""
    folder = store.authority / COUNTERS
    if certificates.renew(folder, (*wish.axis_names, AXIS_HOST), now=now):
        say("a server certificate for the counters was made; `gantry secrets ca` prints what they must trust")
    own = certificates.Folder(folder)
    chain, key = known.given.get(names.TLS_CERT), known.given.get(names.TLS_KEY)
    if not (chain and key):
        chain, key = own.server_crt.read_text(encoding="ascii"), own.server_key.read_text(encoding="ascii")
    store.hand_out("ingest-axis", names.TLS_CERT.lower(), chain)
    store.hand_out("ingest-axis", names.TLS_KEY.lower(), key)
    for reader in (names.OPERATOR, *((names.TWINS,) if wish.demo else ())):
        store.hand_out(reader, "ca.crt", own.ca_crt.read_text(encoding="ascii"))


def authority(store: Store) -> str:
    """The counters' CA as PEM. Raises CertificateProblem when `init` never ran."""
    files = certificates.Folder(store.authority / COUNTERS)
    certificates.read(files.ca_crt)
    return files.ca_crt.read_text(encoding="ascii")


def certificate_of_server(store: Store, wish: Wish, now: datetime, say: Callable[[str], None]) -> None:
    """Redis' own, under an authority that only our services trust."""
    folder = store.authority / INSIDE
    if certificates.renew(folder, (contents.address(wish.server).hostname or "",), now=now):
        say("a certificate for Redis was made")
    own = certificates.Folder(folder)
    store.hand_out(names.SERVER, "server.crt", own.server_crt.read_text(encoding="ascii"))
    store.hand_out(names.SERVER, "server.key", own.server_key.read_text(encoding="ascii"))
    for user in names.clients():
        store.hand_out(user, "redis_ca.crt", own.ca_crt.read_text(encoding="ascii"))
