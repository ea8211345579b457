"""Reads a path over WHEP with aiortc and tells what it decoded as JSON:  read.py URL SECONDS"""

import asyncio
import json
import sys

import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from common import end, exchange


async def main(url: str, seconds: float) -> None:
    pc = RTCPeerConnection()
    pc.addTransceiver("video", direction="recvonly")
    pc.addTransceiver("audio", direction="recvonly")
    found = {"pictures": 0, "width": 0, "height": 0, "samples": 0, "energy": 0.0}
    tasks: list[asyncio.Task[None]] = []

    async def pictures(track: MediaStreamTrack) -> None:
        while True:
            frame = await track.recv()
            found["pictures"] += 1
            found["width"], found["height"] = frame.width, frame.height

    async def sound(track: MediaStreamTrack) -> None:
        while True:
            frame = await track.recv()
            found["samples"] += frame.samples
            found["energy"] += float(numpy.square(frame.to_ndarray().astype(numpy.float64) / 32768).sum())

    @pc.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        tasks.append(asyncio.ensure_future(pictures(track) if track.kind == "video" else sound(track)))

    session = await exchange(pc, url)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(result, (asyncio.CancelledError, MediaStreamError, type(None))):
            raise result
    await end(pc, session)
    print(json.dumps(found))


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
