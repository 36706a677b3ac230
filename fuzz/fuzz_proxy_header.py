"""Whatever bytes stand before a connection's first: they are a PROXY header, read alike at once and byte by byte, or
refused as soon as they cannot become one; what follows is left alone.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("proxy_header")
