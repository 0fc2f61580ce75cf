#!/usr/bin/env python3
"""A lamp by somebody who knew nothing but the folder protocol/.

component.py HOST EST_PORT MQTT_PORT CA_SHA256 CODE --state DIR [--v5] [--reason sleep|restart|leave]
"""
import argparse, base64, datetime, hashlib, http.client, json, os, random, re, ssl, struct, sys, threading, time, unicodedata, uuid
import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

# ---- CBOR, RFC 8949 4.2.1 -------------------------------------------------------------------
class Bad(Exception):
    pass

def head(major, n):
    if n < 24: return bytes([major << 5 | n])
    for ai, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size: return bytes([major << 5 | ai]) + n.to_bytes(size, 'big')
    raise Bad('out-of-range')

def enc_float(v):
    if v != v: return bytes.fromhex('f97e00')
    for b, f in ((0xf9, '>e'), (0xfa, '>f'), (0xfb, '>d')):
        try: p = struct.pack(f, v)
        except OverflowError: continue
        if struct.unpack(f, p)[0] == v: return bytes([b]) + p

def encode(v, depth=0):
    if v is False: return b'\xf4'
    if v is True: return b'\xf5'
    if v is None: return b'\xf6'
    if isinstance(v, int): return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, float): return enc_float(v)
    if isinstance(v, (bytes, bytearray)): return head(2, len(v)) + bytes(v)
    if isinstance(v, str):
        b = v.encode(); return head(3, len(b)) + b
    if isinstance(v, (list, dict)) and depth >= 8: raise Bad('too-deep')
    if isinstance(v, list): return head(4, len(v)) + b''.join(encode(x, depth + 1) for x in v)
    if isinstance(v, dict):
        return head(5, len(v)) + b''.join(k + w for k, w in sorted((encode(k), encode(x, depth + 1)) for k, x in v.items()))
    raise TypeError(type(v))

class Decoder:
    def __init__(self, b): self.b, self.p = b, 0
    def take(self, n):
        if self.p + n > len(self.b): raise Bad('truncated')
        r = self.b[self.p:self.p + n]; self.p += n; return r
    def item(self, depth=0):
        i = self.take(1)[0]; m, ai = i >> 5, i & 31
        if m == 7: return self.simple(ai)
        if ai == 31:
            raise Bad('indefinite-length' if m in (2, 3, 4, 5) else 'unsupported-item')
        if ai > 27: raise Bad('unsupported-item')
        if m == 6: raise Bad('unsupported-item')
        if ai < 24: n = ai
        else:
            size = 1 << (ai - 24); n = int.from_bytes(self.take(size), 'big')
            if n < (24 if size == 1 else 1 << 4 * size): raise Bad('not-shortest')
        if m == 0: return n
        if m == 1: return -1 - n
        if m == 2: return self.take(n)
        if m == 3:
            try: return self.take(n).decode('utf-8')
            except UnicodeDecodeError: raise Bad('not-utf8')
        if depth >= 8: raise Bad('too-deep')
        if m == 4: return [self.item(depth + 1) for _ in range(n)]
        out, last = {}, None
        for _ in range(n):
            s = self.p; mk = (self.b[s] >> 5) if s < len(self.b) else None
            if mk is not None and mk not in (0, 1, 3): raise Bad('key-type')
            k = self.item(depth + 1); raw = self.b[s:self.p]
            if last is not None and raw == last: raise Bad('duplicate-key')
            if last is not None and raw < last: raise Bad('unsorted-keys')
            last = raw; out[k] = self.item(depth + 1)
        return out
    def simple(self, ai):
        if ai in (20, 21, 22): return (False, True, None)[ai - 20]
        if ai == 31: raise Bad('indefinite-length')
        if ai not in (25, 26, 27): raise Bad('unsupported-item')
        raw = self.take(1 << (ai - 24))
        v = struct.unpack({25: '>e', 26: '>f', 27: '>d'}[ai], raw)[0]
        if enc_float(v) != bytes([0xe0 | ai]) + raw: raise Bad('not-shortest')
        return v

def decode(b):
    d = Decoder(b); v = d.item()
    if d.p != len(b): raise Bad('trailing-bytes')
    return v

