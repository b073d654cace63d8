// Small tools the other parts share: HTML from the server into the page, and
// scrolling that stays where the reader is.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// The server escapes what people and models wrote; the page only places it.
export function elements(html) {
  const t = document.createElement('template');
  t.innerHTML = html;
  return [...t.content.children];
}

export function localTimes(root) {
  for (const t of $$('time[datetime]', root)) {
    const at = new Date(t.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const sameDay = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    t.textContent = sameDay ? clock : `${at.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`;
    t.title = at.toLocaleString();
  }
}

const near = 120;

// keepEnd runs change and follows the end of the list if the reader was there.
export function keepEnd(scroller, change) {
  const atEnd = !scroller || scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < near;
  change();
  if (scroller && atEnd) scroller.scrollTop = scroller.scrollHeight;
}

export function toEnd(root = document) {
  for (const s of $$('[data-scroll]', root)) s.scrollTop = s.scrollHeight;
}

// announce says text to a screen reader once, politely.
export function announce(text) {
  const box = $('#announce');
  if (!box) return;
  box.textContent = '';
  requestAnimationFrame(() => { box.textContent = text; });
}

export function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}

// send posts a form's values and gives the server's answer. A page that was
// logged out stays, with all that was typed.
export async function send(url, values) {
  const answer = await fetch(url, {
    method: values ? 'POST' : 'GET',
    headers: { Accept: 'application/json' },
    body: values ? new URLSearchParams(values) : undefined,
  });
  if (answer.status === 401) {
    loggedOut();
    throw new Error('you are logged out; log in again in another tab');
  }
  if (!(answer.headers.get('Content-Type') || '').startsWith('application/json')) {
    throw new Error((await answer.text()).slice(0, 300) || answer.statusText);
  }
  return { ok: answer.ok, ...(await answer.json()) };
}

export function loggedOut() {
  $('#lost').hidden = true;
  $('#out').hidden = false;
}

// refresh takes what the page says of bots and providers from the server again.
export async function refresh() {
  const answer = await fetch(location.pathname, { headers: { Accept: 'text/html' } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const now = $$('[data-live]', page);
  $$('[data-live]').forEach((old, i) => {
    const fresh = now[i];
    if (!fresh || old.isEqualNode(fresh)) return;
    const held = old.contains(document.activeElement) && document.activeElement.getAttribute('aria-label');
    keepEnd(old.closest('[data-scroll]'), () => old.replaceWith(fresh));
    if (held) $(`[aria-label="${CSS.escape(held)}"]`, fresh)?.focus({ preventScroll: true });
  });
}
