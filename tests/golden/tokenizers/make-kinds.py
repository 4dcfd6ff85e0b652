"""Writes kinds.json: a small tokenizer of every kind that went wrong somewhere, and what Python's library says of texts.

    python make-kinds.py        # made once with tokenizers 0.23.3
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers

TEXTS = [
    "the cat sat on 12 mats",
    "1 ½ cup, Henry Ⅷ, 10 ² m, ٢ ①",
    "the café . naïve",
    "it's a.b $x",
    "concat cats a cat",
    "a 寿\nb",
    "Ab aB 🙂  double",
    "русский текст 東京タワー",
    "",
]
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
MERGES = ["t h", "th e", "c a", "ca t"]


def bpe(vocab, merges=MERGES, **settings):
    made = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    made |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    return made | {"vocab": {token: i for i, token in enumerate(vocab)}, "merges": merges} | settings


def level(pre_tokenizer, normalizer=None, added=()):
    """Bytes and a few merges."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    steps = [pre_tokenizer, byte_level] if pre_tokenizer else [byte_level]
    model = bpe(ALPHABET + ["th", "the", "ca", "cat"])
    return whole(model, normalizer, {"type": "Sequence", "pretokenizers": steps}, byte_level, added)


def whole(model, normalizer=None, pre_tokenizer=None, decoder=None, added=()):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    size = len(model["vocab"])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": size + i} | plain | token for i, token in enumerate(added)],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def punctuation(behavior):
    return {"type": "Punctuation", "behavior": behavior}


LETTERS = list("abcdehimnostu ")
WORDS = {"type": "WordLevel", "vocab": {"<unk>": 0, "the": 1, "café": 2, "cat": 3, ".": 4, "a": 5}, "unk_token": "<unk>"}
UNIGRAM = [["<unk>", 0.0], *[[byte, 0.0] for byte in BYTES], ["▁", -2.0], ["a", -3.0], ["the", -4.0]]

KINDS = {
    "Digits, one by one": level({"type": "Digits", "individual_digits": True}),
    "Digits, together": level({"type": "Digits", "individual_digits": False}),
    "Whitespace": whole(WORDS, None, {"type": "Whitespace"}),
    "WhitespaceSplit": whole(WORDS, None, {"type": "WhitespaceSplit"}),
    "Unigram with bytes for the unknown": whole({"type": "Unigram", "vocab": UNIGRAM, "unk_id": 0, "byte_fallback": True}),
    "Unigram without": whole({"type": "Unigram", "vocab": UNIGRAM, "unk_id": 0, "byte_fallback": False}),
    "whole words alone": level(None, None, [{"content": "cat", "single_word": True}]),
    "added token that takes the space before it": level(None, None, [{"content": "cat", "lstrip": True}]),
    **{
        f"inverted Split, {behavior}": level(split(r"\p{L}+", behavior, True))
        for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    },
    **{
        f"Punctuation, {behavior}": level(punctuation(behavior))
        for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
    },
    "a prefix inside words": whole(
        bpe(
            ["<unk>", *LETTERS, *(f"##{letter}" for letter in LETTERS), "ca", "cat"],
            ["c ##a", "ca ##t"],
            continuing_subword_prefix="##",
            unk_token="<unk>",
        ),
        None,
        {"type": "WhitespaceSplit"},
    ),
    "a dollar in a replacement": level(None, {"type": "Replace", "pattern": {"String": "a"}, "content": "$&$1"}),
    "BPE without an unknown token": whole(bpe([*LETTERS, "ca", "cat"], ["c a", "ca t"])),
    "BPE that fuses the unknown": whole(bpe(["<unk>", *LETTERS], [], unk_token="<unk>", fuse_unk=True)),
    "Nmt": level(None, {"type": "Nmt"}),
    "UnicodeScripts": level({"type": "UnicodeScripts"}),
    "CharDelimiterSplit": level({"type": "CharDelimiterSplit", "delimiter": "a"}),
    "ByteLevel as normaliser": whole(bpe([*ALPHABET, "th", "the", "ca", "cat"]), {"type": "ByteLevel"}),
    "a pattern that begins with (?i)": level(split(r"(?i)[a-z]+")),
    "StripAccents": level(None, {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}),
    "truncation, which callers switch off": whole(WORDS, None, {"type": "Whitespace"})
    | {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}},
}

made = []
for kind, definition in KINDS.items():
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    tokenizer.no_truncation()
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    made.append({"kind": kind, "definition": definition, "cases": cases})
lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in made)
Path(__file__).with_name("kinds.json").write_text(f"[\n{lines}\n]\n")
