// Puts a checkout into a merchant's page: PenstockCheckout.mount(element, { url, onSucceeded, ... }).
// It believes a message only if its own frame sent it, from the checkout's own origin, in the documented shape.
(() => {
  "use strict";

  const HANDLERS = {
    ready: "onReady",
    resize: "onResize",
    processing: "onProcessing",
    step: "onStep",
    succeeded: "onSucceeded",
    failed: "onFailed",
    closed: "onClosed",
  };

  function read(event, frame, origin, sessionId) {
    const data = event.data;
    if (event.source !== frame.contentWindow || event.origin !== origin) return null;
    if (typeof data !== "object" || data === null || data.source !== "penstock" || data.version !== 1) return null;
    if (data.sessionId !== sessionId || !Object.hasOwn(HANDLERS, data.type)) return null;
    if (data.type === "resize" && !(Number.isInteger(data.height) && data.height >= 0 && data.height < 20000)) return null;
    return data;
  }

  function mount(place, options) {
    const url = new URL(options.url, location.href);
    const sessionId = url.pathname.split("/").pop();
    url.searchParams.set("parentOrigin", location.origin);
    if (options.theme) url.searchParams.set("theme", options.theme);
    const frame = document.createElement("iframe");
    frame.src = url.href;
    frame.title = options.title || "Checkout";
    frame.allow = "payment";
    frame.referrerPolicy = "origin";
    Object.assign(frame.style, { border: "0", width: "100%", minHeight: "480px", colorScheme: "normal" });

    function hear(event) {
      const message = read(event, frame, url.origin, sessionId);
      if (!message) return;
      if (message.type === "resize") frame.style.height = `${message.height}px`;
      const handler = options[HANDLERS[message.type]];
      if (typeof handler === "function") handler(message);
    }

    window.addEventListener("message", hear);
    place.replaceChildren(frame);
    return {
      frame,
      unmount() {
        window.removeEventListener("message", hear);
        frame.remove();
      },
    };
  }

  window.PenstockCheckout = Object.freeze({ mount });
})();
