"""A merchant's notify address for the sandbox's tests: keeps what arrives and answers as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.sandbox.merchant import form_of


class Listener:
    """What arrived, in order. ``answer`` is what is said to it; ``url`` where it listens."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: str | list[str] = "success"
        self.status = 200
        self.url = ""

    def next_answer(self) -> str:
        if isinstance(self.answer, list):
            return self.answer.pop(0) if self.answer else "success"
        return self.answer


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            listener.forms.append(form_of(self.rfile.read(int(self.headers["content-length"]))))
            body = listener.next_answer().encode()
            self.send_response(listener.status)
            if listener.status == 302:
                self.send_header("location", listener.url)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    listener.url = f"http://127.0.0.1:{server.server_port}/notify"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join(10)
