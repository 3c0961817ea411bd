"""Makes the encoded pictures beside it, and the pixels that Pillow decodes them to: pictures.jsonl, pictures.bin.gz.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install pillow==12.3.0 numpy==2.4.6
    /tmp/golden/bin/python test/golden/image/pictures.py

A line has the picture's name, where its file and its pixels lie in the unpacked bytes, and their size. Pixels are those of
`convert('RGB')`, or `convert('L')` for gray ones, turned as EXIF says where `exif` is true. Of 16-bit gray, which Pillow keeps, they
are the upper 8 bits, as it makes of 16-bit colours.
"""

import gzip
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageCms, ImageOps

FOLDER = pathlib.Path(__file__).parent
PILLOW = "12.3.0"
NUMPY = "2.4.6"

# Width and height: more than one block of a JPEG each way, and no whole number of them.
WIDTH, HEIGHT = 37, 23
ORIENTATION = 0x0112


def scene(width=WIDTH, height=HEIGHT):
    """Soft colours, hard edges and a little noise; no symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    red = 128 + 110 * np.sin(x / 6 + y / 9)
    green = 255 * x / width
    blue = 255 * y / height
    rgb = np.stack([red, green, blue], axis=2)
    rgb[3:9, 5:14] = (250, 20, 30)
    rgb[12:20, 22:31] = (10, 200, 240)
    rgb += (x * 7 + y * 13).astype(int)[..., None] % 11 - 5
    return np.clip(rgb, 0, 255).astype(np.uint8)


def alpha():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((x * 9 + y * 5) % 256).astype(np.uint8)


RGB = scene()
GRAY = np.asarray(Image.fromarray(RGB).convert("L"))
RGBA = np.dstack([RGB, alpha()])


def saved(image, format, **options):
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, format, **options)
    return out.getvalue()


def oriented(format, orientation, **options):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(RGB, format, exif=exif, **options)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, bits, colour, data, interlaced=0, *chunks):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(data, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png16(array, colour):
    """16 bits a sample, whose lower ones say something else."""
    low = (np.arange(array.size, dtype=np.uint32) * 37 % 256).reshape(array.shape)
    wide = (array.astype(np.uint16) << 8 | low.astype(np.uint16)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    return png(array.shape[1], array.shape[0], 16, colour, rows)


def low_gray(bits):
    """Gray of 1, 2 or 4 bits, packed."""
    values = GRAY >> (8 - bits)
    digits = [(values >> (bits - 1 - i)) & 1 for i in range(bits)]
    rows = np.packbits(np.stack(digits, axis=2).reshape(HEIGHT, -1), axis=1)
    return png(WIDTH, HEIGHT, bits, 0, b"".join(b"\0" + row.tobytes() for row in rows))


# Adam7: first column, first row, and the steps from there (PNG specification, 8.1).
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def interlaced(array, colour):
    rows = [row for x, y, dx, dy in PASSES for row in array[y::dy, x::dx]]
    data = b"".join(b"\0" + np.ascontiguousarray(row).tobytes() for row in rows if row.size > 0)
    return png(array.shape[1], array.shape[0], 8, colour, data, 1)


def swapped_profile():
    """sRGB with red and green exchanged: a decoder that applies it cannot hide it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    places = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = places[b"rXYZ"], places[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def xmp(attributes, content=""):
    names = {"hdrgm": "adobe.com/hdr-gain-map", "Container": "google.com/photos/1.0/container", "Item": "google.com/photos/1.0/container/item"}
    spaces = " ".join(f'xmlns:{name}="http://ns.{path}/{"1.0/" if name == "hdrgm" else ""}"' for name, path in names.items())
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    text = f'<rdf:RDF {rdf}><rdf:Description {spaces} hdrgm:Version="1.0" {attributes}>{content}</rdf:Description></rdf:RDF>'
    return segment(0xE1, f'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/">{text}</x:xmpmeta>'.encode())


def ultra_hdr():
    """What phones make: a JPEG with a second one behind it, its gain map, which the first names twice (XMP, and MPF)."""
    values = {"GainMapMin": 0, "GainMapMax": 2.5, "Gamma": 1, "OffsetSDR": 0.015625, "OffsetHDR": 0.015625}
    values |= {"HDRCapacityMin": 0, "HDRCapacityMax": 2.5, "BaseRenditionIsHDR": "False"}
    gain = saved(GRAY[::2, ::2], "JPEG")
    gain = gain[:2] + xmp(" ".join(f'hdrgm:{name}="{value}"' for name, value in values.items())) + gain[2:]
    items = [("Primary", ""), ("GainMap", f' Item:Length="{len(gain)}"')]
    item = '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="{}"{}/></rdf:li>'
    listed = "".join(item.format(*one) for one in items)
    base = saved(RGB, "JPEG", quality=88)
    head = base[:2] + xmp("", f"<Container:Directory><rdf:Seq>{listed}</rdf:Seq></Container:Directory>")

    def directory(length, offset):
        entries = [(0xB000, 7, 4, b"0100"), (0xB001, 4, 1, struct.pack(">I", 2)), (0xB002, 7, 32, struct.pack(">I", 50))]
        tiff = b"MM\0*" + struct.pack(">IH", 8, 3) + b"".join(struct.pack(">HHI", *e[:3]) + e[3] for e in entries)
        tiff += struct.pack(">IIIIHH", 0, 0x030000, length, 0, 0, 0) + struct.pack(">IIIHH", 0, len(gain), offset, 0, 0)
        return segment(0xE2, b"MPF\0" + tiff)

    length = len(head) + len(directory(0, 0)) + len(base) - 2
    return head + directory(length, length - len(head) - 8) + base[2:] + gain


def palette():
    return Image.fromarray(RGB).quantize(32, dither=Image.Dither.NONE)


def files():
    jpeg = {"quality": 88}
    for orientation in range(1, 9):
        yield f"JPEG, orientation {orientation}", oriented("JPEG", orientation, **jpeg)
    yield "PNG, orientation 6", oriented("PNG", 6)
    yield "WebP, orientation 8", oriented("WEBP", 8, lossless=True)
    yield "JPEG 4:4:4", saved(RGB, "JPEG", subsampling="4:4:4", **jpeg)
    yield "JPEG 4:2:2", saved(RGB, "JPEG", subsampling="4:2:2", **jpeg)
    yield "JPEG 4:2:0", saved(RGB, "JPEG", subsampling="4:2:0", **jpeg)
    yield "JPEG, progressive", saved(RGB, "JPEG", progressive=True, **jpeg)
    yield "JPEG, restart markers", saved(RGB, "JPEG", restart_marker_blocks=2, **jpeg)
    yield "JPEG, RGB inside", saved(RGB, "JPEG", keep_rgb=True, **jpeg)
    yield "JPEG, gray", saved(GRAY, "JPEG", **jpeg)
    yield "JPEG, a colour profile", saved(RGB, "JPEG", icc_profile=swapped_profile(), **jpeg)
    yield "JPEG, Ultra HDR", ultra_hdr()
    yield "PNG", saved(RGB, "PNG")
    yield "PNG, interlaced", interlaced(RGB, 2)
    yield "PNG, interlaced, alpha", interlaced(RGBA, 6)
    yield "PNG, a colour profile", saved(RGB, "PNG", icc_profile=swapped_profile())
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    yield "PNG, linear gamma", png(WIDTH, HEIGHT, 8, 2, rows, 0, gamma)
    yield "PNG, alpha", saved(RGBA, "PNG")
    yield "PNG, a transparent colour", saved(RGB, "PNG", transparency=(250, 20, 30))
    yield "PNG, palette", saved(palette(), "PNG")
    yield "PNG, palette of 4 bits", saved(Image.fromarray(RGB).quantize(11), "PNG")
    yield "PNG, palette with alpha", saved(palette(), "PNG", transparency=bytes(range(0, 256, 8)))
    yield "PNG, gray", saved(GRAY, "PNG")
    yield "PNG, gray with alpha", saved(Image.fromarray(np.dstack([GRAY, alpha()]), "LA"), "PNG")
    yield "PNG, a transparent gray", saved(GRAY, "PNG", transparency=int(GRAY[5, 5]))
    for bits in (1, 2, 4):
        yield f"PNG, gray of {bits} bits", low_gray(bits)
    yield "PNG, 16 bits", png16(RGB, 2)
    yield "PNG, 16 bits with alpha", png16(RGBA, 6)
    yield "PNG, gray of 16 bits", png16(GRAY[..., None], 0)
    yield "PNG, gray of 16 bits with alpha", png16(np.dstack([GRAY, alpha()]), 4)
    yield "WebP", saved(RGB, "WEBP", quality=80)
    yield "WebP, alpha", saved(RGBA, "WEBP", quality=80)
    yield "WebP, lossless", saved(RGB, "WEBP", lossless=True)
    yield "WebP, lossless with alpha", saved(RGBA, "WEBP", lossless=True, exact=True)


def pixels(file, exif):
    image = Image.open(io.BytesIO(file))
    if exif:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
    return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))


