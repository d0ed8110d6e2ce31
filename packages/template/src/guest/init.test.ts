import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { GUEST } from "@wrenn/linux";
import { APPLETS } from "../initramfs/initramfs.ts";

const script = readFileSync(new URL("./init", import.meta.url), "utf8");

describe("the init script", () => {
  it("has the addresses of the guest's network", () => {
    const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(script)?.[1];
    assert.equal(value("ADDRESS"), GUEST.address);
    assert.equal(value("GATEWAY"), GUEST.gateway);
    assert.equal(value("GATEWAY"), GUEST.resolver);
    const bits =
      value("NETMASK")
        ?.split(".")
        .map((part) => Number(part).toString(2))
        .join("") ?? "";
    assert.equal(bits.replaceAll("0", "").length, GUEST.prefixLength);
  });

  it("calls nothing that the initramfs lacks", () => {
    const builtins = "echo exec export read return set".split(" ");
    const functions = [...script.matchAll(/^(\w+)\(\)/gm)].map((match) => match[1] ?? "");
    const commands = script
      .replace(/\\\n/g, "")
      .replace(/^\s*#.*$/gm, "")
      .replace(/^\w+\(\) \{$/gm, "")
      .split(/\n|\|\||&&|;|\$\(|\bdo\b|\bthen\b|\{ /)
      .map((part) => /^\s*(?:exec |while )?([a-z_]\w*)\b(?!=)/.exec(part)?.[1])
      .filter(
        (word): word is string => word !== undefined && !["for", "if", "fi", "done", "do"].includes(word),
      );
    assert.ok(commands.includes("switch_root") && commands.includes("insmod"));
    const unknown = commands.filter((word) => ![...builtins, ...functions, ...APPLETS].includes(word));
    assert.deepEqual([...new Set(unknown)], []);
  });
});
