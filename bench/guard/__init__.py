"""Whether a request has become dearer, told in instructions and not in time: a busy machine says what a quiet one does.

verdict     the comparison with the baselines, and their file
player      the process under valgrind: plays each workload between two marks
plays       the workloads: real frontends and a real walk, without sockets to clients and without TLS
clients     what their clients send, as bytes made beforehand
reference   the yardstick, so that a figure hardly depends on how Python was built
__main__    `make bench-guard`, `python -m bench guard`
"""
