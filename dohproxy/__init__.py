"""A hardened DNS-over-HTTPS (RFC 8484) resolver proxy: the map of the package, on one page.

The walk. A request enters by a frontend and meets the stages in one fixed order, written down once in `pipeline`:

    bytes in
      │  frontends      connection limits, deadlines, HTTP shape          close, 4xx
      │  doh            dialect: what the request means                   4xx
      │  policy         client limit                                      429
      │  wire           parse: from here on a `Query` is trusted          400, FORMERR, NOTIMP, BADVERS, REFUSED
      │  policy         local answers, then the operator's blocks         answer, REFUSED
      │  cache          fresh entry                                       answer
      ├──────────────── all above is one synchronous function; only a miss is awaited
      │  policy         miss limit                                        stale answer, REFUSED
      │  upstream       join an equal query in flight, take budget, ask   stale answer, SERVFAIL
      │  wire, cache    check the answer, store it
      ▼  finish         ID, question as sent, bits, OPT, padding, EDE     the one exit
    bytes out

The layers. Imports point down only; import-linter proves it in `make check`:

    cli             the verbs: serve, check, healthcheck; exit codes and no logic
    app             composition root: builds each object once, owns the tasks, signals, drain
    frontends       frontends: HTTP bytes to requests, responses to bytes, every limit on a connection
    observability   metrics and logs, without client addresses or names by default
    pipeline        the walk: the only place that knows the order of the stages
    cache | policy | upstream | doh      four that never import each other
    verdict         the words all stages share, and the one table of outcomes
    wire            DNS messages: bytes to checked values and back
    config          one TOML file to frozen, checked dataclasses

Four words kept apart: a query is what the client asked; an answer is what an upstream or the cache knows; a reply is
the DNS bytes we send; a response is the HTTP around them.

What always holds:

- `wire`, `doh`, `policy`, `cache`, `verdict` and the deciding half of `upstream` do no IO, read no clock and draw no
  random numbers: bytes, `now` and randomness are arguments, values come back.
- `now` and `deadline` are monotonic seconds; a request has one absolute deadline for all its attempts.
- Every table, queue and buffer has one owner, a limit and a figure in the metrics.
- Each `Reason` has one row in `verdict`, which gives its HTTP status, rcode, EDE code and metric label.
- No upstream is sent more than its budget, on any path.

What is deliberately absent: recursion, DNSSEC validation, an answer of our own making outside `policy`, and any
record of who asked for what.
"""

__version__ = "0.1.0"
