"""September 2019 again: an association's proxy is put on a public list, and 20,000 strangers come.

strangers   the flood: health probes in old and current dialects, and a tail of real questions
members     the association: people who browse
torture     another flood: random names below one domain, from 2,000 addresses
replay      the flood and the members, over sockets, against the proxy as a process
day         the same flood at its own pace, a whole day in virtual time
targets     what is promised, and whether it was kept
__main__    `python -m bench.incident`
"""
