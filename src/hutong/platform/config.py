"""Settings, read from the environment (``HUTONG_…``); every one has a default that runs the network on one machine."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may set; see docs/operating.md."""

    model_config = SettingsConfigDict(env_prefix="HUTONG_", env_file=None, extra="ignore")

    database_url: str | None = Field(None, description="PostgreSQL to use; none: start our own in data_dir")
    data_dir: Path = Field(Path(".data"), description="where our own PostgreSQL and kept files live")
    base_url: str = Field("http://localhost:8000", description="the address that people and QR codes use")
    network_zone: str = Field("Asia/Shanghai", description="the zone of the network's own day")
    log_level: str = "INFO"
    log_json: bool = False
    pool_size: int = Field(8, ge=1, le=100, description="database connections for pages and API, a process")
    capture_connections: int = Field(2, ge=1, le=16, description="database connections that commit sales, a process")
    capture_backlog: int = Field(20_000, ge=1, description="sales waiting to be committed before the answer is 503")
    secret_key: SecretStr | None = Field(
        None, description="32 bytes as base64 that stored secrets are encrypted with; none: the file secret.key in data_dir"
    )
    payment_connections: int = Field(6, ge=2, le=32, description="database connections that commit payments, a process")
    late_days: int = Field(400, ge=1, description="how late a sale may arrive without the permission sales:history")
    jobs: bool = Field(True, description="run jobs and send webhooks in the web processes; off: `hutong worker` does")
    allow_private_webhooks: bool = Field(False, description="let webhooks call inside addresses; for trials on one machine only")


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
