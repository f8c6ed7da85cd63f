"""Which states stay alive, and which go first."""

from __future__ import annotations

import socket

from services.sandbox.guest.shelf import Bounds, Shelf, State

BOUNDS = Bounds(session_states=3, session_bytes=80, guest_states=5, state_bytes=100)


def state(session: int, number: int, *, bytes_held: int = 0, forks_under_way: int = 0) -> State:
    made = State((session, number), 1000 + number, socket.socket(), bytes_held=bytes_held)
    made.channel.close()
    made.forks_under_way = forks_under_way
    return made


def filled(*states: State) -> Shelf:
    shelf = Shelf(BOUNDS)
    for each in states:
        assert shelf.put(each) == []
    return shelf


def test_a_session_loses_its_least_recently_used_state() -> None:
    first, second = state(1, 1), state(1, 2)
    shelf = filled(first, second, state(1, 3))
    shelf.use((1, 1))
    assert shelf.put(state(1, 4)) == [second]
    assert shelf.use((1, 2)) is None
    assert shelf.use((1, 1)) is first


def test_a_full_guest_takes_the_state_from_any_session() -> None:
    oldest = state(1, 1)
    shelf = filled(oldest, *(state(2, number) for number in (2, 3)), state(3, 4), state(3, 5))
    assert shelf.put(state(4, 6)) == [oldest]


def test_states_that_hold_too_much_memory_go() -> None:
    first, second = state(1, 1, bytes_held=40), state(2, 2, bytes_held=40)
    shelf = filled(first, second)
    assert shelf.put(state(3, 3, bytes_held=90)) == [first, second]
    assert len(shelf) == 1


def test_a_state_larger_than_all_bounds_still_serves_its_own_children() -> None:
    assert filled().put(state(1, 1, bytes_held=1000)) == []


def test_a_state_that_is_being_forked_stays() -> None:
    busy, idle = state(1, 1, forks_under_way=1), state(1, 2)
    shelf = filled(busy, idle, state(1, 3))
    assert shelf.put(state(1, 4)) == [idle]


def test_a_state_made_again_replaces_the_old_one() -> None:
    old = state(1, 1)
    shelf = filled(old)
    assert shelf.put(state(1, 1)) == [old]
    assert len(shelf) == 1
    assert not shelf.remove(old)


def test_a_session_with_more_than_its_share_of_memory_displaces_its_own() -> None:
    other, own = state(1, 1, bytes_held=10), state(2, 2, bytes_held=50)
    shelf = filled(other, own)
    assert shelf.put(state(2, 3, bytes_held=40)) == [own]
    assert shelf.use((1, 1)) is other


def test_a_state_that_is_larger_than_its_share_is_the_last_to_go() -> None:
    other, large = state(1, 1, bytes_held=10), state(2, 2, bytes_held=95)
    shelf = filled(other)
    assert shelf.put(large) == [other]
    assert shelf.use((2, 2)) is large
