"""What every page of the emulator shares: templates, stylesheet, security headers.

Imitates nobody's pages: own layout, colours and words. `entra` and `control` render through `render`.
"""

from m365_emulator.web.page import plain_file, render

__all__ = ["plain_file", "render"]
