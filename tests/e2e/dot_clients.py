"""Every DoT client that Debian has, and libraries of several languages, as ways to ask one question."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query

from tests.e2e.answers import A, says
from tests.e2e.ground import QNAME, Ground, Program, Way
from tests.e2e.libraries import DNSPYTHON, GO, trust
from tests.e2e.processes import Child, accepts_connections, free_port
from tests.e2e.proxy import Proxy
from tests.e2e.resolved import RESOLVED, running_resolved
from tests.e2e.ways import addresses_said

LOAD_REQUESTS = 40
BLOCK = 468
"""Bytes of which an answer to a padded query is a multiple (RFC 8467 section 4.1)."""

DIG = Program("dig", "bind9-dnsutils", ("-v",))
KDIG = Program("kdig", "knot-dnsutils")
DNSPERF = Program("dnsperf", "dnsperf", ("-h",))
STUBBY = Program("stubby", "stubby", ("-V",))
UNBOUND = Program("unbound", "unbound", ("-V",))
DNSDIST = Program("dnsdist", "dnsdist")


def _ask(ground: Ground, proxy: Proxy, way: Way) -> str:
    """Ask by dig or kdig, with the options of this way; `{...}` in them is a file or a name."""
    pin = ground.certificate_pin()
    options = [one.format(ca=ground.authority.file, pin=pin) for one in way.arguments]
    program = ground.find_program(way.program.command, way.program.package)
    run = ground.run(program, "@127.0.0.1", "-p", str(proxy.dot_port), *options, QNAME, "A")
    found = set(re.findall(rf"^{re.escape(QNAME)}\.?\s+\d+\s+IN\s+A\s+(\S+)", run.stdout, re.MULTILINE))
    assert found == ground.expected(), run
    assert "(TLS" in run.stdout or way.program is DIG, run
    return "resolves"


def _dnsperf(ground: Ground, proxy: Proxy, way: Way) -> str:
    questions = ground.directory / "questions"
    questions.write_text(f"{QNAME} A\n", encoding="ascii")
    argv = [ground.find_program("dnsperf", "dnsperf"), "-m", "dot", "-s", "127.0.0.1", "-p", str(proxy.dot_port)]
    run = ground.run(*argv, "-d", str(questions), "-n", str(LOAD_REQUESTS), "-c", "2", *way.arguments)
    assert re.search(rf"Queries completed: +{LOAD_REQUESTS} \(100.00%\)", run.stdout), run.stdout
    assert re.search(rf"Response codes: +NOERROR {LOAD_REQUESTS} \(100.00%\)", run.stdout), run.stdout
    return f"{LOAD_REQUESTS} of {LOAD_REQUESTS}"


def _dnspython(ground: Ground, proxy: Proxy, way: Way) -> str:
    query = dns.message.make_query(QNAME, A, use_edns=0, pad=128)
    answer = dns.query.tls(
        query, "127.0.0.1", port=proxy.dot_port, timeout=20, ssl_context=trust(ground), server_hostname="localhost"
    )
    assert len(answer.wire or b"") % BLOCK == 0
    assert addresses_said([says(answer)]) == ground.expected()
    return "resolves"


def _by_server(name: str, configure: Callable[[Ground, Proxy, int], list[str]]) -> Callable[[Ground, Proxy, Way], str]:
    """Return what starts a server that asks over DoT, and asks it."""

    def act(ground: Ground, proxy: Proxy, way: Way) -> str:
        port = free_port()
        child = Child(configure(ground, proxy, port), ground.directory / f"{name}.log")
        try:
            child.wait_until_ready(lambda: accepts_connections(port))
            dig = ground.find_program("dig", "bind9-dnsutils")
            run = ground.run(dig, "@127.0.0.1", "-p", str(port), "+tcp", "+tries=3", "+short", QNAME)
            if not run.stdout:  # Some connect upstream only now, and give up the first question meanwhile.
                time.sleep(0.5)
                run = ground.run(dig, "@127.0.0.1", "-p", str(port), "+tcp", "+tries=3", "+short", QNAME)
        finally:
            child.kill()
        assert set(run.stdout.split()) == ground.expected(), (run, Path(ground.directory / f"{name}.log").read_text())
        return "resolves"

    return act


def _dnsdist(ground: Ground, proxy: Proxy, port: int) -> list[str]:
    file = ground.directory / "dnsdist.conf"
    file.write_text(
        f"setLocal('127.0.0.1:{port}')\nsetACL({{'127.0.0.0/8'}})\n"
        f"newServer({{address='127.0.0.1:{proxy.dot_port}', tls='openssl', subjectName='localhost',"
        f" validateCertificates=true, caStore='{ground.authority.file}', healthCheckMode='up'}})\n",
        encoding="ascii",
    )
    return [ground.find_program("dnsdist", "dnsdist"), "--supervised", "--disable-syslog", "-C", str(file)]


def _unbound(ground: Ground, proxy: Proxy, port: int) -> list[str]:
    file = ground.directory / "forwarding.conf"
    file.write_text(
        f'server:\n  username: ""\n  chroot: ""\n  directory: "{ground.directory}"\n'
        f'  pidfile: "{ground.directory}/forwarding.pid"\n  use-syslog: no\n  do-daemonize: no\n'
        f'  module-config: "iterator"\n  interface: 127.0.0.1\n  port: {port}\n  do-ip6: no\n'
        f"  access-control: 127.0.0.0/8 allow\n  do-not-query-localhost: no\n"
        f'  tls-cert-bundle: "{ground.authority.file}"\nforward-zone:\n  name: "."\n  forward-tls-upstream: yes\n'
        f"  forward-addr: 127.0.0.1@{proxy.dot_port}#localhost\n",
        encoding="ascii",
    )
    return [ground.find_program("unbound", "unbound"), "-c", str(file)]


def _stubby(ground: Ground, proxy: Proxy, port: int) -> list[str]:
    file = ground.directory / "stubby.yml"
    file.write_text(
        "resolution_type: GETDNS_RESOLUTION_STUB\n"
        "dns_transport_list:\n  - GETDNS_TRANSPORT_TLS\n"
        "tls_authentication: GETDNS_AUTHENTICATION_REQUIRED\n"
        f'tls_ca_file: "{ground.authority.file}"\n'
        "tls_query_padding_blocksize: 128\nidle_timeout: 10000\n"
        f"listen_addresses:\n  - 127.0.0.1@{port}\n"
        "upstream_recursive_servers:\n"
        f'  - address_data: 127.0.0.1\n    tls_auth_name: "localhost"\n    tls_port: {proxy.dot_port}\n',
        encoding="ascii",
    )
    return [ground.find_program("stubby", "stubby"), "-C", str(file)]


def _resolved(ground: Ground, proxy: Proxy, way: Way) -> str:
    server = f"[Resolve]\nDNS=127.0.0.1:{proxy.dot_port}#localhost\nFallbackDNS=\nDomains=~.\nDNSOverTLS=yes\n"
    with running_resolved(ground, server) as port:
        run = ground.run(ground.find_program("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(port), "+short", QNAME)
    assert set(run.stdout.split()) == ground.expected(), run
    return "resolves"


GO_PROGRAM = """
package main

