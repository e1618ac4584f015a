#!/usr/bin/env bash
# In Streamlit 1.67.0, a button in a fragment that is pressed while the page's script still runs is lost, callback and all, if
# another widget of the page, outside of the fragment, tells its value before that script has ended: a text box that loses the
# focus, or a component that reports by itself as soon as it is mounted. A press outside of a fragment survives the same, and so
# does this one with `runner.fastReruns = false`. What is told of a whole page replaces the runner (`request_rerun` in
# app_session.py), and what waits for a fragment waits with the runner that is replaced.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamlit==1.67.0 2>/dev/null
cat > page.py <<'PYTHON'
import time

import streamlit as st

st.session_state.setdefault("presses", 0)


def press():
    st.session_state["presses"] += 1


@st.fragment
def part():
    st.button("in a fragment", on_click=press)


st.text_input("a text box")
part()
st.button("outside", on_click=press)
time.sleep(2)  # a page that takes its time
st.write(f"presses: {st.session_state['presses']}")
PYTHON
cat > visit.py <<'PYTHON'
import asyncio
import re
import socket
import subprocess
import sys
import time
import urllib.request

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect


async def presses(port: int, label: str) -> int:
    """How many presses the page has counted after this button and then the text box were used, both while it was loading."""
    url = f"http://localhost:{port}"
    stream = f"ws://localhost:{port}/_stcore/stream"
    async with connect(stream, origin=url, subprotocols=["streamlit"], max_size=None, proxy=None) as socket_:
        await socket_.send(BackMsg(rerun_script={"widget_states": {}}).SerializeToString())
        buttons, box, told, counted, ended = {}, None, False, None, 0
        while True:
            try:
                message = ForwardMsg.FromString(await asyncio.wait_for(socket_.recv(), 6))
            except TimeoutError:
                return counted
            element = message.delta.new_element
            if element.HasField("button"):
                buttons[element.button.label] = element.button.id, message.delta.fragment_id
            if element.HasField("text_input"):
                box = element.text_input.id
            if found := re.search(r"presses: (\d+)", element.markdown.body):
                counted = int(found.group(1))
            if len(buttons) == 2 and box and not told:
                told = True
                widget, fragment = buttons[label]
                pressed = {"widgets": [{"id": widget, "trigger_value": True}]}
                press = {"widget_states": pressed, "fragment_id": fragment}
                await socket_.send(BackMsg(rerun_script=press).SerializeToString())
                written = {"widgets": [{"id": box, "string_value": "hello"}]}
                await socket_.send(BackMsg(rerun_script={"widget_states": written}).SerializeToString())


def served(*options: str) -> dict[str, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "page.py", "--server.port", str(port), "--server.headless", "true"]
    command += ["--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        return {label: asyncio.run(presses(port, label)) for label in ("in a fragment", "outside")}
    finally:
        server.terminate()
        server.wait()


usual, patient = served(), served("--runner.fastReruns", "false")
print(f"presses counted, as Streamlit comes: {usual}")
print(f"with runner.fastReruns = false: {patient}")
as_seen = usual == {"in a fragment": 0, "outside": 1} and patient == {"in a fragment": 1, "outside": 1}
print(f"the press in the fragment is lost, as it comes only: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python visit.py