# ---- messages of wire.cddl ------------------------------------------------------------------
def uint(lo=0, hi=2**64 - 1):
    def f(v):
        if type(v) is not int or v < 0: raise Bad('wrong-type')
        if not lo <= v <= hi: raise Bad('out-of-range')
    return f
def version(v):
    if type(v) is not int: raise Bad('wrong-type')
    if v != 1: raise Bad('wrong-version')
def enum(n):
    def f(v):
        if type(v) is not int or v < 0: raise Bad('wrong-type')
        if v >= n: raise Bad('unknown-value')
    return f
def bstr(n):
    def f(v):
        if type(v) is not bytes: raise Bad('wrong-type')
        if len(v) != n: raise Bad('wrong-length')
    return f
def text(ok, why='bad-text'):
    def f(v):
        if type(v) is not str: raise Bad('wrong-type')
        if not ok(v): raise Bad(why)
    return f
cat = unicodedata.category
def _label(s):
    return 1 <= len(s) <= 64 and all(cat(c) != 'Cc' for c in s) and cat(s[0])[0] != 'Z' and cat(s[-1])[0] != 'Z'
def _date(s):
    if not re.fullmatch(r'(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}', s): return False
    try: datetime.date.fromisoformat(s); return True
    except ValueError: return False
SLUG = re.compile(r'[a-z][a-z0-9-]{0,31}')
slug = text(lambda s: SLUG.fullmatch(s))
label = text(_label)
note = text(lambda s: 1 <= len(s) <= 160 and all(cat(c) != 'Cc' for c in s))
uri = text(lambda s: 3 <= len(s.encode()) <= 256 and re.fullmatch(r'[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]-~]+', s))
date = text(_date, 'bad-date')
def slugs(v):
    if type(v) is not list: raise Bad('wrong-type')
    if len(v) > 16: raise Bad('list-too-long')
    for x in v: slug(x)
    for a, b in zip(v, v[1:]):
        if a == b: raise Bad('list-twice')
        if a > b: raise Bad('list-order')
def cid(v):
    bstr(16)(v)
    if v[6] >> 4 != 8 or v[8] >> 6 != 2: raise Bad('bad-id')

u32, u64 = uint(hi=2**32 - 1), uint()
RULES = {
 'announcement': ({1: version, 2: u64, 3: bstr(8), 4: slug, 5: label, 6: label, 7: label, 8: u32, 9: label, 10: bstr(32),
                   11: slugs, 12: slugs, 13: slugs, 14: uint(1, 3600), 15: u32, 16: uri, 17: date}, {16, 17}),
 'heartbeat': ({1: version, 2: bstr(8), 3: u64, 4: u64}, set()),
 'bye': ({1: version, 2: u64, 3: enum(3)}, set()),
 'lost': ({1: version}, set()),
 'trust-notice': ({1: version, 2: enum(7), 3: u64, 4: note, 5: u64}, {5}),
 'hub-status': ({1: version, 2: u64, 3: u64, 4: label, 5: u32, 6: u32, 7: u32}, set()),
 'cloud-hello': ({1: version, 2: cid, 3: label, 4: label, 5: label}, set()),
}
MAX = {'announcement': 2048, 'heartbeat': 64, 'bye': 64, 'lost': 64, 'stream-value': 8192, 'trust-notice': 512,
       'hub-status': 1024, 'cloud-hello': 512}

def text_maps(v):
    if type(v) is dict:
        for k, x in v.items():
            if type(k) is not str: raise Bad('not-a-text-map')
            text_maps(x)
    elif type(v) is list:
        for x in v: text_maps(x)

def check(rule, v):
    if rule == 'stream-value':
        if type(v) is not dict: raise Bad('not-a-text-map')
        return text_maps(v)
    fields, optional = RULES[rule]
    if type(v) is not dict: raise Bad('wrong-type')
    for k in v:
        if type(k) is not int or k < 0: raise Bad('wrong-type')
        if k not in fields: raise Bad('unknown-key')
    for k in fields:
        if k not in v and k not in optional: raise Bad('missing-key')
    for k, x in v.items(): fields[k](x)

def dec_msg(rule, b):
    if len(b) > MAX[rule]: raise Bad('too-large')
    v = decode(b); check(rule, v); return v
