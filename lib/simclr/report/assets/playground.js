// Classifies a drawn digit, or a test image chosen on the map, by the report's own classifiers. The networks are
// run by the functions below: so small that a runtime would weigh more than the weights of one of them.
const SHAPES = [[32, 1, 9], [32, 32, 9], [64, 32, 9], [64, 64, 9], [512, 3136, 1], [10, 512, 1]]; // rows, inputs, taps

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(stream).arrayBuffer();
}

// What `playground.rounded` wrote: biases and steps of all layers, then their weights as integers.
function network(buffer) {
  let at = 0;
  const floats = (n) => new Float32Array(buffer, (at += 4 * n) - 4 * n, n);
  const layers = SHAPES.map(([rows]) => ({ bias: floats(rows), step: floats(rows) }));
  SHAPES.forEach(([rows, inputs, taps], k) => {
    const each = inputs * taps, integers = new Int8Array(buffer, at, rows * each), { step } = layers[k];
    layers[k].weight = Float32Array.from(integers, (v, i) => v * step[Math.floor(i / each)]);
    at += rows * each;
  });
  return layers;
}

// Convolution with 3 x 3 taps and one pixel of padding, and ReLU: (inputs, side, side) -> (rows, side, side).
function convolved(x, side, { weight, bias }) {
  const area = side * side, inputs = x.length / area, out = new Float32Array(bias.length * area);
  for (let row = 0; row < bias.length; row++) {
    const to = row * area;
    out.fill(bias[row], to, to + area);
    for (let tap = 0; tap < 9 * inputs; tap++) {
      const w = weight[row * 9 * inputs + tap], from = Math.floor(tap / 9) * area;
      const dy = Math.floor((tap % 9) / 3) - 1, dx = (tap % 3) - 1;
      for (let i = Math.max(0, -dy); i < Math.min(side, side - dy); i++) {
        const source = from + (i + dy) * side + dx, target = to + i * side;
        for (let j = Math.max(0, -dx); j < Math.min(side, side - dx); j++) out[target + j] += w * x[source + j];
      }
    }
  }
  for (let i = 0; i < out.length; i++) out[i] = Math.max(0, out[i]);
  return out;
}

// The largest of each 2 x 2 pixels.
function pooled(x, side) {
  const half = side / 2, out = new Float32Array(x.length / 4);
  for (let i = 0; i < out.length; i++) {
    const top = 2 * side * Math.floor(i / half) + 2 * (i % half);
    out[i] = Math.max(x[top], x[top + 1], x[top + side], x[top + side + 1]);
  }
  return out;
}

function dense(x, { weight, bias }) {
  const out = Float32Array.from(bias), many = x.length;
  for (let row = 0; row < out.length; row++) {
    let sum = 0;
    for (let i = 0; i < many; i++) sum += x[i] * weight[row * many + i];
    out[row] += sum;
  }
  return out;
}

// 784 grey values, 0 to 1, ink is 1 -> ten logits.
function logits(layers, image) {
  let x = image;
  for (const [k, side] of [[0, 28], [2, 14]]) {
    x = pooled(convolved(convolved(x, side, layers[k]), side, layers[k + 1]), side);
  }
  return dense(dense(x, layers[4]).map((v) => Math.max(0, v)), layers[5]);
}

function softmax(z) {
  const top = Math.max(...z), e = Array.from(z, (v) => Math.exp(v - top)), sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
}

// As MNIST was made: the longer side of the ink 20 pixels, its centre of mass in the middle of 28 x 28.
function normalised(canvas) {
  const { width, height } = canvas, ink = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const inked = [...Array(width * height).keys()].filter((i) => ink[4 * i + 3] > 40);
  if (!inked.length) return null;
  const [left, right] = ends(inked.map((i) => i % width)), [top, bottom] = ends(inked.map((i) => Math.floor(i / width)));
  const scale = 20 / Math.max(right - left + 1, bottom - top + 1);
  const small = Object.assign(document.createElement('canvas'), { width: 28, height: 28 });
  const context = small.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  const put = (x, y) => {
    context.clearRect(0, 0, 28, 28);
    context.drawImage(canvas, left, top, right - left + 1, bottom - top + 1, x, y,
      scale * (right - left + 1), scale * (bottom - top + 1));
    return Float32Array.from({ length: 784 }, (_, i) => context.getImageData(0, 0, 28, 28).data[4 * i + 3] / 255);
  };
  const first = put(4, 4), mass = first.reduce((a, b) => a + b);
  const middle = (of) => first.reduce((sum, v, i) => sum + v * of(i), 0) / mass;
  return put(4 + 13.5 - middle((i) => i % 28), 4 + 13.5 - middle((i) => Math.floor(i / 28)));
}

