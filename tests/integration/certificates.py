"""Who is let in at the relay. A stranger is refused before a byte of HTTP, and the log says why."""

import base64
import os
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from claims import claim, needs, same, wait_for
from harness import HOST, Plant

LOG_INTERVAL_S = 1.1  # of refusals within a second the relay names the first and counts the others
# Agents' certificates hold both purposes; each case below leaves out or adds one thing.
EXTENSIONS = {
    "basicConstraints": "critical,CA:FALSE",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "serverAuth,clientAuth",
    "subjectAltName": "URI:sallyport://demo/edge/line2",
}


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0, f"openssl {words[0]}: {done.stderr}"


@dataclass
class Credentials:
    """What a client shows: a file with the chain, the leaf first, and the key."""

    chain: Path
    key: Path


class Office:
    """Makes certificates, good and bad, with the plant's own authority or with a foreign one."""

    def __init__(self, run, plant):
        needs("openssl")
        self._run, self._plant = run, plant
        self._folder = plant.folder / "office"
        self._folder.mkdir()
        self._number = 0

    def _file(self, suffix):
        self._number += 1
        return self._folder / f"{self._number}.{suffix}"

    def key(self, *generation):
        path = self._file("key")
        generation = generation or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        openssl("genpkey", *generation, "-out", str(path))
        return path

    def signed_as(self, role, name):
        """By `sallyport-ca sign`, as an operator would."""
        key, request, out = self.key(), self._file("csr"), self._file("crt")
        openssl("req", "-new", "-key", str(key), "-subj", "/CN=x", "-out", str(request))
        hosts = ["--ip", HOST] if role == "server" else []
        done = subprocess.run(
            [self._run.program("sallyport-ca"), "sign", "--dir", str(self._plant.folder / "ca"),
             "--role", role, "--name", name, *hosts, "--out", str(out), str(request)],
            capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"sallyport-ca sign: {done.stderr}"
        return Credentials(out, key)

    def forged(self, authority=None, key=None, days=30, subject="/O=demo/CN=line2", **changes):
        """By openssl, with any extensions; by the plant's authority unless another is given."""
        key = key or self.key()
        ca_certificate, ca_key = authority or (self._plant.folder / "ca/ca.crt",
                                               self._plant.folder / "ca/ca.key")
        request, out, extensions = self._file("csr"), self._file("crt"), self._file("ext")
        wanted = {**EXTENSIONS, **changes}
        extensions.write_text("".join(f"{k}={v}\n" for k, v in wanted.items() if v))
        openssl("req", "-new", "-key", str(key), "-subj", subject, "-out", str(request))
        openssl("x509", "-req", "-in", str(request), "-CA", str(ca_certificate),
                "-CAkey", str(ca_key), "-CAcreateserial", "-days", str(days), "-sha256",
                "-extfile", str(extensions), "-out", str(out))
        return Credentials(out, key)

    def foreign_authority(self):
        """Calls itself like the plant's own."""
        key, certificate = self.key(), self._file("crt")
        openssl("req", "-x509", "-new", "-key", str(key), "-days", "30",
                "-subj", "/O=demo/CN=Sallyport root CA", "-out", str(certificate))
        return certificate, key

    def together(self, first, second):
        """Two leaves at once: the first's key, and the second's certificate behind the first's."""
        chain = self._file("crt")
        chain.write_text(first.chain.read_text() + second.chain.read_text())
        return Credentials(chain, first.key)


def knock(port, credentials, newest=ssl.TLSVersion.TLSv1_3):
    """Does the TLS handshake and asks for the tunnel; the bytes of HTTP that came, and the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # this side shows weak keys too
    context.set_alpn_protocols(["http/1.1"])
    if credentials:
        context.load_cert_chain(credentials.chain, credentials.key)
    request = ("GET /sallyport HTTP/1.1\r\n" f"Host: {HOST}:{port}\r\n"
               "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
               "Sec-WebSocket-Protocol: sallyport.1\r\n\r\n")
    received = b""
    with socket.create_connection((HOST, port), timeout=15) as plain:
        try:
            with context.wrap_socket(plain) as secured:
                secured.sendall(request.encode())
                while b"\r\n\r\n" not in received:
                    data = secured.recv(4096)
                    if not data:
                        return received, "closed"
                    received += data
        except (ssl.SSLError, ConnectionError) as error:
            return received, str(error)
    return received, "open"


def check_refused(run, relay, port, name, credentials, logged, **options):
    time.sleep(LOG_INTERVAL_S)
    mark = relay.mark()
    received, end = knock(port, credentials, **options)
    same(f"{name}: bytes of HTTP received", b"", received)
    assert end != "open", f"{name}: the connection stayed open"
    line = wait_for(f"{name}: the relay's log names the refusal",
                    lambda: [line for line in relay.log(mark).splitlines()
                             if "refused" in line], 10)
    same(f"{name}: log lines", 1, len(line))
    assert logged in line[0], f"{name}: expected {logged!r} in the log, seen {line[0]!r}"
    run.measured(f"{name}: {line[0].split('refused: ', 1)[1]}")


def check_admitted(port, name, credentials):
    received, _ = knock(port, credentials)
    assert received.startswith(b"HTTP/1.1 101 "), f"{name}: seen {received[:80]!r}"


def cases(run, office):
    """(name, what it shows, what the relay's log must say)."""
    yield "no certificate", None, "did not return a certificate"
    foreign = office.foreign_authority()
    yield "an edge of another authority", office.forged(authority=foreign), "certificate"
    if run.smoke:
        return
    for role, logged in (("client", "has the wrong role"), ("relay", "has the wrong role"),
                         ("server", "purpose")):
        yield f"role {role}", office.signed_as(role, f"{role}1"), logged
    yield ("a foreign leaf with a right one behind it",
           office.together(office.forged(authority=foreign), office.signed_as("edge", "line3")),
           "certificate")
    both = "URI:sallyport://demo/edge/line2,URI:sallyport://demo/it/hq"
    yield "two identities at once", office.forged(subjectAltName=both), "more than one URI"
    yield "an identity in the CN alone", office.forged(subjectAltName=None), "subjectAltName"
    yield ("a host name instead of an identity", office.forged(subjectAltName="DNS:line2"),
           "no URI")
    authority = {"basicConstraints": "critical,CA:TRUE"}
    yield ("an authority as leaf",
           office.forged(**authority, keyUsage="critical,digitalSignature,keyCertSign"),
           "authority")
    yield "an authority as leaf that may not sign", office.forged(**authority), "authority"
    yield "expired", office.forged(days=-1), "expired"
    weak = office.key("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    yield "a weak key", office.forged(key=weak), "certificate"
    yield "an RSA key", office.forged(
        key=office.key("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")), "P-256"
    yield "no purpose clientAuth", office.forged(extendedKeyUsage="serverAuth"), "purpose"


@claim("the relay refuses every wrong certificate before a byte of HTTP, names it, "
       "and lets the right one in",
       smoke=True, limit_s=120, beside=True)
def wrong_certificates(run):
    with Plant(run) as plant:
        plant.relay.start()
        office = Office(run, plant)
        right = office.signed_as("edge", "line2")
        check_admitted(plant.relay_port, "the right one", right)
        let_in = []
        for name, credentials, logged in cases(run, office):
            try:
                check_refused(run, plant.relay, plant.relay_port, name, credentials, logged)
            except AssertionError as error:
                let_in.append(str(error))
        same("what went otherwise", [], let_in)
        check_refused(run, plant.relay, plant.relay_port, "TLS 1.2 with the right one", right,
                      "protocol", newest=ssl.TLSVersion.TLSv1_2)
        check_admitted(plant.relay_port, "the right one, after all the others", right)
        same("agents that were admitted to the tunnel", 0, plant.relay.status()["admitted"])


@claim("a listener for edges refuses an it-agent, one for it-agents an edge", beside=True)
def roles_of_listeners(run):
    with Plant(run) as plant:
        second = plant.spare_port()
        plant.rewrite(plant.relay, 'role = "any"',
                      f'role = "edge"\n\n[[listener]]\naddress = "{HOST}:{second}"\nrole = "it"')
        plant.relay.start()
        office = Office(run, plant)
        edge, it = office.signed_as("edge", "line2"), office.signed_as("it", "office")
        check_admitted(plant.relay_port, "an edge where edges are wanted", edge)
        check_admitted(second, "an it-agent where it-agents are wanted", it)
        check_refused(run, plant.relay, plant.relay_port, "an it-agent at the edges' listener", it,
                      "has the wrong role")
        check_refused(run, plant.relay, second, "an edge at the it-agents' listener", edge,
                      "has the wrong role")


def bytes_for(credentials, server):
    """What one client sends to a server with these credentials, after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credentials.chain, credentials.key)
    context.set_alpn_protocols(["http/1.1"])
    plain, _ = server.accept()
    plain.settimeout(10)
    try:
        with context.wrap_socket(plain, server_side=True) as secured:
            return secured.recv(4096)
    except (ssl.SSLError, ConnectionError):
        return b""


@claim("an edge says nothing to a relay of another authority, nor to one that is not a relay",
       beside=True)
def false_relay(run):
    with Plant(run) as plant, Plant(run, "other") as other:
        server = socket.create_server((HOST, plant.spare_port()))
        server.settimeout(20)
        plant.rewrite(plant.edge, f"wss://{HOST}:{plant.relay_port}",
                      f"wss://{HOST}:{plant.spare_port()}")
        foreign = Office(run, other).signed_as("relay", "dmz2")
        office = Office(run, plant)
        shown = {"a relay of another authority": foreign,
                 "an edge in the relay's place": office.signed_as("edge", "line2"),
                 "a server in the relay's place": office.signed_as("server", "dmz2")}
        plant.edge.start()
        with server:
            for name, credentials in shown.items():
                same(f"{name}: bytes it was sent", b"", bytes_for(credentials, server))
            right = bytes_for(office.signed_as("relay", "dmz2"), server)
            assert right.startswith(b"GET /sallyport HTTP/1.1"), f"a right relay: {right!r}"
        assert plant.edge.status()["relay"]["link"] != "up"
        for line in plant.edge.log().splitlines():
            if "certificate" in line:
                run.measured(line.split(" warn ", 1)[-1])
        assert "certificate" in plant.edge.log()
