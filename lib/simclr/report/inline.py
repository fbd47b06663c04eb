"""Figures as part of a page: SVG that follows the page's theme and shares its document with others."""

import re

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
    head += "".join(f"{v}:{both(c)};" for c, v in variables.items()) + '">'
    return head + body[body.index(">") + 1 :].strip()


def both(colour: str) -> str:
    """A colour on a light page, and what takes its place on a dark one: its lightness is turned round.

    White becomes the page's ground, the figures' ink its ink; hue and chroma stay, so that what could be
    told apart still can. The browser computes it (OKLab), see `--turned` in assets/report.css.
    """
    return f"light-dark({colour},oklab(from {colour} var(--turned)))"
