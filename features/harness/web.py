"""Small real web services on this machine, for the registry to check: each answers as the scenario says."""

import http.server
import threading
import time

_LATE = 0.5  # seconds


class WebService:
    """``answer``: a status ("200", "500"), a JSON body (``{"up": false}``), "slowly" (200, once ``release``
    is called), "late" (200, after a while) or "nothing" (never)."""

    def __init__(self, host: str, answer: str):
        self.answer = answer
        self.seen = threading.Event()  # a check has come
        self.times = 0  # checks that have come
        self._released = threading.Event()
        self._server = http.server.ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.host, self.port = self._server.server_address
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def release(self) -> None:
        self._released.set()

    def stop(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def _handler(web):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.seen.set()
                web.times += 1
                if web.answer in ("slowly", "nothing"):
                    web._released.wait()
                if web.answer == "late":
                    time.sleep(_LATE)
                if web.answer == "nothing":
                    return
                is_json = web.answer.startswith("{")
                body = web.answer.encode() if is_json else b"well\n"
                self.send_response(int(web.answer) if web.answer.isdigit() else 200)
                self.send_header("Content-Type", "application/json" if is_json else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
