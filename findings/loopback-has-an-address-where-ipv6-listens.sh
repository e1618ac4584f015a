#!/usr/bin/env bash
# In Streamlit 1.67.0, st.context.ip_address is None for a browser on the same machine, its documentation says; but as it comes,
# the server listens for IPv6 and IPv4 in one socket, and who opens http://127.0.0.1 (or localhost, where that is IPv4 first) has
# the address "::ffff:127.0.0.1": text, of which Python 3.11's ipaddress says is_loopback = False. With --server.address 127.0.0.1
# the same visit gives None. So "is it this machine?" is neither `is None` nor `.is_loopback`; `.ipv4_mapped` must be looked at.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamlit==1.67.0 2>/dev/null
cat > page.py <<'PYTHON'
import streamlit as st

st.write(f"address: {st.context.ip_address}")
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


async def said(host: str, port: int) -> str:
    stream = f"ws://{host}:{port}/_stcore/stream"
    async with connect(stream, origin=f"http://{host}:{port}", subprotocols=["streamlit"], max_size=None, proxy=None) as page:
        await page.send(BackMsg(rerun_script={"widget_states": {}}).SerializeToString())
        while True:
            message = ForwardMsg.FromString(await asyncio.wait_for(page.recv(), 30))
            if found := re.search(r"address: (\S+)", message.delta.new_element.markdown.body):
                return found.group(1)


def served(hosts: list[str], *options: str) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "page.py", "--server.port", str(port), "--server.headless", "true"]
    command += ["--server.fileWatcherType", "none", "--browser.gatherUsageStats", "false", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        return {host: asyncio.run(said(host, port)) for host in hosts}
    finally:
        server.terminate()
        server.wait()


usual = served(["127.0.0.1", "[::1]"])
narrow = served(["127.0.0.1"], "--server.address", "127.0.0.1")
print(f"as it comes: {usual}")
print(f"listening for IPv4 only: {narrow}")
as_seen = usual == {"127.0.0.1": "::ffff:127.0.0.1", "[::1]": "None"} and narrow == {"127.0.0.1": "None"}
print(f"an address on the machine itself, by IPv4 only: {as_seen}")
sys.exit(not as_seen)
PYTHON
venv/bin/python visit.py
