"""Take the pictures that the pages show, from a running demo: scripts/screenshots.py APPROVE-LINK."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def main(link: str) -> None:
    """Write docs/images/approve.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1180, "height": 900}, color_scheme="light")
        page.goto(link)
        page.screenshot(path=IMAGES / "approve.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
