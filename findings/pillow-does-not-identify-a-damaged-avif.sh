#!/usr/bin/env bash
# Pillow 13.0.0: of a file with a few wrong bytes, Image.open either takes it or raises an OSError (UnidentifiedImageError is one)
# or a ValueError, as documented. Of an AVIF it also raises a RuntimeError, which its documentation does not name: whoever has
# always caught the others lets such an upload crash.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==13.0.0 2>/dev/null
cat > damaged.py <<'PYTHON'
import io
import random
import sys

from PIL import Image

picture = Image.radial_gradient("L").convert("RGB")
random.seed(0)
said = {}
for file_format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
    whole = io.BytesIO()
    picture.save(whole, file_format)
    content = whole.getvalue()
    found = set()
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(4):
            damaged[random.randrange(min(len(damaged), 500))] = random.randrange(256)
        try:
            Image.open(io.BytesIO(damaged))
        except (OSError, ValueError, Image.DecompressionBombError):
            pass
        except Exception as error:
            found.add(type(error).__name__)
    said[file_format] = found
    print(f"{file_format}: not documented: {sorted(found) or 'nothing'}")
as_seen = said.pop("AVIF") == {"RuntimeError"} and not any(said.values())
print(f"as described above: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python -W ignore damaged.py
