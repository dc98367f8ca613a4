/** An endpoint of this machine: it answers as it is told to, and keeps what it heard. */
import { createServer } from "node:http";

export class Receiver {
  static async start() {
    const receiver = new Receiver();
    await new Promise((resolve) => receiver.server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  constructor() {
    /** Whether it gives challenges back. */
    this.consents = true;
    /** What it answers: a status and a body. */
    this.status = 204;
    this.body = "";
    /** What it answers at some paths: `[status, body]`. */
    this.answers = {};
    /** Every request: its path, headers and body as JSON. */
    this.heard = [];
    this.server = createServer((request, answer) => this.take(request, answer));
  }

  at(path) {
    return `http://127.0.0.1:${this.server.address().port}/${path}`;
  }

  async take(request, answer) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString());
    this.heard.push({ path: request.url, headers: request.headers, body });
    const challenge = body.data?.challenge;
    if (challenge && this.consents) return answer.writeHead(200).end(challenge);
    const [status, text] = challenge ? [404, "no"] : (this.answers[request.url] ?? [this.status, this.body]);
    return answer.writeHead(status, { "X-From": "receiver" }).end(status === 204 ? undefined : text);
  }

  /** The types of what it heard, verifications aside. */
  get types() {
    return this.heard.map(({ body }) => body.type).filter((type) => !type.startsWith("event_destination."));
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
