"""The search for a guilty optimisation pass in words."""

from __future__ import annotations

from .finding import Finding
from .passes import MOST_DELETIONS, PassSearch

NO_ATTRIBUTE = "ConvertPirAttribute2RuntimeAttribute"
"""What oneDNN's placement pass raises where an operator has an attribute that it does not know, such as the scale of a resize."""


def finding_of(searched: PassSearch) -> Finding:
    """The cause that a search found, or what it excluded."""
    made = {
        "found": _found,
        "kernels": _kernels,
        "agrees": _agrees,
        "unheard": _unheard,
        "fixed": _fixed,
        "unclear": _unclear,
    }.get(searched.outcome, _out_of_time)(searched)
    made = made.with_facts(*_facts(searched))
    remedy = _remedy(searched)
    return Finding(made.stage, made.cause, made.kind, made.name, made.facts, remedy or made.remedy, made.certain)


def _found(searched: PassSearch) -> Finding:
    name, before, upto, without = searched.name, searched.before, searched.upto, searched.without
    assert upto is not None
    certain = len(searched.suspects) == 1 or (without is not None and without.agrees)
    if upto.died and before is not None and before.died and searched.verified is None:
        # whichever pass comes first meets what it dies of, such as a device that is not there
        return Finding("load", f"no single optimisation pass is guilty: without {name} the variant {before.died}.", certain=False)
    if upto.died:
        cause = f"the optimisation pass {name} {upto.died}."
    elif without is not None and without.agrees:
        cause = (
            f"the optimisation pass {name} changes the answers: without it they agree to {without.error:.2g}, "
            f"with it they differ by {upto.error:.2g}."
        )
    else:
        assert before is not None
        cause = (
            f"the optimisation pass {name} is the first that changes the answers: with the passes before it they agree to "
            f"{before.error:.2g}, with it they differ by {upto.error:.2g}."
        )
    return Finding("optimise", cause, "pass", name, certain=certain)


def _kernels(searched: PassSearch) -> Finding:
    none = searched.none
    assert none is not None
    count = "the one" if searched.passes == 1 else f"all {searched.passes}"
    which = "that can be deleted " if searched.stuck else ""
    cause = f"no optimisation pass {which}is guilty: with {count} deleted "
    if none.died:
        cause += f"the variant still {none.died}."
    else:
        cause += f"the answers still differ by {none.error:.2g}{'' if searched.stuck else ', so its kernels do it'}."
    return Finding("run", cause, certain=not searched.stuck)


def _agrees(searched: PassSearch) -> Finding:
    assert searched.full is not None
    cause = f"the variant agreed to {searched.full.error:.2g} when it was loaded and run again: it does not fail every time."
    return Finding("run", cause, certain=False)


def _unheard(searched: PassSearch) -> Finding:
    assert searched.full is not None
    what = searched.full.died and f"which {searched.full.died}, "
    return Finding(
        "optimise", f"Paddle named no optimisation pass of the variant, {what}so none can be found guilty.", certain=False
    )


def _fixed(searched: PassSearch) -> Finding:
    cause = "no optimisation pass of the variant can be deleted, so none can be found guilty."
    beside = "with Paddle 2.6 leave enable_new_executor() out: beside disable_mkldnn() it throws deletions away."
    remedy = beside if searched.stuck else ""
    return Finding("optimise", cause, remedy=remedy, certain=False)


def _unclear(searched: PassSearch) -> Finding:
    ends = searched.none.died if searched.none is not None else ""
    cause = f"which optimisation pass is guilty cannot be told: with all of them deleted the variant {ends}."
    return Finding("optimise", cause, certain=False)


def _out_of_time(searched: PassSearch) -> Finding:
    cause = "the search for the guilty optimisation pass ran out of time"
    if not searched.excluded and not searched.suspects:
        return Finding("optimise", f"{cause} before any was excluded.", certain=False)
    first, last = searched.suspects[0], searched.suspects[-1]
    if searched.excluded:
        cause += f": the {_passes(len(searched.excluded))} before {first} are excluded"
    cause += (
        f"; it is one of {len(searched.suspects)}, from {first} to {last}."
        if searched.excluded
        else f": it is one of {len(searched.suspects)}."
    )
    return Finding("optimise", cause, certain=False)


def _facts(searched: PassSearch) -> list[tuple[str, str]]:
    told = [
        ("all passes", searched.full),
        ("no pass", searched.none),
        ("all before it", searched.before),
        ("it alone", searched.alone),
        ("all but it", searched.without),
    ]
    facts = [(label, str(outcome)) for label, outcome in told if outcome is not None]
    if searched.outcome == "found" and len(searched.suspects) > 1:
        facts.append(("guilty", f"one of {', '.join(searched.suspects)}: a part of them alone does not run"))
    if searched.name and searched.without is not None and not searched.without.agrees:
        facts.append(("further passes", "guilty too, or dependent on it: without it alone the answers do not agree"))
    if searched.upto is not None and NO_ATTRIBUTE in searched.upto.died:
        facts.append(
            ("known", "Paddle 3.3.1's oneDNN refuses F.interpolate, and operators with a list of numbers, in a .json graph")
        )
    if searched.stuck:
        facts.append(("not deletable", ", ".join(searched.stuck[:MOST_DELETIONS])))
    late = ", then time ran out" if searched.timed_out else ""
    facts.append(("trials", f"{searched.trials} over {_passes(searched.passes)}{late}"))
    return facts


def _remedy(searched: PassSearch) -> str:
    if not searched.workaround or searched.verified is None:
        return ""
    lines = searched.workaround
    told = (
        "; ".join(lines)
        if len(lines) <= MOST_DELETIONS
        else f"{'; '.join(lines[:2])} and so on for the {len(lines)} passes from there on"
    )
    tried = f"tried: it agrees to {searched.verified.error:.2g}"
    return f"configure the variant with {told} ({tried}); the program that deploys the model needs the same call."


def _passes(count: int) -> str:
    return "1 pass" if count == 1 else f"{count} passes"
