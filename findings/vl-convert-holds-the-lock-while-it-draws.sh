#!/usr/bin/env bash
# vl-convert-python 1.9.0.post1 draws Vega-Lite charts in Rust, but keeps Python's global lock from the beginning of a drawing to
# its end: no other thread of the process runs meanwhile. In a web server, a thread of its own for drawing does not help; a
# process does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check vl-convert-python==1.9.0.post1 2>/dev/null
cat > draw.py <<'PYTHON'
import sys
import threading
import time

import vl_convert

rows = [{"x": x, "y": x * x % 977} for x in range(20_000)]
chart = {
    "data": {"values": rows},
    "mark": "point",
    "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
}
vl_convert.vegalite_to_png({"data": {"values": [{"x": 1}]}, "mark": "point"})  # what is loaded only once
gaps_s, is_over = [], threading.Event()


def breathe():
    last = time.perf_counter()
    while not is_over.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        gaps_s.append(now - last)
        last = now


thread = threading.Thread(target=breathe)
thread.start()
begin = time.perf_counter()
vl_convert.vegalite_to_png(chart)
drawn_s = time.perf_counter() - begin
is_over.set()
thread.join()
print(f"drawn in {drawn_s:.2f} s; meanwhile another thread, which sleeps for 1 ms at a time, stood still for {max(gaps_s):.2f} s")
as_seen = max(gaps_s) > 0.9 * drawn_s
print(f"for nearly all of it: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python draw.py
