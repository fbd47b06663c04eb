"""Figures as part of a page: SVG that follows the page's theme and shares its document with others."""

import re

import numpy as np

PAPER, INK = "#15171a", "#dfe1e4"  # of the dark page, see assets/report.css
# Linear RGB -> cone responses, and their cube roots -> lightness and two colour axes (Ottosson 2020,
# "A perceptual color space for image processing": OKLab).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_AXES = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


SCREEN = 1.2 * 4 / 3  # CSS pixels for a point of a figure: 8 pt letters are read on a screen too


def figure(label: str, wide: str, narrow: str = "") -> str:
    """The element or, with a form for phones, the two elements that show a figure on a page."""
    if not narrow:
        return themed(wide, label)
    return themed(wide, label, "wide") + themed(narrow, f"{label}-narrow", "narrow")


def themed(svg: str, label: str, css_class: str = "") -> str:
    """A figure's SVG as an element of the page.

    Identifiers get the label before them, since a page has each only once. Every colour is given twice,
    for a light and for a dark page.

    Args:
        svg: as Matplotlib writes it.
        label: of the figure, one for each element.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.S)
    used = dict.fromkeys(re.findall(r'(?:url\(|href=")#([^")]+)', body))
    names = {name: f"{label}-{i}" for i, name in enumerate(used)}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", body)
    body = re.sub(r'(?:xlink:)?(url\(|href=")#([^")]+)', lambda m: f"{m[1]}#{names[m[2]]}", body)
    colours = dict.fromkeys(re.findall(r"#[0-9a-f]{6}\b", body))
    variables = {colour: f"--{i}" for i, colour in enumerate(colours)}
    body = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var({variables[m[0]]})", body)
    places = r' (?:d|x|y)="[^"]+"|translate\([^)]+\)'  # to hundredths of a point
    body = re.sub(places, lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), body)
    body = re.sub(r'style="[^"]+"', lambda m: m[0].replace("; ", ";").replace(": ", ":"), body)
    body = re.sub(r"\s+", " ", body).replace("> <", "><")
    size = re.search(r'viewBox="([^"]+)"', body)[1]
    *_, width, height = map(float, size.split())
    head = f'<svg class="{css_class}" viewBox="{size}" width="{width * SCREEN:.0f}" '
    head += f'height="{height * SCREEN:.0f}" aria-hidden="true" style="'
    head += "".join(f"{v}:light-dark({c},{dark(c)});" for c, v in variables.items()) + '">'
    return head + body[body.index(">") + 1 :].strip()


def dark(colour: str) -> str:
    """The colour that takes the place of `colour` on a dark page: its lightness is turned round.

    White becomes the page's ground, the figures' ink its ink; hue and strength stay, so that what could be
    told apart still can.
    """
    lightness, *hue = _oklab(colour)
    ends = [_oklab(each)[0] for each in ("#ffffff", "#222222", PAPER, INK)]
    lightness = np.interp(lightness, ends[1::-1], ends[:1:-1])
    return _hex(np.array([lightness, *hue]))


def _oklab(colour: str) -> np.ndarray:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return _AXES @ np.cbrt(_CONES @ linear)


def _hex(lab: np.ndarray) -> str:
    linear = np.linalg.inv(_CONES) @ (np.linalg.inv(_AXES) @ lab) ** 3
    linear = np.clip(linear, 0, 1)  # outside what a screen shows: as near as each channel comes
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * v):02x}" for v in srgb)
