"""Takes one prompt of two random models apart, and writes reading.json beside this file.

    python make-reading.py      # Python 3.11, NumPy 2.4.6, float64

`gpt2-random-2l` in the reference form of docs/maths.md and `families/mistral` (rotary, gated, RMSNorm): what each
direction that writes to the stream adds to a logit difference, what its end tokens are, and what a head's score is.
Nothing here depends on the sign of a singular vector: receptors are listed with both ends in either order.
"""

import json
import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TOP = 3


def load(folder):
    raw = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + size + begin : 8 + size + end], "<f4")
        tensors[name] = values.reshape(entry["shape"]).astype(np.float64)
    return json.loads((folder / "config.json").read_text()), tensors


def centred(matrix, axis):
    return matrix - matrix.mean(axis=axis, keepdims=True)


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def with_bias(x):
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def causal(scores):
    return np.where(np.tril(np.ones_like(scores)) > 0, scores, -np.inf)


class Sum:
    """Collects what writing matrices add, direction by direction, at the last token."""

    def __init__(self):
        self.directions = {}
        self.vectors = {}

    def write(self, name, augmented, rows):
        u, s, vt = np.linalg.svd(augmented, full_matrices=False)
        # A head's matrix has no more directions than its factors allow.
        rank = int((s > 1e-10 * s[0]).sum())
        self.directions[name] = ((rows[-1] @ u[:, :rank]) * s[:rank])[:, None] * vt[:rank]
        self.vectors[name] = s[:rank, None] * vt[:rank]
        return rows @ augmented

    def figures(self, reader, unembed, scale):
        return (
            {name: (scale * written @ reader).tolist() for name, written in self.directions.items()},
            {name: ends(vectors @ unembed) for name, vectors in self.vectors.items()},
        )


def ends(logits):
    """Of each direction both ends, in an order that no sign can change."""
    out = []
    for row in logits:
        one = [[int(t), float(abs(row[t]))] for t in np.argsort(-row)[:TOP]]
        other = [[int(t), float(abs(row[t]))] for t in np.argsort(row)[:TOP]]
        out.append(sorted([one, other]))
    return out


def gpt2(ids, answer, distractor):
    config, t = load(HERE.parent / "gpt2-random-2l")
    d, heads, epsilon = config["n_embd"], config["n_head"], config["layer_norm_epsilon"]
    width = d // heads
    get = lambda name: t["transformer." + name]
    reading = lambda gain, bias, w, b: (centred(gain[:, None] * w, 0), b + bias @ w)
    norm = lambda x: x / np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
    embedding, positions = centred(get("wte.weight"), 1), centred(get("wpe.weight"), 1)
    x = embedding[ids] + positions[: len(ids)]
    total = Sum()
    score = None
    for layer in range(config["n_layer"]):
        at = f"h.{layer}."
        w, b = reading(get(at + "ln_1.weight"), get(at + "ln_1.bias"), get(at + "attn.c_attn.weight"), get(at + "attn.c_attn.bias"))
        o, bo = centred(get(at + "attn.c_proj.weight"), 1), centred(get(at + "attn.c_proj.bias")[None], 1)[0]
        bo = bo + b[2 * d :] @ o
        rows = norm(x)
        ones = with_bias(rows)
        added = 0
        for head in range(heads):
            own = lambda part: slice(part * d + head * width, part * d + (head + 1) * width)
            q = np.vstack([b[own(0)], w[:, own(0)]])
            k = np.vstack([b[own(1)], w[:, own(1)]])
            scores = (ones @ q) @ (ones @ k).T / np.sqrt(width)
            if layer == 1 and head == 2:
                u, s, vt = np.linalg.svd(q @ k.T)
                parts = (ones[-1] @ u[:, :width]) * s[:width] * (ones @ vt[:width].T) / np.sqrt(width)
                score = {"head": "L1H2", "scores": scores[-1].tolist(), "parts": parts.tolist()}
            pattern = softmax(causal(scores))
            ov = np.vstack([bo / heads, w[:, own(2)] @ o[head * width : (head + 1) * width]])
            added = added + total.write(f"L{layer}H{head}.ov", ov, with_bias(pattern @ rows))
        x = x + added
        w, b = reading(get(at + "ln_2.weight"), get(at + "ln_2.bias"), get(at + "mlp.c_fc.weight"), get(at + "mlp.c_fc.bias"))
        inner = norm(x) @ w + b
        hidden = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        out = np.vstack([centred(get(at + "mlp.c_proj.bias")[None], 1), centred(get(at + "mlp.c_proj.weight"), 1)])
        x = x + total.write(f"L{layer}.mlp_out", out, with_bias(hidden))
    unembed, bias = reading(get("ln_f.weight"), get("ln_f.bias"), get("wte.weight").T, 0)
    unembed = centred(unembed, 1)
    reader = unembed[:, answer] - unembed[:, distractor]
    scale = 1 / np.sqrt((x[-1] ** 2).mean() + epsilon)
    return result(ids, answer, distractor, total, reader, unembed, scale, embedding[ids[-1]], positions[len(ids) - 1], bias, x, score)


