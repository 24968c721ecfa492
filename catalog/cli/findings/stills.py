"""Pictures of a camera at a finding's time span, small, as JPEG bytes for the page."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from validators.errors import MissingExtra, UnreadableDataset
from validators.extras import need

if TYPE_CHECKING:
    from validators.findings import Finding
    from validators.recording import Recording

STILLS = 4
WIDTH = 320  # px
MAX_DECODED = 4000  # pictures that are looked through for one finding


def stills(recording: Recording, finding: Finding) -> list[tuple[str, bytes]]:
    """(time, JPEG) of at most `STILLS` pictures in the span: of the camera that it names, else of the first one.

    Empty where there is no camera, no span or no library for it, and for a video that cannot be decoded.
    """
    if not recording.cameras or not finding.affected or finding.start_s is None or finding.end_s is None:
        return []
    named = [n for n in recording.cameras if n in finding.stream]
    camera = recording.cameras[named[0] if named else sorted(recording.cameras)[0]]
    episode = finding.affected[0]
    if episode not in camera.episodes:
        return []
    wanted = [finding.start_s + (finding.end_s - finding.start_s) * i / (STILLS - 1) for i in range(STILLS)]
    found: list[tuple[str, bytes]] = []
    try:
        for number, picture in enumerate(camera.pictures(episode)):
            if not wanted or number > MAX_DECODED:
                break
            if picture.time_s is not None and picture.frame is not None and picture.time_s >= wanted[0] - 1e-6:
                wanted.pop(0)
                found.append((f"{picture.time_s:.2f} s", _jpeg(picture.frame)))
    except (UnreadableDataset, MissingExtra):
        return found  # the finding about the file itself says why
    return found


def _jpeg(frame: Any) -> bytes:
    av = need("av", "video")
    height = max(2, frame.height * WIDTH // frame.width // 2 * 2)
    small = frame.reformat(width=WIDTH, height=height, format="yuvj420p")
    small.pts = None
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qscale": "6"}
    packets = [*encoder.encode(small), *encoder.encode(None)]
    return b"".join(bytes(p) for p in packets)
