"""Writes a small random model of every family, and what transformers says of it, beside this file.

    python make-families.py        # made once with Python 3.11, PyTorch 2.15.0, transformers 4.57.6

Each folder holds config.json, model.safetensors and logits.json: token ids of prompts, and the log-softmax
after the last token of each, in float32 with eager attention. No gain, bias or setting is trivial.
"""

import json
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
VOCABULARY = 24
COMMON = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=6,
    max_position_embeddings=64,
    rope_theta=50.0,
    rms_norm_eps=1e-4,
)
NEOX = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=64,
    rotary_pct=0.5,
    rotary_emb_base=50,
    layer_norm_eps=1e-4,
    tie_word_embeddings=False,
)
LLAMA3 = dict(
    rope_type="llama3",
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
GEMMA = dict(query_pre_attn_scalar=11, sliding_window=48)

MODELS = {
    "llama": ("llama", {**COMMON, "attention_bias": True, "mlp_bias": True, "rope_scaling": LLAMA3}),
    "llama-linear": ("llama", {**COMMON, "tie_word_embeddings": True, "rope_scaling": {"rope_type": "linear", "factor": 3.0}}),
    "mistral": ("mistral", {**COMMON, "sliding_window": 48}),
    "qwen2": ("qwen2", {**COMMON, "rope_scaling": YARN}),
    "qwen3": ("qwen3", COMMON),
    "gemma2": ("gemma2", {**COMMON, **GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": (
        "gemma3_text",
        {
            **COMMON,
            **GEMMA,
            "rope_local_base_freq": 20.0,
            "rope_scaling": {"rope_type": "linear", "factor": 2.0},
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "gpt_neox": ("gpt_neox", {**NEOX, "use_parallel_residual": True}),
    "gpt_neox-sequential": ("gpt_neox", {**NEOX, "use_parallel_residual": False, "attention_bias": False}),
}


def main() -> None:
    for index, (name, (family, settings)) in enumerate(MODELS.items()):
        torch.manual_seed(index)
        config = AutoConfig.for_model(family, **settings)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                centre = 1.0 if "norm" in parameter_name and "weight" in parameter_name and "gemma" not in name else 0.0
                spread = 0.25 if parameter.dim() == 1 else 1.2 / parameter.shape[1] ** 0.5
                parameter.copy_(centre + spread * torch.randn_like(parameter))
        folder = HERE / name
        model.save_pretrained(folder, safe_serialization=True)
        (folder / "generation_config.json").unlink(missing_ok=True)
        prompts = [torch.randint(VOCABULARY, (length,)).tolist() for length in (1, 2, 5, 9, 17, 40)]
        with torch.no_grad():
            rows = [model(torch.tensor([ids])).logits[0, -1].log_softmax(-1).tolist() for ids in prompts]
        cases = [{"ids": ids, "log_softmax": [round(value, 7) for value in row]} for ids, row in zip(prompts, rows)]
        (folder / "logits.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
