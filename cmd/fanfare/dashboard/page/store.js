// The points of GET /api/history that the page has.

const kept = { fine: 300, coarse: 90 };

export class Store {
  #next = 0;
  #started = '';
  fine = { every: 1, times: [], series: {} };
  coarse = { every: 10, times: [], series: {} };

  get next() { return this.#next; }

  // add appends a response. It reports whether the server has restarted, so that all begins anew.
  add(page) {
    const restarted = this.#started !== '' && this.#started !== page.started;
    if (restarted || this.#next === 0 || page.next < this.#next) {
      for (const track of Object.keys(kept)) this[track] = { every: page[track].every, times: [], series: {} };
    }
    this.#started = page.started;
    this.#next = restarted ? 0 : page.next;
    if (!restarted) for (const [track, most] of Object.entries(kept)) append(this[track], page[track], most);
    return restarted;
  }
}

function append(to, from, most) {
  const had = to.times.length, n = from.times.length;
  if (n === 0) return;
  to.times = to.times.concat(from.times).slice(-most);
  for (const name of new Set([...Object.keys(to.series), ...Object.keys(from.series)])) {
    const more = name in from.series ? from.series[name] : 0; // null is a value: nothing was measured
    const old = to.series[name] ?? Array(had).fill(0);
    to.series[name] = old.concat(Array.isArray(more) ? more : Array(n).fill(more)).slice(-most);
  }
}

// names returns the figures of a group, such as closes, that have been more than 0 in the points, largest first, and the number of each.
export function groupOf(points, group) {
  const all = [];
  for (const [name, values] of Object.entries(points.series)) {
    if (!name.startsWith(group + '.')) continue;
    const sum = values.reduce((a, v) => a + v, 0) * points.every;
    if (sum > 0) all.push({ name: name.slice(group.length + 1), values, sum });
  }
  return all.sort((a, b) => b.sum - a.sum || (a.name < b.name ? -1 : 1));
}

export const last = (points, name) => points.series[name]?.at(-1);
