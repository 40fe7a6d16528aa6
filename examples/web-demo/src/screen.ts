/** The terminal on the page: xterm.js, as large as its element. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal as Xterm } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

/** What the screen tells of; one listener at a time, that of the shell that runs. */
export interface Keyboard {
  /** Keys, as the text that a terminal sends. */
  typed(text: string): void;
  /** The window has another size, in characters. */
  resized(columns: number, rows: number): void;
}

/** A terminal that fills `element`. */
export class Screen {
  readonly #xterm: Xterm;
  readonly #fit = new FitAddon();
  #keyboard: Keyboard | undefined;

  constructor(element: HTMLElement) {
    this.#xterm = new Xterm({
      cursorBlink: true,
      fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace",
      fontSize: 14,
      scrollback: 5000,
      theme: { background: "#0d1417", foreground: "#d5dfdf", cursor: "#4cc2b0", selectionBackground: "#2f5a58" },
    });
    this.#xterm.loadAddon(this.#fit);
    this.#xterm.open(element);
    this.#fit.fit();
    this.#xterm.onData((text) => this.#keyboard?.typed(text));
    this.#xterm.onBinary((text) => this.#keyboard?.typed(text));
    this.#xterm.onResize(({ cols, rows }) => this.#keyboard?.resized(cols, rows));
    new ResizeObserver(() => this.#fit.fit()).observe(element);
  }

  /** Its width in characters. */
  get columns(): number {
    return this.#xterm.cols;
  }

  /** Its height in characters. */
  get rows(): number {
    return this.#xterm.rows;
  }

  /** Sends keys to `keyboard` from now on, or nowhere. */
  connect(keyboard: Keyboard | undefined): void {
    this.#keyboard = keyboard;
    if (keyboard !== undefined) {
      this.#xterm.focus();
    }
  }

  /** Shows what a program wrote; settles when it is on the screen. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#xterm.write(bytes, resolve));
  }

  /** Shows a line of the page's own, apart from what programs wrote. */
  note(text: string): void {
    const { cursorX, type } = this.#xterm.buffer.active;
    const start = cursorX > 0 ? "\r\n" : "";
    // A program may have left the other buffer, colours or a hidden cursor behind. To leave the
    // other buffer moves the cursor, even for who is not in it.
    const leave = type === "alternate" ? "\x1b[?1049l" : "";
    this.#xterm.write(`${leave}\x1b[0m\x1b[?25h${start}\x1b[2m${text}\x1b[0m\r\n`);
  }

  /** All its text, scrolled lines included; a wrapped line is one line. */
  text(): string {
    const buffer = this.#xterm.buffer.active;
    let text = "";
    for (let row = 0; row < buffer.length; row += 1) {
      const line = buffer.getLine(row);
      const isWrapped = buffer.getLine(row + 1)?.isWrapped ?? false;
      text += `${line?.translateToString(!isWrapped) ?? ""}${isWrapped ? "" : "\n"}`;
    }
    return text.trimEnd();
  }
}
