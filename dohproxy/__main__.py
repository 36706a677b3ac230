"""`python -m dohproxy` is the `dohproxy` command."""

from dohproxy.frontends.aiohttp_import import import_aiohttp


def main() -> None:
    """Import everything, aiohttp first because it matters how, and run the command line."""
    import_aiohttp()
    from dohproxy.cli import main as command

    command()


if __name__ == "__main__":
    main()
