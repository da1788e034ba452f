"""Images that occur twice: the same bytes, or pictures that look the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NEAR_BITS = 4
"""Perceptual hashes of 256 bits that differ in at most as many are of one picture, stored or scaled anew.

Two photographs of different parts of one product in one pose differ in 10 and more.
"""

_BANDS = NEAR_BITS + 1
"""Cut into as many bands, two hashes at most `NEAR_BITS` apart are equal in at least one of them."""


def exact_groups(digests: Sequence[str]) -> NDArray[np.intp]:
    """The group of each image; images with the same digest are one group.

    Args:
        digests: Of the bytes of each of N images.

    Returns:
        For each image the index of the first image of its group, shape `(N,)`.
    """
    _, first, inverse = np.unique(np.asarray(digests, dtype=object), return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.intp)


def near_groups(hashes: Sequence[str], compared: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The group of each image; images whose hashes are at most `NEAR_BITS` apart, or linked so, are one.

    Exact: the hashes are cut into bands, and all pairs that share a band are compared.

    Args:
        hashes: Of each of N images, as hexadecimal digits.
        compared: Which images take part, shape `(N,)`; the others are groups of their own.

    Returns:
        For each image the index of the first image of its group, shape `(N,)`.
    """
    count = len(hashes)
    taking = np.flatnonzero(compared)
    groups = np.arange(count)
    if not len(taking):
        return groups
    bits = np.frombuffer(bytes.fromhex("".join(hashes[int(index)] for index in taking)), np.uint8)
    bits = bits.reshape(len(taking), -1)
    # One image stands for all with the very same hash: an empty scene may occur a thousand times.
    distinct, inverse = np.unique(bits, axis=0, return_inverse=True)
    pairs = _near_pairs(distinct)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (len(distinct),) * 2)
    _, labels = connected_components(links, directed=False)
    of_each = labels[inverse.ravel()]
    _, heads = np.unique(of_each, return_index=True)
    groups[taking] = taking[heads[of_each]]
    return groups


def _near_pairs(hashes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Index pairs, shape `(P, 2)`, of hashes (rows of bytes) that are at most `NEAR_BITS` apart."""
    found = [np.empty((0, 2), np.intp)]
    for band in np.array_split(np.arange(hashes.shape[1]), _BANDS):
        _, which = np.unique(hashes[:, band], axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        starts = np.flatnonzero(np.diff(which.ravel()[order], prepend=-1))
        for members in np.split(order, starts[1:]):
            found += [
                _within(hashes, members[index], members[index + 1 :]) for index in range(len(members) - 1)
            ]
    return np.concatenate(found)


def _within(hashes: NDArray[np.uint8], one: int, others: NDArray[np.intp]) -> NDArray[np.intp]:
    distance = np.bitwise_count(hashes[others] ^ hashes[one]).sum(axis=1)
    near = others[distance <= NEAR_BITS]
    return np.stack([np.full(len(near), one), near], axis=1)
