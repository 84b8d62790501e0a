"""Alice with a kernel, whose jobs are measured, and what she has of execute pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.kernel import Kernel
from facility.dev.demo.mainjob import Stage, result
from tests.bench import pool_jobs

BATCH = "facility-batch"
OWNER = "cms_alice"
_PODS = ("pods", "-n", BATCH, "-l", f"app.kubernetes.io/component=execute,analysis-facility.io/owner={OWNER}")


class Ours:
    """Her side of what is measured."""

    def __init__(self, stage: Stage, kernel: Kernel) -> None:
        self._stage, self._kernel = stage, kernel

    async def do(self, measurement: str, **how: Any) -> dict[str, Any]:
        """One of `pool_jobs`' measurements."""
        return await self.run(f"import pool_jobs; pool_jobs.tell({measurement!r}, **{how!r})")

    async def run(self, code: str) -> dict[str, Any]:
        """What a cell prints as its result."""
        return result(await self._kernel.run(code, 2000))

    async def without_pods(self) -> None:
        """Nothing of hers is in the queue, and no execute pod is there."""
        await self.do("clear", owner=OWNER)
        await asyncio.to_thread(self._delete_pods)

    def _delete_pods(self) -> None:
        self._stage.cluster.do("delete", *_PODS, "--wait=false")
        self._stage.cluster.wait_for(
            f"execute pods of {OWNER} gone", lambda: not self._stage.cluster.items(*_PODS), 180
        )


@asynccontextmanager
async def ours(stage: Stage, files: Sequence[Path] = ()) -> AsyncIterator[Ours]:
    """Alice, signed in, in a kernel of her notebook that has these files and `pool_jobs`."""
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        for file in (Path(pool_jobs.__file__), *files):
            await alice.put(file.name, file.read_text())
        async with alice.kernel() as kernel:
            yield Ours(stage, kernel)


def allow(stage: Stage, **batch: Any) -> None:
    """Apply her VO with these fields of `spec.batch`, or as it is in the demo if none is given."""
    manifest = world.manifest(world.CMS)
    stage.cluster.apply({**manifest, "spec": manifest["spec"] | ({"batch": batch} if batch else {})})
