import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Source, Transcript, type TranscriptLimits } from "./transcript.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function shown(text: string, limits: Partial<TranscriptLimits> = {}): string {
  const transcript = new Transcript(limits);
  transcript.write("stdout", encode(text));
  return transcript.text();
}

/** What a hostile program writes: text, controls, and pieces of sequences in any order. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom(
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}]",
        "\u{9b}",
        "\u{1b}P",
        "\u{7}",
        "\u{1b}\\",
        ";",
        "31",
        "m",
        "K",
      ),
      fc.constantFrom("\n", "\r", "\b", "\t", "\u{202e}", "2J", "<b>"),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

/** Controls other than the tab, line separators, and what turns the direction of text. */
const DANGEROUS = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}\u{202a}-\u{202e}\u{2066}-\u{2069}]/u;

describe("Transcript", () => {
  it("keeps lines, and goes back within one", () => {
    assert.equal(shown("one\ntwo"), "one\ntwo");
    assert.equal(shown("one\r\ntwo\r\n"), "one\ntwo\n");
    assert.equal(shown("progress 10%\rprogress 99%"), "progress 99%");
    assert.equal(shown("long line\rshort\u{1b}[K"), "short");
    assert.equal(shown("abc\b\bX"), "aXc");
    assert.equal(shown("abc\u{1b}[2Kd"), "   d");
    assert.equal(shown("abc\r\u{1b}[1Kd"), "dbc");
  });

  it("obeys no sequence but colours and erasing", () => {
    assert.equal(shown("a\u{1b}]0;title\u{7}b"), "ab");
    assert.equal(shown("a\u{1b}]52;c;aGk=\u{1b}\\b"), "ab");
    assert.equal(shown("a\u{1b}]8;;javascript:x\u{1b}\\link\u{1b}]8;;\u{1b}\\b"), "alinkb");
    assert.equal(shown("a\u{1b}[10;10Hb\u{1b}[?1049hc\u{1b}[6nd"), "abcd");
    assert.equal(shown("a\u{1b}(Bb\u{1b}Pq...\u{1b}\\c\u{9b}31md"), "abcd");
    assert.equal(shown("a\u{1b}]never ends\nb"), "a\nb");
    assert.equal(shown("a\u{1b}[31\u{18}b"), "ab");
  });

  it("keeps what a program has cleared from its screen", () => {
    assert.equal(shown("before\u{1b}[2Jafter"), "before\nafter");
    assert.equal(shown("before\n\u{1b}cafter"), "before\nafter");
  });

  it("writes out what would hide or turn text", () => {
    assert.equal(shown("a\u{202e}b\u{0001}c\u{200b}"), "a\\u{202e}b\\u{1}c\\u{200b}");
    assert.equal(shown("👩‍💻 عربي"), "👩‍💻 عربي");
  });

  it("styles each stream by itself", () => {
    const transcript = new Transcript();
    transcript.write("stdout", encode("\u{1b}[31mred"));
    transcript.write("stderr", encode("plain"));
    transcript.write("stdout", encode("red"));
    assert.deepEqual(transcript.current(), [
      { text: "red", classes: "fg-1" },
      { text: "plain", classes: "stderr" },
      { text: "red", classes: "fg-1" },
    ]);
  });

  it("puts a character together that came in two pieces, and shows bytes that are none", () => {
    const transcript = new Transcript();
    for (const byte of encode("€")) transcript.write("stdout", Uint8Array.of(byte));
    transcript.write("stdout", Uint8Array.of(0xff, 0x41));
    assert.equal(transcript.text(), "€\u{fffd}A");
  });

  it("forgets the oldest lines, and says how many", () => {
    const transcript = new Transcript({ lines: 3 });
    transcript.write("stdout", encode("1\n2\n3\n4\n5"));
    assert.equal(transcript.text(), "2\n3\n4\n5");
    assert.equal(transcript.dropped, 1);
    assert.equal(shown("abcdefgh\n", { characters: 10, columns: 4 }), "abcd\nefgh\n");
    assert.equal(shown("abcdefghijkl\n", { characters: 10, columns: 4 }), "efgh\nijkl\n");
  });

  it("shows the same however the bytes are cut", () => {
    fc.assert(
      fc.property(hostile, fc.array(fc.nat({ max: 7 }), { minLength: 1 }), (text, cuts) => {
        const whole = new Transcript();
        const pieces = new Transcript();
        const bytes = encode(text);
        whole.write("stdout", bytes);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = 1 + (cuts[turn % cuts.length] ?? 0);
          pieces.write("stdout", bytes.subarray(at, at + length));
          at += length;
        }
        assert.deepEqual([pieces.lines, pieces.current()], [whole.lines, whole.current()]);
      }),
    );
  });

  it("holds no control character and stays within its bounds, whatever is written", () => {
    const limits = { lines: 5, columns: 8, characters: 30 };
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom<Source>("stdout", "stderr"), hostile)), (writes) => {
        const transcript = new Transcript(limits);
        for (const [source, text] of writes) transcript.write(source, encode(text));
        for (const { text } of [...transcript.lines, transcript.current()].flat()) {
          assert.doesNotMatch(text, DANGEROUS);
        }
        assert.ok(transcript.lines.length <= limits.lines);
        const kept = transcript.lines.flat().reduce((sum, { text }) => sum + text.length, 0);
        assert.ok(kept <= limits.characters, `${kept} characters`);
      }),
    );
  });
});
