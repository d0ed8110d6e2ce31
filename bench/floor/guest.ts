// The calls that the platform makes to a guest agent, made with nothing but node:http. Imports nothing of the platform.
import { Agent, request } from "node:http";

const GUEST = "169.254.0.21";
const PORT = 49983;

export class Guest {
  readonly #agent = new Agent({ keepAlive: true });
  #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  /** Who it is: `body` as it is sent, but for the time. It answers to `token` afterwards. */
  async init(body: Record<string, unknown>, token: string): Promise<void> {
    await this.#post("/init", "application/json", JSON.stringify({ ...body, timestamp: new Date() }));
    this.#token = token;
  }

  async quiesce(streams: "end" | "keep"): Promise<void> {
    await this.#post("/quiesce", "application/json", JSON.stringify({ streams }));
  }

  async unquiesce(): Promise<void> {
    await this.#post("/unquiesce", "application/json", "");
  }

  /** Runs a command to its end: `message` is a process.StartRequest as bytes. Throws when the stream ends in an error. */
  async exec(message: Buffer): Promise<void> {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const body = await this.#post(
      "/process.Process/Start",
      "application/connect+proto",
      Buffer.concat([head, message]),
    );
    let last: Buffer | undefined;
    for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1)) last = body.subarray(at);
    const end = last?.[0] === 2 ? last.subarray(5).toString() : '{"error":"the stream has no end"}';
    if ("error" in (JSON.parse(end) as object)) throw new Error(`exec failed: ${end}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(path: string, type: string, body: string | Buffer): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const headers = {
      "content-type": type,
      "content-length": Buffer.byteLength(body),
      "connect-protocol-version": "1",
      "x-access-token": this.#token,
    };
    const options = { agent: this.#agent, host: GUEST, port: PORT, method: "POST", path, headers };
    request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const answer = Buffer.concat(chunks);
        const ok = (response.statusCode ?? 0) < 300;
        if (ok) resolve(answer);
        else reject(new Error(`${path} answered ${response.statusCode}: ${answer.toString().slice(0, 500)}`));
      });
    })
      .on("error", reject)
      .end(body);
    return promise;
  }
}
