"""What publish.py and read.py share: one POST, one DELETE, and a connection that is up."""

import asyncio
import urllib.request
from urllib.parse import urljoin

from aiortc import RTCPeerConnection, RTCSessionDescription


async def exchange(pc: RTCPeerConnection, url: str) -> str:
    """Offers over WHIP or WHEP (RFC 9725 section 4.2) and gives the session's address."""
    await pc.setLocalDescription(await pc.createOffer())
    request = urllib.request.Request(
        url,
        data=pc.localDescription.sdp.encode(),
        headers={"Content-Type": "application/sdp"},
        method="POST",
    )

    def ask() -> tuple[str, str]:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode(), response.headers["Location"]

    answer, location = await asyncio.to_thread(ask)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return urljoin(url, location)


async def end(pc: RTCPeerConnection, session: str) -> None:
    request = urllib.request.Request(session, method="DELETE")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
    await pc.close()
