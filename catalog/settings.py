"""Settings come from `ASSAY_…` variables, all of them known and valid; a misspelt one is an error, not a default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from catalog.errors import Invalid

PREFIX = "ASSAY_"


class Settings(BaseSettings):
    """Where the home, the keys and the store are. Keys never live inside the home."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Path.home() / ".assay"
    keys: Path | None = None
    url: str | None = None
    principal: str | None = None
    token: SecretStr | None = None
    environment: Literal["demo", "dev"] = "demo"
    idle_seconds: int = Field(default=300, ge=1, le=7 * 86400)
    poll_seconds: float = Field(default=5.0, gt=0, le=3600)
    release_key: Path | None = None
    report_key: Path | None = None
    lease_hours: int = Field(default=24, ge=1, le=24 * 90)
    database_url: SecretStr | None = None
    reproduce: Path | None = None
    browser_code: SecretStr | None = None
    import_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    lakefs_url: str | None = None
    lakefs_key: SecretStr | None = None
    lakefs_secret: SecretStr | None = None
    lakefs_namespace: str | None = None

    @field_validator("import_folders", mode="before")
    @classmethod
    def _folders(cls, given: object) -> object:
        """As PATH is written; each must be absolute, as what is imported from it is named so."""
        if not isinstance(given, str):
            return given
        folders = tuple(Path(part) for part in given.split(os.pathsep) if part)
        if relative := next((f for f in folders if not f.is_absolute()), None):
            raise ValueError(f"{relative} is not absolute")
        return folders

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.keys_folder.resolve().is_relative_to(self.home.resolve()):
            raise ValueError(f"{PREFIX}KEYS lies inside {PREFIX}HOME; keep keys beside the home, never in it")
        if self.lakefs_url and not (self.lakefs_key and self.lakefs_secret and self.lakefs_namespace):
            needs = ", ".join(f"{PREFIX}LAKEFS_{part}" for part in ("KEY", "SECRET", "NAMESPACE"))
            raise ValueError(f"{PREFIX}LAKEFS_URL needs {needs} (where its repositories store, such as s3://bucket/)")
        return self

    @property
    def keys_folder(self) -> Path:
        """`$ASSAY_KEYS`, by default `<home>-keys` beside the home."""
        return self.keys if self.keys is not None else self.home.with_name(self.home.name + "-keys")

    @property
    def database(self) -> Path:
        """The records."""
        return self.home / "records.db"

    @property
    def releases(self) -> Path:
        """The release repository: `metadata/` and `targets/`, as devices read it."""
        return self.home / "releases"

    @property
    def release_key_file(self) -> Path:
        """The online key of the release repository, which can choose among allowed releases and deny."""
        return self.release_key if self.release_key is not None else self.keys_folder / "release.pem"

    @property
    def report_key_file(self) -> Path:
        """The key that signs reports and audit heads."""
        return self.report_key if self.report_key is not None else self.keys_folder / "report.pem"

    @property
    def snapshots(self) -> Path:
        """Verified read-only copies of checked versions, one folder a manifest digest."""
        return self.home / "snapshots"

    @property
    def address(self) -> Path:
        """Where the running service says its address and process."""
        return self.home / "service.json"


def load(home: Path | None = None) -> Settings:
    """The settings of this process; raises `Invalid` for an unknown or wrong variable."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise Invalid(
            "settings-invalid", f"unknown variable {unknown[0]}", do=f"unset it; known are {', '.join(sorted(known))}"
        )
    try:
        return Settings() if home is None else Settings(home=home)
    except ValidationError as error:
        fault = error.errors()[0]
        where = PREFIX + "_".join(str(part) for part in fault["loc"]).upper() if fault["loc"] else ""
        raise Invalid("settings-invalid", str(fault["msg"]), where=where, do="correct the variable") from error
