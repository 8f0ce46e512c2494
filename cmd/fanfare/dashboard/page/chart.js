// Charts in SVG. Each shows its values at the end, or where the pointer or the arrow keys are. The size of a chart does not depend
// on its values, so nothing moves when they change.

import { h, svg, replace, setText } from './dom.js';
import { clock } from './format.js';

const height = 148, left = 56, right = 6, top = 8, bottom = 20;
const bars = 60; // of a bar chart, at most

// nice returns the next larger number with one of few first digits, for the end of an axis.
function nice(v) {
  if (!(v > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 4, 5, 6, 8, 10].find(d => d * ten >= v * 0.999) * ten;
}

// niceBytes is nice in powers of two.
function niceBytes(v) {
  if (!(v > 1)) return 1;
  const unit = 1024 ** Math.floor(Math.log2(v) / 10);
  return nice(v / unit) * unit;
}

class Chart {
  constructor({ title, note, format, tick, least, bytes }) {
    this.title = title;
    this.format = format;
    this.tick = tick ?? format;
    this.least = least ?? 0; // of the end of the axis
    this.nice = bytes ? niceBytes : nice;
    this.at = null; // the point that is shown, if it is not the last
    this.id = 'chart-' + title.toLowerCase().replaceAll(/[^a-z]+/g, '-');
    this.time = h('span', { class: 'when' });
    this.legend = h('div', { class: 'legend' });
    this.svg = svg('svg', { class: 'plot', height, role: 'img', tabindex: '0', 'aria-labelledby': this.id + '-title', 'aria-describedby': this.id + '-text' });
    this.text = h('p', { class: 'hidden', id: this.id + '-text' });
    this.none = h('p', { class: 'nothing' });
    this.element = h('figure', { class: 'chart', id: this.id },
      h('figcaption', null, h('h3', { id: this.id + '-title' }, title), note && h('span', { class: 'note' }, note), this.time),
      h('div', { class: 'frame' }, this.svg, this.none), this.legend, this.text);
    this.svg.addEventListener('pointermove', e => this.#point(e.clientX));
    this.svg.addEventListener('pointerdown', e => this.#point(e.clientX));
    this.svg.addEventListener('pointerleave', () => this.#show(null));
    this.svg.addEventListener('blur', () => this.#show(null));
    this.svg.addEventListener('keydown', e => this.#key(e));
    this.observer = new ResizeObserver(() => this.render());
    this.observer.observe(this.svg);
  }

  // draw shows values, which are those of times, in the span that ends now. Times are in ms, span in s.
  draw(times, span, values) {
    const begin = (times.at(-1) ?? Date.now()) - span * 1000;
    if (this.at !== null && this.times) { // stay at the same time
      const was = this.times[this.at];
      this.at = times.findIndex(t => t >= was);
      if (this.at < 0) this.at = null;
    }
    Object.assign(this, { times, span, begin, values });
    this.render();
  }

  #point(clientX) {
    if (!this.times?.length) return;
    const x = clientX - this.svg.getBoundingClientRect().left;
    let best = 0;
    this.times.forEach((t, i) => { if (Math.abs(this.x(t) - x) < Math.abs(this.x(this.times[best]) - x)) best = i; });
    this.#show(best);
  }

  #key(e) {
    const n = this.times?.length ?? 0;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -n, End: n }[e.key];
    if (e.key === 'Escape') this.#show(null);
    if (!step || n === 0) return;
    e.preventDefault();
    this.#show(Math.min(n - 1, Math.max(0, (this.at ?? n - 1) + step)));
  }

  #show(at) {
    this.at = at;
    this.render();
  }

  x(time) { return left + (time - this.begin) / (this.span * 1000) * (this.width - left - right); }
  y(value) { return top + (1 - Math.min(1, value / this.max)) * (height - top - bottom); }

  render() {
    this.width = this.svg.clientWidth;
    if (!this.times || this.width === 0) return;
    this.max = this.nice(Math.max(this.least, this.largest()));
    const shown = this.at ?? this.times.length - 1;
    const marks = this.at === null ? [] : [svg('line', { class: 'cursor', x1: this.x(this.times[shown]), x2: this.x(this.times[shown]), y1: top, y2: height - bottom })];
    replace(this.svg, this.#grid(), this.plot(), marks, this.at === null ? [] : this.dots(shown));
    setText(this.time, this.at === null ? '' : clock(this.times[shown]));
    this.label(shown);
    setText(this.none, this.times.length === 0 ? 'The first figures come in a second.' : this.nothing());
  }

  #grid() {
    const all = [];
    for (const part of [0, 0.5, 1]) {
      const y = this.y(this.max * part);
      all.push(svg('line', { class: part ? 'grid' : 'axis', x1: left, x2: this.width - right, y1: y, y2: y }),
        svg('text', { class: 'tick', x: left - 6, y: y + 4, 'text-anchor': 'end' }, this.tick(this.max * part)));
    }
    const minutes = this.span / 60, step = minutes > 5 ? 5 : 1;
    for (let m = 0; m <= minutes; m += step) {
      if (m === 5 && step === 1) continue; // no room beside 4
      const anchor = m === 0 ? 'end' : m === minutes ? 'start' : 'middle';
      all.push(svg('text', { class: 'tick', x: this.x(this.begin + (minutes - m) * 60000), y: height - 5, 'text-anchor': anchor }, m === 0 ? 'now' : `−${m} min`));
    }
    return all;
  }

  nothing() { return ''; }
  dots() { return []; }
}

// LineChart shows series, each with a name, a label and a color from 1 to 6.
export class LineChart extends Chart {
  constructor(options) {
    super(options);
    this.series = options.series;
    this.fill = options.fill;
    this.absent = options.absent;
    this.figures = this.series.map(s => h('span', { class: 'value' }));
    replace(this.legend, this.series.map((s, i) => h('span', { class: 'entry' }, h('i', { class: 'swatch c' + s.color }), s.label, ' ', this.figures[i])));
  }

  // of returns the values of a series, from the values that were given by names.
  of(s) { return this.values[s.name] ?? (s.name.includes('.') ? this.times.map(() => 0) : []); } // of a counter that has not counted yet

  largest() { return Math.max(0, ...this.series.flatMap(s => this.of(s).filter(Number.isFinite))); }

  plot() {
    return this.series.flatMap(s => {
      const values = this.of(s);
      let line = '', area = '', from = null;
      const end = i => { if (from !== null) area += `L${this.x(this.times[i])} ${this.y(0)}L${this.x(this.times[from])} ${this.y(0)}Z`; from = null; };
      values.forEach((v, i) => {
        if (!Number.isFinite(v)) { end(i - 1); return; }
        const point = `${this.x(this.times[i]).toFixed(1)} ${this.y(v).toFixed(1)}`;
        line += (from === null ? 'M' : 'L') + point;
        if (from === null && !Number.isFinite(values[i + 1])) line += 'h.01'; // one point alone is a dot
        area += (from === null ? 'M' : 'L') + point;
        from ??= i;
      });
      end(values.length - 1);
      return [this.fill && svg('path', { class: 'area c' + s.color, d: area }), svg('path', { class: 'line c' + s.color, d: line })].filter(Boolean);
    });
  }

  dots(at) {
    return this.series.filter(s => Number.isFinite(this.of(s)[at]))
      .map(s => svg('circle', { class: 'dot c' + s.color, cx: this.x(this.times[at]), cy: this.y(this.of(s)[at]), r: 3.5 }));
  }

  label(at) {
    this.series.forEach((s, i) => setText(this.figures[i], this.format(this.of(s)[at])));
    setText(this.text, this.series.map(s => {
      const all = this.of(s).filter(Number.isFinite);
      return all.length === 0 ? `${s.label}: nothing was measured.`
        : `${s.label}: ${this.format(this.of(s)[at])}, between ${this.format(Math.min(...all))} and ${this.format(Math.max(...all))} in ${this.span / 60} minutes.`;
    }).join(' '));
  }

  nothing() { return this.absent && !this.series.some(s => this.of(s).some(Number.isFinite)) ? this.absent : ''; }
}

// BarChart shows how many there were of each kind, for kinds that are not known before. Values are [{name, values, sum}], the
// largest first, with rates.
export class BarChart extends Chart {
  constructor(options) {
    super({ ...options, format: v => options.format(v) });
    this.name = options.name;
    this.empty = options.empty;
    this.element.classList.add('bars');
  }

  draw(times, span, groups, every) {
    const shown = groups.slice(0, 5);
    if (groups.length > 5) {
      const rest = groups.slice(5);
      shown.push({ name: 'others', values: times.map((_, i) => rest.reduce((n, g) => n + g.values[i], 0)), sum: rest.reduce((n, g) => n + g.sum, 0) });
    }
    const size = Math.max(1, Math.round(span / every / bars)); // points of a bar
    const first = times.length % size; // bars end with the newest point
    const starts = Array.from({ length: Math.floor(times.length / size) }, (_, i) => first + i * size);
    const sums = shown.map(g => ({ ...g, values: starts.map(s => g.values.slice(s, s + size).reduce((a, v) => a + v, 0) * every) }));
    this.seconds = size * every;
    super.draw(starts.map(s => times[s + size - 1]), span, sums);
  }

  largest() { return Math.max(2, ...this.times.map((_, i) => this.values.reduce((n, g) => n + g.values[i], 0))); }

  plot() {
    const base = this.times.map(() => 0);
    const w = Math.max(1, this.seconds / this.span * (this.width - left - right) - 1);
    return this.values.map((g, at) => {
      let d = '';
      g.values.forEach((v, i) => {
        if (!(v > 0)) return;
        const y = this.y(base[i] + v), x = this.x(this.times[i]) - w;
        d += `M${x.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(1)}V${this.y(base[i]).toFixed(1)}h-${w.toFixed(1)}Z`;
        base[i] += v;
      });
      return svg('path', { class: 'column c' + (at + 1), d });
    });
  }

  label(at) {
    const value = g => this.at === null ? g.sum : g.values[at];
    replace(this.legend, this.values.map((g, i) => h('span', { class: 'entry' }, h('i', { class: 'swatch c' + (i + 1) }), this.name(g.name), ' ', h('span', { class: 'value' }, this.format(value(g))))));
    setText(this.text, this.values.length ? `In ${this.span / 60} minutes: ` + this.values.map(g => `${this.name(g.name)} ${this.format(g.sum)}`).join(', ') : this.empty);
  }

  nothing() { return this.values.length ? '' : this.empty; }
}
