// Numbers as people read them, with their units. A value that is null, undefined or NaN is a dash.

const whole = new Intl.NumberFormat('en');
const missing = v => v === null || v === undefined || Number.isNaN(v);

// significant returns v with three digits, or as a whole number above that.
function significant(v) {
  if (v === 0) return '0';
  const a = Math.abs(v);
  if (a >= 100) return whole.format(Math.round(v));
  if (a >= 10) return String(Number(v.toFixed(1)));
  if (a >= 1) return String(Number(v.toFixed(2)));
  return String(Number(v.toPrecision(2)));
}

export const count = v => missing(v) ? '–' : whole.format(Math.round(v));

// short is for axes and places without room: 1.2 k, 3.4 M.
export function short(v) {
  if (missing(v)) return '–';
  for (const [unit, name] of [[1e9, ' G'], [1e6, ' M'], [1e4, ' k']]) {
    if (Math.abs(v) >= unit) return significant(v / (unit === 1e4 ? 1e3 : unit)) + name;
  }
  return significant(v);
}

export const rate = v => missing(v) ? '–' : short(v) + '/s';

export function bytes(v) {
  if (missing(v)) return '–';
  let unit = 0;
  for (; Math.abs(v) >= 1000 && unit < 4; unit++) v /= 1024;
  return (unit ? significant(v) : String(Math.round(v))) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit];
}

export const byteRate = v => missing(v) ? '–' : bytes(v) + '/s';

// duration is for times from microseconds to days, in seconds.
export function duration(v) {
  if (missing(v)) return '–';
  if (v === 0) return '0 s';
  if (v < 1e-3) return significant(v * 1e6) + ' µs';
  if (v < 1) return significant(v * 1e3) + ' ms';
  if (v < 120) return significant(v) + ' s';
  if (v < 7200) return Math.floor(v / 60) + ' min';
  if (v < 172800) return Math.floor(v / 3600) + ' h ' + Math.floor(v % 3600 / 60) + ' min';
  return Math.floor(v / 86400) + ' days';
}

export const cores = v => missing(v) ? '–' : significant(v) + (v === 1 ? ' core' : ' cores');

export const clock = ms => new Date(ms).toLocaleTimeString('en-GB');

// plural returns a number with its noun: 1 topic, 2 topics.
export const plural = (n, noun) => count(n) + ' ' + noun + (n === 1 ? '' : 's');

// The names of close codes (RFC 6455, 7.4.1, and those of the server).
const codes = {
  1000: 'normal', 1001: 'going away', 1002: 'protocol error', 1003: 'unsupported data', 1005: 'no status', 1006: 'abnormal',
  1007: 'invalid text', 1008: 'policy', 1009: 'too big', 1010: 'extension', 1011: 'internal error', 1012: 'restart',
  1013: 'try again later', 1015: 'TLS', '3xxx': 'of libraries', '4xxx': 'of applications',
};
export const closeCode = code => codes[code] ? `${code} ${codes[code]}` : code;

const reasons = {
  full: 'server full', address: 'too many from an address', preamble: 'PROXY preamble', handshakes: 'handshakes under way',
  handshake_rate: 'handshake rate', conn_rate: 'rate of a connection', user_rate: 'rate of a user', topic_rate: 'rate of a topic',
};
export const reason = name => reasons[name] ?? name.replaceAll('_', ' ');
