// The page works without this; it adds switches, anchors, previews, large figures, and marks the section being read.
const root = document.documentElement;
const codes = [...document.querySelectorAll('details.code')];

const codeButton = document.getElementById('code');
codeButton.parentElement.hidden = false;
function labelCodeButton() {
  const all = codes.every((details) => details.open);
  codeButton.textContent = all ? 'Hide all code' : 'Show all code';
  codeButton.setAttribute('aria-pressed', all);
}
codeButton.hidden = codes.length === 0;
codeButton.onclick = () => {
  const show = !codes.every((details) => details.open);
  codes.forEach((details) => { details.open = show; });
};
codes.forEach((details) => details.addEventListener('toggle', labelCodeButton));

const system = matchMedia('(prefers-color-scheme: dark)');
const themeButton = document.getElementById('theme');
const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches);
const labelTheme = () => themeButton.setAttribute('aria-pressed', isDark());
themeButton.onclick = () => {
  root.dataset.theme = isDark() ? 'light' : 'dark';
  try { localStorage.setItem('theme', root.dataset.theme); } catch {}
  labelTheme();
};
system.onchange = labelTheme;
labelTheme();

// On a phone the contents start folded.
const phone = matchMedia('(max-width: 72rem)');
const toc = document.getElementById('toc');
const fold = () => { toc.open = !phone.matches; };
phone.onchange = fold;
fold();
toc.addEventListener('click', (event) => { if (event.target.closest('a') && phone.matches) toc.open = false; });

const links = new Map([...toc.querySelectorAll('a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
const headings = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
let current;
function mark() {
  const atEnd = innerHeight + scrollY > root.scrollHeight - 2; // where the last headings cannot come to the top
  const above = headings.filter((heading) => heading.getBoundingClientRect().top < (atEnd ? innerHeight : 48));
  const link = links.get(above.pop()?.id);
  if (link === current) return;
  current?.removeAttribute('aria-current');
  (current = link)?.setAttribute('aria-current', 'true');
  if (!phone.matches) link?.scrollIntoView({ block: 'nearest' });
}
addEventListener('scroll', () => requestAnimationFrame(mark), { passive: true });
mark();


// A link beside each heading.
for (const heading of document.querySelectorAll('main :is(h2, h3, h4)[id]')) {
  const link = Object.assign(document.createElement('a'), { className: 'anchor', href: `#${heading.id}`, textContent: '#' });
  link.setAttribute('aria-label', `Link to ${heading.textContent.trim()}`);
  heading.append(link);
}

// What a reference or citation points to, while the mouse is on it or it has the focus.
const preview = Object.assign(document.createElement('div'), { className: 'preview', hidden: true });
preview.setAttribute('aria-hidden', 'true'); // who cannot see it follows the link
document.body.append(preview);
function showPreview(event) {
  const link = event.target.closest?.('main a[href^="#"]:not(.anchor)');
  const target = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (!target?.matches('figure, .csl-entry, .equation')) return;
  preview.replaceChildren(target.cloneNode(true));
  preview.firstChild.removeAttribute('id');
  preview.querySelectorAll('[tabindex]').forEach((each) => each.removeAttribute('tabindex'));
  preview.hidden = false;
  preview.classList.toggle('cut', preview.scrollHeight > preview.clientHeight); // more follows
  const box = link.getBoundingClientRect(), height = preview.offsetHeight;
  preview.style.left = `${Math.max(8, Math.min(box.left, innerWidth - preview.offsetWidth - 8))}px`;
  preview.style.top = `${box.top > height + 12 ? box.top - height - 8 : box.bottom + 8}px`;
}
const hidePreview = () => { preview.hidden = true; };
if (matchMedia('(hover: hover)').matches) {
  document.addEventListener('pointerover', showPreview);
  document.addEventListener('pointerout', hidePreview);
  document.addEventListener('focusin', showPreview);
  document.addEventListener('focusout', hidePreview);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hidePreview(); });
}

// A figure as large as the window, by a click or Enter; a click or Escape closes it.
const large = document.createElement('dialog');
large.className = 'large';
large.onclick = () => large.close();
document.body.append(large);
for (const picture of document.querySelectorAll('.picture')) {
  picture.tabIndex = 0;
  picture.onkeydown = (event) => { if (event.key === 'Enter') picture.onclick(); };
  picture.onclick = () => {
    const shown = [...picture.querySelectorAll('svg')].find((svg) => svg.getBoundingClientRect().width);
    const copy = shown.cloneNode(true);
    copy.setAttribute('class', 'copy');
    large.classList.toggle('photo', picture.closest('figure').matches('.photo'));
    large.setAttribute('aria-labelledby', picture.getAttribute('aria-labelledby'));
    large.replaceChildren(copy);
    large.showModal();
  };
}
