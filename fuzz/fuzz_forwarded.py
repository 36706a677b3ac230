"""Whatever a forwarding header says: the client is whom the last trusted hop names, and nothing that a client prepends
changes that.
"""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("forwarded")
