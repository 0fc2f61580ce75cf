"""Every vector of protocol/ against the stranger's own codec."""
import json, glob, os, base64, hashlib, sys
from component import *
D = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'protocol', 'vectors'); ok = bad = 0
whydiff = []
def t(c, *m):
    global ok, bad
    if c: ok += 1
    else: bad += 1; print('FAIL', *m)
L = lambda f: json.load(open(os.path.join(D, f)))
ALL = {}
LISTED = set('not-shortest indefinite-length unsorted-keys duplicate-key trailing-bytes too-deep too-large list-order list-twice bad-id bad-date unsupported-item'.split())
flag = {}
for m in list(RULES) + ['stream-value']:
    d = L(m + '.json')
    t(d['max_bytes'] == MAX[m], m, 'max')
    for v in d['valid']:
        b = bytes.fromhex(v['hex']); ALL[f"{m}/{v['name']}"] = b
        try: x = dec_msg(m, b); t(enc_msg(m, x) == b, m, v['name'], 'roundtrip')
        except Bad as e: t(False, m, v['name'], e)
        t(route(v['topic']) == m, v['topic'])
    for v in d['invalid']:
        if v['cddl_refuses'] != (v['why'] not in LISTED): flag.setdefault(v['why'], []).append((m, v['name'], v['cddl_refuses']))
        try: dec_msg(m, bytes.fromhex(v['hex'])); t(False, m, v['name'], 'accepted', v['why'])
        except Bad as e:
            t(True)
            if str(e) != v['why']: whydiff.append((m, v['name'], v['why'], str(e)))
            t((str(e) == 'too-large') == (v['refused_as'] == 'too-large'), m, v['name'], 'refused_as')
for v in L('ids.json')['from_key']:
    s = bytes.fromhex(v['spki']); t(hashlib.sha256(s).hexdigest() == v['sha256'] and str(make_id(s)) == v['id'] and make_id(s).bytes.hex() == v['id_bytes'], v['name'])
for v in L('ids.json')['text']['valid']: t(re.fullmatch(ID, v), v)
for v in L('ids.json')['text']['invalid']: t(not re.fullmatch(ID, v['text']), v)
for v in L('topics.json')['valid']:
    # It was written before configuration and relaying were in the contract.
    if v['message'] in MAX: t(route(v['topic']) == v['message'] and MAX[v['message']] == v['max_bytes'], v)
for v in L('topics.json')['invalid']: t(route(v['topic']) is None, v)
for p in L('mqtt.json')['packets']:
    b = bytes.fromhex(p['hex']); n = s = 0; i = 1
    while True:
        n |= (b[i] & 127) << s; s += 7; i += 1
        if not b[i-1] & 128: break
    t(len(b) - i == n, p['name'], 'remaining length')
    pl = p['payload']
    if pl:
        if pl in ALL: t(b.endswith(ALL[pl]), p['name'])
        else: t(False, 'no such payload', pl)
e = L('enrolment.json')
key = ser.load_pem_private_key(e['key_pem'].encode(), None); spki = bytes.fromhex(e['spki'])
t(key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo) == spki, 'spki'); t(str(make_id(spki)) == e['id'], 'id')
csr = x509.load_der_x509_csr(bytes.fromhex(e['csr'])); t(csr.is_signature_valid, 'csr')
t(base64.b64decode(e['simpleenroll_request']).hex() == e['csr'], 'req')
t('Basic ' + base64.b64encode(b'pair:' + e['code'].encode()).decode() == e['authorization'], 'auth')
ca = certs_of(e['cacerts_response'])[0]; dev = certs_of(e['simpleenroll_response'])[0]; DER = ser.Encoding.DER
t(ca.public_bytes(DER).hex() == e['ca_certificate'], 'ca'); t(ca.fingerprint(hashes.SHA256()).hex() == e['ca_fingerprint'], 'fp')
t(dev.public_bytes(DER).hex() == e['ldevid'], 'ldevid'); dev.verify_directly_issued_by(ca)
t(e['ca_fingerprint'] in e['link'] and e['code'] in e['link'], 'link')
WORDS = set(re.findall(r'"([a-z-]+)"', open(D + '/../wire.cddl').read().split('refusal-word =')[1].split('; The same in CBOR')[0]))
def err(s):
    j = json.loads(s); return type(j) is dict and set(j) == {'refusal', 'advice'} and j['refusal'] in WORDS and type(j['advice']) is str
for s in e['error_bodies']['valid']: t(err(s), s)
for s in e['error_bodies']['invalid']: t(not err(s), s)
print(ok, 'ok', bad, 'bad', len(WORDS), 'words'); print('other why:', *whydiff, sep='\n  '); print('cddl_refuses against the list of README:')
for k, v in flag.items(): print('  ', k, len(v), v[:4])
# walkthrough blocks marked "also in vectors"
w = open(D + '/../WALKTHROUGH.md').read(); n = 0
for lang, name, blk in re.findall(r'```(hex|base64) (\S+)\n(.*?)```', w, re.S):
    f, *r = name.split('/'); j = L(f + '.json')
    raw = ''.join(re.sub('#.*', '', x) for x in blk.split('\n')).replace(' ', '')
    if f == 'enrolment': x = j[r[0]]
    elif f == 'ids': x = next(y for y in j['from_key'] if y['name'] == r[0])[r[1]]
    elif f == 'mqtt': x = next(y for y in j['packets'] if y['name'] == r[0])['hex']
    else: x = next(y for y in j['valid'] if y['name'] == r[0])['hex']
    n += 1
    t(x == raw, 'WALKTHROUGH differs', name, len(x), len(raw))
print(n, 'blocks of the walk-through')
sys.exit(1 if bad else 0)
