"""SVT-AV1 makes a root's process real-time, which would starve every other one on the machine; ours stays as it was."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from validators.pictures.priority import TASKS, kept_priority


@pytest.mark.skipif(not TASKS.is_dir(), reason="scheduling policies of threads are read from /proc, which is not here")
def test_no_thread_of_an_encoder_is_real_time(tmp_path: Path):
    before = os.sched_getscheduler(0)
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libsvtav1", rate=30, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        with kept_priority():
            stream.codec_context.open()
        threads = [int(t.name) for t in TASKS.iterdir()]
        assert len(threads) > 1
        assert {os.sched_getscheduler(t) for t in threads} == {before}
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert os.sched_getscheduler(0) == before
