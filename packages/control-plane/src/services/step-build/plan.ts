// What a build from steps is asked to do. Pure: steps and their context, in the order in which they are carried out.
import { BOUNDS, LIMITS, WrennError } from "@wrenn/core";
import { shellWord } from "./shell-word.ts";

/** One step as it is asked for; `args` depend on the type. */
export interface Step {
  type: string;
  args: string[];
  /** Of what COPY copies: names an upload. */
  filesHash?: string | undefined;
  /** To be carried out although it is cached. */
  force?: boolean | undefined;
}

/** What later steps, and at the end the template's sandboxes, inherit. */
export interface Surroundings {
  user: string;
  workdir: string;
  envs: Record<string, string>;
}

export type Action =
  | { type: "run"; command: string; surroundings: Surroundings }
  | { type: "copy"; filesHash: string; source: string; target: string; owner: string; mode: string };

export interface PlannedStep {
  /** For people: `RUN echo hello`. */
  title: string;
  /** Nothing for a step that only changes the surroundings. */
  action: Action | undefined;
  /** To be carried out although it is cached; and so all that follow. */
  force: boolean;
}

export interface Plan {
  steps: PlannedStep[];
  surroundings: Surroundings;
}

/** Where a build begins that is told nothing else. */
export const START: Surroundings = { user: "user", workdir: "/home/user", envs: {} };
const MAX_STEPS = 256;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;
const MODE = /^[0-7]{3,4}$/;
const HASH = /^[0-9a-f]{64}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const MAX_TITLE = 200;

/** Throws `invalid_argument` with the number of the step that is wrong; the first is 1. */
export function planSteps(steps: readonly Step[], start: Surroundings = START): Plan {
  if (steps.length > MAX_STEPS)
    throw new WrennError("too_large", `at most ${MAX_STEPS} steps`, { field: "steps" });
  let surroundings = start;
  const planned = steps.map((step, at) => {
    const wrong = (why: string) =>
      new WrennError("invalid_argument", `step ${at + 1} (${step.type}): ${why}`, { field: `steps[${at}]` });
    const { action, after } = planStep(step, surroundings, wrong);
    surroundings = after;
    return { title: titleOf(step), action, force: step.force === true };
  });
  return { steps: planned, surroundings };
}

type Wrong = (why: string) => WrennError;

function planStep(
  { type, args, filesHash }: Step,
  before: Surroundings,
  wrong: Wrong,
): { action: Action | undefined; after: Surroundings } {
  if (args.some((arg) => arg.includes("\0"))) throw wrong("an argument contains NUL");
  const [first = "", second = "", third = "", fourth = ""] = args;
  switch (type) {
    case "RUN": {
      if (first === "") throw wrong("no command");
      const user = second === "" ? before.user : userOf(second, wrong);
      return { action: { type: "run", command: first, surroundings: { ...before, user } }, after: before };
    }
    case "COPY": {
      if (first === "" || second === "") throw wrong("a source and a target are needed");
      if (first.startsWith("/") || first.split("/").includes(".."))
        throw wrong("the source leaves its context");
      if (!HASH.test(filesHash ?? "")) throw wrong("filesHash must be 64 hex digits");
      if (fourth !== "" && !MODE.test(fourth)) throw wrong("the mode must be octal");
      const owner = third === "" ? before.user : userOf(third, wrong);
      const target = absolute(second, before.workdir);
      return {
        action: { type: "copy", filesHash: filesHash ?? "", source: first, target, owner, mode: fourth },
        after: before,
      };
    }
    case "ENV": {
      if (args.length === 0 || args.length % 2 === 1) throw wrong("names and values in turn are needed");
      const envs = { ...before.envs };
      for (let i = 0; i < args.length; i += 2) {
        const name = args[i] ?? "";
        if (!VARIABLE.test(name)) throw wrong(`${name} is no name of a variable`);
        const value = args[i + 1] ?? "";
        envs[name] = name === "PATH" ? extendedPath(value, before.envs["PATH"]) : value;
      }
      if (Object.keys(envs).length > LIMITS.envs) throw wrong(`at most ${LIMITS.envs} variables`);
      const { PATH } = envs;
      const changes = PATH !== undefined && PATH !== before.envs["PATH"];
      return { action: changes ? pathForLogins(PATH) : undefined, after: { ...before, envs } };
    }
    case "WORKDIR": {
      if (first === "") throw wrong("no directory");
      const workdir = absolute(first, before.workdir);
      const make = { ...before, user: "root", workdir: "/" };
      const command = `mkdir -p -- ${shellWord(workdir)} && chown ${before.user}: -- ${shellWord(workdir)}`;
      return { action: { type: "run", command, surroundings: make }, after: { ...before, workdir } };
    }
    case "USER": {
      return { action: undefined, after: { ...before, user: userOf(first, wrong) } };
    }
    default:
      throw wrong("it must be RUN, COPY, ENV, WORKDIR or USER");
  }
}

/** What Debian's login shells begin with. */
const USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A path may be named in terms of the one before it, as everybody does; nothing else in a value is replaced. */
function extendedPath(value: string, before = USUAL_PATH): string {
  return value.replaceAll(/\$\{PATH\}|\$PATH(?![A-Za-z0-9_])/g, () => before);
}

/** Login shells set their path anew, whatever they are given; this is where they may be told. */
function pathForLogins(path: string): Action {
  const line = shellWord(`export PATH=${shellWord(path)}`);
  const command = `mkdir -p /etc/profile.d && printf '%s\\n' ${line} > /etc/profile.d/wrenn-path.sh`;
  return { type: "run", command, surroundings: { user: "root", workdir: "/", envs: {} } };
}

function userOf(name: string, wrong: Wrong): string {
  if (!USER.test(name)) throw wrong(`${name} is no user's name`);
  return name;
}

function absolute(path: string, workdir: string): string {
  if (Buffer.byteLength(path) > LIMITS.pathBytes)
    throw new WrennError("invalid_argument", "a path is too long");
  if (path.startsWith("/")) return path;
  return `${workdir === "/" ? "" : workdir}/${path.replace(/^\.\//, "")}`;
}

function titleOf({ type, args }: Step): string {
  const shown = type === "ENV" ? args.filter((_, at) => at % 2 === 0) : args.filter((arg) => arg !== "");
  const text = `${type} ${shown.join(" ")}`;
  return text.length > MAX_TITLE ? `${text.slice(0, MAX_TITLE)}…` : text;
}

/** Seconds that one build may take. */
export const BUILD_SEC = Math.min(3600, BOUNDS.timeout_sec.max);
