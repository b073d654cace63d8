// Messages on the page: a new one is put in its place, a changed one is patched
// where it stands, block by block, so that selections and focus survive.

import { $, $$, announce, elements, keepEnd, localTimes } from './dom.js';

const recent = new Map(); // what came for rooms not shown yet: a thread that is just opening
const recentLimit = 60;

export function showPost(html, room) {
  const [fresh] = elements(html);
  if (!fresh) return null;
  localTimes(fresh);
  recent.delete(fresh.dataset.post);
  recent.set(fresh.dataset.post, { html, room });
  if (recent.size > recentLimit) recent.delete(recent.keys().next().value);
  const there = $$(`[data-post="${CSS.escape(fresh.dataset.post)}"]`);
  for (const old of there) patch(old, fresh);
  if (there.length === 0) insert(fresh, room);
  return fresh;
}

export function removePost(id) {
  recent.delete(id);
  for (const p of $$(`[data-post="${CSS.escape(id)}"]`)) p.remove();
}

// replay shows what came for a room while it was not on the page.
export function replay(room) {
  for (const r of [...recent.values()]) if (r.room === room) showPost(r.html, r.room);
}

function insert(post, room) {
  const list = $(`[data-room="${CSS.escape(room)}"]`);
  if (!list) return;
  keepEnd(list.closest('[data-scroll]'), () => {
    const at = Number(post.dataset.at);
    const next = $$(':scope > [data-post]', list).find((p) => Number(p.dataset.at) > at);
    list.insertBefore(post, next || null);
  });
}

function patch(old, fresh) {
  if (Number(fresh.dataset.changed) < Number(old.dataset.changed)) return;
  keepEnd(old.closest('[data-scroll]'), () => {
    old.dataset.changed = fresh.dataset.changed;
    old.className = fresh.className;
    if (fresh.getAttribute('aria-busy')) old.setAttribute('aria-busy', 'true');
    else old.removeAttribute('aria-busy');
    blocks($('[data-body]', old), $('[data-body]', fresh));
    const controls = $('[data-controls]', old);
    const wanted = $('[data-controls]', fresh);
    if (controls.innerHTML !== wanted.innerHTML) {
      const focused = controls.contains(document.activeElement);
      controls.innerHTML = wanted.innerHTML;
      if (focused) old.closest('[data-scroll]')?.focus({ preventScroll: true });
    }
  });
}

function blocks(old, fresh) {
  const wanted = [...fresh.cloneNode(true).childNodes];
  const there = [...old.childNodes];
  wanted.forEach((node, i) => {
    if (!there[i]) old.append(node);
    else if (!there[i].isEqualNode(node)) there[i].replaceWith(node);
  });
  for (const extra of there.slice(wanted.length)) extra.remove();
}

export function showReplies(root, html) {
  const [fresh] = elements(html);
  if (!fresh) return;
  localTimes(fresh);
  for (const old of $$(`[data-replies="${CSS.escape(root)}"]`)) {
    keepEnd(old.closest('[data-scroll]'), () => old.replaceWith(fresh.cloneNode(true)));
  }
}

// showProblem says what did not work, in a note of the page's own.
export function showProblem(text, list) {
  const [note] = elements('<li class="post note problem" data-note><div class="post-main"><div class="post-head"><button type="button" class="plain dismiss" data-dismiss>Dismiss</button></div><div class="body"><p></p></div></div></li>');
  $('p', note).textContent = text;
  showNote(note.outerHTML, list);
  announce(text);
}

// showNote puts an answer for one's own eyes at the end of a list, or in place
// of the note it came from.
export function showNote(html, list, instead) {
  const [note] = elements(html);
  if (!note || !list) return;
  localTimes(note);
  if (instead?.isConnected) instead.replaceWith(note);
  else if (list.matches('[data-notes]')) list.replaceChildren(note);
  else keepEnd(null, () => list.append(note));
  note.scrollIntoView({ block: 'nearest' });
}