def main():
    if PIL.__version__ != PILLOW or np.__version__ != NUMPY:
        raise SystemExit(f"needs pillow=={PILLOW} and numpy=={NUMPY}")
    store = bytearray()

    def put(part):
        store.extend(part)
        return [len(store) - len(part), len(part)]

    rows = []
    for name, file in files():
        place = put(file)
        for exif in [True, False] if "orientation" in name else [True]:
            array = pixels(file, exif)
            size = {"width": array.shape[1], "height": array.shape[0], "channels": 1 if array.ndim == 2 else 3}
            label = name if exif else f"{name}, ignored"
            rows.append({"name": label, "exif": exif, **size, "file": place, "pixels": put(array.tobytes())})
    cmyk = put(saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"))
    rows.append({"name": "JPEG, CMYK", "exif": True, "width": WIDTH, "height": HEIGHT, "channels": 4, "file": cmyk, "pixels": None})
    lines = [json.dumps(row) for row in [{"pillow": PILLOW, "numpy": NUMPY}, *rows]]
    (FOLDER / "pictures.jsonl").write_text("\n".join(lines) + "\n")
    (FOLDER / "pictures.bin.gz").write_bytes(gzip.compress(bytes(store), 9, mtime=0))


if __name__ == "__main__":
    main()
