"""Topics between being loaded and being watched: none that somebody waits for is let go, and nobody watches one that is."""

import asyncio

from hutong.platform.database import Database
from hutong.platform.live.hub import KEEP_SECONDS
from tests.platform.test_live import Line, running_hub


async def test_a_topic_that_is_just_loaded_is_not_taken_for_one_that_nobody_wants(database: Database) -> None:
    async with running_hub(database) as hub:
        opening = asyncio.create_task(hub.open("a"))
        async with asyncio.timeout(10):
            while (topic := hub.topics.get("a")) is None or topic.state is None:
                await asyncio.sleep(0)
        assert not opening.done(), "looked before the one who asked for it was there again"
        assert hub._loop.time() - topic.used_at < KEEP_SECONDS
        await opening


async def test_whoever_comes_to_a_topic_that_was_let_go_is_sent_to_the_one_in_its_place(database: Database) -> None:
    async with running_hub(database) as hub:
        topic = await hub.open("a")
        hub._drop(topic)
        line = Line(hub, topic)
        await asyncio.wait_for(line.task, 10)
        assert [each["event"] for each in line.events] == ["snapshot", "end"]
        assert line.events[-1]["data"] == {"reason": "closing"}
        assert await hub.open("a") is not topic
