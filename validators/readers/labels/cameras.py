"""The pictures that labels belong to, as cameras, so that checks of pictures see them too."""

from __future__ import annotations

import polars as pl

from validators.files import Files
from validators.pictures import image
from validators.pictures.camera import ImageCamera
from validators.recording import Episode

NAME = "images"  # of pictures of no named sensor


def cameras(files: Files, images: pl.LazyFrame) -> dict[str, ImageCamera]:
    """A camera for each sensor of which image files are here, in order of time, frame and name."""
    here = images.filter(pl.col("found") & pl.col("episode").is_not_null() & pl.col("file").is_not_null())
    suffix = pl.col("file").str.to_lowercase().str.extract(r"(\.[a-z]+)$")
    kept = here.filter(suffix.is_in(image.SUFFIXES)).select(
        "file", "episode", "time_s", "frame", "width", "height", stream=pl.col("stream").fill_null(NAME)
    )
    rows = kept.unique("file").sort("stream", "episode", "time_s", "frame", "file").collect(engine="streaming")
    found = {}
    for (name,), part in rows.partition_by("stream", as_dict=True, maintain_order=True).items():
        paths, times = {}, {}
        for (episode,), one in part.partition_by("episode", as_dict=True, maintain_order=True).items():
            paths[int(episode)] = one["file"].to_list()
            if not one["time_s"].null_count():
                times[int(episode)] = one["time_s"].to_list()
        sizes = part.select("width", "height").unique()
        width, height = sizes.row(0) if sizes.height == 1 else (None, None)
        found[str(name)] = ImageCamera(str(name), files, paths, times, width=_pixels(width), height=_pixels(height))
    return found


def _pixels(side: float | None) -> int | None:
    return int(side) if side is not None and 0 < side < 1e6 else None


def by_folder(images: pl.LazyFrame) -> tuple[pl.LazyFrame, tuple[Episode, ...]]:
    """Images of no sequence with their folder as the episode; a folder of which none is here is no episode."""
    folder = pl.concat_str([pl.lit("/"), pl.col("file")]).str.replace(r"/[^/]*$", "")
    here = images.filter(pl.col("found")).unique("file").group_by(folder=folder).agg(pl.len(), pl.col("file").min())
    found = here.sort("folder").collect(engine="streaming")
    if not found.height:
        return images, ()
    index = {str(name): i for i, name in enumerate(found["folder"])}
    episode = folder.replace_strict(list(index), list(index.values()), default=None, return_dtype=pl.Int32)
    episodes = tuple(Episode(i, (first,), number) for i, (_, number, first) in enumerate(found.rows()))
    return images.with_columns(episode=episode), episodes
