"""Many nodes on paper and in simulation: what sharing saves, and what it costs the store.

crowd       who asks what, and how long answers hold
model       caches by formula, for any number of nodes and clients
simulation  the same question by question, against which the formula is held
store_cost  what a real store takes, on this machine
__main__    `python -m bench cluster`
"""
