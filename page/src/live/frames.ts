/** Server-sent events out of a stream of text: a pure reader of what arrives in any pieces. */

export interface Frame {
  event: string;
  data: string;
}

export class FrameReader {
  /** The newest id: what to send as `Last-Event-ID`. */
  lastId = "";
  private rest = "";

  /** Return the events that this piece completes. Comments, `retry` and an unfinished end give none. */
  take(piece: string): Frame[] {
    const blocks = (this.rest + piece).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => this.read(block));
  }

  private read(block: string): Frame[] {
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event = value;
      else if (field === "data") data.push(value);
      else if (field === "id") this.lastId = value;
    }
    return data.length ? [{ event, data: data.join("\n") }] : [];
  }
}
