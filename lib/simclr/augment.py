"""Random views of a batch of images: every image draws its own parameters, all on the device.

Rotation, crop-and-resize, shear and flip are composed into one affine map, so an image is resampled
once; the Gaussian blur follows as two one-dimensional convolutions. Colour distortion is left out
because there is no colour. Flips suit clothes; a mirrored digit is no digit.
"""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

# Width of the blur's kernel in pixels; it turns a sigma of 2 into one of 1.3, which blurs a digit enough.
BLUR_TAPS = 5


@dataclass(frozen=True)
class Views:
    """The distribution of views.

    Attributes:
        rotation: largest angle, degrees, either way.
        crop_scale: smallest share of the image's area that a crop keeps, before its longer side is
            cut to the image's; 1 with `crop_aspect` 1 keeps the image whole.
        crop_aspect: largest ratio of a crop's sides, either way; 1 keeps squares.
        shear: largest horizontal shear, either way, as a slope.
        blur: largest sigma of the Gaussian blur, pixels; 0 for no blur.
        blur_least: smallest sigma.
        flip: whether half of the images are mirrored, left to right.
        brightness: largest change b of the grey values, multiplied by 1 - b to 1 + b and then raised to
            the power exp(-b) to exp(b).
        erase: largest side of a square that is painted black, as a share of the image's; 0 for none.
    """

    rotation: float = 0.0
    crop_scale: float = 1.0
    crop_aspect: float = 1.0
    shear: float = 0.0
    blur: float = 0.0
    blur_least: float = 0.1
    flip: bool = False
    brightness: float = 0.0
    erase: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator, share: slice = slice(None)) -> Tensor:
        """Draw one view of each image.

        Args:
            images: (N, 1, S, S) floats; of square images only is a rotation a rotation.
            generator: on the images' device; the only source of randomness.
            share: the images whose views are wanted. Parameters are drawn for all N, so that an image's
                view does not depend on which others are made here.

        Returns:
            (N, 1, S, S), or those of `share`, in the memory format `channels_last`.
        """
        n, images = len(images), images[share]
        grid = F.affine_grid(self.affine(n, generator)[share], list(images.shape), align_corners=False)
        out = F.grid_sample(images, grid, align_corners=False)
        if self.blur:
            sigma = _uniform(n, self.blur_least, self.blur, generator)
            out = gaussian_blur(out, sigma[share])
        if self.brightness:
            b = self.brightness
            factor, power = (_uniform(n, 1 - b, 1 + b, generator), _uniform(n, -b, b, generator).exp())
            out = brightened(out, factor[share], power[share])
        if self.erase:
            squares = self.squares(n, generator)
            out = erased(out, *(each[share] for each in squares))
        return out.contiguous(memory_format=torch.channels_last)

    def squares(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What is erased: half sides and centres x, y, in [-1, 1] across an image; (n,) each.

        The shortest side is 0.1 of the image's, or `erase`. Centres are uniform over the image, so a part of
        a square may lie outside.
        """
        side = _uniform(n, min(0.1, self.erase), self.erase, generator)
        x, y = (_uniform(n, -1, 1, generator) for _ in range(2))
        return side, x, y

    def affine(self, n: int, generator: torch.Generator) -> Tensor:
        """Maps from output to input coordinates, both in [-1, 1]: (n, 2, 3).

        The crop's centre is uniform over the places where the crop lies inside the image. Its area and
        aspect are drawn as torchvision's `RandomResizedCrop` draws them, but a side longer than the image
        is cut to it, where torchvision draws again: crops are a little larger here.
        """
        angle = _uniform(n, -self.rotation, self.rotation, generator) * (math.pi / 180)
        area = _uniform(n, self.crop_scale, 1, generator)
        bound = math.log(self.crop_aspect)
        aspect = _uniform(n, -bound, bound, generator).exp()
        width = (area * aspect).sqrt().clamp(max=1)
        height = (area / aspect).sqrt().clamp(max=1)
        dx = _uniform(n, -1, 1, generator) * (1 - width)
        dy = _uniform(n, -1, 1, generator) * (1 - height)
        slope = _uniform(n, -self.shear, self.shear, generator)
        cos, sin = angle.cos(), angle.sin()
        # rotation (cos, -sin; sin, cos) after shear (1, slope; 0, 1) after the crop's scale and shift
        a, b = cos, cos * slope - sin
        c, d = sin, sin * slope + cos
        rows = [a * width, b * height, a * dx + b * dy, c * width, d * height, c * dx + d * dy]
        theta = torch.stack(rows, dim=1).view(n, 2, 3)
        if self.flip:
            theta[:, 0] *= _uniform(n, -1, 1, generator).sign()[:, None]
        return theta


def views_of(params) -> Views:
    """The views that a section of the parameters describes; a kind that it does not name is off."""
    names = [field.name for field in fields(Views)]
    return Views(**{name: getattr(params, name) for name in names if hasattr(params, name)})


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with its own Gaussian, first along columns, then along rows, on a black ground.

    SimCLR blurs half of the images (Chen et al. 2020, appendix A); here every image is, some of them hardly.

    Args:
        images: (N, 1, H, W), of one channel.
        sigma: (N,), pixels, above 0.
    """
    height, width = images.shape[2:]
    offsets = torch.arange(BLUR_TAPS, device=images.device) - BLUR_TAPS // 2
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None]).square())
    kernel = kernel / kernel.sum(1, keepdim=True)  # (N, taps)
    half = BLUR_TAPS // 2
    padded = F.pad(images, (half, half, half, half)).squeeze(1)
    columns = sum(kernel[:, t, None, None] * padded[:, t : t + height] for t in range(BLUR_TAPS))
    rows = sum(kernel[:, t, None, None] * columns[:, :, t : t + width] for t in range(BLUR_TAPS))
    return rows.unsqueeze(1)


def brightened(images: Tensor, factor: Tensor, power: Tensor) -> Tensor:
    """Multiply the grey values of each image (N, 1, S, S), then raise them to a power; (N,) each."""
    shape = (-1, 1, 1, 1)
    return (images * factor.view(shape)).clamp(0, 1) ** power.view(shape)


def erased(images: Tensor, side: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Paint a square of each image (N, 1, S, S) black (Zhong et al. 2020, with the value 0).

    Args:
        side, x, y: (N,) each, as `Views.squares` draws them.
    """
    place = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    inside_x = (place - x[:, None]).abs() < side[:, None]  # (N, S)
    inside_y = (place - y[:, None]).abs() < side[:, None]
    return images.masked_fill((inside_y[:, :, None] & inside_x[:, None, :])[:, None], 0)


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, H, W) -> floats in [0, 1], (N, 1, H, W)."""
    return images.unsqueeze(1).float().div_(255)


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    draw = torch.rand(n, generator=generator, device=generator.device)
    return low + (high - low) * draw
