"""Numbers and digests, as docs/workloads.md defines them. All integers are unsigned and 64 bits wide."""

import struct
from array import array

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def key(seed, i):
    return mix((seed + GOLDEN * (i + 1)) & MASK)


def term(i, digest):
    """What task i adds to the digest of its batch."""
    return mix(key(0, i) ^ digest)


def numbers(state, count):
    """The next count numbers of stream(state), as a list."""
    # Written out, like fold_all below: a call for each number would cost more than the number.
    out = []
    for _ in range(count):
        state = (state + GOLDEN) & MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        out.append(z ^ z >> 31)
    return out


def floats(state, count):
    """The next count values of float() of stream(state)."""
    return [(x >> 11) * 2.0**-53 for x in numbers(state, count)]


LANES = 512


def float_array(state, count):
    """floats(state, count) in an array, three times as fast: for what is made outside the timed region."""
    # A long integer serves as a vector of 64-bit numbers, 128 bits apart, so that no product reaches its neighbour.
    ones = sum(1 << 128 * lane for lane in range(LANES))
    steps = sum((lane + 1) * GOLDEN << 128 * lane for lane in range(LANES))
    low = ones * MASK
    out = array("d")
    for start in range(0, count, LANES):
        z = (ones * ((state + GOLDEN * start) & MASK) + steps) & low
        z = ((z ^ z >> 30) & low) * 0xBF58476D1CE4E5B9 & low
        z = ((z ^ z >> 27) & low) * 0x94D049BB133111EB & low
        z = (z ^ z >> 31) & low
        values = struct.unpack("<%dQ" % (2 * LANES), z.to_bytes(16 * LANES, "little"))[::2]
        out.extend([(x >> 11) * 2.0**-53 for x in values])
    return out[:count]


class Stream:
    """stream(state), for those who do not know beforehand how many numbers they need."""

    __slots__ = ("state",)

    def __init__(self, state):
        self.state = state

    def next(self):
        self.state = (self.state + GOLDEN) & MASK
        return mix(self.state)

    def float(self):
        return (self.next() >> 11) * 2.0**-53


def fold_all(h, values):
    for x in values:
        z = ((h ^ x) + GOLDEN) & MASK
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        h = z ^ z >> 31
    return h


def fold(h, *values):
    return fold_all(h, values)


def words(data):
    """The bytes as numbers, least significant byte first, the last ones padded with zero bytes."""
    data = bytes(data) + bytes(-len(data) % 8)
    return struct.unpack("<%dQ" % (len(data) // 8), data)


def fold_bytes(h, data):
    return fold(fold_all(h, words(data)), len(data))


def bits(f):
    return struct.unpack("<Q", struct.pack("<d", f))[0]


def fill(state, size):
    """data(state, size)."""
    count = -(-size // 8)
    return struct.pack("<%dQ" % count, *numbers(state, count))[:size]
