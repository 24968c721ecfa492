"""The measures of pictures against plain numpy, and decoding against what was encoded."""

import io
import struct
import zlib
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from validators.errors import UnreadableDataset
from validators.pictures import MAX_PIXELS, Picture, image, message, video
from validators.pictures.frame import picture
from validators.pictures.measures import GRID, KEPT, ROWS, measure
from validators.pictures.message import Message
from validators.pictures.priority import kept_priority

av = pytest.importorskip("av", reason="needs the extra `video`")

from tests.validators import films  # noqa: E402

lumas = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


def seen(luma, black=0, white=255, time_s=None):
    return Picture(time_s, luma, (luma.tobytes(),), black=black, white=white)


def cells(values):
    rows, columns = (min(g, n) for g, n in zip(GRID, values.shape, strict=True))
    tall, wide = values.shape[0] // rows, values.shape[1] // columns
    return values[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide)


@given(lumas, st.sampled_from([(0, 255), (16, 235)]))
def test_each_measure_is_what_plain_numpy_says(luma, levels):
    black, white = levels
    found = measure([seen(luma, black, white)])
    full = (luma.astype(np.float64) - black) * 255 / (white - black)
    rows = full[1:-1] if full.shape[0] > 2 else full  # the first and the last have no neighbour
    assert found.mean[0] == pytest.approx(rows.mean(), abs=0.01)
    assert found.deviation[0] == pytest.approx(rows.std(), abs=0.02)
    assert found.dark[0] == pytest.approx((rows <= 5 + 1e-9).mean())
    assert found.bright[0] == pytest.approx((rows >= 250 - 1e-9).mean())
    assert np.allclose(found.thumbnails[0], cells(rows).mean(axis=(1, 3)), atol=0.01)
    assert found.sizes == ((luma.shape[1], luma.shape[0]),)
    if min(luma.shape) < 3:
        assert np.isnan(found.sharpness[0])
        return
    laplacian = full[:-2, 1:-1] + full[2:, 1:-1] + full[1:-1, :-2] + full[1:-1, 2:] - 4 * full[1:-1, 1:-1]
    assert found.sharpness[0] == pytest.approx(
        np.quantile(cells(laplacian).var(axis=(1, 3)), 0.9, method="lower"), rel=1e-3, abs=1
    )


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=30))
def test_repeats_distances_and_digests_tell_pictures_apart(order):
    """Three pictures: the second differs from the first in one byte of chroma, the third in one cell of luma."""
    luma = np.full((24, 32), 100, np.uint8)
    other = luma.copy()
    other[2:4, 2:4] = 110  # one cell, whole rows of it measured
    chroma = [bytes(100), bytes(99) + b"\1", bytes(100)]
    lumas = [luma, luma, other]
    found = measure(Picture(None, lumas[k], (lumas[k].tobytes(), chroma[k])) for k in order)
    assert found.repeated.tolist() == [False, *(a == b for a, b in pairwise(order))]
    assert np.isnan(found.distance[0])
    for (a, b), distance in zip(pairwise(order), found.distance[1:], strict=True):
        assert (distance > 0) == (2 in (a, b) and a != b)
    assert len(np.unique(found.digest)) == len(set(order))
    assert all(
        (x == y) == (a == b)
        for (a, x) in zip(order, found.digest, strict=True)
        for (b, y) in zip(order, found.digest, strict=True)
    )


@given(st.binary(min_size=1, max_size=100_000), st.data())
@settings(max_examples=50)
def test_one_changed_byte_changes_the_digest(data, draw):
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = bytearray(data)
    changed[at] ^= draw.draw(st.integers(1, 255))
    luma = np.zeros((3, 3), np.uint8)
    found = measure([Picture(None, luma, (data,)), Picture(None, luma, (bytes(changed),))])
    assert not found.repeated[1]
    assert found.digest[0] != found.digest[1]


