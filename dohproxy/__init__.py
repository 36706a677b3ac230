"""A hardened DNS-over-HTTPS (RFC 8484) resolver proxy: the map of the package, on one page.

docs/architecture.md says more: what the words mean, the life of a query, and where to add what.

The walk. A request enters by a frontend and meets the stages in one fixed order, which is written down once, in
`pipeline`:

    bytes in
      │  frontends      limits and deadlines of the connection            close
      │  doh            HTTP shape and dialect: what is asked             4xx
      ├──────────────── the walk begins; it knows no transport
      │  policy         the client's limit                                429
      │  wire           the parse: from here on a `Query` is trusted      400, FORMERR, NOTIMP
      │  policy         refused questions, then answers on the spot       REFUSED, BADVERS, the answer
      │  cache          a fresh entry                                     the answer
      ├──────────────── all above is synchronous; only a miss waits
      │  policy         limits of the service, the domain and the client  a stale answer, 503, REFUSED
      │  upstream       join an equal question, take budget, ask          a stale answer, SERVFAIL
      │  wire, cache    read and check the answer, store it
      ▼  finish         ID, question as sent, bits, OPT, padding, EDE     the one exit
    bytes out

The floors. Imports point down only, and rooms on one floor do not know each other; import-linter proves it in
`make check`:

    cli             the verbs of the command line, exit codes and sentences
    runtime         owns all that lives, runs it, gives it another configuration and takes it down
    descriptors     how many files may be open, and for whom
    core            all behind the frontends: the walk and what it asks
    builders        how each owner of state is made from its section of the configuration
    control | tools what the person on duty reaches; what commands do without a running service
    jobs            files that are looked at or written now and then
    frontends       bytes to requests, responses to bytes, every limit on a connection
    pages           what is told to everybody, made into HTML, a feed and JSON
    profiles        what each kind of client is given so that it asks this service
    observability   figures, alerts and logs, without client addresses or names
    pipeline        the walk: the only module that knows the order of the stages
    parsed_request | routes | learning                  what a request says; whose upstreams a name has; what is kept
    cache | policy | upstream | doh | http1 | http2     six that never import each other
    outcomes        the words all stages share, and the one table of what each reason means
    wire            DNS messages: bytes to checked values and back
    service_manager | tls       what systemd tells and wants to hear; certificates, and what both sides' TLS shares
    adoption        what another configuration changes, and what of it has to wait for a restart
    config          one TOML file to frozen, checked dataclasses
    authority | value | x509 | nft          which texts name a host; what a value class is; what a certificate says;
                    and a program of its own, which has the kernel drop the banned

Four words kept apart: a query is what the client asks; an answer is what an upstream or the cache knows; a reply is
the DNS message we send; a response is the HTTP around it.

What always holds:

- `wire`, `doh`, `http1`, `http2`, `policy`, `cache`, `outcomes` and the deciding half of `upstream` do no IO, read no
  clock and draw no random numbers: bytes, `now` and randomness are arguments, values come back.
- `now` and `deadline` are monotonic seconds; a request has one absolute deadline for all its attempts.
- Every table, queue and buffer has one owner, a limit and a figure in the metrics.
- Each `Reason` has one row in `outcomes`, which gives its metric label, HTTP status, rcode and EDE code.
- No upstream is sent more than its budget, on any path.

What is deliberately absent: recursion, DNSSEC validation, an answer of our own making outside `policy`, and any
record of who asked for what.
"""

__version__ = "0.1.0"
