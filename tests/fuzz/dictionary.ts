// Values that mean something to a guest, beside those that the schemas give: by the name of the field.

/** Programs that end by themselves. `/etc/passwd` and `/` cannot be run. */
const COMMANDS = ["true", "cat", "sh", "id", "no-such-command", "/etc/passwd", "/", "/absent", "python3"];

const PATHS = [
  "/",
  "/etc",
  "/etc/",
  "/etc/passwd",
  "/etc/passwd/below",
  "/etc/shadow",
  "/dev/zero",
  "/dev/null",
  "/proc/meminfo",
  "/proc/absent",
  "/sys/absent",
  "/run/wrenn/envd",
  "/run/wrenn/absent",
  "/tmp/a file",
  "/tmp/\r\nx: y",
  "//tmp//x",
  `/tmp/${"n".repeat(255)}`,
  `/tmp/${"n".repeat(256)}`,
  `/tmp/${"d/".repeat(100)}f`,
  `/${"é".repeat(4095)}`,
];

export const DICTIONARY: Readonly<Record<string, readonly string[]>> = {
  cmd: COMMANDS,
  path: PATHS,
  cwd: PATHS,
  user: ["root", "user", "nobody", "mallory"],
  signal: ["SIGTERM", "SIGKILL", "SIGNONSENSE"],
};
