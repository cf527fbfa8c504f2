"""The https server of MTA-STS policies (RFC 8461 3.3), for tests: one for all domains, each with a certificate of its own.

    with PolicyServer(authority) as server:
        server.add("good.test", "version: STSv1\\nmode: enforce\\nmx: mx.good.test\\nmax_age: 86400\\n")
        # outbound.sts_port = server.port
"""
import os
import tempfile

import sts_server


class PolicyServer:
    def __init__(self, authority, address="127.0.0.1"):
        self.authority = authority
        self._contexts = {}
        self._folder = tempfile.TemporaryDirectory(prefix="podmail-policies-")
        context = authority.issue("nobody.invalid").server_context()
        context.sni_callback = lambda sock, name, _: setattr(sock, "context", self._contexts.get(name, context))
        self._http = sts_server.serve(self._folder.name, address, context)
        self.port = self._http.server_port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._folder.cleanup()

    def add(self, domain, text):
        name = f"mta-sts.{domain}"
        self._contexts[name] = self.authority.issue(name).server_context()
        with open(os.path.join(self._folder.name, name), "w", encoding="ascii", newline="") as f:
            f.write("200 text/plain\n" + text.replace("\n", "\r\n"))
