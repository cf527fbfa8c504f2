"""What happened to the messages of a long run, for the one that differs at its end: the last so many events in memory."""
import collections

KEPT = 3_000_000  # events; at about 120 bytes each


class Trail:
    """Events of (mailbox path, uid); uid None: of the mailbox as a whole, of one phone."""

    def __init__(self, kept=KEPT):
        self.events = collections.deque(maxlen=kept)
        self.at = 0  # the operation that runs

    def note(self, user, who, mailbox, uid, what):
        self.events.append((self.at, user, who, mailbox, uid, what))

    def of(self, user, mailbox, uid, who, around=6):
        """The message's events, and the requests of the phone `who` beside them, as lines."""
        mine = [e for e in self.events if e[1] == user and e[3] == mailbox and (e[4] == uid or (e[4] is None and e[2] == who))]
        near, keep = [i for i, e in enumerate(mine) if e[4] == uid], set()
        for i in near:
            keep.update(range(max(0, i - around), min(len(mine), i + around + 1)))
        keep.update(range(max(0, len(mine) - around), len(mine)))
        return [f"{at:>7} {by:<10} {box}{'' if n is None else f':{n}'} {what}"
                for i, (at, _, by, box, n, what) in enumerate(mine) if i in keep]