def test_on_tall_pictures_some_rows_are_enough():
    rng = np.random.default_rng(0)
    luma = rng.integers(0, 255, (ROWS * 8 + 2, 64), dtype=np.uint8)
    found = measure([seen(luma)])
    assert found.mean[0] == pytest.approx(luma.mean(), abs=2)
    assert found.deviation[0] == pytest.approx(luma.std(), rel=0.03)


def test_thumbnails_are_few_and_evenly_spaced():
    found = measure(seen(np.full((12, 16), i % 250, np.uint8)) for i in range(3 * KEPT))
    assert KEPT / 2 <= len(found.thumbnails) <= KEPT
    assert len(set(np.diff(found.thumbnails[:50, 0, 0]).tolist())) == 1
    assert len(measure([])) == 0


def test_damage_keeps_what_was_measured_before():
    def pictures():
        yield seen(np.zeros((4, 4), np.uint8), time_s=1.5)
        raise UnreadableDataset("file-damaged", "torn")

    found = measure(pictures())
    assert (len(found), found.time_s[0], found.damage.detail) == (1, 1.5, "torn")


@pytest.mark.parametrize("codec", [films.LOSSLESS, films.H264, films.AV1])
def test_a_range_of_a_video_is_exactly_its_frames(tmp_path, codec):
    path = films.write(
        tmp_path / ("a.mkv" if codec is films.LOSSLESS else "a.mp4"), films.shot(films.swing(60, 30)), 30, codec
    )
    whole = list(video.pictures(path))
    assert [p.time_s for p in whole] == pytest.approx(np.arange(60) / 30, abs=2e-3)
    for first, last in ((0, 60), (0, 1), (7, 19), (31, 60), (59, 60)):
        part = list(video.between(path, first / 30, last / 30, 30.0))
        assert [p.planes for p in part] == [p.planes for p in whole[first:last]]
        assert part[0].time_s == pytest.approx(0, abs=2e-3)
    assert not list(video.between(path, 5.0, 6.0, 30.0))


def test_ffv1_gives_back_every_byte(tmp_path):
    pictures = films.shot(films.swing(5, 30))
    path = films.write(tmp_path / "a.mkv", pictures)
    for was, found in zip(pictures, video.pictures(path), strict=True):
        assert np.array_equal(found.luma, was)
        assert found.planes == (was.tobytes(), bytes([128]) * (was.size // 4), bytes([128]) * (was.size // 4))
        assert (found.black, found.white) == (16, 235)


def test_probing_says_what_the_container_says(tmp_path):
    path = films.write(tmp_path / "a.mp4", films.shot(films.swing(12, 25)), 25, films.H264)
    found = video.probe(path)
    assert (found.codec, found.width, found.height, found.fps, found.frames) == ("h264", 160, 120, 25.0, 12)
    assert video.probe(films.write(tmp_path / "b.mkv", films.shot(films.swing(7, 30)))).frames == 7
    assert next(key for _, _, key in video.packets(path))
    assert [t for t, _, _ in video.packets(path)] == pytest.approx(np.arange(12) / 25)


@pytest.mark.parametrize(
    ("said", "codec"),
    [
        ("libsvtav1", "av1"),
        ("AV1", "av1"),
        ("libx264", "h264"),
        ("avc1", "h264"),
        ("hevc", "hevc"),
        ("mystery", "mystery"),
    ],
)
def test_an_encoder_counts_as_its_codec(said, codec):
    assert video.codec_name(said) == codec


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile a.mkv\n", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mkv\n"]
)
def test_a_playlist_is_no_video(tmp_path, text):
    """It could name any file of the machine; without the list of containers PyAV opens the first of these."""
    films.write(tmp_path / "a.mkv", films.shot(films.swing(3, 30)))
    (tmp_path / "b.mp4").write_text(text)
    with pytest.raises(UnreadableDataset, match="no readable video"):
        list(video.pictures(tmp_path / "b.mp4"))