function ends(values) {
  return values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// What is classified, as the networks see it, and their answers as bars: its box, and show(image or null, words).
function answersOf(methods, says) {
  const seen = element('canvas', { width: 28, height: 28, className: 'seen' });
  const about = element('p', { className: 'about' });
  const rows = methods.map(({ name, colour }) => {
    const bars = Array.from({ length: 10 }, (_, digit) => element('li', {}, String(digit)));
    const answer = element('strong');
    const row = element('div', { className: 'answer' }, element('span', {}, name), answer, element('ol', { ariaHidden: 'true' }, ...bars));
    row.style.setProperty('--colour', colour);
    return { row, bars, answer };
  });
  const box = element('div', { className: 'answers', ariaLive: 'polite' },
    element('div', { className: 'asked' }, seen, about), ...rows.map(({ row }) => row));

  function show(image, words) {
    about.textContent = words;
    const context = seen.getContext('2d'), shades = context.createImageData(28, 28);
    image?.forEach((v, i) => { shades.data[4 * i + 3] = 255 * v; });
    context.putImageData(shades, 0, 0);
    rows.forEach(({ bars, answer }, k) => {
      const shares = image ? says(k, image) : Array(10).fill(0), best = shares.indexOf(Math.max(...shares));
      answer.textContent = image ? `${best} (${Math.round(100 * shares[best])}%)` : '–';
      bars.forEach((bar, digit) => {
        bar.style.setProperty('--share', shares[digit]);
        bar.className = image && digit === best ? 'best' : '';
      });
    });
  }
  return { box, show };
}

// Where the reader draws.
function drawingPad(show) {
  const pad = element('canvas', { width: 280, height: 280, className: 'pad', ariaLabel: 'Draw a digit here' });
  const pen = pad.getContext('2d', { willReadFrequently: true });
  Object.assign(pen, { lineWidth: 24, lineCap: 'round', lineJoin: 'round' });
  const at = (event) => [event.offsetX * 280 / pad.clientWidth, event.offsetY * 280 / pad.clientHeight];
  let drawing = false;
  pad.onpointerdown = (event) => {
    drawing = true;
    pad.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...at(event));
    pad.onpointermove(event);
  };
  pad.onpointermove = (event) => {
    if (!drawing) return;
    pen.lineTo(...at(event));
    pen.stroke();
  };
  pad.onpointerup = pad.onpointercancel = () => {
    drawing = false;
    const image = normalised(pad);
    if (image) show(image, 'Your digit, scaled and centred as the networks know digits');
  };
  const clear = element('button', { type: 'button', textContent: 'Clear' });
  clear.onclick = () => { pen.clearRect(0, 0, 280, 280); show(null, 'Draw a digit, or choose one on the map below.'); };
  clear.onclick();
  return element('div', {}, pad, clear);
}

