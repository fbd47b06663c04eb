"""Views: one draw an image, within the bounds asked for, resampled as SciPy does it."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from simclr import augment
from simclr.augment import Views, gaussian_blur, to_float

ALL = Views(rotation=45, crop_scale=0.5, crop_aspect=1.333, shear=0.3, blur=2.0)
ALONE = {
    "rotation": Views(rotation=45),
    "crop": Views(crop_scale=0.5),
    "aspect": Views(crop_aspect=1.333),
    "shear": Views(shear=0.3),
    "blur": Views(blur=2.0),
}
MANY = 2000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    """(8, 1, 28, 28), noise in [0, 1] with both ends in it."""
    noise = torch.rand(8, 1, 28, 28, generator=generator(9))
    noise[0], noise[1] = 0, 1
    return noise


def maps(views, seed=0, n=MANY):
    """Affine maps as (n, 3, 3) float64."""
    theta = views.affine(n, generator(seed)).double()
    last = torch.tensor([0.0, 0, 1], dtype=torch.double).expand(n, 1, 3)
    return torch.cat([theta, last], dim=1)


@pytest.mark.parametrize("views", [*ALONE.values(), ALL], ids=[*ALONE, "all"])
def test_each_image_has_its_own_parameters(images, views):
    batch = images[2:3].repeat(8, 1, 1, 1)
    out = views(batch, generator())
    assert out.shape == batch.shape
    assert len({view.numpy().tobytes() for view in out}) == 8
    assert (torch.cdist(out.flatten(1), out.flatten(1)) + torch.eye(8) > 1e-4).all()


def test_two_views_of_an_image_differ(images):
    g = generator()
    first, second = ALL(images[2:], g), ALL(images[2:], g)
    assert ((first - second).flatten(1).abs().amax(1) > 0.1).all()


def test_nothing_asked_for_changes_nothing(images):
    torch.testing.assert_close(Views()(images, generator()), images, rtol=0, atol=2e-5)


def test_the_seed_decides_and_the_global_generator_is_left_alone(images):
    before, given = torch.get_rng_state(), images.clone()
    first, again = ALL(images, generator(3)), ALL(images, generator(3))
    assert torch.equal(first, again)
    assert not torch.equal(first, ALL(images, generator(4)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, given)


@pytest.mark.parametrize("views", [*ALONE.values(), ALL], ids=[*ALONE, "all"])
def test_values_stay_between_0_and_1(images, views):
    out = views(images, generator())
    assert out.min() >= 0 and out.max() <= 1 + 1e-6
    assert (out[0] == 0).all()


def test_rotation_is_a_rotation_within_its_bounds():
    m = maps(Views(rotation=45))
    turn = m[:, :2, :2]
    eye = torch.eye(2, dtype=torch.double).expand(MANY, 2, 2)
    torch.testing.assert_close(turn @ turn.mT, eye, rtol=0, atol=1e-6)
    angle = torch.atan2(m[:, 1, 0], m[:, 0, 0]).rad2deg()
    assert angle.abs().max() <= 45 + 1e-4
    assert angle.min() < -43 and angle.max() > 43 and abs(angle.mean()) < 2
    assert (m[:, :2, 2] == 0).all()


def test_crop_keeps_its_area_and_aspect_and_lies_inside_the_image():
    m = maps(Views(crop_scale=0.5, crop_aspect=1.333))
    width, height, shift = m[:, 0, 0], m[:, 1, 1], m[:, :2, 2]
    assert (m[:, 0, 1] == 0).all() and (m[:, 1, 0] == 0).all()
    area, aspect = width * height, width / height
    assert area.min() >= 0.5 - 1e-6 and area.max() <= 1 + 1e-6
    assert area.min() < 0.52 and area.max() > 0.95
    assert aspect.max() <= 1.333 + 1e-4 and aspect.min() >= 1 / 1.333 - 1e-4
    assert aspect.max() > 1.3 and aspect.min() < 1 / 1.3
    size = torch.stack([width, height], dim=1)
    assert (shift.abs() + size).max() <= 1 + 1e-6
    place = (shift / (1 - size))[(size < 0.95).all(1)]  # -1 and 1 are the image's two sides
    assert (place.min(0).values < -0.95).all() and (place.max(0).values > 0.95).all()
    assert (place.mean(0).abs() < 0.1).all()


def test_shear_is_horizontal_and_within_its_bounds():
    m = maps(Views(shear=0.3))
    slope = m[:, 0, 1].clone()
    m[:, 0, 1] = 0
    torch.testing.assert_close(m, torch.eye(3, dtype=torch.double).expand(MANY, 3, 3))
    assert -0.3 <= slope.min() < -0.28 and 0.28 < slope.max() <= 0.3


def test_one_map_is_its_parts_one_after_the_other():
    """Each part draws the same numbers whatever the others are, so one seed gives all parts."""
    crop = maps(Views(crop_scale=0.5, crop_aspect=1.333), seed=5)
    parts = maps(Views(rotation=45), seed=5) @ maps(Views(shear=0.3), seed=5) @ crop
    torch.testing.assert_close(maps(ALL, seed=5), parts, rtol=0, atol=1e-6)


def test_no_digit_is_mirrored_or_turned_upside_down():
    m = maps(ALL)
    assert torch.linalg.det(m).min() > 0  # a flip has a negative determinant
    assert m[:, 1, 1].min() > 0  # what is above stays above; a half turn is two flips


def test_resampling_agrees_with_scipy(images):
    views = Views(rotation=45, crop_scale=0.5, crop_aspect=1.333, shear=0.3)
    out, centre = views(images, generator(7)), 13.5
    for image, view, m in zip(images, out, maps(views, seed=7, n=8).numpy(), strict=True):
        matrix = m[1::-1, 1::-1]  # (x, y) -> (row, column)
        offset = centre + 14 * m[1::-1, 2] - matrix @ [centre, centre]  # 14 pixels: from 0 to 1
        expected = scipy.ndimage.affine_transform(
            image[0].double().numpy(), matrix, offset, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(view[0].numpy(), expected, atol=1e-4)


def test_a_quarter_turn_moves_pixels_only(images, monkeypatch):
    monkeypatch.setattr(augment, "_uniform", lambda n, low, high, g: torch.full((n,), float(high)))
    out = Views(rotation=90)(images, generator())
    torch.testing.assert_close(out, images.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_blur_agrees_with_scipy_each_image_with_its_own_sigma(images):
    sigmas = torch.tensor([0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 1.8, 2.0])
    for image, sigma, out in zip(images, sigmas, gaussian_blur(images, sigmas), strict=True):
        expected = scipy.ndimage.gaussian_filter(
            image[0].double().numpy(), sigma.item(), radius=2, mode="constant"
        )
        np.testing.assert_allclose(out[0].numpy(), expected, atol=1e-6)


def test_blur_keeps_the_mass_of_a_point_and_widens_with_sigma():
    point = torch.zeros(3, 1, 28, 28)
    point[:, :, 10, 17] = 1
    out = gaussian_blur(point, torch.tensor([0.5, 1.0, 2.0]))
    torch.testing.assert_close(out.sum((1, 2, 3)), torch.ones(3))
    torch.testing.assert_close(out[:, :, 8:13, 15:20].sum((1, 2, 3)), torch.ones(3))
    peak = out[:, 0, 10, 17]
    assert (peak == out.amax((1, 2, 3))).all() and peak[0] > peak[1] > peak[2]


def test_sigmas_are_drawn_up_to_the_largest():
    point = torch.zeros(500, 1, 28, 28)
    point[:, :, 14, 14] = 1
    out = Views(blur=2.0)(point, generator())[:, 0]
    ratio = out[:, 14, 15] / out[:, 14, 14]  # exp(-1 / (2 sigma^2))
    sigma = (-0.5 / ratio.clamp(min=1e-4).log()).sqrt()
    assert 1.95 < sigma.max() <= 2.001
    assert 0.1 < (sigma < 0.5).float().mean() < 0.35  # 0.21 of what is uniform from 0.1 to 2


def test_pixels_become_floats_between_0_and_1():
    pixels = torch.tensor([[[0, 51], [102, 255]]], dtype=torch.uint8)
    out = to_float(pixels)
    assert out.shape == (1, 1, 2, 2) and out.dtype == torch.float32
    torch.testing.assert_close(out.flatten(), torch.tensor([0, 0.2, 0.4, 1]))
    assert pixels.flatten().tolist() == [0, 51, 102, 255]


def test_angles_are_in_degrees(monkeypatch):
    monkeypatch.setattr(augment, "_uniform", lambda n, low, high, g: torch.full((n,), float(high)))
    m = Views(rotation=30).affine(1, generator())[0]
    assert m[0, 0].item() == pytest.approx(math.cos(math.pi / 6), abs=1e-6)
    assert abs(m[1, 0].item()) == pytest.approx(0.5, abs=1e-6)
