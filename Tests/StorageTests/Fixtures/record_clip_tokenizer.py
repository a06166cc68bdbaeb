"""Records transformers' tokens of texts, for a small vocabulary in the form of CLIP's.

    python record_clip_tokenizer.py     writes clip/{vocab.json,merges.txt,tokenizer.json,texts.json}

The merges are learned by Hugging Face's tokenizers from a few sentences; the vocabulary is made of them
as OpenAI's is: the signs of all bytes, the same at the end of a word, what each merge makes, and the two
special tokens. `texts.json` holds pairs of a text and its tokens. It needs transformers and tokenizers.
"""

import json
import pathlib

import tokenizers
import transformers
from tokenizers import normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent / "clip"

SENTENCES = [
    "a photo of a seven to the left of a one",
    "two sevens side by side, a bold red seven and a thin blue one",
    "three eights don't stand above the nines; we'll see, they've been there",
    "it's the cat's photo: 1234 pixels!!! naïve café façade, Überraschung",
    "一个七在一个九的上面 一个三在左边 两个七",
] * 3

TEXTS = [
    "a photo of a cat",
    "",
    " ",
    "  Two\tSEVENS\n side   by side ",
    "it's we'll they've don't I'M he'd you're 'sample 'S",
    "1234 x2y ½ Ⅷ ४२",
    "hello!!! -- (what?) !'s ...'t",
    "naïve cafe\u0301 CAFÉ ÅNGSTRÖM Å ΣΊΣΥΦΟΣ İstanbul ẞ ǅ",
    "一个七在一个九的上面",
    "日本語のテキスト、カタカナ",
    "emoji 😀😀 👨‍👩‍👧 🇩🇪 a\u200db",
    "nbsp\u00a0em\u2003ideographic\u3000line\u2028sep\u0085nel",
    "a\u0000b\u001fc \ufeffbom",
    "combining a\u0301\u0327 \u0301alone क्षि ำ",
    "x" * 40,
    "seven" * 8,
    "https://example.org/a_b?c=d&e=f#g @user #tag $5.00 50%",
    "</w> a</w> </w>a",
]


def main():
    model = tokenizers.Tokenizer(
        tokenizers.models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix="")
    )
    model.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(tokenizers.Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * 256 + 150, min_frequency=2, initial_alphabet=alphabet,
        end_of_word_suffix="</w>", show_progress=False,
    )
    model.train_from_iterator(SENTENCES, trainer)
    merges = [tuple(merge) for merge in json.loads(model.to_str())["model"]["merges"]]
    names = alphabet + [sign + "</w>" for sign in alphabet] + ["".join(m) for m in merges]
    names += ["<|startoftext|>", "<|endoftext|>"]
    assert len(names) == len(set(names)) and len(merges) > 100
    vocabulary = {name: i for i, name in enumerate(names)}

    clip = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges)
    HERE.mkdir(exist_ok=True)
    (HERE / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    (HERE / "merges.txt").write_text("#version: 0.2\n" + lines)
    (HERE / "tokenizer.json").write_text(clip.backend_tokenizer.to_str())
    pairs = [[text, clip(text)["input_ids"]] for text in TEXTS]
    (HERE / "texts.json").write_text(json.dumps(pairs))
    print(f"{len(merges)} merges, {len(pairs)} texts, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
