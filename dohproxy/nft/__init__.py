"""`dohproxy-nft`: a small program of its own that has the kernel drop new connections of banned networks.

It is the only part with a right over the machine's packet filter, so it imports nothing of the service but this room,
and the standard library. `protocol` alone is known to the service too.
"""
