"""dohproxy beside its peers: the same certificate, the same upstream, one core each, in turns.

servers       the table of servers: how each is configured, started and told to take a new certificate
clients       clients as processes that take turns, and the one that opens connections
crowd         the one that keeps its connections and asks over all of them
speakers      HTTP/1.1 and HTTP/2 as bytes made beforehand
asking        the names that are asked for
workloads     the table of workloads
comparison    quartiles, ratios pair by pair, and the word for them
instructions  what a request costs under callgrind
memory        what a server holds at rest, per connection and per answer; how soon it is there
targets       what is to be reached, and whether it was
results       the tables, and bench/results.md
__main__      `python -m bench.peers`
"""