def test_ten_bits_are_compared_whole_and_measured_by_the_upper_eight():
    words = np.full((6, 8), 400, np.uint16)
    frame = av.VideoFrame.from_ndarray(np.vstack([words, np.full((6, 8), 512, np.uint16)[:3]]), format="yuv420p10le")
    assert (picture(frame, None).luma == 100).all()
    assert [len(p) for p in picture(frame, None).planes] == [96, 24, 24]


@pytest.mark.parametrize("codec", ["png", "mjpeg", "bmp", "tiff"])
def test_images_are_decoded_by_what_they_are(codec):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (24, 31, 3), dtype=np.uint8)
    if codec == "bmp":
        context = av.CodecContext.create("bmp", "w")
        context.width, context.height, context.pix_fmt, context.time_base = 31, 24, "bgr24", Fraction(1)
        data = b"".join(
            bytes(p) for p in context.encode(av.VideoFrame.from_ndarray(picture[:, :, ::-1].copy(), format="bgr24"))
        )
    else:
        data = films.png(picture, codec)
    found = image.decode(data, 2.5)
    assert (found.width, found.height, found.time_s) == (31, 24, 2.5)
    gray = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found.luma - gray).mean() < (12 if codec == "mjpeg" else 1)


def test_a_sixteen_bit_depth_image_is_compared_whole():
    def depth(value):
        frame = av.VideoFrame.from_ndarray(np.full((4, 4), value, np.uint16), format="gray16le")
        context = av.CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt, context.time_base = 4, 4, "gray16be", Fraction(1)
        return b"".join(bytes(p) for p in [*context.encode(frame.reformat(format="gray16be")), *context.encode()])

    found = measure([image.decode(depth(5000)), image.decode(depth(5001)), image.decode(depth(5001))])
    assert found.repeated.tolist() == [False, False, True]
    assert image.decode(depth(5000)).luma[0, 0] == 5000 >> 8


@pytest.mark.parametrize(
    ("format_", "channels"),
    [("rgb8", 3), ("bgr8", 3), ("rgba8", 4), ("bgra8", 4), ("mono8", 1), ("8UC1", 1), ("bayer_rggb8", 1)],
)
def test_raw_messages_with_padded_rows(format_, channels):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (5, 7 * channels + 6), dtype=np.uint8)
    found = message.raw(Message(0.5, array.tobytes(), format_, 7, 5, array.shape[1]))
    pixels = array[:, : 7 * channels].reshape(5, 7, channels)
    colours = pixels[:, :, :3] if format_.startswith("rgb") else pixels[:, :, 2::-1]
    gray = pixels[:, :, 0] if channels == 1 else colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found.luma.astype(float) - gray).max() <= 1
    assert found.planes == (pixels.tobytes(),)
    assert found.time_s == 0.5


def test_a_video_stream_in_messages_keeps_the_times_of_its_messages(tmp_path):
    films.write(tmp_path / "a.mp4", films.shot(films.swing(10, 30)), 30, ("libx264", {"tune": "zerolatency"}))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        to_annex_b = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [bytes(p) for packet in container.demux(stream) for p in to_annex_b.filter(packet) if p.size]
    times = [10 + i / 30 for i in range(10)]
    found = list(message.pictures(Message(t, p, "h264") for t, p in zip(times, packets, strict=True)))
    assert [p.time_s for p in found] == times
    assert np.abs(found[4].luma.astype(float) - films.shot(films.swing(10, 30))[4]).mean() < 10


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        (Message(0, b"", "jpeg"), "file-damaged", "no bytes"),
        (Message(0, b"abc", "jpeg"), "file-damaged", "is no image"),
        (Message(0, b"12", "rgb8", 4, 4, 12), "file-damaged", "2 bytes for 4×4 rgb8"),
        (Message(0, b"12", "rgb8", 1 << 20, 1 << 20), "too-large", "pixels"),
        (Message(0, bytes(48), "rgb8", 4, 4, 3), "file-damaged", "rows of 3"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_place(what, kind, text):
    good = Message(0, films.png(np.zeros((4, 4), np.uint8)))
    with pytest.raises(UnreadableDataset, match=text) as error:
        list(message.pictures([good, what]))
    assert error.value.kind == kind
    assert "picture 1" in str(error.value)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_a_compressed_comment_never_reaches_the_decoder():
    """64 MB of blanks in 64 kB: FFmpeg would inflate them."""
    data = films.png(np.zeros((4, 4), np.uint8))
    bomb = chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(64 << 20), 9))
    found = image.decode(data[:33] + bomb + data[33:])
    assert found.width == 4
    assert b"zTXt" not in b"".join(image._png(data[:33] + bomb + data[33:]))


