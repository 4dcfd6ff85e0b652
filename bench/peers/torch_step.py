"""One step of mask training by PyTorch, from the tensors that bench/training.ts writes: result and seconds as JSON.

The same dense work: frozen weights get no gradient, positions before the last use the plain weights, only the last
token reads MLP and OV bases. Gradients by autograd.
"""
import json
import resource
import sys
import time

import numpy as np
import torch
from torch.nn.functional import gelu, layer_norm, log_softmax

HEADS, LAYERS, D, WIDTH, EPSILON = 12, 12, 768, 64, 1e-5


def read(path):
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:8].view(np.uint64)[0])
    header = json.loads(bytes(raw[8 : 8 + length]))
    kinds = {"F32": np.float32, "I32": np.int32}
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        values = raw[8 + length + start : 8 + length + end].view(kinds[entry["dtype"]])
        out[name] = torch.from_numpy(values.reshape(entry["shape"]).copy()).to(device)
    return out


folder, steps, device = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = json.load(open(f"{folder}/peer.json"))["store"]
tensors = read(f"{folder}/peer.safetensors")
clean, corrupted = tensors["clean"].long(), tensors["corrupted"].long()
batch, length = clean.shape
seen = torch.full((length, length), float("-inf"), device=device).triu(1)


def layer_bases(layer):
    parts = read(f"{store}/layer-{layer:03d}.safetensors")
    heads = lambda kind: [tuple(parts[f"L{layer}H{h}.{kind}.{x}"] for x in ("u", "s", "vt")) for h in range(HEADS)]
    qk, ov = heads("qk"), heads("ov")
    whole = lambda kind: tuple(parts[f"L{layer}.{kind}.{x}"] for x in ("u", "s", "vt"))
    bases = {
        "query": torch.cat([u for u, _, _ in qk], 1),
        "key": torch.cat([(s[:, None] * vt).T for _, s, vt in qk], 1),
        # y = [1, context]·u and the context goes through the head's value matrix: read it from z = context·W_V.
        "ov_write": torch.stack([vt for _, _, vt in ov]),
    }
    output = tensors[f"{layer}.o.weight"].reshape(HEADS, WIDTH, D)
    bases["ov_read"] = output @ bases["ov_write"].transpose(1, 2)
    bases["ov_bias"] = (tensors[f"{layer}.o.bias"] / HEADS) @ bases["ov_write"].transpose(1, 2)
    for kind in ("mlp_in", "mlp_out"):
        u, s, vt = whole(kind)
        bases[kind] = (u, s[:, None] * vt)
    return bases


bases = [layer_bases(layer) for layer in range(LAYERS)]
sizes = [(HEADS * 64, HEADS * 65, 769, 768)] * LAYERS


def plain(x, name):
    return torch.addmm(tensors[f"{name}.bias"], x, tensors[f"{name}.weight"])


def read_basis(x, u):
    return torch.addmm(u[0], x, u[1:])


def heads_of(x, positions):
    return x.reshape(batch, positions, HEADS, -1).transpose(1, 2)


def run(ids, masks, baseline):
    """Last state, and the coefficients of each layer at the last token."""
    stream = tensors["embed"][ids] + tensors["positions"][:length]
    kept = []
    for layer in range(LAYERS):
        m = masks[layer] if masks else None
        last_only = layer == LAYERS - 1
        own = bases[layer]
        x = layer_norm(stream, (D,), eps=EPSILON).reshape(-1, D)
        last = x.reshape(batch, length, D)[:, -1:].reshape(-1, D)
        queries = 1 if last_only else length
        q = read_basis(last if last_only else x, own["query"])
        if m:
            q = q * m[0]
        q, k = heads_of(q, queries), heads_of(read_basis(x, own["key"]), length)
        v = heads_of(plain(x, f"{layer}.v"), length)
        weights = (q @ k.transpose(-1, -2) / WIDTH**0.5 + seen[length - queries :]).softmax(-1)
        z = weights @ v
        kept_here = {}

        def mixed(kind, at, y):
            kept_here[kind] = y
            if not m:
                return y
            other = baseline[layer][kind]
            return other + m[at] * (y - other)

        y = torch.einsum("bhw,hwr->bhr", z[:, :, -1], own["ov_read"]) + own["ov_bias"]
        written = mixed("ov", 1, y.reshape(batch, -1)) @ own["ov_write"].reshape(-1, D)
        if not last_only:
            others = plain(z[:, :, :-1].transpose(1, 2).reshape(-1, D), f"{layer}.o")
            written = torch.cat([others.reshape(batch, -1, D), written[:, None]], 1)
        else:
            written = written[:, None]
        stream = stream[:, length - queries :] + written
        x = layer_norm(stream, (D,), eps=EPSILON)
        (u_in, write_in), (u_out, write_out) = own["mlp_in"], own["mlp_out"]
        hidden = gelu(mixed("mlp_in", 2, read_basis(x[:, -1], u_in)) @ write_in, approximate="tanh")
        added = (mixed("mlp_out", 3, read_basis(hidden, u_out)) @ write_out)[:, None]
        if not last_only:
            hidden = gelu(plain(x[:, :-1].reshape(-1, D), f"{layer}.mlpIn"), approximate="tanh")
            added = torch.cat([plain(hidden, f"{layer}.mlpOut").reshape(batch, -1, D), added], 1)
        stream = stream + added
        kept.append(kept_here)
    return layer_norm(stream[:, -1], (D,), eps=EPSILON), kept


def split(flat):
    parts = flat.split([size for layer in sizes for size in layer])
    return [parts[4 * layer : 4 * layer + 4] for layer in range(LAYERS)]


with torch.no_grad():
    teacher = log_softmax(plain(run(clean, None, None)[0], "unembed"), -1)
    baseline = run(corrupted, None, None)[1]


def step(flat):
    logits = plain(run(clean, split(flat), baseline)[0], "unembed")
    kl = (teacher.exp() * (teacher - log_softmax(logits, -1))).sum() / batch
    kl.backward()
    return kl.item()


flat = tensors["masks"].clone().requires_grad_()
check = {"kl": step(flat), "gradientNorm": flat.grad.double().norm().item()}
logit = torch.full_like(flat, np.log(0.99 / 0.01)).requires_grad_()
optimiser = torch.optim.AdamW([logit], lr=2e-2, eps=1e-7, weight_decay=0)
seconds = []
cpu = time.process_time()
for _ in range(steps):
    started = time.perf_counter()
    optimiser.zero_grad()
    masks = logit.sigmoid()
    step(masks)
    optimiser.step()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds.append(time.perf_counter() - started)
cpu = (time.process_time() - cpu) / steps
with open("/proc/self/statm") as file:
    resident = int(file.read().split()[1]) * resource.getpagesize()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"check": check, "seconds": seconds, "cpuSeconds": cpu, "peakBytes": peak, "residentBytes": resident}))
