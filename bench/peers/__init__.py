"""dohproxy beside its peers: the same certificate, the same upstream, one core each, in turns.

servers     the table of servers: how each is configured, started and told to take a new certificate
clients     who asks: h2load, and a client that opens connections
workloads   the table of workloads
memory      what a server holds at rest, per connection and per answer; how soon it is there
results     the tables, and bench/results.md
__main__    `python -m bench.peers`
"""