def mistral(ids, answer, distractor):
    config, t = load(HERE.parent / "families" / "mistral")
    heads, keys, width = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    epsilon, theta = config["rms_norm_eps"], config["rope_theta"]
    get = lambda name: t["model." + name]
    norm = lambda x: x / np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)
    angles = np.arange(len(ids))[:, None] / theta ** (np.arange(0, width, 2) / width)
    cos, sin = np.cos(np.hstack([angles, angles])), np.sin(np.hstack([angles, angles]))
    turn = lambda x: x * cos + np.hstack([-x[:, width // 2 :], x[:, : width // 2]]) * sin
    embedding = get("embed_tokens.weight")
    x = embedding[ids]
    total = Sum()
    score = None
    for layer in range(config["num_hidden_layers"]):
        at = f"layers.{layer}."
        gain = get(at + "input_layernorm.weight")
        q, k, v = (gain[:, None] * get(f"{at}self_attn.{part}_proj.weight").T for part in "qkv")
        o = get(at + "self_attn.o_proj.weight").T
        rows = norm(x)
        added = 0
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            group = head * keys // heads
            shared = slice(group * width, (group + 1) * width)
            scores = turn(rows @ q[:, own]) @ turn(rows @ k[:, shared]).T / np.sqrt(width)
            if layer == 1 and head == 2:
                score = {"head": "L1H2", "scores": scores[-1].tolist()}
            pattern = softmax(causal(scores))
            added = added + total.write(f"L{layer}H{head}.ov", v[:, shared] @ o[own], pattern @ rows)
        x = x + added
        gain = get(at + "post_attention_layernorm.weight")
        up, gate = (norm(x) @ (gain[:, None] * get(f"{at}mlp.{part}_proj.weight").T) for part in ("up", "gate"))
        x = x + total.write(f"L{layer}.mlp_down", get(at + "mlp.down_proj.weight").T, up * gate / (1 + np.exp(-gate)))
    unembed = get("norm.weight")[:, None] * t["lm_head.weight"].T
    reader = unembed[:, answer] - unembed[:, distractor]
    scale = 1 / np.sqrt((x[-1] ** 2).mean() + epsilon)
    zero = np.zeros(unembed.shape[1])
    return result(ids, answer, distractor, total, reader, centred(unembed, 1), scale, embedding[ids[-1]], zero[:1], zero, x, score)


def result(ids, answer, distractor, total, reader, unembed, scale, embedding, position, bias, x, score):
    directions, receptors = total.figures(reader, unembed, scale)
    found = {
        "ids": ids,
        "answer": answer,
        "distractor": distractor,
        "logit_difference": float(scale * x[-1] @ reader + bias[answer] - bias[distractor]),
        "embedding": float(scale * embedding @ reader),
        "position": float(scale * position @ reader) if len(position) > 1 else 0.0,
        "bias": float(bias[answer] - bias[distractor]),
        "final_scale": float(scale),
        "directions": directions,
        "receptors": receptors,
        "score": score,
    }
    parts = found["embedding"] + found["position"] + found["bias"] + sum(map(sum, directions.values()))
    assert abs(parts - found["logit_difference"]) < 1e-9
    return found


figures = {
    "gpt2-random-2l": gpt2([5, 17, 3, 42, 9, 30, 17], 11, 50),
    "families/mistral": mistral([3, 9, 14, 20, 7, 9], 4, 17),
}
(HERE / "reading.json").write_text(json.dumps(figures) + "\n")
for name, found in figures.items():
    print(name, found["logit_difference"])
