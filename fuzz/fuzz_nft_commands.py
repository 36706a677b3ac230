"""Whatever dohproxy-nft is sent: what it tells nft is about its own table, and drops nobody who is spared."""

from fuzz.launch import launch

if __name__ == "__main__":
    launch("nft_commands")
