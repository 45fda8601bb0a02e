"""Where the browser of the browser tests is."""

import os
import shutil

import pytest


def chromium() -> str:
    """The path of Debian's chromium (or ``HUTONG_CHROMIUM``); skips the test where there is none."""
    found = (
        os.environ.get("HUTONG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )
    if not found:
        pytest.skip("needs a browser: apt-get install chromium fonts-noto-cjk (or set HUTONG_CHROMIUM)")
    return found
