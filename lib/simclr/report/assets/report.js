// The page works without this; it adds the switches and marks the section being read.
const root = document.documentElement;
const codes = [...document.querySelectorAll('details.code')];

const codeButton = document.getElementById('code');
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
const phone = matchMedia('(max-width: 60rem)');
const toc = document.getElementById('toc');
const fold = () => { toc.open = !phone.matches; };
phone.onchange = fold;
fold();
toc.addEventListener('click', (event) => { if (event.target.closest('a') && phone.matches) toc.open = false; });

const links = new Map([...toc.querySelectorAll('a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
const headings = [...document.querySelectorAll('main :is(h1, h2)[id]')].filter((h) => links.has(h.id));
let current;
function mark() {
  const above = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 4);
  const link = links.get((above.pop() || headings[0])?.id);
  if (link === current) return;
  current?.removeAttribute('aria-current');
  (current = link)?.setAttribute('aria-current', 'true');
  if (!phone.matches) link?.scrollIntoView({ block: 'nearest' });
}
addEventListener('scroll', () => requestAnimationFrame(mark), { passive: true });
mark();

