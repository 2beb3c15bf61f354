"""PDF files with something to hide, and some that grow when opened."""

import io
import zlib
from typing import Any

from pikepdf import (
    Array,
    Dictionary,
    Name,
    ObjectStreamMode,
    Pdf,
    Stream,
    StreamDecodeLevel,
    String,
)
from PIL import Image

from bot.pdf_cleaner import MOST_UNPACKED

HIDDEN = "C:/Users/m.untel"
TEXT = b"BT /F1 24 Tf 72 700 Td (Bonjour) Tj ET"
LINK = "https://www.education.gouv.fr/programme?id=1"


def saved(document: Pdf, **options: Any) -> bytes:
    out = io.BytesIO()
    document.save(out, **options)
    return out.getvalue()


def document(pages: int = 1) -> Pdf:
    """Pages with a line of text, and a link to the web on each."""
    made = Pdf.new()
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    for _ in range(pages):
        page = made.add_blank_page()
        page.obj.Resources = Dictionary(Font=Dictionary(F1=font))
        page.obj.Contents = made.make_stream(TEXT)
        page.obj.Annots = Array([link(LINK)])
    return made


def link(address: str) -> Dictionary:
    return note(Name.Link, A=Dictionary(S=Name.URI, URI=String(address)))


def note(kind: Name, **entries: Any) -> Dictionary:
    return Dictionary(Type=Name.Annot, Subtype=kind, Rect=Array([72, 690, 200, 720]), **entries)


def script(**more: Any) -> Dictionary:
    return Dictionary(S=Name.JavaScript, JS=String(f"app.alert('{HIDDEN}')"), **more)


def launch(**_: Any) -> Dictionary:
    return Dictionary(Type=Name.Action, S=Name.Launch, F=String(f"{HIDDEN}/run.exe"))


def attached(made: Pdf) -> Dictionary:
    file = made.make_stream(HIDDEN.encode(), Type=Name.EmbeddedFile)
    return Dictionary(Type=Name.Filespec, F=String("notes.docx"), EF=Dictionary(F=file))


def picture(made: Pdf, content: bytes, **entries: Any) -> Stream:
    return made.make_stream(
        content,
        Type=Name.XObject,
        Subtype=Name.Image,
        ColorSpace=Name.DeviceRGB,
        BitsPerComponent=8,
        **entries,
    )


def shows(made: Pdf, thing: Any) -> None:
    """Make it a resource of the first page."""
    made.pages[0].obj.Resources.XObject = Dictionary(X0=thing)


def everything(data: bytes) -> bytes:
    """All that is in a file, unpacked, as one text."""
    with Pdf.open(io.BytesIO(data)) as opened:
        return saved(
            opened,
            compress_streams=False,
            stream_decode_level=StreamDecodeLevel.generalized,
            object_stream_mode=ObjectStreamMode.disable,
        )


def links_of(data: bytes) -> list[str]:
    with Pdf.open(io.BytesIO(data)) as opened:
        return [str(one.A.URI) for page in opened.pages for one in page.obj.get("/Annots", ())]


def in_info(made: Pdf) -> None:
    made.docinfo["/Author"] = HIDDEN
    made.docinfo["/Title"] = f"{HIDDEN}/brouillon.docx"


def in_xmp(made: Pdf) -> None:
    with made.open_metadata() as metadata:
        metadata["dc:creator"] = [HIDDEN]


def in_trailer(made: Pdf) -> None:
    made.trailer["/Untel"] = String(HIDDEN)


def on_opening(made: Pdf) -> None:
    made.Root.OpenAction = script(Next=launch())


def on_page_events(made: Pdf) -> None:
    made.Root.AA = Dictionary(WC=script())
    made.pages[0].obj.AA = Dictionary(O=launch())
    made.pages[0].obj.Untel = String(HIDDEN)


def named_scripts(made: Pdf) -> None:
    made.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("a"), script()])))


def in_bookmarks(made: Pdf) -> None:
    item = made.make_indirect(Dictionary(Title=String(HIDDEN), A=launch()))
    made.Root.Outlines = Dictionary(Type=Name.Outlines, First=item, Last=item, Count=1)


def embedded(made: Pdf) -> None:
    made.attachments["notes.docx"] = HIDDEN.encode()
    made.Root.AF = Array([attached(made)])
    made.Root.Collection = Dictionary(D=String(HIDDEN))


def on_the_page(kind: str, key: str) -> Any:
    def add(made: Pdf) -> None:
        value = attached(made) if key == "/FS" else launch() if key == "/A" else script()
        made.pages[0].obj.Annots.append(note(Name(kind)))
        made.pages[0].obj.Annots[-1][key] = value

    add.__name__ = f"on_the_page_{kind[1:]}_{key[1:]}"
    return add


