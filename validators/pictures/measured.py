"""The measures of every camera and episode of a recording: decoded when first wanted, and at most once.

Pictures that cannot be decoded are told once, by `damage`, whichever checks looked at them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from validators.errors import UnreadableDataset
from validators.pictures import Probe
from validators.pictures.measures import Measures, measure
from validators.recording import Camera, Problem, Recording

Measured = Mapping[tuple[str, int], Measures]  # camera's name, position of the episode


def measured(recording: Recording, progress: Callable[[str, int, int], None] | None = None) -> Measured:
    """Measures of what every camera saw in every episode, in order; missing ones are decoded, one thread a core.

    A single one is decoded by all cores. What is kept is 41 bytes a frame. Raises `MissingExtra`.
    """
    wanted = dict(_wanted(recording))
    todo = {key: job for key, job in wanted.items() if job[1] not in job[0].measured}
    threads = 1 if len(todo) > 1 else 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        try:
            running = {pool.submit(_measure, *job, threads): job for job in todo.values()}
            _collect(running, progress)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {key: camera.measured[episode] for key, (camera, episode) in wanted.items()}


def probed(camera: Camera, episode: int) -> Probe | None:
    """What the container says of an episode's pictures; None where it says nothing or is damaged."""
    try:
        return camera.probe(episode)
    except UnreadableDataset as error:
        camera.damaged.setdefault(episode, error)
        return None


def damage(recording: Recording) -> tuple[Problem, ...]:
    """What of the recording was found damaged while its pictures were decoded or probed."""
    found = []
    for _, (camera, episode) in _wanted(recording):
        if error := camera.damaged.get(episode):
            found.append(Problem(error.kind, camera.where(episode), error.detail, episode))
    return tuple(found)


def _wanted(recording: Recording) -> Iterator[tuple[tuple[str, int], tuple[Camera, int]]]:
    for position, episode in enumerate(recording.episodes):
        for name, camera in sorted(recording.cameras.items()):
            if episode.index in camera.episodes:
                yield (name, position), (camera, episode.index)


def _measure(camera: Camera, episode: int, threads: int) -> Measures:
    return measure(camera.decode(episode, threads))


def _collect(
    running: Mapping[Future[Measures], tuple[Camera, int]], progress: Callable[[str, int, int], None] | None
) -> None:
    if progress and running:
        progress("decoding videos", 0, len(running))
    for done, future in enumerate(as_completed(running), start=1):
        camera, episode = running[future]
        found = future.result()
        camera.measured[episode] = found
        if found.damage is not None:
            camera.damaged[episode] = found.damage
        if progress:
            progress("decoding videos", done, len(running))
