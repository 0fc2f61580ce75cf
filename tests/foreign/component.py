"""A component in Python that follows the pages in protocol/: enrols with a pairing link,
announces itself, lives, renews its certificate, tries what it may not, and leaves.

Usage: component.py hubpair://HOST:PORT/?code=…&ca=…&mqtt=…
"""

import base64
import hashlib
import http.client
import os
import queue
import ssl
import sys
import tempfile
import time
import urllib.parse

import cbor2
import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

SERIAL = "PY-0001"
ACTIVE = 3
PATIENCE = 20


def encode(message):
    """One valid encoding per message: RFC 8949 section 4.2.1."""
    return cbor2.dumps(message, canonical=True)


class Est:
    """The enrolment service (RFC 7030)."""

    def __init__(self, link):
        self.host, self.port = link.hostname, link.port
        query = dict(urllib.parse.parse_qsl(link.query))
        self.code, self.fingerprint = query["code"], query["ca"]
        self.ca = self.fetch_ca()

    def fetch_ca(self):
        """Whoever answers: only the certificate with the fingerprint that the owner read counts."""
        anyone = ssl._create_unverified_context()
        status, body, _ = self.ask(anyone, "GET", "cacerts")
        assert status == 200, status
        (ca,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        found = hashlib.sha256(ca.public_bytes(serialization.Encoding.DER)).hexdigest()
        assert found == self.fingerprint, "this is not the hub that its owner paired with"
        return ca.public_bytes(serialization.Encoding.PEM).decode()

    def ask(self, context, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=PATIENCE)
        connection.request(method, f"/.well-known/est/{path}", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Retry-After")

    def request(self, path, key, identity=None, code=None):
        """Asks for a certificate until the owner has decided."""
        context = ssl.create_default_context(cadata=self.ca)
        if identity:
            context.load_cert_chain(*identity)
        name = x509.Name([
            x509.NameAttribute(NameOID.COMMON_NAME, SERIAL),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Python Works"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, SERIAL),
        ])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        headers = {"Content-Type": "application/pkcs10"}
        if code:
            headers["Authorization"] = "Basic " + base64.b64encode(f"pair:{code}".encode()).decode()
        body = base64.b64encode(csr.public_bytes(serialization.Encoding.DER))
        for _ in range(PATIENCE):
            status, answer, wait = self.ask(context, "POST", path, body, headers)
            if status == 200:
                (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))
                return certificate
            assert status == 202, (status, answer)
            time.sleep(int(wait))
        raise SystemExit("the owner did not approve")


def logical_id(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uri.startswith("urn:uuid:")
    return uri.removeprefix("urn:uuid:")


class Component:
    """A session over MQTT 5 with mutual TLS."""

    def __init__(self, host, port, ca, identity, own_id):
        self.id, self.notices, self.answers, self.up = own_id, queue.Queue(), queue.Queue(), queue.Queue()
        self.configs = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=own_id, protocol=mqtt.MQTTv5)
        context = ssl.create_default_context(cadata=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(*identity)
        self.client.tls_set_context(context)
        self.client.will_set(f"p/{own_id}/lost", encode({1: 1}), qos=0)
        self.client.on_connect = lambda *a: self.up.put(a[3])
        self.client.on_message = self.receive
        self.client.on_publish = lambda _c, _u, mid, reason, _p: self.answers.put((mid, reason))
        self.client.on_subscribe = lambda _c, _u, mid, reasons, _p: self.answers.put((mid, reasons[0]))
        self.client.connect(host, port, keepalive=30)
        self.client.loop_start()
        reason = self.up.get(timeout=PATIENCE)
        assert not reason.is_failure, reason
        assert not self.subscribe(f"p/{own_id}/trust").is_failure
        assert not self.subscribe(f"p/{own_id}/config").is_failure

    def receive(self, _client, _user, message):
        leaf = message.topic.rsplit("/", 1)[1]
        {"trust": self.notices, "config": self.configs}[leaf].put(cbor2.loads(message.payload))

    def obey(self):
        """Applies the configuration it is given, and reports what it has then."""
        config = self.configs.get(timeout=PATIENCE)
        report = {1: 1, 2: config[2], 3: 0, 4: config[4], 5: config[5], 6: 1}
        assert not self.publish("reported", encode(report)).is_failure
        return config

    def answer(self, mid):
        while True:
            answered, reason = self.answers.get(timeout=PATIENCE)
            if answered == mid:
                return reason

    def subscribe(self, topic):
        _, mid = self.client.subscribe(topic, qos=1)
        return self.answer(mid)

    def publish(self, leaf, payload, qos=1, topic=None):
        info = self.client.publish(topic or f"p/{self.id}/{leaf}", payload, qos=qos)
        return self.answer(info.mid)

    def wait_for(self, state):
        while True:
            notice = self.notices.get(timeout=PATIENCE)
            if notice[2] == state:
                return notice

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def save(folder, key, certificate):
    key_file, certificate_file = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    with open(key_file, "wb") as file:
        file.write(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    with open(certificate_file, "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def announcement(seq, boot, firmware):
    return {
        1: 1, 2: seq, 3: boot, 4: "thermometer", 5: "Python Works", 6: "Snake 1", 7: SERIAL, 8: 1, 9: firmware,
        10: hashlib.sha256(firmware.encode()).digest(), 11: ["wifi"], 12: ["temperature"], 13: [], 14: 30, 15: 1,
        16: "https://python.example/sbom/snake-1.json", 17: "2030-12-31",
    }


def main(link):
    link = urllib.parse.urlparse(link)
    port = int(dict(urllib.parse.parse_qsl(link.query))["mqtt"])
    est = Est(link)
    with tempfile.TemporaryDirectory() as folder:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = est.request("simpleenroll", key, code=est.code)
        own_id = logical_id(certificate)
        # The id is the version 8 UUID of the key's digest.
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = bytearray(hashlib.sha256(spki).digest()[:16])
        digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80
        assert own_id.replace("-", "") == digest.hex()
        identity = save(folder, key, certificate)

        boot = os.urandom(8)
        component = Component(link.hostname, port, est.ca, identity, own_id)
        assert not component.publish("announce", encode(announcement(1, boot, "1.0"))).is_failure
        config = component.obey()
        assert config[3] == 1 and config[4] == {"interval": 60} and config[5] == ["wifi"], config
        notice = component.wait_for(ACTIVE)
        assert notice[5] > time.time(), "told when to renew"
        assert not component.publish("announce", encode(announcement(1, boot, "1.0"))).is_failure, "a repeat"
        assert not component.publish("announce", encode(announcement(2, boot, "1.1"))).is_failure, "an update"
        component.publish("heartbeat", encode({1: 1, 2: boot, 3: 1, 4: 1}), qos=0)
        assert not component.publish("stream/temperature", encode({"value": 21.5})).is_failure

        stranger = "00000000-0000-8000-8000-000000000000"
        assert component.publish("announce", encode(announcement(1, boot, "1.0"))).is_failure, "a replay"
        assert component.publish("stream/humidity", encode({"value": 1})).is_failure, "not announced"
        assert component.publish("stream/temperature", b"\xbf\xff").is_failure, "indefinite length"
        assert component.publish("stream/temperature", encode({"value": 126})).is_failure, "out of range"
        assert component.publish("stream/temperature", encode({"extra": 1, "value": 1})).is_failure, "not declared"
        wrong = {1: 1, 2: config[2], 3: 0, 4: {"backdoor": True}, 5: ["wifi"], 6: 1}
        assert component.publish("reported", encode(wrong)).is_failure, "a setting that is not declared"
        assert component.publish("", b"", topic=f"p/{stranger}/announce").is_failure, "another's topic"
        assert component.subscribe(f"p/{stranger}/trust").is_failure
        component.leave()

        new_key = ec.generate_private_key(ec.SECP256R1())
        renewed = est.request("simplereenroll", new_key, identity=identity)
        assert logical_id(renewed) == own_id, "the id stays"
        identity = save(folder, new_key, renewed)
        component = Component(link.hostname, port, est.ca, identity, own_id)
        assert not component.publish("announce", encode(announcement(2, boot, "1.1"))).is_failure
        assert not component.publish("bye", encode({1: 1, 2: 3, 3: 2})).is_failure
    print(f"  {own_id} enrolled, lived, renewed and left")


if __name__ == "__main__":
    main(sys.argv[1])
