"""The same scores in PyTorch, all values in memory: python scoring.py MODEL_FOLDER PROMPTS_JSON.

A GPT-2 forward pass, the coefficient of every singular direction (OV, MLP in and out as sigma times the input along u,
QK as the score on the strongest key), then mean, variance, extremes, quantiles and the strongest five prompts of each
direction. Prints JSON: tokens per second and, by component but QK, the sum of squared means, for checking.
"""

import json
import math
import sys
import time

import torch
from safetensors.torch import load_file

BATCH = 128
EXAMPLES = 5
QUANTILES = torch.tensor([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])

folder, prompts_file = sys.argv[1:3]
config = json.load(open(f"{folder}/config.json"))
weights = load_file(f"{folder}/model.safetensors")
L, H, D = config["n_layer"], config["n_head"], config["n_embd"]
W = D // H
prompts = torch.tensor(json.load(open(prompts_file)))


def get(name):
    return weights[f"transformer.{name}"]


def augmented(bias, matrix):
    return torch.cat([bias[None], matrix])


def centred(matrix):
    return matrix - matrix.mean(-1, keepdim=True)


def fold(gain, shift, matrix, bias):
    folded = gain[:, None] * matrix
    return folded - folded.mean(0), bias + shift @ matrix


def factored_svd(a, b):
    """Thin SVD of a @ b.T."""
    qa, ra = torch.linalg.qr(a)
    qb, rb = torch.linalg.qr(b)
    u, s, vt = torch.linalg.svd(ra @ rb.T)
    return qa @ u, s, vt @ qb.T


layers = []
for l in range(L):
    h = f"h.{l}."
    w, b = fold(get(h + "ln_1.weight"), get(h + "ln_1.bias"), get(h + "attn.c_attn.weight"), get(h + "attn.c_attn.bias"))
    (wq, wk, wv), (bq, bk, bv) = w.split(D, 1), b.split(D)
    wo, bo = get(h + "attn.c_proj.weight"), get(h + "attn.c_proj.bias")
    bo = centred((bo + bv @ wo)[None])[0]
    wo = centred(wo)
    win, bin_ = fold(get(h + "ln_2.weight"), get(h + "ln_2.bias"), get(h + "mlp.c_fc.weight"), get(h + "mlp.c_fc.bias"))
    wout, bout = centred(get(h + "mlp.c_proj.weight")), centred(get(h + "mlp.c_proj.bias")[None])[0]
    qk_u, qk_v, ov_read = [], [], []
    for head in range(H):
        at = slice(head * W, (head + 1) * W)
        u, s, vt = factored_svd(augmented(bq[at], wq[:, at]), augmented(bk[at], wk[:, at]))
        qk_u.append(u[:, :W])
        qk_v.append(vt[:W].T * s[:W])
        a = torch.zeros(D + 1, W + 1)
        a[0, W] = 1
        a[1:, :W] = wv[:, at]
        u, s, vt = factored_svd(a, torch.cat([wo[at], bo[None] / H]).T)
        ov_read.append(torch.cat([wo[at], bo[None] / H]) @ vt.T)
    u_in, s_in, _ = torch.linalg.svd(augmented(bin_, win), full_matrices=False)
    _, _, v_out = torch.linalg.svd(augmented(bout, wout), full_matrices=False)
    layers.append(
        dict(
            wq=wq, bq=bq, wk=wk, bk=bk, wv=wv, wo=wo, bo=bo, win=win, bin=bin_, wout=wout, bout=bout,
            qk_u=torch.cat(qk_u, 1), qk_v=torch.cat(qk_v, 1), ov=torch.stack(ov_read), mlp_in=u_in * s_in, mlp_out=v_out.T,
        )
    )


def norm(x):
    return torch.nn.functional.layer_norm(x, (D,), eps=config["layer_norm_epsilon"])


def project(x, matrix):
    """[1, x] @ matrix"""
    return torch.addmm(matrix[0], x, matrix[1:])


def strongest(query, key, seen):
    """Largest in magnitude of query_i * key_j over keys seen, [rows, directions]."""
    magnitude, at = key.abs().cummax(1)
    chosen = key.gather(1, at)
    return query * chosen[:, seen] / math.sqrt(W)


@torch.no_grad()
def coefficients(ids, last):
    """A list of [rows, directions], one for each layer and kind."""
    n, t = ids.shape
    out = []
    stream = get("wte.weight")[ids] + get("wpe.weight")[:t]
    rows = slice(t - 1, t) if last else slice(0, t)
    for layer in layers:
        x = norm(stream)
        flat = x.reshape(-1, D)
        query = project(x[:, rows].reshape(-1, D), layer["qk_u"]).view(n, -1, H * W)
        key = project(flat, layer["qk_v"]).view(n, t, H * W)
        out.append(strongest(query, key, rows).reshape(-1, H * W))
        q, k, v = (
            (flat @ layer["w" + c] + layer.get("b" + c, 0)).view(n, t, H, W).transpose(1, 2) for c in "qkv"
        )
        z = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        kept = z[:, :, rows].transpose(0, 1).reshape(H, -1, W)
        out.append((torch.baddbmm(layer["ov"][:, W:], kept, layer["ov"][:, :W])).transpose(0, 1).reshape(kept.shape[1], -1))
        stream = stream + z.transpose(1, 2).reshape(n, t, D) @ layer["wo"] + layer["bo"]
        x = norm(stream)
        out.append(project(x[:, rows].reshape(-1, D), layer["mlp_in"]))
        hidden = torch.nn.functional.gelu(x @ layer["win"] + layer["bin"], approximate="tanh")
        added = hidden @ layer["wout"] + layer["bout"]
        out.append(added[:, rows].reshape(-1, D) @ layer["mlp_out"])
        stream = stream + added
    return out


def score(last):
    started = time.perf_counter()
    parts = [coefficients(batch, last) for batch in prompts.split(BATCH)]
    means = []
    for i in range(len(parts[0])):
        values = torch.cat([part[i] for part in parts])
        mean, _variance = values.mean(0), values.var(0)
        values.amin(0), values.amax(0)
        # torch.quantile takes 16 million values at most: some columns at a time.
        step = max(1, 2**23 // len(values))
        for column in range(0, values.shape[1], step):
            torch.quantile(values[:, column : column + step], QUANTILES, dim=0)
        values.topk(min(EXAMPLES, len(values)), 0), values.topk(min(EXAMPLES, len(values)), 0, largest=False)
        if i % 4 == 1:
            means += [float(head.square().sum()) for head in mean.view(H, -1)]
        elif i % 4 > 1:
            means.append(float(mean.square().sum()))
    seconds = time.perf_counter() - started
    return dict(tokens_per_second=prompts.numel() / seconds, mean=means)


coefficients(prompts[:BATCH], True)
print(json.dumps(dict(library=f"PyTorch {torch.__version__}", last=score(True), all=score(False))))
