"""Whatever bytes an HTTP/1.1 client sends, however they are cut: the same requests, or the same refusal behind them.

- Each request that is taken is one to `h11` too, from the same first byte to the same last, and says the same.
- One that only `h11` takes is refused for one of the differences that `fuzz.http1_invariants` lists.
- Through the real frontend each gets one response, in their order, and nothing is said behind the last.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("http1")
