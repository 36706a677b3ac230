"""Attacks of every kind, one after the other, on the proxy as a process, while an association goes on browsing.

crowd       the members: some in networks of their own, some behind one address, some new each time
addresses   where attackers come from
plans       attacks that are requests
raw         attacks that are connections: silent ones, handshakes that nobody ends, HTTP/2 that only pings
attacker    an attack as a process of its own, bounded in connections and time
phases      the table of all attacks, and what is promised in each
watching    when an alert is told, and when the service begins to refuse
ground      the upstream, the proxy and what it remembers from before
drill       one phase from its beginning to its figures
verdict     what is promised, and whether it was kept
__main__    `python -m bench.drill`
"""
