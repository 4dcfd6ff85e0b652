"""Writes statistics.json beside this file: inputs, and what SciPy, statsmodels, scikit-learn or plain NumPy make of them.

    python make-statistics.py     # made once with Python 3.11, NumPy 2.4.6, SciPy 1.17.1, statsmodels 0.15.0, scikit-learn 1.9.1

Nothing here follows our own code: where no library has a statistic, it is written down from its definition.
"""

import itertools
import json
from pathlib import Path

import numpy as np
from scipy import linalg, special, stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20261129)
golden = {}


def rounded(values, digits=3):
    return np.round(values, digits)


# Tails of distributions
golden["upperTail"] = [[z, stats.norm.sf(z)] for z in [-6, -1, 0, 0.3, 1.7, 1.9999, 2, 2.5, 5, 12, 30]]
golden["normalQuantile"] = [[p, stats.norm.ppf(p)] for p in [1e-12, 1e-4, 0.025, 0.3, 0.5, 0.9, 0.975]]
golden["logGamma"] = [[x, special.gammaln(x)] for x in [0.3, 1, 2, 7.5, 15.99, 16, 100, 12345.5]]
golden["binomial"] = [
    dict(
        k=k,
        n=n,
        p=p,
        atLeast=stats.binomtest(k, n, p, alternative="greater").pvalue,
        atMost=stats.binomtest(k, n, p, alternative="less").pvalue,
    )
    for k, n, p in [(0, 10, 0.5), (9, 10, 0.5), (90, 100, 0.9), (97, 100, 0.9), (12, 100, 0.9), (600, 1000, 0.6), (3, 4, 1.0)]
]

golden["hypergeometric"] = [
    dict(k=k, n=n, a=a, b=b, atLeast=stats.hypergeom.sf(k - 1, n, a, b))
    for k, n, a, b in [(0, 10, 3, 4), (2, 4, 2, 2), (40, 780, 76, 80), (12, 780, 76, 80), (5, 20, 18, 7), (900, 37020, 3213, 3100)]
]

# Many hypotheses
p_values = rounded(np.concatenate([rng.uniform(size=12), rng.uniform(0, 0.01, 4), [0.02, 0.02, 1.0]]), 4)
golden["multiple"] = dict(
    p=p_values.tolist(),
    holm=multipletests(p_values, method="holm")[1].tolist(),
    benjaminiHochberg=stats.false_discovery_control(p_values, method="bh").tolist(),
)

# Correlations, with ties
x = rounded(rng.normal(size=40), 1)
y = rounded(0.5 * x + rng.normal(size=40), 1)
golden["correlation"] = dict(
    x=x.tolist(),
    y=y.tolist(),
    ranks=stats.rankdata(x).tolist(),
    pearson=stats.pearsonr(x, y)[0],
    spearman=stats.spearmanr(x, y)[0],
)

# Mann and Whitney
ALTERNATIVES = ["two-sided", "greater", "less"]
golden["mannWhitney"] = []
for n, m, digits, method in [(5, 7, 6, "exact"), (15, 20, 6, "exact"), (30, 40, 6, "asymptotic"), (12, 9, 0, "asymptotic"), (60, 25, 1, "asymptotic")]:
    a, b = rounded(rng.normal(0.4, 1, n), digits), rounded(rng.normal(0, 1, m), digits)
    effect = np.mean(np.sign(a[:, None] - b[None, :]))
    for alternative in ALTERNATIVES:
        found = stats.mannwhitneyu(a, b, alternative=alternative, method=method)
        golden["mannWhitney"].append(
            dict(a=a.tolist(), b=b.tolist(), alternative=alternative, u=found.statistic, p=found.pvalue, effect=effect)
        )

# Kolmogorov and Smirnov
golden["againstUniform"] = []
for n, spread in [(1, 1), (5, 1), (20, 0.8), (100, 1), (400, 0.93), (1000, 1)]:
    values = rounded(rng.uniform(0, spread, n), 6)
    found = stats.ks_1samp(values, stats.uniform.cdf, method="exact")
    golden["againstUniform"].append(dict(values=values.tolist(), d=found.statistic, p=found.pvalue))
golden["twoSamples"] = []
for n, m, shift in [(4, 4, 0), (10, 7, 1), (30, 50, 0.3), (200, 120, 0.4)]:
    a, b = rounded(rng.normal(shift, 1, n), 6), rounded(rng.normal(0, 1, m), 6)
    found = stats.ks_2samp(a, b, method="exact")
    golden["twoSamples"].append(dict(a=a.tolist(), b=b.tolist(), d=found.statistic, p=found.pvalue))

