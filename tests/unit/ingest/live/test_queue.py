import asyncio

import pytest

from ingest.live.queue import DroppingQueue


def drained(queue):
    items = []
    while (item := queue.take()) is not None:
        items.append(item)
    return items


def test_items_come_out_in_the_order_they_came_in():
    queue = DroppingQueue("okx", 10)
    for i in range(5):
        queue.put(i)
    assert drained(queue) == [0, 1, 2, 3, 4]
    assert (len(queue), queue.dropped) == (0, 0)


def test_the_oldest_go_when_there_is_no_room_and_are_counted():
    told = []
    queue = DroppingQueue("okx", 3, on_drop=lambda: told.append(1))
    for i in range(10):
        queue.put(i)
    assert drained(queue) == [7, 8, 9]
    assert (queue.dropped, len(told)) == (7, 7)


def test_a_flood_is_logged_once_and_so_is_its_end(caplog):
    queue = DroppingQueue("okx", 2)
    for i in range(100):
        queue.put(i)
    drained(queue)
    assert [record.getMessage() for record in caplog.records] == [
        "okx: more than 2 records are waiting to be stored, the oldest are dropped; "
        "dropped so far: 1",
        "okx: keeping up again; records dropped: 98",
    ]


def test_who_waits_is_woken_by_what_comes():
    async def wait():
        wake = asyncio.Event()
        queue = DroppingQueue("okx", 2, wake=wake)
        waiting = asyncio.create_task(queue.filled())
        await asyncio.sleep(0)
        before = waiting.done()
        queue.put("a")
        await waiting
        return before, wake.is_set(), queue.take(), queue.take()

    assert asyncio.run(wait()) == (False, True, "a", None)


def test_an_empty_queue_is_waited_for_again():
    async def wait():
        queue = DroppingQueue("okx", 2)
        queue.put("a")
        queue.take()
        waiting = asyncio.create_task(queue.filled())
        await asyncio.sleep(0)
        done = waiting.done()
        waiting.cancel()
        return done

    assert asyncio.run(wait()) is False


def test_a_queue_without_room_is_refused():
    with pytest.raises(ValueError, match="at least 1 item, but its size is 0"):
        DroppingQueue("okx", 0)
