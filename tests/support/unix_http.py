"""An HTTP server on a unix socket that answers POST as it is told, and remembers what it was asked.

    with UnixHttp(path, lambda path, body: (200, b"...")) as server:
        server.asked[0]  # (path, body)
"""
import http.server
import os
import socketserver
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body))
        status, answer = self.server.answer(self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if answer:
            self.wfile.write(answer)

    def address_string(self):
        return "unix"

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class UnixHttp(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path, answer):
        self.path, self.answer, self.asked = path, answer, []
        super().__init__(path, _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        os.unlink(self.path)
