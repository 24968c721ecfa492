"""Open the recording in a folder: what cannot be read, or needs a library that is not there, is refused by name."""

from __future__ import annotations

from pathlib import Path

import validators.errors
from catalog.errors import Invalid
from validators import readers
from validators.pictures.video import available
from validators.recording import Recording


def open_recording(folder: Path, where: str, *, pictures: bool = False) -> Recording:
    """The recording; `where` is how the refusal names it. Raises `Invalid` (`dataset-unreadable`).

    With `pictures`, a recording with cameras is refused where nothing here decodes them: a gate leaves no check out.
    """
    try:
        recording = readers.open(folder)
        if pictures and recording.cameras:
            available()
        return recording
    except validators.errors.MissingExtra as error:
        raise Invalid(
            "dataset-unreadable", error.detail, where=where, do="install that where the service runs, then start again"
        ) from error
    except validators.errors.UnreadableDataset as error:
        raise Invalid("dataset-unreadable", str(error), where=where, do="mend or remove that file") from error
