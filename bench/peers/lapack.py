"""The decomposition of bench/kernels.ts by numpy's LAPACK (gesdd), all threads it likes: seconds as JSON."""
import json
import time

import numpy as np

LAYERS, HEADS, D, H, MLP = 12, 12, 768, 64, 3072
rng = np.random.default_rng(1)


def weights(rows, cols):
    return (0.4 * (rng.random((rows, cols), dtype=np.float32) - 0.5)).astype(np.float32)


def factored(a, b):
    """SVD of a @ b from its factors: QR of both, SVD of the small core."""
    qa, ra = np.linalg.qr(a)
    qb, rb = np.linalg.qr(b.T)
    u, s, vt = np.linalg.svd(ra @ rb.T)
    return qa @ u, s, vt @ qb.T


def seconds(work, runs):
    best = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def check(w, u, s, vt):
    assert np.linalg.norm(w - (u * s) @ vt) <= 1e-5 * np.linalg.norm(w)


heads = [
    pair
    for _ in range(LAYERS * HEADS)
    for pair in ((weights(D + 1, H), weights(H, D + 1)), (weights(D + 1, H + 1), weights(H + 1, D)))
]
mlps = [w for _ in range(LAYERS) for w in (weights(D + 1, MLP), weights(MLP + 1, D))]

a, b = heads[0]
check(a @ b, *factored(a, b))
check(mlps[0], *np.linalg.svd(mlps[0], full_matrices=False))


def attention():
    for a, b in heads:
        factored(a, b)


def whole():
    attention()
    for w in mlps:
        np.linalg.svd(w, full_matrices=False)


build = np.show_config(mode="dicts")["Build Dependencies"]["lapack"]
print(
    json.dumps(
        {
            "library": f"numpy {np.__version__}, {build['name']} {build['version']}",
            "head_dense": seconds(lambda: np.linalg.svd(a @ b), 3),
            "attention_factored": seconds(attention, 2),
            "whole_factored": seconds(whole, 2),
        }
    )
)
