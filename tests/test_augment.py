"""Views: one draw an image, within the bounds asked for, resampled as SciPy does it."""

import numpy as np
import pytest
import scipy.ndimage
import torch

from simclr.augment import Views, gaussian_blur

ALL = Views(rotation=45, crop_scale=0.5, crop_aspect=1.333, shear=0.3, blur=2.0)
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


def test_each_image_has_its_own_parameters_and_stays_between_0_and_1(images):
    out = ALL(images[2:3].repeat(8, 1, 1, 1), generator())
    assert out.shape == images.shape
    assert (torch.cdist(out.flatten(1), out.flatten(1)) + torch.eye(8) > 1e-4).all()
    out = ALL(images, generator())
    assert out.min() >= 0 and out.max() <= 1 + 1e-6 and (out[0] == 0).all()


def test_the_seed_decides_and_the_global_generator_is_left_alone(images):
    before, given = torch.get_rng_state(), images.clone()
    first, again = ALL(images, generator(3)), ALL(images, generator(3))
    assert torch.equal(first, again)
    assert not torch.equal(first, ALL(images, generator(4)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, given)
    torch.testing.assert_close(Views()(images, generator()), images, rtol=0, atol=2e-5)  # nothing asked


def test_rotation_and_shear_stay_within_their_bounds():
    m, eye = maps(Views(rotation=45)), torch.eye(3, dtype=torch.double).expand(MANY, 3, 3)
    torch.testing.assert_close(m @ m.mT, eye, rtol=0, atol=1e-6)
    angle = torch.atan2(m[:, 1, 0], m[:, 0, 0]).rad2deg()
    assert -45.001 < angle.min() < -43 and 43 < angle.max() < 45.001 and abs(angle.mean()) < 2
    m = maps(Views(shear=0.3))
    slope = m[:, 0, 1].clone()
    m[:, 0, 1] = 0
    torch.testing.assert_close(m, eye)
    assert -0.3 <= slope.min() < -0.28 and 0.28 < slope.max() <= 0.3


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


def test_one_map_is_its_parts_one_after_the_other():
    """Each part draws the same numbers whatever the others are, so one seed gives all parts."""
    crop = maps(Views(crop_scale=0.5, crop_aspect=1.333), seed=5)
    parts = maps(Views(rotation=45), seed=5) @ maps(Views(shear=0.3), seed=5) @ crop
    torch.testing.assert_close(maps(ALL, seed=5), parts, rtol=0, atol=1e-6)


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


def test_blur_agrees_with_scipy_each_image_with_its_own_sigma(images):
    sigmas = torch.tensor([0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 1.8, 2.0])
    for image, sigma, out in zip(images, sigmas, gaussian_blur(images, sigmas), strict=True):
        expected = scipy.ndimage.gaussian_filter(
            image[0].double().numpy(), sigma.item(), radius=2, mode="constant"
        )
        np.testing.assert_allclose(out[0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("least", [0.1, 1.0])
def test_sigmas_are_drawn_from_the_smallest_to_the_largest(least):
    point = torch.zeros(500, 1, 28, 28)
    point[:, :, 14, 14] = 1
    out = Views(blur=2.0, blur_least=least)(point, generator())[:, 0]
    ratio = out[:, 14, 15] / out[:, 14, 14]  # exp(-1 / (2 sigma^2))
    sigma = (-0.5 / ratio.clamp(min=1e-4).log()).sqrt()
    assert 1.95 < sigma.max() <= 2.001 and sigma.min() < least + 0.2
    assert least == 0.1 or sigma.min() >= 0.999  # below 0.2 a point is not blurred at all
    below = (sigma < 1.5).float().mean()  # of what is uniform
    assert below == pytest.approx((1.5 - least) / (2 - least), abs=0.07)


def test_half_of_the_images_are_mirrored_and_nothing_else_happens_to_them():
    images = torch.rand(400, 1, 8, 8)
    out = Views(flip=True)(images, generator())
    same = torch.isclose(out, images, atol=1e-5).all((1, 2, 3))
    mirrored = torch.isclose(out, images.flip(3), atol=1e-5).all((1, 2, 3))
    assert (same ^ mirrored).all() and 140 < mirrored.sum() < 260


def test_brightness_keeps_black_order_and_range():
    ramp = torch.linspace(0, 1, 64).view(1, 1, 8, 8).repeat(50, 1, 1, 1)
    out = Views(brightness=0.4)(ramp, generator())
    assert out.min() >= 0 and out.max() <= 1 and (out[:, 0, 0, 0] == 0).all()
    assert (out.flatten(1).diff(dim=1) >= -1e-4).all()
    assert out[:, 0, 4, 4].std() > 0.05


def test_a_square_no_larger_than_asked_is_erased():
    out = Views(erase=0.5)(torch.ones(300, 1, 28, 28), generator())
    black = out[:, 0] == 0
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert max(rows.max(), columns.max()) <= 14
    assert (black.flatten(1).sum(1) == rows * columns).all()  # a rectangle
    assert black.any() and black.float().mean() < 0.25