// The test images on the map of the report, by mouse, tap, keys or buttons; calls choose(i).
function imageMap({ maps, digits, labels, methods }, choose) {
  const map = element('canvas', { width: 1200, height: 760, className: 'map', tabIndex: 0 });
  map.setAttribute('role', 'img');
  map.ariaLabel = 'Map of test images; the arrow keys go from one to the next';
  const which = element('select', {}, element('option', { value: -1 }, 'all images'),
    ...methods.map(({ name }, k) => element('option', { value: k }, `errors of ${name}`)));
  const epoch = element('input', { type: 'range', max: maps.length - 1, value: maps.length - 1 }), after = element('span'), many = element('span');
  let spots = [], shown = [], chosen = null;

  function draw() {
    const context = map.getContext('2d');
    context.clearRect(0, 0, map.width, map.height);
    const inks = digits.map((colour) => { place.style.color = colour; return getComputedStyle(place).color; }); // of the theme
    place.style.color = '';
    for (const k of shown) {
      context.fillStyle = inks[labels[k]];
      context.beginPath();
      context.arc(...spots[k], k === chosen ? 13 : 5, 0, 7);
      context.fill();
    }
    const { backgroundColor, color } = getComputedStyle(document.documentElement);
    Object.assign(context, { font: 'bold 38px serif', textAlign: 'center', lineWidth: 8, strokeStyle: backgroundColor, fillStyle: color });
    for (let digit = 0; digit < 10; digit++) { // its number where half of a class lie on either side
      const mine = spots.filter((_, i) => Number(labels[i]) === digit);
      const [x, y] = [0, 1].map((axis) => mine.map((spot) => spot[axis]).sort((a, b) => a - b)[mine.length >> 1]);
      context.strokeText(digit, x, y + 12);
      context.fillText(digit, x, y + 12);
    }
    many.textContent = `${shown.length} of ${labels.length} test images`;
  }
  function go(i) {
    chosen = i;
    draw();
    if (i !== null) choose(i);
  }
  which.onchange = () => {
    const k = Number(which.value);
    shown = [...Array(labels.length).keys()].filter((i) => k < 0 || methods[k].answers[i] !== labels[i]);
    go(null);
  };
  epoch.oninput = () => {
    const [number, places] = maps[epoch.value];
    after.textContent = epoch.ariaValueText = number ? `epoch ${number}` : 'random weights';
    spots = places.map(([x, y]) => [20 + 1160 * x / 999, 20 + 720 * (1 - y / 999)]);
    draw();
  };
  const step = (by) => shown.length && go(shown[(Math.max(shown.indexOf(chosen), by < 0 ? 0 : -1) + by + shown.length) % shown.length]);
  map.onclick = map.onpointermove = (event) => {
    if (event.type === 'pointermove' && event.pointerType !== 'mouse') return;
    const box = map.getBoundingClientRect(), scale = map.width / box.width;
    const far = (i) => (spots[i][0] - scale * (event.clientX - box.left)) ** 2 + (spots[i][1] - scale * (event.clientY - box.top)) ** 2;
    const near = shown.reduce((best, i) => (best === null || far(i) < far(best) ? i : best), null);
    if (near !== null && near !== chosen && far(near) < 900) go(near);
  };
  map.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) { event.preventDefault(); step(by); }
  };
  const button = (textContent, by) => element('button', { type: 'button', textContent, onclick: () => step(by) });
  epoch.oninput();
  which.onchange();
  new MutationObserver(draw).observe(document.documentElement, { attributes: true });
  return [element('div', { className: 'choice' }, element('label', {}, 'Show ', which), button('Previous', -1), button('Next', 1),
    many,
    element('label', {}, 'Pre-training: ', epoch, after)), map];
}

async function playground(place, data) {
  const pixels = new Uint8Array(await unpack(data.images));
  const networks = await Promise.all(data.methods.map(async (method) => network(await unpack(method.weights))));
  const testImage = (i) => Float32Array.from(pixels.subarray(784 * i, 784 * (i + 1)), (v) => v / 255);
  const says = (k, image) => softmax(logits(networks[k], image));
  const { box, show } = answersOf(data.methods, says);
  const others = (i) => data.others.map(({ name, answers }) => `${name}: ${answers[i]}`).join('; ');
  place.append(element('div', { className: 'table' }, drawingPad(show), box),
    ...imageMap({ ...data, methods: [...data.methods, ...data.others] },
      (i) => show(testImage(i), `Test image ${i}, labelled ${data.labels[i]}. ${others(i)}`)));
  return Object.assign(place, { says, testImage, data }); // for tests, and for the curious
}

const place = document.getElementById('playground'), stored = document.getElementById('playground-data');
if (place && stored && window.DecompressionStream) {
  const start = () => playground(place, JSON.parse(stored.textContent)).then((ready) => ready.dispatchEvent(new Event('ready')));
  // Unpacked only when the reader comes near: the page is drawn before.
  new IntersectionObserver(([entry], observer) => { if (entry.isIntersecting) { observer.disconnect(); start(); } }, { rootMargin: '800px' }).observe(place);
}
