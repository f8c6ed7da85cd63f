"""A preference pair on a terminal: what both steps follow, and the two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from services.cli.tree_view import visible

if TYPE_CHECKING:
    from db.records.pairs import StoredPair
    from services.curation.items import PairTexts


def render(pair: StoredPair, texts: PairTexts) -> Group:
    """The pair, its texts printed as text."""
    return Group(
        Text(f"pair {pair.id} ({pair.kind.value}) of search {pair.search_id}", style="bold"),
        Panel(Text(visible(texts.prompt)), title="prefix", title_align="left"),
        Panel(
            Text(visible(texts.chosen)),
            title=f"chosen, Q {pair.chosen_q:+.2f}",
            title_align="left",
            border_style="green",
        ),
        Panel(
            Text(visible(texts.rejected)),
            title=f"rejected, Q {pair.rejected_q:+.2f}",
            title_align="left",
            border_style="red",
        ),
    )
