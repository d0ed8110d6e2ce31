// Whether the long forms of the tests were asked for: they take hours.
export const LONG = process.env["WRENN_LONG"] === "1";
