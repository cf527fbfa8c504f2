"""Certificates for tests, made by openssl(1): a CA of one's own and what it signs, good, expired, for other names.

    ca = Authority(folder)
    cert = ca.issue("mx.good.test")             # cert.pem (the chain), cert.key: paths; cert.text: the leaf
    old = ca.issue("mx.good.test", days=-1)     # expired
    stranger = Authority(other).issue("mx.good.test")
"""
import os
import ssl
import subprocess

EXTENSIONS = "subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"


def _openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, text=True, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(args)}: {done.stderr}")
    return done.stdout


class Certificate:
    def __init__(self, pem, key):
        self.pem, self.key = pem, key
        with open(pem, encoding="ascii") as f:
            self.text = f.read()

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.key)
        return context


class Authority:
    def __init__(self, folder, name="Test CA"):
        self.dir = folder
        self.made = 0
        os.makedirs(folder, exist_ok=True)
        self.key, self.pem = os.path.join(folder, "ca.key"), os.path.join(folder, "ca.pem")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                 self.pem, "-subj", f"/CN={name}", "-days", "30")
        with open(self.pem, encoding="ascii") as f:
            self.text = f.read()

    def issue(self, *names, days=30):
        self.made += 1
        base = os.path.join(self.dir, f"cert{self.made}")
        key, csr, leaf, chain, ext = (base + s for s in (".key", ".csr", ".leaf", ".pem", ".ext"))
        with open(ext, "w", encoding="ascii") as f:
            f.write(EXTENSIONS.format(names=",".join(("IP:" if n[0].isdigit() else "DNS:") + n for n in names)))
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr, "-subj",
                 f"/CN={names[0]}")
        _openssl("x509", "-req", "-in", csr, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-out", leaf, "-days",
                 str(days), "-extfile", ext)
        with open(leaf, encoding="ascii") as f:
            text = f.read()
        with open(chain, "w", encoding="ascii") as f:
            f.write(text + self.text)
        made = Certificate(chain, key)
        made.text = text
        return made