def enc_msg(rule, v):
    check(rule, v); b = encode(v)
    if len(b) > MAX[rule]: raise Bad('too-large')
    return b

ID = r'[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
NAME = r'[a-z][a-z0-9-]{0,31}'
TOPICS = [(rf'p/{ID}/announce', 'announcement'), (rf'p/{ID}/heartbeat', 'heartbeat'), (rf'p/{ID}/bye', 'bye'),
          (rf'p/{ID}/lost', 'lost'), (rf'p/{ID}/stream/{NAME}', 'stream-value'), (rf'p/{ID}/trust', 'trust-notice'),
          (rf'h/{ID}/status', 'hub-status'), (rf'h/{ID}/lost', 'lost'), (rf'h/{ID}/hello', 'cloud-hello')]
def route(t):
    return next((m for r, m in TOPICS if re.fullmatch(r, t)), None)

def make_id(spki):
    b = bytearray(hashlib.sha256(spki).digest()[:16])
    b[6] = b[6] & 0x0f | 0x80; b[8] = b[8] & 0x3f | 0x80
    return uuid.UUID(bytes=bytes(b))

# ---- component ------------------------------------------------------------------------------
def log(*a): print(time.strftime('%H:%M:%S'), *a, flush=True)

class Store:
    def __init__(self, d):
        self.d = d; os.makedirs(d, mode=0o700, exist_ok=True)
    def path(self, n): return os.path.join(self.d, n)
    def get(self, n):
        try: return open(self.path(n), 'rb').read()
        except FileNotFoundError: return None
    def put(self, n, b):
        t = self.path(n + '.new'); fd = os.open(t, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, b); os.fsync(fd); os.close(fd); os.replace(t, self.path(n))
    def next_seq(self):
        s = int(self.get('seq') or b'0') + 1; self.put('seq', str(s).encode()); return s

SERIAL = None
def certs_of(body): return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))

def enrol(a, st):
    pem = st.get('device.key')
    if pem is None:
        key = ec.generate_private_key(ec.SECP256R1())
        st.put('device.key', key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))
        st.put('serial', ('STR-%06d' % random.SystemRandom().randrange(10**6)).encode())
    key = ser.load_pem_private_key(st.get('device.key'), None); serial = st.get('serial').decode()
    spki = key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    me = str(make_id(spki)); log('id', me, 'serial', serial)
    # CA
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE
    ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    c = http.client.HTTPSConnection(a.host, a.est, context=ctx, timeout=20)
    c.request('GET', '/.well-known/est/cacerts'); r = c.getresponse(); body = r.read(); c.close()
    log('cacerts', r.status, dict(r.getheaders()))
    want = bytes.fromhex(a.ca.replace(':', ''))
    ca = next((x for x in certs_of(body) if x.fingerprint(hashes.SHA256()) == want), None)
    if ca is None: sys.exit('CA fingerprint differs')
    st.put('ca.pem', ca.public_bytes(ser.Encoding.PEM))
    if st.get('device.pem') is not None: return me, serial
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Stranger Works'), x509.NameAttribute(NameOID.COMMON_NAME, 'S1'),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)])).sign(key, hashes.SHA256())
    body = base64.b64encode(csr.public_bytes(ser.Encoding.DER))
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); ctx.load_verify_locations(st.path('ca.pem')); ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    auth = 'Basic ' + base64.b64encode(('pair:' + a.code).encode()).decode()
    while True:
        c = http.client.HTTPSConnection(a.host, a.est, context=ctx, timeout=20)
        c.request('POST', '/.well-known/est/simpleenroll', body, {'Authorization': auth, 'Content-Type': 'application/pkcs10'})
        r = c.getresponse(); ans = r.read(); c.close()
        log('simpleenroll', r.status, dict(r.getheaders()), ans[:200] if r.status != 200 else len(ans))
        if r.status == 200: break
        if r.status in (202, 429, 503): time.sleep(int(r.getheader('Retry-After') or 10)); continue
        sys.exit('refused: %r' % ans)
    mine = next(x for x in certs_of(ans) if x.public_key() == key.public_key())
    assert mine.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == me
    st.put('device.pem', mine.public_bytes(ser.Encoding.PEM))
    return me, serial

