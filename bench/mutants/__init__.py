"""Whether each limit of SECURITY.md is held by the tests that the page names: without the limit, one of them must fail.

mutations.toml   one removal a limit, as the text that goes and what comes in its place
mutations        reads them and SECURITY.md, and applies one to a copy of the tree
trial            runs the named tests over such copies
results          the table, bench/mutants/results.md
__main__         `python -m bench mutants`
"""
