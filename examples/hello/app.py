"""A service as small as one can be: answers with its name, and says that it is up."""

import http.server
import json
import os
import socket


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            version = os.environ.get("VERSION", "unknown")
            self._answer("text/plain", f"Hello from {socket.gethostname()}, version {version}\n")
        elif self.path == "/health":
            self._answer("application/json", json.dumps({"up": True}))
        else:
            self.send_error(404)

    def _answer(self, content_type, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8080"))
    http.server.ThreadingHTTPServer(("", port), Hello).serve_forever()
