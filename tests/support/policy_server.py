"""The https server of MTA-STS policies (RFC 8461 3.3), for tests: one for all domains, each with a certificate of its own.

    with PolicyServer(authority) as server:
        server.add("good.test", "version: STSv1\\nmode: enforce\\nmx: mx.good.test\\nmax_age: 86400\\n")
        # outbound.sts_port = server.port
"""
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PolicyServer:
    def __init__(self, authority, address="127.0.0.1"):
        self.authority = authority
        self.policies = {}
        self.asked = []
        self._contexts = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers.get("Host", "").split(":")[0]
                outer.asked.append(host)
                text = outer.policies.get(host)
                if text is None or self.path != "/.well-known/mta-sts.txt":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer((address, 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        context = authority.issue("nobody.invalid").server_context()
        context.sni_callback = lambda sock, name, _: setattr(sock, "context", self._contexts.get(name, context))
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def add(self, domain, text):
        name = f"mta-sts.{domain}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert = self.authority.issue(name)
        context.load_cert_chain(cert.pem, cert.key)
        self._contexts[name] = context
        self.policies[name] = text.replace("\n", "\r\n")
