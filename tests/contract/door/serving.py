"""A real server in a thread, on a free port, for what only a socket can say."""

import socket
import threading
import time
from contextlib import contextmanager

from handlers.server import server


@contextmanager
def serving(app):
    """Yield the port."""
    running = server(app)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until = time.monotonic() + 15
    while not running.started:
        assert thread.is_alive(), "the server ended"
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.01)
    try:
        yield running.servers[0].sockets[0].getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(20)


def say(port, *pieces, wait=5.0, pause=0.0):
    """Send raw bytes and return everything that comes back until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass
        heard = b""
        try:
            while True:
                more = connection.recv(65536)
                if not more:
                    return heard
                heard += more
                head, found, body = heard.partition(b"\r\n\r\n")
                if found and _is_whole(head, body):
                    return heard
        except (TimeoutError, ConnectionResetError):
            return heard


def _is_whole(head, body):
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return False
