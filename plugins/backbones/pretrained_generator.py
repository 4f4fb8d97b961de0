"""Text models that write: any causal or sequence-to-sequence one that transformers can read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from medplug.core.backbone import Inputs
from medplug.core.errors import BackboneError
from medplug.core.features import Features
from medplug.core.generation.generator import Frame, Generator, Written
from medplug.core.generation.prompt import Prompt
from medplug.core.pretrained import Library, find_weights
from medplug.core.registry import Source
from medplug.core.training.quiet import quiet
from medplug.plugins.backbones.generator_folder import described, load_writer, made
from medplug.plugins.backbones.generator_options import GeneratorOptions
from medplug.plugins.backbones.tied import save_tied_once

WRITERS = Library(
    wanted="give the folder that holds config.json and *.safetensors",
    writer="save_pretrained()",
    convert="AutoModelForCausalLM (or AutoModelForSeq2SeqLM).from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
)


class PretrainedGenerator(Generator):
    """A transformers model that writes; its prompts are padded on the left where it is causal.

    A row's prompt and answer then end at the same place in every row, so that the vocabulary's
    logits are computed where answers stand and nowhere else.
    """

    def __init__(self, model: Any, assets: Mapping[str, Any], origin: Mapping[str, str]) -> None:
        super().__init__()
        from tokenizers import Tokenizer
        from transformers import GenerationConfig

        self.model = model
        self.width = int(model.config.get_text_config(decoder=True).hidden_size)
        self._assets, self._origin = dict(assets), dict(origin)
        self.window, self.frame = assets["window"], Frame(tuple(assets["before"]), tuple(assets["after"]))
        self._seq2seq = bool(getattr(model.config, "is_encoder_decoder", False))
        self.shares_window = not self._seq2seq
        self.cue = "" if assets["chat"] else "\nAnswer:"
        self._tokenizer = Tokenizer.from_str(json.dumps(assets["tokenizer"]))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._takes = set(signature(type(model).forward).parameters)
        # nothing of the folder's own settings (a temperature, beams): the likeliest token each time
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            num_beams=1,
            pad_token_id=assets["pad"],
            eos_token_id=assets["ends"],
            decoder_start_token_id=assets["start"],
            forced_bos_token_id=assets["forced_start"],
        )
        save_tied_once(self)

    @classmethod
    def create(cls, options: GeneratorOptions, source: Source | None) -> Self:
        """Load the weights of `source`; `BackboneError` if they cannot be had, do not fit, or write nothing."""
        if source is None:
            raise BackboneError("a backbone that writes needs weights: backbone=./FOLDER")
        with quiet():
            folder, origin = find_weights(source, WRITERS)
            model = load_writer(folder)
            return cls(model, described(folder, model, options), origin)

    @classmethod
    def restore(cls, assets: Mapping[str, Any]) -> Self:
        """Build the architecture that `assets` describe, with random weights."""
        with quiet():
            return cls(made(assets["config"]), assets, {})

    def assets(self) -> dict[str, Any]:
        """Architecture, tokenizer, options and what stands around prompts."""
        return self._assets

    def provenance(self) -> dict[str, str]:
        """Where the weights came from."""
        return self._origin

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise (in parallel), without the frame."""
        return [list(one.ids) for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def answers(self, texts: Sequence[str], most: int) -> list[tuple[list[int], bool]]:
        """The tokens to learn, with what ends an answer."""
        space = " " if self._assets["spaced"] else ""
        found = self.tokens([f"{space}{text.strip()}" for text in texts])
        whole = [[*self._assets["answer_before"], *ids, *self._assets["answer_after"]] for ids in found]
        return [(ids[:most], len(ids) > most) for ids in whole]

    def prepare(self, values: Sequence[str]) -> list[Prompt]:
        """Plain texts as prompts, cut to the window; a task's questions come as prompts already."""
        room = self.window - len(self.frame.before) - len(self.frame.after)
        return [
            Prompt((*self.frame.before, *ids[:room], *self.frame.after), cut=len(ids) > room)
            for ids in self.tokens(values)
        ]

    def size(self, item: Prompt) -> int:
        """Tokens read and tokens learned."""
        return len(item.ids) + len(item.answer)

    def collate(self, items: Sequence[Prompt]) -> Inputs:
        """`ids` and `mask` ``[batch, length]``, `answers` ``[batch, most]``, `counts` ``[batch]`` of their tokens.

        Of a causal model the ids are prompt and answer, both they and the answers padded on the left;
        else prompts and answers stand apart and are padded on the right.
        """
        pad = self._assets["pad"]
        rows = [item.ids if self._seq2seq else (*item.ids, *item.answer) for item in items]
        ids, mask = _padded(rows, pad, left=not self._seq2seq)
        answers, _ = _padded([item.answer for item in items], pad, left=not self._seq2seq)
        return {
            "ids": ids,
            "mask": mask,
            "answers": answers,
            "counts": torch.tensor([len(item.answer) for item in items]),
        }

    def forward(self, inputs: Inputs) -> Features:
        """The last hidden states of what is read (of a causal model the answer among it), and their mean."""
        mask = inputs["mask"]
        if self._seq2seq:
            tokens = self.model.get_encoder()(input_ids=inputs["ids"], attention_mask=mask.long()).last_hidden_state
        else:
            found = self.model(**self._read(inputs), output_hidden_states=True, use_cache=False)
            tokens = found.hidden_states[-1]
        weight = mask.unsqueeze(-1).to(tokens.dtype)
        return Features((tokens * weight).sum(1) / weight.sum(1), tokens, mask)

    def likelihood(self, inputs: Inputs) -> Tensor:
        """The mean negative log-likelihood of each row's answer ``[batch]``, its end among it."""
        answers, counts = inputs["answers"], inputs["counts"]
        most = answers.shape[1]
        places = torch.arange(most, device=answers.device)
        if self._seq2seq:
            logits = self.model(**self._read(inputs), decoder_input_ids=self._shifted(answers), use_cache=False).logits
            real = places < counts[:, None]
        else:
            few = {"logits_to_keep": most + 1} if "logits_to_keep" in self._takes else {}
            logits = self.model(**self._read(inputs), **few, use_cache=False).logits[:, -most - 1 : -1]
            real = places >= most - counts[:, None]
        with torch.autocast(logits.device.type, enabled=False):
            losses = functional.cross_entropy(logits.float().transpose(1, 2), answers, reduction="none")
            return (losses * real).sum(1) / counts

    def _read(self, inputs: Inputs) -> dict[str, Tensor]:
        """What the model is given to read; positions are counted from a row's first real token."""
        mask = inputs["mask"].long()
        found = {"input_ids": inputs["ids"], "attention_mask": mask}
        if not self._seq2seq and "position_ids" in self._takes:
            found["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
        return found

    def _shifted(self, answers: Tensor) -> Tensor:
        """What a decoder has seen before each token of an answer."""
        start = answers.new_full((len(answers), 1), self._assets["start"])
        return torch.cat([start, answers[:, :-1]], 1)

    def write(self, inputs: Inputs, most: int) -> list[Written]:
        """Greedy answers with a cache; a row that has ended is padded, and its score stays."""
        from transformers import LogitsProcessorList

        likeliest = _Likeliest()
        mask = inputs["mask"].long()
        with quiet():
            found = self.model.generate(
                input_ids=inputs["ids"],
                attention_mask=mask,
                max_new_tokens=most,
                logits_processor=LogitsProcessorList([likeliest]),
            )
        made = found[:, 1:] if self._seq2seq else found[:, mask.shape[1] :]
        scores = torch.stack(likeliest.steps, 1).double().cpu()
        return [self._written(ids, each) for ids, each in zip(made.tolist(), scores, strict=True)]

    def _written(self, ids: Sequence[int], scores: Tensor) -> Written:
        ends = set(self._assets["ends"])
        last = next((place for place, token in enumerate(ids) if token in ends), len(ids) - 1)
        text = self._tokenizer.decode([token for token in ids[: last + 1] if token not in ends])
        return Written(text.partition("\nQuestion:")[0].strip(), float(scores[: last + 1].mean()))


class _Likeliest:
    """Keeps the log-probability of each step's likeliest token, which is the one that is written."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.steps.append(scores.float().log_softmax(1).amax(1))
        return scores


def _padded(rows: Sequence[Sequence[int]], pad: int, *, left: bool) -> tuple[Tensor, Tensor]:
    """Rows of tokens as one tensor, and which of it is real."""
    most = max(map(len, rows))
    ids = torch.full((len(rows), most), pad, dtype=torch.long)
    mask = torch.zeros(len(rows), most, dtype=torch.bool)
    for place, row in enumerate(rows):
        own = slice(most - len(row), most) if left else slice(len(row))
        ids[place, own] = torch.tensor(row, dtype=torch.long)
        mask[place, own] = True
    return ids, mask
