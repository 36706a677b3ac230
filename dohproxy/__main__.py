"""`python -m dohproxy` is the `dohproxy` command."""

from dohproxy.cli import main

if __name__ == "__main__":
    main()
