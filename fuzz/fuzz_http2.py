"""Whatever bytes an HTTP/2 client sends behind its settings: the engine says the same however they are cut, raises
nothing, keeps little, writes frames that others read, and takes every request that `h2`'s own server takes, but for the
differences that `fuzz.http2_invariants` lists.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("http2")
