/* What the desk tells the person: short sentences in passing, and notices that stay. */

const AFTER_RECONNECT = 5000; // milliseconds in which NiceGUI reloads a page whose server was restarted

export const notices = {
  data: () => ({ message: "", notices: [], comingBack: false }),
  mounted() {
    setTimeout(() => window.socket?.io.on("reconnect", this.reconnected));
  },
  methods: {
    say(words) {
      // Told twice it is read out twice.
      this.message = words && words === this.message ? `${words}\u00a0` : words;
    },
    /* `scope`: "sample" for one that goes with the sample. */
    notify(name, kind, words, actions, scope = "", link = null) {
      this.notices = [
        ...this.notices.filter((notice) => notice.name !== name),
        { name, kind, words, actions, scope, link },
      ];
    },
    dismiss(name) {
      this.notices = this.notices.filter((notice) => notice.name !== name);
    },
    dismissAll(scope) {
      this.notices = this.notices.filter((notice) => notice.scope !== scope);
    },
    /* Decisions wait for the connection, or go on. */
    connection(failure) {
      const again = [{ words: "Try now", act: this.saveNow }];
      if (!failure) this.dismiss("connection");
      else if (failure.status === 401) {
        const address = `${this.base}/login?next=${encodeURIComponent(location.pathname.slice(this.base.length) + location.search)}`;
        this.notify(
          "connection",
          "error",
          "You are logged out. Nothing is lost: log in, and what you decided is saved.",
          [],
          "",
          { words: "Log in", address },
        );
      } else
        this.notify("connection", "warning", `Not saved yet: ${failure.message}. Go on; it is tried again.`, again);
    },
    /* NiceGUI is about to reload the page, which must not wait for an answer: everything is kept. */
    reconnected() {
      this.comingBack = true;
      setTimeout(() => (this.comingBack = false), AFTER_RECONNECT);
    },
  },
};
