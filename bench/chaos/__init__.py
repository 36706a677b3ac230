"""Three nodes, one store, one upstream with little patience: everything that can break does, one after the other.

ground    what runs: the store, a way to it that can be cut for each node, the nodes, the upstream that keeps books
relay     that way
crowd     members who ask steadily, and a flood, at every node
acts      what is done to them, and how it ends
verdict   what was promised, and whether it was kept
__main__  `python -m bench chaos`
"""
