"""Ordered prices without a ladder: crit-bit trees whose leaves are levels.

A walk takes at most 40 steps, one per bit of a price, however many prices there are. Keys grow
from the best price to the worst: offers have their price as key, bids MAX_PRICE_TICKS - price.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.words import grown, zeros

# A node, by offset; 0: none.
N_BIT: Final = 0  # the bit that its two sides differ in; of a leaf, LEAF
N_ZERO: Final = 1  # the side whose keys have no such bit; of a leaf, its key
N_ONE: Final = 2  # the other side; of a leaf, offset of its level
N_PARENT: Final = 3  # of a free node, the next free one
NODE_SHIFT: Final = 2
LEAF: Final = -1

_FIRST_NODES: Final = 16


@final
class Trees:
    def __init__(self, count: i64) -> None:
        self.roots: Final[vec[i64]] = zeros(count)
        self.nodes: vec[i64] = zeros(_FIRST_NODES << NODE_SHIFT)
        self.fresh: i64 = 1 << NODE_SHIFT
        self.free: i64 = 0

    def find(self, tree: i64, key: i64) -> i64:
        """Return the leaf with the key, or 0."""
        leaf: i64 = self._nearest(tree, key)
        return leaf if leaf != 0 and self.nodes[leaf + N_ZERO] == key else 0

    def add(self, tree: i64, key: i64, level: i64) -> None:
        """Put in a key that the tree does not have."""
        leaf: i64 = self._new(LEAF, key, level)
        nearest: i64 = self._nearest(tree, key)
        if nearest == 0:
            self.roots[tree] = leaf
            return
        bit: i64 = _highest_bit(self.nodes[nearest + N_ZERO] ^ key)
        node: i64 = self._new(bit, 0, 0)
        nodes = self.nodes
        below: i64 = self.roots[tree]
        above: i64 = 0
        while nodes[below + N_BIT] > bit:
            above = below
            below = nodes[below + N_ZERO + (key >> nodes[below + N_BIT] & 1)]
        mine: i64 = key >> bit & 1
        nodes[node + N_ZERO + mine] = leaf
        nodes[node + N_ONE - mine] = below
        nodes[node + N_PARENT] = above
        nodes[leaf + N_PARENT] = node
        nodes[below + N_PARENT] = node
        if above == 0:
            self.roots[tree] = node
        else:
            nodes[above + N_ZERO + (key >> nodes[above + N_BIT] & 1)] = node

    def remove(self, tree: i64, leaf: i64) -> None:
        nodes = self.nodes
        parent: i64 = nodes[leaf + N_PARENT]
        self._give_back(leaf)
        if parent == 0:
            self.roots[tree] = 0
            return
        other: i64 = nodes[parent + N_ZERO]
        if other == leaf:
            other = nodes[parent + N_ONE]
        above: i64 = nodes[parent + N_PARENT]
        nodes[other + N_PARENT] = above
        if above == 0:
            self.roots[tree] = other
        elif nodes[above + N_ZERO] == parent:
            nodes[above + N_ZERO] = other
        else:
            nodes[above + N_ONE] = other
        self._give_back(parent)

    def first(self, tree: i64) -> i64:
        """Return the leaf with the lowest key, or 0."""
        root: i64 = self.roots[tree]
        if root == 0:
            return 0
        return self._lowest(root)

    def after(self, tree: i64, key: i64) -> i64:
        """Return the leaf with the lowest key above `key`, or 0."""
        nodes = self.nodes
        nearest: i64 = self._nearest(tree, key)
        if nearest == 0:
            return 0
        difference: i64 = nodes[nearest + N_ZERO] ^ key
        if difference == 0:
            return self.next(nearest)
        bit: i64 = _highest_bit(difference)
        node: i64 = self.roots[tree]
        while nodes[node + N_BIT] > bit:
            node = nodes[node + N_ZERO + (key >> nodes[node + N_BIT] & 1)]
        if key >> bit & 1 == 0:
            return self._lowest(node)
        return self.next(node)

    def next(self, node: i64) -> i64:
        """Return the leaf with the lowest key above a leaf's, or above all of a node's; or 0."""
        nodes = self.nodes
        parent: i64 = nodes[node + N_PARENT]
        while parent != 0 and nodes[parent + N_ONE] == node:
            node = parent
            parent = nodes[node + N_PARENT]
        if parent == 0:
            return 0
        return self._lowest(nodes[parent + N_ONE])

    def _lowest(self, node: i64) -> i64:
        nodes = self.nodes
        while nodes[node + N_BIT] != LEAF:
            node = nodes[node + N_ZERO]
        return node

    def _nearest(self, tree: i64, key: i64) -> i64:
        """Return the leaf to which the key's bits lead, or 0 when there is none at all."""
        nodes = self.nodes
        node: i64 = self.roots[tree]
        if node == 0:
            return 0
        while nodes[node + N_BIT] != LEAF:
            node = nodes[node + N_ZERO + (key >> nodes[node + N_BIT] & 1)]
        return node

    def _new(self, bit: i64, zero: i64, one: i64) -> i64:
        node: i64 = self.free
        if node != 0:
            self.free = self.nodes[node + N_PARENT]
        else:
            node = self.fresh
            self.fresh = node + (1 << NODE_SHIFT)
            if self.fresh > len(self.nodes):
                self.nodes = grown(self.nodes, 2 * len(self.nodes))
        nodes = self.nodes
        nodes[node + N_BIT] = bit
        nodes[node + N_ZERO] = zero
        nodes[node + N_ONE] = one
        nodes[node + N_PARENT] = 0
        return node

    def _give_back(self, node: i64) -> None:
        self.nodes[node + N_PARENT] = self.free
        self.free = node


def _highest_bit(word: i64) -> i64:
    bit: i64 = 0
    while word > 1:
        word = word >> 1
        bit += 1
    return bit
