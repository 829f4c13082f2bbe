"""The pack as a PDF of a few A4 pages."""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Final

from fpdf import FPDF
from fpdf.fonts import FontFace

from ostiary.entrypoints.evidence_pack.model import EvidencePack, Section, Table
from ostiary.entrypoints.evidence_pack.typeface import Typeface, find_typeface

_FAMILY: Final = "pack"
_MARGIN_MM: Final = 18
_TEXT_POINTS: Final = 9.5
_LINE_MM: Final = 4.8
_COLUMNS: Final = {2: (34, 66), 3: (26, 37, 37)}
"""Widths in parts of a hundred, by number of columns."""


@lru_cache(maxsize=4)
def render_pdf(pack: EvidencePack, typeface: Typeface | None = None) -> bytes:
    """Return the document. It is kept, since anybody may ask for it and it changes once a day.

    Takes some tenths of a second the first time: call it in a thread.
    """
    document = _Document(pack, typeface or find_typeface())
    document.add_page()
    document.write_head()
    for section in pack.sections:
        document.write_section(section)
    return bytes(document.output())


class _Document(FPDF):
    def __init__(self, pack: EvidencePack, typeface: Typeface) -> None:
        super().__init__(format="A4")
        self._pack = pack
        self._typeface = typeface
        self._family = "helvetica"
        if typeface.regular is not None and typeface.bold is not None:
            self._family = _FAMILY
            self.add_font(_FAMILY, "", typeface.regular)
            self.add_font(_FAMILY, "B", typeface.bold)
        self.set_margins(_MARGIN_MM, _MARGIN_MM)
        self.set_auto_page_break(True, _MARGIN_MM)
        self.set_title(typeface.fit(pack.title))
        self.set_lang("en")
        # The same pack is the same file.
        self.set_creation_date(datetime.combine(pack.as_of, time(), UTC))

    def footer(self) -> None:
        """Called by the library at the end of each page."""
        self.set_y(-13)
        self.set_font(self._family, "", 8)
        text = f"{self._pack.title} · {self._pack.as_of.isoformat()} · page {self.page_no()}"
        self.cell(0, 4, self._typeface.fit(text), align="C")

    def write_head(self) -> None:
        """Title, lead and date."""
        self._paragraph(self._pack.title, 18, bold=True, line_mm=8)
        self._paragraph(self._pack.lead, 11, line_mm=5.5)
        self._paragraph(f"As of {self._pack.as_of.isoformat()}", _TEXT_POINTS)

    def write_section(self, section: Section) -> None:
        """One chapter; its title stays with what follows."""
        if self.will_page_break(30):
            self.add_page()
        self.ln(4)
        self.start_section(self._typeface.fit(section.title))
        self._paragraph(section.title, 13, bold=True, line_mm=6.5)
        if section.lead:
            self._paragraph(section.lead, _TEXT_POINTS)
        for number, step in enumerate(section.steps, start=1):
            self._paragraph(f"{number}. {step}", _TEXT_POINTS)
        for table in section.tables:
            if len(section.tables) > 1:
                self._paragraph(table.caption, _TEXT_POINTS + 1, bold=True)
            self._write_table(table)

    def _paragraph(self, text: str, points: float, *, bold: bool = False, line_mm: float = _LINE_MM) -> None:
        self.set_font(self._family, "B" if bold else "", points)
        self.multi_cell(0, line_mm, self._typeface.fit(text), align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(1)

    def _write_table(self, content: Table) -> None:
        self.set_font(self._family, "", _TEXT_POINTS - 0.5)
        with self.table(
            col_widths=_COLUMNS[len(content.heads)],
            line_height=_LINE_MM,
            text_align="LEFT",
            borders_layout="HORIZONTAL_LINES",
            headings_style=FontFace(emphasis="BOLD"),
            padding=1,
        ) as rows:
            for cells in (content.heads, *content.rows):
                row = rows.row()
                for cell in cells:
                    row.cell(self._typeface.fit(cell))
        self.ln(2)
