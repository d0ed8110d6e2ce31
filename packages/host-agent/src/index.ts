// The host agent is a process (main.ts); it exports nothing.
export {};
