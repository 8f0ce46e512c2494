// Formats times in the language of the browser.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const DATE = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DATE_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'medium' });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** The time of day. Times are in milliseconds since 1970. @param {number} ms */
export const clock = ms => CLOCK.format(ms);

/** The shortest form of the time of day, without AM and PM. @param {number} ms */
export function gutter(ms) {
  const parts = CLOCK.formatToParts(ms), hour = parts.findIndex(p => p.type === 'hour'), minute = parts.findIndex(p => p.type === 'minute');
  return parts.slice(hour, minute + 1).map(p => p.value).join('');
}

/** Date and time, to the second. @param {number} ms */
export const full = ms => FULL.format(ms);

/** Date and time, in short. @param {number} ms */
export const short = ms => SHORT.format(ms);

/** A key for the day in local time. @param {number} ms */
export const dayOf = ms => new Date(ms).toDateString();

/**
 * Calls fn when a new day has started: at midnight, or when the page gets the focus, because the
 * device may have been asleep at midnight.
 * @param {() => void} fn @param {AbortSignal} signal
 */
export function eachDay(fn, signal) {
  let today = dayOf(Date.now()), timer;
  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(look, new Date().setHours(24, 0, 0, 100) - Date.now());
    if (today === dayOf(Date.now())) return;
    today = dayOf(Date.now());
    fn();
  };
  for (const name of ['focus', 'visibilitychange']) addEventListener(name, look, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  look();
}

/** The day, in words. @param {number} ms @param {number} [now] */
export function day(ms, now = Date.now()) {
  const then = dayOf(ms), yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (then === dayOf(now)) return 'Today';
  if (then === dayOf(yesterday.getTime())) return 'Yesterday';
  return (now - ms < 200 * 86_400_000 ? DATE : DATE_YEAR).format(ms);
}
