"""The memory does what a plain list of the most recently used does."""

from hypothesis import given
from hypothesis import strategies as st

from app.cache import Memory

requests = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.integers(0, 9), st.booleans(), st.sampled_from([1, 1, 1, 2])
    ),
    max_size=60,
)


@given(capacity=st.integers(0, 20), asked=requests)
def test_memory_agrees_with_a_list(capacity, asked):
    memory = Memory(capacity, len)
    recent: list[tuple[str, int, bytes]] = []
    hits = misses = evictions = 0
    for key, size, only_look, version in asked:
        known = next((entry for entry in recent if entry[0] == key), None)
        current = known if known and known[1] == version else None
        assert memory.last(key) == (known[2] if known else None)
        if only_look and current is None:
            assert memory.peek(key, version) is None
            continue
        if known is not None:
            recent.remove(known)
        if current is None:
            misses += 1
            current = (key, version, bytes(size))
        else:
            hits += 1
        recent.append(current)
        found = (
            memory.peek(key, version)
            if only_look
            else memory.get(key, lambda size=size: bytes(size), version)
        )
        assert found == current[2]
        while len(recent) > 1 and sum(len(value) for *_, value in recent) > capacity:
            del recent[0]
            evictions += 1
        stats = memory.stats()
        assert (stats.hits, stats.misses, stats.evictions) == (hits, misses, evictions)
        assert (stats.entries, stats.bytes) == (len(recent), sum(len(v) for *_, v in recent))