# Bootstrap: SciPy's intervals from a distribution that it did not draw itself
numerators = rounded(rng.gamma(2, 1, 25))
denominators = rounded(numerators * 1.3 + rng.normal(2, 1.5, 25))
draws = rng.integers(0, 25, (400, 25))


def ratio(a, b, axis=-1):
    return np.mean(a, axis=axis) / np.mean(b, axis=axis)


class Drawn:
    bootstrap_distribution = np.sort(ratio(numerators[draws], denominators[draws]))


golden["bootstrap"] = dict(
    numerators=numerators.tolist(),
    denominators=denominators.tolist(),
    draws=draws.tolist(),
    ratio=ratio(numerators, denominators),
    meanOfRatios=np.mean(numerators / denominators),
)
for name, method in [("percentile", "percentile"), ("corrected", "BCa")]:
    found = stats.bootstrap(
        (numerators, denominators),
        ratio,
        n_resamples=0,
        paired=True,
        vectorized=True,
        method=method,
        confidence_level=0.9,
        bootstrap_result=Drawn,
    ).confidence_interval
    golden["bootstrap"][name] = [found.low, found.high]

# Permutation tests: all arrangements, counted one by one
golden["groupAgainstRest"] = []


def difference(values, group, strata):
    """Mean over members of value − mean of the others of their stratum; strata without either are left out."""
    parts = []
    for stratum in sorted(set(strata)):
        here = strata == stratum
        members, others = values[here & group], values[here & ~group]
        if len(members) and len(others):
            parts.extend(members - others.mean())
    return np.mean(parts)


def arrangements(group, strata):
    choices = []
    for stratum in sorted(set(strata)):
        here = np.flatnonzero(strata == stratum)
        choices.append(list(itertools.combinations(here, int(group[here].sum()))))
    for chosen in itertools.product(*choices):
        out = np.zeros(len(group), bool)
        out[list(itertools.chain(*chosen))] = True
        yield out


for strata, group in [
    ([0] * 9, [1, 1, 1, 1, 0, 0, 0, 0, 0]),
    ([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2], [1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1]),
]:
    strata, group = np.array(strata), np.array(group, bool)
    values = rounded(rng.normal(size=len(group)) + 0.8 * group + strata, 2)
    observed = difference(values, group, strata)
    all_of_them = np.array([difference(values, other, strata) for other in arrangements(group, strata)])
    greater, less = np.mean(all_of_them >= observed - 1e-9), np.mean(all_of_them <= observed + 1e-9)
    golden["groupAgainstRest"].append(
        dict(
            values=values.tolist(),
            group=group.tolist(),
            strata=strata.tolist(),
            difference=observed,
            greater=greater,
            less=less,
            twoSided=min(1, 2 * min(greater, less)),
        )
    )
one = golden["groupAgainstRest"][0]
values, group = np.array(one["values"]), np.array(one["group"])
found = stats.permutation_test(
    (values[group], values[~group]), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf, alternative="greater"
)
assert abs(found.pvalue - one["greater"]) < 1e-12 and abs(found.statistic - one["difference"]) < 1e-12

# Equivalence (arXiv 2410.13032): the binomial distribution, term by term
golden["equivalence"] = []
for n, higher, ties in [(40, 30, 0), (40, 21, 5), (101, 70, 3), (10, 10, 0), (60, 20, 1)]:
    model = rounded(rng.normal(size=n + ties))
    signs = np.array([1] * higher + [-1] * (n - higher) + [0] * ties)
    circuit = rounded(model + signs * rng.uniform(0.1, 3, n + ties))
    t = abs(higher / n - 0.5)
    k = np.arange(n + 1)
    p = stats.binom.pmf(k, n, 0.6)[np.abs(k / n - 0.5) >= t - 1e-12].sum()
    golden["equivalence"].append(
        dict(circuit=circuit.tolist(), model=model.tolist(), share=higher / n, ties=ties, p=min(1, p))
    )

