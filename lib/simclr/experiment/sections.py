"""The parameters of each section of params/*.yaml, with the values that they may have."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from simclr.fetch import DATASETS
from simclr.networks import NETWORKS


def _increasing(values: list[int]) -> list[int]:
    if values != sorted(set(values)):
        raise ValueError("must increase, without repeats")
    return values


Increasing = AfterValidator(_increasing)
Count = Annotated[int, Field(ge=1, le=10_000)]
Steps = Annotated[int, Field(ge=1, le=100_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Seeds = Annotated[list[Seed], Field(min_length=1), Increasing]


class Section(BaseModel):
    """Values of one section. Types are strict: no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Common(Section):
    """What all stages share."""

    dataset: Literal[*DATASETS]
    data_dir: str
    balanced: bool
    draws: Annotated[list[Annotated[int, Field(ge=0, le=9999)]], Field(min_length=1), Increasing]
    n_labels: Annotated[list[Annotated[int, Field(ge=2, le=40_000)]], Field(min_length=1), Increasing]
    test_images: Annotated[int, Field(ge=100, le=10_000)]
    curve_test_images: Annotated[int, Field(ge=100, le=10_000)]
    probe_l2: Annotated[float, Field(gt=0, le=1000)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]

    @model_validator(mode="after")
    def _lists(self) -> Self:
        few, many = self.curve_test_images, self.test_images
        if few > many:
            raise ValueError(f"curve_test_images: {few} with test_images: {many}; use as many or fewer")
        n = next((n for n in self.n_labels if n % 10), 0)
        if self.balanced and n:
            raise ValueError(f"n_labels: {n} with balanced draws; use multiples of 10, or balanced: false")
        return self


class Augmentation(Section):
    """The views of training images, see `augment.Views`."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    crop_scale: Annotated[float, Field(gt=0, le=1)]
    crop_aspect: Annotated[float, Field(ge=1, le=4)]
    shear: Annotated[float, Field(ge=0, le=2)]
    flip: bool


class AllViews(Augmentation):
    """Views that may also change what an image looks like, see `augment.Views`."""

    blur: Annotated[float, Field(ge=0, le=2)]
    blur_least: Annotated[float, Field(gt=0, le=2)]
    brightness: Share
    erase: Share

    @model_validator(mode="after")
    def _blur(self) -> Self:
        if 0 < self.blur < self.blur_least:
            raise ValueError(
                f"blur: {self.blur} is below blur_least: {self.blur_least}; use as much or more, "
                "or 0 for none"
            )
        return self


class BetterViews(AllViews):
    """The views of pre-training, its seeds, and what batches it has."""

    seeds: Seeds
    epochs: Count
    batch_size: Annotated[int, Field(ge=2, le=16_384)]


class Learning(Section):
    """What all that trains a classifier shares."""

    seed: Seed
    steps: Steps
    batch_size: Annotated[int, Field(ge=2, le=1000)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    dropout_conv: Share
    dropout_dense: Share


class Training(Augmentation, Learning):
    """A classifier that is trained on views."""


class Baseline(Training):
    augmented_steps: Steps
    learning_rate: Rate


class Schedule(Section):
    """How long an encoder is trained."""

    epochs: Count
    warmup_epochs: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _warmup(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs: {self.warmup_epochs} with epochs: {self.epochs}; use less")
        return self


class Neighbours(Schedule):
    nearest: Annotated[int, Field(ge=0, le=1000)]


class Pretrain(Neighbours, BetterViews):
    network: Literal[*NETWORKS]
    unlabelled_images: Annotated[int, Field(ge=4, le=49_900)]
    validation_images: Annotated[int, Field(ge=4, le=10_000)]
    temperature: Annotated[float, Field(ge=0.001, le=100)]
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    projection_hidden: Count
    projection_size: Count

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        most = min(self.unlabelled_images, self.validation_images)
        if self.batch_size > most:
            raise ValueError(f"batch_size: {self.batch_size} with only {most} images; use {most} or less")
        return self


class Probe(Section):
    map_images: Annotated[int, Field(ge=100, le=10_000)]


class Gentle(Section):
    """How far fine-tuning moves an encoder."""

    encoder_learning_rate: Annotated[float, Field(ge=0, le=1)]


class Finetune(Training, Gentle):
    head_learning_rate: Rate
    update_norm: bool


class Spreading(Section):
    """How labels spread."""

    exponent: Annotated[float, Field(ge=0, le=1000)]
    alpha: Share
    surest: Annotated[float, Field(gt=0, le=1)]


class Teaching(Spreading):
    """How labels spread, and whom they teach."""

    taught_images: Annotated[int, Field(ge=10, le=50_000)]
    taught_l2: Annotated[float, Field(gt=0, le=1000)]


class Both(Section):
    """How much a probe says beside the graph, see `spread.both`."""

    probe_weight: Annotated[float, Field(ge=0, le=1)]


class Spread(Augmentation, Teaching):
    feature_views: Annotated[int, Field(ge=1, le=100)]
    neighbours: Annotated[int, Field(ge=1, le=1000)]


class Deformable(Section):
    """Neighbours by pixels that may move, see `distortion`."""

    candidates: Annotated[int, Field(ge=1, le=1000)]
    reach: Annotated[int, Field(ge=0, le=10)]
    softness: Annotated[float, Field(gt=0, le=1000)]


class Joined(Section):
    """The encoder's neighbours and those, see `link.join`."""

    softness: Annotated[float, Field(gt=0, le=1000)]
    encoder_share: Annotated[float, Field(ge=0, le=1)]


class Selftrain(Training, Teaching):
    learning_rate: Rate
    warmup_steps: Annotated[int, Field(ge=0, le=10_000)]
    label_smoothing: Share
    ema_decay: Share
    choices: Seeds


class FixMatch(Learning):
    """A network that learns from its own sure answers, see `fixmatch`."""

    unlabelled_ratio: Annotated[int, Field(ge=1, le=100)]
    threshold: Share
    learning_rate: Rate
    warmup_steps: Annotated[int, Field(ge=0, le=10_000)]
    ema_decay: Share
    mild_rotation: Annotated[float, Field(ge=0, le=180)]
    mild_crop_scale: Annotated[float, Field(gt=0, le=1)]


class Own(AllViews, Spreading, Both):
    """A folder of one's own images; see `simclr.own`."""

    images: str
    invert: Literal["auto", "yes", "no"]
    seed: Seed
    sample: Annotated[int, Field(ge=500, le=100_000)]
    batch_size: Annotated[int, Field(ge=2, le=16_384)]
    steps: Steps
    nearest: Annotated[int, Field(ge=1, le=100)]
    nearest_steps: Steps
    feature_views: Annotated[int, Field(ge=1, le=100)]
    neighbours: Annotated[int, Field(ge=1, le=100)]
    encoder_share: Annotated[float, Field(ge=0, le=1)]
    student_steps: Steps


class Comparison(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    mistakes: Annotated[int, Field(ge=1, le=100)]
