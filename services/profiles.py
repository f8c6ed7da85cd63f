"""What a run does: a `Profile` is a TOML file of `deploy/profiles`, or one of the user's own.

It is stored whole with the run that used it, so that every label can be explained.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.config import REPOSITORY
from services.frozen import Frozen, Positive, Share, load_toml

PROFILES = REPOSITORY / "deploy" / "profiles"


class Annotation(StrEnum):
    """How a node's Q-value starts (rStar-Math section 3.3)."""

    TERMINAL_GUIDED = "terminal_guided"  # q(s)^0 = 0
    PPM_AUGMENTED = "ppm_augmented"  # q(s)^0 = PPM(prefix)


class Actions(StrEnum):
    """What a step of a search may be (`services.search.actions`)."""

    CODE_STEP = "code_step"  # rStar-Math's code-augmented step
    RSTAR = "rstar"  # rStar's five actions, in words
    RSTAR_REMAINING = "rstar_remaining"  # A2 alone: a solution in words at one go


class StartFrom(StrEnum):
    """Which policy a round's training starts from."""

    BASE = "base"  # the paper: every round retrains the base model
    PREVIOUS = "previous"  # a small round cannot teach a base model the format again


class Pool(StrEnum):
    """Which verified trajectories a round trains on."""

    THIS_ROUND = "this_round"
    EARLIER_ROUNDS = "earlier_rounds"
    BOOTSTRAP = "bootstrap"
    CONSISTENT = "consistent"  # mutually consistent ones of problems without a ground truth


class Sampling(Frozen):
    """How the policy samples a step."""

    temperature: Annotated[float, Field(ge=0)] = 0.8
    top_p: Share = 1.0
    max_step_tokens: Positive = 512


class Tier(Frozen):
    """How much a search of one problem may try."""

    rollouts: Positive
    candidates: Positive


class Deviations(Frozen):
    """Where the authors' released code differs from the paper. All are off: the paper is followed.

    Two more are `SearchProfile.ppm_scale` and `PpmProfile.head`.
    """

    unvisited_without_bonus: bool = False
    """A child without visits scores its Q alone, so a good child is visited again before every
    child was tried once."""
    answer_discards_siblings: bool = False
    """Any candidate that ends an answer becomes the only child."""
    error_in_output_fails: bool = False
    """A step that ran and printed "error" in any case counts as failed."""


class EarlyStopping(Frozen):
    """When a solved tree gets no more rollouts (`services.search.stopping`)."""

    min_rollouts: Positive = 4
    correct: Positive | None = None
    """With `wrong`: stop at so many different correct and wrong trajectories."""
    wrong: Positive | None = None
    q_tolerance: Annotated[float, Field(gt=0, le=1)] | None = None
    """Stop when the standard deviation of the root's Q is at most this."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.correct is None) != (self.wrong is None):
            raise ValueError("correct and wrong go together: pairs need both")
        if self.correct is None and self.q_tolerance is None:
            raise ValueError("give correct and wrong, or q_tolerance")
        return self


class Budget(Frozen):
    """What a round's search may cost; it plans no more searches when either is spent."""

    tokens: Positive | None = None
    """Generated tokens."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall time of the search stage."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.tokens is None and self.hours is None:
            raise ValueError("give tokens or hours")
        return self


class SearchProfile(Frozen):
    """One round's search (rStar-Math section 3.3 and appendix A.1)."""

    rollouts: Positive
    candidates: Positive
    escalation: tuple[Tier, ...] = ()
    """What a problem gets that is still unsolved, one tier after the other, each a new search with
    a seed of its own (rStar-Math section 3.4, round 4)."""
    max_depth: Positive = 16
    exploration: Annotated[float, Field(ge=0)] = 2.0
    """c in UCT(s) = Q(s) + c sqrt(ln N(parent) / N(s))."""
    annotation: Annotation = Annotation.TERMINAL_GUIDED
    actions: Actions = Actions.CODE_STEP
    deviations: Deviations = Deviations()
    early_stopping: EarlyStopping | None = None
    budget: Budget | None = None
    """Where there is one, searches are planned where they are likeliest to yield."""
    parallel_rollouts: Positive = 1
    """Rollouts at a time in one tree, apart by virtual loss. More than 1 is for test time: it makes
    a tree depend on the timing of its engines."""
    ppm_scale: Annotated[float, Field(gt=0)] = 1.0
    """Priors are tanh(r / scale) of the PPM's head; the released code takes 5."""
    sampling: Sampling = Sampling()
    trees_in_flight: Positive = 256
    """At most so many trees are open in one worker, whatever the tokens."""
    tokens_in_flight: Positive = 262_144
    """So many tokens, prompts and the longest possible steps, are asked of the policy at a time by
    one worker. It opens trees until these are used up."""
    checkpoint_rollouts: Positive = 4
    """A search stores its progress after so many rollouts."""

    @model_validator(mode="after")
    def _words_have_no_ppm(self) -> Self:
        if self.actions is not Actions.CODE_STEP and self.annotation is Annotation.PPM_AUGMENTED:
            raise ValueError(
                "a PPM scores prefixes of code-augmented solutions; rStar's actions are searched "
                "with annotation = 'terminal_guided'"
            )
        return self

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Tier 0, which every problem gets, and those of the escalation."""
        return (Tier(rollouts=self.rollouts, candidates=self.candidates), *self.escalation)

    def at_tier(self, tier: int) -> SearchProfile:
        """The profile as it applies to a search of this tier."""
        return self.model_copy(update=dict(self.tiers[tier]))


class SftProfile(Frozen):
    """Supervised fine-tuning of a policy on verified trajectories."""

    start_from: StartFrom = StartFrom.BASE
    pool: tuple[Pool, ...] = (Pool.THIS_ROUND,)
    trajectories_per_problem: Positive = 2
    max_examples: Positive | None = None
    epochs: Positive = 2
    learning_rate: Annotated[float, Field(gt=0)] = 7e-6
    batch_size: Positive = 128
    max_length: Positive = 4096
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Embeddings and this many lower layers keep their weights; a small machine trains faster."""


