"""What other rooms tell in English (counts, notes, reasons, a task's own words), said again in the report's language.

They write it into a run's record, which has one language, before any report is made.
"""

from __future__ import annotations

import re
from functools import cache

from medplug.core.report.language import Later, later, said, spoken

_NAMED = ("column", "name", "slot")
"""Parts of a sentence that are names, which stay as they are."""
_KNOWN: tuple[Later, ...] = (
    # a task's own words
    later("patient"),
    later("patients"),
    later("group"),
    later("groups"),
    later("series"),
    later("your patients"),
    later("your questions"),
    later("your drugs and targets"),
    later("texts after Unicode normalisation, letter case and white space are made equal; other inputs byte by byte"),
    later("rows are the unit of splits and intervals, and the same patient may be on both sides"),
    later("the same question asked of the same text (and with the same options), letter by letter"),
    later("intervals take each question for itself, though several may be asked of one text"),
    later("the same drug, as standardised, on the same sequence"),
    later(
        "intervals take each pair for itself, though pairs share drugs and proteins. How well the model does "
        "on new drugs or proteins only a split tells that keeps them apart (data.split=cold_drug, "
        "cold_target, cold_pair, scaffold or cluster)"
    ),
    later("generated"),
    later("generated molecules and sequences with an invented affinity"),
    later("real values of 569 patients beside a generated signal"),
    later("generated questions and answers"),
    later("drug"),
    later("protein"),
    later("target"),
    # what inputs are called
    later("text"),
    later("image"),
    later("signal"),
    later("table"),
    later("set of inputs"),
    later("question"),
    later("pair"),
    later("nearly the same set of inputs"),
    later("same {what}"),
    later("table in memory"),
    later("texts that have {share} % of their runs of {n} characters in common, or a chain of such texts"),
    later(
        "images whose small copies agree in all but {few} of {n} signs of their lowest frequencies, as resized and "
        "re-encoded ones do, or a chain of such images"
    ),
    # how rows were split
    later("{by}; the domains are made of the rows themselves"),
    later("the column {column}; validation rows, which it does not name, are cut off its training rows by {rule}"),
    later("tables of their own"),
    later("{unit}, stratified by {what}, seed {seed}"),
    later("{unit}, seed {seed}"),
    later("row"),
    later("the column {column} (test {test}, validation {validation})"),
    later("the column {column} (test {test})"),
    later("the column {column}"),
    later("label"),
    later("label and domain"),
    later("the label's quantile"),
    later("event and the quantile of its time"),
    later("treatment and outcome"),
    # what was counted
    later("duplicate rows dropped"),
    later("rows whose {what} carries several labels"),
    later("rows left out by the column {column}"),
    later("{split} labels of {name} that training lacks, taken as missing"),
    later("rows of neither the source nor the target sites left out"),
    later("rows of the source and target sites held out and not used"),
    later("rows left out because their {units} fall in different splits"),
    later("rows longer than the window of {n} tokens"),
    later("rows longer than the window of {n} characters"),
    later("rows cut after {n} window"),
    later("rows cut after {n} windows"),
    later("rows with a character that training lacks"),
    later("rows without a known {kmer}"),
    later("rows with missing values"),
    later("rows with a category that training lacks"),
    later("rows with a number beyond {n} standard deviations, read as {limit}"),
    later("rows of several slices"),
    later("rows thinned to {n} slices"),
    later("rows that are one flat colour"),
    later("signals longer than {n} samples, cropped to their middle"),
    later("signals resampled to {rate}"),
    later("signals of unknown rate, read as if at {rate}"),
    later("signals with a flat channel"),
    later("{n} a second"),
    later("rows whose passages were cut to the {n} tokens that the model reads"),
    later("rows that were given no passage"),
    later("answers that are longer than the {n} tokens that are learned and written"),
    later("rows whose right answer stands word for word in a passage that was given"),
    later("rows whose context is read in several windows"),
    later("rows whose question was cut"),
    later("rows without {slot}"),
    # why rows were set aside
    later("the text is empty"),
    later("the {what} is empty"),
    later("empty"),
    later("the training split lacks this label"),
    # how the model was made
    later("best epoch"),
    later("best epoch of each member"),
    later("validation {metric} of each member"),
    later("epochs"),
    later("members"),
    later("strength"),
    later("baseline"),
    later("tried"),
    later("trees"),
    later("kind"),
    later("training"),
    later("distinct inputs encoded"),
    later("distinct {what} encoded"),
    later("source rows"),
    later("source rows that count, by their weights"),
    later("validation before training"),
    later("validation after adapting"),
    later("validation rows that epochs were chosen by"),
    later("distinct questions and passages"),
    later("log odds above which an answer is given"),
    later("target rows drawn beside the labelled ones in a batch"),
    later("passes over them in an epoch"),
    later("most rows of one input that a batch takes together"),
    later("rounds that count"),
    later("class weights"),
    later("learning rate"),
    later("read"),
    later("what the network is given"),
    later("the columns of values"),
    later(
        "reduced Morgan fingerprints and descriptors of the molecules and reduced {k}-mer compositions of the proteins"
    ),
    later("pairs of several labels, averaged"),
    later("question with its options, or context"),
    # where it was made, and where a key came from
    later("made"),
    later("seed"),
    later("precision"),
    later("device"),
    later("processes"),
    later("threads"),
    later("machine"),
    later("system"),
    later("reading"),
    later("preparing"),
    later("encoding"),
    later("writing"),
    later("fitting the head"),
    later("fitting a head without transfer"),
    later("loading the backbone"),
    later("building the backbone with random weights"),
    later("baseline and intervals"),
    later("reading the first passages again"),
    later("judging each choice of modalities"),
    later("{stage} (member {n} of {members})"),
    later("predicting {split}"),
    later("preparing {slot}"),
    later("encoding {slot}"),
    later("command line"),
    later("argument"),
    later("default"),
    later("registry"),
    later("recipe {name}"),
    # splits, domains and answers
    later("train"),
    later("validation"),
    later("test"),
    later("unlabelled"),
    later("corpus"),
    later("source"),
    later("with an answer"),
    later("without an answer"),
    # treatments and pairs
    later(
        "Decision support from observational data: what is predicted under an arm that a patient was not "
        "given was never seen, and these numbers show no cause and effect unless the assumptions hold. No "
        "rule may follow from them alone."
    ),
    later(
        "No unmeasured confounding: all that moved both the choice of treatment and the outcome is among the "
        "inputs, and was known before the choice."
    ),
    later("Overlap: every kind of patient could have been given each of the arms."),
    later(
        "Consistency: an arm is one well-defined treatment, and what one patient is given changes nothing for another."
    ),
    later(
        "drugs that differ in stereochemistry, isotopes, protons or mobile hydrogens alone, or that a chain "
        "of pairs with {tanimoto} % of their Morgan neighbourhoods in common (Tanimoto) links, on proteins "
        "of about 90 % identical residues ({words} % of the words of five in common)"
    ),
    # anything of the above with the name of an input, or of a rule
    later("{what} ({name})"),
)


def retold(text: str) -> str:
    """`text` in the report's language where it is known, else as it is."""
    if spoken() == "en":
        return text
    for sentence, pattern in _patterns():
        if (found := pattern.fullmatch(text)) is not None:
            parts = found.groupdict().items()
            return said(sentence, **{part: each if part in _NAMED else retold(each) for part, each in parts})
    return text


@cache
def _patterns() -> tuple[tuple[Later, re.Pattern[str]], ...]:
    return tuple((each, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(each)))) for each in _KNOWN)
