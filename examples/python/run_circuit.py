"""Installs a circuit of orthoscope on a GPT-2 of Hugging Face's transformers, and measures it again.

    orthoscope run MODEL --task ioi --out RUN
    orthoscope task MODEL --task ioi --seed 0 --out PROMPTS      # as the run drew them
    python run_circuit.py RUN MODEL PROMPTS/test.jsonl           # with torch, transformers, safetensors

Prints figures beside those of metrics.json; ends with 1 if they differ by more than 1e-4. Of orthoscope only its files are
used: directions are torch's own singular vectors. For default settings: positions last, interchange, svd, reference form.
"""
import json
import sys

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

def svd(matrix, rank):
    return (part[..., :rank] if at < 2 else part[:rank] for at, part in enumerate(torch.linalg.svd(matrix, False)))

without_mean = lambda matrix: matrix - matrix.mean(-1, keepdim=True)

def folded(linear, norm):
    """[bias; weight] that reads the stream as it was before the norm's gain and bias."""
    weight = norm.weight[:, None].double() * linear.weight.double()
    bias = linear.bias.double() + norm.bias.double() @ linear.weight.double()
    return torch.cat([bias[None], weight - weight.mean(0)])

def carriers(model):
    """What carries coefficients at the last token: the modules, and whether it is in their input or their output."""
    for layer, block in enumerate(model.transformer.h):
        yield f"L{layer}.ov", block.attn.c_proj, True
        yield f"L{layer}.mlp_in", block.mlp.c_fc, False
        yield f"L{layer}.mlp_out", block.mlp.c_proj, False

def watch(model, values):
    """Keeps what the untouched model carries at the last token of a prompt."""
    for name, module, reads in carriers(model):
        module.register_forward_hook(lambda _, i, o, n=name, r=reads: values.update({n: (i[0] if r else o)[:, -1]}))

def install(model, masks, threshold, values):
    """Left-out directions carry what `values` hold in place of their own; left-out parts of attention scores are 0."""
    heads, width = model.config.n_head, model.config.n_embd // model.config.n_head
    gone = {name: (mask <= threshold).double() for name, mask in masks.items()}
    projects = {}
    for layer, block in enumerate(model.transformer.h):
        attn, mlp = block.attn, block.mlp
        q, k, v = (part.unflatten(1, (heads, width)).transpose(0, 1).clone() for part in folded(attn.c_attn, block.ln_1).chunk(3, 1))
        out = attn.c_proj.weight.double().unflatten(0, (heads, width))
        # Value biases add a constant to the output: it goes to its bias, of which each head has its share.
        bias = without_mean(attn.c_proj.bias.double() + (v[:, :1] @ out).sum((0, 1))) / heads
        project = torch.zeros_like(out)
        for head in range(heads):
            if (left := gone.get(f"L{layer}H{head}.qk")) is not None:
                u, s, vt = svd(q[head] @ k[head].T, width)
                q[head], k[head] = u * (s * (1 - left)), vt.T
            if (left := gone.get(f"L{layer}H{head}.ov")) is not None:
                _, _, vt = svd(torch.cat([bias[None], v[head, 1:] @ without_mean(out[head])]), width + 1)
                project[head] = out[head] @ (vt.T * left) @ vt
        projects[f"L{layer}.ov"] = project.flatten(0, 1)
        read = folded(mlp.c_fc, block.ln_2)
        written = without_mean(torch.cat([mlp.c_proj.bias[None], mlp.c_proj.weight]).double())
        for name, matrix in ((f"L{layer}.mlp_in", read), (f"L{layer}.mlp_out", written)):
            if (left := gone.get(name)) is not None:
                _, _, vt = svd(matrix, len(left))
                projects[name] = (vt.T * left) @ vt
        joined = torch.cat([part.transpose(0, 1).flatten(1) for part in (q, k, v)], 1).float()
        attn.c_attn.bias.data, attn.c_attn.weight.data = joined[0], joined[1:]
        block.ln_1.weight.data.fill_(1), block.ln_1.bias.data.zero_()
    def replace(name, project, reads, inputs, output):
        output = output.clone()
        output[:, -1] += (values[name] - (inputs[0] if reads else output)[:, -1]) @ project
        return output

    for name, module, reads in carriers(model):
        if name in projects:
            module.register_forward_hook(lambda _, i, o, n=name, r=reads: replace(n, projects[n].float(), r, i, o))

@torch.no_grad()
def main(run, folder, pairs):
    metrics = json.load(open(f"{run}/metrics.json"))
    expected = metrics["splits"]["test"]["binarised"]
    plain, model = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for _ in range(2))
    watch(plain, values := {})
    install(model, load_file(f"{run}/masks.safetensors"), metrics["measured"]["threshold"], values)
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    ids = lambda text: torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids])
    found = {"kl": [], "exact_match": [], "accuracy": []}
    for line in map(json.loads, open(pairs)):
        full = plain(clean := ids(line["clean"])).logits[0, -1].log_softmax(-1)
        plain(ids(line["corrupted"]))
        masked = model(clean).logits[0, -1].log_softmax(-1)
        found["kl"].append((full.exp() * (full - masked)).sum().item())
        found["exact_match"].append(float(full.argmax() == masked.argmax()))
        found["accuracy"].append(float(masked.argmax() == ids(line["clean"] + line["answer"])[0, clean.shape[1]]))
    found = {name: sum(values) / len(values) for name, values in found.items()}
    print(json.dumps({"found": found, "expected": {name: expected[name] for name in found}}))
    sys.exit(any(abs(found[name] - expected[name]) > 1e-4 for name in found))

main(*sys.argv[1:4])