import ("context"; "crypto/tls"; "fmt"; "net"; "os")

func main() {
    dial := func(ctx context.Context, network, address string) (net.Conn, error) {
        return tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: "localhost", NextProtos: []string{"dot"}})
    }
    resolver := &net.Resolver{PreferGo: true, Dial: dial}
    found, err := resolver.LookupIP(context.Background(), "ip4", os.Args[2])
    if err != nil { panic(err) }
    for _, address := range found { fmt.Println(address) }
}
"""


def _go(ground: Ground, proxy: Proxy, way: Way) -> str:
    program = ground.directory / "resolve.go"
    program.write_text(GO_PROGRAM, encoding="ascii")
    argv = [ground.find_program("go", "golang-go"), "run", str(program), f"127.0.0.1:{proxy.dot_port}", f"{QNAME}."]
    run = ground.run(*argv, SSL_CERT_FILE=str(ground.authority.file), GOCACHE=str(ground.directory / "go"), GOFLAGS="")
    assert set(run.stdout.split()) == ground.expected(), run
    return "resolves"


def _kdig(options: str, *arguments: str) -> Way:
    return Way(KDIG, options, "dot", "query", _ask, arguments=arguments)


STRICT = ("+tls-ca={ca}", "+tls-hostname=localhost")

DOT_WAYS: tuple[Way, ...] = (
    _kdig("+tls", "+tls"),
    _kdig("+tls-ca", *STRICT),
    _kdig("+tls-pin", "+tls-pin={pin}"),
    _kdig("+tls-sni", *STRICT, "+tls-sni=localhost"),
    _kdig("+tls +padding", *STRICT, "+padding"),
    _kdig("+tls +keepopen", *STRICT, "+keepopen"),
    _kdig("+tls +dnssec", *STRICT, "+dnssec"),
    Way(DIG, "+tls", "dot", "query", _ask, arguments=("+tls",)),
    Way(DIG, "+tls-ca", "dot", "query", _ask, arguments=("+tls", *STRICT)),
    Way(DNSPERF, "-m dot -q 1", "dot", "query", _dnsperf, arguments=("-q", "1"), requests=LOAD_REQUESTS),
    Way(DNSPERF, "-m dot -q 10", "dot", "query", _dnsperf, arguments=("-q", "10"), requests=LOAD_REQUESTS),
    Way(DNSPYTHON, "dns.query.tls", "dot", "query", _dnspython),
    Way(GO, "net.Resolver", "dot", "query", _go),
    Way(RESOLVED, "DNSOverTLS=yes", "dot", "query", _resolved),
    Way(STUBBY, "", "dot", "query", _by_server("stubby", _stubby)),
    Way(UNBOUND, "forward-tls-upstream", "dot", "query", _by_server("unbound", _unbound)),
    Way(DNSDIST, "newServer tls", "dot", "query", _by_server("dnsdist", _dnsdist)),
)
