"""`python -m dohproxy` is the `dohproxy` command."""

from dohproxy.cli import main as command


def main() -> None:
    """Run the command line."""
    # Whichever way it was started, this is what to type.
    command(prog_name="dohproxy")


if __name__ == "__main__":
    main()