# Independence: the trace, as written
golden["hsic"] = []
for n, tie in [(30, 0.9), (25, 0.0)]:
    x = rng.normal(size=n)
    y = tie * x**2 + rng.normal(size=n)
    bandwidth = np.median(np.abs(x[:, None] - y[None, :]))
    kernel = lambda v: np.exp(-((v[:, None] - v[None, :]) ** 2) / (2 * bandwidth**2))
    h = np.eye(n) - np.ones((n, n)) / n
    golden["hsic"].append(
        dict(
            x=x.tolist(),
            y=y.tolist(),
            bandwidth=bandwidth,
            hsic=np.trace(kernel(x) @ h @ kernel(y) @ h) / (n - 1) ** 2,
        )
    )

# Against random circuits
changes, random = rounded(rng.gamma(1, 1, 9)), rounded(rng.gamma(1, 1, 100))
p = [stats.binomtest(int((change > random).sum()), 100, 0.9, alternative="less").pvalue for change in changes]
golden["minimality"] = dict(
    changes=changes.tolist(), random=random.tolist(), p=p, holm=multipletests(p, method="holm")[1].tolist()
)
losses = rounded(rng.gamma(2, 1, 100), 2)
golden["sufficiency"] = [
    dict(
        loss=loss,
        random=losses.tolist(),
        sufficient=stats.binomtest(int((losses >= loss).sum()), 100, 0.9, alternative="greater").pvalue,
        necessary=stats.binomtest(int((losses <= loss).sum()), 100, 0.9, alternative="greater").pvalue,
    )
    for loss in [0.0, float(np.sort(losses)[4]), float(np.sort(losses)[96]), 50.0]
]

# Areas
sizes = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
curve = rounded([-0.1, 0.05, 0.2, 0.5, 0.9, 1.2, 1.4, 1.1, 1.0, 1.0])
golden["areas"] = dict(
    sizes=sizes,
    f=curve.tolist(),
    cpr=float(np.trapezoid(curve, sizes)),
    cmd=float(np.trapezoid(np.abs(1 - curve), sizes)),
)

# Retrieval, with ties
truth = rng.uniform(size=60) < 0.3
scores = rounded(truth + rng.normal(size=60), 1)
golden["retrieval"] = dict(
    scores=scores.tolist(),
    truth=truth.tolist(),
    auroc=metrics.roc_auc_score(truth, scores),
    precision=metrics.precision_score(truth, scores > 0.5),
    recall=metrics.recall_score(truth, scores > 0.5),
    f1=metrics.f1_score(truth, scores > 0.5),
)
weights = rounded(rng.uniform(size=60))
golden["weighted"] = dict(
    relevant=weights.tolist(),
    # Every item twice: as a relevant one of its weight, and as an irrelevant one of the rest.
    auroc=metrics.roc_auc_score(
        [True] * 60 + [False] * 60, np.tile(scores, 2), sample_weight=np.concatenate([weights, 1 - weights])
    ),
)

# Angles
golden["principalAngles"] = []
for n, p, q, shared in [(8, 3, 3, 0), (10, 2, 5, 1), (12, 4, 4, 4), (6, 1, 1, 0)]:
    a = rng.normal(size=(p, n))
    b = np.concatenate([a[:shared] + 1e-5 * rng.normal(size=(shared, n)), rng.normal(size=(q - shared, n))])
    golden["principalAngles"].append(
        dict(a=a.tolist(), b=b.tolist(), angles=linalg.subspace_angles(a.T, b.T)[::-1].tolist())
    )

# Clusters, of vectors scaled to length 1
golden["clusters"] = []
for n, width, spread in [(12, 3, 0.2), (30, 8, 0.6), (25, 5, 3.0)]:
    classes = rng.integers(0, 3, n)
    vectors = rounded(rng.normal(size=(3, width))[classes] + spread * rng.normal(size=(n, width)))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    merged = hierarchy.linkage(pdist(unit), method="ward")
    partitions = [hierarchy.fcluster(merged, k, "maxclust").tolist() for k in range(1, 6)]
    golden["clusters"].append(
        dict(
            vectors=vectors.tolist(),
            classes=classes.tolist(),
            partitions=partitions,
            silhouettes=[metrics.silhouette_score(squareform(pdist(unit)), p, metric="precomputed") for p in partitions[1:]],
            adjustedRand=[metrics.adjusted_rand_score(classes, p) for p in partitions],
            purity=[metrics.cluster.contingency_matrix(classes, p).max(axis=0).sum() / n for p in partitions],
        )
    )

Path(__file__).with_name("statistics.json").write_text(json.dumps(golden))
