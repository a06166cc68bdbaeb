#!/usr/bin/env python3
"""Takes the glyphs that captions need out of GNU Unifont.

    apt-get download unifont && dpkg-deb -x unifont_*.deb /tmp/unifont
    python3 make_glyphs.py /tmp/unifont/usr/share/unifont/unifont.hex

Writes glyphs.hex beside itself: printable ASCII, the Latin letters of Latin-1 and Latin Extended-A, a
few marks of punctuation, and the Chinese characters that stand in Sources/Training/Drawing. A line is
the number of a character and its 16 rows, in hexadecimal; a row has 8 or 16 pixels.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DRAWING = HERE.parents[2] / "Sources/Training/Drawing"

wanted = {*range(0x20, 0x7F), *range(0xA1, 0x180), *map(ord, "–—‘’“”…•，。、；：？！「」（）《》")}
for path in DRAWING.glob("*.swift"):
    wanted.update(map(ord, re.findall(r"[\u4e00-\u9fff]", path.read_text())))

lines = [
    line for line in Path(sys.argv[1]).read_text().split() if int(line.split(":")[0], 16) in wanted
]
missing = wanted - {int(line.split(":")[0], 16) for line in lines}
if missing:
    sys.exit(f"make_glyphs.py: the font has no {sorted(map(chr, missing))}")
(HERE / "glyphs.hex").write_text("\n".join(lines) + "\n")
