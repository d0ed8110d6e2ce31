// The life of a sandbox once more, with memory that arrives while its guest runs; all of it with WRENN_LONG.
process.env["WRENN_MEMORY"] = "lazy";
await import("./snapshots.test.ts");

export {};
