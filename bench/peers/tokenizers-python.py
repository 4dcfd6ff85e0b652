"""The Python side of bench/tokenizers.ts.

    python tokenizers-python.py train FOLDER COUNT SEED     # writes FOLDER/00/tokenizer.json …, of every kind
    python tokenizers-python.py encode FILE                 # {"tokenizer", "texts"} → {"ids", "decoded"}, on stdout

Where the library raises, the answer is null.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = (
    "the cat sat on a mat and then Mary gave John 17 apples 42 isn't it's naïve café Straße übergroß 寿司 東京 русский "
    "текст العربية ٢٣ ½ Ⅷ ² 한국어 हिन्दी ไทย 🙂 👩‍👩‍👧 e\u0301 ﬁ x.y, (z)! \"q\" -- https://a.b/c?d=e f_g Hello WORLD"
).split()
SPECIALS = ["<unk>", "<s>", "</s>", "<pad>"]
BEHAVIOURS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = [GPT2, LLAMA3, r"(?i)[a-z]+", r"\d", r"\w+|[^\w\s]+", r"[\p{Han}\p{Hiragana}]", r"\s+", r"(?<=[a-z])[A-Z]", "."]


def normalizer(rng):
    return rng.choice(
        [
            lambda: None,
            lambda: None,
            normalizers.NFC,
            normalizers.NFD,
            normalizers.NFKC,
            normalizers.NFKD,
            normalizers.Nmt,
            normalizers.Lowercase,
            normalizers.StripAccents,
            normalizers.Strip,
            normalizers.BertNormalizer,
            normalizers.ByteLevel,
            lambda: normalizers.Prepend("▁"),
            lambda: normalizers.Replace("a", "$&b"),
            lambda: normalizers.Replace(Regex(r"\s+"), " "),
            lambda: normalizers.Replace(Regex(r"[0-9]"), "$1"),
            lambda: normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
            lambda: normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        ]
    )()


def pre_tokenizer(rng, depth=0):
    scheme = rng.choice(["first", "always", "never"])
    kinds = [
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.5, use_regex=rng.random() < 0.7),
        lambda: pre_tokenizers.Whitespace(),
        lambda: pre_tokenizers.WhitespaceSplit(),
        lambda: pre_tokenizers.BertPreTokenizer(),
        lambda: pre_tokenizers.Punctuation(rng.choice(BEHAVIOURS)),
        lambda: pre_tokenizers.Digits(rng.random() < 0.5),
        lambda: pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=rng.random() < 0.5),
        lambda: pre_tokenizers.UnicodeScripts(),
        lambda: pre_tokenizers.CharDelimiterSplit(rng.choice(" ,x")),
        lambda: pre_tokenizers.FixedLength(rng.randint(1, 6)),
        lambda: pre_tokenizers.Split(Regex(rng.choice(PATTERNS)), rng.choice(BEHAVIOURS), rng.random() < 0.4),
        lambda: pre_tokenizers.Split(rng.choice([" ", "a", "$", "."]), rng.choice(BEHAVIOURS), rng.random() < 0.4),
    ]
    if depth == 0 and rng.random() < 0.4:
        return pre_tokenizers.Sequence([pre_tokenizer(rng, 1) for _ in range(rng.randint(2, 3))])
    return rng.choice(kinds)()


def decoder(rng):
    return rng.choice(
        [
            lambda: None,
            decoders.ByteLevel,
            decoders.ByteFallback,
            decoders.Fuse,
            decoders.Metaspace,
            decoders.BPEDecoder,
            decoders.WordPiece,
            lambda: decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            ),
        ]
    )()


def model(rng, kind):
    """An empty model, and what trains it."""
    size = rng.choice([300, 600, 1000])
    if kind == "unigram":
        # Bytes stand in the vocabulary in half of them; byte_fallback is switched on in the file.
        specials = SPECIALS + (BYTES if rng.random() < 0.5 else [])
        return models.Unigram(), trainers.UnigramTrainer(
            vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False
        )
    if kind == "wordpiece":
        prefix = rng.choice(["##", "@@", ""])
        return (
            models.WordPiece(
                unk_token="<unk>", continuing_subword_prefix=prefix, max_input_chars_per_word=rng.choice([5, 100])
            ),
            trainers.WordPieceTrainer(
                vocab_size=size, special_tokens=SPECIALS, continuing_subword_prefix=prefix, show_progress=False
            ),
        )
    if kind == "wordlevel":
        return (
            models.WordLevel(unk_token=rng.choice(["<unk>", "<unk>", "<none>"])),
            trainers.WordLevelTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False),
        )
    fallback = rng.random() < 0.3
    prefix = rng.choice([None, None, None, "##"])
    suffix = rng.choice([None, None, "</w>"])
    unknown = rng.choice([None, "<unk>"])
    affixes = {"continuing_subword_prefix": prefix, "end_of_word_suffix": suffix}
    affixes = {name: affix for name, affix in affixes.items() if affix is not None}
    specials = SPECIALS + (BYTES if fallback else [])
    alphabet = pre_tokenizers.ByteLevel.alphabet() if rng.random() < 0.4 else []
    return (
        models.BPE(
            unk_token=unknown,
            **affixes,
            fuse_unk=rng.random() < 0.5,
            byte_fallback=fallback,
            ignore_merges=rng.random() < 0.3,
        ),
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=specials,
            **affixes,
            initial_alphabet=alphabet,
            limit_alphabet=rng.choice([60, 1000]),
            show_progress=False,
        ),
    )


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def corpus(rng):
    for _ in range(400):
        words = [rng.choice(WORDS) for _ in range(rng.randint(1, 12))]
        yield rng.choice([" ", " ", "  ", "\n", "\u00a0"]).join(words)


def trained(seed, kind):
    rng = random.Random(seed)
    empty, trainer = model(rng, kind)
    tokenizer = Tokenizer(empty)
    if (chosen := normalizer(rng)) is not None:
        tokenizer.normalizer = chosen
    tokenizer.pre_tokenizer = pre_tokenizer(rng)
    tokenizer.train_from_iterator(list(corpus(rng)), trainer)
    if (chosen := decoder(rng)) is not None:
        tokenizer.decoder = chosen
    for content in rng.sample(["cat", "<image>", " the", "[MASK]", "½", "is"], 3):
        settings = {name: rng.random() < 0.4 for name in ("single_word", "lstrip", "rstrip", "normalized")}
        tokenizer.add_tokens([AddedToken(content, special=rng.random() < 0.5, **settings)])
    if rng.random() < 0.5:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    if rng.random() < 0.2:
        tokenizer.enable_truncation(4)
    definition = json.loads(tokenizer.to_str())
    if kind == "unigram":
        definition["model"]["byte_fallback"] = rng.random() < 0.7
    return definition


def train(folder, count, seed):
    kinds = ["bpe", "bpe", "bpe", "unigram", "wordpiece", "wordlevel"]
    made = attempt = 0
    while made < count:
        attempt += 1
        try:
            definition = trained(f"{seed} {attempt}", kinds[made % len(kinds)])
            Tokenizer.from_str(json.dumps(definition))
        except BaseException as fault:  # What the library cannot train or panics on is no test of its files.
            print(f"passed over: {str(fault)[:100]}", file=sys.stderr)
            continue
        place = Path(folder) / f"{made:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "tokenizer.json").write_text(json.dumps(definition))
        made += 1


def encode(path):
    question = json.loads(Path(path).read_text())
    tokenizer = Tokenizer.from_file(question["tokenizer"])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids, decoded = [], []
    for text in question["texts"]:
        try:
            ids.append(tokenizer.encode(text, add_special_tokens=False).ids)
        except Exception:
            ids.append(None)
            decoded.append(None)
            continue
        try:
            decoded.append(tokenizer.decode(ids[-1], skip_special_tokens=False))
        except BaseException:
            decoded.append(None)
    json.dump({"ids": ids, "decoded": decoded}, sys.stdout)


if sys.argv[1] == "train":
    train(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    encode(sys.argv[2])
