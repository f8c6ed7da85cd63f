"""The doorbell: a broker that cannot be reached is named, without its password."""

from __future__ import annotations

import pytest

from services.errors import EngineUnavailable
from services.rollouts.tasks import ring


def test_a_broker_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(EngineUnavailable, match="STEPFORGE_BROKER_URL") as caught:
        ring("redis://:secret@127.0.0.1:1/0", 7)
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)
