#!/usr/bin/env bash
# In Streamlit 1.67.0, a button in a fragment that is pressed while the page's script still runs is lost, callback and all, if
# another widget of the page, outside of the fragment, tells its value before that script has ended: a text box that loses the
# focus, or a component that reports by itself as soon as it is mounted. What is told of a whole page replaces the runner
# (`request_rerun` in app_session.py), and what waits for a fragment waits with the runner that is replaced.
# `runner.fastReruns = false` keeps the runner and the press, and loses something worse: a visitor who goes to another page stays
# where they were, if a fragment of the page that they leave redraws itself before the script comes to its next element. The two
# requests become one, which is for the whole page, as the first, and for the page that the second names (script_requests.py).
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
time.sleep(2)  # a page that takes its time
st.write(f"presses: {st.session_state['presses']}")
PYTHON
mkdir pages
echo 'import streamlit as st; st.write("presses: 1")' > pages/other.py
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


PRESS, LINK = "press in a fragment", "link to the other page"


async def presses(port: int, what: str) -> int:
    """How many presses the page has counted after the button and then the text box were used, both while it was loading. The
    other page, to which a link leads, counts one; there it is the fragment, and not the text box, that tells something then."""
    url = f"http://localhost:{port}"
    stream = f"ws://localhost:{port}/_stcore/stream"
    async with connect(stream, origin=url, subprotocols=["streamlit"], max_size=None, proxy=None) as socket_:
        await socket_.send(BackMsg(rerun_script={"widget_states": {}}).SerializeToString())
        button, box, home, told, counted = None, None, None, False, None
        while True:
            try:
                message = ForwardMsg.FromString(await asyncio.wait_for(socket_.recv(), 6))
            except TimeoutError:
                return counted
            if message.HasField("new_session") and not home:
                home = message.new_session.page_script_hash
            element = message.delta.new_element
            if element.HasField("button"):
                button, fragment = element.button.id, message.delta.fragment_id
            if element.HasField("text_input"):
                box = element.text_input.id
            if found := re.search(r"presses: (\d+)", element.markdown.body):
                counted = int(found.group(1))
            if button and box and not told:
                told = True
                pressed = {"widgets": [{"id": button, "trigger_value": True}]}
                written = {"widgets": [{"id": box, "string_value": "hello"}]}
                first = {"widget_states": pressed, "fragment_id": fragment}
                then = {"widget_states": written}
                if what == LINK:
                    first = {"page_name": "other"}
                    then = {"page_script_hash": home, "fragment_id": fragment, "is_auto_rerun": True}
                for request in (first, then):
                    await socket_.send(BackMsg(rerun_script=request).SerializeToString())


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
        return {what: asyncio.run(presses(port, what)) for what in (PRESS, LINK)}
    finally:
        server.terminate()
        server.wait()


usual, patient = served(), served("--runner.fastReruns", "false")
print(f"what counted, as Streamlit comes: {usual}")
print(f"with runner.fastReruns = false: {patient}")
as_seen = usual == {PRESS: 0, LINK: 1} and patient == {PRESS: 1, LINK: 0}
print(f"the press is lost in one, the link in the other: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python visit.py
