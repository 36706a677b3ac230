"""A text as a QR code (ISO/IEC 18004) at a terminal, for a telephone's camera."""

from io import StringIO


def qr_code(text: str) -> str:
    """Return the code as lines of half blocks, dark on light as scanners expect it on most terminals."""
    # Imported here because one verb alone has use for it.
    import segno

    written = StringIO()
    # M: some of the picture may be spoilt, as by a fold or a reflection.
    segno.make_qr(text, error="m").terminal(out=written, compact=True)
    return written.getvalue().rstrip("\n")
