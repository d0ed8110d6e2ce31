// The client's wish for signs of life on a quiet stream.

const DEFAULT_SECONDS = 90;
const MAX_SECONDS = 3600;

/** Milliseconds between keep-alive events, from `Keepalive-Ping-Interval` (seconds; what is no usable number counts as absent). */
export function keepaliveInterval(headers: Headers): number {
  const given = headers.get("keepalive-ping-interval") ?? "";
  const seconds = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  return 1000 * (seconds === 0 ? DEFAULT_SECONDS : Math.min(seconds, MAX_SECONDS));
}
