"""Write a PDF anew: its pages and their web links, and nothing that acts, hides or tells.

Run by `pdf.py` as a process, from standard input to standard output; it imports nothing of Préau.
Lists say what is kept of the catalog, of a page and of a link. In what these lead to (fonts,
pictures, the structure that screen readers use), lists say what is dropped. What nothing leads to
any more is not written.
"""

import io
import os
import re
import resource
import sys
from contextlib import suppress

from pikepdf import (
    Array,
    Dictionary,
    Name,
    Object,
    ObjectStreamMode,
    PasswordError,
    Pdf,
    PdfError,
    Stream,
    String,
    explicit_conversion,
)
from pikepdf.settings import set_qpdf_limits

MOST_PAGES = 500
MOST_OBJECTS = 100_000
MOST_PIXELS = 100_000_000  # of one picture
MOST_UNPACKED = 128 * 1024 * 1024  # bytes, of all that is packed in it
MEMORY = 512 * 1024 * 1024  # bytes of address space
CPU_SECONDS = 8

_CATALOG = {"/Type", "/Pages", "/Lang", "/MarkInfo", "/StructTreeRoot", "/OCProperties"}
_BRANCH = {"/Type", "/Parent", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/Kids", "/Count"}
_PAGE = {
    *("/Type", "/Parent", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/Contents"),
    *("/Group", "/UserUnit", "/StructParents", "/Tabs"),
}
_LINK = {
    *("/Type", "/Subtype", "/Rect", "/QuadPoints", "/Border", "/BS", "/C", "/F", "/H"),
    *("/Contents", "/StructParent"),
}
_DROPPED = {
    *("/AA", "/OpenAction", "/JS", "/JavaScript", "/XFA", "/Next", "/PA"),  # acts
    *("/AF", "/EF", "/EmbeddedFiles", "/RF", "/FS", "/Ref", "/OPI", "/Alternates"),  # other files
    *("/AP", "/RichMediaContent", "/RichMediaSettings", "/3DD", "/Movie", "/Sound"),
    *("/Metadata", "/PieceInfo", "/LastModified", "/Creator", "/CreatorInfo"),  # tells of authors
}
_NAMES = {  # of dictionaries whose keys the author chooses
    *("/XObject", "/Font", "/ColorSpace", "/Pattern", "/Shading", "/ExtGState", "/Properties"),
    *("/CharProcs", "/Colorants", "/RoleMap", "/ClassMap"),
}
_ACTIONS = {
    *("/JavaScript", "/Launch", "/GoTo", "/GoToR", "/GoToE", "/GoToDp", "/URI", "/SubmitForm"),
    *("/ResetForm", "/ImportData", "/Rendition", "/RichMediaExecute", "/SetOCGState", "/Movie"),
    *("/Named", "/Hide", "/Thread", "/Trans", "/GoTo3DView", "/Sound"),
}
_STRAY = {"/Action", "/Filespec", "/EmbeddedFile", "/Annot", "/Page"}
_ELSEWHERE = {"/F", "/FFilter", "/FDecodeParms"}  # a stream whose bytes are in another file
_WEB = re.compile(rb"https?://[^\x00-\x20\x7f]+", re.IGNORECASE)
_PICTURES = {"/DCTDecode", "/JPXDecode", "/CCITTFaxDecode", "/JBIG2Decode"}

_GREW = re.compile(r"memory limit exceeded|bad_alloc$")  # said by the library


class Unusable(Exception):
    """Why a file cannot be kept; `pdf.Reason` has the same names."""


def cleaned(data: bytes) -> bytes:
    """The file written anew.

    Raises:
        Unusable: it is refused.
    """
    try:
        with explicit_conversion(), Pdf.open(io.BytesIO(data), attempt_recovery=False) as pdf:
            if pdf.is_encrypted:
                raise Unusable("locked")
            return _written(pdf)
    except PasswordError:
        raise Unusable("locked") from None
    except MemoryError:
        raise Unusable("too_complex") from None
    except (PdfError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        # The library answers in many ways to what is not where it should be.
        raise Unusable("too_complex" if _GREW.search(str(error)) else "damaged") from None


def _written(pdf: Pdf) -> bytes:
    if len(pdf.pages) > MOST_PAGES or len(pdf.objects) > MOST_OBJECTS:
        raise Unusable("too_complex")
    if not len(pdf.pages):
        raise Unusable("damaged")
    links = [_links(pdf, page.obj) for page in pdf.pages]
    if "/AcroForm" in pdf.Root:
        pdf.generate_appearance_streams()
    pdf.flatten_annotations("screen")  # what was filled in or stamped becomes part of the page
    for page, kept in zip(pdf.pages, links, strict=True):
        _keep(page.obj, _PAGE)
        page.obj.Annots = Array(kept)
        _keep_branches(page.obj)
    _keep(pdf.trailer, {"/Root", "/Size"})
    _keep(pdf.Root, _CATALOG)
    made: list[Object] = [page.obj for page in pdf.pages]
    for kept in links:
        made += kept + [one.A for one in kept]
    _scrub(pdf, {one.objgen for one in made})
    out = io.BytesIO()
    pdf.save(out, deterministic_id=True, object_stream_mode=ObjectStreamMode.generate)
    return out.getvalue()


def _keep(thing: Object, keys: set[str]) -> None:
    for key in set(thing.keys()) - keys:
        del thing[key]


def _keep_branches(page: Object) -> None:
    """What stands between a page and the root of the pages; a page may inherit from it."""
    seen: set[tuple[int, int]] = set()
    branch = page.get("/Parent")
    while isinstance(branch, Dictionary) and branch.objgen not in seen:
        seen.add(branch.objgen)
        _keep(branch, _BRANCH)
        branch = branch.get("/Parent")


def _links(pdf: Pdf, page: Object) -> list[Object]:
    """The page's links to the web, bare; what else stands on the page is left there."""
    found = page.get("/Annots")
    links, others = [], []
    for one in found if isinstance(found, Array) else ():
        address = _address(one)
        if address is None:
            others.append(one)
            continue
        _keep(one, _LINK)
        one.A = pdf.make_indirect(Dictionary(S=Name.URI, URI=address))
        links.append(one if one.is_indirect else pdf.make_indirect(one))
    page.Annots = Array(others)
    return links


def _address(annotation: Object) -> Object | None:
    """Where a link leads, if to the web."""
    if not isinstance(annotation, Dictionary) or _named(annotation, "/Subtype") != "/Link":
        return None
    action = annotation.get("/A")
    if not isinstance(action, Dictionary) or _named(action, "/S") != "/URI":
        return None
    address = action.get("/URI")
    return address if isinstance(address, String) and _WEB.fullmatch(bytes(address)) else None


def _named(thing: Object, key: str) -> str:
    value = thing.get(key)
    return str(value) if isinstance(value, Name) else ""


def _scrub(pdf: Pdf, made: set[tuple[int, int]]) -> None:
    """Go through all that the catalog leads to; pages, links and their actions were made well."""
    seen: set[tuple[int, int]] = set()
    unpacked = 0
    found: list[tuple[Object, str]] = [(pdf.Root, "")]
    while found:
        thing, led_by = found.pop()
        if thing.is_indirect:
            if thing.objgen in seen:
                continue
            seen.add(thing.objgen)
        if isinstance(thing, Array):
            found += _without_strays(thing, made)
            continue
        if isinstance(thing, Stream):
            _keep(thing, set(thing.keys()) - _ELSEWHERE)
            unpacked += _unpacked(pdf, thing)
            if unpacked > MOST_UNPACKED:
                raise Unusable("too_complex")
        names = led_by in _NAMES and isinstance(thing, Dictionary)
        for key in list(thing.keys()):
            value = thing[key]
            if _stray(value, made) or not (names or _belongs(thing, key, made)):
                del thing[key]
            elif isinstance(value, (Array, Dictionary, Stream)):
                found.append((value, "" if names else key))


def _belongs(thing: Object, key: str, made: set[tuple[int, int]]) -> bool:
    """Whether an entry may stay, going by its key."""
    if key == "/Annots":
        return thing.objgen in made
    if key == "/OBJ":  # where the structure speaks of a link
        return thing[key].objgen in made
    return key not in _DROPPED


def _stray(value: Object, made: set[tuple[int, int]]) -> bool:
    """Whether it is an action, a file, or a page or a note that stands nowhere."""
    if not isinstance(value, (Dictionary, Stream)) or value.objgen in made:
        return False
    return _named(value, "/Type") in _STRAY or _named(value, "/S") in _ACTIONS


def _without_strays(array: Array, made: set[tuple[int, int]]) -> list[tuple[Object, str]]:
    """What an array leads to; the others keep their places."""
    led_to: list[tuple[Object, str]] = []
    for index, value in enumerate(array):
        if _stray(value, made):
            array[index] = None
        elif isinstance(value, (Array, Dictionary, Stream)):
            led_to.append((value, ""))
    return led_to


def _unpacked(pdf: Pdf, stream: Stream) -> int:
    """How many bytes it unpacks to; a picture in a format of its own is left in that format."""
    packing = _listed(stream.get("/Filter"))
    form = packing[-1] if packing else None
    if not isinstance(form, Name) or str(form) not in _PICTURES:
        return len(stream.read_bytes())
    if int(stream.Width) * int(stream.Height) > MOST_PIXELS:
        raise Unusable("too_complex")
    settings = _listed(stream.get("/DecodeParms")) or [Dictionary()] * len(packing)
    content = stream.read_raw_bytes()
    if len(packing) > 1:
        wrapped = Stream(pdf, content)
        wrapped.Filter, wrapped.DecodeParms = Array(packing[:-1]), Array(settings[:-1])
        content = wrapped.read_bytes()
    if str(form) == "/DCTDecode":
        content = _bare_jpeg(content)
    own = settings[-1]
    stream.write(content, filter=form, decode_parms=own if isinstance(own, Dictionary) else None)
    return len(content)


def _listed(value: Object | None) -> list[Object]:
    if value is None:
        return []
    return list(value) if isinstance(value, Array) else [value]


def _bare_jpeg(data: bytes) -> bytes:
    """A JPEG with its size and colours, without EXIF, place, comments or a second picture."""
    kept, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0xDA:  # the picture itself
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        kind = data[at + 1]
        colours = kind in (0xE0, 0xEE) or data[at + 4 : end].startswith(b"ICC_PROFILE")
        if colours or not (0xE0 <= kind <= 0xEF or kind == 0xFE):
            kept.append(data[at:end])
        at = end
    last = data.find(b"\xff\xd9", at)
    return b"".join([*kept, data[at:] if last < 0 else data[at : last + 2]])


def _limit() -> None:
    """What a hostile file may cost; what goes beyond fails, or ends this process."""
    os.nice(10)
    with suppress(ValueError, OSError):  # not every system counts memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    set_qpdf_limits(flate_max_memory=MOST_UNPACKED, run_length_max_memory=MOST_UNPACKED)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Write the file anew, or the name of the reason against it."""
    _limit()
    try:
        output, code = cleaned(sys.stdin.buffer.read()), 0
    except Unusable as unusable:
        output, code = str(unusable).encode(), 1
    sys.stdout.buffer.write(output)
    return code


if __name__ == "__main__":
    sys.exit(main())
