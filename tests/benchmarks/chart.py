"""A chart of rates as an SVG that can be read on light and on dark. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _LABEL_WIDTH, _VALUE_WIDTH = 760, 220, 110
_ROW, _BAR, _HEAD, _FOOT = 24, 15, 44, 26
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .note { fill: #59636e; font-size: 12px }
  .ours { fill: #0969da } .possible { fill: #8c959f } .peer { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note { fill: #9198a1 }
    .ours { fill: #4493f8 } .possible { fill: #656c76 } .peer { fill: #db6d28 }
  }
"""


def chart(title: str, bars: Sequence[tuple[str, float, str]], note: str) -> str:
    """Return a chart of *bars*: name, operations per second, and kind (ours, possible, peer)."""
    longest = max((rate for _, rate, _ in bars), default=1.0)
    room = _WIDTH - _LABEL_WIDTH - _VALUE_WIDTH
    height = _HEAD + _ROW * len(bars) + _FOOT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title, quote=True)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
    ]
    for number, (name, rate, kind) in enumerate(bars):
        top = _HEAD + number * _ROW
        width = max(1.0, room * rate / longest)
        text = top + _BAR - 3
        lines += [
            f'<text x="{_LABEL_WIDTH - 8}" y="{text}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LABEL_WIDTH}" y="{top}"',
            f'width="{width:.1f}" height="{_BAR}" rx="2"/>',
            f'<text x="{_LABEL_WIDTH + width + 6:.1f}" y="{text}">{rate:,.0f}</text>',
        ]
    lines += [f'<text class="note" x="8" y="{height - 8}">{escape(note)}</text>', "</svg>", ""]
    return "\n".join(lines)
