"""QR codes, as a picture or in a terminal."""

import io


def qr_png(content: str, scale: int = 8) -> bytes:
    """A PNG of a QR code, `scale` pixels a module, with the quiet zone that the norm asks."""
    import segno  # only invitations and the demo need it

    picture = io.BytesIO()
    segno.make_qr(content, error="m").save(picture, kind="png", scale=scale, border=4)
    return picture.getvalue()


def qr_terminal(content: str) -> str:
    """A QR code in characters, two modules to a line, to be read from a terminal."""
    import segno

    drawn = io.StringIO()
    segno.make_qr(content, error="m").terminal(out=drawn, compact=True)
    return drawn.getvalue()
