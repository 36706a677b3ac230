"""`dohproxy-nft` is `python -m dohproxy.nft`."""

from dohproxy.nft.command import main

if __name__ == "__main__":
    main()
