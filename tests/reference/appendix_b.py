"""The paper's Appendix B written out as loops, from the codes of the patches on; nothing here is fast.

Features and k-means are not written out: the tests hand the codes that mmrad's own gave to both sides.

The paper leaves two things open, and both are settled here as in `mmrad.reference.align`:
- The divergence is infinite where a bin is empty in the query and not in the normal image, which is common;
  so `EPSILON` is added to every bin, and the histogram normalised again.
- Normal images with equal misalignments: the first one comes first.
"""

from math import log

EPSILON = 1e-3


def block_histograms(codes, entries, grid):
    """Eq. 3 and 4: H[block][entry] for one image, of its codes[y][x]; `grid` must divide both sides."""
    block_height, block_width = len(codes) // grid, len(codes[0]) // grid
    assert (block_height * grid, block_width * grid) == (len(codes), len(codes[0]))
    table = []
    for u in range(grid):
        for v in range(grid):
            bins = [0] * entries
            for y in range(u * block_height, (u + 1) * block_height):
                for x in range(v * block_width, (v + 1) * block_width):
                    bins[codes[y][x]] += 1
            table.append([count / (block_height * block_width) for count in bins])
    return table


def smoothed(table):
    """No bin empty, every histogram with the sum 1."""
    return [[(share + EPSILON) / (1 + EPSILON * len(bins)) for share in bins] for bins in table]


def divergence(normal, query):
    """KL(normal, query) of one block."""
    total = 0.0
    for p, q in zip(normal, query, strict=True):
        total += p * (log(p) - log(q))
    return total


def misalignment(normal, query, ignored):
    """Eq. 5 and 6: the mean of the block divergences but the `ignored` largest."""
    divergences = []
    for normal_block, query_block in zip(normal, query, strict=True):
        divergences.append(divergence(normal_block, query_block))
    divergences.sort()
    kept = len(divergences) - ignored
    total = 0.0
    for value in divergences[:kept]:
        total += value
    return total / kept


def nearest(normals, query, ignored, top):
    """Indices and misalignments of the `top` best aligned normal images, of smoothed histograms."""
    values = []
    for normal in normals:
        values.append(misalignment(normal, query, ignored))
    best = sorted(range(len(normals)), key=lambda index: (values[index], index))[:top]
    return best, [values[index] for index in best]
