// The buyer's side of a checkout page. It asks the API and shows what the API says; it decides nothing about money.
// It listens to no messages: whatever another frame sends here, nobody hears it.
(() => {
  "use strict";

  const state = JSON.parse(document.getElementById("state").textContent);
  const byId = (id) => document.getElementById(id);
  const isFramed = window.parent !== window;
  const SHORT_WAIT = 1500;
  const LONG_WAIT = 5000;
  const MAX_LOOKS = 40;
  const PAUSE = 400;

  function tell(type, details = {}) {
    if (!isFramed || !state.parentOrigin) return;
    window.parent.postMessage({ source: "penstock", version: 1, type, sessionId: state.sessionId, ...details }, state.parentOrigin);
  }

  // A bank sends its customer back to the hosted page, even where the checkout was embedded. The frame's name, which
  // outlives its pages, remembers how it was embedded; what it says is checked by the server as on the first visit.
  const MARK = "penstock:";
  if (isFramed && state.page !== "challenge" && !state.isEmbedded) {
    const query = window.name.startsWith(`${MARK}?`) ? window.name.slice(MARK.length) : "";
    location.replace(`/embed/${state.sessionId}${query}`);
    return;
  }
  if (isFramed && state.isEmbedded) window.name = MARK + location.search;

  function drawMoney(within) {
    for (const place of within.querySelectorAll(".money")) {
      const { major, currency, exponent } = place.dataset;
      const digits = { minimumFractionDigits: Number(exponent), maximumFractionDigits: Number(exponent) };
      try {
        // The decimal text goes in as it is: it never becomes a float.
        place.textContent = new Intl.NumberFormat(undefined, { style: "currency", currency, ...digits }).format(major);
      } catch { /* the text of the server stays */ }
    }
  }
  drawMoney(document);

  const form = byId("till");
  const leave = byId("leave");
  const submit = form && form.querySelector("[type=submit]");
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  function showNotice(title, text = "") {
    const notice = byId("notice");
    notice.querySelector("strong").textContent = title;
    notice.querySelector("span").textContent = text;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
  }

  function setBusy(text) {
    const waiting = byId("waiting");
    if (waiting) {
      waiting.hidden = !text;
      waiting.lastElementChild.textContent = text;
    }
    // Before the ways to pay are there, there is nothing to press.
    const isIdle = !text && form && (state.isFree || form.elements.namedItem("paymentMethod"));
    if (submit) submit.disabled = !isIdle;
    if (leave) leave.hidden = Boolean(text);
    if (form) form.setAttribute("aria-busy", text ? "true" : "false");
    if (text && byId("notice")) byId("notice").hidden = true;
  }

  function succeed(answer) {
    tell("succeeded", { orderId: answer.orderId, paymentId: answer.paymentId, paymentStatus: answer.paymentStatus });
    if (!state.isEmbedded && state.returnUrl) location.assign(state.returnUrl);
    else location.reload();
  }

  function fail(code, title, text = "") {
    setBusy("");
    showNotice(title, text);
    tell("failed", { code, message: title });
  }

  // The sandbox's bank is this server, under whatever name the buyer has reached it by.
  const ownBank = (target) => (target.pathname.startsWith("/sandbox/challenge/") ? target.pathname + target.search : "");

  function followTo(url) {
    const target = new URL(url, location.href);
    if (target.protocol !== "https:" && target.protocol !== "http:") {
      fail("bad_redirect", "The payment provider gave an address that this page does not open.");
      return;
    }
    tell("step", { step: "authentication" });
    if (ownBank(target)) location.assign(ownBank(target));
    else if (!isFramed) location.assign(target.href);
    else offerWayOut(target.href);
  }

  // Banks refuse to be shown in frames, and a frame may leave its page only when the buyer asks it to.
  function offerWayOut(url) {
    setBusy("Your bank wants to confirm the payment.");
    const link = document.createElement("a");
    link.className = "button block";
    link.href = url;
    link.target = "_top";
    link.textContent = "Continue to your bank";
    form.replaceChildren(link);
    link.focus();
  }

  const ERRORS_TO_FIELDS = new Set(["missing_required_field", "validation_error"]);

  function markFields(details) {
    let isMarked = false;
    for (const fault of Array.isArray(details) ? details : []) {
      const name = String(fault.pointer || "").slice(1).replaceAll("/", ".");
      const input = form.elements.namedItem(name) || form.querySelector(`[data-address="${CSS.escape(name)}"] input[required]`);
      if (input instanceof HTMLElement) {
        mark(input, fault.message);
        if (!isMarked) input.focus();
        isMarked = true;
      }
    }
    return isMarked;
  }

  function mark(input, message) {
    input.setAttribute("aria-invalid", message ? "true" : "false");
    const place = input.parentElement.querySelector("small");
    if (place) place.textContent = message;
  }

  function areFieldsFilled() {
    let first = null;
    for (const input of form.querySelectorAll("input[required], select[required], input[type=email]")) {
      if (input.closest("[hidden]")) continue;
      const isEmpty = input.required && !input.value.trim();
      const isWrong = isEmpty || !input.checkValidity();
      mark(input, isEmpty ? "This is needed." : isWrong ? "This does not look right." : "");
      if (isWrong && !first) first = input;
    }
    if (first) first.focus();
    return !first;
  }

  const isSame = () => Boolean(byId("same") && byId("same").checked);

  function readAddresses() {
    const found = {};
    for (const [name, value] of new FormData(form)) {
      const [group, part] = name.split(".");
      if (part && String(value).trim()) (found[group] ??= {})[part] = String(value).trim();
    }
    if (isSame()) found.billingAddress = found.shippingAddress;
    return found;
  }

  function readForm() {
    const body = { paymentMethod: state.isFree ? "card" : form.elements.namedItem("paymentMethod").value };
    for (const [name, value] of new FormData(form)) {
      const text = String(value).trim();
      if (!text || name.includes(".") || name === "paymentMethod" || name === "shippingMethod") continue;
      if (name !== "paymentToken" || body.paymentMethod === "card") body[name] = text;
    }
    return { ...body, ...readAddresses(), expectedAmount: Number(shownTotal().replace(".", "")) };
  }

  async function ask(body, operation = "complete") {
    try {
      const response = await fetch(`/api/v1/checkout-sessions/${state.sessionId}/${operation}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
      });
      const answer = await response.json();
      const pause = Number(response.headers.get("Retry-After")) * 1000 || 0;
      return { status: response.status, answer, code: answer.error ? answer.error.code : "", pause };
    } catch {
      return { status: 0, answer: {}, code: "", pause: 0 };
    }
  }

  const isOpen = ({ status, code }) =>
    status === 0 || status === 202 || status >= 500 || code === "payment_in_progress" || code === "rate_limited";

  // The same submission gets the same answer, so asking again can never pay twice.
  async function settle(body) {
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const result = await ask(body);
      const next = result.status === 202 && result.answer.nextAction;
      if (next) return { ...result, redirect: next.url };
      if (!isOpen(result)) return result;
      setBusy(result.status === 0 ? "The connection is lost. Looking again…" : "Waiting for the bank to answer…");
      await wait(Math.max(result.pause, look < 5 ? SHORT_WAIT : LONG_WAIT));
    }
    return { status: -1, answer: {}, code: "still_open" };
  }

  // Where the shop works out shipping and tax, only the total of what stands in the form now may be paid.
  let worked = state.isFinal ? JSON.stringify({}) : "";
  let queue = Promise.resolve(false);
  let timer = 0;
  const isWorked = () => !state.isToCalculate || worked === JSON.stringify(readAddresses());
  const shownTotal = () => document.querySelector(".total .money").dataset.major;

  // One after the other: two answers that overtake each other would leave a total that this page does not show.
  function workOut(method) {
    clearTimeout(timer);
    queue = queue.then(() => workOutNow(method), () => workOutNow(method));
    return queue;
  }

  async function workOutNow(method) {
    const addresses = readAddresses();
    const chosen = method || (form.elements.namedItem("shippingMethod") || {}).value;
    setBusy("Working out shipping and tax…");
    const { status, answer } = await ask({ ...addresses, ...(chosen && { selectedShippingMethodId: chosen }) }, "calculate");
    setBusy("");
    choose();
    if (status !== 200) return refuse(status, answer.error || {});
    drawShipping(answer.shipping);
    if (answer.status !== "final") return lack(answer, chosen);
    if (!(await redraw())) return false;
    worked = JSON.stringify(addresses);
    return true;
  }

  function refuse(status, error) {
    if (error.code === "session_expired" || error.code === "session_not_open" || error.code === "payment_in_progress") location.reload();
    else if (!markFields(error.details)) fail(error.code || "unknown", "Shipping and tax cannot be worked out just now.", "Nothing was charged. Try again in a moment.");
    return false;
  }

  function lack({ errors, shipping }, chosen) {
    const codes = errors.map(({ code }) => code);
    const first = shipping.methods[0];
    if (codes.some((code) => code.startsWith("shipping_method_")) && first && first.id !== chosen) return workOutNow(first.id);
    for (const { code, field } of errors) {
      const [address, part] = String(field).split(".");
      if (code === "address_required" || part) showAddress(address);
      const input = part && form.elements.namedItem(`${address}.${part}`);
      if (!input) continue;
      mark(input, code === "address_invalid" ? "This does not look right." : "This is needed.");
      input.focus();
    }
    const told = errors.find(({ code }) => code === "shipping_unavailable") || errors.find(({ code }) => !code.startsWith("address_"));
    if (told) showNotice(told.message, "Nothing was charged.");
    return false;
  }

  // The server draws what the session charges now, as it drew it when the page was opened.
  async function redraw() {
    const page = document.createElement("template");
    try {
      const response = await fetch(location.href);
      page.innerHTML = await response.text(); // a template runs nothing and applies no style
    } catch {
      fail("unknown", "The connection is lost.", "Nothing was charged. Try again in a moment.");
      return false;
    }
    const fresh = page.content;
    const summary = fresh.querySelector(".till-summary");
    const own = fresh.querySelector("#state");
    if (!summary || !own || JSON.parse(own.textContent).isFree !== state.isFree) {
      location.reload();
      return false;
    }
    document.querySelector(".till-summary").replaceWith(summary);
    submit.replaceChildren(...fresh.querySelector("#till [type=submit]").childNodes);
    drawMoney(summary);
    drawMoney(submit);
    return true;
  }

  function drawShipping({ methods, selectedMethod }) {
    const place = byId("shipping");
    place.hidden = !methods.length || (methods.length === 1 && Boolean(selectedMethod));
    const tiles = methods.map(({ id, displayName, rateAmount, currency, estimatedDeliveryDays: days }) => {
      const tile = document.createElement("label");
      tile.className = "tile";
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "shippingMethod", value: id, checked: Boolean(selectedMethod) && selectedMethod.id === id });
      const name = document.createElement("span");
      name.textContent = days ? `${displayName}, ${days} ${days === 1 ? "day" : "days"}` : displayName;
      const price = document.createElement("span");
      price.className = "money";
      Object.assign(price.dataset, { major: majorOf(rateAmount), currency, exponent: state.exponent });
      tile.append(radio, name, price);
      return tile;
    });
    byId("ways").replaceChildren(...tiles);
    drawMoney(place);
  }

  // Minor units as a decimal text, by moving the point: no amount ever becomes a float.
  function majorOf(minor) {
    const digits = String(minor).padStart(state.exponent + 1, "0");
    const point = digits.length - state.exponent;
    return state.exponent ? `${digits.slice(0, point)}.${digits.slice(point)}` : digits;
  }

  function showAddress(group) {
    const fields = form.querySelector(`[data-address="${CSS.escape(group)}"]`);
    const known = form.querySelector(`[data-known="${CSS.escape(group)}"]`);
    if (!fields || (group === "billingAddress" && isSame())) return;
    fields.hidden = fields.disabled = false;
    if (known) known.hidden = true;
  }

  function areAddressesFilled() {
    const needed = form.querySelectorAll("[data-address]:not([hidden]):not(:disabled) [required]");
    return Array.from(needed).every((input) => input.value.trim());
  }

  function onAddress({ target }) {
    if (!state.isToCalculate) return;
    if (target.name === "shippingMethod") workOut(target.value);
    else if ((target.closest("[data-address]") || target.id === "same") && areAddressesFilled() && !isWorked()) {
      clearTimeout(timer);
      timer = setTimeout(workOut, PAUSE);
    }
  }

  // True where what the form says is what the page shows as the total, and that is what would be charged.
  async function isTotalShown() {
    if (isWorked()) return true;
    const before = state.isFinal ? shownTotal() : "";
    if (!(await workOut())) return false;
    state.isFinal = true;
    if (shownTotal() === before) return true;
    showNotice("The total has changed.", "Please look at it, and then pay.");
    return false;
  }

  async function pay() {
    byId("notice").hidden = true;
    if (!areFieldsFilled() || !(await isTotalShown())) return;
    setBusy("Paying…");
    tell("processing");
    const body = readForm();
    conclude(await settle(body));
  }

  function conclude({ status, answer, code, redirect }) {
    if (redirect) return followTo(redirect);
    if (status === 200) return succeed(answer);
    if (status === -1) return fail(code, "The bank has not answered yet.", "You may leave this page. The shop learns of the outcome by itself.");
    const error = answer.error || {};
    if (code === "payment_failed") {
      const kind = (error.details || {}).declineKind;
      return fail(code, state.declines[kind] || state.declines.other, "Nothing was charged. You can try again.");
    }
    if (ERRORS_TO_FIELDS.has(code) && markFields(error.details)) return setBusy("");
    if (code === "session_expired" || code === "session_not_open") return location.reload();
    if (code === "discount_invalid") return askAnew(error.message);
    if (code === "amount_changed") return drawAnew(code, error.message);
    if (code === "cart_not_ready" && state.isToCalculate) {
      worked = "";
      setBusy("");
      return isTotalShown().then((isSo) => isSo && pay());
    }
    if (code === "too_many_attempts") return fail(code, "This checkout has used up its attempts.", "Go back to the shop and start again.");
    return fail(code || "unknown", error.message || "Something went wrong.", "Nothing was charged.");
  }

  // The cart was changed elsewhere. What the buyer typed stays; what it costs now is shown before it can be paid.
  async function drawAnew(code, message) {
    tell("failed", { code, message });
    if (!(await redraw())) return;
    setBusy("");
    showNotice("The total has changed.", "Please look at it, and then pay. Nothing was charged.");
  }

  // The total on this page is not what would be charged any more: draw the page anew, and say why there.
  function askAnew(message) {
    tell("failed", { code: "discount_invalid", message });
    try {
      sessionStorage.setItem(state.sessionId, message);
    } catch {
      // A frame without storage shows the new total alone.
    }
    location.reload();
  }

  function sayWhy() {
    try {
      const message = sessionStorage.getItem(state.sessionId);
      sessionStorage.removeItem(state.sessionId);
      if (message) showNotice(message, "It is not in the total any more. Nothing was charged.");
    } catch {
      // The same frame.
    }
  }

  // After a redirect the submission is gone. This one names no card, so that it can ask but never pay.
  async function resume() {
    if (leave) {
      const target = new URL(leave.href);
      if (ownBank(target)) leave.href = ownBank(target);
      else if (isFramed) leave.target = "_top";
      leave.hidden = true;
    }
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      // Whoever has just been at the bank is not sent there again before anybody has asked.
      if (leave && look > 1) leave.hidden = false;
      const result = await ask({ paymentMethod: "card" });
      if (!isOpen(result)) {
        if (result.code === "session_not_open" && !state.isEmbedded && state.returnUrl) location.replace(state.returnUrl);
        else location.reload();
        return;
      }
      await wait(Math.max(result.pause, look < 5 ? SHORT_WAIT : LONG_WAIT));
    }
    document.querySelector(".slip p").textContent = "The bank has not answered yet. You may leave this page: the shop learns of the outcome by itself.";
    document.querySelector(".slip .spinner").remove();
  }

  function choose() {
    if (byId("same")) form.querySelector('[data-address="billingAddress"]').hidden = isSame();
    const chosen = form.elements.namedItem("paymentMethod");
    if (!chosen) return;
    const method = chosen.value;
    for (const part of form.querySelectorAll("[data-for]")) {
      const isBare = "withoutForm" in part.dataset;
      part.hidden = part.dataset.for !== method || (isBare && state.hasCardForm);
    }
    submit.disabled = method === "card" && !state.hasCardForm;
  }

  function drawMethods(methods) {
    const tiles = methods.map(({ method, displayName }, index) => {
      const tile = document.createElement("label");
      tile.className = "tile";
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "paymentMethod", value: method, checked: index === 0 });
      tile.append(radio, displayName);
      return tile;
    });
    byId("methods").replaceChildren(...tiles);
  }

  async function start() {
    form.addEventListener("submit", (event) => { event.preventDefault(); pay(); });
    form.addEventListener("change", choose);
    form.addEventListener("change", onAddress);
    for (const known of form.querySelectorAll("[data-known]")) {
      known.querySelector("button").addEventListener("click", () => {
        showAddress(known.dataset.known);
        form.querySelector(`[data-address="${known.dataset.known}"] input`).focus();
      });
    }
    choose();
    sayWhy();
    // What the shop knows already may be enough.
    if (state.isToCalculate && !state.isFinal && areAddressesFilled()) workOut();
    if (!state.isFree) await offerMethods();
    tell("ready");
  }

  async function offerMethods() {
    try {
      const response = await fetch(`/api/v1/checkout-sessions/${state.sessionId}/payment-methods`, { credentials: "omit" });
      const { methods = [] } = response.ok ? await response.json() : {};
      const known = methods.filter(({ method }, index) => methods.findIndex((one) => one.method === method) === index);
      if (!known.length) throw new Error("none");
      drawMethods(known);
      choose();
    } catch {
      byId("methods").textContent = "There is no way to pay at this moment.";
    }
  }

  if (leave && state.isEmbedded && state.page === "till") {
    leave.addEventListener("click", (event) => { event.preventDefault(); tell("closed"); });
  }
  if (isFramed && state.parentOrigin) {
    new ResizeObserver(() => tell("resize", { height: Math.ceil(document.body.getBoundingClientRect().height) })).observe(document.body);
  }
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  if (state.page === "till") start();
  else tell("ready");
  if (state.page === "waiting") resume();
  if (state.page === "paid") tell("succeeded", { orderId: state.orderId, paymentId: state.paymentId });
  if (state.page === "over") tell("failed", { code: state.code, message: document.title });
})();
