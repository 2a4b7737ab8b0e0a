"""`gantry certs`: the certificate that counters ask of ingest-axis."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gantry import certificates
from gantry.certificates import Certificate, CertificateProblem, Folder

app = typer.Typer(no_args_is_help=True, help="Make and show the certificates of ingest-axis.")

DEFAULT = Path("var/certs")
Where = Annotated[Path, typer.Option("--dir", help="Folder of the four files.")]


@app.command()
def init(
    names: Annotated[
        list[str] | None, typer.Argument(help="DNS names and IP addresses under which counters reach this machine.")
    ] = None,
    folder: Where = DEFAULT,
) -> None:
    """Make a CA (unless the folder has one) and a server certificate. Nothing is ever overwritten."""
    try:
        certificates.init(folder, names or [], now=datetime.now(UTC))
        _show(folder)
    except CertificateProblem as problem:
        _fail(problem)


@app.command()
def show(folder: Where = DEFAULT) -> None:
    """What to install on the counters, how long it lasts, and the settings that name it."""
    try:
        _show(folder)
    except CertificateProblem as problem:
        _fail(problem)


def _show(folder: Path) -> None:
    files = Folder(folder.absolute())
    ca, server = certificates.describe(folder)
    typer.echo("Server certificate")
    _show_one(server)
    typer.echo(f"  names        {', '.join(server.names)}")
    typer.echo("\nCertificate authority: install this file on every counter, as CA certificate")
    _show_one(ca)
    typer.echo(f"  file         {files.ca_crt}\n\n{files.ca_crt.read_text(encoding='ascii')}")
    typer.echo("Settings of ingest-axis")
    typer.echo(f"AXIS_TLS_CERT={files.server_crt}\nAXIS_TLS_KEY={files.server_key}")


def _show_one(certificate: Certificate) -> None:
    days = (certificate.not_after - datetime.now(UTC)).days
    typer.echo(f"  subject      {certificate.subject}")
    typer.echo(f"  valid until  {certificate.not_after:%Y-%m-%d %H:%M} UTC ({days} days)")
    typer.echo(f"  SHA-256      {certificate.sha256}")


def _fail(problem: CertificateProblem) -> None:
    typer.echo(f"gantry certs: {problem}", err=True)
    raise typer.Exit(1)
