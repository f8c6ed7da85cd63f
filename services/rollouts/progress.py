"""One search under way: its tree, and what of it is stored.

A tree has at most one write waiting, so a slow database slows the trees down instead of being
buried under them; until then it grows on while it is being written.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.rollouts.results import Ledger, tree_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from db.records.searches import ClaimedSearch, NodeRecord
    from services.profiles import SearchProfile
    from services.rollouts.writer import GroupWriter


class SearchUnderWay:
    """A claimed search that grows from what is stored of it."""

    def __init__(
        self,
        search: ClaimedSearch,
        profile: SearchProfile,
        writer: GroupWriter,
        *,
        stored: Sequence[NodeRecord],
        sandbox: str,
    ) -> None:
        """`stored` are its rows, `sandbox` the name of what runs its steps from now on."""
        self.search = search
        self.profile = profile
        self.tree = tree_of(search.question, stored, rollouts=search.rollouts)
        self._ledger = Ledger(self.tree, stored=stored)
        self._writer = writer
        self._sandbox = sandbox
        self._started = time.monotonic()
        self._pending: asyncio.Future[None] | None = None
        self._closed = False

    async def after_rollout(self) -> None:
        """Store the progress, every so many rollouts. Does not wait until it is stored.

        Raises:
            LeaseLost, DatabaseError: the write before this one failed.
        """
        rollouts = self.tree.rollouts
        if rollouts < self.profile.rollouts and not rollouts % self.profile.checkpoint_rollouts:
            await self._write(done=False)

    async def finish(self) -> None:
        """Store the rest and set the search done.

        Raises:
            LeaseLost, DatabaseError: nothing more was written.
        """
        await self._write(done=True)
        self._closed = True
        await self._settle()

    async def keep(self) -> None:
        """Store what the tree has come to, as it stands, because it cannot go on here.

        Raises:
            LeaseLost, DatabaseError: nothing more was written.
        """
        if not self._closed and self._ledger.has_news:
            await self._write(done=False)
        await self._settle()

    async def _write(self, *, done: bool) -> None:
        await self._settle()
        result = self._ledger.take(
            seconds=self.search.seconds + time.monotonic() - self._started,
            sandbox=self._sandbox,
            done=done,
        )
        self._pending = self._writer.write(self.search, result)

    async def _settle(self) -> None:
        """Wait for the last write. Once one has failed, nothing more is written."""
        if self._pending is not None:
            try:
                await self._pending
            except Exception:
                self._closed = True
                raise
            self._pending = None
