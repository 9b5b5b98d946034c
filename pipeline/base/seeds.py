"""Seeds derived from numbers, so that no random state need ever be stored."""

from __future__ import annotations

import numpy as np


def derive(*parts: int) -> int:
    """A seed in [0, 2^63) that depends on every one of `parts` and on their order (numpy's SeedSequence hash).

    Parts are taken modulo 2^64, so negative seeds are allowed.
    """
    # SeedSequence pads with zeros and writes large numbers in more words than small ones: the length in front and two
    # words a part keep different parts different.
    words = [len(parts)]
    for part in parts:
        words += [part % 2**32, part // 2**32 % 2**32]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
