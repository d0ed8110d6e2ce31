// Lines of bytes from a stream, at the reader's pace.

const NEWLINE = 10;

/**
 * Each line without its end; a last one without an end is left out. Throws on a line of more than `maxBytes`. Nothing is
 * read ahead of the reader beyond the stream's own buffer.
 */
export async function* linesOf(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Buffer> {
  let begun: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      const line = Buffer.concat([...begun, rest.subarray(0, end)]);
      if (line.length > maxBytes) throw tooLong(maxBytes);
      yield line;
      rest = rest.subarray(end + 1);
      begun = [];
      size = 0;
    }
    size += rest.length;
    if (size > maxBytes) throw tooLong(maxBytes);
    if (rest.length > 0) begun.push(rest);
  }
}

function tooLong(maxBytes: number): Error {
  return new Error(`a line of more than ${maxBytes} bytes`);
}
