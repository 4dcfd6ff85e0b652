"""Installs a circuit of orthoscope on a model of Hugging Face's transformers, and measures it again.

    orthoscope run MODEL --task ioi --out RUN
    orthoscope task MODEL --task ioi --seed 0 --out PROMPTS      # as the run drew them
    python run_circuit.py RUN MODEL PROMPTS/test.jsonl           # with torch, transformers, safetensors

Prints figures beside those of metrics.json; ends with 1 if they differ by more than 1e-4. Of orthoscope only its files are
used: directions are torch's own singular vectors. For default settings: positions last, interchange, svd, reference form.
What is GPT-2's own is in on_gpt2.py; what Llama, Mistral and Qwen 2 share, in on_llama.py.
"""
import json
import sys

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import on_gpt2
import on_llama

FAMILIES = {"gpt2": on_gpt2, "llama": on_llama, "mistral": on_llama, "qwen2": on_llama}

def read(run):
    """A run's metrics, which directions its circuit leaves out by component, and how many offsets rotary QK averages over."""
    metrics = json.load(open(f"{run}/metrics.json"))
    measured = metrics["measured"]
    with safe_open(f"{run}/masks.safetensors", "pt") as file:
        about, gone = file.metadata(), {name: file.get_tensor(name) <= measured["threshold"] for name in file.keys()}
    settings = [measured["positions"], measured["replacement"], about["weight_form"], about["basis"]]
    split = about["qk_split"].split()
    if settings != ["last", "interchange", "reference", "svd"] or split[0] not in ("svd", "rotary"):
        sys.exit(f"the run's settings are {', '.join(settings)}, QK by {split[0]}; this script knows the defaults alone")
    return metrics, gone, int(split[-1]) if split[0] == "rotary" else None

def hook(carriers, values, projects=None):
    """Keeps in `values` what a model carries at the last token; with `projects` puts it back along left-out directions."""
    def forward(name, reads, inputs, output):
        carried = (inputs[0] if reads else output)[:, -1]
        if projects is None:
            values[name] = carried
        elif name in projects:
            change = values[name] - carried
            for matrix in projects[name]:
                change = change @ matrix.float()
            output = output.clone()
            output[:, -1] += change
            return output

    for name, module, reads in carriers:
        module.register_forward_hook(lambda _, i, o, n=name, r=reads: forward(n, r, i, o))

@torch.no_grad()
def main(run, folder, pairs):
    metrics, gone, offsets = read(run)
    plain, model = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for _ in range(2))
    if (family := FAMILIES.get(model.config.model_type)) is None:
        sys.exit(f"{folder} is a {model.config.model_type}; this script knows {', '.join(FAMILIES)}")
    hook(family.carriers(plain), values := {})
    hook(family.carriers(model), values, family.install(model, gone, offsets))
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    ids = lambda text: torch.tensor([tokenizer.encode(text).ids])
    found = {"kl": [], "exact_match": [], "accuracy": []}
    for line in map(json.loads, open(pairs)):
        full = plain(clean := ids(line["clean"])).logits[0, -1].log_softmax(-1)
        plain(ids(line["corrupted"]))
        masked = model(clean).logits[0, -1].log_softmax(-1)
        found["kl"].append((full.exp() * (full - masked)).sum().item())
        found["exact_match"].append(float(full.argmax() == masked.argmax()))
        found["accuracy"].append(float(masked.argmax() == ids(line["clean"] + line["answer"])[0, clean.shape[1]]))
    prompts, found = len(found["kl"]), {name: sum(each) / len(each) for name, each in found.items()}
    expected = {name: metrics["splits"]["test"]["binarised"][name] for name in found}
    print(json.dumps({"prompts": prompts, "found": found, "expected": expected}))
    sys.exit(any(abs(found[name] - expected[name]) > 1e-4 for name in found))

main(*sys.argv[1:4])