STATES = 'seen pending quarantined active stale revoked retired'.split()
def main():
    p = argparse.ArgumentParser(); p.add_argument('host'); p.add_argument('est', type=int); p.add_argument('mqtt', type=int)
    p.add_argument('ca'); p.add_argument('code'); p.add_argument('--v5', action='store_true')
    p.add_argument('--reason', default='leave', choices=['sleep', 'restart', 'leave']); p.add_argument('--state', required=True)
    p.add_argument('--beats', type=int, default=3); p.add_argument('--anyway', action='store_true', help='go on although not active (to see the refusals)'); p.add_argument('--wait', type=int, default=60); p.add_argument('--provoke', action='store_true'); a = p.parse_args()
    st = Store(a.state); me, serial = enrol(a, st)
    boot, start, interval = os.urandom(8), time.monotonic(), 5
    ann = enc_msg('announcement', {1: 1, 2: st.next_seq(), 3: boot, 4: 'lamp', 5: 'Stranger Works', 6: 'S1', 7: serial, 8: 1, 9: '0.1.0',
        10: hashlib.sha256(open(__file__, 'rb').read()).digest(), 11: ['wifi'], 12: ['state'], 13: [], 14: interval, 15: 0})
    active, subbed, acks, gone = threading.Event(), threading.Event(), {}, threading.Event()
    T = lambda leaf: f'p/{me}/{leaf}'
    c = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=me, protocol=mqtt.MQTTv5 if a.v5 else mqtt.MQTTv311, **({} if a.v5 else {'clean_session': True}))
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); ctx.load_verify_locations(st.path('ca.pem')); ctx.minimum_version = ssl.TLSVersion.TLSv1_3
    ctx.load_cert_chain(st.path('device.pem'), st.path('device.key')); c.tls_set_context(ctx)
    c.will_set(T('lost'), enc_msg('lost', {1: 1}), 0, False)
    c.reconnect_delay_set(1, 60)
    def on_connect(c, u, f, rc, pr):
        log('CONNACK', rc, pr)
        if not rc.is_failure: c.subscribe(T('trust'), 1)
    def on_sub(c, u, mid, rcs, pr):
        log('SUBACK', rcs, pr); subbed.set(); acks[c.publish(T('announce'), ann, 1).mid] = 'announce'
    def on_msg(c, u, m):
        n = dec_msg('trust-notice', m.payload); log('trust', STATES[n[2]], n, 'retain', m.retain)
        (active.set if n[2] in (3, 4) else active.clear)()
    def on_pub(c, u, mid, rc, pr): log('PUBACK', mid, rc, pr)
    def on_disc(c, u, f, rc, pr): log('disconnected', rc, pr); gone.set()
    c.on_connect, c.on_subscribe, c.on_message, c.on_publish, c.on_disconnect = on_connect, on_sub, on_msg, on_pub, on_disc
    c.connect(a.host, a.mqtt, 60); c.loop_start()
    if not active.wait(a.wait) and not a.anyway:
        c.disconnect(); c.loop_stop(); sys.exit('never became active')
    for i in range(1, a.beats + 1):
        c.publish(T('heartbeat'), enc_msg('heartbeat', {1: 1, 2: boot, 3: i, 4: int(time.monotonic() - start)}), 1)
        if i == 1: c.publish(T('stream/state'), enc_msg('stream-value', {'on': True, 'level': 80, 'temp': 21.5}), 1)
        if i == 1 and a.provoke:
            c.publish(T('heartbeat'), b'\xa0', 1); c.publish(T('stream/other'), b'\xa0', 1); c.publish(T('nope'), b'\xa0', 1)
        if i < a.beats: time.sleep(interval)
    i = c.publish(T('bye'), enc_msg('bye', {1: 1, 2: st.next_seq(), 3: ['sleep', 'restart', 'leave'].index(a.reason)}), 1)
    if a.reason == 'leave':
        for _ in range(50):
            if i.is_published() or gone.is_set(): break
            time.sleep(.1)
        log('bye acknowledged' if i.is_published() else 'cut before the acknowledgement'); gone.wait(3)
    else: i.wait_for_publish(10); log('bye acknowledged', i.is_published())
    c.disconnect(); c.loop_stop(); log('done')
if __name__ == '__main__': main()