def in_a_link(made: Pdf) -> None:
    one = made.pages[0].obj.Annots[0]
    one.AA, one.PA, one.T = Dictionary(E=script()), launch(), String(HIDDEN)
    one.A.Next = Array([script()])


def in_a_form(made: Pdf) -> None:
    field = made.make_indirect(
        note(Name.Widget, FT=Name.Tx, T=String("nom"), AA=Dictionary(K=script()), A=launch())
    )
    made.pages[0].obj.Annots.append(field)
    xfa = made.make_stream(f"<xdp>{HIDDEN}</xdp>".encode())
    made.Root.AcroForm = Dictionary(Fields=Array([field]), XFA=xfa, CO=Array([field]))


def around_a_picture(made: Pdf) -> None:
    one = picture(made, b"\0\0\0", Width=1, Height=1)
    one.Metadata = made.make_stream(HIDDEN.encode(), Type=Name.Metadata, Subtype=Name.XML)
    one.PieceInfo = Dictionary(App=Dictionary(Private=String(HIDDEN)))
    one.AF, one.OPI = Array([attached(made)]), Dictionary(F=String(HIDDEN))
    shows(made, one)


def in_a_picture(made: Pdf) -> None:
    image, out = Image.new("RGB", (8, 8), "red"), io.BytesIO()
    exif = image.getexif()
    exif[0x010E] = HIDDEN
    image.save(out, "JPEG", exif=exif, comment=HIDDEN.encode())
    packed = zlib.compress(out.getvalue() + HIDDEN.encode())
    one = picture(made, b"", Width=8, Height=8)
    one.write(packed, filter=Array([Name.FlateDecode, Name.DCTDecode]))
    shows(made, one)


def in_another_file(made: Pdf) -> None:
    one = made.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 9, 9]))
    one.F, one.FFilter = Dictionary(FS=Name.URL, F=String(HIDDEN)), Name.FlateDecode
    one.Ref = Dictionary(F=String(HIDDEN), Page=0)
    shows(made, one)


def called_a_resource(made: Pdf) -> None:
    made.pages[0].obj.Resources.Properties = Dictionary(
        JS=script(), EF=attached(made), A=Array([launch()])
    )


def in_the_structure(made: Pdf) -> None:
    stray = Dictionary(Type=Name.Page, AA=Dictionary(O=script()), Parent=made.Root.Pages)
    button = made.make_indirect(note(Name.Screen, A=launch(), T=String(HIDDEN)))
    untyped = made.make_indirect(Dictionary(Subtype=Name.Text, T=String(HIDDEN)))
    part = Dictionary(
        S=Name.P,
        Pg=made.make_indirect(stray),
        K=Array([Dictionary(Type=Name.OBJR), button, launch()]),
        AF=attached(made),
    )
    part.K[0]["/OBJ"] = untyped
    made.Root.StructTreeRoot = Dictionary(Type=Name.StructTreeRoot, K=made.make_indirect(part))


def between_the_pages(made: Pdf) -> None:
    made.Root.Pages.AA = Dictionary(O=script())
    made.Root.Pages.Untel = String(HIDDEN)
    made.Root.Pages.Metadata = made.make_stream(HIDDEN.encode())


HIDING = [
    *(in_info, in_xmp, in_trailer, on_opening, on_page_events, named_scripts, in_bookmarks),
    *(embedded, in_a_link, in_a_form, around_a_picture, in_a_picture, in_another_file),
    *(called_a_resource, in_the_structure, between_the_pages),
    *(on_the_page(kind, "/A") for kind in ("/Link", "/Screen", "/Movie", "/Text")),
    *(on_the_page("/FileAttachment", "/FS"), on_the_page("/RichMedia", "/RichMediaContent")),
]


def zeros(mebibytes: int) -> bytes:
    """So much, packed a thousand times smaller; the same block again and again."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    assert block == again
    return start + block * mebibytes


def bomb(made: Pdf) -> None:
    """Two gigabytes: more than the process may have."""
    made.pages[0].obj.Contents.write(zeros(2048), filter=Name.FlateDecode)


def bomb_in_a_bomb(made: Pdf) -> None:
    packed = zlib.compress(zeros(2048), 1)
    assert len(packed) < 50_000
    made.pages[0].obj.Contents.write(packed, filter=Array([Name.FlateDecode, Name.FlateDecode]))


def many_large_streams(made: Pdf) -> None:
    """None of them too large, all together."""
    packed = zlib.compress(bytes(MOST_UNPACKED // 4), 1)
    streams = [made.make_stream(b"") for _ in range(5)]
    for one in streams:
        one.write(packed, filter=Name.FlateDecode)
    made.pages[0].obj.Contents = Array(streams)


def wide_picture(made: Pdf) -> None:
    one = picture(made, b"", Width=65_000, Height=65_000)
    one.write(b"\xff\xd8\xff\xd9", filter=Name.DCTDecode)
    shows(made, one)