class PpmHead(StrEnum):
    """What of the PPM's output the pairwise loss compares."""

    TANH = "tanh"  # the paper: r in [-1, 1]
    RAW = "raw"  # the released code: the logit itself


class PpmProfile(Frozen):
    """Training of the process preference model on preference pairs."""

    head: PpmHead = PpmHead.TANH
    """A PPM trained on raw logits is to be read with a `ppm_scale` that suits them."""
    epochs: Positive = 1
    learning_rate: Annotated[float, Field(gt=0)] = 7e-6
    batch_size: Positive = 512
    """Steps (groups of pairs with one prefix) an optimiser step."""
    max_length: Positive = 2048
    max_pairs: Positive | None = None
    held_out_share: Share = 0.1
    """Share of the problems whose pairs measure the pair accuracy and are not trained on."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0


class Discriminator(StrEnum):
    """Who completes prefixes of trajectories, unless STEPFORGE_DISCRIMINATOR_URL names a server."""

    SAME = "same"  # the policy that searched, with other seeds
    PREVIOUS = "previous"  # the newest policy before it; the same where there is none


class ConsistencyProfile(Frozen):
    """Labels for problems without a ground truth (rStar section 3.3)."""

    discriminator: Discriminator = Discriminator.SAME
    checks: Positive = 1
    """Prefixes completed a trajectory; it is kept if every completion agrees."""
    temperature: Annotated[float, Field(ge=0)] = 0.8
    checks_in_flight: Positive = 64


class RoundProfile(Frozen):
    """One evolution round: search, curate, train, evaluate."""

    search: SearchProfile
    sft: SftProfile = SftProfile()
    ppm: PpmProfile = PpmProfile()
    consistency: ConsistencyProfile = ConsistencyProfile()


class BootstrapProfile(Frozen):
    """How the first policy comes to be."""

    max_examples: Positive = 400
    sft: SftProfile = SftProfile()


class EvaluationProfile(Frozen):
    """Greedy pass@1 on the held-out problems."""

    max_problems: Positive = 500
    max_step_tokens: Positive = 512
    max_depth: Positive = 16


class Profile(Frozen):
    """All that a run does, from the problems to the last evaluation."""

    name: str
    description: str
    source: str
    """Problem source of `stepforge problems import`."""
    source_problems: Positive
    """How many problems are taken from the source."""
    held_out: Positive
    """How many of them are never searched or trained on."""
    problems_per_round: Positive
    seed: int = 0
    bootstrap: BootstrapProfile = BootstrapProfile()
    evaluation: EvaluationProfile = EvaluationProfile()
    rounds: tuple[RoundProfile, ...] = Field(min_length=1)


def load_profile(name: str) -> Profile:
    """Read a profile by its name or path.

    Raises:
        ConfigurationError: there is none, or it is wrong; says where.
    """
    return load_toml(Profile, name, folder=PROFILES, what="profile")
