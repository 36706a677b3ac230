"""`python -m dohproxy` is the `dohproxy` command."""

from dohproxy.frontends.aiohttp_adapter import import_aiohttp


def main() -> None:
    """Import everything, aiohttp first because it matters how, and run the command line."""
    import_aiohttp()
    from dohproxy.cli import main as command

    # Whichever way it was started, this is what to type.
    command(prog_name="dohproxy")


if __name__ == "__main__":
    main()