def test_a_decompression_bomb_is_refused_by_its_size():
    header = struct.pack(">IIBBBBB", 1 << 15, 1 << 15, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    with pytest.raises(UnreadableDataset, match=f"at most {MAX_PIXELS} pixels"):
        image.decode(bomb)


PNG, JPEG = (films.png(films.shot([0.1])[0], codec) for codec in ("png", "mjpeg"))


@given(st.data(), st.sampled_from([PNG, JPEG]))
@settings(max_examples=150)
def test_a_damaged_image_is_a_picture_or_refused(data, whole):
    bad = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)):
        bad[at] ^= data.draw(st.integers(1, 255))
    bad = bad[: data.draw(st.integers(0, len(whole)))]
    found = attempted(lambda: image.decode(bytes(bad)))
    if isinstance(found, UnreadableDataset):
        assert found.kind in {"file-damaged", "too-large"}
    else:
        assert found.luma.shape == (found.height, found.width)


def attempted(read):
    """What was read, or how it was refused; any other error is one of ours."""
    try:
        return read()
    except UnreadableDataset as error:
        return error


@pytest.mark.parametrize("whole", [PNG, JPEG])
@given(cut=st.integers(1, 400))
@settings(max_examples=40)
def test_a_cut_image_is_refused(whole, cut):
    with pytest.raises(UnreadableDataset):
        image.decode(whole[:-cut])


def encoded(codec):
    buffer = io.BytesIO()
    name, options = codec
    with av.open(buffer, "w", format="matroska" if codec is films.LOSSLESS else "mp4") as output:
        stream = output.add_stream(name, rate=30, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        with kept_priority():
            stream.codec_context.open()
        for luma in films.shot(films.swing(12, 30)):
            frame = av.VideoFrame.from_ndarray(np.vstack([luma, np.full((60, 160), 128, np.uint8)]), format="yuv420p")
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode():
            output.mux(packet)
    return buffer.getvalue()


VIDEOS = [encoded(codec) for codec in (films.LOSSLESS, films.H264, films.AV1)]


@given(st.data(), st.sampled_from(VIDEOS))
@settings(max_examples=120, deadline=None)
def test_a_damaged_video_is_measured_or_refused(tmp_path_factory, data, whole):
    bad = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        bad[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("v") / "a.mp4"
    path.write_bytes(bad[: data.draw(st.integers(0, len(whole)))])
    reads = (
        lambda: measure(video.pictures(path)),
        lambda: video.probe(path),
        lambda: video.packets(path),
        lambda: measure(video.between(path, 0.1, 0.3, 30.0)),
    )
    for read in reads:
        found = attempted(read)
        refused = found if isinstance(found, UnreadableDataset) else getattr(found, "damage", None)
        if refused is not None:
            assert (refused.kind in {"file-damaged", "too-large"}, refused.path) == (True, str(path))


@pytest.mark.parametrize(("codec", "allowed"), [(films.LOSSLESS, 15), (films.H264, 0)])
def test_a_cut_video_is_never_silent(tmp_path, codec, allowed):
    """Wherever it is cut, it is said. Matroska keeps no count of frames but a duration: half a second may go unseen."""
    path = films.write(tmp_path / "a.mp4", films.shot(films.swing(60, 30)), 30, codec, "matroska" if allowed else None)
    whole = path.read_bytes()
    for cut in range(1, len(whole), len(whole) // 40):
        path.write_bytes(whole[:-cut])
        found = measure(video.pictures(path))
        assert found.damage is not None or len(found) >= 60 - allowed
