// Figures as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.5 GiB`: three digits at most. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${digits(value)} ${UNITS[unit]}`;
}

/** Of MiB, as the API counts memory and disks. */
export function mebibytes(count: number): string {
  return bytes(count * 1024 * 1024);
}

/** How long something took, from ms: `7.3 ms`, `812 ms`, `4.21 s`, `2 min 3 s`. */
export function took(ms: number): string {
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_995) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** What is left of a time-out, from ms: `0:42`, `1:05:00`, `2 d 3 h`. Never negative. */
export function left(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const [minutes, rest] = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours}:${two(minutes)}:${two(rest)}`;
  return `${minutes}:${two(rest)}`;
}

/** Roughly how long ago, from ms: `now`, `42 s ago`, `3 min ago`. */
export function ago(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** Seconds of a time-out as a caller set it: `none`, `90 s`, `5 min`, `2 h`. */
export function seconds(count: number): string {
  if (count === 0) return "none";
  if (count % 3600 === 0) return `${count / 3600} h`;
  if (count % 60 === 0) return `${count / 60} min`;
  return `${count} s`;
}

/** Time of day with milliseconds: `14:03:07.052`. */
export function timeOfDay(date: Date): string {
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${parts}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Day and time of day: `2026-11-26 14:03:07`, in the reader's zone. */
export function dayAndTime(date: Date): string {
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${timeOfDay(date).slice(0, 8)}`;
}

/** `1 vCPU`, `4 vCPUs`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function digits(value: number): string {
  const decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return String(Number(value.toFixed(decimals)));
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
