#!/usr/bin/env -S python3 -IS
"""A container's health: exit 0 if /readyz of this very container says 200, else 1 with what it says.

Runs every few seconds in every container, so it is a bare socket: importing an HTTP client would cost four times as
much.
"""

import os
import socket
import sys

LONGEST = 4096  # bytes; Docker keeps so much of a probe's output


def main() -> int:
    port = int(os.environ.get("METRICS_PORT") or "9100")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while len(answer) < LONGEST and (part := connection.recv(LONGEST)):
                answer += part
    except OSError as error:
        sys.stdout.write(f"port {port} does not answer: {error}\n")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode(errors="replace"))
    return 0 if head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")) else 1


if __name__ == "__main__":
    sys.exit(main())
