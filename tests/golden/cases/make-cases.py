"""Writes the later cases beside this file, and what transformers says of them.

    python make-cases.py      # made once with Python 3.11, transformers 5.24.0, tokenizers 0.23.3, PyTorch 2.15.0

27-tokens-beside-the-tokenizer: tokens that other files than tokenizer.json name. 24-config-defaults/gpt_neox-rope-theta:
a base outside the rotary settings, which this family calls otherwise.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
CORPUS = [
    "the cat sat on the mat, and the dog ran to the market with a ball.",
    "When Mary and John went to the store, John gave a drink to Mary",
    "a<sep>b caffè ½ cup 12 34 \"quoted\" it's don't",
    "def f(x): return x+1\n\tpass",
] * 40
TEXTS = [
    "the cat sat",
    "When Mary and John went to the store, John gave a drink to",
    "a<sep>b <sep> c<extra>d <extra>",
    "½ caffè ٢ 12345",
    "<s>hi</s> <pad><mask>  two  spaces",
    "\n\tpass  ",
    "A<|endoftext|>B<tool>",
    "The CAT <Sep> <SEP>",
    "A <|endoftext|> B",
]


def token(content, **flags):
    usual = dict(lstrip=False, rstrip=False, normalized=False, single_word=False, special=True)
    return {"content": content, **usual, **flags}


FILES = {
    "decoder-adds": {
        "tokenizer_config": {
            "added_tokens_decoder": {
                "0": token("<|endoftext|>"),
                "400": token("<extra>"),
                "401": token("<sep>", special=False, normalized=True),
            }
        }
    },
    "decoder-flags": {"tokenizer_config": {"added_tokens_decoder": {"0": token("<|endoftext|>", lstrip=True, rstrip=True)}}},
    "additional": {"tokenizer_config": {"additional_special_tokens": ["<extra>", "<sep>"], "pad_token": "<pad>"}},
    "extra_special": {"tokenizer_config": {"extra_special_tokens": {"tool_token": "<tool>"}}},
    "special-map": {"special_tokens_map": {"pad_token": "<pad>", "additional_special_tokens": ["<sep>"]}},
    "added_tokens.json": {"added_tokens": {"<extra>": 400, "<sep>": 401}},
}


def tokens_beside(name, files):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    folder = HERE / "27-tokens-beside-the-tokenizer" / name
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **files.get("tokenizer_config", {})}
    for file, content in {**files, "tokenizer_config": config}.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    python = AutoTokenizer.from_pretrained(folder)
    cases = [
        {"text": text, "bare": python(text, add_special_tokens=False).input_ids, "full": python(text).input_ids}
        for text in TEXTS
    ]
    (folder / "truth.json").write_text(json.dumps({"cases": cases}))


def rope_theta():
    sizes = dict(vocab_size=24, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
    config = AutoConfig.for_model("gpt_neox", **sizes, max_position_embeddings=64, rotary_pct=0.5)
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    folder = HERE / "24-config-defaults" / "gpt_neox-rope-theta"
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    written.pop("rope_parameters")
    path.write_text(json.dumps({**written, "rotary_pct": 0.5, "rope_theta": 30.0}, indent=1))
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    truth = []
    for ids in [[1, 5, 7, 9, 11, 3], [2], [1, 3, 3, 3, 8, *range(20, 24), *range(24), *range(11)]]:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double()
        truth.append({"ids": ids, "logp": [round(value, 6) for value in torch.log_softmax(logits, -1).tolist()]})
    (folder / "truth.json").write_text(json.dumps(truth))


for name, files in FILES.items():
    tokens_beside(name, files)
rope_theta()
