"""The https server of MTA-STS policies for tests: sts_server.py DIR, with server.pem and server.key in DIR.

It answers GET /.well-known/mta-sts.txt with the file DIR/HOST of the host asked for; the file's first line is the status
and the content type, such as "200 text/plain", the rest the policy. A POST to any other path is kept in DIR/posted, its
headers in DIR/posted.headers, and answered 201. Prints its port, ends when its standard input does.
"""
import http.server
import os
import ssl
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, kind, body):
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", f"https://{self.headers['Host']}/elsewhere")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # noqa: N802
        path = os.path.join(self.server.dir, os.path.basename(self.headers.get("Host", "").split(":")[0]))
        if self.path != "/.well-known/mta-sts.txt" or not os.path.exists(path):
            self.reply(404, "text/html", b"no")
            return
        with open(path, "rb") as f:
            status, kind = f.readline().decode().split()
            self.reply(int(status), kind, f.read())

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(os.path.join(self.server.dir, "posted.headers"), "w", encoding="utf-8") as f:
            f.write(f"{self.path}\n{self.headers}")
        with open(os.path.join(self.server.dir, "posted.new"), "wb") as f:
            f.write(body)
        os.rename(os.path.join(self.server.dir, "posted.new"), os.path.join(self.server.dir, "posted"))
        self.reply(201, "text/plain", b"")


def serve(folder, address="127.0.0.1", context=None):
    """A running server; .server_port is its port, .shutdown() ends it. Without a context: server.pem and server.key."""
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    server.dir = folder
    if not context:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    print(serve(sys.argv[1]).server_port, flush=True)
    sys.stdin.read()
