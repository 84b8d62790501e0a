"""Which pods one owner would have if they were alone: those that work, those that their waiting jobs will fill, more.

Pure, and bounded by kinds of jobs and pods, not by the number of jobs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from facility.condor.amounts import Shape, largest
from facility.condor.situation import NOTHING, Need, Phase, Pod

_LAST = {Phase.RUNNING: 0, Phase.PLACED: 1, Phase.STARTING: 2, Phase.UNSCHEDULABLE: 3}


@dataclass(frozen=True)
class Wish:
    """A pod that an owner would have: one that is there, or a new one. least: the smallest job that it is for."""

    shape: Shape
    least: Shape
    pod: Pod | None = None


@dataclass(frozen=True)
class Packing:
    """wishes: the dearest first; refused: what a job asks for that no pod of the site has; room: whether all waiting
    jobs find room in pods that are there."""

    wishes: tuple[Wish, ...]
    refused: Shape | None
    room: bool


@dataclass
class _Room:
    """What is left in a pod that is there, or in so many new ones that are alike."""

    left: Shape
    shape: Shape
    pods: int = 1
    pod: Pod | None = None
    least: Shape | None = None


def pack(
    needs: Iterable[Need], pods: Iterable[Pod], usual: Shape, maximum: Shape, most: int, stuck: bool = False
) -> Packing:
    """What an owner would have.

    Args:
        needs: their waiting jobs.
        pods: theirs that have not ended and are not to leave.
        usual: shape of new pods; a job that asks for more gets a pod that is larger by that.
        maximum: what no pod may exceed.
        most: new ones that anybody could ever get.
        stuck: room beside running jobs is not counted on, as waiting jobs have not taken it; one new pod at a time
            is tried, and none for jobs that would fit into one that does nothing.
    """
    there = sorted(pods, key=lambda pod: (_LAST[pod.phase], -pod.used.cpus, pod.name))
    rooms = [_Room(NOTHING if stuck and _busy(pod) else pod.shape.minus(pod.used), pod.shape, 1, pod) for pod in there]
    refused: Shape | None = None
    for need in sorted(needs, key=lambda need: (need.shape.gpus, need.shape), reverse=True):
        if not need.shape.fits(maximum):
            refused = refused or need.shape
            continue
        rest = _place(need, rooms)
        if stuck and any(_idle(pod) and need.shape.fits(pod.shape) for pod in there):
            continue  # what an idle pod does not take no other will
        if rest:
            rooms.extend(_made(need.shape, rest, largest((usual, need.shape))))
    wishes = [_wish(room) for room in rooms if room.pod and (_busy(room.pod) or room.least)]
    wishes.sort(key=lambda wish: not (wish.pod and _busy(wish.pod)))
    fresh = [room for room in rooms if not room.pod]
    return Packing((*wishes, *_new(fresh, min(most, 1) if stuck else most)), refused, not fresh)


def _busy(pod: Pod) -> bool:
    return pod.used != NOTHING


def _idle(pod: Pod) -> bool:
    return pod.phase is Phase.RUNNING and not _busy(pod)


def _place(need: Need, rooms: list[_Room]) -> int:
    """Put jobs where there is room. Returns how many are left."""
    rest = need.count
    for room in list(rooms):
        each = need.shape.times(room.left)
        if not rest or not each or bool(need.shape.gpus) != bool(room.shape.gpus):
            continue  # a pod with GPUs is for jobs that use them
        full = min(room.pods, rest // each)
        rest -= full * each
        last = full < room.pods and rest > 0
        untouched = room.pods - full - last
        if untouched:
            rooms.append(_Room(room.left, room.shape, untouched, None, room.least))
        if last and full:
            rooms.append(_Room(room.left.minus(need.shape, rest), room.shape, 1, None, need.shape))
        room.pods = full or 1
        room.left = room.left.minus(need.shape, each if full else rest)
        room.least = need.shape
        rest = 0 if last else rest
    return rest


def _made(job: Shape, count: int, shape: Shape) -> list[_Room]:
    """New pods for so many jobs."""
    each = job.times(shape)
    full, rest = divmod(count, each)
    rooms = [_Room(shape.minus(job, each), shape, full, None, job)] if full else []
    return [*rooms, _Room(shape.minus(job, rest), shape, 1, None, job)] if rest else rooms


def _wish(room: _Room) -> Wish:
    return Wish(room.shape, room.least or NOTHING, room.pod)


def _new(rooms: list[_Room], most: int) -> list[Wish]:
    wishes: list[Wish] = []
    for room in rooms:
        wishes.extend([_wish(room)] * min(room.pods, most - len(wishes)))
    return wishes
