"""HTTP libraries of several languages as DoH clients: what programs and services are written with."""

import asyncio
import ssl

import aiohttp
import dns.message
import dns.query
import httpx2
import niquests

from tests.e2e.answers import A, says
from tests.e2e.ground import QNAME, Ground, Program, Way, check_reply, query_file, target
from tests.e2e.http1 import MEDIA_TYPE
from tests.e2e.proxy import Proxy
from tests.e2e.ways import addresses_said

DNSPYTHON = Program("dnspython")
HTTPX = Program("httpx2")
AIOHTTP = Program("aiohttp")
NIQUESTS = Program("niquests")
GO = Program("go", "golang-go", ("version",))
NODE = Program("node", "nodejs")

ACCEPTED = {"Accept": MEDIA_TYPE}
SENT = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}

NODE_PROGRAM = """\
const [url, file] = process.argv.slice(2);
const type = "application/dns-message";
const options = file
  ? { method: "POST", body: require("fs").readFileSync(file), headers: { accept: type, "content-type": type } }
  : { headers: { accept: type } };
fetch(url, options).then(async (response) => {
  if (response.status !== 200) throw new Error(response.status);
  console.log(Buffer.from(await response.arrayBuffer()).toString("hex"));
});
"""
GO_PROGRAM = """\
package main

import ("bytes"; "crypto/tls"; "fmt"; "io"; "net/http"; "os")

func main() {
	method, url, file, version := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if version == "http1" {
		transport = &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	}
	var body io.Reader
	if method == "POST" {
		query, err := os.ReadFile(file)
		if err != nil { panic(err) }
		body = bytes.NewReader(query)
	}
	request, err := http.NewRequest(method, url, body)
	if err != nil { panic(err) }
	request.Header.Set("Accept", "application/dns-message")
	if method == "POST" { request.Header.Set("Content-Type", "application/dns-message") }
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil { panic(err) }
	said, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 { panic(fmt.Sprint(err, response.Status)) }
	fmt.Printf("%s %x\\n", response.Proto, said)
}
"""


def ask_by_dnspython(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by dnspython's own DoH."""
    query = dns.message.make_query(QNAME, A, id=0)
    is_2 = way.frontend == "http2"
    with httpx2.Client(http1=not is_2, http2=is_2, verify=trust(ground), trust_env=False) as session:
        answer = dns.query.https(query, proxy.url, timeout=20, session=session, post=way.method == "POST")
    assert addresses_said([says(answer)]) == ground.expected()
    return "resolves"


def ask_by_httpx(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by a plain request."""
    query = dns.message.make_query(QNAME, A, id=0x4242)
    is_2 = way.frontend == "http2"
    with httpx2.Client(http1=not is_2, http2=is_2, verify=trust(ground), trust_env=False) as session:
        if way.method == "POST":
            response = session.post(proxy.url, content=query.to_wire(), headers=SENT)
        else:
            response = session.get(proxy.url + target(query.to_wire()), headers=ACCEPTED)
    assert response.http_version == ("HTTP/2" if is_2 else "HTTP/1.1")
    check_reply(ground, query, response.content)
    return "answered"


def ask_by_aiohttp(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by the client of the library whose server was here once."""
    query = dns.message.make_query(QNAME, A, id=0x4242)

    async def ask() -> bytes:
        async with aiohttp.ClientSession() as session:
            if way.method == "POST":
                asked = session.post(proxy.url, data=query.to_wire(), headers=SENT, ssl=trust(ground))
            else:
                asked = session.get(proxy.url + target(query.to_wire()), headers=ACCEPTED, ssl=trust(ground))
            async with asked as response:
                assert response.status == 200
                return await response.read()

    check_reply(ground, query, asyncio.run(ask()))
    return "answered"


def ask_by_niquests(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by the HTTP/2 of niquests."""
    query = dns.message.make_query(QNAME, A, id=0x4242)
    with niquests.Session() as session:
        session.trust_env = False
        if way.method == "POST":
            response = session.post(proxy.url, data=query.to_wire(), headers=SENT, verify=str(ground.authority.file))
        else:
            url = proxy.url + target(query.to_wire())
            response = session.get(url, headers=ACCEPTED, verify=str(ground.authority.file))
        assert response.http_version == 20
        content = response.content
    assert content is not None
    check_reply(ground, query, content)
    return "answered"


def ask_by_node(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by the `fetch` of Node.js, which is undici."""
    query = dns.message.make_query(QNAME, A, id=0x4242)
    program = ground.directory / "ask.cjs"
    program.write_text(NODE_PROGRAM, encoding="ascii")
    argv = [ground.find_program("node", "nodejs"), str(program)]
    if way.method == "POST":
        argv += [proxy.url, str(query_file(ground, query.to_wire()))]
    else:
        argv.append(proxy.url + target(query.to_wire()))
    run = ground.run(*argv, NODE_EXTRA_CA_CERTS=str(ground.authority.file))
    assert run.returncode == 0, run
    check_reply(ground, query, bytes.fromhex(run.stdout.strip()))
    return "answered"


def ask_by_go(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by Go's net/http, with which most DoH clients of today are written."""
    query = dns.message.make_query(QNAME, A, id=0x4242)
    program = ground.directory / "ask.go"
    program.write_text(GO_PROGRAM, encoding="ascii")
    url = proxy.url if way.method == "POST" else proxy.url + target(query.to_wire())
    argv = [ground.find_program("go", "golang-go"), "run", str(program), way.method, url]
    argv += [str(query_file(ground, query.to_wire())), way.frontend]
    run = ground.run(*argv, SSL_CERT_FILE=str(ground.authority.file), GOCACHE=str(ground.directory / "go"), GOFLAGS="")
    assert run.returncode == 0, run
    protocol, said = run.stdout.split()
    assert protocol == {"http1": "HTTP/1.1", "http2": "HTTP/2.0"}[way.frontend]
    check_reply(ground, query, bytes.fromhex(said))
    return "answered"


def trust(ground: Ground) -> ssl.SSLContext:
    """Return a client's context that trusts the tests' authority alone."""
    return ssl.create_default_context(cafile=str(ground.authority.file))
