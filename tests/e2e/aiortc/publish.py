"""Publishes a moving picture and a tone over WHIP with aiortc:  publish.py URL SECONDS"""

import asyncio
import fractions
import sys

import av
import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, VideoStreamTrack

from common import end, exchange


class Bars(VideoStreamTrack):
    """Vertical bars that wander."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        columns = (numpy.arange(640) + pts // 900) % 256
        picture = numpy.broadcast_to(columns[None, :, None], (480, 640, 3)).astype(numpy.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    """440 Hz, 48 kHz mono, 20 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.begun: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self.begun = self.begun if self.begun is not None else loop.time()
        await asyncio.sleep(self.begun + self.sent / 48000 - loop.time())
        times = (self.sent + numpy.arange(960)) / 48000
        samples = (8000 * numpy.sin(2 * numpy.pi * 440 * times)).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = self.sent, 48000, fractions.Fraction(1, 48000)
        self.sent += 960
        return frame


async def main(url: str, seconds: float) -> None:
    pc = RTCPeerConnection()
    video = pc.addTransceiver(Bars(), direction="sendonly")
    # aiortc offers VP8 first; a server that answers with H.264 alone is what is tested, so nothing is preferred here.
    assert any(codec.mimeType == "video/H264" for codec in RTCRtpSender.getCapabilities("video").codecs)
    pc.addTransceiver(Tone(), direction="sendonly")
    session = await exchange(pc, url)
    print("publishing", flush=True)
    await asyncio.sleep(seconds)
    print("state", pc.connectionState, "video", video.sender.transport.state, flush=True)
    await end(pc, session)


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
