/* Keys, wherever the focus is. */

import { arrows } from "./commands.js";
import { arrowOf, commandOf } from "./keys.js";

const WRITING = "input, textarea, select, [contenteditable], dialog[open], .desk-menu";
const PRESSED = "button, a, summary, [role=tab]"; // Enter and Space are theirs

export const keyboard = {
  data: () => ({ panKey: false }),
  mounted() {
    for (const [type, act] of this.keyListeners()) addEventListener(type, act);
  },
  beforeUnmount() {
    for (const [type, act] of this.keyListeners()) removeEventListener(type, act);
  },
  methods: {
    keyListeners() {
      return [
        ["keydown", this.keyDown],
        ["keyup", this.keyUp],
        ["blur", this.letGo],
      ];
    },
    keyDown(event) {
      const { target } = event;
      if (event.defaultPrevented || event.isComposing || this.menu || target.closest?.(WRITING)) return;
      if (["Enter", " "].includes(event.key) && target.closest?.(PRESSED)) return;
      if (this.takeKey(event)) event.preventDefault();
    },
    /* True when the key meant something here. */
    takeKey(event) {
      const command = commandOf(event),
        by = arrowOf(event);
      if (this.tool) return this.toolKey(event, command, by);
      if (command === "nextBox") return this.tab(event);
      if (by && this.editor && !event.target.closest?.(".desk-read") && arrows(this, by, event)) return true;
      if (command === "pan" || command === "blink") return this.hold(command);
      if (!command || (event.repeat && !/^zoom|undo|redo/.test(command))) return Boolean(command);
      this.run(command);
      return true;
    },
    toolKey(event, command, by) {
      if (by) arrows(this, by, event);
      else if (event.key === "Enter") this.toolEnter();
      else if (command === "cancel") this.cancel();
      else if (command === "split") this.tool.turn();
      else if (command === "pan") this.panKey = true;
      else return /^zoom|fit|full$/.test(command) ? (this.run(command), true) : false;
      return true;
    },
    hold(command) {
      if (command === "pan") this.panKey = true;
      else if (this.sample?.references.length) this.show.blink = true;
      else this.say("There is no reference.");
      return true;
    },
    keyUp(event) {
      const command = commandOf(event);
      if (command === "pan") this.panKey = false;
      if (command === "blink") this.show.blink = false;
    },
    letGo() {
      this.panKey = this.show.blink = false;
    },
    /* Tab goes from box to box while the picture has the focus, and on from the last one. */
    tab(event) {
      const { target } = event;
      const onPicture = target === document.body || target.closest?.(".desk-pane.query");
      if (!onPicture || !this.editor?.regions.length || !this.show.boxes) return false;
      const keys = this.editor.regions.map((region) => region.key);
      const at = keys.indexOf(this.editor.current);
      const next = event.shiftKey ? (at < 0 ? keys.length : at) - 1 : at + 1;
      if (!(next in keys)) return false;
      this.editor.current = keys[next];
      this.focusBox();
      return true;
    },
  },
};
