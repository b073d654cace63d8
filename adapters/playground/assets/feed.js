// The feed of changes: server-sent events for the channel this page shows.

import { $, $$, announce, loggedOut, refresh } from './dom.js';
import { removePost, showPost, showReplies } from './posts.js';

const hiddenFor = 30_000; // a page nobody looks at gives its connection back
const writing = new Set();
let source = null;
let last = document.body.dataset.now;
let lostTimer = 0;

export function start() {
  connect();
  let timer = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => { source?.close(); source = null; }, hiddenFor);
    else if (!source) connect();
  });
  addEventListener('pagehide', () => { source?.close(); source = null; });
  addEventListener('pageshow', (e) => { if (e.persisted && !source) connect(); });
}

// follow begins the feed again once another thread is open: what changes in it,
// and the model that answers there, belong to this page from now on.
export function follow() {
  if (source) connect();
}

function connect() {
  source?.close();
  const { channel, thread } = document.body.dataset;
  const query = new URLSearchParams({ channel: channel || '', thread: thread || '', since: last || '' });
  source = new EventSource(`/playground/events?${query}`);
  const on = (kind, f) => source.addEventListener(kind, (e) => {
    if (e.lastEventId) last = e.lastEventId;
    f(JSON.parse(e.data));
  });
  source.onopen = () => { clearTimeout(lostTimer); lostTimer = 0; $('#lost').hidden = $('#out').hidden = true; };
  source.onerror = () => {
    // Armed once: the browser reports every try, each sooner than the time is over.
    lostTimer ||= setTimeout(() => { $('#lost').hidden = !$('#out').hidden; }, 2500);
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      fetch('/playground/complete').then((answer) => { if (answer.status === 401) loggedOut(); }, () => {});
      setTimeout(() => { if (!source && !document.hidden) connect(); }, 3000);
    }
  };
  on('post', post);
  on('gone', (p) => removePost(p.id));
  on('replies', (r) => showReplies(r.root, r.html));
  on('typing', typing);
  on('surroundings', surroundings);
  on('unread', (u) => unread(u.channel, true));
  on('resync', connect);
}

function post(p) {
  const shown = showPost(p.html, p.room);
  if (p.bot) typing({ room: p.room, bot: p.bot, on: false });
  if (!p.bot || !shown) return;
  // A screen reader hears that an answer began and then the whole of it, not
  // every word as it comes.
  if (p.growing && !writing.has(p.id)) {
    writing.add(p.id);
    announce(`${p.name} is writing.`);
  } else if (!p.growing && writing.delete(p.id)) {
    announce(`${p.name}: ${$('[data-body]', shown)?.textContent.trim().slice(0, 1500) ?? ''}`);
  }
}

let around = document.body.dataset.around || '';

// surroundings: which model answers here, and whether the hints about providers
// still hold, whoever changed that.
function surroundings(s) {
  const chips = { main: s.using, '[data-panel]': s.thread };
  for (const [where, name] of Object.entries(chips)) {
    const chip = $('[data-using]', $(where) ?? document);
    if (chip && name && chip.closest('main, [data-panel]') === $(where)) chip.textContent = name;
  }
  if (around && around !== s.state) refresh();
  around = s.state;
}

const thinking = new Map();

function typing(t) {
  const id = `${t.room} ${t.bot}`;
  clearTimeout(thinking.get(id)?.timer);
  thinking.delete(id);
  if (t.on) {
    thinking.set(id, { ...t, timer: setTimeout(() => typing({ ...t, on: false }), 9000) });
  }
  showTyping();
}

export function showTyping() {
  for (const form of $$('[data-compose]')) {
    const { channel, thread } = form.elements;
    const room = thread.value ? `${channel.value}/${thread.value}` : channel.value;
    const names = [...thinking.values()].filter((t) => t.room === room).map((t) => t.name);
    $('[data-typing]', form).textContent = names.length ? `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} thinking` : '';
  }
}

function stored() {
  try { return JSON.parse(sessionStorage.getItem('unread')) || []; } catch { return []; }
}

export function unread(channel, is) {
  const link = $(`.nav a[data-channel="${CSS.escape(channel)}"]`);
  if (!link || (is && channel === document.body.dataset.channel)) return;
  link.classList.toggle('unread', is);
  $('.nav-dot', link).hidden = !is;
  const rest = stored().filter((c) => c !== channel);
  try { sessionStorage.setItem('unread', JSON.stringify(is ? [...rest, channel] : rest)); } catch { /* private mode */ }
}

export function restoreUnread() {
  for (const c of stored()) unread(c, c !== document.body.dataset.channel);
}
