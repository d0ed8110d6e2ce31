// The life of a sandbox once more, with memory that arrives while its guest runs. What every run tries of it is in
// ../lazy.test.ts.
process.env["WRENN_MEMORY"] = "lazy";
await import("../snapshots.test.ts");

export {};
