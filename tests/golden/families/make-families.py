"""Writes a small random model of every family, and what transformers says of it, beside this file.

    python make-families.py NAME …     # made once with Python 3.11 and PyTorch 2.15.0; the names of
                                       # MODELS with transformers 4.57.6, those of MODELS_5 with 5.24.0

Each folder holds config.json, model.safetensors and logits.json: token ids of prompts, and the log-softmax
after the last token of each, in float32 with eager attention. No gain, bias or setting is trivial.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

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

PAD = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
WIDE = {**COMMON, **PAD, "num_attention_heads": 2, "num_key_value_heads": 1}
LONGROPE = dict(rope_type="longrope", short_factor=[1.0, 1.7], long_factor=[2.0, 5.0], original_max_position_embeddings=48)
LEARNED = dict(vocab_size=VOCABULARY, hidden_size=16, max_position_embeddings=64, **PAD)
TEXT = {key: value for key, value in {**COMMON, **PAD}.items() if key != "head_dim"}
SEEN = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
IMAGE = dict(image_token_id=23, video_token_id=22, vision_start_token_id=21, vision_end_token_id=20)
QWEN_SEEN = dict(depth=1, embed_dim=8, hidden_size=16, num_heads=2, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
MROPE = dict(rope_theta=50.0, rope_type="default", mrope_section=[1, 1, 0])

MODELS_5 = {
    "gemma": ("gemma", {**COMMON, **PAD, "hidden_act": "gelu"}),
    "phi3": ("phi3", {**WIDE, "head_dim": 8, "partial_rotary_factor": 0.5, "sliding_window": 48}),
    "phi3-longrope": (
        "phi3",
        {**WIDE, "head_dim": 8, "partial_rotary_factor": 0.5, "rope_scaling": LONGROPE, "original_max_position_embeddings": 48},
    ),
    "granite": (
        "granite",
        {
            **TEXT,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.4,
            "attention_multiplier": 0.3,
            "logits_scaling": 1.7,
            "attention_bias": True,
            "mlp_bias": True,
        },
    ),
    "smollm3": ("smollm3", {**TEXT, "no_rope_layers": [1, 0], "rope_scaling": YARN}),
    "ministral": ("ministral", {**COMMON, **PAD, "sliding_window": 48}),
    "llama-yarn": ("llama", {**COMMON, **PAD, "rope_scaling": {**YARN, "factor": 3.0, "beta_fast": 4.0, "mscale": 1.3, "mscale_all_dim": 0.7}}),
    "llama-longrope": (
        "llama",
        {**COMMON, **PAD, "rope_scaling": {**LONGROPE, "short_factor": [1.0, 1.3, 2.0], "long_factor": [3.0, 4.0, 5.0], "factor": 4.0}},
    ),
    "gemma3-renamed": (
        "gemma3_text",
        {**COMMON, **PAD, **GEMMA, "rope_local_base_freq": 20.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "layer_types": ["full_attention", "sliding_attention"]},
    ),
    "gpt_neo": (
        "gpt_neo",
        {**LEARNED, "num_layers": 2, "num_heads": 4, "intermediate_size": 20, "attention_types": [[["global", "local"], 1]], "window_size": 48},
    ),
    "opt": ("opt", {**LEARNED, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 20}),
    "opt-bare": (
        "opt",
        {**LEARNED, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 20, "enable_bias": False, "layer_norm_elementwise_affine": False},
    ),
}

# The text part of models that read images, too.
WHOLES_5 = {
    "gemma3-images": ("gemma3", {"text_config": {**COMMON, **PAD, **GEMMA}, "vision_config": SEEN, "mm_tokens_per_image": 1, "image_token_index": 23}),
    "llava": ("llava", {"text_config": {"model_type": "llama", **TEXT}, "vision_config": {"model_type": "clip_vision_model", **SEEN}, "image_token_index": 23}),
    "mistral3": (
        "mistral3",
        {"text_config": {"model_type": "mistral", **TEXT, "sliding_window": None}, "vision_config": {"model_type": "pixtral", **SEEN, "head_dim": 4}, "image_token_index": 23, "tie_word_embeddings": False},
    ),
    "qwen2_vl": ("qwen2_vl", {"text_config": {**TEXT, "rope_parameters": MROPE}, "vision_config": QWEN_SEEN, **IMAGE}),
    "qwen2_5_vl": (
        "qwen2_5_vl",
        {"text_config": {**TEXT, "rope_parameters": MROPE}, "vision_config": {**QWEN_SEEN, "hidden_size": 8, "out_hidden_size": 16, "intermediate_size": 8, "fullatt_block_indexes": [0]}, **IMAGE},
    ),
    "qwen3_vl": (
        "qwen3_vl",
        {"text_config": {**COMMON, **PAD, "rope_parameters": {**MROPE, "mrope_section": [1, 1, 1]}}, "vision_config": {**QWEN_SEEN, "hidden_size": 8, "out_hidden_size": 16, "intermediate_size": 8, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}, **IMAGE},
    ),
    "smolvlm": ("smolvlm", {"text_config": {"model_type": "llama", **TEXT}, "vision_config": SEEN, "scale_factor": 2, "image_token_id": 23, "pad_token_id": 0}),
    "internvl": ("internvl", {"text_config": {"model_type": "qwen2", **TEXT}, "vision_config": {**SEEN, "image_size": [8, 8], "patch_size": [4, 4]}, "image_token_id": 23}),
    "llava_next": ("llava_next", {"text_config": {"model_type": "llama", **TEXT}, "vision_config": {"model_type": "clip_vision_model", **SEEN}, "image_token_index": 23, "image_grid_pinpoints": [[8, 8]]}),
    "llava_onevision": ("llava_onevision", {"text_config": {"model_type": "qwen2", **TEXT}, "vision_config": {"model_type": "siglip_vision_model", **SEEN}, "image_token_index": 23, "video_token_index": 22, "image_grid_pinpoints": [[8, 8]]}),
    "idefics3": ("idefics3", {"text_config": {"model_type": "llama", **TEXT}, "vision_config": SEEN, "scale_factor": 2, "image_token_id": 23, "pad_token_id": 0}),
}


def main() -> None:
    everything = [*MODELS.items(), *MODELS_5.items(), *WHOLES_5.items()]
    for index, (name, (family, settings)) in enumerate(everything):
        if name not in sys.argv[1:]:
            continue
        torch.manual_seed(index)
        config = AutoConfig.for_model(family, **settings)
        auto = AutoModelForImageTextToText if name in WHOLES_5 else AutoModelForCausalLM
        model = auto.from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                is_gain = ("norm" in parameter_name or ".ln_" in parameter_name) and "weight" in parameter_name
                centre = 1.0 if is_gain and "gemma" not in name else 0.0
                spread = 0.25 if parameter.dim() == 1 else 1.2 / parameter[0].numel() ** 0.5
                parameter.copy_(centre + spread * torch.randn_like(parameter))
        folder = HERE / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        prompts = [torch.randint(VOCABULARY, (length,)).tolist() for length in (1, 2, 5, 9, 17, 40)]
        with torch.no_grad():
            rows = [model(torch.tensor([ids])).logits[0, -1].log_softmax(-1).tolist() for ids in prompts]
        cases = [{"ids": ids, "log_softmax": [round(value, 7) for value in row]} for ids, row in zip(prompts, rows)]
        (folder / "logits.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
