"""Charts as a picture to keep, as they are on the pages but for the theme.

vl-convert draws them, without a browser and without the internet. It does not let other threads of
Python run meanwhile, one or two seconds, so it works in a process of its own: this file, as a
script.
"""

import io
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

WIDTH_PX = 640
# Pixels of the picture for each of the chart's: sharp in print, too.
SHARPNESS = 2
# Far longer than it takes on a busy machine.
PATIENCE_S = 120
# Each drawing takes 190 MB of memory: those of a class wait for each other.
_drawing = threading.Lock()


def png(charts: Sequence[dict[str, Any]]) -> bytes:
    """Charts, one below the other, as a PNG.

    Args:
        charts: Vega-Lite, with their data as `palette.tables` makes them.

    Raises:
        subprocess.SubprocessError: They cannot be drawn.
    """
    plain = [
        chart
        | {
            "width": WIDTH_PX,
            "datasets": {name: rows.to_pylist() for name, rows in chart["datasets"].items()},
        }
        for chart in charts
    ]
    # -P: the modules beside this one are not to hide others of the same name.
    command = [sys.executable, "-P", __file__]
    with _drawing:
        done = subprocess.run(
            command,
            input=json.dumps(plain).encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=PATIENCE_S,
        )
    return done.stdout


def _draw(charts: Sequence[dict[str, Any]]) -> bytes:
    import vl_convert
    from PIL import Image

    drawn = [
        Image.open(io.BytesIO(vl_convert.vegalite_to_png(chart, scale=SHARPNESS)))
        for chart in charts
    ]
    width = max(picture.width for picture in drawn)
    sheet = Image.new("RGB", (width, sum(picture.height for picture in drawn)), "white")
    top = 0
    for picture in drawn:
        sheet.paste(picture, (0, top))
        top += picture.height
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_draw(json.load(sys.stdin.buffer)))
